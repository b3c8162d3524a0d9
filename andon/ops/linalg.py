"""Products of matrices, and linear algebra."""

from __future__ import annotations

import numpy as np

from ..core.dtype import promote_types
from ..core.errors import DTypeError, ShapeError
from ..core.op import op
from ..core.spec import Spec, broadcast_shapes
from .movement import reshape, swap_last


@op
def matmul(a, b):
    """a b over the last two dims; leading dims broadcast, and vectors are rows or columns.

    Shapes: a (..., M, K), b (..., K, N) -> (..., M, N).
    Raises: ShapeError if the inner sizes differ; DTypeError if the dtypes do.
    """
    if a.dtype is not b.dtype and a.dtype != b.dtype:
        raise DTypeError(f"matmul: operands of one dtype expected: {a.dtype} and {b.dtype}")
    return np.matmul(a, b)


@matmul.spec
def matmul_spec(a, b):
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"matmul: both operands need at least one dim: {a} and {b}")
    rows, columns = (1, *a.shape)[-2:], (*b.shape, 1)[:2] if b.ndim == 1 else b.shape[-2:]
    if rows[1] != columns[0]:
        raise ShapeError(f"matmul: inner sizes differ: {a} and {b}")
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2], op="matmul")
    m = rows[:1] if a.ndim > 1 else ()
    n = columns[1:] if b.ndim > 1 else ()
    return Spec((*batch, *m, *n), promote_types(a.dtype, b.dtype))


@matmul.grad
def matmul_grad(g, y, a, b, needs):
    if a.ndim == 1 or b.ndim == 1:
        return vector_grad(g, a, b)
    ga = matmul.apply(g, swap_last(b)) if needs[0] else None
    if not needs[1]:
        return ga, None
    if b.ndim == 2 and a.ndim > 2:  # one product instead of a batch of them and a sum
        K, N = b.shape
        a, g = reshape.apply(a, shape=(-1, K)), reshape.apply(g, shape=(-1, N))
    return ga, matmul.apply(swap_last(a), g)


def vector_grad(g, a, b):
    """The gradients where an operand is a vector: with its missing dim put in."""
    rows = reshape.apply(a, shape=(1, *a.shape)) if a.ndim == 1 else a
    columns = reshape.apply(b, shape=(*b.shape, 1)) if b.ndim == 1 else b
    batch = tuple(g.shape)
    batch = batch[: len(batch) - (a.ndim > 1) - (b.ndim > 1)]
    g = reshape.apply(g, shape=(*batch, rows.shape[-2], columns.shape[-1]))
    ga = matmul.apply(g, swap_last(columns))
    gb = matmul.apply(swap_last(rows), g)
    return squeeze_to(ga, a, -2), squeeze_to(gb, b, -1)


def squeeze_to(g, x, dim):
    """Drop the dim that `vector_grad` put in; the engine sums the batch dims away."""
    if x.ndim > 1:
        return g
    shape = tuple(g.shape)
    return reshape.apply(g, shape=shape[:-2] + (shape[-1] if dim == -2 else shape[-2],))
