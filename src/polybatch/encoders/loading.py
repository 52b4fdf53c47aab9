"""What every loading of weights needs: errors that name the folder, nothing drawn at random."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import torch

from polybatch.core.errors import InputError

_REFUSED = "can't allocate memory"  # by the C library, as torch says it
TRANSFORMER_FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def check_memory(needed: int, where: str) -> None:
    """Refuse work on a machine with less free memory than `needed` bytes. `where`: its key.

    Raises:
        InputError: how much is free, how much is needed. What a container may have is not seen.

    Example:
        >>> check_memory(2**60, "encoder.name")
        Traceback (most recent call last):
        polybatch.core.errors.InputError: encoder.name: found ... GiB of free memory, ...
    """
    if (free := psutil.virtual_memory().available) < needed:
        raise InputError(
            where,
            f"{free / 2**30:.1f} GiB of free memory",
            f"at least {needed / 2**30:.1f}",
            "End other programs, run fewer stages at a time (study.workers), or take a smaller one",
        )


@contextmanager
def enough_memory(where: str, do: str) -> Iterator[None]:
    """Say what to lower where torch gets no memory within the block. `where`: its section.

    Raises:
        InputError: what torch asked for and did not get.

    Example:
        >>> with enough_memory("training", "Lower batches.batch_pairs"):
        ...     raise MemoryError("12 GiB")
        Traceback (most recent call last):
        polybatch.core.errors.InputError: training: found too little memory (12 GiB), ...
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        first = next(iter(str(error).strip().splitlines()), "")
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and _REFUSED not in first:
            raise
        found = f"too little memory ({first[:200]})"
        raise InputError(where, found, "room for a batch", do) from error


@contextmanager
def loading(folder: Path) -> Iterator[None]:
    """Name the folder in whatever loading it raises; fix what is drawn for absent heads.

    The libraries raise errors of any kind when a file is not what it claims to be.

    Raises:
        InputError: whatever the libraries raise.

    Example:
        >>> with loading(Path("mine")):
        ...     raise ValueError("bad header")
        Traceback (most recent call last):
        polybatch.core.errors.InputError: mine: found no loadable encoder (ValueError: bad ...
    """
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield
    except InputError:
        raise
    except BaseException as error:
        # A panic of the tokenizers library is not an Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        first = next(iter(str(error).strip().splitlines()), "")
        raise InputError(
            folder,
            f"no loadable encoder ({type(error).__name__}: {first[:200]})",
            "a folder saved by sentence-transformers or by transformers, weights as safetensors",
            f"Look for its files ({', '.join(TRANSFORMER_FILES)}) and fetch what is missing",
        ) from error
