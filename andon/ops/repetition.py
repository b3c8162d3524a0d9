"""Repetition: tiles, repeated elements, and grids of every combination."""

from __future__ import annotations

import itertools
import math

import numpy as np

from ..core.dtype import int64
from ..core.errors import ArgumentError, DTypeError, ShapeError, UnknownSizeError
from ..core.op import op
from ..core.spec import normal_dim, sizes_from, spec_of
from .gather_scatter import index_select
from .index import take
from .join import stack
from .movement import clone, expand, reshape


def repeat(x, *sizes):
    """x copied sizes[i] times along dim i; leading sizes beyond the dims of x make new ones."""
    sizes = sizes_from(sizes)
    extra = len(sizes) - x.ndim
    if extra < 0 or any(n < 0 for n in sizes):
        raise ShapeError(f"repeat: {x.ndim} counts or more, >= 0, expected: {list(sizes)}")
    shape = (1,) * extra + tuple(x.shape)
    alternating = [n for size in shape for n in (1, size)]
    repeated = [n for pair in zip(sizes, shape, strict=True) for n in pair]
    x = reshape.apply(x, shape=tuple(alternating))
    x = clone.apply(expand.apply(x, shape=tuple(repeated)))
    return reshape.apply(x, shape=tuple(n * m for n, m in zip(sizes, shape, strict=True)))


def tile(x, *dims):
    """`repeat`, but with counts of 1 in front where there are fewer counts than dims."""
    dims = sizes_from(dims)
    return repeat(x, (1,) * (x.ndim - len(dims)) + dims)


def repeat_interleave(x, repeats=None, dim=None, *, output_size=None):
    """x with each slice along `dim` (each element of the flat x, without one) repeated.

    `repeats` is a number for all, or a tensor with one for each. Given only a tensor of counts,
    the result is the index of what each count repeats.
    """
    if repeats is None:
        return repeat_index.apply(x)
    if dim is None:
        x, dim = reshape.apply(x, shape=(math.prod(x.shape),)), 0
    dim = normal_dim(dim, x.ndim, "repeat_interleave")
    if not isinstance(repeats, int):
        return index_select(x, dim, repeat_index.apply(counts(repeats, x.shape[dim])))
    if repeats < 0:
        raise ShapeError(f"repeat_interleave: a count >= 0 expected: {repeats}")
    before, after = tuple(x.shape[: dim + 1]), tuple(x.shape[dim + 1 :])
    x = reshape.apply(x, shape=(*before, 1, *after))
    x = clone.apply(expand.apply(x, shape=(*before, repeats, *after)))
    return reshape.apply(x, shape=(*before[:-1], before[-1] * repeats, *after))


def counts(repeats, n):
    """A count for each of n slices."""
    if repeats.ndim > 1 or math.prod(repeats.shape) not in (1, n):
        raise ShapeError(f"repeat_interleave: {n} counts expected: {list(repeats.shape)}")
    return expand.apply(repeats, shape=(n,))


@op
def repeat_index(repeats):
    """Each i, repeats[i] times.

    Shapes: repeats (N,) -> (Σ repeats,): the size depends on the data.
    """
    if repeats.dtype.kind not in "iu":
        raise DTypeError(f"repeat_interleave: counts must be integers: {repeats.dtype}")
    if repeats.ndim != 1:
        raise ShapeError(f"repeat_interleave: counts must have one dim: {list(repeats.shape)}")
    if repeats.size and repeats.min() < 0:
        raise ShapeError(f"repeat_interleave: counts >= 0 expected: {repeats.min()}")
    return np.repeat(np.arange(len(repeats), dtype=int64.numpy), repeats)


@repeat_index.spec
def repeat_index_spec(repeats):
    raise UnknownSizeError(
        f"repeat_interleave: the size of the result depends on the data: {repeats}"
    )


def meshgrid(*tensors, indexing="ij"):
    """The tensors, each along a dim of its own and repeated along the others: views.

    `indexing="xy"` swaps the first two dims.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    if indexing not in ("ij", "xy"):
        raise ArgumentError(f"meshgrid: indexing must be 'ij' or 'xy': {indexing!r}")
    if any(x.ndim > 1 for x in tensors):
        raise ShapeError(f"meshgrid: vectors expected: {[list(x.shape) for x in tensors]}")
    dims = list(range(len(tensors)))
    if indexing == "xy" and len(tensors) > 1:
        dims[:2] = 1, 0
    shape = tuple(math.prod(tensors[d].shape) for d in dims)
    grids = []
    for x, dim in zip(tensors, dims, strict=True):
        along = tuple(n if d == dim else 1 for d, n in enumerate(shape))
        grids.append(expand.apply(reshape.apply(x, shape=along), shape=shape))
    return tuple(grids)


def cartesian_prod(*tensors):
    """Every combination of an element from each vector, one per row."""
    for x in tensors:
        if x.ndim != 1:
            raise ShapeError(f"cartesian_prod: vectors expected: {spec_of(x)}")
    if len(tensors) == 1:
        return tensors[0]
    columns = [reshape(x, -1) for x in meshgrid(*tensors)]
    return stack(columns, 1)


def combinations(x, r=2, with_replacement=False):
    """Every choice of r elements of a vector in the order they stand there, one per row."""
    if x.ndim != 1 or r < 0:
        raise ShapeError(f"combinations: a vector and r >= 0 expected: {list(x.shape)}, {r}")
    chosen = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(chosen(range(x.shape[0]), r)), np.int64)
    return take.apply(x, places.reshape(-1, r), dims=(0,))
