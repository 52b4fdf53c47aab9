"""The loss of predicted words, in parts: the scores of all words are gigabytes otherwise.

With 250,000 words, those of 32 texts of 96 tokens take 3 GB, and their gradients as much again.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

_HEADS = ("lm_head", "cls")  # of RoBERTa and XLM-R, of BERT: modules from hidden states to scores
_SCORES = 1 << 26  # at a time: 256 MB of float32


def head_of(model: Any) -> Any:
    """Return what makes scores of words from hidden states, None of an unknown kind of model."""
    return next((getattr(model, name) for name in _HEADS if hasattr(model, name)), None)


def word_loss(model: Any, hidden: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of `labels` (N,), predicted from `hidden` (N, dimension).

    `model` has a head that `head_of` knows. Where the scores (N, words) are many, they are made
    for some places at a time, and again when gradients are: what is held is no more for many
    places than for few.
    """
    head, size = head_of(model), max(1, _SCORES // int(model.config.vocab_size))
    if len(labels) <= size:
        return F.cross_entropy(head(hidden).float(), labels)
    total = torch.zeros((), device=hidden.device)
    for first in range(0, len(labels), size):
        # Of a copy of the weights in bf16 that parts share, gradients would be summed in bf16.
        torch.clear_autocast_cache()
        places = slice(first, first + size)
        part = checkpoint(
            _sum,
            head,
            hidden[places],
            labels[places],
            use_reentrant=False,
            preserve_rng_state=False,
        )
        total = total + part
    return total / len(labels)


def _sum(head: Any, hidden: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(head(hidden).float(), labels, reduction="sum")
