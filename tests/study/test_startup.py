"""What a process imports before its work: most of a short stage's time is its start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from polybatch.versions.code_digest import stage_names

ROOT = Path(__file__).parents[2]
HEAVY = {
    *("torch", "torch._dynamo", "transformers", "sentence_transformers", "sklearn", "scipy"),
    *("datasets", "accelerate", "great_expectations", "faiss", "pandas", "pyarrow", "matplotlib"),
    *("dvc", "dvclive", "prefect"),
}
"""Modules that take a tenth of a second and more."""

ALLOWED = {
    "base": {"torch"},
    "train": {"torch"},
    "index": {"torch", "faiss"},
    "merge": {"torch"},
    "centre": {"torch", "faiss"},
    **{name: {"faiss", "scipy"} for name in ("evaluate", "lexical", "fuse", "external")},  # bm25s
    "approximate": {"faiss", "scipy"},
    **{name: {"faiss", "scipy"} for name in ("compare", "report")},  # intervals
    "validate": {"great_expectations", "scipy", "pandas", "pyarrow"},  # the last three are its own
}
"""Stage -> what it may import of those; every other stage none."""

PACKAGED = """
from pathlib import Path
import polars as pl
from polybatch.encoders.checkpoints import open_checkpoint, save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from polybatch.encoders.tokens import count_tokens
from polybatch.settings.encoder import EncoderSettings
from polybatch.settings.training import TrainingSettings
from polybatch.training.contrastive import Plan, train
from polybatch.training.machine import device, keep_freed_memory, make_deterministic
keep_freed_memory()
make_deterministic(0, 1)
settings = EncoderSettings("use-multilingual", "", "as-saved", "", "", 8, 8, 8, "fp32")
folder = Path(sys.argv[1])
folder.mkdir()
save_checkpoint(load_encoder(settings), folder)
encoder = open_checkpoint(folder).to(device())
encode_texts(encoder, ["one", "two"], 8, 2)
count_tokens(encoder, ["one", "two"], 8, "")
none = pl.DataFrame(schema=dict.fromkeys(("step", "slot", "query_text", "doc_text"), pl.String))
training = TrainingSettings(
    learning_rate=1e-4, rows_learning_rate=1e-3, temperature=0.05, warmup_share=0.1,
    max_grad_norm=1.0, checkpoint_every=4, log_every=2, precision="fp32", cached_pairs=0,
    grouped_texts=0,
)
train(encoder, Plan("none", none, 4), training, settings, 0, folder / "work", folder / "curves")
"""


def _imported(program: str, *arguments: str) -> set[str]:
    """Return which heavy modules a Python process holds at the end of a program."""
    shown = f"import json, sys\n{program}\nprint(json.dumps([*sys.modules]))"
    answer = subprocess.run(
        [sys.executable, "-c", shown, *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
    )
    return HEAVY & set(json.loads(answer.stdout.splitlines()[-1]))


@pytest.mark.parametrize("stage", stage_names())
def test_a_stage_imports_what_it_uses_alone(stage: str) -> None:
    assert _imported(f"import polybatch_stages.{stage}") <= ALLOWED.get(stage, set())


@pytest.mark.parametrize("module", ["flows.check", "flows.preset", "polybatch.cli"])
def test_commands_before_a_stage_import_nothing_heavy(module: str) -> None:
    assert not _imported(f"import {module}")


def test_help_and_the_choice_of_a_stage_import_nothing_heavy() -> None:
    program = (
        "import contextlib, io\nfrom polybatch.cli import main\n"
        "for given in (['--help'], ['stage', '--help'], ['stage', 'settings', '--help']):\n"
        "    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):\n"
        "        main(given)"
    )
    assert not _imported(program)


def test_a_packaged_encoder_needs_torch_alone_where_nothing_is_trained(tmp_path: Path) -> None:
    assert _imported(PACKAGED, str(tmp_path / "checkpoint")) == {"torch"}
