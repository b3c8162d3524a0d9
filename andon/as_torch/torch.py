"""The module that `import torch` gives: andon's names, and those that only PyTorch has."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import andon
from andon import *  # noqa: F403
from andon import autograd, linalg, nn, optim
from andon.autograd import no_grad
from andon.core.dtype import DType, bfloat16, bool_, float16, float32, float64
from andon.core.dtype import int8, int16, int32, int64, uint8  # isort: skip
from andon.serialization import load, save
from andon.tensor import Device, Size, Tensor, tensor

from . import amp, backends, cuda, distributions, func, utils
from .amp import autocast

__path__: list[str] = []  # makes this a package to Python, which then asks for its modules
__version__ = "2.13.0+andon"  # what libraries compare with, to choose among PyTorch's APIs

bool = bool_
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
dtype, device = DType, Device
strided, contiguous_format, preserve_format, channels_last = "strided", None, None, None
inf, nan, pi, e = math.inf, math.nan, math.pi, math.e
newaxis = None


def typed(chosen: DType) -> Any:
    """PyTorch's legacy constructors: `FloatTensor([1, 2])`, or sizes."""

    def make(*data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], type(0)):
            return tensor(data[0], dtype=chosen)
        return andon.zeros(*data, dtype=chosen)

    return make


FloatTensor, DoubleTensor, HalfTensor = typed(float32), typed(float64), typed(float16)
LongTensor, IntTensor, ShortTensor = typed(int64), typed(int32), typed(int16)
CharTensor, ByteTensor, BoolTensor = typed(int8), typed(uint8), typed(bool_)


class compile:
    """PyTorch's `compile`: andon runs the function as it is."""

    def __new__(cls, model: Any = None, **options: Any) -> Any:
        return model if model is not None else lambda model: model


def is_tensor(x: Any) -> Any:
    """Whether x is a tensor."""
    return isinstance(x, Tensor)


def is_floating_point(x: Tensor) -> Any:
    return x.is_floating_point()


def is_complex(x: Tensor) -> Any:
    return False


def numel(x: Tensor) -> Any:
    return x.numel()


def set_default_device(device: Any) -> None:
    """Tensors live on the CPU; anything else raises."""
    andon.device(device) if device is None else andon.zeros(0, device=device)


def set_num_threads(n: Any) -> None:
    """NumPy's BLAS chooses its threads when it is loaded: OMP_NUM_THREADS tells it."""


def get_num_threads() -> Any:
    import os

    return os.cpu_count() or 1


def use_deterministic_algorithms(mode: Any, **options: Any) -> None:
    """andon's results are the same from run to run anyway."""


def set_float32_matmul_precision(precision: Any) -> None:
    """andon multiplies float32 in float32."""


def to_dlpack(x: Tensor) -> Any:
    return x.__dlpack__()


def vmap(function: Callable, in_dims: Any = 0, out_dims: Any = 0) -> Callable:
    return func.vmap(function, in_dims, out_dims)
