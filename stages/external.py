"""Check somebody's runs or vectors and copy them to data/index/<name>/<first seed>."""

from __future__ import annotations

import shutil
from pathlib import Path

from polybatch.core.dataset import read_dataset
from polybatch.core.files import whole_folder
from polybatch.retrieval.arm_folders import open_external
from polybatch.retrieval.external_runs import RunScores
from polybatch.settings.config import Config

from .common import INDEX, VALID, known, log, run


def external(config: Config, name: str) -> str:
    """Hold the files against every evaluation dataset, copy them, and return what they are of."""
    known(config.external, name, "strategy")
    settings, (trial,) = config.external[name], config.trials_of(name)
    datasets, source = list(config.used_for("evaluate")), Path(settings.folder)
    with whole_folder(INDEX / trial.path) as folder:
        for dataset in datasets:
            there = read_dataset(VALID / dataset)
            found = open_external(f"external.{name}", source, there, settings.form)
            if isinstance(found, RunScores) and found.unanswered:
                log.warning(
                    "%s: %d of %d queries have no line in any run and score 0",
                    dataset, found.unanswered, there.queries.height,
                )  # fmt: skip
            shutil.copytree(source / dataset, folder / dataset, copy_function=shutil.copyfile)
    return f"{settings.form} of {', '.join(datasets)}"


if __name__ == "__main__":
    run("external", external, "strategy")
