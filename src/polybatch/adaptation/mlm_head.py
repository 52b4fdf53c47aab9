"""The head of a masked language model: that of the checkpoint, or a new one.

A new head's first errors say nothing of the transformer below it, and would be spent on it. So it
begins with how often each token occurs, and is trained alone first, on the texts that the
adaptation begins with, masked otherwise; its output layer is the transformer's word embeddings,
which are held like all the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForMaskedLM

from polybatch.adaptation.job import Job
from polybatch.adaptation.trainer import Batch
from polybatch.batches.pairs import Int64
from polybatch.encoders import hub
from polybatch.encoders.configurations import check_values, read_json
from polybatch.encoders.inspection import inspect_folder
from polybatch.encoders.load import ENCODERS
from polybatch.encoders.loading import loading
from polybatch.settings.encoder_rules import HUB_NAMES

log = logging.getLogger(__name__)

STEPS = 100
"""Steps of a new head alone."""

_RATE = 1e-3  # of Adam, falling to zero: nothing but small new matrices is trained with it


def given_head(job: Job, model: Any, rows: Tensor) -> str:
    """Copy the head of the checkpoint that params name, where it has one and it fits.

    `rows`: token ids of the model's vocabulary. Returns the checkpoint's name, else `new`.

    Raises:
        InputError: the checkpoint cannot be reached or read, so that nobody knows whether it has.
    """
    name = job.lengths.name
    if name in ENCODERS and name not in HUB_NAMES:
        return "new"  # of a package, which has no head
    folder = hub.folder_of(job.lengths)
    if (folder / "modules.json").is_file():
        folder /= next(each.path for part in inspect_folder(folder) for each in part.transformers())
    check_values(folder / "config.json", read_json(folder / "config.json"))
    plain: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with loading(folder):
        made = AutoConfig.from_pretrained(folder, **plain).architectures or ()
        if not any(each.endswith("MaskedLM") for each in made):
            return "new"  # saved without a head: do not load it to find that out
        given, info = AutoModelForMaskedLM.from_pretrained(
            folder, output_loading_info=True, use_safetensors=True, **plain
        )
    prefix = f"{model.base_model_prefix}."
    mine = {key: value for key, value in model.state_dict().items() if not key.startswith(prefix)}
    theirs = given.state_dict()
    if info["missing_keys"] or len(given.get_input_embeddings().weight) < int(rows.max()) + 1:
        return "new"
    for key, value in mine.items():
        if key not in theirs:
            return "new"
        new = theirs[key] if theirs[key].shape == value.shape else theirs[key][rows]
        value.copy_(new)
    return name


def set_frequencies(model: Any, sequences: Iterable[Int64]) -> None:
    """Set the bias of a new head, where it has one, to the log of each token's share of the text.

    Each token counts once more than it occurs.
    """
    output = model.get_output_embeddings()
    if getattr(output, "bias", None) is not None:
        counts = np.bincount(np.concatenate(list(sequences)), minlength=len(output.bias)) + 1.0
        with torch.no_grad():
            output.bias.copy_(torch.from_numpy(np.log(counts / counts.sum())))


def warm_up(
    module: nn.Module, base: nn.Module, batch: Callable[[int], Batch], precision: str
) -> None:
    """Train what `module` has beside `base`, its transformer, for STEPS steps.

    `module` returns the mean loss of a batch, which `batch(step)` makes.

    The same whatever was drawn before: nothing is dropped out, and no generator is asked.
    """
    held = list(base.parameters())
    known = {id(parameter) for parameter in held}
    own = [each for each in module.parameters() if id(each) not in known]
    optimizer = torch.optim.Adam(own, _RATE)
    device = own[0].device
    low = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")
    module.eval()
    log.info("dapt, mlm: the new head is trained alone first, %d steps on %s", STEPS, device)
    for parameter in held:
        parameter.requires_grad_(False)
    for step in range(STEPS):
        optimizer.param_groups[0]["lr"] = _RATE * (1 - step / STEPS)
        with low:
            loss = module(**{name: value.to(device) for name, value in batch(step).items()})
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    for parameter in held:
        parameter.requires_grad_(True)
