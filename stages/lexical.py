"""Write what BM25 counts of every evaluation dataset to data/index/<name>/<first seed>."""

from __future__ import annotations

from polybatch.dataset import read_dataset
from polybatch.files import whole_folder
from polybatch.retrieval.arm_folders import save_tokens
from polybatch.settings.config import Config

from .common import INDEX, VALID, known, log, run


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
    return f"BM25 of {len(datasets)} datasets, k1 {settings.k1:g}, b {settings.b:g}"


if __name__ == "__main__":
    run("lexical", lexical, "strategy")
