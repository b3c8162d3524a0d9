"""In-place methods: `x.add_(y)` computes `x.add(y)` and lets x become it.

What was saved of x before is noticed as stale by a later backward pass; where recording the
operation itself needs the old elements, it keeps a copy of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import GradientError, IndexingError, ShapeError
from ..core.mode import enable_grad, mode
from ..core.op import Symbolic, interpreters
from ..core.spec import broadcast_shapes, sizes_from, spec_of
from ..ops import index as indexing
from ..ops.logic import where
from ..ops.movement import permute, reshape
from .creation import as_tensor, check_fits
from .tensor import Tensor, leaf, wrap
from .views import rewrite_history

# Every method whose in-place form is: compute, then become the result
METHODS = """
abs absolute acos acosh add addbmm addcdiv addcmul addmm addmv addr arccos arccosh arcsin arcsinh
arctan arctan2 arctanh asin asinh atan atan2 atanh baddbmm bitwise_and bitwise_left_shift
bitwise_not bitwise_or bitwise_right_shift bitwise_xor ceil clamp clamp_max clamp_min clip
copysign cos cosh cumprod cumsum deg2rad digamma div divide eq erf erfc erfinv exp exp2 expm1 fix
float_power floor floor_divide fmod frac gcd ge greater greater_equal gt heaviside hypot i0
index_add index_copy index_fill index_put lcm le lerp less less_equal lgamma log log10 log1p log2
logical_and logical_not logical_or logical_xor logit lt masked_fill masked_scatter maximum minimum
mul multiply mvlgamma nan_to_num ne neg negative nextafter not_equal polygamma pow put rad2deg
reciprocal relu remainder round rsqrt scatter scatter_add scatter_reduce sgn sigmoid sign sin sinc
sinh sqrt square sub subtract tan tanh tril triu true_divide trunc xlogy
""".split()  # noqa: SIM905 (a list of a hundred strings is no easier to read)

OPERATORS = {
    "__iadd__": "add", "__isub__": "sub", "__imul__": "mul", "__itruediv__": "div",
    "__ifloordiv__": "floor_divide", "__imod__": "remainder", "__ipow__": "pow",
    "__iand__": "bitwise_and", "__ior__": "bitwise_or", "__ixor__": "bitwise_xor",
    "__ilshift__": "bitwise_left_shift", "__irshift__": "bitwise_right_shift",
}  # fmt: skip


def in_place(name: str) -> Callable:
    """The in-place form of the method `name`."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return self.become(getattr(before(self, *args, *kwargs.values()), name)(*args, **kwargs))

    method.__name__ = f"{name}_"
    method.__doc__ = f"`{name}`, written into this tensor."
    return method


def before(x: Tensor, *others: Any) -> Tensor:
    """x as it is now: a copy if the operation will be recorded, since it may keep the elements."""
    if not mode.grad:
        return x
    recorded = any(isinstance(t, Tensor) and t.current() is not None for t in (x, *others))
    return wrap(x.array.copy(), x.current()) if recorded else x


def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write `src`, broadcast and cast, into this tensor."""
    src = as_tensor(src)
    self.check_writable()
    if broadcast_shapes(src.shape, self.shape, op="copy_") != tuple(self.shape):
        raise ShapeError(f"copy_: the source does not fit: {src.spec} into {self.spec}")
    recorded = mode.grad and (src.requires_grad or self.requires_grad)
    if recorded and self.dtype.is_floating_point:
        rewrite_history(self, src.to(self.dtype).expand(self.shape), overwritten=True)
    np.copyto(self.array, src.array, casting="unsafe")
    self.memory.touch()
    return self


def fill_(self: Tensor, value: Any) -> Tensor:
    """Set every element to `value`, a number."""
    return copy_(self, number(value, self, "fill_"))


def number(value: Any, x: Tensor, name: str) -> Tensor:
    """`value` as a tensor without dims that fits the dtype of x."""
    made = as_tensor(value)
    if made.ndim:
        raise ShapeError(f"{name}: expects a single number: {made.spec}")
    known = made.array if isinstance(value, Tensor) else np.asarray(value)
    if not isinstance(known, Symbolic):
        check_fits(known, x.dtype, name)
    return made


def zero_(self: Tensor) -> Tensor:
    """Set every element to 0."""
    return copy_(self, 0)


def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Set the elements with equal indices to a number.

    The sizes of more than two dims must be equal. In a tall matrix, `wrap` starts the diagonal
    anew below its end.
    """
    shape = self.array.shape
    if len(shape) < 2 or (len(shape) > 2 and len(set(shape)) > 1):
        raise ShapeError(f"fill_diagonal_: a matrix or equal sizes expected: {self.spec}")
    end = self.array.size if wrap or len(shape) > 2 else shape[1] * shape[1]
    step = 1 + sum(math.prod(shape[d:]) for d in range(1, len(shape)))
    places = np.unravel_index(np.arange(0, min(end, self.array.size), step), shape)
    setitem(self, tuple(places), fill_value)
    return self


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """self[index] = value, with gradients to the value and to what is left of self."""
    value = number(value, self, "index") if isinstance(value, (int, float)) else as_tensor(value)
    if interpreters.recorder is not None and is_one_mask(index) and value.ndim == 0:
        mask = index.reshape(*index.shape, *(1,) * (self.ndim - index.ndim))
        self.become(where(mask, value, self))
        return
    parts, arrays, dims = indexing.split_index(self, index)
    target = self if parts is None else indexing.view.apply(self, index=parts)
    if not arrays:
        copy_(target, leading_ones_dropped(value, target.ndim))
        return
    wanted = mode.grad and (self.requires_grad or value.requires_grad)
    if wanted or interpreters.recorder is not None:
        put = indexing.put.apply
        value = value.to(self.dtype)
        target.become(put(target, value, *arrays, dims=dims, accumulate=False))
        return
    target.check_writable()
    places = indexing.among(target.ndim, [getattr(a, "array", a) for a in arrays], dims)
    try:
        target.array[places] = value.array
    except (ValueError, IndexError) as error:
        indexing.put_spec(target.spec, value.spec, *map(spec_of, arrays), dims=dims)
        raise IndexingError(f"index: {error}: {target.spec}") from None
    target.memory.touch()


def is_one_mask(index: Any) -> bool:
    """Whether an index is a single boolean tensor."""
    return isinstance(index, Tensor) and indexing.is_mask(index)


def leading_ones_dropped(value: Tensor, ndim: int) -> Tensor:
    """`value` without the leading dims of size 1 that assignment forgives."""
    while value.ndim > ndim and value.shape[0] == 1:
        value = value[0]
    return value


def reshaping(name: str) -> Callable:
    """`squeeze_` and its like: the same elements, another shape."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        self.check_history()
        with enable_grad():
            return adopt_shape(self, getattr(self, name)(*args, **kwargs))

    method.__name__ = f"{name}_"
    method.__doc__ = f"`{name}`, as this tensor's own shape."
    return method


def adopt_shape(self: Tensor, view: Tensor) -> Tensor:
    """Take on the shape, and with it the place on the tape, of a view of this very tensor.

    Where this is the base of views, they find the way back to its old shape in its `turns`.
    """
    before, self.array = self.array, view.array
    if view.base is self:
        self.turns = (*self.turns, (before, step_back(view, before.shape)))
    else:
        self.base, self.seen, self.origin = view.base, view.seen, view.origin
        self.recipe = view.recipe
    is_leaf = self.node is not None and self.node.op is None
    self.node = leaf(self) if is_leaf else view.node
    return self


def step_back(view: Tensor, shape: tuple) -> tuple:
    """The step of a recipe that undoes the one, a reshape or a permute, that led to `view`."""
    op, attrs, _ = view.recipe[-1]
    if op is permute:
        dims = attrs["dims"]
        return permute, {"dims": tuple(sorted(range(len(dims)), key=dims.__getitem__))}, None
    return reshape, {"shape": shape}, None


def set_(self: Tensor, source: Tensor) -> Tensor:
    """Become another name for the elements of `source`."""
    self.data = source
    self.memory = source.memory
    return self


def resize_(self: Tensor, *sizes: int) -> Tensor:
    """Take on another shape; where there are not enough elements, zeros follow."""
    shape = sizes_from(sizes)
    elements = self.detach().array.reshape(-1)[: math.prod(shape)]
    if elements.size < math.prod(shape):
        elements = np.concatenate([elements, np.zeros(math.prod(shape) - elements.size)])
    return set_(self, wrap(elements.astype(self.array.dtype, copy=False).reshape(shape)))


def hold(self: Tensor, result: Tensor) -> Tensor:
    """Take on the shape and the elements of `result`: what `out=` does to a tensor."""
    if mode.grad and (result.requires_grad or self.requires_grad):
        raise GradientError("out: has no gradient, but an operand requires one")
    if self.array.shape != result.array.shape:
        resize_(self, *result.shape)
    return self.become(result)


for _name in METHODS:
    setattr(Tensor, f"{_name}_", in_place(_name))
for _operator, _name in OPERATORS.items():
    setattr(Tensor, _operator, in_place(_name))
for _name in ("squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims"):
    setattr(Tensor, f"{_name}_", reshaping(_name))
for _method in (copy_, fill_, fill_diagonal_, hold, resize_, set_, zero_):
    setattr(Tensor, _method.__name__, _method)
setattr(Tensor, "__setitem__", setitem)  # noqa: B010 (the type checker knows no such method)
