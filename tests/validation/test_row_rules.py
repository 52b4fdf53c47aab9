"""Rules of rows and quarantine, by hand."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import QRELS, REJECTED, Dataset, check_dataset, table
from polybatch.settings.data import ValidationSettings
from polybatch.validation.row_rules import losses, quarantine, real_losses, refuse_losses
from tests.helpers.small_datasets import RULES, dataset


def reasons(frame: pl.DataFrame) -> list[tuple[str, int, str, str]]:
    return frame.select("file", "row", "item_id", "reason").rows()


def test_each_rule_rejects_its_row_and_what_hangs_on_it() -> None:
    data = dataset(
        ("good", "en", "Where is it?", "It is here."),
        ("nul", "en", "Where\x00 is it now?", "There."),
        ("short", "en", "?", "Short."),
        ("long", "en", "What?", "x" * 41),
        ("blank", "en", "Why so?", "\u2003 \n"),
        ("c1", "en", "Was\x85 that so?", "Control."),
        ("unseen", "en", "\u200b\u2060", "Marks without a shape."),
    )
    found = quarantine(data, RULES)
    assert found.dataset.queries["item_id"].to_list() == ["good"]
    assert reasons(found.rejected) == [
        ("queries", 1, "nul", "control character"),
        ("queries", 2, "short", "shorter than min_characters"),
        ("queries", 5, "c1", "control character"),
        ("queries", 6, "unseen", "empty text"),
        ("corpus", 3, "d3", "longer than max_characters"),
        ("corpus", 4, "d4", "empty text"),
        ("queries", 3, "long", "no relevant document is left"),
        ("queries", 4, "blank", "no relevant document is left"),
    ]
    assert found.rejected.schema == REJECTED
    check_dataset(found.dataset)


def test_marks_of_reading_direction_tabs_and_line_ends_are_no_fault() -> None:
    data = dataset(("a", "ar", "أين\u200f هو\t؟", "هنا\u202b\r\n"))
    assert quarantine(data, RULES).rejected.is_empty()


def test_texts_are_composed_and_counted() -> None:
    found = quarantine(dataset(("a", "fr", "ou\u0300 est-il ?", "ici.")), RULES)
    assert found.dataset.queries["text"].to_list() == ["où est-il ?"]
    assert found.composed == 1


def test_repeated_ids_and_dangling_judgements_are_kept_apart() -> None:
    data = dataset(("a", "en", "One?", "Two."), ("a", "en", "Another one?", "Three."))
    qrels = [("a", "d0"), ("a", "d0"), ("a", "gone"), ("nobody", "d1")]
    judged = table([{"item_id": i, "doc_id": d, "relevance": 1} for i, d in qrels], QRELS)
    found = quarantine(Dataset("d", data.queries, data.corpus, judged), RULES)
    assert reasons(found.rejected) == [
        ("queries", 1, "a", "second query of its item in this language"),
        ("qrels", 1, "a", "judged before"),
        ("qrels", 2, "a", "judged document is not in the corpus"),
        ("qrels", 3, "nobody", "judged item has no query"),
    ]
    check_dataset(found.dataset)


def test_an_item_in_too_few_languages_goes() -> None:
    rules = ValidationSettings("remove", 0.8, 0.8, 30, 2, 1, 2, 40, 0.5, 1, 1, 0.2, 0, 0, 100)
    data = dataset(
        ("a", "en", "Where?", "Here."), ("a", "sw", "Wapi?", "Hapa."), ("b", "en", "Who?", "We.")
    )
    found = quarantine(data, rules)
    assert found.dataset.queries["item_id"].unique().to_list() == ["a"]
    assert "fewer than 2 languages" in found.rejected["reason"][0]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.sampled_from(["en", "sw"]),
            st.sampled_from(["Who?", "W\x00?", "?", ""]),
            st.sampled_from(["We.", "\x7f\x7f", ".", "x" * 50, ""]),
        ),
        max_size=12,
    )
)
def test_no_row_is_lost_and_what_is_left_is_a_dataset(
    rows: list[tuple[str, str, str, str]],
) -> None:
    data = dataset(*rows)
    found = quarantine(data, RULES)
    check_dataset(found.dataset)
    for name in ("queries", "corpus"):
        rejected = found.rejected.filter(file=name)
        assert rejected["row"].n_unique() == rejected.height
        assert getattr(found.dataset, name).height + rejected.height == getattr(data, name).height


def test_too_many_losses_name_language_and_reason() -> None:
    data = dataset(*((f"i{n}", "sw", "W\x00?", "Hapa.") for n in range(3)), ("e", "en", "Q?", "A."))
    found = quarantine(data, RULES)
    assert losses(found.dataset, found.rejected).rows() == [
        ("language sw", 3, 3, "control character")
    ]
    assert refuse_losses(found.dataset, found.rejected, RULES) == []
    strict = ValidationSettings("remove", 0.8, 0.8, 30, 1, 1, 2, 40, 0.4, 1, 1, 0.2, 0, 0, 100)
    (error,) = refuse_losses(found.dataset, found.rejected, strict)
    assert "language sw" in error.where
    assert "3 of 6 rows rejected, most of them: control character" in error.found


def test_a_missing_document_of_many_judgements_is_one_rejected_row() -> None:
    """As in ArguAna: 300 questions, 301 judgements, one of a document that is not there."""
    data = dataset(*((f"i{n}", "en", f"Q{n}?", f"A{n}.") for n in range(300)))
    more = table([{"item_id": "i0", "doc_id": "gone", "relevance": 1}], QRELS)
    found = quarantine(
        Dataset("d", data.queries, data.corpus, pl.concat([data.qrels, more])), RULES
    )
    strict = replace(RULES, max_rejected=0.004)
    assert losses(found.dataset, found.rejected).rows() == [
        ("table qrels", 1, 300, "judged document is not in the corpus")
    ]
    assert refuse_losses(found.dataset, found.rejected, strict) == []
    (error,) = refuse_losses(found.dataset, found.rejected, replace(RULES, max_rejected=0.003))
    assert "table qrels" in error.where
    assert "1 of 301 rows" in error.found


@pytest.mark.parametrize(("read", "kept"), [(203, 201), (None, 400)])
def test_rows_without_a_known_language_count_against_all(read: int | None, kept: int) -> None:
    """`read`: the lines of a file, two of which are broken; else the 400 rows of the tables."""
    data = dataset(*((f"i{n}", "en", f"Q{n}?", f"A{n}.") for n in range(200)))
    broken = [
        {"source": "d", "file": "faq.jsonl", "row": row, "lang": lang, "item_id": None,
         "reason": "no JSON", "text": "{"}
        for row, lang in ((7, None), (9, "EN"))
    ]  # fmt: skip
    found = losses(data, table(broken, REJECTED), ["en"], read)
    assert found.rows() == [("the files", 2, kept, "no JSON")]


def test_a_language_that_lost_all_its_rows_is_named() -> None:
    data = dataset(("a", "en", "Q?", "A."), ("b", "sw", "W\x00?", "x" * 41))
    found = quarantine(data, RULES)
    (error,) = refuse_losses(found.dataset, found.rejected, RULES, ["en", "sw"])
    assert "language sw" in error.where
    assert "2 of 2 rows" in error.found


def test_merged_rows_and_rows_that_are_not_requested_are_no_losses() -> None:
    rows = [
        {"source": "d", "file": "corpus", "row": None, "lang": "en", "item_id": "x",
         "reason": reason, "text": "t"}
        for reason in ("merged with y", "not requested: the split test", "empty text")
    ]  # fmt: skip
    assert real_losses(table(rows, REJECTED))["reason"].to_list() == ["empty text"]


def test_ids_that_no_later_file_can_hold_are_rejected_rows() -> None:
    data = dataset(("a b", "en", "Who?", "We."), ("c", "en", "When?", "Now."))
    renamed = data.corpus.with_columns(pl.col("doc_id").replace("d1", "d\u00a01"))
    qrels = data.qrels.with_columns(pl.col("doc_id").replace("d1", "d\u00a01"))
    found = quarantine(Dataset("d", data.queries, renamed, qrels), RULES)
    assert found.dataset.queries.is_empty()
    unusable = found.rejected.filter(pl.col("reason").str.starts_with("an id that"))
    assert unusable.select("file", "item_id").rows() == [("queries", "a b"), ("corpus", "d\u00a01")]
