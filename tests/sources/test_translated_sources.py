"""exams, mmlu-african, winogrande-african, mafand, scifact: small files, and the published ones."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from polybatch.core.dataset import Dataset, check_dataset
from polybatch.core.errors import InputError
from polybatch.settings.data import SourceSettings
from polybatch.sources.fetch import Fetcher
from polybatch.sources.registry import remote_files
from polybatch.sources.source import Parsed
from polybatch.sources.table import SOURCES, source_of

MIRROR = os.environ.get("POLYBATCH_MIRROR")
real = pytest.mark.skipif(not MIRROR, reason="needs the published files: set POLYBATCH_MIRROR")

# Small files in the publishers' form -------------------------------------------------------------


def pack(path: Path, name: str, content: bytes) -> None:
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def exam(name: str, language: str, stem: str, key: str = "B") -> dict[str, object]:
    choices = [{"text": f"{stem} {label}", "label": label} for label in "AB"]
    return {"id": name, "question": {"stem": stem, "choices": choices}, "answerKey": key,
            "info": {"grade": 12, "subject": "Biology", "language": language}}  # fmt: skip


def exams(folder: Path) -> None:
    joined = [("3", "Croatian", "Što?"), ("1", "Serbian", "Шта?"), ("2", "Turkish", "Ne?")]
    rows = [exam(*row) for row in joined]
    rows += [exam("4", "Croatian", "Tko?", "@"), exam("5", "Croatian", " ")]
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    pack(folder / "dev.jsonl.tar.gz", "dev.jsonl", content)
    (folder / "parallel_questions.jsonl").write_text('{"3": ["1"]}\n{"1": ["2"]}\n')


def mmlu(folder: Path) -> None:
    english = '"What, then?",one,two,three,four,B\nWho?,a,b,c,d,A\n'
    (folder / "virology_dev.csv").write_text(english)
    (folder / "virology_dev_zu.csv").write_text('"Yini\nkahle?",1,2,3,4,B\nUbani?,a,b,c,d,\n')
    for subject in ("clinical_knowledge", "college_medicine"):
        for end in ("", "_zu"):
            (folder / f"{subject}_dev{end}.csv").write_text(f"{subject}{end}?,a,b,c,d,D\n")


def winogrande(folder: Path) -> None:
    head = "qID,English Sentence,English Option 1,English Option 2"
    english = ("A-1,It is _.,Ian,Ann", "A-2,Is it _?,Ian,Ann", "B-1,_ and _.,x,y")
    lines = [f"{row},2,dev" for row in english] + ["C-1,_ is.,x,y,1,test"]
    (folder / "winogrande.csv").write_text("\n".join([f"{head},Answer,Split", *lines]) + "\n")
    head += ",Zulu Sentence,Zulu Option 1,Zulu Option 2,Answer,Split"
    rows = [f"{row},Yi _.,uIan , uAnn,2,dev" for row in english]
    (folder / "winogrande_zu.csv").write_text("\n".join([head, *rows]) + "\n")


def mafand(folder: Path) -> None:
    for pair, words in (("en-zul", ("en", "zul")), ("fr-ewe", ("fr", "ewe"))):
        rows = [{"translation": {word: f"{word} {n}" for word in words}} for n in range(3)]
        (folder / pair).mkdir()
        content = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / pair / "dev.json").write_text(content)


def scifact(folder: Path) -> None:
    (folder / "beir/qrels").mkdir(parents=True)
    documents = [{"_id": str(n), "title": f"T{n}", "text": f"Abstract {n}."} for n in range(4)]
    claims = [{"_id": str(n), "text": f"Claim {n}.", "metadata": {}} for n in range(3)]
    for name, rows in (("corpus", documents), ("queries", claims)):
        content = "".join(f"{json.dumps(row)}\n" for row in rows)
        (folder / f"beir/{name}.jsonl").write_text(content)
    for split, line in (("train", "0\t1\t1"), ("test", "1\t2\t1\n2\t2\t1")):
        text = f"query-id\tcorpus-id\tscore\n{line}\n"
        (folder / f"beir/qrels/{split}.tsv").write_text(text)


def pairs(found: Parsed) -> list[tuple[str, str, str, str]]:
    """Return item, language, question and answer of what is monolingual."""
    check_dataset(Dataset("d", found.queries, found.corpus, found.qrels))
    joined = found.queries.join(found.qrels, on="item_id").join(found.corpus, on=["doc_id", "lang"])
    return sorted(joined.select("item_id", "lang", "text", "text_right").rows())


def test_exams_are_joined_across_languages_whatever_the_order(tmp_path: Path) -> None:
    exams(tmp_path)
    found = SOURCES["exams"].read(tmp_path, ["hr", "sr", "tr"], ["dev"])
    assert pairs(found) == [
        ("exams:1", "hr", "Što?", "Što? B"),
        ("exams:1", "sr", "Шта?", "Шта? B"),
        ("exams:1", "tr", "Ne?", "Ne? B"),
    ]
    assert found.rejected.select("row", "reason").rows() == [
        (4, "no right choice"), (5, "empty question")
    ]  # fmt: skip


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00"])
def test_an_archive_of_exams_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    exams(tmp_path)
    (tmp_path / "dev.jsonl.tar.gz").write_bytes(content)
    with pytest.raises(InputError, match=r"dev\.jsonl\.tar\.gz: found"):
        SOURCES["exams"].read(tmp_path, ["hr"], ["dev"])


def test_an_archive_of_exams_that_grows_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exams(tmp_path)
    monkeypatch.setattr("polybatch.sources.exams._LIMIT", 100)
    with pytest.raises(InputError, match="101 bytes"):
        SOURCES["exams"].read(tmp_path, ["hr"], ["dev"])


def test_mmlu_answers_with_the_right_choice(tmp_path: Path) -> None:
    mmlu(tmp_path)
    found = SOURCES["mmlu-african"].read(tmp_path, ["en", "zu"], ["dev"])
    virology = [row[1:] for row in pairs(found) if "virology" in row[0]]
    assert virology == [
        ("en", "What, then?", "two"), ("zu", "Yini\nkahle?", "2"), ("en", "Who?", "a")
    ]  # fmt: skip
    assert found.rejected.select("row", "reason").rows() == [(3, "no letter of a choice")]


def test_winogrande_fills_its_blank_and_keeps_twins_together(tmp_path: Path) -> None:
    winogrande(tmp_path)
    found = SOURCES["winogrande-african"].read(tmp_path, ["en", "zu"], ["dev"])
    assert found.corpus.select("lang", "text", "group_id").rows() == [
        ("en", "It is Ann.", "winogrande-african:A"), ("en", "Is it Ann?", "winogrande-african:A"),
        ("zu", "Yi uAnn.", "winogrande-african:A"), ("zu", "Yi uAnn.", "winogrande-african:A"),
        ("zu", "Yi uAnn.", "winogrande-african:B"),
    ]  # fmt: skip
    assert found.rejected["reason"].to_list() == ["not one blank to fill"]


def test_mafand_is_read_where_its_african_language_is_requested(tmp_path: Path) -> None:
    mafand(tmp_path)
    source = SOURCES["mafand"]
    both = source.read(tmp_path, ["zu", "en", "fr"], ["dev"])
    assert Counter(both.corpus["lang"]) == {"en": 3, "zu": 3}
    assert both.qrels.group_by("item_id").len()["len"].to_list() == [2, 2, 2]
    assert Counter(source.read(tmp_path, ["ee"], ["dev"]).corpus["lang"]) == {"ee": 3}
    paths = [file.path for file in source.files(["ee", "fr"], ["dev", "test"])]
    assert paths == ["CODE-LICENSE", "fr-ewe/dev.json", "fr-ewe/test.json"]


@pytest.mark.parametrize("line", ["[]", "{", '{"translation": {"en": 5, "zul": "x"}}', "null"])
def test_a_line_of_mafand_in_another_form_is_refused(tmp_path: Path, line: str) -> None:
    mafand(tmp_path)
    (tmp_path / "en-zul/dev.json").write_text(f"{line}\n")
    with pytest.raises(InputError, match=r"dev\.json:1: found .*translation with en and zul"):
        SOURCES["mafand"].read(tmp_path, ["zu"], ["dev"])


# The published files -----------------------------------------------------------------------------


def fetched(name: str, tmp_path: Path, languages: tuple[str, ...], *splits: str) -> Parsed:
    source = SOURCES[name]
    source.download(tmp_path, languages, splits, Fetcher(Path(MIRROR or ""), tmp_path / "work"))
    found = source.read(tmp_path, languages, splits)
    check_dataset(Dataset(name, found.queries, found.corpus, found.qrels))
    return found


@real
def test_exams_has_the_publishers_counts(tmp_path: Path) -> None:
    """24,143 rows (wc -l); 10,834 of them in 4,087 items of several languages (its README)."""
    found = fetched("exams", tmp_path, SOURCES["exams"].languages, "train", "dev", "test")
    assert found.tally["read"].sum() == 24_143
    assert found.rejected.height == 5  # four answer keys are '@', a question is empty
    every = pl.concat(
        [frame.select("item_id", "lang") for frame in (found.queries, found.rejected)]
    )
    several = (
        every.group_by("item_id").agg(pl.col("lang").n_unique().alias("n")).filter(pl.col("n") > 1)
    )
    assert (several.height, several["n"].sum()) == (4_087, 10_834)
    assert found.queries.group_by("item_id").agg(pl.col("split").n_unique())["split"].max() == 1


@real
def test_the_african_translations_are_parallel(tmp_path: Path) -> None:
    """265 + 29 + 5, 173 + 22 + 5, 166 + 18 + 5 questions; 640, 1,267 and 1,767 sentences."""
    found = fetched("mmlu-african", tmp_path / "m", SOURCES["mmlu-african"].languages,
                    "dev", "val", "test")  # fmt: skip
    assert set(Counter(found.queries["lang"]).values()) == {299 + 200 + 189}
    assert (found.queries["item_id"].n_unique(), found.rejected.height) == (688, 0)
    found = fetched("winogrande-african", tmp_path / "w", ("en", "ig", "zu"), "train", "dev")
    assert Counter(found.queries.filter(lang="en")["split"]) == {"train": 640, "dev": 1_267}
    assert found.tally["read"].to_list() == [640 + 1_267] * 3
    assert found.corpus["group_id"].n_unique() == 1_303  # cut -d, -f1 | sed 's/-[12]$//' | sort -u


@real
def test_mafand_has_every_line(tmp_path: Path) -> None:
    """Counted with wc -l."""
    lines = {"am": 1_936, "lg": 7_075, "tw": 6_121, "wo": 6_366, "xh": 1_488}
    found = fetched("mafand", tmp_path, (*lines, "en", "fr"), "train", "dev", "test")
    others = {"fr": lines["wo"], "en": sum(lines.values()) - lines["wo"]}
    assert Counter(found.corpus["lang"]) == lines | others
    assert found.rejected.is_empty()


@real
def test_scifact_has_beirs_counts(tmp_path: Path) -> None:
    found = fetched("scifact", tmp_path, ("en",), "train", "test")
    assert (found.queries.height, found.corpus.height) == (1_109, 5_183)
    split = found.qrels.join(found.queries, on="item_id")["split"]
    assert Counter(split) == {"train": 919, "test": 339}


@real
def test_belebele_by_mirror_is_parallel(tmp_path: Path) -> None:
    """900 questions on 488 passages, the same keys in every language (the data's README)."""
    languages = ("en", "am", "bm", "de", "zu")
    commit = ("facebook/belebele=" + "0" * 40,)
    settings = SourceSettings(languages, ("test",), revisions=commit)
    source = source_of("belebele", languages, ("test",)).of(settings)
    source.download(tmp_path, languages, ("test",), Fetcher(Path(MIRROR or ""), tmp_path / "w"))
    found = source.read(tmp_path, languages, ("test",))
    assert Counter(found.queries["lang"]) == dict.fromkeys(languages, 900)
    assert Counter(found.corpus["lang"]) == dict.fromkeys(languages, 488)
    assert found.queries["item_id"].n_unique() == 900
    assert found.rejected.is_empty()
    # German is by passage in the mirror: the link of its translation, read by eye
    book = "belebele:https://en.wikibooks.org/wiki/Accordion/Right_hand:de"
    assert "auf dem Akkordeon" in found.corpus.filter(doc_id=book)["text"].item()


@real
def test_the_registry_says_what_the_mirror_says_of_these_files() -> None:
    manifest = {}
    for line in (Path(MIRROR or "") / "manifest.jsonl").read_text().splitlines():
        row = json.loads(line)
        manifest[row["source"], row["path"]] = row["sha256"], row["bytes"]
    for name in ("exams", "mmlu-african", "winogrande-african", "mafand", "scifact"):
        for file in remote_files(name).values():
            assert manifest[name, file.path] == (file.sha256, file.bytes)
            assert file.url.startswith("https://")
