"""Write which rankings are joined, of every seed, to data/index/<name>/<seed>."""

from __future__ import annotations

from polybatch.core.files import whole_folder
from polybatch.retrieval.arm_folders import save_fusion
from polybatch.settings.config import Config

from .common import INDEX, known, run


def fuse(config: Config, name: str) -> str:
    """Note the two parts of each seed, which `evaluate` then reads, and return their names."""
    known(config.fusions, name, "strategy")
    settings = config.fusions[name]
    with whole_folder(INDEX / name) as folder:
        for trial in config.trials_of(name):
            first, second = (part.path for part in config.parts_of(trial))
            save_fusion(folder / str(trial.seed), first, second, settings.constant)
    return f"{settings.first} and {settings.second}, constant {settings.constant}"


if __name__ == "__main__":
    run("fuse", fuse, "strategy")
