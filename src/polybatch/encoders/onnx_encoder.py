"""Vectors by onnxruntime from the graph in an exported folder, to measure what it loses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from polybatch.core.errors import InputError
from polybatch.encoders.light import Encoder
from polybatch.encoders.onnx_graph import FILE, VECTORS


class OnnxEncoder:
    """The graph of an exported folder, with the names of an encoder that encoding calls.

    `encoder`: opened from the same folder; it makes the token ids, and none of its weights is used.
    """

    device = torch.device("cpu")

    def __init__(self, encoder: Encoder, folder: Path) -> None:
        import onnxruntime  # an extra

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self._encoder = encoder
        self._session = onnxruntime.InferenceSession(
            str(folder / FILE), options, providers=["CPUExecutionProvider"]
        )
        self.inputs: tuple[str, ...] = tuple(each.name for each in self._session.get_inputs())

    @property
    def max_seq_length(self) -> int | None:
        """After how many tokens a text is cut."""
        return self._encoder.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        self._encoder.max_seq_length = tokens

    def get_embedding_dimension(self) -> int | None:
        """Return how many numbers a vector has."""
        return self._encoder.get_embedding_dimension()

    def modules(self) -> Iterator[torch.nn.Module]:
        """Return the parts of the encoder that makes the token ids."""
        return self._encoder.modules()

    def preprocess(self, texts: Sequence[str], prompt: str | None = None) -> dict[str, Tensor]:
        """Return the token ids of `texts`, each behind `prompt`, and what else the graph takes."""
        features: dict[str, Tensor] = self._encoder.preprocess(list(texts), prompt=prompt or None)
        return features

    def encode(
        self,
        texts: Sequence[str],
        prompt: str | None = None,
        batch_size: int = 32,
        normalize_embeddings: bool = True,
    ) -> npt.NDArray[np.float32]:
        """Return vectors (N, D) of unit length, in the order of `texts`, which stay together.

        Raises:
            InputError: onnxruntime does not run the graph on them.
        """
        assert normalize_embeddings, "the graph makes unit vectors"
        batches = (texts[start : start + batch_size] for start in range(0, len(texts), batch_size))
        return np.concatenate([self._vectors(batch, prompt) for batch in batches])

    def _vectors(self, texts: Sequence[str], prompt: str | None) -> npt.NDArray[np.float32]:
        features = self.preprocess(texts, prompt)
        given = {name: features[name].numpy() for name in self.inputs}
        try:
            (vectors,) = self._session.run([VECTORS], given)
        except Exception as error:  # its classes have no other base
            first = next(iter(str(error).strip().splitlines()), "")
            raise InputError(
                FILE,
                f"a graph that does not run on other texts than it was made with ({first[:200]})",
                "one for texts of all lengths",
                "Export the encoder without --onnx",
            ) from error
        found: npt.NDArray[np.float32] = vectors
        return found
