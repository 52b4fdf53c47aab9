"""What flows read of the declared contrasts: alerts when one turns, and what a study can find."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from flows import alerts
from flows.alerts import EVENT, accept, raise_alerts, read_outcomes, turned
from flows.check import remarks
from polybatch.settings.load import load

ROOT = Path(__file__).parents[2]
NAMES = (
    "kind",
    "dataset",
    "setting",
    "first",
    "second",
    "outcome",
    "detectable",
    "margin",
    "seeds",
)


def _write(folder: Path, *rows: tuple[str, ...]) -> None:
    (folder / "results").mkdir(exist_ok=True)
    with (folder / "results" / "contrasts.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([NAMES, *rows])


def _row(setting: str, outcome: str, detectable: str, seeds: str = "3") -> tuple[str, ...]:
    return ("setting", "cldr-test", setting, "hybrid", "mono", outcome, detectable, "0.004", seeds)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("better", "undecided", True), ("better", "worse", True), ("no worse", "worse", True),
        ("better", "better", False), ("undecided", "no worse", False), ("worse", "worse", False),
        ("better", "one training", False), ("worse", "better", False),
    ],
)  # fmt: skip
def test_a_contrast_that_turned_is_an_alert(
    tmp_path: Path, before: str, now: str, told: bool
) -> None:
    _write(tmp_path, _row("mono", before, "0.01"))
    good = read_outcomes(tmp_path)
    assert good == {"hybrid - mono on cldr-test mono": before}
    _write(tmp_path, _row("mono", now, "0.01"), ("language of the encoder", *_row("", "", "")[1:]))
    lines = turned(good, read_outcomes(tmp_path))
    assert lines == [f"hybrid - mono on cldr-test mono: {before} before, {now} now"] * told


def test_a_contrast_that_turned_is_sent_as_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[tuple[object, ...]] = []

    def keep(*given: object, payload: object) -> None:
        sent.append((*given, payload))

    monkeypatch.setattr(alerts, "emit_event", keep)
    config = load(ROOT / "params.yaml")
    _write(tmp_path, _row("mono", "better", "0.01"))
    accept(tmp_path, config)
    assert raise_alerts(tmp_path, config, []).lines == []
    assert sent == []
    _write(tmp_path, _row("mono", "worse", "0.01"))
    (line,) = raise_alerts(tmp_path, config, []).lines
    ((event, resource, payload),) = sent
    assert event == EVENT == "polybatch.strategy.dropped"
    assert resource == {
        "prefect.resource.id": "polybatch.strategy.hybrid",
        "prefect.resource.name": "hybrid",
    }
    assert payload == {"strategy": "hybrid", "turned": line}


def test_before_a_run_one_line_says_what_the_last_results_find(tmp_path: Path) -> None:
    config = load(ROOT / "params.yaml")
    assert remarks(tmp_path, config) == []
    _write(tmp_path, _row("mono", "better", "0.012"), _row("cross", "better", "0.0051"))
    (line,) = remarks(tmp_path, config)
    assert "find differences from 0.5 to 1.2 points" in line
    assert "equality within 0.4 points at best" in line
    _write(tmp_path, _row("mono", "one training", "", "1"), _row("mono", "", "0.012", "2"))
    (line,) = remarks(tmp_path, config)
    assert "decide nothing: study.seeds" in line
    _write(tmp_path, ("setting", "other", "mono", "a", "b", "better", "0.01", "0.1", "3"))
    assert remarks(tmp_path, config) == []  # of another study
