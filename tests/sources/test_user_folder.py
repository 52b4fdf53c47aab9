"""Errors name the user's file, not the copy of it, and say what cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from polybatch.core.errors import InputError
from polybatch.core.files import whole_folder
from polybatch.settings.data import SourceSettings
from polybatch.sources.own_folder import contents, read_own
from polybatch.sources.table import SOURCES
from polybatch.sources.user_folder import copy_files
from tests.helpers.own_files import HEAD, HEAD_JSON, read

BEIR = {"corpus.jsonl": '{"_id": "d", "text": "D."}\n', "queries.jsonl": "{\n" * 10}


@pytest.mark.parametrize(
    ("name", "files", "where"),
    [
        ("local", {"x.csv": HEAD + 'a,en,"Q,A\n'}, "x.csv:2"),
        ("local", {"sub/x.csv": HEAD.replace("answer", "anser")}, "sub/x.csv:1"),
        ("local", {"x.jsonl": '{"item_id": 1}\n'}, "x.jsonl:1"),
        ("beir", BEIR | {"qrels/test.tsv": "query-id\tcorpus-id\n"}, "qrels/test.tsv:1"),
        ("beir", {"corpus.jsonl": BEIR["corpus.jsonl"]}, "qrels/test.tsv"),
        ("text", {"x.jsonl": '{"lang": "en"}\n'}, "x.jsonl:1"),
        ("text", {"readme.txt": "No language."}, "readme.txt:1"),
    ],
)
def test_an_error_names_the_users_file(
    tmp_path: Path, name: str, files: dict[str, str | bytes], where: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, files, splits=("test" if name == "beir" else "all",), name=name)
    assert caught.value.where == f"{tmp_path}/own/{where}"


def test_a_manifest_without_the_folder_is_read(tmp_path: Path) -> None:
    for name, files in (("local", {"x.jsonl": HEAD_JSON}), ("text", {"en/a.txt": "One."})):
        found = read(tmp_path / name, files, name=name)
        path = tmp_path / name / "raw/manifest.json"
        manifest = json.loads(path.read_text(encoding="utf-8"))
        assert manifest.pop("folder") == str(tmp_path / name / "own")
        path.write_text(json.dumps(manifest), encoding="utf-8")
        again = SOURCES[name].read(tmp_path / name / "raw", ("en",), ("all",))
        assert again.corpus.rows() == found.corpus.rows()


def test_one_file_that_is_looked_at_is_named_where_it_is(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text(HEAD.replace("answer", "anser") + "a,en,Q,A\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_own(path, ["en"], [])
    assert caught.value.where == f"{path}:1"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["sub", "a.csv"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "own/sub").mkdir(parents=True)
    (tmp_path / "own/a.csv").write_text(HEAD + "a,en,Q,A\n", encoding="utf-8")
    (tmp_path / "own" / name).chmod(0)
    try:
        with pytest.raises(InputError) as caught, whole_folder(tmp_path / "raw") as raw:
            copy_files(tmp_path / "own", raw, "local")
        assert caught.value.where == str(tmp_path / "own" / name)
        assert "while reading" in caught.value.found
        with pytest.raises(InputError):
            contents(tmp_path / "own")
        settings = SourceSettings(("en",), ("all",), str(tmp_path / "own"))
        if name == "sub":
            with pytest.raises(InputError, match="while reading"):
                SOURCES["text"].of(settings).download(raw, ["en"], ["all"], _nothing)
    finally:
        (tmp_path / "own" / name).chmod(0o755)


def _nothing(*_: object) -> None:
    raise AssertionError("nothing is fetched")


def test_hidden_folders_are_not_entered(tmp_path: Path) -> None:
    found = read(tmp_path, {"x.jsonl": HEAD_JSON, ".git/x.csv": b"\xff", "a/.b/x.csv": b"\xff"})
    assert found.tally["file"].to_list() == ["x.jsonl"]
