"""Write a row's vectors without their means, of every seed, to data/index/<name>/<seed>.

The means are those of the training datasets' texts: nothing else is read for them.
"""

from __future__ import annotations

from pathlib import Path

from polybatch.core.dataset import read_dataset
from polybatch.core.files import sha256_of_folder, whole_folder, write_json
from polybatch.encoders.checkpoints import open_checkpoint
from polybatch.encoders.encode import encode_with_settings
from polybatch.retrieval.centred_vectors import SIDES, Side, centre_folder, mean_texts
from polybatch.retrieval.centring import Means, means_of
from polybatch.settings.config import Config
from polybatch.training.machine import device, keep_freed_memory, make_deterministic

from .common import INDEX, MODELS, VALID, known, run

Texts = dict[Side, tuple[list[str], list[str]]]


def centre(config: Config, name: str) -> str:
    """Estimate the means of each seed's checkpoint, subtract them, and return of how many texts."""
    known(config.centred, name, "strategy")
    keep_freed_memory()
    training = [read_dataset(VALID / each) for each in config.used_for("train")]
    texts = {side: mean_texts(training, side) for side in SIDES}
    datasets = [read_dataset(VALID / each) for each in config.used_for("evaluate")]
    known_means: dict[str, dict[Side, Means]] = {}  # seeds of what is not trained share them
    with whole_folder(INDEX / name) as folder:
        for trial in config.trials_of(name):
            (part,) = config.parts_of(trial)
            make_deterministic(trial.seed, config.study.threads)
            weights = sha256_of_folder(MODELS / part.path)
            if weights not in known_means:
                known_means[weights] = _means(config, MODELS / part.path, texts)
            for dataset in datasets:
                before = INDEX / part.path / dataset.name
                after = folder / str(trial.seed) / dataset.name
                by = config.centred[name].means
                mean_of_each = centre_folder(before, after, dataset, known_means[weights], by)
                write_json(after / "centred.json", mean_of_each)
    return f"means of {sum(len(found) for found, _ in texts.values()):,} training texts"


def _means(config: Config, checkpoint: Path, texts: Texts) -> dict[Side, Means]:
    encoder = open_checkpoint(checkpoint).to(device())
    means = {}
    for side, (of_side, langs) in texts.items():
        vectors = encode_with_settings(encoder, config.encoder, of_side, side)
        means[side] = means_of(vectors, langs)
    return means


if __name__ == "__main__":
    run("centre", centre, "strategy")
