"""Data parallelism over devices, of which andon has one: the wrapper that programs put on."""

from __future__ import annotations

from typing import Any

from .module import Module


class DataParallel(Module):
    """f(x), computed by `module`: there are no devices to share the batch out to.

    As in PyTorch, the names in the state dict begin with "module.".
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ):
        super().__init__()
        self.module = module
        self.device_ids: list[int] = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        return self.module(*inputs, **kwargs)
