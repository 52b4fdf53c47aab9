"""Items and groups that are trained on and evaluated, in other languages and other words."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from polybatch.core.dataset import CORPUS, Dataset, check_dataset, read_dataset
from polybatch.core.errors import InputErrorList
from polybatch.settings.load import load
from polybatch.validation.leakage import without
from polybatch.validation.shared_items import has_own_groups, one_source, shared_items
from stages.download import download
from stages.validate import validate
from tests.helpers.params import DEFAULT
from tests.helpers.small_datasets import dataset

TRAIN = dataset(
    ("a", "en", "Where was Poe born?", "In Boston."),
    ("a", "sw", "Poe alizaliwa wapi?", "Boston."),
    ("b", "en", "When did he die?", "In 1849."),
    ("c", "en", "What did he write?", "The Raven."),
    name="train",
)
TEST = dataset(("a", "de", "Wo wurde Poe geboren?", "In Bosten."), name="test")


def grouped(given: Dataset, **groups: str) -> Dataset:
    """Return a dataset whose documents, by id, are in these groups."""
    group = pl.col("doc_id").replace_strict(groups, default=None, return_dtype=pl.String)
    corpus = given.corpus.with_columns(group_id=group).cast(CORPUS)
    return Dataset(given.name, given.queries, corpus, given.qrels)


def test_an_item_in_another_language_leaks_as_a_whole() -> None:
    found = shared_items(TRAIN, TEST, TRAIN.qrels, groups=True)
    assert found.select("table", "id", "evaluation_id", "match").rows() == [
        ("queries", "q0", "q0", "item"),
        ("queries", "q1", "q0", "item"),
        ("corpus", "d0", "q0", "item"),
        ("corpus", "d1", "q0", "item"),
    ]
    kept, gone = without(TRAIN, found)
    check_dataset(kept)
    assert kept.queries["item_id"].to_list() == ["b", "c"]
    assert kept.corpus["doc_id"].to_list() == ["d2", "d3"]
    assert set(gone["reason"]) == {"item of evaluation dataset test, q0"}


def test_a_group_leaks_with_all_its_items_where_groups_count() -> None:
    train, test = grouped(TRAIN, d2="poe", d3="poe", d0="x"), grouped(TEST, d0="poe")
    found = shared_items(train, test, train.qrels, groups=True)
    by_group = found.filter(match="group").select("id", "evaluation_id").rows()
    assert by_group == [("q2", "d0"), ("q3", "d0"), ("d2", "d0"), ("d3", "d0")]
    assert without(train, found)[0].queries.is_empty()
    assert set(shared_items(train, test, train.qrels, groups=False)["match"]) == {"item"}


def test_domain_text_leaks_by_the_items_that_it_answers() -> None:
    text = Dataset("text", TRAIN.queries.clear(), TRAIN.corpus, TRAIN.qrels.clear())
    found = shared_items(text, TEST, TRAIN.qrels, groups=True)
    assert found["id"].to_list() == ["d0", "d1"]
    assert without(text, found, TRAIN.qrels)[0].corpus["doc_id"].to_list() == ["d2", "d3"]


@pytest.mark.parametrize(
    ("folder", "other", "same"),
    [
        ("inputs/faq", "inputs/faq/", True),
        ("inputs/faq", "inputs/faq/de", True),
        ("inputs/faq", "inputs/faq2", False),
        ("inputs/none", "inputs/none", False),
    ],
)
def test_ids_name_the_same_items_within_a_folder(
    tmp_path: Path, folder: str, other: str, same: bool
) -> None:
    start, end = DEFAULT.index("sources:"), DEFAULT.index("validation:")
    lines = ["sources:"]
    for name, place in (("local", folder), ("local-b", other)):
        lines.append(f"  {name}: {{languages: [en], splits: [all], folder: {place}}}")
    lines.append("datasets:")
    for name, use, source in (("ours", "train", "local"), ("held", "evaluate", "local-b")):
        lines.append(f"  {name}: {{source: {source}, use: {use}, languages: [en], splits: [all],")
        lines.append("    part: all, heldout_share: 0.0}")
    text = DEFAULT[:start] + "\n".join(lines) + "\n" + DEFAULT[end:]
    path = tmp_path / "params.yaml"
    path.write_text(text.replace("texts: [cldr-train]", "texts: [ours]"), encoding="utf-8")
    config = load(path)
    assert one_source(config, "ours", "held") is same
    assert one_source(config, "ours", "ours")
    assert has_own_groups(config, "ours") is (folder != "inputs/none")


FAQ = """sources:
  local: {languages: [de, en], splits: [train, test], folder: inputs/faq}
datasets:
  ours: {source: local, use: train, languages: [de, en], splits: [train], part: all,
    heldout_share: 0.0}
  held: {source: local, use: evaluate, languages: [de, en], splits: [test], part: all,
    heldout_share: 0.0}
"""


@pytest.mark.parametrize("what", ["remove", "fail"])
def test_the_stage_takes_out_what_a_split_column_puts_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """i0 is asked in English in training and in German in evaluation; i1 and i21 are of a group."""
    monkeypatch.chdir(tmp_path)
    rows = ["item_id,lang,question,answer,split,group"]
    for n in range(24):
        split, group = "train" if n < 20 else "test", "g" if n in (1, 21) else f"g{n}"
        other = "test" if n == 0 else split
        rows.append(f"i{n},en,What costs article number {n}?,It costs {n} pounds,{split},{group}")
        rows.append(f"i{n},de,Was kostet der Artikel {n}?,Er kostet {n} Euro,{other},{group}")
    Path("inputs/faq").mkdir(parents=True)
    Path("inputs/faq/faq.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    start, end = DEFAULT.index("sources:"), DEFAULT.index("validation:")
    text = DEFAULT[:start] + FAQ + DEFAULT[end:].replace("min_rows: 64", "min_rows: 4")
    text = text.replace("texts: [cldr-train]", "texts: [ours]")
    text = text.replace("leakage: remove", f"leakage: {what}")
    Path("params.yaml").write_text(text, encoding="utf-8")
    config = load(Path("params.yaml"))
    download(config, "local")
    if what == "fail":
        with pytest.raises(InputErrorList, match="or whose item or group does"):
            validate(config, "")
        return
    validate(config, "")
    trained = read_dataset(Path("data/valid/ours")).queries["item_id"].unique()
    assert set(trained) == {f"i{n}" for n in range(2, 20)}
    report = Path("results/validation.md").read_text(encoding="utf-8")
    assert "1 queries in held (the same item)" in report
    assert "2 queries in held (the same group)" in report
    assert "**item of evaluation dataset held**: 2 rows" in report
