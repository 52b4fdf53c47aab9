"""Write what BM25 counts of every evaluation dataset to data/index/<name>/<first seed>."""

from __future__ import annotations

from polybatch.core.dataset import Dataset, read_dataset
from polybatch.core.files import whole_folder
from polybatch.retrieval.arm_folders import open_source, save_tokens
from polybatch.retrieval.latency import FOUND
from polybatch.retrieval.lexical import Bm25Scores
from polybatch.settings.config import Config
from polybatch.settings.study import Trial

from .common import INDEX, VALID, known, log, run, write_latency


def lexical(config: Config, name: str) -> str:
    """Cut the texts of every evaluation dataset into tokens and return how many there were."""
    known(config.lexical, name, "strategy")
    settings, (trial,) = config.lexical[name], config.trials_of(name)
    datasets = list(config.used_for("evaluate"))
    with whole_folder(INDEX / trial.path) as folder:
        for dataset in datasets:
            (folder / dataset).mkdir()
            tokenizers = save_tokens(folder, read_dataset(VALID / dataset), settings.k1, settings.b)
            how = "; ".join(f"{lang}: {each}" for lang, each in tokenizers.items())
            log.info("%s: %s", dataset, how)
    _write_latency(trial, [read_dataset(VALID / dataset) for dataset in datasets])
    return f"BM25 of {', '.join(datasets)}, k1 {settings.k1:g}, b {settings.b:g}"


def _write_latency(trial: Trial, datasets: list[Dataset]) -> None:
    """Measure cutting a question and searching the largest pool."""
    dataset = max(datasets, key=lambda one: one.corpus.height)
    source = open_source(INDEX / trial.path, dataset)
    assert isinstance(source, Bm25Scores)
    write_latency(
        trial,
        lambda asked: source.best(asked[0], asked[1], FOUND),
        dataset.queries.select("text", "lang").rows(),
    )


if __name__ == "__main__":
    run("lexical", lexical, "strategy")
