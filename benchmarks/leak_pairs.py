"""What each two sources of a mirror have in common, as the table of docs/decisions/leakage.md.

    POLYBATCH_MIRROR=<folder> python benchmarks/leak_pairs.py [languages] > table.md

In the languages that are given, English and German where none is; each text counts once.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from pathlib import Path

import polars as pl

from polybatch.core.dataset import Dataset, normalised
from polybatch.core.errors import InputError
from polybatch.settings.data import SourceSettings
from polybatch.settings.overlaps import same_data
from polybatch.sources.fetch import Fetcher
from polybatch.sources.table import SOURCES
from polybatch.validation.articles import common_articles
from polybatch.validation.containment import Contained, Containment

RULE = Contained(0.8, 30)
LEFT_OUT = {"xquad": "xquad-r has its files", "cldr": "templates contain each other"}


def main(mirror: Path, languages: list[str]) -> None:
    """Print the table: a row of each pair that shares anything."""
    found = {name: each for name in SOURCES if (each := _read(name, mirror, languages))}
    texts = {
        name: (plain := _texts(each), Containment(plain, RULE)) for name, each in found.items()
    }
    print("| sources | texts | equal | one in the other | articles | refused |")
    print("|:---|---:|---:|---:|---:|:---|")
    nothing = 0
    for one, other in itertools.combinations(sorted(found), 2):
        row = _row(texts[one], texts[other])
        uses = {one: "evaluate", other: "train"}
        common = common_articles({one: found[one], other: found[other]}, uses)
        articles = len(common[0].articles) if common else 0
        if not any((*row[-2:], articles)):
            nothing += 1
            continue
        here, there, equal, inside = row
        refused = "yes" if other in same_data(one) else "no"
        numbers = f"{here:,} / {there:,} | {equal:,} | {inside:,} | {articles:,}"
        print(f"| `{one}`, `{other}` | {numbers} | {refused} |", flush=True)
    print(f"\n{nothing} other pairs of {len(found)} sources share nothing.")


def _read(name: str, mirror: Path, wanted: list[str]) -> Dataset | None:
    source = SOURCES[name]
    languages = [lang for lang in wanted if lang in source.languages]
    if name == "afriqa":  # its files are of two languages
        languages = list(source.languages)
    if source.own or name in LEFT_OUT or not languages:
        return None
    commit = ("facebook/belebele=" + "0" * 40,) if name == "belebele" else None
    settings = SourceSettings(tuple(languages), source.splits, revisions=commit)
    with tempfile.TemporaryDirectory() as work:
        try:
            mine = source.of(settings)
            folder = Path(work) / "raw"
            folder.mkdir()
            mine.download(folder, languages, source.splits, Fetcher(mirror, Path(work) / "resume"))
            parsed = mine.read(folder, languages, source.splits)
        except InputError as error:
            print(f"{name}: left out, {error}", file=sys.stderr)
            return None
    return Dataset(name, parsed.queries, parsed.corpus, parsed.qrels)


def _texts(dataset: Dataset) -> pl.Series:
    both = [frame.select("text") for frame in (dataset.queries, dataset.corpus)]
    plain = pl.concat(both).select(plain=normalised("text"))["plain"].unique().sort()
    return plain.filter(plain != "")


def _row(
    one: tuple[pl.Series, Containment], other: tuple[pl.Series, Containment]
) -> tuple[int, int, int, int]:
    """Return texts of either, equal ones, and others of the fewer, of which one is in the other."""
    small, large = sorted((one, other), key=lambda each: len(each[0]))
    equal = small[0].is_in(large[0].implode())
    inside = large[1].found(small[0].filter(~equal))
    return len(one[0]), len(other[0]), int(equal.sum()), len(inside)


if __name__ == "__main__":
    main(Path(os.environ["POLYBATCH_MIRROR"]), sys.argv[1:] or ["en", "de"])
