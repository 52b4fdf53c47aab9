"""`polybatch init`: a study of one's own, apart from the tool's repository."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from polybatch.core.errors import InputError

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
    words = "your questions and answers: .csv, .tsv or .jsonl, as `polybatch validate` reads it"
    parser.add_argument("--from", dest="faq", type=Path, metavar="FAQ.CSV", help=words)


def work(chosen: argparse.Namespace) -> str:
    """Write the folder of a study, and return what to print.

    Raises:
        InputError: the folder is not empty, or the file of questions cannot be read.
    """
    from polybatch.core.files import whole_folder
    from polybatch.sources.own_folder import contents, read_own

    out: Path = chosen.out
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(out, "something there already", "a new or empty folder", "Name another")
    languages, splits = contents(chosen.faq) if chosen.faq else ([], [])
    rejected = read_own(chosen.faq, languages, splits).rejected.height if chosen.faq else 0
    with whole_folder(out) as folder:
        for name, place in _FILES.items():
            _put(folder / place, _template(name))
        _put(folder / "README.md", _README.format(name=out.resolve().name).encode())
        _put(folder / "params.yaml", _params(languages, splits).encode())
        if chosen.faq:
            _put(folder / "inputs/faq" / chosen.faq.name, chosen.faq.read_bytes())
    found = f" of questions in {', '.join(languages)}" if languages else ""
    lost = f" ({rejected} rows cannot be used: polybatch validate {chosen.faq})" * bool(rejected)
    return f"{out} holds a study{found}{lost}. Next: its README.md"


def _template(name: str) -> bytes:
    return files("polybatch").joinpath("study_template", name).read_bytes()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _params(languages: Sequence[str], splits: Sequence[str]) -> str:
    """Return params.yaml: the default study, or the one of a user's questions."""
    from polybatch.settings.presets import composed

    template = Path(str(files("polybatch").joinpath("study_template")))
    preset = template / ("local.yaml" if languages else "base.yaml")
    text = composed(template / "base.yaml", preset)
    if not languages:
        return text
    text = text.replace("[de, en, sw]", f"[{', '.join(languages)}]")
    return text.replace("splits: [all]", f"splits: [{', '.join(['all', *splits])}]")
