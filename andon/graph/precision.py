"""Dtypes that the kernels written by hand are not made for: they are of float32.

In float16 and bfloat16 such an op reads its operands in float32 and rounds what it gives, as its
reference does. The casts are parts of the loops around it, and cost little beside a product of
some rows; and there is one text of each kernel, not one per dtype.

In float64 an op becomes what it is made of: sums, exponentials and products, of which there are
loops and kernels in float64. That is slower than a kernel of its own, and attention has its whole
matrix of scores; but float64 is for checking, where what counts is that nothing is left to the
references, and that it is the same function.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import float32, float64
from ..ops import elementwise, gather_scatter, index, linalg, logic, reduce
from ..ops.attention import attention, probabilities
from ..ops.batch_norm import batch_norm
from ..ops.cross_entropy import cross_entropy
from ..ops.movement import cast, expand, reshape, sum_to, swap_last
from ..ops.norm import layer_norm, rms_norm
from ..ops.random import random_drop, random_normal, random_uniform
from . import taps
from .ir import Symbol

KERNELS = {  # of float32 alone
    "argcummax", "argcummin", "argmax", "argmin", "argsort", "argtopk", "attention",
    "attention_backward", "batch_norm", "batch_norm_backward", "constant_pad", "conv",
    "conv_input_grad", "conv_weight_grad", "cross_entropy", "cross_entropy_backward", "cumprod",
    "cumsum", "embedding", "embedding_backward", "layer_norm", "layer_norm_backward", "linear",
    "matmul", "max_pool", "put", "put_add", "rms_norm", "rms_norm_backward", "scatter",
    "scatter_add", "spread_windows", "sum_pool", "unpool",
}  # fmt: skip
FEW_ROWS = 2  # of a product: the weight's widened copy would take longer than the product
MADE_OF: dict[str, Callable] = {}


def made_of(name: str) -> Callable[[Callable], Callable]:
    """Decorator: `rule(*inputs, **attrs)` says op `name` in ops that float64 has kernels for."""

    def decorate(rule: Callable) -> Callable:
        MADE_OF[name] = rule
        return rule

    return decorate


def in_kernel_dtype(value: Symbol) -> Any:
    """The value by a kernel of another dtype, or by others of its own; None if it has one."""
    op: Any = value.op
    name = op.name if op is not None else ""
    if name in ("random_uniform", "random_normal"):
        return narrow_draw(value)
    if name not in KERNELS:
        return None
    floats = {as_dtype(x.dtype) for x in value.operands if as_dtype(x.dtype).is_floating_point}
    narrow = any(dtype.itemsize < 4 for dtype in floats)
    rule = made_otherwise(value, float64 in floats)
    if narrow and name == "linear" and math.prod(value.shape[:-1]) <= FEW_ROWS:
        return dot_products(*value.inputs)
    if narrow:
        return in_float32(value, rule or op.apply)
    return rule(*value.inputs, **value.attrs) if rule else None


def made_otherwise(value: Symbol, double: bool) -> Callable | None:
    """How to make what no kernel is for: doubles, windows over three dims, a mask's gradient."""
    name = value.op.name
    if name in taps.RULES and (double or value.inputs[0].ndim > 4):
        return taps.RULES[name]
    of_mask = name == "attention_backward" and value.attrs["to_mask"]
    return MADE_OF.get(name) if double or of_mask else None


def in_float32(value: Symbol, make: Callable) -> Any:
    """The op of operands in float32, its results rounded to the dtypes that it has."""
    found = make(*map(widened, value.inputs), **value.attrs)
    if not isinstance(value.dtype, tuple):
        return rounded(found, value.dtype)
    return tuple(map(rounded, found, value.dtype))


def dot_products(x: Any, weight: Any, bias: Any) -> Any:
    """`linear` as one loop, which widens the weight in registers; of few rows that is all."""
    full = (*x.shape[:-1], *weight.shape)
    rows = reshape.apply(widened(x), shape=(*x.shape[:-1], 1, x.shape[-1]))
    products = rows * widened(expand.apply(weight, shape=full))
    y = reduce.sum.apply(products, dim=(x.ndim,), keepdim=False)
    if bias is not None:
        y = y + widened(expand.apply(bias, shape=full[:-1]))
    return rounded(y, x.dtype)


def widened(x: Any) -> Any:
    """x in float32 if it is narrower, and of floats."""
    dtype = as_dtype(x.dtype) if isinstance(x, Symbol) else None
    narrow = dtype is not None and dtype.is_floating_point and dtype.itemsize < 4
    return cast.apply(x, dtype=float32) if narrow else x


def rounded(x: Symbol, dtype: Any) -> Symbol:
    return x if x.dtype == dtype else cast.apply(x, dtype=as_dtype(dtype))


def narrow_draw(value: Symbol) -> Any:
    """A draw of float32, with as many digits as the narrower dtype's reference takes."""
    dtype = as_dtype(value.dtype)
    if dtype.itemsize >= 4:
        return None
    op: Any = value.op
    drawn = op.apply(value.inputs[0], **{**value.attrs, "dtype": float32})
    if op is random_uniform:
        steps = 2.0 ** (8 if dtype.name == "bfloat16" else 11)
        drawn = elementwise.floor.apply(drawn * steps) * (1 / steps)
    assert op in (random_uniform, random_normal)
    return cast.apply(drawn, dtype=dtype)


# ---- what ops are made of, for float64


for _op in (layer_norm, rms_norm, batch_norm, attention, cross_entropy):
    MADE_OF[_op.name] = _op.composite


@made_of("layer_norm_backward")
def layer_norm_backward(g: Any, x: Any, mean: Any, rstd: Any, weight: Any, **attrs: Any) -> Any:
    rows, whole = dims_of_rows(x, **attrs)
    xhat, scaled = (x - mean) * rstd, g if weight is None else g * weight
    gx = (scaled - average(scaled, rows) - xhat * average(scaled * xhat, rows)) * rstd
    if weight is None:
        return (gx,)
    return gx, total(g * xhat, whole, weight), total(g, whole, weight)


@made_of("rms_norm_backward")
def rms_norm_backward(g: Any, x: Any, rstd: Any, weight: Any, **attrs: Any) -> Any:
    rows, whole = dims_of_rows(x, **attrs)
    xhat, scaled = x * rstd, g if weight is None else g * weight
    gx = (scaled - xhat * average(scaled * xhat, rows)) * rstd
    return (gx,) if weight is None else (gx, total(g * xhat, whole, weight))


@made_of("batch_norm_backward")
def batch_norm_backward(
    g: Any, x: Any, mean: Any, variance: Any, weight: Any, *, eps: float
) -> Any:
    dims = (0, *range(2, x.ndim))
    shape = (1, x.shape[1], *(1,) * (x.ndim - 2))
    rstd = reshape.apply((variance + eps) ** -0.5, shape=shape)
    xhat = (x - reshape.apply(mean, shape=shape)) * rstd
    scale = rstd if weight is None else rstd * reshape.apply(weight, shape=shape)
    gx = (g - average(g, dims) - xhat * average(g * xhat, dims)) * scale
    return gx, total(g * xhat, dims, mean), total(g, dims, mean)


def dims_of_rows(x: Any, normalized_shape: tuple) -> tuple[tuple, tuple]:
    """The dims that are normalised, and those before them."""
    first = x.ndim - len(normalized_shape)
    return tuple(range(first, x.ndim)), tuple(range(first))


def average(x: Any, dims: tuple) -> Any:
    size = math.prod(x.shape[d] for d in dims)
    return reduce.sum.apply(x, dim=dims, keepdim=True) * (1 / size)


def total(x: Any, dims: tuple, like: Any) -> Any:
    found = reduce.sum.apply(x, dim=dims, keepdim=False) if dims else x
    return reshape.apply(found, shape=tuple(like.shape))


@made_of("attention_backward")
def attention_backward(
    g: Any, q: Any, k: Any, v: Any, mask: Any, key: Any, y: Any, lse: Any, *,
    scale: float, causal: bool, drop: float, to_mask: bool,
) -> Any:  # fmt: skip
    p, _ = probabilities(q, k, mask, scale, causal)
    gp, kept = linalg.matmul.apply(g, swap_last(v)), p
    if key is not None:
        gp, kept = (random_drop.apply(x, key, p=drop) for x in (gp, p))
    gs = p * (gp - reduce.sum.apply(g * y, dim=(g.ndim - 1,), keepdim=True))
    gq, gk = linalg.matmul.apply(gs, k) * scale, linalg.matmul.apply(swap_last(gs), q) * scale
    gv = linalg.matmul.apply(swap_last(kept), g)
    if not to_mask:
        return gq, gk, gv
    return gq, gk, gv, sum_to.apply(gs, shape=tuple(mask.shape), dtype=as_dtype(mask.dtype))


@made_of("cross_entropy_backward")
def cross_entropy_backward(g: Any, x: Any, target: Any, lse: Any, *, ignore_index: int) -> Any:
    g = logic.where.apply(logic.eq.apply(target, ignore_index), 0.0, g)
    g, lse, target = (reshape.apply(v, shape=(*v.shape, 1)) for v in (g, lse, target))
    chosen = logic.eq.apply(np.arange(x.shape[1]), target)
    p = elementwise.exp.apply(x - lse)
    return (p - cast.apply(chosen, dtype=float64)) * g


@made_of("embedding")
def embedding(weight: Any, indices: Any, *, padding_idx: int) -> Any:
    found = gather_scatter.gather.apply(weight, row_numbers(indices, weight.shape[1]), dim=0)
    return reshape.apply(found, shape=(*indices.shape, weight.shape[1]))


@made_of("embedding_backward")
def embedding_backward(g: Any, indices: Any, *, rows: int, padding_idx: int) -> Any:
    C = g.shape[-1]
    at = row_numbers(indices, C)
    flat = reshape.apply(g, shape=at.shape)
    if padding_idx >= 0:
        flat = logic.where.apply(logic.eq.apply(at, padding_idx), 0.0, flat)
    zeros = index.zeros.apply(g, shape=(rows, C))
    return gather_scatter.scatter_add.apply(zeros, at, flat, dim=0)


@made_of("unpool")
def unpool(g: Any, indices: Any, *, sizes: tuple, accumulate: bool) -> Any:
    (B, C), length = g.shape[:2], math.prod(sizes)
    rows = (B * C, math.prod(g.shape[2:]))
    g, indices = (reshape.apply(x, shape=rows) for x in (g, indices))
    zeros = index.zeros.apply(g, shape=(B * C, length))
    put = gather_scatter.scatter_add if accumulate else gather_scatter.scatter
    return reshape.apply(put.apply(zeros, indices, g, dim=1), shape=(B, C, *sizes))


def row_numbers(indices: Any, C: int) -> Any:
    """The index of the row of each element of the rows that are looked up: (N, C)."""
    column = reshape.apply(indices, shape=(math.prod(indices.shape), 1))
    return expand.apply(column, shape=(column.shape[0], C))
