"""A tiny study whose held-out territories settings are chosen on, its data and encoder made."""

from __future__ import annotations

import contextlib
import io
import os
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from ruamel.yaml import YAML

from tests.helpers.small_encoders import xlm_roberta

ROOT = Path(__file__).parents[2]


def study() -> dict[str, Any]:
    """Return the params of a study that tunes two strategies and an adaptation."""
    params = YAML(typ="safe").load((ROOT / "tests/golden/study.yaml").read_text(encoding="utf-8"))
    assert isinstance(params, dict)
    params["study"]["name"] = "tiny"
    params["sources"]["cldr"] |= {"splits": ["train"], "languages": ["de", "sw"]}
    data = params["datasets"]["cldr-train"] | {"part": "train", "heldout_share": 0.1}
    data["languages"] = ["de", "sw"]
    held = data | {"part": "heldout", "use": "evaluate"}
    params["datasets"] = {"cldr-train": data, "cldr-held": held}
    params["validation"] |= {"min_rows": 1, "leakage": "report"}
    params["batches"] |= {"steps": 4, "batch_pairs": 4}
    params["dapt"] |= {"steps": 2, "batch_texts": 4, "max_length": 64}
    params["encoder"] |= {"name": "inputs/tiny", "folder": "inputs/tiny"}
    params["encoder"] |= {"pooling": "mean", "query_length": 16, "document_length": 32}
    rows = params["strategies"]
    params["strategies"] = {name: rows[name] for name in ("zero-shot", "hybrid", "dapt-mono")}
    for section in ("merges", "centred", "lexical", "fusions", "external"):
        params[section] = {}
    rates = {"learning_rate": [1e-4, 1e-3, 5e-3], "temperature": [0.05]}
    params["tuning"] = {
        "trials": 2,
        "seed": 3,
        "curve": [2, 4],
        "training": rates,
        "adaptation": {"learning_rate": [1e-5, 1e-4]},
        "cross_ratio": [0.25, 0.75],
    }
    return params


def write(folder: Path, params: Any) -> None:
    """Write a params.yaml."""
    with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
        YAML().dump(params, stream)


def _run(stage: str) -> None:
    sys.argv = stage.split()
    runpy.run_module(f"polybatch_stages.{sys.argv[0]}", run_name="__main__", alter_sys=True)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where the study's data and encoder are, and nothing was tuned."""
    folder = tmp_path_factory.mktemp("tiny")
    for name in ("none", "tiny"):
        (folder / "inputs" / name).mkdir(parents=True)
    for name in ("versions.yaml", "tuned.yaml"):
        shutil.copy(ROOT / name, folder / name)
    write(folder, study())
    kept = sys.argv, Path.cwd()
    os.chdir(folder)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            for stage in ("settings", "download --source cldr", "validate"):
                _run(stage)
            texts = pl.read_parquet(folder / "data/valid/cldr-train/corpus.parquet")["text"]
            xlm_roberta(folder / "inputs/tiny", texts)
            _run("base")
    finally:
        sys.argv = kept[0]
        os.chdir(kept[1])
    return folder
