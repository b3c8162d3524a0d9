"""`torch.cuda` where there is no GPU: everything that can be asked, answered with no."""

from __future__ import annotations

from typing import Any

from . import amp

__all__ = ["amp", "device_count", "is_available"]


def is_available() -> bool:
    return False


is_bf16_supported = is_initialized = is_available


def device_count() -> int:
    return 0


def memory_allocated(device: Any = None) -> int:
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def nothing(*args: Any, **kwargs: Any) -> None:
    """What has no effect without a GPU."""


synchronize = empty_cache = reset_peak_memory_stats = set_device = nothing
manual_seed = manual_seed_all = nothing  # there is no generator but the CPU's
