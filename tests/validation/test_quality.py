"""Row rules, quarantine, leakage and the profile, by hand and against slow obvious versions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, REJECTED, Dataset, check_dataset, table
from polybatch.core.markdown import excerpt
from polybatch.settings.data import DatasetSettings, ValidationSettings
from polybatch.settings.load import load
from polybatch.validation.cross_checks import refuse_leaks
from polybatch.validation.language_id import agrees, is_reliable, measure, measured, misidentified
from polybatch.validation.leakage import leaks, without
from polybatch.validation.near_duplicates import _grams
from polybatch.validation.profile import profile
from polybatch.validation.row_rules import losses, quarantine, real_losses, refuse_losses
from polybatch.validation.scripts import in_script, letters_of

RULES = ValidationSettings("remove", 0.8, 0.8, 30, 1, 1, 2, 40, 0.5, 1.0, 1.0, 0.2, 0.0, 0.0, 100)
ROOT = Path(__file__).parents[2]


def dataset(*rows: tuple[str, str, str, str], name: str = "d") -> Dataset:
    """Rows are (item_id, lang, question, answer); '' for none."""
    queries, corpus, qrels = [], [], []
    for number, (item, lang, question, answer) in enumerate(rows):
        if question:
            queries.append(
                {"query_id": f"q{number}", "item_id": item, "lang": lang, "text": question,
                 "split": "all"}
            )  # fmt: skip
        if answer:
            corpus.append(
                {"doc_id": f"d{number}", "lang": lang, "text": answer, "title": None,
                 "group_id": None, "document_id": None, "template_id": None}
            )  # fmt: skip
            if item:
                qrels.append({"item_id": item, "doc_id": f"d{number}", "relevance": 1})
    return Dataset(name, table(queries, QUERIES), table(corpus, CORPUS), table(qrels, QRELS))


def reasons(frame: pl.DataFrame) -> list[tuple[str, int, str, str]]:
    return frame.select("file", "row", "item_id", "reason").rows()


# Row rules ---------------------------------------------------------------------------------------


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


# Leakage -----------------------------------------------------------------------------------------

LONG = "The committee met on Tuesday to discuss the new harbour wall and its cost to the town."


def test_equal_and_nearly_equal_texts_are_found_and_others_are_not() -> None:
    evaluation = dataset(("e", "en", "Where was Poe born?", LONG), name="eval")
    train = dataset(
        ("equal", "en", "where was POE born", "In Boston."),
        ("near", "en", "What happened?", LONG.replace("Tuesday", "Thursday")),
        ("crossed", "en", LONG, "Read."),
        ("other", "en", "Where was Grant born?", "The committee met and that was that."),
    )
    found = leaks(train, evaluation, 0.8)
    assert found.select("table", "id", "evaluation_id").rows() == [
        ("corpus", "d1", "d0"),
        ("queries", "q0", "q0"),
        ("queries", "q2", "d0"),
    ]
    similarity = found["similarity"].to_list()
    assert similarity[1:] == [1, 1]
    assert 0.8 < similarity[0] < 1
    assert leaks(train, evaluation, 1.0).height == 2


def test_an_item_that_leaks_goes_in_every_language() -> None:
    evaluation = dataset(("e", "en", "Where was Poe born?", "Somewhere."), name="eval")
    train = dataset(
        ("a", "en", "Where was Poe born?", "In Boston."),
        ("a", "de", "Wo wurde Poe geboren?", "In Bosten."),
        ("b", "en", "When did he die?", "In 1849."),
        ("", "en", "", "somewhere!"),
    )
    found = leaks(train, evaluation, 1.0)
    kept, gone = without(train, found)
    assert kept.queries["item_id"].to_list() == ["b"]
    assert kept.corpus["doc_id"].to_list() == ["d2"]
    assert (
        dict(gone.select("item_id", "reason").rows())
        == {
            "a": "its item has a text of an evaluation dataset",
            "d0": "its item has a text of an evaluation dataset",
            "d1": "its item has a text of an evaluation dataset",
            "d3": "text of evaluation dataset eval, d0",
        }
        or gone.height == 5
    )
    check_dataset(kept)
    assert leaks(kept, evaluation, 1.0).is_empty()
    fail = ValidationSettings("fail", 1.0, 0.8, 30, 1, 1, 2, 40, 0.5, 1, 1, 0.2, 0, 0, 100)
    assert "2 training texts" in refuse_leaks("d", found, fail)[0].found
    assert refuse_leaks("d", found, RULES) == []


def test_near_duplicates_are_those_of_the_slow_obvious_version() -> None:
    """Every pair by its trigram sets; random edits of random sentences, Latin and Han."""
    draw = Random("leakage")
    letters = {"en": "abcdefgh ijklmnop", "zh": "天地玄黄宇宙洪荒日月盈昃辰宿列张"}
    base = [
        ("".join(draw.choices(letters[lang], k=draw.randint(12, 90))), lang)
        for lang in ("en", "zh")
        for _ in range(60)
    ]
    edited = []
    for text, lang in base:
        marks = list(text)
        for _ in range(draw.randint(0, 6)):
            marks[draw.randrange(len(marks))] = draw.choice(letters[lang])
        edited.append(("".join(marks), lang))
    evaluation = dataset(*((f"e{n}", lang, text, "ok.") for n, (text, lang) in enumerate(base)))
    train = dataset(*((f"t{n}", lang, text, "no.") for n, (text, lang) in enumerate(edited)))
    plain = [[" ".join(text.split()) for text, _ in each] for each in (edited, base)]
    truth = {
        f"q{n}"
        for n, text in enumerate(plain[0])
        for other in plain[1]
        if len(_grams(text) & _grams(other)) / len(_grams(text) | _grams(other)) >= 0.8
    }
    found = set(leaks(train, evaluation, 0.8).filter(table="queries")["id"])
    assert len(truth) > 20
    assert found <= truth
    assert len(truth - found) <= 1  # 1 in 1,000 may be missed


def test_leaks_of_nothing_and_of_texts_without_letters() -> None:
    empty = dataset()
    assert leaks(empty, dataset(("e", "en", "Q?", "A.")), 0.8).is_empty()
    assert leaks(dataset(("e", "en", "Q?", "A.")), empty, 0.8).is_empty()
    assert leaks(dataset(("a", "en", "?!", "…")), dataset(("e", "en", "?!", "…")), 0.8).is_empty()


# Scripts, identification, profile ----------------------------------------------------------------


def test_every_language_of_the_studies_has_a_script() -> None:
    for path in (ROOT / "params.yaml", *(ROOT / "tests/golden/presets").glob("*.yaml")):
        for source in load(path).sources.values():
            assert all(letters_of(lang) for lang in source.languages)


@pytest.mark.parametrize(
    ("lang", "text", "fits"),
    [
        ("el", "Πού γεννήθηκε ο Poe;", True),
        ("el", "Where was Poe born?", False),
        ("ja", "ポーはどこ", True),
        ("ko", "포는 어디", True),
        ("zh", "坡在哪里出生", True),
        ("am", "የት ተወለደ", True),
        ("tlh", "nuqDaq", True),
        ("ar", "1849", True),
        ("pa-PK", "ਕਿੱਥੇ", False),
        ("pa-PK", "کتھے جمیا", True),
        ("pa", "ਕਿੱਥੇ", True),
        ("mn-Mong", "ᠮᠣᠩᠭᠣᠯ", True),
        ("mn-Mong", "Монгол", False),
        ("mn", "Монгол", True),
        ("sr", "Где је", True),
        ("sr-Latn", "Gde je", True),
        ("sr-Latn", "Где је", False),
        ("uz-AF", "کیم توغیلگن", True),
        ("uz", "Qayerda", True),
        ("zh-Hant", "出生地在哪裡", True),
        ("zh-TW", "Where", False),
        ("ja", "かたかな カタカナ 漢字", True),
        ("tw", "Ɛhe na", True),
        ("xx-Qabc", "anything", True),
    ],
)
def test_scripts(lang: str, text: str, fits: bool) -> None:
    assert pl.DataFrame({"t": [text]}).select(in_script(lang, "t")).item() == fits


def test_identification_is_offline_and_asks_evenly() -> None:
    english, german = "Where was the author of this book born?", "Wo wurde der Autor geboren?"
    frame = pl.DataFrame(
        {"lang": ["en"] * 4 + ["ha"], "text": [english, german, english, german, "x"]}
    )
    asked, wrong = misidentified(frame, "en", 10)
    assert (asked, wrong["identified"].to_list()) == (4, ["de", "de"])
    assert misidentified(frame, "en", 2)[0] == 2
    assert misidentified(frame, "ha", 10)[0] == 0
    assert agrees("zh-Hant", "yue")


def test_languages_are_identified_only_where_short_texts_were_measured() -> None:
    """Swahili comes out as English, Indonesian, …: a third of AfriQA's questions is missed."""
    assert [
        lang for lang in ("ar", "de", "el", "en", "hi", "th", "zh") if not is_reliable(lang)
    ] == []
    assert not any(map(is_reliable, ("sw", "ur", "ha", "yo", "zu", "so", "it", "tlh")))
    assert measured()["sw"]["afriqa"][1] < 0.8
    assert is_reliable("es-419")
    assert not is_reliable("en-Shaw")
    assert not is_reliable("hi-Latn")  # in another script than the one that was measured


def test_a_measurement_counts_short_texts_of_each_source() -> None:
    sentence = "Wo wurde der Autor dieses Buches geboren?"
    texts = [sentence, sentence * 3, "Where was the author of this book born?", sentence]
    rows = [(f"q{n}", f"i{n}", "de", text, "s") for n, text in enumerate(texts)]
    frame = pl.DataFrame(rows, schema=QUERIES, orient="row")
    assert measure({"toy": frame}) == {"de": {"toy": [3, 0.667]}}


@pytest.mark.parametrize(
    ("right", "wrong", "share"),
    [(2, 2, None), (0, 1, 0.0), (0, 9, 0.0), (9, 1, 0.9), (50, 50, 0.5)],
)
def test_a_few_texts_taken_for_another_language_say_nothing(
    right: int, wrong: int, share: float | None
) -> None:
    """By hand, Wilson's 95% interval: of 2 in 4 it reaches 0.85; of 50 in 100, 0.60."""
    german, english = "Wo wurde der Autor geboren?", "Where was the author of this book born?"
    texts = [german] * right + [english] * wrong
    data = dataset(*((f"i{n}", "de", f"{text}", "x") for n, text in enumerate(texts)))
    rules = replace(RULES, min_identified=0.8)
    sets = DatasetSettings("d", "train", ("de",), ("all",), "all", 0.0)
    found = profile(data, table([], REJECTED), sets, rules)
    assert found.tables["queries"][0]["identified"] == share


def test_a_profile_counts_what_is_wrong() -> None:
    data = dataset(
        ("a", "en", "Where was he born?", "He was born in Boston."),
        ("a", "de", "Where was he born?", "Er wurde in Boston geboren."),
        ("b", "en", "where was he born", "Γεννήθηκε στη Βοστώνη."),
    )
    sets = DatasetSettings("d", "train", ("de", "en", "sw"), ("all",), "all", 0.0)
    found = profile(data, table([], REJECTED), sets, RULES)
    german, english, swahili = found.tables["queries"]
    assert (english["rows"], english["duplicates"], german["identified"]) == (2, 0.5, 0.0)
    assert swahili["rows"] is None
    assert found.tables["corpus"][1]["script"] == 0.5
    assert [row["untranslated"] for row in found.tables["pairs"]] == [0.5, 0.25, 0.0]
    kinds = set(found.examples["kind"])
    assert {"same text in one language", "other script", "same text in two languages"} <= kinds
    assert "other language: en" in kinds


def test_reports_show_script_text_and_hidden_marks_as_text() -> None:
    shown = excerpt("<script>alert(1)</script>|=cmd()&amp;\u202e\x07[a](b)")
    assert "<script" not in shown.replace("\\<", "")
    assert shown.count("\\|") == 1
    assert "\u202e" not in shown
    assert "‹U+202E›‹U+0007›\\[a\\]" in shown
    assert len(excerpt("x" * 1000)) == 90
