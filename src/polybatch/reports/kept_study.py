"""A finished study as a folder for git: `python -m polybatch.reports.kept_study docs/results/mine`.

It holds what somebody needs who checks a sentence about the study, or repeats it: params.yaml,
versions.yaml, the tables, validation.md, the commit, and AP of every question (AP_TABLE).

With `--contrasts` it is read instead: the declared contrasts of its settings are computed anew, by
the statistics of today, and written to `contrasts-again.md` beside its tables. Nothing is trained;
params.yaml and data/valid (`dvc repro validate`) have to be the study's.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl

from polybatch.core.errors import InputError, not_made
from polybatch.core.files import whole_folder, write_json, write_text
from polybatch.reports.contrasts import contrast_section
from polybatch.reports.environment import environment
from polybatch.reports.results_folder import Study
from polybatch.statistics.arms import read_arms
from polybatch.statistics.breakdowns import setting_views
from polybatch.statistics.contrasts import contrast_table

AP_TABLE = pl.Schema(dict.fromkeys(("dataset", "setting", "query_lang", "item_id"), pl.String()))
"""Keys of `ap.parquet`; each further column, such as `hybrid/0`, has AP of a row and a seed."""

MOST_BYTES = 5_000_000
_TABLES = ("compare.md", "compare.csv", "contrasts.csv", "seeds.csv", "validation.md")


def keep(study: Study, folder: Path) -> None:
    """Write what is kept of `study` to `folder`, which it replaces; whole or not at all.

    Raises:
        InputError: a file of the results is missing, or `ap.parquet` is over MOST_BYTES.
    """
    root, results = study.folder, study.folder / "results"
    files = [root / "params.yaml", root / "versions.yaml", *(results / name for name in _TABLES)]
    for path in files:
        if not path.is_file():
            raise not_made(path)
    with whole_folder(folder) as new:
        for path in files:
            shutil.copyfile(path, new / path.name)
        table = new / "ap.parquet"
        average_precisions(study).write_parquet(table, compression="zstd", compression_level=19)
        if (size := table.stat().st_size) > MOST_BYTES:
            raise InputError(
                folder / table.name,
                f"{size / 1e6:.1f} MB",
                f"at most {MOST_BYTES / 1e6:.0f} MB, which git can hold",
                "Keep a study of fewer rows or datasets",
            )
        about = {"study": study.config.study.name, "seeds": list(study.config.study.seeds)}
        write_json(new / "study.json", about | _commit(root) | {"machine": environment()})


def average_precisions(study: Study) -> pl.DataFrame:
    """Return AP_TABLE and one column per trial: AP to four places, mean over document languages."""
    keys, found = AP_TABLE.names(), None
    for kind in study.kinds.values():
        for trial in kind.trials:
            scores = study.trial_scores(trial).filter(measure="AP").group_by(keys)
            column = scores.agg(pl.col("score").mean().round(4).cast(pl.Float32).alias(trial))
            found = (
                column if found is None else found.join(column, on=keys, how="full", coalesce=True)
            )
    assert found is not None, "a study has rows"
    return found.sort(keys)


def contrasts_again(study: Study, kept: pl.DataFrame) -> pl.DataFrame:
    """Return CONTRASTS of the settings, computed from what `average_precisions` returned once.

    `study`: for its rows, what is declared, and what its questions have in common.
    """

    def read(trial: str) -> pl.DataFrame:
        score = pl.col(trial).cast(pl.Float64)
        return kept.select(*AP_TABLE, doc_lang=pl.lit("*"), measure=pl.lit("AP"), score=score)

    scored = read_arms(study.kinds, read, study.clusters, lambda lists, _: setting_views(lists))
    settings, seed = study.config.statistics, study.config.study.seeds[0]
    return contrast_table(scored, settings.pairs, study.rule, settings.resamples, seed)


def _commit(root: Path) -> dict[str, object]:
    """Return the commit that a study ran on, and whether files of the code differed from it."""
    try:
        head = _git(root, "rev-parse", "HEAD")
        edited = _git(
            root, "status", "--porcelain", "--untracked-files=no", "--", "src", "dvc.yaml"
        )
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None}
    return {"commit": head, "code_edited": bool(edited)}


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Keep the study of this folder, or read one that is kept."""
    *option, last = sys.argv[1:] or ["--help"]
    if last.startswith("-") or option not in ([], ["--contrasts"]):
        sys.stdout.write("usage: python -m polybatch.reports.kept_study [--contrasts] FOLDER\n")
        sys.exit(last not in ("-h", "--help"))
    study, folder = Study(Path()), Path(last)
    try:
        if not option:
            keep(study, folder)
        else:
            found = contrasts_again(study, pl.read_parquet(folder / "ap.parquet"))
            text = contrast_section(found, study.rule)
            write_text(folder / "contrasts-again.md", f"{text}\n")
    except InputError as error:
        sys.exit(f"polybatch: {error}")
    print(f"polybatch: kept in {folder}")


if __name__ == "__main__":
    main()
