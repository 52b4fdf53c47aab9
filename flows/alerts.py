"""Tell when a strategy got worse: its main measure against the last good result.

    python -m flows.alerts --accept     # what is here now is the last good result from now on

`results/last-good.json` holds the last result of a whole study that raised no alert; until a drop
is mended or accepted it stays as it is, so an alert does not silence itself by the next night.
Told every time in `results/alerts.md`, as a Prefect event, and by webhook if params name one.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.events import emit_event

from flows.scores import metrics_of, strategy_of
from polybatch.config import Config, load
from polybatch.errors import InputError, InputErrorList
from polybatch.settings import NotifySettings

LAST_GOOD, ALERTS = Path("results/last-good.json"), Path("results/alerts.md")
EVENT = "polybatch.strategy.dropped"
_SECONDS = 10  # that a webhook has to answer

Scores = dict[str, dict[str, float]]  # strategy -> "dataset setting" -> main measure


@dataclass(frozen=True)
class Good:
    """The last good result, and the low ends of its intervals where there are some."""

    scores: Scores
    lows: Scores


def raise_alerts(root: Path, config: Config, stale: list[str]) -> list[str]:
    """Compare, write results/alerts.md, tell the event and the webhook; return one line a drop.

    `stale`: stages that failed or did not run; their strategies' metrics are old ones and are
    left out, and then nothing becomes the last good result.
    """
    old = {strategy_of(at.partition("@")[2], config.strategies) for at in stale}
    now = {name: scores for name, scores in read_scores(root, config).items() if name not in old}
    good = _last_good(root, config.notify.measure)
    drops = compare(good, now, config.notify.drop)
    lines = [_line(drop, config.notify.measure) for drop in drops]
    _write(root / ALERTS, _page(lines, stale, bool(good.scores), config.notify))
    if not lines and not stale and now:
        accept(root, config)
    for drop in drops:
        name = drop["strategy"]
        resource = {"prefect.resource.id": f"polybatch.strategy.{name}"}
        emit_event(EVENT, resource | {"prefect.resource.name": str(name)}, payload=drop)
    if lines and config.notify.webhook:
        lines = [*lines, *_post(config.notify.webhook, config.study.name, lines, drops)]
    return lines


def read_scores(root: Path, config: Config) -> Scores:
    """Return the main measure of every strategy that has metrics, by dataset and setting."""
    found: Scores = {}
    for name in config.strategies:
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
    }
    _write(root / LAST_GOOD, json.dumps(value, indent=2, sort_keys=True) + "\n")


def _last_good(root: Path, measure: str) -> Good:
    path = root / LAST_GOOD
    if not path.is_file():
        return Good({}, {})
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if value["measure"] != measure:
            return Good({}, {})
        return Good(dict(value["scores"]), dict(value["lows"]))
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


def _page(lines: list[str], stale: list[str], compared: bool, notify: NotifySettings) -> str:
    told = ["# Alerts", ""]
    told += [f"- {line}" for line in lines]
    told += [f"- not up to date, its old result is left out: {address}" for address in stale]
    if not lines and not stale:
        told.append("None." if compared else "None: there was no earlier result to compare with.")
    rule = f"{notify.measure} below the interval of the last good result"
    if notify.drop is not None:
        rule = f"{notify.measure} more than {notify.drop:g} below the last good result"
    told += ["", f"An alert: {rule} (`{LAST_GOOD}`), on any dataset and setting."]
    if lines:
        told.append("If the fall is wanted: `python -m flows.alerts --accept`.")
    return "\n".join(told) + "\n"


def _post(url: str, study: str, lines: list[str], drops: list[dict[str, Any]]) -> list[str]:
    body = json.dumps({"study": study, "text": "\n".join(lines), "drops": drops}).encode()
    try:
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=_SECONDS):
            return []
    except (urllib.error.URLError, OSError, ValueError) as error:
        return [f"notify.webhook: {url} did not take the alert ({error}); it is in {ALERTS}"]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial-{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def main() -> int:
    """Accept what is here as good, or say what an alert would be about now."""
    parser = argparse.ArgumentParser(prog="python -m flows.alerts")
    parser.add_argument("--accept", action="store_true", help="what is here now is good")
    asked, root = parser.parse_args(), Path.cwd()
    try:
        config = load(root / "params.yaml")
        if asked.accept:
            accept(root, config)
            print(f"alerts: {LAST_GOOD} is what is here now")
            return 0
        good, now = _last_good(root, config.notify.measure), read_scores(root, config)
        drops = compare(good, now, config.notify.drop)
    except (InputError, InputErrorList) as error:
        sys.exit(f"alerts: {error}")
    for drop in drops:
        print(_line(drop, config.notify.measure))
    print(f"alerts: {len(drops)}")
    return 1 if drops else 0


if __name__ == "__main__":
    sys.exit(main())
