"""`torch.accelerator` where there is none: everything that can be asked, answered with no."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    return False


def device_count() -> int:
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None: tensors live on the CPU."""


def synchronize(device: Any = None) -> None:
    """What has no effect without an accelerator."""


set_device_index = set_device_idx = empty_cache = synchronize
