"""In-place methods: `x.add_(y)` computes `x.add(y)` and lets x become it.

What was saved of x before is noticed as stale by a later backward pass; where recording the
operation itself needs the old elements, it keeps a copy of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.mode import mode
from ..core.spec import broadcast_shapes
from ..ops import index as indexing
from .tensor import Tensor, wrap
from .views import rewrite_history

# Every method whose in-place form is: compute, then become the result
METHODS = """
abs acos acosh add addcdiv addcmul addmm addmv asin asinh atan atan2 atanh baddbmm bitwise_and
bitwise_not bitwise_or bitwise_xor ceil clamp clamp_max clamp_min clip copysign cos cosh cumprod
cumsum deg2rad digamma div divide eq erf erfc erfinv exp exp2 expm1 fix float_power floor
floor_divide fmod frac ge greater greater_equal gt heaviside hypot index_add index_copy index_fill
index_put le lerp less less_equal lgamma log log10 log1p log2 logical_and logical_not logical_or
logical_xor logit lt masked_fill masked_scatter maximum minimum mul multiply nan_to_num ne neg
negative not_equal pow rad2deg reciprocal relu remainder round rsqrt scatter scatter_add
scatter_reduce sigmoid sign sin sinc sinh sqrt square sub subtract tan tanh tril triu true_divide
trunc xlogy
""".split()

OPERATORS = {
    "__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "div",
    "__ifloordiv__": "floor_divide", "__imod__": "remainder", "__ipow__": "pow",
    "__iand__": "bitwise_and", "__ior__": "bitwise_or", "__ixor__": "bitwise_xor",
}  # fmt: skip


def in_place(name: str) -> Callable:
    """The in-place form of the method `name`."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return self.become(getattr(before(self), name)(*args, **kwargs))

    method.__name__ = f"{name}_"
    method.__doc__ = f"`{name}`, written into this tensor."
    return method


def before(x: Tensor) -> Tensor:
    """x as it is now: a copy if recording the operation would keep its elements."""
    return wrap(x.array.copy(), x.current()) if mode.grad and x.current() is not None else x


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write `src`, broadcast and cast, into this tensor."""
    from .creation import as_tensor

    src = as_tensor(src)
    self.check_writable()
    if broadcast_shapes(src.shape, self.shape, op="copy_") != tuple(self.shape):
        raise ShapeError(f"copy_: the source does not fit: {src.spec} into {self.spec}")
    np.copyto(self.array, src.array, casting="unsafe")
    self.memory.touch()
    if mode.grad and (src.requires_grad or self.requires_grad):
        rewrite_history(self, src.to(self.dtype).expand(self.shape))
    return self


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to `value`."""
    return copy_(self, value)


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0."""
    return copy_(self, 0)


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """self[index] = value, with gradients to the value and to what is left of self."""
    from .creation import as_tensor

    parts, arrays, dims = indexing.split_index(self, index)
    target = self if parts is None else indexing.view.apply(self, index=parts)
    if not arrays:
        copy_(target, leading_ones_dropped(as_tensor(value), target.ndim))
        return
    recorded = mode.grad and (self.requires_grad or getattr(value, "requires_grad", False))
    if recorded:
        value = as_tensor(value, dtype=self.dtype)
        old = before(target)
        target.become(indexing.put.apply(old, value, *arrays, dims=dims, accumulate=False))
        return
    target.check_writable()
    where = indexing.among(target.ndim, arrays, dims)
    try:
        target.array[where] = getattr(value, "array", value)
    except ValueError as error:
        raise ShapeError(f"index: the value does not fit: {error}") from None
    target.memory.touch()


def leading_ones_dropped(value: Tensor, ndim: int) -> Tensor:
    """`value` without the leading dims of size 1 that assignment forgives."""
    while value.ndim > ndim and value.shape[0] == 1:
        value = value[0]
    return value


def resize_as_shape(self: Tensor, result: Tensor) -> Tensor:
    """Take on the shape of a view of this very tensor."""
    self.array = result.array
    if self.base is None:
        self.node = result.current() if self.node is not None else None
    return self


def reshaping(name: str) -> Callable:
    """`squeeze_` and its like: the same elements, another shape."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return resize_as_shape(self, getattr(self, name)(*args, **kwargs))

    method.__name__ = f"{name}_"
    method.__doc__ = f"`{name}`, as this tensor's own shape."
    return method


for _name in METHODS:
    setattr(Tensor, f"{_name}_", in_place(_name))
for _operator, _name in OPERATORS.items():
    setattr(Tensor, _operator, in_place(_name))
for _name in ("squeeze", "unsqueeze", "t", "transpose"):
    setattr(Tensor, f"{_name}_", reshaping(_name))
Tensor.copy_, Tensor.fill_, Tensor.zero_ = copy_, fill_, zero_  # type: ignore[attr-defined]
Tensor.__setitem__ = setitem  # type: ignore[attr-defined]
