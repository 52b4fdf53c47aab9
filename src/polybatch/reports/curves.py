"""Loss curves of several trainings in one table, which one plot draws whatever they are called."""

from __future__ import annotations

from pathlib import Path

import polars as pl

CURVES = pl.Schema({"strategy": pl.String, "step": pl.Int64, "loss": pl.Float64})


def curve(folder: Path, name: str) -> pl.DataFrame:
    r"""Return CURVES of a training by the log in its results folder; no row if it took no step.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "plots", "metrics", "loss.tsv")
        >>> path.parent.mkdir(parents=True)
        >>> _ = path.write_text("step\tloss\n0\t4.16\n")
        >>> curve(path.parents[2], "mono").rows(), curve(Path("nowhere"), "zero-shot").rows()
        ([('mono', 0, 4.16)], [])
    """
    path = folder / "plots" / "metrics" / "loss.tsv"
    if not path.is_file():
        return CURVES.to_frame()
    losses = pl.read_csv(path, separator="\t", schema_overrides=CURVES)
    return losses.select(pl.lit(name).alias("strategy"), "step", "loss").match_to_schema(CURVES)
