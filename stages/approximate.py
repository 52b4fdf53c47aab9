"""Build the index that documents are searched with in use, and measure what it loses."""

from __future__ import annotations

import polars as pl

from polybatch.core.dataset import read_dataset
from polybatch.core.files import whole_file, whole_folder, write_json, write_text
from polybatch.evaluation.fidelity import FIDELITY, fidelity, losses, measures_of, refuse_loss
from polybatch.reports.index_page import EXACT, index_page
from polybatch.retrieval.approximate import build_approximate
from polybatch.retrieval.approximate_folder import INDEX as FAISS
from polybatch.retrieval.approximate_folder import MADE, fingerprint_of, save_approximate
from polybatch.retrieval.approximate_scores import ApproximateScores
from polybatch.retrieval.index import load_index, load_queries
from polybatch.retrieval.score_rows import VectorScores
from polybatch.settings.config import Config

from .common import APPROXIMATE, INDEX, RESULTS, VALID, log, run


def approximate(config: Config, _: str) -> str:
    """Build the focus's index of every evaluation dataset; an old one stays if it loses too much.

    The first seed's, as in search. Of a study that searches exactly a note and an empty table.
    """
    settings, focus = config.approximate, config.study.focus
    if settings is None:
        with whole_folder(APPROXIMATE) as folder:
            write_json(folder / MADE, None)
        _write(EXACT, FIDELITY.to_frame())
        return "documents are searched exactly"
    exact = INDEX / config.trials_of(focus)[0].path
    found: list[pl.DataFrame] = []
    sizes: dict[str, tuple[str, int]] = {}
    with whole_folder(APPROXIMATE) as folder:
        for name in config.used_for("evaluate"):
            place, dataset = exact / name, read_dataset(VALID / name)
            index, langs = load_index(place), dataset.corpus["lang"].to_list()
            source, threads = fingerprint_of(place), config.study.threads
            made = build_approximate(index, langs, settings, source, threads)
            (folder / name).mkdir()
            save_approximate(made, folder / name)
            sizes[name] = made.made.factory, (folder / name / FAISS).stat().st_size
            log.info("%s: %s, %.1f MB", name, sizes[name][0], sizes[name][1] / 1e6)
            queries = load_queries(place).vectors
            one = VectorScores.between(dataset, queries, index.vectors)
            other = ApproximateScores(made, queries, max(settings.k))
            found.append(fidelity(dataset, one, other, measures_of(settings.k)))
        table = pl.concat(found)
        _write(index_page(table, settings, focus, sizes), table)
        refuse_loss(table, settings.max_loss)
    worst = losses(table)["loss"][0]
    return f"{settings.kind} index of {focus}, largest loss {worst:.1f} points"


def _write(text: str, table: pl.DataFrame) -> None:
    write_text(RESULTS / "index.md", text)
    with whole_file(RESULTS / "index.csv") as temporary:
        table.write_csv(temporary)


if __name__ == "__main__":
    run("approximate", approximate)
