"""`polybatch init`: a study of one's own, apart from the tool's repository."""

from __future__ import annotations

import argparse
import csv
from importlib.resources import files
from pathlib import Path

from polybatch.errors import InputError

_FILES = {
    "pipeline.yaml": "dvc.yaml",
    "versions.yaml": "versions.yaml",
    "tuned.yaml": "tuned.yaml",
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

_COLUMNS = ("item_id", "lang", "question", "answer")

_README = """# {name}

A study of polybatch. `params.yaml` holds every number of it.

    git init && git add --all && git commit -m Begin
    dvc repro                                    # the whole study; results/compare.md
    polybatch compare mono hybrid                # two strategies side by side
    polybatch serve                              # a page that searches with the winner

An upgrade of the package touches no file here; `polybatch upgrade` rewrites params.yaml where a
version asks for it.
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add what the command takes."""
    parser.add_argument("out", type=Path, metavar="DIR", help="a new or empty folder")
    words = f"your questions and answers: a CSV file with the columns {', '.join(_COLUMNS)}"
    parser.add_argument("--from", dest="faq", type=Path, metavar="FAQ.CSV", help=words)


def work(chosen: argparse.Namespace) -> str:
    """Write the folder of a study, and return what to print.

    Raises:
        InputError: the folder is not empty, or the questions are no table with languages.
    """
    from polybatch.files import whole_folder

    out: Path = chosen.out
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(out, "something there already", "a new or empty folder", "Name another")
    languages = _languages(chosen.faq) if chosen.faq else []
    with whole_folder(out) as folder:
        for name, place in _FILES.items():
            _put(folder / place, _template(name))
        _put(folder / "README.md", _README.format(name=out.resolve().name).encode())
        _put(folder / "params.yaml", _params(languages).encode())
        if chosen.faq:
            _put(folder / "inputs/faq/faq.csv", chosen.faq.read_bytes())
    found = f" of questions in {', '.join(languages)}" if languages else ""
    return f"{out} holds a study{found}. Next: its README.md"


def _template(name: str) -> bytes:
    return files("polybatch").joinpath("study_template", name).read_bytes()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _params(languages: list[str]) -> str:
    """Return params.yaml: the default study, or the one of a user's questions."""
    from polybatch.settings.presets import composed

    template = Path(str(files("polybatch").joinpath("study_template")))
    preset = template / ("local.yaml" if languages else "base.yaml")
    text = composed(template / "base.yaml", preset)
    return text.replace("[de, en, sw]", f"[{', '.join(languages)}]") if languages else text


def _languages(faq: Path) -> list[str]:
    """Return the languages of a CSV file of questions.

    Raises:
        InputError: no readable CSV, or other columns.
    """
    try:
        with faq.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            columns = reader.fieldnames or []
            found = sorted({row["lang"] for row in reader if row.get("lang")} if columns else ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(faq, f"no readable CSV ({error})", "a CSV file", "Correct it") from error
    if missing := [name for name in _COLUMNS if name not in columns]:
        raise InputError(
            faq,
            f"the columns {', '.join(columns) or 'none'}",
            f"{', '.join(_COLUMNS)} ({', '.join(missing)} missing)",
            "Rename the columns",
        )
    return found
