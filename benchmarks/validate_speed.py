"""Validating rows: seconds, rows a second and memory; beside it, what pandas and GX need alone.

python benchmarks/validate_speed.py                  # 200,000 rows
python benchmarks/validate_speed.py --rows 5000000   # the size we promise: 10 minutes, 4 GB
python benchmarks/validate_speed.py --csv            # read by the source `local` from one CSV file
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from polybatch.core.dataset import (
    CORPUS,
    QRELS,
    QUERIES,
    REJECTED,
    Dataset,
    read_dataset,
    write_dataset,
)
from polybatch.core.files import write_json
from polybatch.settings.data import DatasetSettings, ValidationSettings
from polybatch.sources.table import SOURCES
from polybatch.validation.containment import Contained
from polybatch.validation.expectations import hold
from polybatch.validation.leakage import leaks, without
from polybatch.validation.profile import profile
from polybatch.validation.row_rules import quarantine

LANGS = ("ar", "de", "en", "es", "hi", "ru", "sw", "zh")
RULES = ValidationSettings(
    "remove", 0.8, 0.8, 30, 2, 64, 1, 20000, 0.05, 1.0, 1.0, 0.2, 0.0, 0.0, 2000
)
_LETTERS = {
    "ar": "ابتثجحخدذرز ", "hi": "अआइईउऊकखगघ ", "ru": "абвгдежзик ", "zh": "天地玄黄宇宙洪荒日月",
}  # fmt: skip


def made(rows: int, seed: int) -> Dataset:
    """Half of the rows are queries, half documents of about 100 characters, in eight languages."""
    draw = np.random.default_rng(seed)
    items = rows // 2 // len(LANGS)
    queries, corpus, qrels = [], [], []
    for lang in LANGS:
        ids = pl.Series("item_id", [f"{seed}.{n}" for n in range(items)])
        docs = (ids + f":{lang}").alias("doc_id")
        asked, told = (_texts(draw, lang, items, length) for length in (45, 110))
        frame = pl.DataFrame({"item_id": ids, "doc_id": docs, "asked": asked, "told": told})
        queries.append(
            frame.select(
                query_id=docs + "?", item_id="item_id", lang=pl.lit(lang), text="asked",
                split=pl.lit("train"),
            )
        )  # fmt: skip
        none = pl.lit(None, pl.String)
        corpus.append(
            frame.select(
                "doc_id", lang=pl.lit(lang), text="told", title=none, group_id="item_id",
                document_id=none, template_id=none,
            )
        )  # fmt: skip
        qrels.append(frame.select("item_id", "doc_id", relevance=pl.lit(1, pl.Int64)))
    tables = [pl.concat(parts) for parts in (queries, corpus, qrels)]
    for frame, schema in zip(tables, (QUERIES, CORPUS, QRELS), strict=True):
        assert frame.schema == schema
    return Dataset(f"made-{seed}", *tables)


def _texts(draw: np.random.Generator, lang: str, count: int, length: int) -> pl.Series:
    letters = np.array(list(_LETTERS.get(lang, "abcdefghiklmnoprstu ")))
    many = letters[draw.integers(0, len(letters), size=count * length)]
    joined = "".join(many.tolist())
    return pl.Series([joined[i : i + length] for i in range(0, count * length, length)])


def measured(name: str, call: Callable[[], Any]) -> Any:
    """Run and print seconds and the highest memory of the process so far."""
    start, cpu = time.perf_counter(), time.process_time()
    found = call()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    wall, used = time.perf_counter() - start, time.process_time() - cpu
    print(f"{name:28} {wall:8.1f} s wall {used:8.1f} s CPU   peak {peak:5.2f} GiB")
    return found


def _read_from_another_process(rows: int, csv: bool) -> Dataset:
    """Make the rows in a process of their own, so that its memory is not counted as ours."""
    with tempfile.TemporaryDirectory() as folder:
        child = multiprocessing.get_context("spawn").Process(target=_make, args=(rows, folder, csv))
        child.start()
        child.join()
        read = _local if csv else read_dataset
        return measured(f"read {rows:,} rows", lambda: read(Path(folder) / "made-1"))


def _make(rows: int, name: str, csv: bool) -> None:
    data, folder = made(rows, 1), Path(name) / "made-1"
    if not csv:
        write_dataset(data, folder)
        return
    answers = data.corpus.join(data.qrels, on="doc_id").select("item_id", "lang", answer="text")
    rows_of_file = data.queries.select("item_id", "lang", question="text")
    (folder / "files").mkdir(parents=True)
    rows_of_file.join(answers, on=["item_id", "lang"]).write_csv(folder / "files" / "made.csv")
    write_json(folder / "manifest.json", {"columns": {}, "files": [{"path": "made.csv"}]})


def _local(folder: Path) -> Dataset:
    found = SOURCES["local"].read(folder, LANGS, ("all",))
    return Dataset("made-1", found.queries, found.corpus, found.qrels)


def main() -> None:
    """Validate made data as the stage does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--csv", action="store_true")
    asked = parser.parse_args()
    rows = asked.rows
    sets = DatasetSettings("made", "train", LANGS, ("train",), "all", 0.0)
    data = _read_from_another_process(rows, asked.csv)
    evaluation = made(20_000, 2)
    held = [data]
    del data  # the stage lets go of rows that are replaced
    held[0] = measured("row rules and NFC", lambda: quarantine(held[0], RULES)).dataset
    found = measured(
        "leakage, 20,000 rows", lambda: leaks(held[0], evaluation, 0.8, Contained(0.8, 30))
    )
    held[0], _ = measured("removing leaks", lambda: without(held[0], found))
    kept = held[0]
    nothing = pl.DataFrame(schema=REJECTED)
    profiled = measured("profile", lambda: profile(kept, nothing, sets, RULES))
    measured("Great Expectations", lambda: hold(profiled.tables, sets, RULES))


if __name__ == "__main__":
    main()
