"""What a stage wrote, as digests or as numbers, and whether two such records are alike."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

VALUES = ("base", "dapt", "train", "merge", "index", "centre")
TOLERANCE = 0.01  # of a tensor's or curve's own size
STRATEGIES = ("zero-shot", "x-y", "hybrid", "dapt-mono")
OUTPUTS = {
    "settings": ["data/settings"],
    "download": ["data/raw"],
    "validate": ["data/valid", "results/expectations", "results/validation.*"],
    "base": ["models/start/base"],
    "dapt": ["models/start/dapt", "results/adaptation"],
    "start": ["data/starts/*/*"],
    "batches": ["data/batches", "results/plans"],
    "train": [*(f"models/{name}/0" for name in STRATEGIES), "results/training"],
    "merge": ["models/merge"],
    "index": [f"data/index/{name}" for name in (*STRATEGIES, "merge")],
    "centre": ["data/index/hybrid-centred"],
    "lexical": ["data/index/bm25"],
    "external": ["data/index/ours"],
    "fuse": ["data/index/bm25-hybrid"],
    "evaluate": [f"results/{name}" for name in ("scores", "runs", "bias", "metrics", "languages")],
    "approximate": ["data/approximate", "results/index.*"],
    "curves": ["results/curves"],
    "compare": [
        f"results/{name}"
        for name in ("compare.*", "seeds.csv", "significance.csv", "contrasts.csv")
    ],
    "report": ["results/report.html"],
}
Outputs = dict[str, Any]  # path -> digest, or {name: numbers}


def outputs(folder: Path, stage: str) -> Outputs:
    """Return what a stage wrote: the digest of each file, or its numbers."""
    paths = [path for form in OUTPUTS[stage] for path in folder.glob(form)]
    files = sorted(
        file
        for path in paths
        for file in ([path] if path.is_file() else path.rglob("*"))
        if file.is_file() and not any(part.startswith(".") for part in file.parts[-6:])
    )
    found: Outputs = {}
    for file in files:
        value = _values(file) if stage in VALUES else _digest(file)
        if value is not None:
            found[file.relative_to(folder).as_posix()] = value
    return found


def _digest(file: Path) -> str:
    """Return a file's digest, but for that of an adapted checkpoint, which differs by processor."""
    content = file.read_bytes()
    if "starts" in file.parts and b"start/dapt" in content:
        content = re.sub(rb'"sha256": "[0-9a-f]+"', b"", content)
    return hashlib.sha256(content).hexdigest()[:16]


def _values(file: Path) -> Any:
    """Return what a file says in numbers; its digest where it is text; None where it is a log."""
    if file.suffix == ".safetensors":
        from safetensors.numpy import load_file

        return {name: numbers(each) for name, each in sorted(load_file(file).items())}
    if file.name == "queries.npy":
        return {"vectors": numbers(np.load(file))}
    if file.name == "documents.faiss":
        import faiss

        index = faiss.read_index(str(file))
        return {"vectors": numbers(index.reconstruct_n(0, index.ntotal))}
    if file.suffix == ".tsv":
        with file.open(encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
        return {"loss": [float(row[file.stem]) for row in rows]} if file.stem == "loss" else None
    if file.suffix == ".json" and "results" in file.parts:
        told = json.loads(file.read_text(encoding="utf-8"))
        whole = {name: [value] for name, value in (told or {}).items() if type(value) is int}
        return whole or _digest(file)
    return None if file.suffix in (".md", ".log") else _digest(file)


def numbers(array: np.ndarray[Any, Any]) -> list[float]:
    """Return a tensor's size (root of the mean square) and ten sums of it under fixed signs."""
    if not array.size:
        return []
    flat = array.astype(np.float64).reshape(len(array) if array.ndim else 1, -1).sum(1)
    signs = np.random.Generator(np.random.PCG64(7)).integers(0, 2, (10, len(flat))) * 2 - 1
    sums = signs @ flat / np.sqrt(len(flat))
    size = float(np.sqrt(np.mean(array.astype(np.float64) ** 2)))
    return [float(f"{value:.6g}") for value in (size, *sums)]


def differences(before: Outputs, now: Outputs) -> list[str]:
    """Return the outputs that are not the recorded ones, within the tolerance where it holds."""
    return [path for path in sorted(before | now) if not _same(before.get(path), now.get(path))]


def _same(one: Any, other: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(other, dict):
        return bool(one == other)
    if one.keys() != other.keys():
        return False
    for name, expected in one.items():
        found = other[name]
        if isinstance(expected, str) or isinstance(found, str):
            if expected != found:
                return False
            continue
        scale = max(map(abs, expected[:1] if name != "loss" else expected), default=0.0)
        if len(found) != len(expected) or not np.allclose(
            expected, found, rtol=0, atol=TOLERANCE * scale + 1e-9
        ):
            return False
    return True
