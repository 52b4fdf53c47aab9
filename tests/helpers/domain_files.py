"""Small files of NTREX, TICO-19 and AfriQA, in their publishers' format."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from polybatch.sources.source import Parsed
from polybatch.sources.table import SOURCES

# NTREX and SIB-200 -------------------------------------------------------------------------------


def ntrex(folder: Path, german: str) -> Parsed:
    (folder / "NTREX-128").mkdir(parents=True, exist_ok=True)
    (folder / "DOCUMENT_IDS.tsv").write_text("bbc.1\nbbc.1\ncnn.2\n")
    english = folder / "NTREX-128/newstest2019-ref.eng-US.txt"
    english.write_bytes(b"One.\r\nTwo.\r\nThree.\r\n")
    (folder / "NTREX-128/newstest2019-ref.deu.txt").write_text(german)
    return SOURCES["ntrex"].read(folder, ["en", "de"], ["test"])


# TICO-19 -----------------------------------------------------------------------------------------


def memory(folder: Path, lang: str, body: str, head: str = "", name: str = "") -> Path:
    path = folder / f"data/TM/all.en-{lang}.tmx.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    text = f'<?xml version="1.0" encoding="UTF-8"?>{head}<tmx><body>{body}</body></tmx>'
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name or f"all.en-{lang}.tmx", text)
    return path


def unit(number: str, lang: str, english: str, other: str) -> str:
    return (
        f'<tu tuid="{number}"><prop>a note</prop><tuv xml:lang="en"><seg>{english}</seg></tuv>'
        f'<tuv xml:lang="{lang}"><seg>{other}</seg></tuv></tu>'
    )


# AfriQA ------------------------------------------------------------------------------------------


def passages(folder: Path, asked: str, split: str, *entries: dict[str, Any]) -> None:
    name = f"gold_span_passages.afriqa.{asked}.en.{split}.json"
    path = folder / "data/gold_passages" / asked / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def entry(number: int, question: Any, context: Any, answer: str = "x") -> dict[str, Any]:
    return {
        "id": str(number),
        "question_lang": question,
        "context": context,
        "title": "T",
        "answer_pivot": {"text": [answer], "answer_start": [0]},
    }
