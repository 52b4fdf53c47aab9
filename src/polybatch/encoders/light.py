"""An encoder of our modules alone: what encoding needs, without the libraries that train.

It is saved as sentence-transformers saves it, and takes part in a training as
`library.as_sentence_transformer` makes it: sharing its weights.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from polybatch.encoders.allowed import full_name
from polybatch.encoders.use_multilingual import UseMultilingual

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Encoder: TypeAlias = "LightEncoder | SentenceTransformer"


class LightEncoder(nn.Sequential):
    """One module that makes unit vectors of texts, with the names that SentenceTransformer has.

    Example:
        >>> encoder = LightEncoder(UseMultilingual())
        >>> encoder.encode(["how are you", "wie geht es dir"]).shape
        (2, 512)
    """

    transformers_model = None

    def __init__(
        self,
        module: UseMultilingual,
        name: str = "0",
        prompts: Mapping[str, str | None] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str = "cosine",
    ) -> None:
        super().__init__()
        self.add_module(name, module)
        given = {"query": "", "document": "", **(prompts or {})}
        self.prompts = {key: text or "" for key, text in given.items()}
        self.default_prompt_name = default_prompt_name
        self.similarity_fn_name = similarity_fn_name

    @property
    def max_seq_length(self) -> int:
        """After how many tokens a text is cut."""
        return self._module.max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, tokens: int) -> None:
        self._module.max_seq_length = tokens

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def preprocess(self, texts: Sequence[str], prompt: str | None = None) -> dict[str, Tensor]:
        """Return the module's features of `texts`, each behind `prompt`."""
        return self._module.preprocess(texts, prompt) if texts else {}

    def get_embedding_dimension(self) -> int:
        """Return how many numbers a vector has."""
        return self._module.get_embedding_dimension()

    def encode(
        self,
        texts: str | Sequence[str],
        prompt: str | None = None,
        batch_size: int = 32,
        normalize_embeddings: bool = False,
    ) -> npt.NDArray[np.float32]:
        """Return vectors (N, D) in the order of `texts`, or (D,) of one text.

        They are encoded in batches of like length, the longest first. Without a `prompt`, behind
        the encoder's default one, if it has any.
        """
        if isinstance(texts, str):
            vector: npt.NDArray[np.float32] = self.encode(
                [texts], prompt, batch_size, normalize_embeddings
            )[0]
            return vector
        vectors = np.empty((len(texts), self.get_embedding_dimension()), np.float32)
        for places, batch in self.batches(texts, prompt, batch_size, normalize_embeddings):
            vectors[places] = batch
        return vectors

    @torch.inference_mode()
    def batches(
        self, texts: Sequence[str], prompt: str | None, batch_size: int, normalize_embeddings: bool
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
        """Yield the places of some texts and their vectors (batch, D), as `encode` makes them."""
        if prompt is None and self.default_prompt_name is not None:
            prompt = self.prompts[self.default_prompt_name]
        self.eval()
        # As sentence-transformers sorts and batches, so that the bytes are the same as there.
        order = np.argsort([-len(text) for text in texts])
        for start in range(0, len(order), batch_size):
            places = order[start : start + batch_size]
            features = self.preprocess([texts[place] for place in places], prompt)
            found = self({name: value.to(self.device) for name, value in features.items()})
            batch = found["sentence_embedding"]
            if normalize_embeddings:
                batch = F.normalize(batch, dim=1)
            yield places, batch.float().cpu().numpy()

    def save(self, folder: str, **_: Any) -> None:
        """Write what SentenceTransformer writes for the same encoder."""
        config = {
            "__version__": {
                "pytorch": str(torch.__version__),
                "sentence_transformers": version("sentence-transformers"),
                "transformers": version("transformers"),
            },
            "default_prompt_name": self.default_prompt_name,
            "model_type": "SentenceTransformer",
            "prompts": self.prompts,
            "similarity_fn_name": self.similarity_fn_name,
        }
        entry = {"idx": 0, "name": self._name, "path": "", "type": full_name(type(self._module))}
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        _write(place / "config_sentence_transformers.json", config)
        self._module.save(folder)
        _write(place / "modules.json", [entry])

    @property
    def _name(self) -> str:
        return next(iter(self._modules))

    @property
    def _module(self) -> UseMultilingual:
        module = self._modules[self._name]
        assert isinstance(module, UseMultilingual)
        return module


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2), encoding="utf-8")
