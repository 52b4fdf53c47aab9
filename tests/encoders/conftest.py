"""A small checkpoint of a transformer, as the library saves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.small_encoders import labse


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labse(tmp_path_factory.mktemp("saved"))
