"""Tensors: the eager face of andon. Importing this puts the eager interpreter in force."""

from ..core.op import Interpreters, interpreters
from .creation import (
    arange,
    as_tensor,
    empty,
    empty_like,
    eye,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from .device import Device, device
from .eager import eager
from .inplace import copy_ as _installs_in_place_methods  # noqa: F401
from .tensor import Size, Tensor

Interpreters.default = staticmethod(eager)
interpreters.run = eager

__all__ = [
    "Device",
    "Size",
    "Tensor",
    "arange",
    "as_tensor",
    "device",
    "empty",
    "empty_like",
    "eye",
    "from_numpy",
    "full",
    "full_like",
    "linspace",
    "logspace",
    "ones",
    "ones_like",
    "tensor",
    "zeros",
    "zeros_like",
]
