"""A finished study as a folder for git: `python -m polybatch.reports.kept_study docs/results/mine`.

It holds what somebody needs who checks a sentence about the study, or repeats it: params.yaml,
versions.yaml, the tables, validation.md, the commit, and AP of every question (AP_TABLE), or the
study's first measure where it has no AP.

With `--contrasts` it is read instead: the declared contrasts of its settings are computed anew, by
the statistics of today, and written to `contrasts-again.md` beside its tables. Nothing is trained;
params.yaml and data/valid (`dvc repro validate`) have to be the study's.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from statistics import fmean

import polars as pl

from polybatch.core.errors import InputError, not_made
from polybatch.core.files import whole_folder, write_json, write_text
from polybatch.reports.contrasts import contrast_section
from polybatch.reports.environment import environment
from polybatch.reports.results_folder import Study
from polybatch.statistics.arms import read_arms
from polybatch.statistics.breakdowns import setting_views
from polybatch.statistics.contrasts import contrast_table

_LIST = ("dataset", "setting", "query_lang", "doc_lang")
AP_TABLE = pl.Schema(dict.fromkeys((*_LIST, "item_id"), pl.String()))
"""Keys of `ap.parquet`; each further column, such as `hybrid/0`, has AP of a row and a seed.

Where every question is held against as many languages, `doc_lang` is ALL and AP a mean over them:
means over questions and over languages are the same then. Tables kept earlier lack the column.
"""
ALL = "*"

MOST_BYTES = 5_000_000
_ROUNDING = 1e-4  # of a mean of scores with four places
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
    """Return AP_TABLE and one column per trial: AP to four places."""
    keys, found, measure = AP_TABLE.names(), None, study.config.evaluation.headline
    for kind in study.kinds.values():
        for trial in kind.trials:
            scores = _joined(study.trial_scores(trial).filter(measure=measure)).group_by(keys)
            column = scores.agg(pl.col("score").mean().round(4).cast(pl.Float32).alias(trial))
            found = (
                column if found is None else found.join(column, on=keys, how="full", coalesce=True)
            )
    assert found is not None, "a study has rows"
    return found.sort(keys)


def _joined(scores: pl.DataFrame) -> pl.DataFrame:
    """Call a setting's languages ALL where all lists have the same items, all queries as many."""
    setting = ["dataset", "setting"]
    lists = pl.struct(*_LIST).n_unique().over(setting)
    whole = pl.len().over(setting) == lists * pl.col("item_id").n_unique().over(setting)
    held = pl.col("doc_lang").n_unique().over(*setting, "query_lang")
    whole &= held.min().over(setting) == held.max().over(setting)
    return scores.with_columns(doc_lang=pl.when(whole).then(pl.lit(ALL)).otherwise("doc_lang"))


def contrasts_again(study: Study, kept: pl.DataFrame) -> pl.DataFrame:
    """Return CONTRASTS of the settings, computed from what `average_precisions` returned once.

    `study`: for its rows, what is declared, and what its questions have in common.
    """
    measure = pl.lit(study.config.evaluation.headline)

    def read(trial: str) -> pl.DataFrame:
        return kept.select(*AP_TABLE, measure=measure, score=pl.col(trial).cast(pl.Float64))

    scored = read_arms(study.kinds, read, study.clusters, lambda lists, _: setting_views(lists))
    settings, seed = study.config.statistics, study.config.study.seeds[0]
    return contrast_table(scored, settings.pairs, study.rule, settings.resamples, seed)


def read_kept(study: Study, folder: Path) -> pl.DataFrame:
    """Return what `average_precisions` returned when the study was kept in `folder`.

    Raises:
        InputError: its means are not those of `compare.csv` beside it.
    """
    kept = pl.read_parquet(folder / "ap.parquet")
    if "doc_lang" not in kept.columns:
        kept = kept.with_columns(doc_lang=pl.lit(ALL))
    trials = [name for name in kept.columns if name not in AP_TABLE]
    means = kept.group_by(_LIST).agg(pl.col(trials).cast(pl.Float64).mean())
    means = means.group_by("dataset", "setting").agg(pl.col(trials).mean())
    table = pl.read_csv(folder / "compare.csv")
    for row in table.filter(measure=study.config.evaluation.headline).iter_rows(named=True):
        of = [name for name in trials if name.rpartition("/")[0] == row["strategy"]]
        (found,) = means.filter(dataset=row["dataset"], setting=row["setting"]).select(of).rows()
        if abs(fmean(found) - row["value"]) > _ROUNDING:
            raise InputError(
                folder / "ap.parquet",
                f"{row['strategy']}, {row['dataset']} {row['setting']}: {fmean(found):.4f}",
                f"{row['value']:.4f}, as in compare.csv",
                "It was kept without its document languages: run the study, and keep it again",
            )
    return kept


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
            found = contrasts_again(study, read_kept(study, folder))
            text = contrast_section(found, study.rule)
            write_text(folder / "contrasts-again.md", f"{text}\n")
    except InputError as error:
        sys.exit(f"polybatch: {error}")
    print(f"polybatch: kept in {folder}")


if __name__ == "__main__":
    main()
