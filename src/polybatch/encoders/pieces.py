"""Texts to piece ids, as the Universal Sentence Encoder cuts them. Shipped with exported encoders.

Letters: B texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import sentencepiece
import torch
from torch import Tensor

_UNKNOWN, _BEGIN, _END = 0, 1, 2  # piece ids


class Pieces:
    """A SentencePiece vocabulary, with its begin and end pieces."""

    unk_token_id = _UNKNOWN

    def __init__(self, model: Path) -> None:
        self._pieces = sentencepiece.SentencePieceProcessor(model_file=str(model))

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Return piece ids of each text, as the package's own tokenizer does, but faster.

        A text without any piece is one unknown piece. The C++ library merges neighbouring unknown
        characters into one piece; the package, and so the weights' reference, does not.
        """
        safe = [_encodable(text) for text in texts]
        encoded = self._pieces.encode(safe, out_type=int)
        return [
            [_BEGIN, *(self._apart(text, ids) if _UNKNOWN in ids else ids or [_UNKNOWN]), _END]
            for text, ids in zip(safe, encoded, strict=True)
        ]

    def features(
        self, texts: Sequence[str], length: int, prompt: str | None = None
    ) -> dict[str, Tensor]:
        """Return `input_ids` and `attention_mask` of texts cut to `length` pieces.

        Each is (B, longest text of the batch); every text stands behind `prompt`.
        """
        given = [prompt + text for text in texts] if prompt else list(texts)
        ids = [cut(each, length) for each in self(given)]
        longest = max(map(len, ids), default=0)
        padded = torch.tensor([each + [0] * (longest - len(each)) for each in ids])
        lengths = torch.tensor([len(each) for each in ids])
        mask = torch.arange(longest)[None, :] < lengths[:, None]
        return {"input_ids": padded, "attention_mask": mask.long()}

    def _apart(self, text: str, ids: list[int]) -> list[int]:
        """Return piece ids with one unknown piece for each unknown character."""
        pieces = self._pieces.encode(text, out_type=str)
        times = [len(piece) if i == _UNKNOWN else 1 for i, piece in zip(ids, pieces, strict=True)]
        return [i for i, n in zip(ids, times, strict=True) for _ in range(n)]


def _encodable(text: str) -> str:
    """Return the text with lone surrogates, which UTF-8 cannot hold, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")


def cut(ids: list[int], length: int) -> list[int]:
    """Return at most `length` ids, the end piece kept.

    Example:
        >>> cut([1, 7, 8, 9, 2], 4)
        [1, 7, 8, 2]
    """
    return ids if len(ids) <= length else [*ids[: length - 1], _END]
