"""Embeddings: rows of a table, looked up by index; and one-hot vectors, their opposite."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import int64
from ..core.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from ..core.op import op
from ..core.spec import Spec
from .blocking import widened
from .extremes import clamp_min
from .gather_scatter import scatter_reduce
from .index import zeros
from .largest import amax
from .logic import eq, le, ne, where
from .movement import cast, expand, reshape
from .reduce import sum

FEW = 1 << 13  # elements, up to which adding one by one beats sorting first


@op
def embedding(weight, indices, *, padding_idx):
    """weight[indices]; the row `padding_idx`, if not -1, has no gradient.

    Shapes: weight (V, C), integer indices (...) -> (..., C).
    Raises: IndexingError for an index that is no row.
    """
    check_table(weight, indices)
    check_range("embedding", indices, weight.shape[0])
    return weight.take(indices, axis=0)


def check_table(weight, indices):
    if weight.ndim != 2:
        raise ShapeError(f"embedding: the table must have two dims: {list(weight.shape)}")
    if as_dtype(indices.dtype).category != 1:
        raise DTypeError(f"embedding: indices must be integers: {as_dtype(indices.dtype)}")


def check_range(name, indices, size):
    if indices.size and not (indices.min() >= 0 and indices.max() < size):
        wrong = indices.min() if indices.min() < 0 else indices.max()
        raise IndexingError(f"{name}: index out of range for {size} rows: {wrong}")


@embedding.spec
def embedding_spec(weight, indices, *, padding_idx):
    check_table(weight, indices)
    return Spec((*indices.shape, weight.shape[1]), weight.dtype)


@embedding.grad(keeps=("indices",))
def embedding_grad(g, y, weight, indices, *, padding_idx):
    rows = weight.shape[0]
    return embedding_backward.apply(g, indices, rows=rows, padding_idx=padding_idx), None


@op
def embedding_backward(g, indices, *, rows, padding_idx):
    """Zeros (rows, C), to which the rows of g are added at `indices`, but not at `padding_idx`."""
    C = g.shape[-1]
    y = np.zeros((rows, C), np.float32 if g.dtype.itemsize < 4 else g.dtype)
    add_rows(y, indices.reshape(-1), widened(g).reshape(indices.size, C))
    if padding_idx >= 0:
        y[padding_idx] = 0
    return y.astype(g.dtype, copy=False)


def add_rows(y, indices, rows):
    """y[indices[i]] += rows[i] for every i: equal indices add up, always in the same order."""
    if rows.size <= FEW:
        np.add.at(y, indices, rows)
        return
    order = np.argsort(indices, kind="stable")
    ordered, rows = indices[order], rows[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=-1)).tolist()
    for start, stop in pairwise([*starts, len(ordered)]):
        y[ordered[start]] += np.add.reduce(rows[start:stop], axis=0)


@embedding_backward.spec
def embedding_backward_spec(g, indices, *, rows, padding_idx):
    return Spec((rows, g.shape[-1]), g.dtype)


@embedding_backward.grad(keeps=("indices",))
def embedding_backward_grad(h, y, g, indices, *, rows, padding_idx):
    gg = embedding.apply(h, indices, padding_idx=padding_idx)
    if padding_idx >= 0:
        kept = ne(reshape.apply(indices, shape=(*indices.shape, 1)), padding_idx)
        gg = where(kept, gg, 0.0)
    return gg, None


@embedding.signature
def embedding_call(
    x, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
    sparse=False,
):  # fmt: skip
    if max_norm is not None or scale_grad_by_freq:
        raise ArgumentError("embedding: max_norm and scale_grad_by_freq are not supported")
    check_table(weight, x)
    rows = weight.shape[0]
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise IndexingError(f"embedding: padding_idx is not one of {rows} rows: {padding_idx}")
    padding = -1 if padding_idx is None else padding_idx % rows
    return embedding.apply(weight, x, padding_idx=padding)


def embedding_bag(
    x,
    weight,
    offsets=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    mode="mean",
    sparse=False,
    per_sample_weights=None,
    include_last_offset=False,
    padding_idx=None,
):
    """The sum, the mean or the largest elements of the rows of each bag of indices.

    Shapes: x (B, N), or (N,) with `offsets` (B,) where the bags start -> (B, C).
    """
    if mode not in ("sum", "mean", "max"):
        raise ArgumentError(f"embedding_bag: mode must be 'sum', 'mean' or 'max': {mode!r}")
    if (offsets is None) == (x.ndim != 2):
        raise ShapeError(
            f"embedding_bag: expects (B, N), or (N,) and offsets: {list(x.shape)}, {offsets}"
        )
    rows = embedding(x, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq)
    counted = where(ne(x, -1 if padding_idx is None else padding_idx % weight.shape[0]), 1, 0)
    counted = cast.apply(reshape.apply(counted, shape=(*x.shape, 1)), dtype=as_dtype(rows.dtype))
    if per_sample_weights is not None and mode != "sum":
        raise ArgumentError("embedding_bag: per_sample_weights are only for mode 'sum'")
    if mode == "max":
        largest = largest_of_bags(
            where(ne(counted, 0), rows, -math.inf), offsets, include_last_offset
        )
        return where(eq(largest, -math.inf), 0.0, largest)
    rows = rows * counted
    if per_sample_weights is not None:
        rows = rows * reshape.apply(per_sample_weights, shape=(*x.shape, 1))
    total = bags(rows, offsets, include_last_offset)
    if mode == "sum":
        return total
    return total / clamp_min(bags(counted, offsets, include_last_offset), 1)


def bags(rows, offsets, include_last_offset):
    """The sum of the rows of each bag."""
    if offsets is None:
        return sum.apply(rows, dim=(1,), keepdim=False)
    bag, B = bag_of_each(rows, offsets, include_last_offset)
    return embedding_backward.apply(rows, bag, rows=B, padding_idx=-1)


def largest_of_bags(rows, offsets, include_last_offset):
    """The largest elements of the rows of each bag, -∞ where there are none."""
    if offsets is None:
        return amax.apply(rows, dim=(1,), keepdim=False)
    bag, B = bag_of_each(rows, offsets, include_last_offset)
    index = expand.apply(reshape.apply(bag, shape=(rows.shape[0], 1)), shape=tuple(rows.shape))
    lowest = zeros(rows, (B, rows.shape[1])) - math.inf
    return scatter_reduce(lowest, 0, index, rows, "amax")


def bag_of_each(rows, offsets, include_last_offset):
    """The number of the bag that each row is in, and how many bags there are."""
    starts = offsets[:-1] if include_last_offset else offsets
    B = starts.shape[0]
    started = le(reshape.apply(starts, shape=(B, 1)), np.arange(rows.shape[0]))
    return sum(started, 0) - 1, B


@op
def one_hot(x, *, num_classes):
    """1 at place x along a new last dim, 0 elsewhere.

    Shapes: integers (...) -> int64 (..., num_classes).
    Raises: IndexingError for a value that is no class.
    """
    if as_dtype(x.dtype).category != 1:
        raise DTypeError(f"one_hot: classes must be integers: {as_dtype(x.dtype)}")
    check_range("one_hot", x, num_classes)
    return (x[..., None] == np.arange(num_classes)).astype(np.int64)


@one_hot.spec
def one_hot_spec(x, *, num_classes):
    return Spec((*x.shape, num_classes), int64)


@one_hot.signature
def one_hot_call(x, num_classes=-1):
    if num_classes == -1:
        if math.prod(x.shape) == 0:
            raise ShapeError("one_hot: no values to tell the number of classes: pass num_classes")
        num_classes = int(x.max()) + 1
    return one_hot.apply(x, num_classes=num_classes)
