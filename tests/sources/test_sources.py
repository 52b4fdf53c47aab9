"""Sources, on small files in the publishers' format; the real ones: test_real_sources.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, REJECTED, Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.settings.overlaps import SAME_DATA, same_data
from polybatch.sources.source import Parsed, RemoteFile, Rows, Source
from polybatch.sources.squad import paragraphs
from polybatch.sources.table import SOURCES, source_of

# Small files -------------------------------------------------------------------------------------


def _qa(item: str, question: str, context: str, answer: str) -> dict[str, Any]:
    start = context.index(answer)
    return {
        "id": item,
        "question": question,
        "answers": [{"text": answer, "answer_start": start}],
    }


def _paragraph(context: str, *qas: dict[str, Any]) -> dict[str, Any]:
    return {"context": context, "qas": list(qas)}


def _lareqa(sentences: Sequence[str], *qas: dict[str, Any]) -> dict[str, Any]:
    starts = [sum(map(len, sentences[:i])) + i for i in range(len(sentences))]
    breaks = [[start, start + len(text)] for start, text in zip(starts, sentences, strict=True)]
    found = _paragraph(" ".join(sentences), *qas)
    return found | {"sentences": list(sentences), "sentence_breaks": breaks}


def _write(path: Path, *paragraph: dict[str, Any], title: str | None = "Poe") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    article = {"paragraphs": list(paragraph)} | ({"title": title} if title else {})
    path.write_text(json.dumps({"data": [article], "version": "1"}), encoding="utf-8")


def _xquad(folder: Path) -> Parsed:
    return SOURCES["xquad-r"].read(folder, ["en", "de"], ["test"])


EN = ["Poe was born in Boston.", "He died in 1849.", "He died in 1849."]
DE = ["Poe wurde in Boston geboren. Er starb 1849.", "Ende."]


def _two_languages(folder: Path) -> None:
    text, german = " ".join(EN), " ".join(DE)
    _write(
        folder / "xquad-r" / "en.json",
        _lareqa(EN, _qa("a", "Where?", text, "Boston"), _qa("b", "When?", text, "1849. He")),
    )
    _write(folder / "xquad-r" / "de.json", _lareqa(DE, _qa("a", "Wo?", german, "Boston")))


def test_lareqa_takes_every_sentence_and_judges_that_of_the_answers_first_character(
    tmp_path: Path,
) -> None:
    _two_languages(tmp_path)
    found = _xquad(tmp_path)
    assert found.corpus.sort("doc_id")["text"].to_list() == DE + EN  # equal sentences stay two
    answers = found.qrels.join(found.corpus, on="doc_id").select("item_id", "lang", "text").rows()
    assert sorted(answers) == [("a", "de", DE[0]), ("a", "en", EN[0]), ("b", "en", EN[1])]
    assert found.corpus["group_id"].n_unique() == 1  # translations of an article stay together
    assert found.notes == (
        "xquad-r: answers that reach into the next sentence (the first one counts): 1",
        "xquad-r: sentences with the text of another, en: 1",
    )
    check_dataset(Dataset("x", found.queries, found.corpus, found.qrels))


def test_tables_have_their_schemas(tmp_path: Path) -> None:
    _two_languages(tmp_path)
    found = _xquad(tmp_path)
    assert (found.queries.schema, found.corpus.schema) == (QUERIES, CORPUS)
    assert (found.qrels.schema, found.rejected.schema) == (QRELS, REJECTED)


def test_the_training_set_differs_in_name_only(tmp_path: Path) -> None:
    _two_languages(tmp_path)
    train = SOURCES["xquad"].read(tmp_path, ["en", "de"], ["test"])
    assert train.queries["text"].to_list() == _xquad(tmp_path).queries["text"].to_list()
    assert train.queries["item_id"].to_list() == _xquad(tmp_path).queries["item_id"].to_list()
    assert train.corpus["doc_id"].str.starts_with("xquad:").all()


def test_malformed_rows_are_kept_with_file_row_and_reason(tmp_path: Path) -> None:
    text = " ".join(EN)
    good = _qa("a", "Where?", text, "Boston")
    outside = {**good, "id": "c", "answers": [{"text": "Boston", "answer_start": 900}]}
    negative = {**good, "id": "d", "answers": [{"text": "Boston", "answer_start": -6}]}
    wrong = {**good, "id": "e", "answers": [{"text": "London", "answer_start": 16}]}
    blank = {**good, "id": "f", "answers": [{"text": "", "answer_start": 0}]}
    between = {**good, "id": "g", "answers": [{"text": " He died", "answer_start": 23}]}
    impossible = {**good, "id": "h", "answers": [], "is_impossible": True}  # as in SQuAD 2.0
    rows = [good, {**good, "id": "b", "question": " "}, outside, negative, wrong, blank, between]
    rows.append(impossible)
    _write(tmp_path / "xquad-r" / "en.json", _lareqa(EN, *rows, {**good, "question": "Where now?"}))
    _write(tmp_path / "xquad-r" / "de.json", _lareqa(DE))
    found = _xquad(tmp_path)
    assert found.queries["text"].to_list() == ["Where?"]
    moved = "answer is not where it is said to be"
    assert found.rejected.select("file", "row", "lang", "item_id", "reason").rows() == [
        ("en.json", 1, "en", "b", "empty question"),
        ("en.json", 2, "en", "c", moved),
        ("en.json", 3, "en", "d", moved),
        ("en.json", 4, "en", "e", moved),
        ("en.json", 5, "en", "f", "empty answer"),
        ("en.json", 6, "en", "g", "no sentence holds the answer's first character"),
        ("en.json", 7, "en", "h", "empty answer"),
        ("en.json", 8, "en", "a", "id used before in this language"),
    ]


def test_a_boundary_that_does_not_fit_its_sentence_is_noted(tmp_path: Path) -> None:
    shifted = _lareqa(EN, _qa("a", "Where?", " ".join(EN), "Boston"))
    shifted["sentence_breaks"][0][1] -= 1
    _write(tmp_path / "xquad-r" / "en.json", shifted)
    _write(tmp_path / "xquad-r" / "de.json", _lareqa(DE))
    assert "xquad-r: sentences not at their sentence_breaks, en, paragraph 1: 1" in (
        _xquad(tmp_path).notes
    )


def _mlqa(folder: Path, context: str, asked: str, split: str, *found: dict[str, Any]) -> None:
    name = f"{split}-context-{context}-question-{asked}.json"
    _write(folder / "MLQA_V1" / split / name, *found, title="Poe" if split == "dev" else None)


def _mlqa_dev(folder: Path, wording: str = "Wo?") -> Parsed:
    en, de = "Dr. Poe was born in Boston. He died.", "Er kam am 3. Mai in Boston an. Ende."
    _mlqa(folder, "en", "en", "dev", _paragraph(en, _qa("a", "Where?", en, "Boston")))
    _mlqa(folder, "en", "de", "dev", _paragraph(en, _qa("a", "Wo?", en, "Boston")))
    _mlqa(folder, "de", "de", "dev", _paragraph(de, _qa("a", wording, de, "Boston")))
    _mlqa(folder, "de", "en", "dev", _paragraph(de, _qa("a", "Where?", de, "Boston")))
    return SOURCES["mlqa"].read(folder, ["de", "en"], ["dev"])


def test_mlqa_joins_the_files_of_an_item(tmp_path: Path) -> None:
    found = _mlqa_dev(tmp_path)
    assert found.queries.select("item_id", "lang", "text").rows() == [
        ("a", "de", "Wo?"),
        ("a", "en", "Where?"),
    ]
    assert sorted(found.corpus["text"]) == [
        "Dr. Poe was born in Boston.",
        "Er kam am 3. Mai in Boston an.",
    ]
    assert found.qrels.height == 2
    assert (found.rejected.height, found.notes) == (0, ())


def test_mlqa_rejects_what_another_file_says_otherwise(tmp_path: Path) -> None:
    found = _mlqa_dev(tmp_path, wording="Wohin?")
    assert found.rejected.select("file", "lang", "reason", "text").rows() == [
        (
            "dev-context-en-question-de.json",
            "de",
            "worded otherwise in another file",
            "Wo?",
        )
    ]
    assert found.queries.filter(pl.col("lang") == "de")["text"].to_list() == ["Wohin?"]
    en = "He died. In Boston, too, he was ill."
    _mlqa(tmp_path, "en", "de", "dev", _paragraph(en, _qa("a", "Wohin?", en, "Boston")))
    again = SOURCES["mlqa"].read(tmp_path, ["de", "en"], ["dev"])
    assert again.rejected["reason"].to_list() == ["answered otherwise in another file"]


def test_mlqa_cuts_no_answer_and_gives_a_sentence_one_id_in_all_files(tmp_path: Path) -> None:
    text = "Poe wrote. He died in Boston. Later he was famous."
    one, two = _qa("a", "Where?", text, "Boston"), _qa("b", "Then?", text, "Boston. Later")
    asked = [("en", [one, two]), ("de", [one])]  # the second file does not know the long answer
    for lang, qas in asked:
        _mlqa(tmp_path, "en", lang, "dev", _paragraph(text, *qas))
        _mlqa(tmp_path, "de", lang, "dev")
    found = SOURCES["mlqa"].read(tmp_path, ["de", "en"], ["dev"])
    assert found.corpus["text"].to_list() == ["He died in Boston. Later he was famous."]


def test_mlqa_test_gives_paragraphs_and_says_so(tmp_path: Path) -> None:
    blanked = [{"text": "", "answer_start": 0}]
    for context, asked, text in (("de", "es", "Ein Absatz."), ("es", "de", "Un párrafo.")):
        row = {"id": "a", "question": f"¿{asked}?", "answers": blanked}
        _mlqa(tmp_path, context, asked, "test", _paragraph(text, row))
    source = SOURCES["mlqa"]
    found = source.read(tmp_path, ["de", "es"], ["test"])
    assert sorted(found.corpus["text"]) == ["Ein Absatz.", "Un párrafo."]
    assert found.qrels.height == 2  # so es>es and de>de are pairs, though no file holds them
    assert "blanked" in found.notes[0]
    assert source.notes(["dev"]) == ()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", "JSONDecodeError"),
        ('{"rows": []}', "KeyError"),
        ('{"data": [{"paragraphs": [{"context": "c", "qas": [{"id": "a"}]}]}]}', "KeyError"),
        (
            '{"data": [{"paragraphs": [{"context": "c", "sentences": ["c"], "qas": []}]}]}',
            "1 sentences, 0 sentence_breaks",
        ),
    ],
)
def test_a_file_of_another_form_is_refused_by_name(
    tmp_path: Path, content: str, found: str
) -> None:
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"x\.json: found .*" + found):
        list(paragraphs(tmp_path / "x.json"))


# What sources have in common ---------------------------------------------------------------------


def test_what_a_source_lacks_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"sources\.mlqa\.languages: found sw, th, expected some"):
        source_of("mlqa", ["en", "sw", "th"], ["dev"])
    with pytest.raises(InputError, match=r"sources\.mlqa\.splits: found train"):
        source_of("mlqa", ["en"], ["train"])
    with pytest.raises(InputError, match=r"sources\.nowhere: found an unknown source"):
        source_of("nowhere", ["en"], ["dev"])


def test_sources_that_share_data_are_sources_and_say_so_of_each_other() -> None:
    pairs = {(name, other) for name in SOURCES for other in same_data(name)}
    assert {("xquad", "xquad-r"), ("mlqa", "mlqa-r"), ("belebele", "sib200")} <= pairs
    assert pairs == {(other, name) for name, other in pairs}
    assert {name for row in SAME_DATA for name in row.sources} <= SOURCES.keys()


def test_a_source_from_outside_is_a_few_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mine(Source):
        name, languages, splits = "mine", ("en",), ("all",)
        licence, citation, homepage, revision = "CC0-1.0", "", "", "1"

        def read(self, folder: Path, languages: Sequence[str], splits: Sequence[str]) -> Parsed:
            return Rows().parsed()

    monkeypatch.setitem(SOURCES, "mine", Mine())
    source = source_of("mine", ["en"], ["all"])
    source.download(tmp_path, ["en"], ["all"], _no_fetch)
    assert json.loads((tmp_path / "manifest.json").read_text())["licence"] == "CC0-1.0"


def _no_fetch(file: RemoteFile, path: Path) -> None:
    raise AssertionError("a generated source fetches nothing")


def test_the_registry_pins_every_file_of_every_language_and_split() -> None:
    for name, files in (("xquad-r", 12), ("xquad", 12), ("mlqa-r", 8), ("mlqa", 66)):
        source = SOURCES[name]
        found = source.files(source.languages, source.splits)
        assert len(found) == files, name
        assert all(file.url.startswith("https://") and len(file.sha256) == 64 for file in found)
        assert any(file.path.endswith("LICENSE") for file in found)  # it travels with the data
    few = SOURCES["mlqa"].files(["de", "en"], ["dev"])
    assert len(few) == 5
    assert not any(file.mirror_only for file in few)


def test_a_manifest_is_the_same_every_time_and_names_no_place(tmp_path: Path) -> None:
    def touch(file: RemoteFile, path: Path) -> None:
        path.touch()

    written = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        SOURCES["mlqa"].download(folder, ["de", "en"], ["dev", "test"], touch)
        written.append((folder / "manifest.json").read_bytes())
    assert written[0] == written[1]
    assert str(tmp_path).encode() not in written[0]
    manifest = json.loads(written[0])
    assert manifest["source"] == "mlqa"
    assert "blanked" in manifest["notes"][0]
    assert {"path", "url", "sha256", "bytes"} <= set(manifest["files"][0])
