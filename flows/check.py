"""Check params.yaml before DVC hashes anything: `python -m flows.check`, which `make repro` runs.

Mistakes end it with the message that a stage gives, and exit code 1. What stops no run, such as
results that may be of older code, is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from ruamel.yaml import YAML

from polybatch.core.errors import InputError, InputErrorList, use_utf8
from polybatch.core.files import refuse_special_files
from polybatch.settings.config import Config
from polybatch.settings.data import NO_FOLDER
from polybatch.settings.load import load
from polybatch.settings.moved import upgrade_hint
from polybatch.settings.tuned import TUNED, tuned_remarks
from polybatch.versions.code_digest import OURS, package_folder
from polybatch.versions.kept_digests import DIGESTS, kept_digests
from polybatch.versions.record import VERSIONS, older_code, older_code_message, read_versions

from .repository import check
from .scores import contrast_rows


def check_params(root: Path) -> Config:
    """Return params.yaml, read and checked, with the folders that dvc.yaml needs.

    Raises:
        InputErrorList: every mistake, with its line.
        InputError: a folder that is not there, or holds what DVC would wait for; a versions.yaml
            that cannot be read.
    """
    if (root / VERSIONS).is_file():
        read_versions(root / VERSIONS)
    path = root / "params.yaml"
    config = load(path)
    raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    sections = {f"sources.{name}": value for name, value in raw["sources"].items()}
    errors = [
        InputError(
            f"{path} {key}.folder",
            "nothing",
            f"a folder that DVC can depend on; {NO_FOLDER} where there are no files of yours",
            f"Add `folder: {NO_FOLDER}` below {key}{upgrade_hint(f'{key}.folder')}",
        )
        for key, value in {**sections, "encoder": raw["encoder"]}.items()
        if "folder" not in value
    ]
    if errors:
        raise InputErrorList(f"{path} cannot be used", errors)
    for name, source in config.sources.items():
        if source.folder not in (None, NO_FOLDER):
            refuse_special_files(root / source.folder, f"{path} sources.{name}.folder")
    return config


def check_workers(workers: int | None) -> None:
    """Refuse a number of stages at the same time that is none; None: params.yaml says it."""
    if workers is not None and workers < 1:
        raise InputError("--workers", str(workers), "1 or more", "Change the number")


def remarks(root: Path, config: Config) -> list[str]:
    """Return what stops no run, but may leave results as they were."""
    found = []
    encoder = config.encoder
    if (root / encoder.name).is_dir() and encoder.folder != encoder.name:
        found.append(
            f"encoder.folder is {encoder.folder}, but encoder.name is a folder: DVC does not see"
            f" when its files change. Write folder: {encoder.name}"
        )
    found += [*tuned_remarks(config, root / TUNED), *_reach(root, config)]
    if (root / VERSIONS).is_file():
        stages = older_code(root / VERSIONS, kept_digests(root / DIGESTS), config.sources)
        here = package_folder(OURS[0]).is_relative_to(root.resolve())
        found += [older_code_message(stages, repository=here)] if stages else []
    return found


def _reach(root: Path, config: Config) -> list[str]:
    """Return what the study can find by the variances of its last run, where there was one."""
    names = {f"{first} - {second}" for first, second in config.statistics.pairs}
    rows = [
        row
        for row in contrast_rows(root)
        if f"{row['first']} - {row['second']}" in names and row["dataset"] in config.datasets
    ]
    once = [row for row in rows if row["seeds"] in ("1", "2")]
    rows = [row for row in rows if row["detectable"] and row not in once]
    if not rows:
        line = "the last results are of one training or two, which decide nothing: study.seeds"
        return [line] if once else []
    most = max(rows, key=lambda row: float(row["detectable"]))
    least = min(rows, key=lambda row: float(row["detectable"]))
    low, high = (f"{100 * float(row['detectable']):.1f}" for row in (least, most))
    margin = max(float(row["margin"]) for row in rows)
    return [
        f"by the last results the declared contrasts find differences from {low} to {high} points"
        f" (the least: {least['first']} - {least['second']}, the most: {most['first']} -"
        f" {most['second']}), and equality within {100 * margin:.1f} points at best;"
        " `polybatch plan-study --difference 1` says what more seeds and questions bring"
    ]


def main() -> None:
    """Check the params of the study here and print what is worth knowing before a run."""
    use_utf8()
    try:
        check(Path())
        for line in remarks(Path(), check_params(Path())):
            print(f"polybatch: {line}")
    except (InputError, InputErrorList) as error:
        sys.exit(f"polybatch: {error}")


if __name__ == "__main__":
    main()
