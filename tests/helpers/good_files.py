"""Good files of every form, small enough to change a byte at a time."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping

from polybatch.core.dataset import CORPUS, QRELS, QUERIES, table

Files = Mapping[str, bytes]
HEAD = ("item_id", "lang", "question", "answer", "split", "title")
ROWS = [
    (str(i // 2), ("en", "sw")[i % 2], f"Wapi {i}? \u00e9\u0639", f'"Hapa", {i}\nna\tkule', "all",
     "")
    for i in range(12)
]  # fmt: skip


def delimited(mark: str) -> bytes:
    def cell(text: str) -> str:
        return '"' + text.replace('"', '""') + '"' if set(text) & {mark, '"', "\n"} else text

    return "".join(mark.join(map(cell, row)) + "\n" for row in (HEAD, *ROWS)).encode()


def jsonl(rows: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def squad() -> bytes:
    text = "Poe wrote it. It is old."
    asked = [
        {"id": f"q{i}", "question": f"Who {i}?", "answers": [{"answer_start": 0, "text": "Poe"}]}
             for i in range(3)]  # fmt: skip
    paragraph = {"context": text, "sentences": ["Poe wrote it.", "It is old."],
                 "sentence_breaks": [[0, 13], [14, 24]], "qas": asked}  # fmt: skip
    return json.dumps(
        {"data": [{"title": "T", "paragraphs": [paragraph]}], "version": "1"}
    ).encode()


def tmx() -> bytes:
    """Return a translation memory of six units."""
    body = "".join(
        f'<tu tuid="wiki_1:{i}"><tuv xml:lang="en"><seg>One {i}.</seg></tuv>'
        f'<tuv xml:lang="sw"><seg>Moja <ph>x</ph>{i}.</seg></tuv></tu>\n'
        for i in range(6)
    )
    return f'<?xml version="1.0"?>\n<tmx version="1.4"><body>\n{body}</body></tmx>'.encode()


def zipped(content: bytes) -> bytes:
    """Return a zip archive of one translation memory, the same bytes each time."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("all.tmx"), content)
    return held.getvalue()


def parquet() -> Files:
    """Return the tables of a small dataset, as the pipeline writes them."""
    frames = {
        "queries": table([dict(zip(QUERIES, (f"q{i}", f"i{i}", "en", "Q?", "all"), strict=True))
                          for i in range(5)], QUERIES),
        "corpus": table([dict(zip(CORPUS, (f"d{i}", "en", "D.", None, "g", "h", None), strict=True))
                         for i in range(5)], CORPUS),
        "qrels": table([dict(zip(QRELS, (f"i{i}", f"d{i}", 1), strict=True))
                        for i in range(5)], QRELS),
    }  # fmt: skip
    found = {}
    for name, frame in frames.items():
        held = io.BytesIO()
        frame.write_parquet(held, compression="zstd", statistics=False)
        found[f"{name}.parquet"] = held.getvalue()
    return found
