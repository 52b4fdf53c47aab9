"""An approximate index on the disk: `index.faiss`, `documents.parquet`, and `index.json` of both.

Whoever opens one checks what the files hold against their digests: FAISS would search a damaged
graph and crash. What is written replaces the old folder whole or not at all, so that a process
that has the old one open goes on with it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import faiss

from polybatch.core.dataset import read_table, write_table
from polybatch.core.errors import InputError, not_made
from polybatch.core.files import library_writes, sha256_of, whole_file, whole_folder, write_json
from polybatch.core.vectors import Float32
from polybatch.retrieval.approximate import DOCUMENTS, ApproximateIndex, Making

INDEX, TABLE, MADE = "index.faiss", "documents.parquet", "index.json"
_AGAIN = "Run `dvc repro` of the stage approximate, or copy the whole folder anew"


def save_approximate(index: ApproximateIndex, folder: Path) -> None:
    """Write an index into a folder that is there; same index, same bytes."""
    path = folder / INDEX
    with whole_file(path) as temporary, library_writes(path):
        faiss.write_index(index.faiss, str(temporary))
    write_table(index.documents, folder / TABLE)
    digests = {name: sha256_of(folder / name) for name in (INDEX, TABLE)}
    write_json(folder / MADE, asdict(index.made) | {"sha256": digests})


def open_approximate(folder: Path, mapped: bool = True) -> ApproximateIndex:
    """Read what `save_approximate` wrote.

    `mapped`: vectors and graph stay in the file, which the system reads where it is asked for
    them; such an index takes no more documents.

    Raises:
        InputError: a file is missing, damaged, or of another making than the others.

    Example:
        >>> open_approximate(Path("nowhere"))
        Traceback (most recent call last):
        polybatch.core.errors.InputError: nowhere/index.json: found no readable ...
    """
    try:
        entries = json.loads((folder / MADE).read_text(encoding="utf-8"))
        digests = entries.pop("sha256")
        made = Making(**entries)
        expected = {name: digests[name] for name in (INDEX, TABLE)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(folder / MADE, f"no readable file ({type(error).__name__})") from error
    for name, digest in expected.items():
        _refuse_damaged(folder / name, digest)
    try:
        found = faiss.read_index(str(folder / INDEX), faiss.IO_FLAG_MMAP_IFC if mapped else 0)
    except (RuntimeError, MemoryError) as error:
        raise _unreadable(folder / INDEX, "no readable file") from error
    documents = read_table(folder / TABLE, DOCUMENTS)
    if documents.height != found.ntotal:
        text = f"{found.ntotal} vectors, and {documents.height} documents beside them"
        raise _unreadable(folder / INDEX, text)
    return ApproximateIndex(found, documents, made)


def add_documents(
    folder: Path, doc_ids: Sequence[str], langs: Sequence[str], vectors: Float32
) -> None:
    """Add documents (N, D) to the index in `folder`, as `ApproximateIndex.added` does."""
    changed = open_approximate(folder, mapped=False).added(doc_ids, langs, vectors)
    with whole_folder(folder) as new:
        save_approximate(changed, new)


def remove_documents(folder: Path, doc_ids: Sequence[str]) -> None:
    """Remove documents from the index in `folder`, as `ApproximateIndex.removed` does."""
    changed = open_approximate(folder, mapped=False).removed(doc_ids)
    with whole_folder(folder) as new:
        save_approximate(changed, new)


def fingerprint_of(exact: Path) -> str:
    """Return the fingerprint of an exact index: of its vectors and the ids of their documents.

    Raises:
        InputError: it is not there.
    """
    files = (exact / "documents.faiss", exact / "doc_ids.parquet")
    for path in files:
        if not path.is_file():
            raise not_made(path)
    return hashlib.sha256("\n".join(map(sha256_of, files)).encode()).hexdigest()[:12]


def refuse_other_source(index: ApproximateIndex, folder: Path, exact: Path) -> None:
    """Refuse an approximate index that was made from another exact one.

    Raises:
        InputError: the fingerprints differ; both are named.
    """
    if (expected := fingerprint_of(exact)) != index.made.source:
        raise InputError(
            folder,
            f"an index made from another one (fingerprint {index.made.source})",
            f"one made from {exact} (fingerprint {expected})",
            "Run `dvc repro` of the stage approximate",
        )


def _refuse_damaged(path: Path, digest: str) -> None:
    if not path.is_file():
        raise _unreadable(path, "no such file")
    if (found := sha256_of(path)) != digest:
        text = f"damaged or of another making (SHA-256 {found[:12]})"
        raise _unreadable(path, text, f"what {MADE} says ({digest[:12]})")


def _unreadable(path: Path, found: str, expected: str = "a whole approximate index") -> InputError:
    return InputError(path, found, expected, _AGAIN)
