"""The largest and the smallest over dims, and where they are.

`amax` shares its gradient evenly among ties. `max` along a dim finds an index, the first of
equal elements, and gathers what is there, so that the gradient goes to that element alone; the
same goes for everything else that selects elements (sort, topk, median, cummax).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import int64
from ..core.errors import ShapeError
from ..core.op import op
from ..core.spec import Spec, drop_dims, normal_dim
from .extremes import maximum, minimum
from .gather_scatter import gather
from .keywords import numpy_keywords, scalars_as_vectors
from .logic import eq
from .movement import cast, reshape
from .reduce import reduced_dims, spread, sum


@op
def amax(x, *, dim, keepdim):
    """The largest element over the dims in `dim`; NaN if there is one."""
    return np.maximum.reduce(x, axis=dim, keepdims=keepdim)


@op
def amin(x, *, dim, keepdim):
    """The smallest element over the dims in `dim`; NaN if there is one."""
    return np.minimum.reduce(x, axis=dim, keepdims=keepdim)


@amax.signature
@numpy_keywords
def amax_call(x, dim=None, keepdim=False):
    return amax.apply(x, dim=reduced_dims(dim, x.ndim, "amax"), keepdim=keepdim)


@amin.signature
@numpy_keywords
def amin_call(x, dim=None, keepdim=False):
    return amin.apply(x, dim=reduced_dims(dim, x.ndim, "amin"), keepdim=keepdim)


@amax.spec
@amin.spec
def extreme_spec(x, *, dim, keepdim):
    kept = drop_dims(x.shape, dim, keepdim)
    if 0 in x.shape and 0 not in kept:
        raise ShapeError(f"max, min: there is none of no elements: {x} along {list(dim)}")
    return Spec(kept, x.dtype)


def shared_by_ties(g, y, x, *, dim, keepdim):
    """The gradient, in equal parts, to every element that equals the result."""
    ties = cast.apply(eq(x, spread(y, x, dim)), dtype=as_dtype(x.dtype))
    count = sum.apply(ties, dim=dim, keepdim=True)
    return (ties * (reshape.apply(g, shape=tuple(count.shape)) / count),)


amax.grad(shared_by_ties)
amin.grad(shared_by_ties)


class MinMax(NamedTuple):
    """The smallest and the largest element."""

    min: Any
    max: Any


def aminmax(x, *, dim=None, keepdim=False):
    """The smallest and the largest element, along a dim or of all."""
    return MinMax(amin(x, dim, keepdim), amax(x, dim, keepdim))


@op
def argmax(x, *, dim, keepdim):
    """The index of the largest element along `dim`, the first of equal ones; or of a NaN."""
    return x.argmax(dim, keepdims=keepdim)


@op
def argmin(x, *, dim, keepdim):
    """The index of the smallest element along `dim`, the first of equal ones; or of a NaN."""
    return x.argmin(dim, keepdims=keepdim)


@argmax.signature
@numpy_keywords
def argmax_call(x, dim=None, keepdim=False):
    return index_of(argmax, x, dim, keepdim)


@argmin.signature
@numpy_keywords
def argmin_call(x, dim=None, keepdim=False):
    return index_of(argmin, x, dim, keepdim)


def index_of(op, x, dim, keepdim):
    """`op` along a dim; without one, of the elements in row-major order."""
    if dim is not None and x.ndim:
        return op.apply(x, dim=normal_dim(dim, x.ndim, op.name), keepdim=keepdim)
    flat = reshape.apply(x, shape=(math.prod(x.shape),))
    found = op.apply(flat, dim=0, keepdim=False)
    return reshape.apply(found, shape=(1,) * x.ndim) if keepdim else found


@argmax.spec
@argmin.spec
def index_spec(x, *, dim, keepdim):
    if x.shape[dim] == 0:
        raise ShapeError(f"max, min: there is none of no elements: {x} along {dim}")
    return Spec(drop_dims(x.shape, (dim,), keepdim), int64)


class Selection(NamedTuple):
    """Elements that were selected along a dim, and where they were."""

    values: Any
    indices: Any


def select_at(x, indices, dim, keepdim=True):
    """The elements of x at `indices` along `dim`, whose size there is 1 if it is to go."""
    values = gather.apply(x, indices, dim=dim)
    if not keepdim:
        shape = drop_dims(tuple(values.shape), (dim,), False)
        values, indices = (reshape.apply(y, shape=shape) for y in (values, indices))
    return Selection(values, indices)


@numpy_keywords
def max(x, dim=None, keepdim=False, *, other=None):
    """The largest of all elements; along a dim, with its index; or the larger of two tensors."""
    return extreme(x, dim if other is None else other, keepdim, amax, argmax, maximum)


@numpy_keywords
def min(x, dim=None, keepdim=False, *, other=None):
    """The smallest of all elements; along a dim, with its index; or the smaller of two tensors."""
    return extreme(x, dim if other is None else other, keepdim, amin, argmin, minimum)


def extreme(x, dim, keepdim, of_all, index, of_two):
    if dim is None:
        return of_all(x)
    if hasattr(dim, "shape"):
        return of_two(x, dim)
    return select_by(x, index, dim, keepdim)


@scalars_as_vectors
def select_by(x, index, dim, keepdim):
    """The element of x that the op `index` finds along `dim`."""
    dim = normal_dim(dim, x.ndim, index.name)
    return select_at(x, index.apply(x, dim=dim, keepdim=True), dim, keepdim)
