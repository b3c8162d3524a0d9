"""Parameter and Buffer: tensors that a Module takes into its own when they are assigned to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtype import get_default_dtype
from ..core.errors import DTypeError
from ..tensor.tensor import Tensor, wrap


class Parameter(Tensor):
    """A tensor to be learned: a Module lists it, and it requires a gradient unless told not to.

    It is made on the memory of `data`. What is computed from it is a plain Tensor.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        share_memory(self, data, "Parameter")
        if requires_grad:
            self.requires_grad_()

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class Buffer(Tensor):
    """A tensor that belongs to a module without being learned, as a running mean does.

    `persistent` says whether the module's state dict contains it.
    """

    persistent = True

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True):
        share_memory(self, data, "Buffer")
        self.persistent = persistent


def share_memory(tensor: Tensor, data: Any, name: str) -> None:
    """Make `tensor` a leaf on the memory of `data`, or an empty one where there is none."""
    if data is None:
        data = wrap(np.zeros(0, get_default_dtype().numpy))
    if not isinstance(data, Tensor):
        raise DTypeError(f"{name}: expects a tensor: {type(data).__name__}")
    tensor.array, tensor.memory = data.array, data.memory
    tensor.node = tensor.base = None
