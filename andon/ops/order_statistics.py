"""Order statistics: what stands at a place in the sorted order. The median, the mode, the k-th."""

from __future__ import annotations

import numpy as np

from ..core.dtype import int64
from ..core.errors import ShapeError
from ..core.op import op
from ..core.spec import Spec, normal_dim
from .arithmetic import floor_divide
from .extremes import clamp
from .gather_scatter import gather
from .join import narrow
from .keywords import numpy_keywords, scalars_as_vectors
from .largest import select_at, select_by
from .logic import eq, lt, where
from .movement import ravel
from .reduce import sum
from .sorting import argsort


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
