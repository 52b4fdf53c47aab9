"""An exported encoder as an ONNX graph: token ids in, unit vectors out, dynamic in both axes.

It lies where sentence-transformers looks for it: `SentenceTransformer(folder, backend="onnx")`
takes `last_hidden_state` from it and runs the modules behind the transformer itself. Programs that
run the graph alone take `sentence_embedding`. Torch's older exporter writes it (`dynamo=False`):
the newer one needs another package and puts paths of the machine into the file.

Letters: B texts, T tokens of the longest text, D dimensions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from polybatch.core.errors import InputError
from polybatch.encoders.exported import ExportedEncoder
from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.ngram import CHANNELS, EPSILON, ORDERS
from polybatch.encoders.onnx_file import write_file

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FILE = "onnx/model.onnx"
"""Where sentence-transformers and transformers.js look for a graph in a folder."""
OPSET = 18
VECTORS = "sentence_embedding"

_HIDDEN = "last_hidden_state"
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_HEADS = ("Pooling", "Dense", "Normalize", "LayerNorm", "Dropout")
_EXAMPLE = ["one two three", "one two three four five"]  # of two lengths, so one is padded


def check_packages() -> None:
    """Refuse to begin without the packages that write and run a graph.

    Raises:
        InputError: which are not installed.
    """
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise InputError(
            "--onnx",
            f"no package {' and no package '.join(missing)}",
            "both onnx and onnxruntime, which write and run the graph",
            "pip install 'polybatch[onnx]'",
        )


def write_graph(encoder: Encoder, folder: Path, half: bool) -> None:
    """Write FILE into the folder that `encoder` was exported to and opened from.

    `half`: its weights were rounded to float16; the graph keeps them so, and computes in float32.

    Raises:
        InputError: an encoder that a graph does not hold as a whole.
    """
    graph = _PackagedGraph(folder) if isinstance(encoder, LightEncoder) else _Graph(encoder)
    features = encoder.preprocess(_EXAMPLE)
    names = [name for name in _INPUTS if name in features]
    axes = {0: "batch_size", 1: "sequence_length"}
    shapes = dict.fromkeys((*names, _HIDDEN), axes) | {VECTORS: {0: "batch_size"}}
    with TemporaryDirectory(dir=folder) as raw, _explained(), torch.no_grad():
        torch.onnx.export(
            graph.eval(),
            tuple(features[name] for name in names),
            str(Path(raw, "model.onnx")),
            input_names=names,
            output_names=list(graph.outputs),
            dynamic_axes={name: shapes[name] for name in (*names, *graph.outputs)},
            opset_version=OPSET,
            dynamo=False,
        )
        write_file(Path(raw, "model.onnx"), folder / FILE, half)


@contextmanager
def _explained() -> Iterator[None]:
    """Say in one sentence why a network does not become a graph; keep torch's warnings quiet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a trace holds for these inputs: `losses` runs others
        try:
            yield
        except (RuntimeError, ValueError) as error:
            first = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise InputError(
                "--onnx",
                f"a network that torch does not write as a graph ({first[:200]})",
                "operations that ONNX has",
                "Export it without --onnx",
            ) from error


class _Graph(nn.Module):
    """A transformer and the modules behind it."""

    outputs = (_HIDDEN, VECTORS)

    def __init__(self, encoder: SentenceTransformer) -> None:
        super().__init__()
        first, *others = list(encoder)
        _check_modules([first, *others])
        self.transformer: nn.Module = first.model
        self.others = nn.ModuleList(others)
        self.dimensions: int | None = encoder.truncate_dim

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, T, D) and (B, D) of inputs (B, T), in the order of _INPUTS."""
        given: dict[str, Any] = dict(zip(_INPUTS, inputs, strict=False))
        hidden: Tensor = self.transformer(**given).last_hidden_state
        features = given | {"token_embeddings": hidden}
        for module in self.others:
            features = module(features)
        return hidden, F.normalize(features[VECTORS][:, : self.dimensions], dim=1)


def _check_modules(modules: Sequence[nn.Module]) -> None:
    names = [type(module).__name__ for module in modules]
    prompts = all(getattr(module, "include_prompt", True) for module in modules)
    if names[0] != "Transformer" or not {*names[1:]} <= {*_HEADS} or not prompts:
        raise InputError(
            "--onnx",
            f"an encoder of {', '.join(names)}" + ", pooled without its prompt" * (not prompts),
            f"a Transformer, then any of {', '.join(_HEADS)}, over the whole text",
            "Export it without --onnx",
        )


class _PackagedGraph(nn.Module):
    """`exported.ExportedEncoder` over padded texts: convolutions take the place of its rows."""

    outputs = (VECTORS,)

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.encoder = ExportedEncoder(folder)
        self.branches = nn.ModuleList(
            nn.ModuleList(_convolution(branch, layer, left) for layer in (1, 2))
            for branch, (_, left) in zip(self.encoder.network.branches, ORDERS, strict=True)
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return (B, D), rows of unit length, of inputs (B, T)."""
        network, mask = self.encoder.network, attention_mask[..., None].float()
        x = self.encoder.rows(input_ids) * mask
        parts = (network.project_norm(network.project(x)) * mask).split(CHANNELS, dim=2)
        grams = [
            _grams(layers, part.transpose(1, 2), mask.transpose(1, 2)).transpose(1, 2)
            for layers, part in zip(self.branches, parts, strict=True)
        ]
        features = network.norm(torch.cat([x, *grams], dim=2)) * mask
        counts, combine = mask.sum(dim=1), network.combine
        mean = F.linear(features.sum(dim=1), combine.weight) + counts * combine.bias
        mean = mean / counts.sqrt()
        first = network.hidden1(mean).relu()
        second = (network.skip2(mean) + network.hidden2(first)).relu()
        third = network.hidden3(second).relu()
        out = torch.tanh(network.skip4(second) + network.hidden4(third))
        return F.normalize(out, dim=1, eps=EPSILON**0.5)


def _convolution(branch: nn.Module, number: int, left: int) -> nn.Sequential:
    """Return a branch's first or second layer, over (B, CHANNELS, T)."""
    weight, bias = (branch.get_parameter(f"{name}{number}") for name in ("weight", "bias"))
    slabs = weight.detach().view(-1, CHANNELS, CHANNELS)  # (order, from, to)
    layer = nn.Conv1d(CHANNELS, CHANNELS, len(slabs), device="meta")  # draws no numbers
    layer.weight, layer.bias = nn.Parameter(slabs.permute(2, 1, 0).contiguous()), bias
    return nn.Sequential(nn.ConstantPad1d((left, len(slabs) - 1 - left), 0.0), layer, nn.ReLU())


def _grams(layers: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    """x: (B, CHANNELS, T), mask: (B, 1, T). Returns (B, CHANNELS, T), zero where padded."""
    for layer in layers.children():
        x = (layer(x) + x) * mask
    return x
