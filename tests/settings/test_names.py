"""Names, ids and language codes: what all that take them later can hold."""

from __future__ import annotations

import gzip
import re
import subprocess
import unicodedata
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import ir_measures
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polybatch.core.errors import InputError
from polybatch.core.languages import (
    _edits,
    canonical,
    is_language,
    language_mistake,
    nearest,
    same_language,
)
from polybatch.retrieval.trec import read_run, run_lines
from polybatch.settings.names import (
    name_mistake,
    proposed_name,
    safe_id,
    unusable_id,
)
from polybatch.settings.source_names import OWN, PUBLISHED, source_mistake
from polybatch.sources.table import SOURCES, source_of

TEXTS = st.text(st.characters(codec=None), min_size=1) | st.text(
    " %2059aF\u00a0\ufeff\n\x1c\ud800e"
)


def _is_usable(text: str) -> bool:
    """The rule, letter by letter."""
    return bool(text) and not any(
        letter.isspace() or letter == "\ufeff" or unicodedata.category(letter) in ("Cc", "Cs")
        for letter in text
    )


@given(TEXTS)
def test_an_escaped_id_gives_its_text_back_so_that_no_two_become_one(text: str) -> None:
    assert unquote(safe_id(text), errors="surrogatepass") == text


@given(TEXTS.filter(bool))
def test_an_escaped_id_can_be_held_by_all_that_take_it(text: str) -> None:
    identifier = safe_id(text)
    assert _is_usable(identifier)
    assert identifier.encode().decode() == identifier  # files, JSON, Parquet
    assert f"q Q0 {identifier} 1".split() == ["q", "Q0", identifier, "1"]  # TREC
    assert f"q Q0 {identifier} 1\n".splitlines() == [f"q Q0 {identifier} 1"]
    assert not {unicodedata.category(letter) for letter in identifier} & {"Cc", "Cs", "Zs", "Zl"}
    assert pl.DataFrame({"id": [identifier]}).select(unusable_id("id")).item() is False


@given(st.text())
def test_an_id_that_can_be_held_stays_but_for_what_reads_as_an_escape(text: str) -> None:
    if _is_usable(text) and not re.search("%[0-9a-fA-F]{2}", text):
        assert safe_id(text) == text


@given(st.text(st.characters(codec="utf-8")))
def test_one_rule_for_a_text_and_for_a_column(text: str) -> None:
    assert pl.DataFrame({"id": [text]}).select(unusable_id("id")).item() is not _is_usable(text)


@settings(max_examples=20)
@given(st.lists(TEXTS.filter(bool), min_size=1, max_size=20, unique=True))
def test_escaped_ids_come_back_from_a_run_as_they_were_written(tmp: list[str]) -> None:
    ids = [safe_id(text) for text in tmp]
    rows = pl.DataFrame({"query_id": ids, "doc_id": ids, "rank": 1, "score": 0.5})
    text = run_lines(rows, "mono").write_csv(
        separator=" ", include_header=False, quote_style="never"
    )
    other = [found.doc_id for found in ir_measures.read_trec_run(text)]
    assert sorted(other) == sorted(ids)


def test_escaped_ids_come_back_from_a_run_file(tmp_path: Path) -> None:
    ids = [safe_id(text) for text in ("a b", '"a', "\ufeffa", "ein\u00a0Text.txt:1", "100%")]
    rows = pl.DataFrame({"query_id": ids, "doc_id": ids, "rank": 1, "score": 0.5})
    lines = run_lines(rows, "mono").write_csv(
        separator=" ", include_header=False, quote_style="never"
    )
    (tmp_path / "mono.run.gz").write_bytes(gzip.compress(lines.encode()))
    assert read_run(tmp_path / "mono.run.gz")["doc_id"].to_list() == ids


def test_a_missing_id_is_none_that_can_be_used() -> None:
    frame = pl.DataFrame({"query_id": ["q1", None, "", "a b", "a\u2028b", "a%20b"]})
    told = frame.select(unusable_id("query_id")).to_series().to_list()
    assert told == [False, True, True, True, True, False]


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("hybrid-0.5", "hybrid-0-5"),
        ("local-v1.2", "local-v1-2"),
        ("Hybrid", "hybrid"),
        ("a+b", "a-b"),
        ("a@b", "a-b"),
        ("a/b", "a-b"),
        ("a$b", "a-b"),
        ("a b", "a-b"),
        ("-a", "a"),
        ("a.lock", "a-lock"),
        ("a..b", "a-b"),
        ("size", "size-strategy"),
        ("nfiles", "nfiles-strategy"),
        ("start", "start-strategy"),
        ("group", "group-strategy"),
        ("interval", "interval-strategy"),
        ("con", "con-strategy"),
        ("null", "null-strategy"),
        ("übung", "ubung"),
        ("", "strategy"),
        ("x" * 300, "x" * 52),
    ],
)
def test_a_name_that_something_cannot_hold_is_refused_with_a_proposal(
    name: str, proposal: str
) -> None:
    mistake = name_mistake("strategy", name)
    assert mistake is not None
    assert mistake[2] == f"Write '{proposal}'"


def test_a_proposal_avoids_the_names_that_are_there() -> None:
    assert proposed_name("strategy", "a.b", {"a-b", "a-b-2"}) == "a-b-3"
    assert name_mistake("source", "start") is None


@given(st.text() | st.from_regex(r"[A-Za-z0-9._+@/$-]{1,80}", fullmatch=True))
def test_what_is_proposed_can_be_used(name: str) -> None:
    for kind in ("strategy", "source", "dataset"):
        assert name_mistake(kind, proposed_name(kind, name)) is None


@settings(max_examples=30, deadline=None)
@given(st.from_regex(r"[a-z0-9][a-z0-9._+@/$~^:-]{0,20}", fullmatch=True))
def test_names_that_are_accepted_are_accepted_by_git(name: str) -> None:
    if name_mistake("strategy", name) is None:
        command = ["git", "check-ref-format", f"refs/tags/strategy/{name}"]
        assert subprocess.run(command, check=False).returncode == 0


def test_params_know_the_names_of_all_sources() -> None:
    assert set(OWN) == {name for name, source in SOURCES.items() if source.own}
    assert sorted(PUBLISHED) == sorted(set(SOURCES) - set(OWN))


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("lokal", "Did you mean 'local'?"),
        ("local_faq", "Write 'local-faq'"),
        ("lokal-faq", "Write 'local-faq'"),
        ("belebelle", "Did you mean 'belebele'?"),
        ("mlqa-mine", "Did you mean"),
        ("news", "Choose one"),
    ],
)
def test_an_unknown_source_is_refused_with_the_nearest_name(name: str, cure: str) -> None:
    found = source_mistake(name)
    assert found is not None
    assert found[2].startswith(cure)
    with pytest.raises(InputError, match="unknown source"):
        source_of(name, ["en"], ["all"])
    assert source_mistake("text-news") is None


def test_every_language_of_every_source_can_be_used() -> None:
    for source in SOURCES.values():
        assert [code for code in source.languages if language_mistake(code)] == []
        assert name_mistake("source", source.name) is None


# Codes and names from ISO 639 (parts 1 to 3) and the BCP-47 registry, by hand.
@pytest.mark.parametrize(
    ("code", "same"),
    [
        ("iw", "he"), ("in", "id"), ("ji", "yi"), ("jw", "jv"), ("mo", "ro"), ("swh", "sw"),
        ("arb", "ar"), ("pes", "fa"), ("zsm", "ms"), ("deu", "de"), ("ger", "de"), ("fre", "fr"),
        ("cmn", "zh"), ("tl", "fil"), ("tgl", "fil"), ("EN", "en"), ("zh_CN", "zh-CN"),
        ("zh-hant-tw", "zh-Hant-TW"), ("sr_latn", "sr-Latn"), ("sh", "sr-Latn"),
        ("zh-yue", "yue"), ("twi", "tw"), ("tw", "tw"), ("nob", "nb"), (" de ", "de"),
        ("en-USA", "en-US"), ("pt-bra", "pt-BR"), ("fra_CAN", "fr-CA"), ("zho-TWN", "zh-TW"),
        ("ar-arz", "arz"), ("zh-cmn-Hant", "zh-Hant"), ("sgn-ase", "ase"), ("sw-KEN", "sw-KE"),
        ("en-UK", "en-GB"), ("haw", "haw"), ("grc", "grc"), ("akk", "akk"),
    ],
)  # fmt: skip
def test_codes_of_one_language_are_one(code: str, same: str) -> None:
    assert canonical(code) == same
    assert canonical(same) == same


@pytest.mark.parametrize(
    "code",
    ["mul", "und", "zxx", "mis", "qaa", "qtz", "qaa-Latn", "x-mine", "mul-Latn", "root", "", "xx",
     "english", "en-XX1", "en-Abcd", "en-yue", "en-xyz", "12", "de-1901", "en-x-mine", "a-b-c-d",
     "e", "en US", "en\x00", "-", "MUL", "Und"],
)  # fmt: skip
def test_what_is_no_language_is_refused(code: str) -> None:
    assert canonical(code) is None
    assert not is_language(code)
    assert language_mistake(code) is not None


@given(st.text() | st.from_regex(r"[a-zA-Z]{2,3}([-_][a-zA-Z0-9]{2,4}){0,2}", fullmatch=True))
def test_the_usual_code_is_its_own_usual_code(code: str) -> None:
    usual = canonical(code)
    if usual is not None:
        assert canonical(usual) == usual
        assert is_language(usual)
        assert language_mistake(usual) is None


@settings(deadline=None)
@given(st.text(max_size=12))
def test_any_word_is_answered(word: str) -> None:
    near = nearest(word)
    assert near is None or is_language(near)
    mistake = language_mistake(word)
    assert mistake is None or len(mistake) == 3


@pytest.mark.parametrize(
    ("code", "cure"),
    [
        ("iw", "'he'"), ("swh", "'sw'"), ("ger", "'de'"), ("EN", "'en'"), ("zh_CN", "'zh-CN'"),
        ("english", "'en'"), ("Swahili", "'sw'"), ("deutsch", "'de'"), ("español", "'es'"),
        ("jp", "'ja'"), ("cn", "'zh'"), ("gr", "'el'"), ("en_US.UTF-8", "'en'"),
        ("de-1901", "'de'"), ("swahilli", "'sw'"), ("arab", "'ar'"), ("espanol", "'es'"),
        ("germna", "'de'"), ("yorba", "'yo'"), ("amharik", "'am'"), ("ab1", "'ab'"),
        ("iww", "'he', the usual code for 'iw'"), ("iw-1", "'he', the usual code for 'iw'"),
        ("tagalogg", "'fil', the usual code for 'tl'"), ("deu-1901", "'de', the usual code for"),
        ("xx", "Look"), ("ed", "Look"), ("deutch", "Look"),  # German or Dutch?
        ("klingonese", "Look"), ("mandarin", "Look"), ("a" * 5000, "Look"),
        ("mul", "one language"), ("qaa", "one language"),
    ],
)  # fmt: skip
def test_the_cure_names_the_code(code: str, cure: str) -> None:
    mistake = language_mistake(code)
    assert mistake is not None
    assert cure in mistake[2]


@settings(deadline=None, max_examples=50)
@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_edits_are_counted_as_by_the_definition(one: str, other: str) -> None:
    @cache
    def slow(a: str, b: str) -> int:
        if not a or not b:
            return len(a) + len(b)
        ways = [slow(a[1:], b) + 1, slow(a, b[1:]) + 1, slow(a[1:], b[1:]) + (a[0] != b[0])]
        if a[:2] == b[1::-1] and len(a) > 1 and len(b) > 1:
            ways.append(slow(a[2:], b[2:]) + 1)
        return min(ways)

    assert _edits(one, other) == slow(one, other)


def test_the_asked_code_is_found_by_any_of_its_words() -> None:
    asked = ["en", "he", "tl", "tw"]
    assert [same_language(code, asked) for code in ("iw", "heb", "fil", "twi", "ak", "fr")] == [
        "he", "he", "tl", "tw", None, None,
    ]  # fmt: skip
