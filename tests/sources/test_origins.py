"""Which passage, article and template a document is from, as its source declares it."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from polybatch.core.dataset import Dataset
from polybatch.settings.data import SourceSettings
from polybatch.sources.fetch import Fetcher
from polybatch.sources.table import SOURCES
from polybatch.statistics.clusters import clusters_of

MIRROR = os.environ.get("POLYBATCH_MIRROR")


def read(folder: Path, name: str, languages: list[str], splits: list[str]) -> Dataset:
    commit = ("facebook/belebele=" + "0" * 40,) if name == "belebele" else None
    source = SOURCES[name].of(SourceSettings((*languages,), (*splits,), revisions=commit))
    (folder / name).mkdir()
    mirror = Path(MIRROR) if MIRROR else None
    source.download(folder / name, languages, splits, Fetcher(mirror, folder / "resume"))
    found = source.read(folder / name, languages, splits)
    return Dataset(name, found.queries, found.corpus, found.qrels)


def test_cldr_names_the_sentence_that_facts_are_put_into(tmp_path: Path) -> None:
    found = read(tmp_path, "cldr", ["en", "sw"], ["test"])
    currency = found.corpus.filter(template_id="cldr:currency", lang="en")["text"]
    assert currency.len() > 10
    assert currency.str.contains("the currency in use is this: ").all()
    both = found.corpus.group_by("template_id").agg(pl.col("lang").n_unique())
    assert set(both["lang"]) == {2}  # a template is the same in every language


@pytest.mark.skipif(not MIRROR, reason="needs a mirror of the files (POLYBATCH_MIRROR)")
@pytest.mark.parametrize(
    ("name", "languages", "splits", "articles"),
    [
        ("xquad-r", ["en", "th"], ["test"], 48),  # SQuAD's articles
        ("tico19", ["en", "sw"], ["all"], 31),
        ("ntrex", ["en", "sw"], ["test"], 123),  # sort -u of its document ids
        # link | cut -d/ -f1-5 | sort -u; one file holds all 900 questions
        ("belebele", ["en", "zu"], ["test"], 406),
    ],
)
def test_clusters_of_real_sources(
    tmp_path: Path, name: str, languages: list[str], splits: list[str], articles: int
) -> None:
    found = clusters_of(read(tmp_path, name, languages, splits))
    assert (found.level, found.of["cluster"].n_unique()) == ("document_id", articles)
