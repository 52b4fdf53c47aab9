"""`polybatch init`: a study of one's own, apart from the tool's repository."""

from __future__ import annotations

import argparse
import io
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from polybatch.core.errors import InputError

if TYPE_CHECKING:
    from polybatch.sources.source import Parsed

_FILES = {
    "pipeline.yaml": "dvc.yaml",
    "versions.yaml": "versions.yaml",
    "tuned.yaml": "tuned.yaml",
    "prefect.yaml": "prefect.yaml",
    "gitignore.txt": ".gitignore",
    "dvcignore.txt": ".dvcignore",
    "dvc-config.txt": ".dvc/config",
    "dvc-gitignore.txt": ".dvc/.gitignore",
    "plots.html": ".dvc/plots.html",
    "plot-languages.json": ".dvc/plots/languages.json",
    "plot-loss.json": ".dvc/plots/loss.json",
    "data.md": "data/README.md",
    "models.md": "models/README.md",
    "inputs.md": "inputs/README.md",
    "none.md": "inputs/none/README.md",
}
"""File of the package -> where it stands in a study; in the repository links to its own files."""

_README = """# {name}

A study of polybatch. `params.yaml` holds every number of it.

    git init && git add --all && git commit -m Begin
    polybatch run                                # the whole study; results/compare.md
    polybatch status                             # which stages would run, and why
    polybatch compare mono hybrid                # two strategies side by side
    polybatch serve                              # a page that searches with the winner
    python -m polybatch_flows.serve              # every night, with Prefect on this machine

An upgrade of the package touches no file here; `polybatch upgrade` says what it would rerun, and
rewrites params.yaml where a version asks for it.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("out", type=Path, metavar="DIR", help="a new or empty folder")
    words = "your questions and answers: .csv, .tsv or .jsonl or a folder, as `polybatch validate`"
    parser.add_argument("--from", dest="faq", type=Path, metavar="FAQ.CSV", help=words)


def work(chosen: argparse.Namespace) -> str:
    """Write the folder of a study, and return what to print.

    Raises:
        InputError: the folder is not empty, or the file of questions cannot be read.
    """
    from polybatch.commands.validate import read_checked
    from polybatch.core.files import whole_together
    from polybatch.sources.own_folder import contents, tables

    out: Path = chosen.out
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(out, "something there already", "a new or empty folder", "Name another")
    languages, splits = contents(chosen.faq) if chosen.faq else ([], [])
    rejected, empty = 0, list[str]()
    if chosen.faq:
        read = read_checked(chosen.faq, languages, splits, every=False)
        rejected, there = read.rejected.height, _languages_of(read) or languages
        empty, languages = [lang for lang in languages if lang not in there], sorted(there)
    parts = _parts(splits) if splits and not _has_rows_without_split(chosen.faq) else None
    of_parts = {
        split: _languages_of(read_checked(chosen.faq, languages, [split], every=False)) or languages
        for split in parts or ()
    }
    own = tables(chosen.faq) if chosen.faq else {}
    with whole_together(out / "params.yaml") as place:  # into the folder, where a shell may stand
        for name, path in _FILES.items():
            place(out / path).write_bytes(_template(name))
        readme = _README.format(name=out.resolve().name)
        place(out / "README.md").write_text(readme, encoding="utf-8")
        params = _params(languages, splits, of_parts)
        place(out / "params.yaml").write_text(params, encoding="utf-8")
        for inside, file in own.items():
            place(out / "inputs/faq" / inside).write_bytes(file.read_bytes())
    found = f" of questions in {', '.join(languages)}" if languages else ""
    lost = f" ({rejected} rows cannot be used: polybatch validate {chosen.faq})" * bool(rejected)
    lost += f", and not in {', '.join(empty)}, of which no row can be used" * bool(empty)
    said = _said(languages, splits, of_parts)
    return f"{out} holds a study{found}{lost}{said}. Next: its README.md"


def _template(name: str) -> bytes:
    return files("polybatch").joinpath("study_template", name).read_bytes()


def _parts(splits: Sequence[str]) -> tuple[str, str] | None:
    """Return the split to train on and the one to evaluate, None where a word says neither.

    Example:
        >>> _parts(["dev", "test", "Train"]), _parts(["2024", "2025"])
        (('Train', 'test'), None)
    """
    words = {word.casefold(): word for word in splits}
    train = [words[word] for word in ("train", "training") if word in words]
    test = [words[word] for word in ("test", "dev", "validation", "valid", "val") if word in words]
    return (train[0], test[0]) if train and test else None


def _has_rows_without_split(path: Path) -> bool:
    """Return whether a row names no split: a study by splits would be refused."""
    from polybatch.sources.own_folder import tables
    from polybatch.sources.user_files import open_rows
    from polybatch.sources.user_rows import Broken

    rows = (row for file in tables(path).values() for row in open_rows(file).rows)
    return any(
        not isinstance(row, Broken) and not str(row[1].get("split") or "").strip() for row in rows
    )


def _languages_of(read: Parsed) -> list[str]:
    return sorted({*read.queries["lang"], *read.corpus["lang"]})


def _said(
    languages: Sequence[str], splits: Sequence[str], parts: Mapping[str, Sequence[str]]
) -> str:
    """Return what becomes of the words of a column split. `parts`: {split: its languages}."""
    if not splits:
        return ""
    if not parts:
        return ", which draws what it evaluates from all rows, whatever their splits are"
    named = []
    for split, there in parts.items():
        lacks = ", ".join(lang for lang in languages if lang not in there)
        named.append(f"{split} (none in {lacks})" if lacks else split)
    taken = {word.casefold() for word in parts}
    others = [word for word in splits if word.casefold() not in taken]
    left = f", and takes no row of {', '.join(others)}" if others else ""
    return f", which trains on the split {named[0]}, evaluates {named[1]}{left}"


def _params(
    languages: Sequence[str], splits: Sequence[str], parts: Mapping[str, Sequence[str]]
) -> str:
    """Return params.yaml: the default study, or the one of a user's questions.

    `parts`: the splits to train on and to evaluate, with the languages of each; none: a share of
    the items is held out.
    """
    from polybatch.settings.presets import composed

    template = Path(str(files("polybatch").joinpath("study_template")))
    preset = template / ("local.yaml" if languages else "base.yaml")
    text = composed(template / "base.yaml", preset)
    if not languages:
        return text
    text = text.replace("[de, en, sw]", f"[{', '.join(languages)}]")
    for part, (split, there) in zip(("train", "heldout"), parts.items(), strict=False):
        lines = rf"languages: .*\n    splits: \[all\]\n    part: {part}\b.*\n    heldout_share: .*"
        whole = f"languages: [{', '.join(there)}]\n    splits: {_yaml_list([split])}"
        whole += "\n    part: all\n    heldout_share: 0.0"
        text = re.sub(lines, whole, text)
    return text.replace("splits: [all]", f"splits: {_yaml_list(['all', *splits])}")


def _yaml_list(words: Sequence[str]) -> str:
    """Return words as a YAML list of strings in one line.

    Example:
        >>> _yaml_list(["all", "2024", "a, b"])
        "[all, '2024', 'a, b']"
    """
    from ruamel.yaml import YAML

    yaml, stream = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width = True, 1_000_000
    yaml.dump(list(words), stream)
    return stream.getvalue().strip()
