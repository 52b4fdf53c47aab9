"""Write the losses of all trainings, and of adaptation, to results/curves: what DVC plots."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from polybatch.core.files import whole_file
from polybatch.reports.curves import CURVES, curve
from polybatch.settings.config import Config

from .common import RESULTS, run


def curves(config: Config, _: str) -> str:
    """Write one table of the first seed's trainings and one of its adaptation."""
    seed = str(config.study.seeds[0])
    training = [curve(RESULTS / "training" / name / seed, name) for name in config.strategies]
    adaptation = [curve(RESULTS / "adaptation" / seed, "dapt")]
    for name, found in (("training", training), ("adaptation", adaptation)):
        _write(pl.concat([CURVES.to_frame(), *found]), RESULTS / "curves" / f"{name}.csv")
    return f"{sum(one.height > 0 for one in [*training, *adaptation])} curves"


def _write(table: pl.DataFrame, path: Path) -> None:
    with whole_file(path) as temporary:
        table.write_csv(temporary)


if __name__ == "__main__":
    run("curves", curves)
