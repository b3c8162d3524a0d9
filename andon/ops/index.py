"""Indexing: reading and writing parts of a tensor, by position and by lists of positions.

`x[...]` is split in two: a `view` by ints, slices and None, and then, if there are tensors or
lists among the indices, a `take` of what they list. That is PyTorch's order, not NumPy's.
"""

from __future__ import annotations

import math
import operator

import numpy as np

from ..core.dtype import bool_, int8, int16, int32, int64
from ..core.errors import GraphError, IndexingError, ShapeError
from ..core.op import known_elements, op
from ..core.spec import Spec, broadcast_shapes, spec_of

# Views: ints, slices and None


@op(view=True)
def view(x, *, index):
    """x[index] for ints, None, and slices, which are written (start, stop, step).

    The one op of basic indexing: a view, never a copy.
    """
    return x[numpy_index(index)]


def numpy_index(index):
    """An `index` attribute as NumPy takes it; the `...` makes even a single element a view."""
    return (*(slice(*part) if isinstance(part, tuple) else part for part in index), ...)


@view.spec
def view_spec(x, *, index):
    used = sum(1 for part in index if part is not None)
    if used > x.ndim:
        raise IndexingError(f"index: {used} indices for {x.ndim} dims: {x}")
    sizes = iter(enumerate(x.shape))
    for part in index:
        if part is None:
            continue
        dim, n = next(sizes)
        if isinstance(part, int) and not -n <= part < n:
            raise IndexingError(f"index: {part} is out of range for dim {dim} of size {n}: {x}")
    return Spec(np.empty(x.shape, np.bool_)[numpy_index(index)].shape, x.dtype)


@view.grad(keeps=())
def view_grad(g, y, x, *, index):
    return (place.apply(g, index=index, shape=tuple(x.shape)),)


@op
def place(g, *, index, shape):
    """Zeros of `shape` with g at `index`. The adjoint of `view`."""
    y = np.zeros(shape, g.dtype)
    y[numpy_index(index)] = g
    return y


@place.spec
def place_spec(g, *, index, shape):
    return Spec(shape, g.dtype)


@place.grad(keeps=())
def place_grad(h, y, g, *, index, shape):
    return (view.apply(h, index=index),)


# Takes: lists of positions


@op
def take(x, *indices, dims):
    """x at lists of positions: indices[i] along dims[i], broadcast against one another.

    Shapes: the indices' dims stand where the first of `dims` was if `dims` are adjacent, and
    in front if they are not.
    """
    return x[among(x.ndim, indices, dims)]


def among(ndim, indices, dims):
    """A full NumPy index: `indices` at `dims`, everything elsewhere."""
    full = [slice(None)] * ndim
    for dim, index in zip(dims, indices, strict=True):
        full[dim] = index
    return tuple(full)


@take.spec
def take_spec(x, *indices, dims):
    try:
        shape = broadcast_shapes(*(i.shape for i in indices), op="index")
    except ShapeError as error:
        raise IndexingError(str(error)) from None
    rest = [n for d, n in enumerate(x.shape) if d not in dims]
    adjacent = dims == tuple(range(dims[0], dims[0] + len(dims)))
    at = dims[0] if adjacent else 0
    return Spec((*rest[:at], *shape, *rest[at:]), x.dtype)


@take.grad(keeps=("*",))
def take_grad(g, y, x, *indices, dims):
    gx = put_add.apply(g, *indices, dims=dims, shape=tuple(x.shape))
    return (gx, *(None for _ in indices))


@op
def put_add(g, *indices, dims, shape):
    """Zeros of `shape`, to which g is added at lists of positions. The adjoint of `take`."""
    y = np.zeros(shape, g.dtype)
    add_at(y, indices, dims, g)
    return y


def add_at(y, indices, dims, g):
    """Add g to y at lists of positions. Where one is listed twice, both are added."""
    dim, index = dims[0], indices[0]
    few = math.prod(y.shape) <= 4 * y.shape[dim]
    if len(dims) > 1 or index.ndim != 1 or index.size == 0 or few:
        np.add.at(y, among(y.ndim, indices, dims), g)
        return
    g = np.broadcast_to(g, (*y.shape[:dim], index.size, *y.shape[dim + 1 :]))
    add_rows(np.moveaxis(y, dim, 0), index, np.moveaxis(g, dim, 0))


def add_rows(y, index, rows):
    """y[index[i]] += rows[i] for every i, in order of i: equal indices add up, reproducibly."""
    index = np.where(index < 0, index + len(y), index)
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    y[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0)


@put_add.spec
def put_add_spec(g, *indices, dims, shape):
    return Spec(shape, g.dtype)


@put_add.grad(keeps=("*",))
def put_add_grad(h, y, g, *indices, dims, shape):
    return (take.apply(h, *indices, dims=dims), *(None for _ in indices))


@op
def put(x, value, *indices, dims, accumulate):
    """x with `value` written (or added) at lists of positions.

    Where a position is listed twice, the last value stays.
    """
    y = np.array(x)
    if accumulate:
        add_at(y, indices, dims, np.asarray(value, y.dtype))
    else:
        y[among(x.ndim, indices, dims)] = value
    return y


@put.spec
def put_spec(x, value, *indices, dims, accumulate=False):
    taken = take_spec(x, *indices, dims=dims).shape
    if broadcast_shapes(taken, value.shape, op="index_put") != taken:
        raise ShapeError(f"index_put: the value does not fit: {value} into {list(taken)}")
    return x


@put.grad(keeps=("*",))
def put_grad(g, y, x, value, *indices, dims, accumulate):
    at = take.apply(g, *indices, dims=dims)
    kept = g if accumulate else put.apply(g, 0.0, *indices, dims=dims, accumulate=False)
    return (kept, at, *(None for _ in indices))


# What people write


def getitem(x, index):
    """x[index], by PyTorch's rules."""
    parts, indices, dims = split_index(x, index)
    if parts is not None:
        x = view.apply(x, index=parts)
    return take.apply(x, *indices, dims=dims) if indices else x


def split_index(x, index):
    """An index as (basic part or None, index arrays, the dims they index of what is left)."""
    if not isinstance(index, tuple):
        index = (index,)
    entries = [entry(part) for part in index]
    used = sum(consumed(part) for part in entries)
    if used > x.ndim:
        raise IndexingError(f"index: {used} indices for {x.ndim} dims: {list(x.shape)}")
    entries = fill_ellipsis(entries, x.ndim - used)
    basic, lists, dims, dim = [], [], [], 0
    for part in entries:
        if hasattr(part, "ndim"):
            arrays = (part,)
            if is_mask(part):
                check_mask(part, x, basic)
                arrays = places_of(part)
            for array in arrays:
                basic.append((None, None, None) if part.ndim else None)
                lists.append(array)
                dims.append(dim)
                dim += 1
        else:
            basic.append(part)
            dim += not isinstance(part, int)
    trivial = all(part == (None, None, None) for part in basic)
    return None if trivial and lists else tuple(basic), lists, tuple(dims)


def places_of(mask):
    """The indices at which a mask is true: an array per dim, one of 0 or 1 where it has none."""
    array = known_elements(mask)
    if array is None:
        raise GraphError(
            "index: how many elements a mask selects depends on the data, so that it cannot be "
            f"recorded: use where(mask, x, y): {spec_of(mask)}"
        )
    return np.atleast_1d(array).nonzero()


def entry(part):
    """One part of an index in normal form: int, None, ..., (start, stop, step), or what has a
    shape: a tensor or an array.

    A single boolean has no dims: it is a new dim of size 1, which is taken or is not.
    """
    if part is None or part is Ellipsis or type(part) is int:
        return part
    if isinstance(part, slice):
        start, stop, step = map(bound, (part.start, part.stop, part.step))
        if step is not None and step <= 0:
            raise IndexingError(f"index: slices need a step > 0: {part}")
        return start, stop, step
    if not hasattr(part, "ndim"):
        part = array_of_list(part)
    if part.dtype not in INDEX_DTYPES:
        raise IndexingError(f"index: tensors must hold integers or booleans: {part.dtype}")
    return part if part.ndim or is_mask(part) else int(part)


INDEX_DTYPES = {bool_, int8, int16, int32, int64}
INDEX_DTYPES |= {d.numpy for d in INDEX_DTYPES}


def array_of_list(part):
    try:
        array = np.asarray(part)
    except ValueError as error:
        raise IndexingError(f"index: {error}: {part!r}") from None
    return array if array.size else array.astype(np.int64)


def is_mask(part):
    """Whether an entry with a shape is boolean: it says which, not where."""
    return part.dtype in (bool_, bool_.numpy)


def bound(n):
    """A number of a slice, as an int."""
    try:
        return None if n is None else operator.index(n)
    except TypeError:
        raise IndexingError(f"index: slices are made of ints: {n!r}") from None


def consumed(part):
    """How many dims a part of an index uses up."""
    if part is None or part is Ellipsis:
        return 0
    return part.ndim if hasattr(part, "ndim") and is_mask(part) else 1


def fill_ellipsis(entries, missing):
    """The entries with `...` (or the end) standing for the dims not mentioned."""
    dots = [i for i, part in enumerate(entries) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexingError("index: only one ... is allowed")
    at = dots[0] if dots else len(entries)
    full = [(None, None, None)] * missing if dots else []
    return [*entries[:at], *full, *entries[at + 1 :]]


def check_mask(mask, x, before):
    """A boolean index must have exactly the sizes of the dims that it indexes."""
    first = sum(1 for part in before if part is not None)
    sizes = tuple(x.shape[first : first + mask.ndim])
    if tuple(mask.shape) != sizes:
        raise IndexingError(
            f"index: a mask of sizes {list(mask.shape)} for dims of sizes {list(sizes)}"
        )


# The base of a view that was changed in place


class Recipe(tuple):
    """View ops from a base to a view; compared by identity, so that it can be an attribute."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__


def follow(x, recipe):
    """The view of array x that a recipe of view ops leads to."""
    for step, attrs, output in recipe:
        x = step.reference(x, **attrs)
        x = x if output is None else x[output]
    return x


@op
def write(x, part, *, recipe):
    """x with `part` in place of the view that `recipe` leads to.

    What an in-place method on a view does to the base of the view.
    """
    y = np.array(x, order="C")  # not x.copy(), which of a number is no array to write to
    target = follow(y, recipe)
    if np.may_share_memory(target, y):
        target[...] = part
    else:  # a reshape that is a view of the strides it was recorded with is a copy of these
        places = follow(np.arange(y.size).reshape(y.shape), recipe)
        y.reshape(-1)[places] = part
    return y


@write.spec
def write_spec(x, part, *, recipe):
    return x


@write.grad(keeps=())
def write_grad(g, y, x, part, *, recipe):
    return write.apply(g, 0.0, recipe=recipe), read.apply(g, recipe=recipe)


@op
def read(x, *, recipe):
    """A copy of the part of x that `recipe` leads to. The adjoint of `write`."""
    return follow(x, recipe).copy()


@read.spec
def read_spec(x, *, recipe):
    return spec_of(follow(np.empty(x.shape, x.dtype.numpy), recipe))


@read.grad(keeps=())
def read_grad(h, y, x, *, recipe):
    return (write.apply(zeros(h, x.shape), h, recipe=recipe),)


@op
def zeros(like, *, shape):
    """Zeros of `shape` in the dtype of `like`, whose elements are not read."""
    return np.zeros(shape, like.dtype)


@zeros.signature
def zeros_call(like, shape):
    return zeros.apply(like, shape=tuple(shape))


@zeros.spec
def zeros_spec(like, *, shape):
    return Spec(shape, like.dtype)


def nothing(g):
    """The gradient of what is flat: zeros, where 0 · g would be NaN for a g that is not finite."""
    return zeros.apply(g, shape=tuple(g.shape))
