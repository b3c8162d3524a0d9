"""Lowering: ops that kernels are not made for, in terms of those that are.

Fusion makes one loop of what a composite becomes: a variance is two sweeps over each row.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core.dtype import dtype as as_dtype
from ..ops import elementwise, extremes, index, largest, linalg, logic, reduce
from ..ops import resample as resampling
from ..ops.moments import size_along
from ..ops.movement import cast, reshape, swap_last
from ..ops.random import random_kept
from .ir import Graph, Symbol
from .numbering import merge_common
from .precision import in_kernel_dtype
from .rewrite import rewrite

LOWERED: dict[str, Callable] = {}


def lowers(name: str) -> Callable[[Callable], Callable]:
    """Decorator: `rule(*inputs, **attrs)` says op `name` in simpler ops, or gives None."""

    def decorate(rule: Callable) -> Callable:
        LOWERED[name] = rule
        return rule

    return decorate


def lower(graph: Graph) -> Graph:
    """Ops of which loops are made take the place of those that are sums and products of them."""
    return merge_common(rewrite(rewrite(graph, in_kernel_dtype), lowered))


def lowered(value: Symbol) -> Any:
    op: Any = value.op
    rule = LOWERED.get(op.name) if op is not None else None
    return rule(*value.inputs, **value.attrs) if rule else None


@lowers("sum_to")
def sum_to(x: Any, *, shape: tuple, dtype: Any) -> Any:
    if tuple(x.shape) == shape:
        return cast.apply(x, dtype=dtype)
    if math.prod(x.shape) == math.prod(shape):
        return cast.apply(reshape.apply(x, shape=shape), dtype=dtype)
    extra = x.ndim - len(shape)
    dims = tuple(i for i, n in enumerate(x.shape) if i < extra or shape[i - extra] != n)
    y = reshape.apply(reduce.sum.apply(x, dim=dims, keepdim=True), shape=shape)
    return cast.apply(y, dtype=dtype)


def unless_trivial(op: Any) -> Callable:
    """A reduction over dims of size 1 is a reshape."""

    def rule(x: Any, *, dim: tuple, keepdim: bool) -> Any:
        if any(x.shape[d] != 1 for d in dim) or op in (reduce.any, reduce.all):
            return None
        shape = tuple(
            1 if i in dim else n for i, n in enumerate(x.shape) if keepdim or i not in dim
        )
        y = reshape.apply(x, shape=shape)
        return y if as_dtype(y.dtype).is_floating_point or op in EXTREMES else (
            cast.apply(y, dtype=as_dtype("int64"))
        )  # fmt: skip

    return rule


EXTREMES = (largest.amax, largest.amin)
for _op in (reduce.sum, reduce.prod, largest.amax, largest.amin):
    LOWERED[_op.name] = unless_trivial(_op)


@lowers("linear")
def linear(x: Any, weight: Any, bias: Any) -> Any:
    if x.ndim == 1:
        row = reshape.apply(x, shape=(1, *x.shape))
        y = linear(row, weight, bias)
        return reshape.apply(y, shape=tuple(y.shape[1:]))
    y = linalg.matmul.apply(x, swap_last(weight))
    return y if bias is None else y + bias


@lowers("matmul")
def matmul(a: Any, b: Any) -> Any:
    """Vectors become rows and columns."""
    if a.ndim > 1 and b.ndim > 1:
        return None
    rows = reshape.apply(a, shape=(1, *a.shape)) if a.ndim == 1 else a
    columns = reshape.apply(b, shape=(*b.shape, 1)) if b.ndim == 1 else b
    y = linalg.matmul.apply(rows, columns)
    lead = y.shape[:-2]
    m = y.shape[-2:-1] if a.ndim > 1 else ()
    n = y.shape[-1:] if b.ndim > 1 else ()
    return reshape.apply(y, shape=(*lead, *m, *n))


@lowers("mean")
def mean(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    return reduce.sum.apply(x, dim=dim, keepdim=keepdim) / float(size_along(x, dim))


@lowers("var")
def var(x: Any, *, dim: tuple, correction: float, keepdim: bool) -> Any:
    wide = widened(x)
    n = size_along(x, dim)
    centred = wide - reduce.sum.apply(wide, dim=dim, keepdim=True) / float(n)
    total = reduce.sum.apply(centred * centred, dim=dim, keepdim=keepdim)
    return narrowed(total / float(max(n - correction, 0)), x)


@lowers("std")
def std(x: Any, *, dim: tuple, correction: float, keepdim: bool) -> Any:
    found = var(x, dim=dim, correction=correction, keepdim=keepdim)
    return elementwise.sqrt.apply(found)


@lowers("logsumexp")
def logsumexp(x: Any, *, dim: tuple, keepdim: bool) -> Any:
    wide = widened(x)
    top = largest.amax.apply(wide, dim=dim, keepdim=True)
    top = logic.where.apply(logic.isfinite.apply(top), top, 0.0)
    total = reduce.sum.apply(elementwise.exp.apply(wide - top), dim=dim, keepdim=True)
    y = elementwise.log.apply(total) + top
    if not keepdim:
        y = reshape.apply(y, shape=tuple(n for d, n in enumerate(y.shape) if d not in dim))
    return narrowed(y, x)


@lowers("softmax")
def softmax(x: Any, *, dim: int) -> Any:
    """One division a row."""
    wide = widened(x)
    e = elementwise.exp.apply(wide - largest.amax.apply(wide, dim=(dim,), keepdim=True))
    share = elementwise.reciprocal.apply(reduce.sum.apply(e, dim=(dim,), keepdim=True))
    return narrowed(e * share, x)


@lowers("log_softmax")
def log_softmax(x: Any, *, dim: int) -> Any:
    wide = widened(x)
    below = wide - largest.amax.apply(wide, dim=(dim,), keepdim=True)
    total = reduce.sum.apply(elementwise.exp.apply(below), dim=(dim,), keepdim=True)
    return narrowed(below - elementwise.log.apply(total), x)


@lowers("softmax_backward")
def softmax_backward(g: Any, p: Any, *, dim: int) -> Any:
    g, wide = widened(g), widened(p)
    inner = reduce.sum.apply(g * wide, dim=(dim,), keepdim=True)
    return narrowed((g - inner) * wide, p)


@lowers("log_softmax_backward")
def log_softmax_backward(g: Any, logp: Any, *, dim: int) -> Any:
    g, wide = widened(g), widened(logp)
    total = reduce.sum.apply(g, dim=(dim,), keepdim=True)
    return narrowed(g - elementwise.exp.apply(wide) * total, logp)


@lowers("power_norm")
def power_norm(x: Any, *, p: float, dim: tuple, keepdim: bool) -> Any:
    wide = widened(x)
    powers = wide * wide if p == 2 else extremes.abs.apply(wide) ** p
    total = reduce.sum.apply(powers, dim=dim, keepdim=keepdim)
    return narrowed(elementwise.sqrt.apply(total) if p == 2 else total ** (1 / p), x)


@lowers("resample")
def resample(x: Any, *, dim: int, **positions: Any) -> Any:
    """The elements around each position, times their weights."""
    indices, weights = resampling.neighbours(x.shape[dim], **positions)
    parts = [index.take.apply(x, at, dims=(dim,)) for at in indices]
    if positions["kind"] == "nearest":
        return parts[0]
    column = (-1, *(1 for _ in x.shape[dim + 1 :]))
    dtype = widened(x).dtype
    shares = [weight.astype(dtype).reshape(column) for weight in weights]
    return narrowed(sum(widened(p) * w for p, w in zip(parts, shares, strict=True)), x)


@lowers("resample_adjoint")
def resample_adjoint(g: Any, *, dim: int, length: int, **positions: Any) -> Any:
    """A product with the matrix of the weights."""
    wide, before, after = widened(g), g.shape[:dim], g.shape[dim + 1 :]
    matrix = resampling.matrix(length, **positions).astype(wide.dtype)
    columns = (math.prod(before), g.shape[dim], math.prod(after))
    if not after:
        y = linalg.matmul.apply(reshape.apply(wide, shape=columns[:2]), matrix)
    else:
        y = linalg.matmul.apply(matrix.T.copy(), reshape.apply(wide, shape=columns))
    return narrowed(reshape.apply(y, shape=(*before, length, *after)), g)


@lowers("random_drop")
def random_drop(x: Any, key: Any, *, p: float) -> Any:
    """What is kept is drawn once, for the gradient too; the rest is done by loops around it."""
    kept = random_kept.apply(key, p=p, shape=tuple(x.shape))
    scale = float(as_dtype(x.dtype).numpy.type(1 / (1 - p)))
    return logic.where.apply(kept, x * scale, 0.0)


def widened(x: Any) -> Any:
    """x in float32 if it is narrower."""
    return cast.apply(x, dtype=as_dtype("float32")) if as_dtype(x.dtype).itemsize < 4 else x


def narrowed(y: Any, like: Any) -> Any:
    return y if y.dtype == like.dtype else cast.apply(y, dtype=as_dtype(like.dtype))
