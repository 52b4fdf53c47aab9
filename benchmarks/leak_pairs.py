"""What each two sources of a mirror have in common, as the table of docs/decisions/leakage.md.

    POLYBATCH_MIRROR=<folder> python benchmarks/leak_pairs.py > table.md

Texts are compared in the languages that both sources have; whatever uses them, each counts once.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
from pathlib import Path

import polars as pl

from polybatch.dataset import Dataset, normalised
from polybatch.errors import InputError
from polybatch.settings.data import SourceSettings
from polybatch.settings.overlaps import same_data
from polybatch.sources.fetch import Fetcher
from polybatch.sources.table import SOURCES
from polybatch.validation.articles import common_articles
from polybatch.validation.containment import Contained, Containment

RULE = Contained(0.8, 30)
LEFT_OUT = {"xquad": "xquad-r has its files", "cldr": "templates contain each other"}
BELEBELE = "en af am bm ig nso sn st tn ts xh zu id th vi de".split()  # noqa: SIM905 - of the mirror


def main(mirror: Path) -> None:
    """Print the table: a row of each pair that shares anything."""
    found = {name: each for name in SOURCES if (each := _read(name, mirror)) is not None}
    texts = {name: _texts(each) for name, each in found.items()}
    print("| sources | languages | texts | equal | one in the other | articles | refused |")
    print("|:---|---:|---:|---:|---:|---:|:---|")
    nothing = 0
    for one, other in itertools.combinations(sorted(found), 2):
        row = _row(texts[one], texts[other])
        uses = {one: "evaluate", other: "train"}
        common = common_articles({one: found[one], other: found[other]}, uses)
        articles = len(common[0].articles) if common else 0
        if not any((*row[-2:], articles)):
            nothing += 1
            continue
        langs, here, there, equal, inside = row
        refused = "yes" if other in same_data(one) else "no"
        numbers = f"{langs} | {here:,} / {there:,} | {equal:,} | {inside:,} | {articles:,}"
        print(f"| `{one}`, `{other}` | {numbers} | {refused} |", flush=True)
    print(f"\n{nothing} other pairs of {len(found)} sources share nothing.")


def _read(name: str, mirror: Path) -> Dataset | None:
    source = SOURCES[name]
    if source.own or name in LEFT_OUT:
        return None
    languages = BELEBELE if name == "belebele" else list(source.languages)
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


def _texts(dataset: Dataset) -> pl.DataFrame:
    both = [frame.select("lang", "text") for frame in (dataset.queries, dataset.corpus)]
    plain = pl.concat(both).select("lang", plain=normalised("text")).filter(pl.col("plain") != "")
    return plain.unique().sort("lang", "plain")


def _row(one: pl.DataFrame, other: pl.DataFrame) -> tuple[int, int, int, int, int]:
    """Return languages, texts of either, equal ones, and others of which one is in the other."""
    langs = sorted(set(one["lang"]) & set(other["lang"]))
    small, large = sorted(
        (frame.filter(pl.col("lang").is_in(langs)) for frame in (one, other)),
        key=lambda frame: frame.height,
    )
    equal = small.join(large, on=["lang", "plain"]).height
    rest = large.join(small, on=["lang", "plain"], how="anti")["plain"]
    inside = Containment(small["plain"], RULE).found(rest)
    heights = [frame.filter(pl.col("lang").is_in(langs)).height for frame in (one, other)]
    return len(langs), heights[0], heights[1], equal, len(inside)


if __name__ == "__main__":
    main(Path(os.environ["POLYBATCH_MIRROR"]))
