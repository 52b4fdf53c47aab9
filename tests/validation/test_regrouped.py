"""Groups that were joined or came apart since the last run: laws, and the stage run again."""

from __future__ import annotations

from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from polybatch.dataset import read_dataset
from polybatch.validation.regrouped import GROUPS, regrouped
from tests.study.test_pipeline import Workspace

ITEMS = "abcdefgh"
GROUPINGS = st.dictionaries(st.sampled_from(ITEMS), st.integers(0, 3), max_size=8)


def _frame(grouping: dict[str, int], held: frozenset[str] = frozenset()) -> pl.DataFrame:
    """Return GROUPS: items with the same number are a group, named by its smallest item."""
    rows = []
    for item, number in grouping.items():
        members = [other for other, its in grouping.items() if its == number]
        rows.append(("faq", item, min(members), item in held))
    return pl.DataFrame(rows, GROUPS, orient="row")


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


def test_the_stage_names_what_was_joined_and_what_came_apart(tmp_path: Path) -> None:
    study = Workspace(tmp_path)
    own = {"languages": ["en"], "splits": ["all"]}
    part = own | {"source": "local", "heldout_share": 0.5}
    study.params["sources"] = {"local": own | {"folder": "inputs/faq"}}
    study.params["datasets"] = {
        "faq-train": part | {"use": "train", "part": "train"},
        "faq-test": part | {"use": "evaluate", "part": "heldout"},
    }
    study.params["validation"] |= {"min_rows": 1, "min_identified": 0.0, "max_duplicates": 1.0}
    study.params["dapt"] |= {"texts": ["faq-train"]}
    study.write()
    (study.folder / "inputs/faq").mkdir()
    head = "item_id,lang,question,answer\n"
    rows = [f"i{at},en,What is number {at}?,It is number {at} here.\n" for at in range(8)]

    def validated(*more: str) -> tuple[str, str]:
        (study.folder / "inputs/faq/faq.csv").write_text(head + "".join((*rows, *more)))
        assert study.stage("download", "--source", "local").returncode == 0
        done = study.stage("validate")
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr, (study.folder / "results/validation.md").read_text()

    def held() -> set[str]:
        return set(read_dataset(study.folder / "data/valid/faq-test").queries["item_id"])

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
    (study.folder / "data/groups.parquet").write_bytes(b"PAR1")
    log, report = validated()
    assert "groups of the last run are not compared" in log
    assert "since the last run here" not in report
