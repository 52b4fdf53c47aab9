"""How to use the graph of an exported encoder: a part of its card, with code that runs."""

from __future__ import annotations

from collections.abc import Sequence

from polybatch.encoders.light import Encoder, LightEncoder
from polybatch.encoders.onnx_graph import FILE, OPSET, VECTORS

_PACKAGED = """import sys

import onnxruntime

sys.path.insert(0, "THIS FOLDER")
from pieces import Pieces  # this folder's; needs sentencepiece and torch

features = Pieces("THIS FOLDER/sp.model").features(["..."], {length})
session = onnxruntime.InferenceSession("THIS FOLDER/{file}")
inputs = {{name: value.numpy() for name, value in features.items()}}
(vectors,) = session.run(["{vectors}"], inputs)"""

_IDS = """Without Python: the ids are SentencePiece's by `sp.model`, behind 1 and before 2. A text
without any is one 0; of a run of unknown characters, each is one 0 (SentencePiece gives one for
all). Of more than {length} ids the last is 2. Texts are padded with 0, where the mask is 0."""

_TRANSFORMER = """import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("THIS FOLDER/tokenizer.json")
tokenizer.enable_truncation({length})
tokenizer.enable_padding(pad_id={pad_id}, pad_token={pad_token!r})
texts = tokenizer.encode_batch(["..."])
inputs = {{
{inputs}
}}
session = onnxruntime.InferenceSession("THIS FOLDER/{file}")
(vectors,) = session.run(["{vectors}"], inputs)"""

_LIBRARY = """`SentenceTransformer("THIS FOLDER", backend="onnx")` takes the same file, with
`pip install 'sentence-transformers[onnx]'` (Optimum, which may want another transformers)."""

_TOKENS = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
"""Input of the graph -> what tokenizers call it."""


def onnx_section(encoder: Encoder, inputs: Sequence[str], length: int) -> str:
    """Return Markdown. `inputs`: the graph's; `length`: tokens after which texts are cut."""
    named = {"length": length, "file": FILE, "vectors": VECTORS}
    if isinstance(encoder, LightEncoder):
        code, below = _PACKAGED.format(**named), _IDS.format(**named)
    else:
        lines = [
            f'    "{name}": np.array([text.{_TOKENS[name]} for text in texts]),' for name in inputs
        ]
        tokenizer = encoder.tokenizer
        named |= {"pad_id": tokenizer.pad_token_id, "pad_token": tokenizer.pad_token}
        code, below = _TRANSFORMER.format(inputs="\n".join(lines), **named), _LIBRARY
    return (
        f"### With onnxruntime\n\n`{FILE}` (opset {OPSET}) is the same encoder as a graph: from"
        f" {', '.join(inputs)} (int64, texts x tokens) to `{VECTORS}` (vectors of unit length). Put"
        " the prompts of `config_sentence_transformers.json` before the texts.\n\n"
        f"```python\n{code}\n```\n\n{below}"
    )
