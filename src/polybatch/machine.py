"""What the machine contributes to a result or its speed: threads, generators, memory."""

from __future__ import annotations

import ctypes
import random
import sys

import numpy as np
import torch

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # glibc's malloc.h


def keep_freed_memory() -> None:
    """Tell glibc to serve large tensors from its heap and to keep what is freed.

    By default every tensor of some MB is mapped and unmapped anew, and the page faults take a
    third of a training step on a CPU. Does nothing where the C library is another one.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt") and hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def make_deterministic(seed: int, threads: int) -> None:
    """Seed every generator and fix what else decides the bytes of a training."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
