"""Reductions: sums, means, extremes and tests over dims."""

from __future__ import annotations

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import int64
from ..core.op import op
from ..core.spec import Spec, drop_dims, normal_dims
from .movement import cast, expand, reshape


@op
def sum(x, *, dim, keepdim):
    """Σ x over the dims in `dim`. Integers and booleans add up to int64.

    Shapes: x (...) -> x without `dim`, or with size 1 there if `keepdim`.
    """
    return x.sum(axis=dim, keepdims=keepdim, dtype=np.int64 if x.dtype.kind in "biu" else x.dtype)


@sum.signature
def sum_call(x, dim=None, keepdim=False, *, dtype=None):
    if dtype is not None:
        x = cast.apply(x, dtype=as_dtype(dtype))
    return sum.apply(x, dim=normal_dims(dim, x.ndim, "sum"), keepdim=keepdim)


@sum.spec
def sum_spec(x, *, dim, keepdim):
    return Spec(
        drop_dims(x.shape, dim, keepdim), x.dtype if x.dtype.is_floating_point else int64
    )


@sum.grad(keeps=())
def sum_grad(g, y, x, *, dim, keepdim):
    return (spread(g, x, dim),)


def spread(g, x, dim):
    """The gradient of a reduction over `dim` back along the dims of x."""
    kept = drop_dims(x.shape, (), False)
    ones = tuple(1 if i in dim else n for i, n in enumerate(kept))
    return expand.apply(reshape.apply(g, shape=ones), shape=tuple(x.shape))
