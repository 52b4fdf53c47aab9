"""Write the mean of two strategies' weights, of every seed, to models/<name>/<seed>."""

from __future__ import annotations

from polybatch.core.files import whole_folder
from polybatch.encoders.merging import merge_checkpoints
from polybatch.settings.config import Config

from .common import MODELS, known, run


def merge(config: Config, name: str) -> str:
    """Merge the checkpoints of each seed and return what of."""
    known(config.merges, name, "strategy")
    settings, trials = config.merges[name], config.trials_of(name)
    with whole_folder(MODELS / name) as folder:
        for trial in trials:
            first, second = (MODELS / part.path for part in config.parts_of(trial))
            (folder / str(trial.seed)).mkdir()
            merge_checkpoints(first, second, settings.weight, folder / str(trial.seed))
    return f"{settings.weight:g} {settings.first} + {1 - settings.weight:g} {settings.second}"


if __name__ == "__main__":
    run("merge", merge, "strategy")
