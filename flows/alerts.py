"""Alert when a strategy got worse, or a declared contrast turned, since the last good result.

    python -m flows.alerts --accept     # what is here now is the last good result from now on

`results/last-good.json` holds the last result of a whole study that raised no alert; until a drop
is corrected or accepted it stays as it is, so an alert does not silence itself by the next night.
Reported every time in `results/alerts.md`, as a Prefect event, and by webhook if there is one:
`notify.webhook` of params.yaml, or POLYBATCH_WEBHOOK, where a token does not get into git.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from prefect.events import emit_event

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.core.files import write_text
from polybatch.settings.config import Config
from polybatch.settings.load import load
from polybatch.settings.webhooks import check_webhook, host_of

from . import webhook
from .scores import contrast_rows, metrics_of, strategy_of

LAST_GOOD, ALERTS = Path("results/last-good.json"), Path("results/alerts.md")
EVENT = "polybatch.strategy.dropped"

Scores = dict[str, dict[str, float]]  # strategy -> "dataset setting" -> main measure


@dataclass(frozen=True)
class Good:
    """The last good result, the low ends of its intervals where there are some, and its decisions.

    `outcomes`: of each declared contrast in each setting, what results/contrasts.csv decides.
    """

    scores: Scores
    lows: Scores
    outcomes: Mapping[str, str] = field(default_factory=dict)


class Alerts(NamedTuple):
    """One line per drop or turned contrast; what became of the webhook, empty if not posted."""

    lines: list[str]
    webhook: str


def raise_alerts(root: Path, config: Config, stale: list[str], whole: bool = True) -> Alerts:
    """Compare, post, write results/alerts.md, emit the events; return what was raised.

    `stale`: stages that failed or did not run; their strategies' metrics are old ones and are
    left out. Then, or where the run was not of the whole study, nothing becomes the last good
    result.
    """
    old = {strategy_of(at.partition("@")[2], config.arms) for at in stale}
    now = {name: scores for name, scores in read_scores(root, config).items() if name not in old}
    good = _last_good(root, config.notify.measure)
    drops = compare(good, now, config.notify.drop)
    turns = [] if stale else turned(good.outcomes, read_outcomes(root))
    lines = [*(_line(drop, config.notify.measure) for drop in drops), *turns]
    sent = _post(config, lines, drops) if lines else ""
    write_text(root / ALERTS, _page(lines, stale, bool(good.scores), config, sent))
    if not lines and not stale and whole and now:
        accept(root, config)
    turned_payloads = [{"strategy": line.split(" - ")[0], "turned": line} for line in turns]
    for payload in [*drops, *turned_payloads]:
        name = payload["strategy"]
        resource = {"prefect.resource.id": f"polybatch.strategy.{name}"}
        emit_event(EVENT, resource | {"prefect.resource.name": str(name)}, payload=payload)
    return Alerts(lines, sent)


def webhook_of(config: Config) -> str | None:
    """Return the checked address that alerts are posted to; the environment goes before params.

    Raises:
        InputError: no address of http or https; the message repeats nothing of it.
    """
    given = os.environ.get(webhook.VARIABLE)
    url = given or config.notify.webhook
    if url:
        check_webhook(webhook.VARIABLE if given else "params.yaml notify.webhook", url)
    return url


def read_scores(root: Path, config: Config) -> Scores:
    """Return the main measure of every strategy that has metrics, by dataset and setting."""
    found: Scores = {}
    for name in config.arms:
        with contextlib.suppress(InputError):  # not evaluated yet
            found[name] = main_scores(metrics_of(root, config, name), config.notify.measure)
    return found


def read_lows(root: Path, config: Config) -> Scores:
    """Return the low ends of the intervals of these scores, as far as compare wrote them."""
    path = root / "results" / "significance.csv"
    found: Scores = {}
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                wanted = (row["measure"], row["kind"]) == (config.notify.measure, "setting")
                if wanted and row["low"]:
                    where = f"{row['dataset']} {row['setting']}"
                    found.setdefault(row["strategy"], {})[where] = float(row["low"])
    return found


def read_outcomes(root: Path) -> dict[str, str]:
    """Return the decision on each declared contrast, dataset and setting, as compare made it."""
    return {
        f"{row['first']} - {row['second']} on {row['dataset']} {row['setting']}": row["outcome"]
        for row in contrast_rows(root)
    }


def turned(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return one line per declared contrast that was better and is not, or is worse and was not.

    What cannot be decided now, for want of trainings or clusters, has not turned.

    Example:
        >>> turned({"a - b on d mono": "better"}, {"a - b on d mono": "undecided"})
        ['a - b on d mono: better before, undecided now']
    """
    decided = ("better", "worse", "no worse", "equal within", "undecided")
    return [
        f"{name}: {before[name]} before, {outcome} now"
        for name, outcome in now.items()
        if name in before
        and before[name] != outcome
        and outcome in decided
        and (before[name] == "better" or outcome == "worse")
    ]


def main_scores(metrics: Mapping[str, Any], measure: str) -> dict[str, float]:
    """Return the measure of each dataset and setting, wherever it is a number.

    Example:
        >>> main_scores({"toy": {"mono": {"AP": 0.5, "R@1": 0.4}}}, "AP")
        {'toy mono': 0.5}
    """
    return {
        f"{dataset} {setting}": float(values[measure])
        for dataset, settings in metrics.items()
        if isinstance(settings, Mapping)
        for setting, values in settings.items()
        if isinstance(values, Mapping) and isinstance(values.get(measure), (int, float))
    }


def compare(good: Good, now: Scores, drop: float | None) -> list[dict[str, Any]]:
    """Return what fell by more than `drop`, else below its interval, the deepest fall first.

    What has no interval, in a study of one item, may not fall at all.

    Example:
        >>> good = Good({"a": {"toy mono": 0.5}}, {"a": {"toy mono": 0.45}})
        >>> compare(good, {"a": {"toy mono": 0.4}}, None)
        [{'strategy': 'a', 'where': 'toy mono', 'before': 0.5, 'now': 0.4}]
        >>> compare(good, {"a": {"toy mono": 0.4}}, 0.2)
        []
    """

    def fell(name: str, where: str, before: float) -> bool:
        least = good.lows.get(name, {}).get(where, before) if drop is None else before - drop
        return now[name][where] < least

    found = [
        {"strategy": name, "where": where, "before": before, "now": now[name][where]}
        for name, scores in good.scores.items()
        for where, before in scores.items()
        if name in now and where in now[name] and fell(name, where, before)
    ]
    return sorted(found, key=lambda one: (one["now"] - one["before"], one["strategy"]))


def accept(root: Path, config: Config) -> None:
    """Make the metrics that are here the last good result."""
    value = {
        "measure": config.notify.measure,
        "scores": read_scores(root, config),
        "lows": read_lows(root, config),
        "outcomes": read_outcomes(root),
    }
    write_text(root / LAST_GOOD, json.dumps(value, indent=2, sort_keys=True) + "\n")


def _last_good(root: Path, measure: str) -> Good:
    path = root / LAST_GOOD
    if not path.is_file():
        return Good({}, {})
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["measure"] != measure:
            return Good({}, {})
        return Good(dict(value["scores"]), dict(value["lows"]), dict(value.get("outcomes", {})))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            path,
            "no last good result",
            "what a flow wrote",
            "Remove the file: the next flow writes it again",
        ) from error


def _line(drop: Mapping[str, Any], measure: str) -> str:
    return (
        f"{drop['strategy']}: {measure} on {drop['where']} fell from {drop['before']:.4f}"
        f" to {drop['now']:.4f}"
    )


def _page(lines: list[str], stale: list[str], compared: bool, config: Config, sent: str) -> str:
    notify, seeds = config.notify, config.study.seeds
    page = ["# Alerts", ""]
    page += [f"- {line}" for line in lines]
    page += [f"- not up to date, its old result is left out: {address}" for address in stale]
    if not lines and not stale:
        page.append("None." if compared else "None: there was no earlier result to compare with.")
    rule = f"{notify.measure} below the interval of the last good result"
    if notify.drop is not None:
        rule = f"{notify.measure} more than {notify.drop:g} below the last good result"
    page += ["", f"An alert: {rule} (`{LAST_GOOD}`), on any dataset and setting;"]
    page += ["or a declared contrast (`statistics.contrasts`) that was better and is not any more,"]
    page += ["or is worse and was not."]
    if len(seeds) == 1:
        page += ["", "One training: intervals do not include chance of training."]
    if lines:
        page.append(f"If the fall is wanted: `python -m {__package__}.alerts --accept`.")
    page += ["", f"Webhook: {sent}."] if sent else []
    return "\n".join(page) + "\n"


def _post(config: Config, lines: list[str], drops: list[dict[str, Any]]) -> str:
    """Post the alert if there is a webhook; return what became of it, without the address."""
    url = webhook_of(config)
    if not url:
        return ""
    content = {"study": config.study.name, "text": "\n".join(lines), "drops": drops}
    failure = webhook.post(url, json.dumps(content).encode())
    if failure:
        return f"{host_of(url)} did not take the alert: {failure}"
    return f"{host_of(url)} took the alert"


def main() -> int:
    """Accept what is here as good, or say what an alert would be about now."""
    parser = argparse.ArgumentParser(prog=f"python -m {__package__}.alerts")
    parser.add_argument("--accept", action="store_true", help="what is here now is good")
    chosen, root = parser.parse_args(), Path.cwd()
    use_utf8()
    try:
        config = load(root / "params.yaml")
        if chosen.accept:
            accept(root, config)
            print(f"alerts: {LAST_GOOD} is what is here now")
            return 0
        good, now = _last_good(root, config.notify.measure), read_scores(root, config)
        drops = compare(good, now, config.notify.drop)
    except (InputError, InputErrorList) as error:
        sys.exit(f"alerts: {error}")
    lines = [_line(drop, config.notify.measure) for drop in drops]
    lines += turned(good.outcomes, read_outcomes(root))
    print("\n".join([*lines, f"alerts: {len(lines)}"]))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
