"""What the machine contributes to a result or its speed: threads, generators, memory, processes."""

from __future__ import annotations

import ctypes
import logging
import random
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import distributed

from polybatch.core.errors import InputError

log = logging.getLogger(__name__)

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Tell glibc to serve large tensors from its heap and to keep what is freed.

    By default every tensor of some MB is mapped and unmapped anew, and the page faults take a
    third of a training step on a CPU. Does nothing where the C library is another one.
    """
    if libc := _glibc():
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def share_one_heap() -> None:
    """Tell glibc to serve all threads from one heap: what one frees another can take.

    For trainings that need gigabytes; to be called before the first backward pass, which has a
    thread of its own. Does nothing where the C library is another one.
    """
    if libc := _glibc():
        libc.mallopt(_M_ARENA_MAX, 1)


def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "gnu_get_libc_version") else None


def make_deterministic(seed: int, threads: int) -> None:
    """Seed every generator and fix what else decides the bytes of a training."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    # On a GPU some operations have no deterministic form; there it only warns. The same as
    # torch.use_deterministic_algorithms, which imports the compiler as well, a second's work.
    torch.set_deterministic_debug_mode("warn" if torch.cuda.is_available() else "error")
    # It also fills every new tensor, a tenth of a step; nothing here reads what it has not written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]


def device() -> str:
    """Return where encoders compute: `cuda` where there is a GPU, else `cpu`."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def join_processes() -> None:
    """Join the processes that `torchrun` started together; does nothing where it did not."""
    if distributed.is_torchelastic_launched() and not distributed.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(distributed.get_node_local_rank())
        distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def leave_processes() -> None:
    """Wait for the other processes and part from them."""
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def processes() -> int:
    """Return how many processes work on this training.

    Example:
        >>> processes()
        1
    """
    return distributed.get_world_size() if distributed.is_initialized() else 1


def is_first_process() -> bool:
    """Return whether this process is the one that writes files and logs.

    Example:
        >>> is_first_process()
        True
    """
    return not distributed.is_initialized() or distributed.get_rank() == 0


def from_first_process(value: Any) -> Any:
    """Return the first process's `value` in all of them; all wait until it has one."""
    if processes() == 1:
        return value
    box = [value]
    distributed.broadcast_object_list(box, src=0)
    return box[0]


def wait_for_all() -> None:
    """Return once every process has come here."""
    if processes() > 1:
        distributed.barrier()


def check_machine(precision: str, where: str) -> None:
    """Refuse a precision that this machine has no arithmetic for. `where`: its key in params.

    Raises:
        InputError: fp16 without a GPU, bf16 on a GPU without it.
    """
    gpu = torch.cuda.is_available()
    if precision == "fp16" and not gpu:
        raise InputError(where, "fp16 on a machine without a GPU", "fp32 or bf16 there", "Change")
    if precision == "bf16" and not gpu and not has_bf16(torch.cpu.get_capabilities()):
        log.warning("%s: this processor has no bf16: it runs, but slower than fp32", where)
    if precision == "bf16" and gpu and not torch.cuda.is_bf16_supported():
        raise InputError(where, "bf16 on a GPU that has no bf16", "fp32 or fp16 there", "Change")


def has_bf16(capabilities: Mapping[str, Any]) -> bool:
    """Return whether a processor computes in bf16. `capabilities`: as torch names them.

    Example:
        >>> has_bf16({"avx2": True, "avx512_bf16": False}), has_bf16({"amx_bf16": True})
        (False, True)
    """
    return any(there for name, there in capabilities.items() if "bf16" in name)


def check_shares(size: int, where: str) -> None:
    """Refuse a batch that the processes cannot share evenly. `where`: its key in params.

    Raises:
        InputError: a rest is left.
    """
    if size % processes():
        raise InputError(
            where,
            f"a batch of {size} for {processes()} processes",
            "a number that the processes can share evenly",
            "Change it, or --nproc-per-node",
        )
