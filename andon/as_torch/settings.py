"""Settings of PyTorch that andon needs no more than to know of."""

from __future__ import annotations

import os
from typing import Any

from andon.amp import Casting
from andon.core.errors import ArgumentError
from andon.core.op import interpreters
from andon.tensor import Device
from andon.tensor.device import available

chosen = {"precision": "highest"}


def get_default_device() -> Device:
    return Device("cpu")


def set_default_device(device: Any) -> None:
    """Tensors live on the CPU; anything else raises."""
    available(device)


def set_num_threads(n: int) -> None:
    """NumPy's BLAS chooses its threads when it is loaded: OMP_NUM_THREADS tells it."""


def get_num_threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    return int(given) if given.isdecimal() else os.cpu_count() or 1


set_num_interop_threads, get_num_interop_threads = set_num_threads, get_num_threads


def use_deterministic_algorithms(mode: bool, **options: Any) -> None:
    """andon's results are the same from run to run anyway."""


def are_deterministic_algorithms_enabled() -> bool:
    return True


def set_float32_matmul_precision(precision: str) -> None:
    """What may be lost in products of float32; andon loses nothing, whatever is set."""
    if precision not in ("highest", "high", "medium"):
        raise ArgumentError(f"set_float32_matmul_precision: not a precision: {precision!r}")
    chosen["precision"] = precision


def get_float32_matmul_precision() -> str:
    return chosen["precision"]


def set_flush_denormal(mode: bool) -> bool:
    """Not possible: False, as PyTorch says where it is not."""
    return False


def is_autocast_enabled(device_type: Any = None) -> bool:
    """Whether an `autocast` block is in force."""
    return isinstance(interpreters.run, Casting)
