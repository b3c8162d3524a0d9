"""Order statistics: what stands at a place in the sorted order. k-th, median, quantiles, mode."""

from __future__ import annotations

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import float64, int64
from ..core.errors import ArgumentError, ShapeError
from ..core.op import op
from ..core.spec import Spec, drop_dims, normal_dim, normal_dims
from .arithmetic import floor_divide, lerp
from .elementwise import ceil, floor, round
from .extremes import clamp
from .gather_scatter import gather
from .join import narrow, stack
from .keywords import numpy_keywords, scalars_as_vectors
from .largest import select_at, select_by
from .logic import eq, lt, where
from .moments import check_floating
from .movement import cast, ravel, reshape
from .reduce import sum
from .sorting import argsort, sort


@numpy_keywords
@scalars_as_vectors
def kthvalue(x, k, dim=-1, keepdim=False):
    """The k-th smallest element along `dim` (k = 1: the smallest), and where it is."""
    dim = normal_dim(dim, x.ndim, "kthvalue")
    if not 1 <= k <= x.shape[dim]:
        raise ShapeError(f"kthvalue: k must be in [1, {x.shape[dim]}]: {k}")
    order = argsort.apply(x, dim=dim, descending=False)
    return select_at(x, narrow(order, dim, k - 1, 1), dim, keepdim)


@numpy_keywords
def median(x, dim=None, keepdim=False):
    """The element in the middle, the lower one of two; NaN if there is one.

    Along a dim, with where it is.
    """
    return middle(x, dim, keepdim, "median", middle_or_nan)


@numpy_keywords
def nanmedian(x, dim=None, keepdim=False):
    """The median of the elements that are numbers."""
    return middle(x, dim, keepdim, "nanmedian", middle_of_numbers)


def middle(x, dim, keepdim, name, place):
    if dim is None:
        if 0 in x.shape:
            return sum(x) / 0  # NaN, as PyTorch has it
        return select_in_order(ravel(x), 0, False, name, place).values
    return select_in_order(x, dim, keepdim, name, place)


@scalars_as_vectors
def select_in_order(x, dim, keepdim, name, place):
    """The element of x whose place in sorted order `place(numbers, n)` tells."""
    dim = normal_dim(dim, x.ndim, name)
    n = x.shape[dim]
    if n == 0:
        raise ShapeError(f"{name}: there is none of no elements: {list(x.shape)} along {dim}")
    numbers = sum(eq(x, x), dim, True)
    order = argsort.apply(x, dim=dim, descending=False)
    return select_at(x, gather.apply(order, place(numbers, n), dim=dim), dim, keepdim)


def middle_or_nan(numbers, n):
    """The middle of n, or the first NaN, which comes after all the numbers."""
    return where(lt(numbers, n), numbers, (n - 1) // 2)


def middle_of_numbers(numbers, n):
    return clamp(floor_divide(numbers - 1, 2), min=0)


# Between two elements, what a rank that is not whole becomes
INTERPOLATIONS = {
    "linear": lambda rank: rank,
    "lower": floor,
    "higher": ceil,
    "nearest": round,
    "midpoint": lambda rank: (floor(rank) + ceil(rank)) * 0.5,
}


@numpy_keywords
def quantile(x, q, dim=None, keepdim=False, *, interpolation="linear"):
    """What a part q of the elements along `dim` lies below; NaN if there is one.

    Shapes: for a vector of q, the results stand along a new first dim.
    """
    return quantiles(x, q, dim, keepdim, interpolation, "quantile")


@numpy_keywords
def nanquantile(x, q, dim=None, keepdim=False, *, interpolation="linear"):
    """The quantile of the elements that are numbers."""
    return quantiles(x, q, dim, keepdim, interpolation, "nanquantile")


def quantiles(x, q, dim, keepdim, interpolation, name):
    check_floating(x, name)
    parts = q.tolist() if hasattr(q, "tolist") else q
    several = isinstance(parts, (list, tuple))
    if interpolation not in INTERPOLATIONS:
        raise ArgumentError(f"{name}: not one of {', '.join(INTERPOLATIONS)}: {interpolation!r}")
    shape = drop_dims(tuple(x.shape), normal_dims(dim, x.ndim, name), keepdim)
    x, dim = (ravel(x), 0) if dim is None or x.ndim == 0 else (x, normal_dim(dim, x.ndim, name))
    if x.shape[dim] == 0:
        raise ShapeError(f"{name}: there is none of no elements: {list(x.shape)}")
    values, between = sort(x, dim).values, INTERPOLATIONS[interpolation]
    found = [
        reshape.apply(value_at(values, part, dim, between, name), shape=shape)
        for part in (parts if several else [parts])
    ]
    return stack(found) if several else found[0]


def value_at(values, part, dim, between, name):
    """What is at `part` of the way through the numbers in sorted `values`."""
    if not 0 <= part <= 1:
        raise ShapeError(f"{name}: q must be in [0, 1]: {part}")
    numbers, n = sum(eq(values, values), dim, True), values.shape[dim]
    last = cast.apply(clamp(numbers - 1, min=0), dtype=float64)
    rank = between(last * part)
    if name == "quantile":  # where there are NaNs, they are at the end
        rank = where(lt(numbers, n), n - 1.0, rank)
    below, above = floor(rank), ceil(rank)
    low, high = (gather.apply(values, cast.apply(i, dtype=int64), dim=dim) for i in (below, above))
    return lerp(low, high, cast.apply(rank - below, dtype=as_dtype(values.dtype)))


@op
def argmode(x, *, dim, keepdim):
    """The last index of the element that is there most often along `dim`, the smallest of such."""
    order = argsort.reference(x, dim=dim, descending=False)
    y = np.moveaxis(np.take_along_axis(x, order, axis=dim), dim, 0)
    places = np.arange(len(y)).reshape(-1, *(1,) * (y.ndim - 1))
    starts = np.where(np.concatenate([y[:1] == y[:1], y[1:] != y[:-1]]), places, 0)
    in_a_row = places - np.maximum.accumulate(starts, axis=0)
    ends = np.moveaxis(np.argmax(in_a_row, axis=0, keepdims=True), 0, dim)
    found = np.take_along_axis(order, ends, axis=dim)
    return found if keepdim else found.squeeze(dim)


@argmode.spec
def argmode_spec(x, *, dim, keepdim):
    if x.shape[dim] == 0:
        raise ShapeError(f"mode: there is none of no elements: {x} along {dim}")
    return Spec((*x.shape[:dim], *(1,) * keepdim, *x.shape[dim + 1 :]), int64)


@numpy_keywords
def mode(x, dim=-1, keepdim=False):
    """The element that is there most often along `dim`, the smallest of several, and where."""
    return select_by(x, argmode, dim, keepdim)
