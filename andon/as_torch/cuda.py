"""`torch.cuda` where there is no GPU: everything that can be asked, answered with no."""

from __future__ import annotations

from typing import Any

from .amp import GradScaler, autocast
from . import amp  # isort: skip


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def is_bf16_supported() -> bool:
    return False


def is_initialized() -> bool:
    return False


def manual_seed(seed: int) -> None:
    """There is no generator but the CPU's."""


manual_seed_all = manual_seed


def nothing(*args: Any, **kwargs: Any) -> None:
    """What has no effect without a GPU."""


synchronize = empty_cache = reset_peak_memory_stats = set_device = nothing


def memory_allocated(device: Any = None) -> int:
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated

__all__ = ["GradScaler", "amp", "autocast", "device_count", "is_available"]
