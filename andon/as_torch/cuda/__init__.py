"""`torch.cuda` where there is no GPU: everything that can be asked, answered with no."""

from __future__ import annotations

from typing import Any

from andon.core.errors import DeviceError

from ..absent import absent_names
from . import amp

__all__ = ["amp", "device_count", "is_available"]

NAMES = """
    FloatTensor DoubleTensor HalfTensor BFloat16Tensor LongTensor IntTensor ShortTensor CharTensor
    ByteTensor BoolTensor Event Stream stream current_stream default_stream current_device device
    get_device_name get_device_capability get_device_properties mem_get_info memory_summary
    memory_stats get_rng_state set_rng_state CUDAGraph graph
"""
globals().update(absent_names("torch.cuda", NAMES, "andon has no GPU"))


def is_available() -> bool:
    return False


is_bf16_supported = is_initialized = is_available


def device_count() -> int:
    return 0


def get_rng_state_all() -> list:
    return []


def memory_allocated(device: Any = None) -> int:
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


class OutOfMemoryError(DeviceError):
    """What a GPU that is full raises; programs catch it."""


def nothing(*args: Any, **kwargs: Any) -> None:
    """What has no effect without a GPU."""


synchronize = empty_cache = reset_peak_memory_stats = set_device = ipc_collect = nothing
set_rng_state_all = manual_seed = manual_seed_all = nothing  # there is no generator but the CPU's
