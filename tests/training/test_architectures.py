"""Every architecture through all that polybatch does with an encoder, as tiny random ones."""

from __future__ import annotations

import dataclasses
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Pooling
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM

from polybatch.adaptation.adapt import adapt
from polybatch.adaptation.job import Job
from polybatch.core.errors import InputError
from polybatch.encoders.checkpoints import save_checkpoint
from polybatch.encoders.encode import encode_texts
from polybatch.encoders.load import load_encoder
from polybatch.settings.adaptation import OBJECTIVES
from polybatch.settings.encoder import EncoderSettings
from polybatch.training.contrastive import train
from polybatch.training.machine import make_deterministic
from tests.helpers.adaptation import SETTINGS as ADAPTATION
from tests.helpers.adaptation import texts
from tests.helpers.small_encoders import SHAPES, settings_for
from tests.training.test_training import SETTINGS, plan

STEPS = 4
TRAINING = dataclasses.replace(SETTINGS, checkpoint_every=9, log_every=9, learning_rate=1e-3)
TEXTS = ["word1 word2 word3", "word250", "word7 word8 word9 word10 word11 word12"]
State = dict[str, Tensor]
ROOT = Path(__file__).parents[2]
TWO_PROCESSES = """
import pickle, sys
from pathlib import Path
from safetensors.torch import save_file
from polybatch.training.machine import is_first_process, join_processes, leave_processes
from tests.training.test_architectures import trained

join_processes()
folder = Path(sys.argv[1])
for kind, lengths in pickle.loads((folder / "lengths").read_bytes()).items():
    state = trained(lengths, folder / kind)
    if is_first_process():
        save_file(state, folder / f"{kind}.safetensors")
leave_processes()
"""


@pytest.fixture(scope="module")
def lengths(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], EncoderSettings]:
    """Settings of an architecture, whose files are written when they are asked for."""
    made: dict[str, EncoderSettings] = {}

    def settings(kind: str) -> EncoderSettings:
        if kind not in made:
            prompts = (
                {"query_prompt": "word1 ", "document_prompt": "word2 "} if kind == "e5" else {}
            )
            made[kind] = settings_for(SHAPES[kind](tmp_path_factory.mktemp(kind)), **prompts)
        return made[kind]

    return settings


@pytest.fixture(scope="module")
def whole(
    lengths: Callable[[str], EncoderSettings], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], State]:
    """The weights of an architecture after a training without interruption."""
    made: dict[str, State] = {}

    def of(kind: str) -> State:
        if kind not in made:
            made[kind] = trained(lengths(kind), tmp_path_factory.mktemp(f"whole-{kind}"))
        return made[kind]

    return of


def trained(
    lengths: EncoderSettings, folder: Path, stop_at: int | None = None, **changes: Any
) -> State:
    make_deterministic(0, 1)
    encoder = load_encoder(lengths)
    calls = 0

    def interrupt(*_: Any) -> None:
        nonlocal calls
        calls += 1
        if stop_at is not None and calls > 2 * stop_at:  # queries, then documents
            raise KeyboardInterrupt

    hook = encoder[0].register_forward_hook(interrupt)
    settings = dataclasses.replace(TRAINING, **changes)
    train(encoder, plan(STEPS), settings, lengths, 0, folder / "work", folder / "curves")
    hook.remove()
    state: State = encoder.state_dict()
    return state


def _assert_close(found: State, expected: State, tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=tolerance, rtol=0, msg=name)


def _train(kind: str, lengths: EncoderSettings, whole: State, folder: Path) -> None:
    before = load_encoder(lengths).state_dict()
    moved = {name for name, value in whole.items() if not torch.equal(value, before[name])}
    still = {name for name in whole.keys() - moved if "pooler" not in name}
    assert moved
    assert not {name for name in still if "token_type" not in name}
    assert all(value.isfinite().all() for value in whole.values())


def _resume(kind: str, lengths: EncoderSettings, whole: State, folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        trained(lengths, folder, stop_at=3, checkpoint_every=2)
    assert list((folder / "work").glob("checkpoint-2*"))
    _assert_close(trained(lengths, folder, checkpoint_every=2), whole, 0)


def _bf16(kind: str, lengths: EncoderSettings, whole: State, folder: Path) -> None:
    found = trained(lengths, folder, precision="bf16")
    assert {value.dtype for value in found.values()} == {value.dtype for value in whole.values()}
    _assert_close(found, whole, 2 * STEPS * TRAINING.rows_learning_rate)  # Adam's longest way


def _assert_same_training(found: State, whole: State) -> None:
    """Sums in another order; Adam makes steps of the same length of gradients of nearly zero."""
    far = [float((found[name] - value).abs().mean()) for name, value in whole.items()]
    assert max(far) < TRAINING.learning_rate / 10


def _gradcache(kind: str, lengths: EncoderSettings, whole: State, folder: Path) -> None:
    _assert_same_training(trained(lengths, folder, cached_pairs=2), whole)


def _like_lengths(kind: str, lengths: EncoderSettings, whole: State, folder: Path) -> None:
    _assert_same_training(trained(lengths, folder, grouped_texts=2), whole)


def _elsewhere(kind: str, lengths: EncoderSettings, whole: State, folder: Path) -> None:
    encoder = load_encoder(lengths)
    encoder.load_state_dict(whole)
    save_checkpoint(encoder, folder / "saved")
    users = SentenceTransformer(str(folder / "saved"), device="cpu")
    ours = encode_texts(encoder, TEXTS, 16, 2, lengths.query_prompt)
    theirs = users.encode_query(TEXTS, normalize_embeddings=True)
    np.testing.assert_allclose(theirs, ours, atol=1e-6)
    assert "polybatch" not in (folder / "saved/modules.json").read_text()


CELLS = {
    "train": _train,
    "resume": _resume,
    "bf16": _bf16,
    "GradCache": _gradcache,
    "like lengths": _like_lengths,
    "load elsewhere": _elsewhere,
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", SHAPES)
def test_every_architecture_trains_and_is_saved(
    kind: str,
    cell: str,
    lengths: Callable[[str], EncoderSettings],
    whole: Callable[[str], State],
    tmp_path: Path,
) -> None:
    CELLS[cell](kind, lengths(kind), whole(kind), tmp_path)


def test_two_processes_train_every_architecture_as_one_does(
    lengths: Callable[[str], EncoderSettings], whole: Callable[[str], State], tmp_path: Path
) -> None:
    (tmp_path / "lengths").write_bytes(pickle.dumps({kind: lengths(kind) for kind in SHAPES}))
    (tmp_path / "two.py").write_text(TWO_PROCESSES, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
         tmp_path / "two.py", tmp_path],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT)))},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout
    for kind in SHAPES:
        _assert_same_training(load_file(tmp_path / f"{kind}.safetensors"), whole(kind))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", SHAPES)
def test_every_architecture_adapts_and_keeps_its_head(
    kind: str, objective: str, lengths: Callable[[str], EncoderSettings], tmp_path: Path
) -> None:
    make_deterministic(0, 1)
    settings = dataclasses.replace(ADAPTATION, objective=objective, steps=3, checkpoint_every=3)
    encoder = load_encoder(lengths(kind))
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    work = (tmp_path / "work", tmp_path / "curves")
    job = Job(encoder, texts(), settings, lengths(kind), 0, *work)
    if (kind, objective) == ("modernbert", "tsdae"):  # its code has no decoder
        with pytest.raises(InputError, match=r"'tsdae', which .* cannot do, .* mlm, crop"):
            adapt(job)
        return
    summary = adapt(job)
    after = encoder.state_dict()
    assert summary.steps == 3
    assert after.keys() == before.keys()
    assert sum(not torch.equal(value, before[name]) for name, value in after.items()) > 10
    assert (Dense in map(type, encoder)) == (kind == "labse")
    assert [one.pooling_mode for one in encoder if isinstance(one, Pooling)] == [
        "cls" if kind == "labse" else "mean"
    ]
    assert np.isfinite(encode_texts(encoder, TEXTS, 16, 3)).all()


@pytest.mark.parametrize("kind", ["xlm-r", "modernbert"])
def test_a_folder_published_with_its_masked_language_head_is_its_encoder(
    kind: str, tmp_path: Path
) -> None:
    """As FacebookAI/xlm-roberta-base and answerdotai/ModernBERT-base are published."""
    folder = SHAPES[kind](tmp_path)
    torch.manual_seed(1)
    head = AutoModelForMaskedLM.from_config(AutoConfig.from_pretrained(folder))
    inner = AutoModel.from_pretrained(folder)
    missing, _ = head.base_model.load_state_dict(inner.state_dict(), strict=False)
    assert not missing
    plain = encode_texts(load_encoder(settings_for(folder)), TEXTS, 16, 3)
    (folder / "model.safetensors").unlink()
    head.save_pretrained(folder)
    assert "MaskedLM" in (folder / "config.json").read_text()
    found = encode_texts(load_encoder(settings_for(folder)), TEXTS, 16, 3)
    np.testing.assert_allclose(found, plain, atol=1e-6)
