"""params.yaml, edited, and the mistakes found in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from polybatch.core.errors import InputErrorList
from polybatch.settings.load import load

ROOT = Path(__file__).parents[2]
DEFAULT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def beside_tuned(folder: Path, study: Path) -> Path:
    """Return a copy of a study in a folder that has the repository's tuned.yaml, too."""
    for path in (study, ROOT / "tuned.yaml"):
        shutil.copy(path, folder)
    return folder / study.name


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputErrorList) as caught:
        load(path)
    return [str(error) for error in caught.value.errors]


def edit(*edits: tuple[str, str]) -> str:
    text = DEFAULT
    for old, new in edits:
        assert text.count(old) >= 1, old
        text = text.replace(old, new, 1)
    return text


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return path
