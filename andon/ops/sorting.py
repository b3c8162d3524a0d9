"""Sorting: sort, topk, and places in sorted sequences.

NaN counts as larger than every number. The sorts are stable. Each is an op that finds indices
and a gather of what is there, which has the gradient.
"""

from __future__ import annotations

import numpy as np

from ..core.dtype import int32, int64
from ..core.errors import ArgumentError, ShapeError
from ..core.op import op
from ..core.spec import Spec, normal_dim
from .gather_scatter import gather
from .keywords import numpy_keywords, scalars_as_vectors
from .largest import select_at
from .movement import cast


def sortable(x):
    """x as NumPy sorts it with NaNs last; for bfloat16, that takes a wider dtype."""
    return x.astype(np.float32) if x.dtype.kind == "V" else x


@op
def argsort(x, *, dim, descending):
    """The indices that would sort x along `dim`; those of equal elements stay in order."""
    x = sortable(x)
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    backwards = np.argsort(np.flip(x, dim), axis=dim, kind="stable")
    return x.shape[dim] - 1 - np.flip(backwards, dim)


@argsort.signature
@numpy_keywords
@scalars_as_vectors
def argsort_call(x, dim=-1, descending=False, *, stable=False):
    return argsort.apply(x, dim=normal_dim(dim, x.ndim, "argsort"), descending=descending)


@argsort.spec
def argsort_spec(x, *, dim, descending):
    return Spec(x.shape, int64)


@numpy_keywords
@scalars_as_vectors
def sort(x, dim=-1, descending=False, *, stable=False):
    """x sorted along `dim`, and where each element was. Stable, asked for or not."""
    dim = normal_dim(dim, x.ndim, "sort")
    return select_at(x, argsort.apply(x, dim=dim, descending=bool(descending)), dim)


def msort(x):
    """x sorted along its first dim."""
    return sort(x, 0).values


@op
def argtopk(x, *, k, dim, largest, sorted):
    """The indices of the k largest (or smallest) elements along `dim`, in order if `sorted`.

    Which of equal elements is taken is not specified.
    """
    x, n = sortable(x), x.shape[dim]
    if not 0 <= k <= n:
        raise ShapeError(f"topk: k must be in [0, {n}]: {k}")
    if k in (0, n):
        order = argsort.reference(x, dim=dim, descending=largest)
        return np.take(order, range(k), axis=dim)
    split = n - k if largest else k
    order = np.argpartition(x, split if largest else split - 1, axis=dim)
    found = np.take(order, range(split, n) if largest else range(split), axis=dim)
    if not sorted:
        return found
    chosen = np.take_along_axis(x, found, axis=dim)
    order = argsort.reference(chosen, dim=dim, descending=largest)
    return np.take_along_axis(found, order, axis=dim)


@argtopk.spec
def argtopk_spec(x, *, k, dim, largest, sorted):
    return Spec((*x.shape[:dim], k, *x.shape[dim + 1 :]), int64)


@numpy_keywords
@scalars_as_vectors
def topk(x, k, dim=-1, largest=True, sorted=True):
    """The k largest (or smallest) elements along `dim`, and where they are."""
    dim = normal_dim(dim, x.ndim, "topk")
    found = argtopk.apply(x, k=int(k), dim=dim, largest=bool(largest), sorted=bool(sorted))
    return select_at(x, found, dim)


# Places in sorted sequences


@op
def searchsorted(boundaries, values, *, right):
    """For each value, the index at which it would go to keep `boundaries` sorted.

    Before the boundaries equal to it, or after them if `right`.
    Shapes: boundaries (n), or (..., n) with the leading sizes of values -> those of values.
    """
    side = "right" if right else "left"
    boundaries, values = sortable(boundaries), sortable(np.asarray(values))
    if boundaries.ndim == 1:
        return np.asarray(np.searchsorted(boundaries, values, side))
    if boundaries.shape[:-1] != values.shape[:-1]:
        raise ShapeError(
            f"searchsorted: a row of boundaries for each row of values expected: "
            f"{list(boundaries.shape)} and {list(values.shape)}"
        )
    found = np.empty(values.shape, np.int64)
    for row in np.ndindex(values.shape[:-1]):
        found[row] = np.searchsorted(boundaries[row], values[row], side)
    return found


@searchsorted.signature
def searchsorted_call(
    sorted_sequence, values, *, out_int32=False, right=False, side=None, sorter=None
):
    if sorter is not None:
        sorted_sequence = gather(sorted_sequence, -1, sorter)
    if side not in (None, "left", "right") or (side == "left" and right):
        raise ArgumentError(
            f"searchsorted: side must be 'left' or 'right', as `right` is: {side!r}"
        )
    right = right or side == "right"
    found = searchsorted.apply(sorted_sequence, values, right=right)
    return cast.apply(found, dtype=int32) if out_int32 else found


@searchsorted.spec
def searchsorted_spec(boundaries, values, *, right):
    return Spec(values.shape, int64)


def bucketize(x, boundaries, *, out_int32=False, right=False):
    """The number of the interval between `boundaries` that each element of x lies in.

    Interval i is boundaries[i-1] < x <= boundaries[i], or <= and < if `right`.
    """
    return searchsorted(boundaries, x, out_int32=out_int32, right=right)
