"""The templated corpus: right facts, careful templates, parallel, the same bytes anywhere."""

from __future__ import annotations

import string
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.sources.cldr import Cldr, templates, write
from polybatch.sources.cldr_facts import Namer, facts, territories
from polybatch.sources.table import source_of

XQUAD = {"ar", "de", "el", "en", "es", "hi", "ru", "th", "tr", "vi", "zh"}
UNDERREPRESENTED = {"am", "ha", "ig", "sw", "yo", "zu"}
SCRIPTS = {
    "ar": "ARABIC",
    "el": "GREEK",
    "hi": "DEVANAGARI",
    "ru": "CYRILLIC",
    "th": "THAI",
    "zh": "CJK",
    "am": "ETHIOPIC",
}
SLOTS = {
    "currency": {"territory", "currency"},
    "currency_code": {"territory", "code"},
    "main_language": {"territory", "language"},
    "second_language": {"territory", "language"},
    "official_language": {"territory", "languages"},
    "first_weekday": {"territory", "day"},
    "weekend": {"territory", "start", "end"},
    "territory_code": {"territory", "code"},
    "timezone_city": {"territory", "city"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cldr")
    Cldr().download(folder, Cldr.languages, Cldr.splits, lambda file, path: None)
    return folder


def _dataset(folder: Path, *splits: str) -> Dataset:
    parsed = Cldr().read(folder, Cldr.languages, splits)
    assert parsed.rejected.is_empty()
    return Dataset("cldr", parsed.queries, parsed.corpus, parsed.qrels)


def test_it_is_as_large_and_as_varied_as_it_says(folder: Path) -> None:
    dataset = _dataset(folder, "train", "test")
    check_dataset(dataset)
    assert set(Cldr.languages) == XQUAD | UNDERREPRESENTED
    items = dataset.queries.group_by("item_id").agg(pl.col("lang").n_unique())
    assert items.height >= 1000
    assert items.filter(pl.col("lang") == 17).height >= 1000
    kinds = {item.rpartition(".")[2] for item in items["item_id"]}
    assert len(kinds) == 10
    assert set(dataset.queries["lang"].value_counts()["count"] > 2000) == {True}


def test_no_territory_is_in_both_splits(folder: Path) -> None:
    train, test = _dataset(folder, "train"), _dataset(folder, "test")
    assert not set(train.corpus["group_id"]) & set(test.corpus["group_id"])
    assert not set(train.queries["item_id"]) & set(test.queries["item_id"])
    assert 0.07 < len(set(test.corpus["group_id"])) / len(territories()) < 0.13


@pytest.mark.parametrize("lang", Cldr.languages)
def test_templates_have_their_slots_and_no_other(lang: str) -> None:
    def slots(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    wordings = templates(lang)
    assert {kind: slots(text) for kind, text in wordings["documents"].items()} == SLOTS
    for kind, text in wordings["questions"].items():
        assert slots(text) == ({"currency"} if kind == "currency_territory" else {"territory"})
    assert len(set(wordings["questions"].values()) | set(wordings["documents"].values())) == 19


@pytest.mark.parametrize("lang", Cldr.languages)
def test_texts_are_in_their_script_and_clean(lang: str) -> None:
    rows = write(lang)
    for row in rows:
        for text in (row["question"], row["document"]):
            assert text == unicodedata.normalize("NFC", text).strip()
            assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)
            assert not set(text) & set("\u200e\u200f\u061c\u202a\u202b\u202c")
    letters = Counter(
        unicodedata.name(c, "?").split()[0] for row in rows for c in row["question"] if c.isalpha()
    )
    expected = SCRIPTS.get(lang, "LATIN")
    assert letters[expected] / letters.total() > 0.85


def test_a_language_does_not_depend_on_those_written_before_it() -> None:
    """Babel hands out one locale's day names for another's, if asked in a way that we avoid."""
    script = "import sys; from polybatch.sources.cldr import write; print(repr(write(sys.argv[1])))"
    for lang in ("sw", "zu"):
        write("ig")
        done = subprocess.run(
            [sys.executable, "-c", script, lang],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": "7", "PYTHONUTF8": "1"},
        )
        assert done.stdout.strip() == repr(write(lang))
    assert "Jumamosi" in "".join(row["document"] for row in write("sw"))


def test_the_same_bytes_twice(folder: Path, tmp_path: Path) -> None:
    Cldr().download(tmp_path, Cldr.languages, Cldr.splits, lambda file, path: None)
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()


@pytest.mark.parametrize(
    ("territory", "kind", "value"),
    [  # known to anybody, or looked up by hand in CLDR's supplemental data
        ("JP", "currency", ("JPY",)),
        ("FR", "currency", ("EUR",)),
        ("KE", "currency", ("KES",)),
        ("KE", "official_language", ("en", "sw")),
        ("CH", "main_language", ("de",)),
        ("DE", "first_weekday", ("0",)),
        ("US", "first_weekday", ("6",)),
        ("EG", "weekend", ("4", "5")),
        ("BR", "weekend", ("5", "6")),
        ("JP", "timezone_city", ("Asia/Tokyo",)),
        ("NG", "currency_territory", ("NGN",)),
    ],
)
def test_facts_known_by_hand(territory: str, kind: str, value: tuple[str, ...]) -> None:
    assert [f.value for f in facts() if (f.territory, f.kind) == (territory, kind)] == [value]


def test_a_currency_of_several_territories_asks_for_none() -> None:
    asked = {fact.value[0] for fact in facts() if fact.kind == "currency_territory"}
    assert "EUR" not in asked
    assert "USD" not in asked


def test_the_answer_stands_in_the_document() -> None:
    for lang in ("de", "yo", "th"):
        namer, rows = Namer(lang), {row["item_id"]: row for row in write(lang)}
        for fact in facts():
            names = namer.names(fact)
            if names:
                document = rows[f"cldr:{fact.territory}.{fact.kind}"]["document"]
                assert all(name in document for name in names.values())


def test_few_texts_are_the_same_in_two_languages(folder: Path) -> None:
    texts = _dataset(folder, "train", "test").corpus.unique(["lang", "text"])
    assert texts.filter(pl.col("text").is_duplicated()).height == 0


def test_a_language_it_lacks_is_named_with_those_it_has() -> None:
    with pytest.raises(
        InputError, match=r"sources\.cldr\.languages: found fr, expected some of ar"
    ):
        source_of("cldr", ["de", "fr"], ["train"])


def test_a_facts_file_that_was_cut_is_refused(folder: Path, tmp_path: Path) -> None:
    text = (folder / "facts-de.jsonl").read_text(encoding="utf-8")
    (tmp_path / "facts-de.jsonl").write_text(text[:1000], encoding="utf-8")
    with pytest.raises(InputError, match=r"facts-de\.jsonl"):
        Cldr().read(tmp_path, ["de"], ["train"])
