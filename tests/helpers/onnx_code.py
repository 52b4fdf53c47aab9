"""The code that a card gives for an exported graph, run as a reader would."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def run_onnx_code(card: str, folder: Path, texts: list[str]) -> npt.NDArray[np.float32]:
    """Return what the card's code makes of texts, with nothing of polybatch in it."""
    (code,) = (
        each for each in re.findall(r"```python\n(.*?)```", card, re.S) if "import onnx" in each
    )
    assert "polybatch" not in code
    code = code.replace("THIS FOLDER", str(folder)).replace('["..."]', repr(texts))
    before = list(sys.path)
    try:
        exec(code, scope := dict[str, Any]())
    finally:
        sys.path[:] = before
        sys.modules.pop("pieces", None)
    vectors: npt.NDArray[np.float32] = scope["vectors"]
    return vectors
