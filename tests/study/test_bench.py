"""The table of benchmarks: ratios by hand, the committed table from the committed records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _beside_the_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


def rounds(*pairs: tuple[float, float]) -> dict[str, list[dict[str, float]]]:
    """Return rounds in which ours and theirs took these seconds."""
    measured: dict[str, list[dict[str, float]]] = {"polybatch": [], "another": []}
    for pair in pairs:
        for found, seconds in zip(measured.values(), pair, strict=True):
            found.append({"seconds": seconds, "peak_mib": 100.0})
    return measured


def record(sizes: tuple[int, ...]) -> dict[str, Any]:
    return {
        "title": "sorting: by hand",
        "unit": "rows",
        "machine": {
            **{"date": "2026-11-29", "commit": "abc", "processor": "P", "cores": 2, "load": 0.1},
            **{"system": "S", "versions": {"numpy": "2"}},
        },
        "measured": {str(size): rounds((size, 2 * size), (2, 6), (1, 4)) for size in sizes},
    }


def test_a_ratio_is_that_of_one_round() -> None:
    from rendering import render

    table, plot = render([json.loads(json.dumps(record((10,)), sort_keys=True))])
    assert "| sorting: by hand | 10 rows | polybatch | 2 | 100 MiB |  |\n" in table
    # ratios 2, 3 and 4; the ratio of the medians, 6 / 2, would hide how far they are apart
    assert "|  |  | another | 6 | 100 MiB | 3.00 [2.00, 4.00] |" in table
    assert "2026-11-29, commit abc: 2 cores of P, load 0.1 at the start; S; numpy 2" in table
    assert plot == ""


def test_several_sizes_are_drawn_to_the_same_bytes() -> None:
    from rendering import render

    table, plot = render([record((10, 100))])
    assert "100 rows" in table
    assert "growth.svg" in table
    assert plot.startswith("<?xml")
    assert render([record((10, 100))]) == (table, plot)


def test_a_ratio_that_fell_by_more_than_a_fifth_is_named() -> None:
    from bench import fallen

    before = rounds((1, 10), (1, 10), (1, 10))
    assert fallen(before, rounds((1, 8.1), (1, 8.1), (1, 1))) == []
    assert fallen(before, rounds((1, 7.9), (1, 7.9), (1, 30))) == [
        "7.90 times as fast as another, 10.00 in the record"
    ]


def test_the_committed_table_is_that_of_the_committed_records() -> None:
    from bench import RECORDS, RESULTS, ROWS
    from rendering import render

    paths = [path for row in ROWS if (path := RECORDS / f"{row}.json").is_file()]
    table, _ = render([json.loads(path.read_text(encoding="utf-8")) for path in paths])
    assert RESULTS.read_text(encoding="utf-8") == table


def test_every_row_has_ours_first_and_another() -> None:
    from rows import ROWS

    for row in ROWS.values():
        assert next(iter(row.contenders)) == "polybatch"
        assert len(row.contenders) > 1
        assert row.tiny <= min(row.sizes)
