"""A checkpoint with code beside it, and edits of its files that would run code."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

TEXTS = ["word1 word2 word3", "word250"]
Harm = Callable[[Path], Any]
MARK = "code-of-the-checkpoint-ran"
CODE = f"""from pathlib import Path
(Path(__file__).resolve().parent.parent / "{MARK}").touch()
import torch
class Module(torch.nn.Module):
    load = classmethod(lambda cls, *_, **__: cls())
Tanh = Transformer = Model = Config = Tokenizer = Module
"""


def with_code(saved: Path, tmp_path: Path) -> Path:
    """Return a copy with code beside it, under every name that a package or a module has."""
    folder = tmp_path / "given"
    shutil.copytree(saved, folder)
    for name in ("polybatch", "torch", "own", "transformers", "modeling_own"):
        (folder / f"{name}.py").write_text(CODE)
    package = folder / "sentence_transformers"
    package.mkdir()
    (package / "__init__.py").write_text(CODE.replace("parent.parent", "parent.parent.parent"))
    return folder


def edit(name: str, **changes: Any) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / name
        value = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps(value | changes))

    return harm


def module(place: int, **changes: Any) -> Harm:
    def harm(folder: Path) -> None:
        path = folder / "modules.json"
        entries = json.loads(path.read_text())
        entries[place] |= changes
        path.write_text(json.dumps(entries))

    return harm


class _Runs:
    """A pickle that makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mknod, (str(self.mark),)


def pickled(name: str, keep: bool = False) -> Harm:
    def harm(folder: Path) -> None:
        weights = (folder / name).parent
        (folder / name).write_bytes(pickle.dumps(_Runs(folder.parent / MARK)))
        if not keep:
            (weights / "model.safetensors").unlink()

    return harm


FILES = [
    "modules.json", "config_sentence_transformers.json", "config.json", "sentence_bert_config.json",
    "tokenizer_config.json", "1_Pooling/config.json", "2_Dense/config.json", "tokenizer.json",
    "processor_config.json",
]  # fmt: skip
