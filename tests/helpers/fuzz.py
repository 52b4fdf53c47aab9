"""Mutated inputs for every reader: each gives a value or an InputError, soon, and loses no row.

    python -m tests.helpers.fuzz --inputs 3000 --seed 0

The same seed gives the same inputs. A failure is printed with its reader and number; `--only
READER:NUMBER` runs that input alone, with its traceback.
"""

from __future__ import annotations

import argparse
import gzip
import io
import logging
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl

from polybatch.core.errors import InputError, InputErrorList
from polybatch.sources.source import Parsed
from tests.helpers.fuzz_readers import READERS
from tests.helpers.good_files import tmx, zipped
from tests.helpers.mutations import mutated_bytes, mutated_json, mutated_text

SECONDS = 5


class TooSlowError(BaseException):
    """An input took longer than SECONDS; no `except Exception` of a reader catches it."""


def _mutated(rng: random.Random, path: str, content: bytes) -> bytes:
    """Return a file with its bytes, its text or its values changed, packed as it was."""
    if rng.random() < 0.3:
        return mutated_bytes(rng, content)
    if path.endswith(".gz"):
        return gzip.compress(_mutated(rng, path.removesuffix(".gz"), gzip.decompress(content)))
    if path.endswith(".zip"):
        return zipped(mutated_text(rng, tmx()))
    if path.endswith(".parquet"):
        return _other_table(rng, content)
    if path.endswith((".json", ".jsonl")) and rng.random() < 0.6:
        return mutated_json(rng, content)
    return mutated_text(rng, content)


def _other_table(rng: random.Random, content: bytes) -> bytes:
    frame, held = pl.read_parquet(io.BytesIO(content)), io.BytesIO()
    name = rng.choice(frame.columns)
    kind = rng.choice((pl.Int8, pl.Float64, pl.Binary, pl.Categorical, pl.List(pl.String)))
    kept = frame.schema[name]
    changed = (
        lambda: frame.drop(name),
        lambda: frame.with_columns(pl.lit(None, kind).alias(name)),
        lambda: frame.with_columns(
            pl.lit(rng.choice(("", "\0", "d1", None))).cast(kept, strict=False).alias(name)),
        lambda: pl.concat([frame, frame]),
        lambda: frame.select(sorted(frame.columns)),
        lambda: frame.clear(),
    )  # fmt: skip
    rng.choice(changed)().write_parquet(held)
    return held.getvalue()


@contextmanager
def _limit() -> Iterator[None]:
    """Stop after SECONDS of the processor, which other programs do not use up, or many by clock."""

    def stop(*_: object) -> None:
        raise TooSlowError(f"longer than {SECONDS} s")

    before = {each: signal.signal(each, stop) for each in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    signal.alarm(20 * SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for each, handler in before.items():
            signal.signal(each, handler)


def check_counts(found: Parsed, folder: Path) -> None:
    """Raise AssertionError unless each row of each counted file is kept, merged or rejected.

    JSONL lines are counted here once more: a row of the tally, or several, stands for each.
    """
    listed = Counter(found.rejected["file"].to_list())
    for file, read, kept, merged, rejected in found.tally.rows():
        assert read == kept + merged + rejected, f"{file}: {read} rows read, a row is lost"
        assert rejected == listed[file], f"{file}: {rejected} rejected, {listed[file]} listed"
        if file.removesuffix(".gz").endswith(".jsonl"):
            there = _lines(next(folder.rglob(file)))
            assert read >= there, f"{file}: {there} lines, {read} rows read"
    found.rejected.write_parquet(io.BytesIO())


def _lines(path: Path) -> int:
    """Count the lines of a text file that are not empty."""
    content = path.read_bytes()
    content = gzip.decompress(content) if path.suffix == ".gz" else content
    text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8")
    return sum(bool(line.strip().strip("\ufeff")) for line in re.split("\r\n|\r|\n", text))


def outcome(name: str, number: int, seed: int) -> str:
    """Run one input; return 'read', 'refused' or what went wrong, with its traceback.

    A library that holds the interpreter is seen to be too slow when it returns.
    """
    rng, reader = random.Random(f"{seed}/{name}/{number}"), READERS[name]
    files = dict(reader.files())
    for path in rng.sample(sorted(files), min(len(files), rng.choice((1, 1, 1, 2)))):
        files[path] = _mutated(rng, path, files[path])
    with tempfile.TemporaryDirectory() as home:
        for path, content in files.items():
            target = Path(home, "own", path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        try:
            with _limit():
                found = reader.read(Path(home, "own"))
            if found is not None:
                check_counts(found, Path(home, "own"))
        except (InputError, InputErrorList) as error:
            return "refused" if "expected" in str(error) else f"no expectation: {error}"
        except KeyboardInterrupt:
            raise
        except BaseException:  # a panic of a library is no Exception
            return traceback.format_exc()
    return "read"


def run(
    inputs: int, seed: int, without: frozenset[str] = frozenset()
) -> tuple[dict[str, Counter[str]], dict[str, str]]:
    """Run inputs over all readers by weight; return outcomes by reader, and the failures."""
    names = [name for name in READERS if name not in without]
    whole = sum(READERS[name].weight for name in names)
    counts: dict[str, Counter[str]] = {}
    failures: dict[str, str] = {}
    for name in names:
        share = -(-inputs * READERS[name].weight // whole)
        found = counts[name] = Counter()
        READERS[name].files()  # built once, and not part of the first input's time
        for number in range(share):
            begun = time.process_time()
            said = outcome(name, number, seed)
            found["slowest, ms"] = max(
                found["slowest, ms"], int(1000 * (time.process_time() - begun))
            )
            found[said if said in ("read", "refused") else "failed"] += 1
            if said not in ("read", "refused"):
                failures[f"{name}:{number}"] = said
    return counts, failures


def main() -> int:
    """Run and print; exit status 1 if an input failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="READER:NUMBER")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    if given.only:
        name, _, number = given.only.rpartition(":")
        print(said := outcome(name, int(number), given.seed))
        return said not in ("read", "refused")
    counts, failures = run(given.inputs, given.seed)
    kinds = ("read", "refused", "failed", "slowest, ms")
    print(f"{'reader':20}" + "".join(f"{kind:>13}" for kind in kinds))
    for name, found in counts.items():
        print(f"{name:20}" + "".join(f"{found[kind]:13}" for kind in kinds))
    total = sum(found[kind] for found in counts.values() for kind in kinds[:3])
    print(f"{total} inputs, {len(failures)} failed")
    for name, said in failures.items():
        print(f"\n{name}\n{said}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
