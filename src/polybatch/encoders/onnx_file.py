"""A graph's file: checked, its rounded weights kept small, in two files only where one is none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

DATA = "model.onnx_data"
_LARGEST = 2 * 10**9  # bytes of weights in one file: its format ends at 2 GiB


def write_file(raw: Path, path: Path, half: bool) -> None:
    """Write the model that torch left at `raw` to `path`, in a new folder, after ONNX's own check.

    `half`: weights that float16 holds exactly are stored so. Weights of more than 2 GB go into
    DATA beside it.
    """
    import onnx  # an extra, which takes a while

    model = onnx.load(raw)
    if half:
        _store_as_half(model.graph)
    weights = sum(len(each.raw_data) for each in model.graph.initializer)
    path.parent.mkdir()
    onnx.save_model(model, path, save_as_external_data=weights > _LARGEST, location=DATA)
    onnx.checker.check_model(str(path), full_check=True)


def _store_as_half(graph: GraphProto) -> None:
    """Store float32 weights as float16 where no number changes; casts restore them when loaded."""
    from onnx import TensorProto, helper, numpy_helper

    casts: list[NodeProto] = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        values, name = numpy_helper.to_array(weight), weight.name
        with np.errstate(over="ignore"):  # of what float16 does not reach: not equal below
            halves = values.astype(np.float16)
        if np.array_equal(halves, values):
            weight.CopyFrom(numpy_helper.from_array(halves, f"{name}_half"))
            casts.append(helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
