"""Scripts, identified languages and the profile of a dataset, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from polybatch.core.dataset import QUERIES, REJECTED, table
from polybatch.core.markdown import excerpt
from polybatch.settings.data import DatasetSettings
from polybatch.settings.load import load
from polybatch.validation.language_id import agrees, is_reliable, measure, measured, misidentified
from polybatch.validation.profile import profile
from polybatch.validation.scripts import in_script, letters_of
from tests.helpers.params import ROOT, beside_tuned
from tests.helpers.small_datasets import RULES, dataset


def test_every_language_of_the_studies_has_a_script(tmp_path: Path) -> None:
    for path in (ROOT / "params.yaml", *(ROOT / "tests/golden/presets").glob("*.yaml")):
        for source in load(beside_tuned(tmp_path, path)).sources.values():
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
