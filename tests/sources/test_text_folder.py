"""Domain text in a folder of the user's: read by content, every text counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polybatch.core.dataset import Dataset
from polybatch.core.errors import InputError
from polybatch.settings.data import DatasetSettings, SourceSettings
from polybatch.sources.collected import text_id
from polybatch.sources.source import Parsed, RemoteFile
from polybatch.sources.table import SOURCES, source_of
from polybatch.validation.datasets import part_of, summarise
from tests.helpers.domain_files import ntrex
from tests.helpers.own_files import read, reasons


def test_every_text_of_a_folder_is_counted(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.swh.txt": "Moja.\r\rMbili.\r\n\r\nMoja.",
        "b.jsonl": '{"lang": "sw", "text": "Mbili."}\n{"lang": "de", "text": "Drei."}\n'
        '{"lang": "sw", "text": "\\ud800"}\n' + "[" * 5_000 + "\n",
        "notes.md": "# Notes",
    }
    found = read(tmp_path, files, ("sw",), name="text")
    assert sorted(found.corpus["text"]) == ["Mbili.", "Moja."]
    assert found.tally.rows() == [("a.swh.txt", 3, 2, 1, 0), ("b.jsonl", 4, 0, 1, 3)]
    assert [reason for _, _, reason in reasons(found)] == [
        "not requested: language 'de'",
        "half a surrogate pair",
        "no JSON (too many brackets in brackets)",
    ]
    assert found.notes == (
        "text: notes.md is not read; only .txt and .jsonl are",
        "text: a.swh.txt: 'swh' in 3 texts is read as sw",
    )


def no_fetch(file: RemoteFile, path: Path) -> None:
    raise AssertionError("nothing is to be fetched")


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    (folder / "pt-BR").mkdir(parents=True)
    (folder / "notes.sw.txt").write_bytes("\ufeffMoja\nmbili.\r\n\r\n \r\nTatu.\r\n".encode())
    (folder / "pt-BR" / "a.txt").write_text("Um.")
    rows = [
        {"lang": "sw", "text": "Nne.", "title": "Namba"},
        {"lang": "yo", "text": "Márùn."},
        {"lang": "Swahili", "text": "Tano."},
        {"lang": "sw", "text": " "},
        ["sw"],
    ]
    written = [json.dumps(row) for row in rows]
    (folder / "rows.jsonl").write_text("\n".join([*written[:1], "", *written[1:], "{"]) + "\n")
    (folder / "ignored.csv").write_text("not read")
    return folder


def taken(mine: Path, work: Path, languages: list[str]) -> Parsed:
    work.mkdir()
    settings = SourceSettings(tuple(languages), ("all",), str(mine))
    source = source_of("text", languages, ["all"]).of(settings)
    source.download(work, languages, ["all"], no_fetch)
    return SOURCES["text"].read(work, languages, ["all"])


def test_hidden_folders_are_left_alone(mine: Path, tmp_path: Path) -> None:
    before = taken(mine, tmp_path / "before", ["sw"])
    (mine / ".ipynb_checkpoints").mkdir()
    (mine / ".ipynb_checkpoints" / "old.sw.txt").write_text("Zamani.")
    (mine / ".ipynb_checkpoints" / "old.csv").touch()
    (mine / ".hidden.sw.txt").write_text("Siri.")
    after = taken(mine, tmp_path / "after", ["sw"])
    assert (after.corpus.rows(), after.notes) == (before.corpus.rows(), before.notes)


def test_a_linked_folder_is_refused_like_that_of_other_files_of_ones_own(
    mine: Path, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.txt").write_text("Drei.")
    (mine / "de").symlink_to(tmp_path / "elsewhere")
    source = source_of("text", ("sw",), ("all",)).of(SourceSettings(("sw",), ("all",), str(mine)))
    (tmp_path / "raw").mkdir()
    with pytest.raises(InputError, match=r"mine/de: found a link to a folder"):
        source.download(tmp_path / "raw", ("sw",), ("all",), no_fetch)


def test_the_users_folder_is_read_by_content(mine: Path, tmp_path: Path) -> None:
    found = taken(mine, tmp_path / "raw", ["sw", "pt-BR"])
    file = f"text:{text_id('sw', 'Moja mbili.')}"  # a file is a group, named after its first text
    assert found.corpus.drop("document_id", "template_id").rows() == sorted(
        [
            (text_id("pt-BR", "Um."), "pt-BR", "Um.", None, f"text:{text_id('pt-BR', 'Um.')}"),
            (text_id("sw", "Moja mbili."), "sw", "Moja mbili.", None, file),
            (text_id("sw", "Tatu."), "sw", "Tatu.", None, file),
            (text_id("sw", "Nne."), "sw", "Nne.", "Namba", None),
        ]
    )
    assert found.notes == ("text: ignored.csv is not read; only .txt and .jsonl are",)
    assert found.rejected.select("file", "row", "reason").rows() == [
        ("rows.jsonl", 3, "not requested: language 'yo'"),
        ("rows.jsonl", 4, "'Swahili' is no language code; did you mean 'sw'?"),
        ("rows.jsonl", 5, "no text"),
        ("rows.jsonl", 6, "a JSON list, not an object"),
        ("rows.jsonl", 7, "no JSON (Expecting property name enclosed in double quotes)"),
    ]
    assert found.tally.rows()[2] == ("rows.jsonl", 6, 1, 0, 5)
    before = found.corpus.rows()
    (mine / "notes.sw.txt").rename(mine / "z.sw.txt")
    assert taken(mine, tmp_path / "again", ["sw", "pt-BR"]).corpus.rows() == before
    settings = DatasetSettings("text", "text", ("sw", "pt-BR"), ("all",), "all", 0.0)
    dataset = part_of(Dataset("mine", found.queries, found.corpus, found.qrels), settings)
    assert (dataset.queries.height, dataset.corpus.height) == (0, 4)
    assert summarise(dataset, settings, found)["documents"] == {"pt-BR": 1, "sw": 3}


@pytest.mark.parametrize(
    ("name", "lang", "note"),
    [
        ("sw/notes.new.txt", "sw", "sw/notes.new.txt: read as sw, which is requested, and not as"),
        ("sw/sub/a.txt", "sw", "and not as 'sub'"),
        ("sw/notes.final.txt", "sw", ""),
        ("SW/a.txt", "sw", "'SW' in 1 texts is read as sw"),
        ("a.SW.txt", "sw", "'SW' in 1 texts is read as sw"),
        ("zh_CN/a.txt", "zh", "'zh_CN' in 1 texts is read as zh"),
        ("zh/a.sw.txt", "sw", ""),
    ],
)
def test_the_language_of_a_name_is_the_nearest_requested(
    tmp_path: Path, name: str, lang: str, note: str
) -> None:
    found = read(tmp_path, {name: "Text."}, ("sw", "zh"), name="text")
    assert found.corpus["lang"].to_list() == [lang]
    assert (len(found.notes), note in "".join(found.notes)) == (bool(note), True)


def test_files_of_languages_that_are_not_requested_are_named(tmp_path: Path) -> None:
    files = {"de/a.txt": "Eins.", "de/b.txt": "Zwei.", "sw/c.txt": "Tatu.", "up/sub/d.txt": "Four."}
    found = read(tmp_path, files, ("sw",), name="text")
    assert found.corpus["text"].to_list() == ["Tatu."]
    assert found.notes == (
        "text: de/a.txt and 1 more: not read, since by its name it is in 'de'",
        "text: up/sub/d.txt: not read, since by its name it is in 'sub'",
    )


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.sw.txt", b"one\ntwo \xff\n", r"a\.sw\.txt:2: found the byte 0xff"),
        ("a.sw.txt", b" \n", r"a\.sw\.txt:1: found no text"),
        ("b.jsonl", b"", r"b\.jsonl:1: found no text"),
        ("readme.txt", b"which language?", r"readme\.txt:1: found a name that says no language"),
        ("only.csv", b"a,b", "no file that ends in .txt or .jsonl"),
    ],
)
def test_text_that_cannot_be_read_is_told(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        taken(folder, tmp_path / "raw", ["sw"])


def test_a_folder_is_asked_for_where_one_is_read_and_only_there(tmp_path: Path) -> None:
    def settings(folder: str | None) -> SourceSettings:
        return SourceSettings(("sw",), ("all",), folder)

    text, ntrex = source_of("text", ["sw"], ["all"]), source_of("ntrex", ["sw"], ["test"])
    with pytest.raises(InputError, match=r"sources\.text\.folder: found nothing"):
        text.of(settings(None))
    with pytest.raises(InputError, match="no folder '/nowhere'"):
        text.of(settings("/nowhere")).download(tmp_path, [], ["all"], no_fetch)
    with pytest.raises(InputError, match=r"sources\.ntrex\.folder"):
        ntrex.of(settings("/nowhere"))
    with pytest.raises(InputError, match=r"sources\.text\.splits"):
        source_of("text", ["sw"], ["train"])


def test_domain_text_drops_the_questions_of_its_source(tmp_path: Path) -> None:
    found = ntrex(tmp_path, "Eins.\nZwei.\nDrei.\n")
    settings = DatasetSettings("ntrex", "text", ("en", "de"), ("test",), "all", 0.0)
    dataset = part_of(Dataset("news", found.queries, found.corpus, found.qrels), settings)
    assert (dataset.queries.height, dataset.qrels.height, dataset.corpus.height) == (0, 0, 6)


def test_a_line_of_deep_json_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    one, two = (json.dumps({"lang": "sw", "text": text}) for text in ("Moja.", "Mbili."))
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "x.jsonl").write_text(f"{one}\n{'[' * 20_000}\n{two}\n")
    found = taken(folder, tmp_path / "raw", ["sw"])
    assert found.corpus.height == 2
    assert found.rejected["row"].to_list() == [2]
    assert "JSON" in found.rejected["reason"][0]
