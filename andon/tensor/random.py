"""Tensors of random numbers: new ones, and in-place fills.

Each draw takes its key from a generator (andon/tensor/generator.py); the numbers are those of
the ops in andon/ops/random.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtype import DType, finfo, float32, float64, get_default_dtype, int64
from ..core.dtype import dtype as as_dtype
from ..core.errors import DTypeError, ShapeError
from ..core.op import Op
from ..core.spec import broadcast_shapes, sizes_from
from ..ops import random as random_ops
from ..ops.elementwise import exp, floor, log1p, tan
from ..ops.movement import cast
from ..ops.random import (
    key_from,
    random_integers,
    random_normal,
    random_permutation,
    random_uniform,
)
from .device import available
from .tensor import Tensor

# New tensors


def drawn(op: Any, size: tuple, dtype: Any, generator: Any, requires_grad: bool = False) -> Tensor:
    """A tensor of `size`, of a floating dtype, that `op` fills."""
    chosen = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not chosen.is_floating_point:
        raise DTypeError(f"{op}: only floating dtypes: {chosen}")
    made = op.apply(key_from(generator), shape=checked(sizes_from(size)), dtype=chosen)
    return made.requires_grad_() if requires_grad else made


def checked(shape: tuple) -> tuple:
    if any(n < 0 for n in shape):
        raise ShapeError(f"random: sizes must be >= 0: {list(shape)}")
    return shape


def rand(
    *sizes, size=None, generator=None, dtype=None, device=None, requires_grad=False,
    pin_memory=False
) -> Tensor:  # fmt: skip
    """Uniform on [0, 1)."""
    available(device)
    return drawn(random_uniform, sizes if size is None else size, dtype, generator, requires_grad)


def randn(
    *sizes, size=None, generator=None, dtype=None, device=None, requires_grad=False,
    pin_memory=False
) -> Tensor:  # fmt: skip
    """Normal with mean 0 and variance 1."""
    available(device)
    return drawn(random_normal, sizes if size is None else size, dtype, generator, requires_grad)


def rand_like(
    x, *, dtype=None, device=None, requires_grad=False, generator=None, memory_format=None
) -> Tensor:
    """Uniform on [0, 1), in the shape and dtype of x."""
    available(device)
    return drawn(random_uniform, tuple(x.shape), dtype or x.dtype, generator, requires_grad)


def randn_like(
    x, *, dtype=None, device=None, requires_grad=False, generator=None, memory_format=None
) -> Tensor:
    """Normal with mean 0 and variance 1, in the shape and dtype of x."""
    available(device)
    return drawn(random_normal, tuple(x.shape), dtype or x.dtype, generator, requires_grad)


def randint(*args, size=None, low=None, high=None, generator=None, dtype=None, device=None,
            requires_grad=False) -> Tensor:  # fmt: skip
    """Uniform on the integers low … high - 1: randint(high, size) or randint(low, high, size)."""
    available(device)
    given = list(args)
    if size is None:
        if not given or isinstance(given[-1], int):
            raise ShapeError("randint: needs a size, a tuple: randint(low, high, size)")
        size = given.pop()
    if high is None:
        high = given.pop() if given else None
    low = (given.pop() if given else 0) if low is None else low
    chosen = int64 if dtype is None else as_dtype(dtype)
    made = integers(low, high, tuple(size), chosen, generator)
    return made.requires_grad_() if requires_grad else made


def integers(low: Any, high: Any, shape: tuple, dtype: Any, generator: Any) -> Tensor:
    if not isinstance(low, int) or not isinstance(high, int):
        raise DTypeError(f"randint: low and high must be ints: {low}, {high}")
    if low >= high or low < -(2**63) or high > 2**63:
        raise ShapeError(f"randint: low must be below high, both of 64 bits: {low}, {high}")
    if not dtype.is_floating_point and dtype.category == 1:
        info = np.iinfo(dtype.numpy)
        if low < info.min or high - 1 > info.max:
            raise ShapeError(f"randint: {dtype.name} cannot hold the range: {low}, {high}")
    shape = checked(sizes_from(shape))
    key = key_from(generator)
    return random_integers.apply(key, low=low, high=high, shape=shape, dtype=dtype)


def randint_like(x, low=0, high=None, *, dtype=None, device=None, generator=None) -> Tensor:
    """Uniform on the integers low … high - 1, in the shape and dtype of x."""
    available(device)
    low, high = (0, low) if high is None else (low, high)
    return integers(low, high, tuple(x.shape), as_dtype(dtype or x.dtype), generator)


def randperm(n, *, generator=None, dtype=None, device=None, requires_grad=False) -> Tensor:
    """0 … n - 1 in random order."""
    available(device)
    if n < 0:
        raise ShapeError(f"randperm: n must be >= 0: {n}")
    chosen = int64 if dtype is None else as_dtype(dtype)
    return random_permutation.apply(key_from(generator), n=int(n), dtype=chosen)


def normal(mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, device=None,
           requires_grad=False) -> Tensor:  # fmt: skip
    """Normal with the given means and standard deviations: numbers or tensors."""
    available(device)
    tensors = [t for t in (mean, std) if isinstance(t, Tensor)]
    if not tensors and size is None:
        raise ShapeError("normal: needs a size where mean and std are numbers")
    if isinstance(std, Tensor) and std.numel() and not float(std.array.min()) >= 0:
        raise ShapeError(f"normal: std must be >= 0: {std.array.min()}")
    if not isinstance(std, Tensor) and not std >= 0:
        raise ShapeError(f"normal: std must be >= 0: {std}")
    if tensors:
        size = broadcast_shapes(*(t.shape for t in tensors), op="normal")
        dtype = dtype or tensors[0].dtype
    made = drawn(random_normal, tuple(sizes_from((size,))), dtype, generator) * std + mean
    return made.requires_grad_() if requires_grad else made


# In-place fills: methods of Tensor


def become_drawn(x: Tensor, op: Op, generator: Any, finish: Callable) -> Tensor:
    """Let x become `finish` of a draw in its shape, made in float32 at least."""
    if not x.dtype.is_floating_point:
        raise DTypeError(f"{op}: only floating dtypes: {x.dtype}")
    draw = op.apply(key_from(generator), shape=tuple(x.shape), dtype=at_least_float32(x.dtype))
    return x.become(cast.apply(finish(draw), dtype=x.dtype))


def at_least_float32(dtype: DType) -> DType:
    return float64 if dtype is float64 else float32


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with draws that are uniform on [a, b)."""
    if not a <= b:
        raise ShapeError(f"uniform_: the bounds must be in order: {a}, {b}")
    return become_drawn(self, random_uniform, generator, lambda u: u * (b - a) + a)


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with draws from the normal distribution."""
    if not std >= 0:
        raise ShapeError(f"normal_: std must be >= 0: {std}")
    return become_drawn(self, random_normal, generator, lambda z: z * std + mean)


def log_normal_(
    self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Any = None
) -> Tensor:
    """Fill with exp(z), z from the normal distribution."""
    if not std > 0:
        raise ShapeError(f"log_normal_: std must be > 0: {std}")
    return become_drawn(self, random_normal, generator, lambda z: exp(z * std + mean))


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Any = None) -> Tensor:
    """Fill with draws of density λ exp(-λ x)."""
    if not lambd > 0:
        raise ShapeError(f"exponential_: lambd must be > 0: {lambd}")
    return become_drawn(self, random_uniform, generator, lambda u: log1p(-u) * (-1 / lambd))


def cauchy_(
    self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Any = None
) -> Tensor:
    """Fill with median + σ tan(π (u - 1/2))."""
    return become_drawn(
        self, random_uniform, generator, lambda u: tan((u - 0.5) * math.pi) * sigma + median
    )


def geometric_(self: Tensor, p: float, *, generator: Any = None) -> Tensor:
    """Fill with the number of trials up to the first success, of probability p each."""
    if not 0 < p < 1:
        raise ShapeError(f"geometric_: p must be between 0 and 1: {p}")
    draw = random_uniform.apply(key_from(generator), shape=tuple(self.shape), dtype=float64)
    trials = floor(log1p(-draw) * (1 / math.log1p(-p))) + 1
    return self.become(cast.apply(trials, dtype=self.dtype))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill with 1 with probability p (a number or a tensor), else 0."""
    if not isinstance(p, Tensor) and not 0 <= p <= 1:
        raise ShapeError(f"bernoulli_: p must be between 0 and 1: {p}")
    return self.become(random_ops.bernoulli(self, p, generator=generator))


def random_(self: Tensor, low: Any = None, high: int | None = None, *, generator=None) -> Tensor:
    """Fill with integers low … high - 1; by default, all that the dtype holds exactly."""
    if high is None:
        low, high = (0, largest(self.dtype) + 1) if low is None else (0, low)
    return self.become(integers(low, high, tuple(self.shape), self.dtype, generator))


def largest(dtype: DType) -> int:
    """The largest integer up to which `dtype` holds all."""
    if dtype.is_floating_point:
        return int(2 / finfo(dtype).eps)
    return 1 if dtype.category == 0 else int(np.iinfo(dtype.numpy).max)


FILLS = (
    uniform_, normal_, log_normal_, exponential_, cauchy_, geometric_, bernoulli_, random_
)  # fmt: skip
for _fill in FILLS:
    setattr(Tensor, _fill.__name__, _fill)
