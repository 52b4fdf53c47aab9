"""Groups that were joined or came apart since the last run: laws, and the stage run again."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from polybatch.core.dataset import read_dataset
from polybatch.settings.load import load
from polybatch.validation.regrouped import GROUPS, regrouped
from stages.download import download
from stages.validate import validate

ROOT = Path(__file__).parents[2]
ITEMS = "abcdefgh"
GROUPINGS = st.dictionaries(st.sampled_from(ITEMS), st.integers(0, 3), max_size=8)


def _frame(grouping: dict[str, int], held: frozenset[str] = frozenset()) -> pl.DataFrame:
    """Return GROUPS: items with the same number are a group, named by its smallest item."""
    rows = []
    for item, number in grouping.items():
        members = [other for other, its in grouping.items() if its == number]
        rows.append(("faq", item, min(members), item in held))
    return pl.DataFrame(rows, GROUPS, orient="row")


@settings(deadline=None)
@given(GROUPINGS, GROUPINGS)
def test_what_is_named_is_what_a_walk_over_all_pairs_finds(
    before: dict[str, int], now: dict[str, int]
) -> None:
    common = sorted(before.keys() & now.keys())
    pairs = [(one, other) for one in common for other in common if one < other]
    joined = any(now[a] == now[b] and before[a] != before[b] for a, b in pairs)
    apart = any(now[a] != now[b] and before[a] == before[b] for a, b in pairs)
    said = regrouped(_frame(before), _frame(now))
    assert any("were joined" in each for each in said) == joined
    assert any("came apart" in each for each in said) == apart


@settings(deadline=None)
@given(GROUPINGS, st.frozensets(st.sampled_from(ITEMS)), st.frozensets(st.sampled_from(ITEMS)))
def test_items_that_moved_are_counted(
    grouping: dict[str, int], one: frozenset[str], other: frozenset[str]
) -> None:
    said = regrouped(_frame(grouping, one), _frame(grouping, other))
    came, left = (sorted(set(grouping) & there) for there in (other - one, one - other))
    expected = [("came into", came), ("left", left)]
    assert [each.partition("items that ")[2].split(" this part: ")[0] for each in said] == [
        how for how, items in expected if items
    ]
    for sentence, items in zip(said, [items for _, items in expected if items], strict=True):
        assert f": {len(items)} (" in sentence


def test_the_stage_names_what_was_joined_and_what_came_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    own = {"languages": ["en"], "splits": ["all"]}
    part = own | {"source": "local", "heldout_share": 0.5}
    params["sources"] = {"local": own | {"folder": "inputs/faq"}}
    params["datasets"] = {
        "faq-train": part | {"use": "train", "part": "train"},
        "faq-test": part | {"use": "evaluate", "part": "heldout"},
    }
    params["validation"] |= {"min_rows": 1, "min_identified": 0.0, "max_duplicates": 1.0}
    params["dapt"] |= {"texts": ["faq-train"]}
    (tmp_path / "inputs/faq").mkdir(parents=True)
    (tmp_path / "inputs/none").mkdir()
    with Path("params.yaml").open("w", encoding="utf-8") as file:
        YAML().dump(params, file)
    config = load(Path("params.yaml"))
    head = "item_id,lang,question,answer\n"
    rows = [f"i{at},en,What is number {at}?,It is number {at} here.\n" for at in range(8)]

    def validated(*more: str) -> tuple[str, str]:
        Path("inputs/faq/faq.csv").write_text(head + "".join((*rows, *more)))
        caplog.clear()
        download(config, "local")
        validate(config, "")
        return caplog.text, Path("results/validation.md").read_text()

    def held() -> set[str]:
        return set(read_dataset(Path("data/valid/faq-test")).queries["item_id"])

    log, report = validated()
    before = held()
    assert "since the last run" not in log + report
    assert "since the last run" not in "".join(validated("i8,en,What is new?,This is new.\n"))
    log, report = validated("i0,en,What is number 0?,It is number 7 here.\n")
    for text in (log, report):
        assert "since the last run here, groups were joined: 1 (i0 + i7)" in text
    moved = before ^ held()
    assert moved <= {"i7"}  # the smallest of a group decides
    assert ("items that" in report) == bool(moved)
    log, report = validated()
    assert held() == before
    for text in (log, report):
        assert "since the last run here, groups came apart: 1 (i0 into i0 + i7)" in text
    Path("data/groups.parquet").write_bytes(b"PAR1")
    log, report = validated()
    assert "groups of the last run are not compared" in log
    assert "since the last run here" not in report
