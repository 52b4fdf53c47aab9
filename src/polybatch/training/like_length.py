"""Losses that encode texts of like length together, so that little padding is computed.

Loss and gradients are those of the whole batch, but for the order of sums and what dropout draws.
Letters: B texts, T tokens of the longest, D dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedMultipleNegativesRankingLoss,
    MultipleNegativesRankingLoss,
)
from torch import Tensor

Features = dict[str, Any]


class GroupedLoss(MultipleNegativesRankingLoss):  # type: ignore[misc]
    """InfoNCE whose batch is encoded `texts` of like length at a time."""

    def __init__(self, encoder: SentenceTransformer, texts: int, **named: Any) -> None:
        super().__init__(encoder, **named)
        self.texts = texts

    def forward(self, sentence_features: Iterable[Features], labels: Tensor) -> Tensor:
        """Return the loss of the whole batch."""
        vectors = [in_groups(self.model, side, self.texts) for side in sentence_features]
        loss: Tensor = self.compute_loss_from_embeddings(vectors, labels)
        return loss


class SortedCachedLoss(CachedMultipleNegativesRankingLoss):  # type: ignore[misc]
    """GradCache that takes a batch's pairs in the order of their documents' lengths."""

    def forward(self, sentence_features: Iterable[Features], labels: Tensor) -> Tensor:
        """Return the loss, in which the order of pairs makes no difference."""
        sides = list(sentence_features)
        order = _by_length(sides[-1])
        loss: Tensor = super().forward([_rows(side, order) for side in sides], labels)
        return loss


def in_groups(encode: Callable[[Features], Features], features: Features, size: int) -> Tensor:
    """Return vectors (B, D) in the order of the texts, made of `size` texts at a time.

    `features`: of the whole batch, (B, T), padded at the end; each group's are as long as its own.
    """
    order = _by_length(features)
    groups = [_rows(features, places) for places in torch.split(order, size)]
    vectors = [encode(_unpadded(group))["sentence_embedding"] for group in groups]
    return torch.cat(vectors)[torch.argsort(order)]


def _by_length(features: Features) -> Tensor:
    return torch.argsort(features["attention_mask"].sum(dim=1), stable=True)


def _rows(features: Features, places: Tensor) -> Features:
    return {key: one[places] if _is_rows(one) else one for key, one in features.items()}


def _unpadded(features: Features) -> Features:
    mask = features["attention_mask"]
    longest, width = int(mask.any(dim=0).nonzero().max()) + 1, mask.shape[1]
    return {
        key: one[:, :longest] if _is_rows(one) and one.shape[1:2] == (width,) else one
        for key, one in features.items()
    }


def _is_rows(value: object) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0
