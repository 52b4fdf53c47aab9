"""Measure language identification on the short texts of real sources; write language_id.json.

    python benchmarks/identification.py          # prints what was measured
    python benchmarks/identification.py MIRROR   # measures again

Reads, of every language that the mirror has, questions and sentences of at most 100 characters.
"""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

import polybatch
from polybatch.core.dataset import QUERIES
from polybatch.core.errors import InputError
from polybatch.core.files import write_json
from polybatch.sources.fetch import Fetcher
from polybatch.sources.source import Source
from polybatch.sources.table import SOURCES
from polybatch.validation.language_id import measure, measured

_SOURCES = ("afriqa", "mlqa", "ntrex", "sib200", "tico19", "tydiqa", "xnli", "xquad-r")


def queries_of(source: Source, mirror: Path) -> pl.DataFrame:
    """Return the questions and sentences that a mirror has of a source."""
    parts = [QUERIES.to_frame()]
    for lang in source.languages:
        with TemporaryDirectory() as name, suppress(InputError):  # the mirror lacks this language
            folder, cache = Path(name) / "raw", Path(name) / "resume"
            folder.mkdir()
            both = [lang, "en"] if lang != "en" and "en" in source.languages else [lang]
            splits = [split for split in source.splits if split != "all"] or list(source.splits)
            source.download(folder, both, splits, Fetcher(mirror, cache))
            found = source.read(folder, both, splits).queries
            parts.append(found.filter(pl.col("lang") == lang))
    return pl.concat(parts)


def main() -> None:
    """Measure on a mirror, if one is named, and print the shares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mirror", nargs="?", type=Path, help="measure again on this mirror")
    mirror = parser.parse_args().mirror
    if mirror:
        questions = {name: queries_of(SOURCES[name], mirror) for name in _SOURCES}
        if lacking := [name for name, rows in questions.items() if rows.is_empty()]:
            parser.error(f"{mirror} has no questions of {', '.join(lacking)}; nothing is written")
        write_json(
            Path(polybatch.__file__).parent / "validation" / "language_id.json", measure(questions)
        )
    for lang, sources in measured().items():
        shares = (f"{name} {share:.3f} of {texts:.0f}" for name, (texts, share) in sources.items())
        print(f"{lang}: {', '.join(shares)}")


if __name__ == "__main__":
    main()
