"""Gather and scatter: one index tensor that says, for each element, where along a dim it is."""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import iinfo
from ..core.errors import ArgumentError, DTypeError, IndexingError, ShapeError, UnknownSizeError
from ..core.op import op
from ..core.spec import Spec, broadcast_shapes, normal_dim
from .arithmetic import floor_divide
from .index import getitem, place, put, split_index, take, view, zeros
from .logic import eq, where
from .movement import cast, expand, movedim, reshape


@op
def gather(x, index, *, dim):
    """y[i][j] = x[index[i][j]][j] for dim 0, and likewise for the others.

    Shapes: index has the dims of x, at most its sizes except along `dim` -> the shape of index.
    """
    return np.atleast_1d(x)[grid(x, index, dim, "gather")].reshape(index.shape)


def grid(x, index, dim, name):
    """NumPy indices that pair each element of `index` with its own place in the other dims.

    Without dims, an operand counts as having one.
    """
    x, index = np.atleast_1d(x), np.atleast_1d(index)
    if index.dtype.kind not in "iu":
        raise DTypeError(f"{name}: index must hold integers: {index.dtype}")
    if index.ndim != x.ndim or any(
        n > m for d, (n, m) in enumerate(zip(index.shape, x.shape, strict=True)) if d != dim
    ):
        raise ShapeError(f"{name}: index {list(index.shape)} does not fit {list(x.shape)}")
    if index.size and (index.min() < 0 or index.max() >= x.shape[dim]):
        raise IndexingError(f"{name}: index out of range for dim {dim} of size {x.shape[dim]}")
    places = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    places[dim] = index
    return tuple(places)


@gather.signature
def gather_call(x, dim, index, *, sparse_grad=False):
    return gather.apply(x, index, dim=normal_dim(dim, x.ndim, "gather"))


@gather.spec
def gather_spec(x, index, *, dim):
    return Spec(index.shape, x.dtype)


@gather.grad(keeps=("index",))
def gather_grad(g, y, x, index, *, dim):
    return scatter_add.apply(zeros(g, x.shape), index, g, dim=dim), None


@op
def scatter_add(x, index, src, *, dim):
    """x with src[i][j] added at [index[i][j]][j]. Where indices repeat, the values add up."""
    y = np.array(x)
    places = grid(y, index, dim, "scatter_add")
    np.add.at(np.atleast_1d(y), places, fitting(src, index, "scatter_add"))
    return y


def fitting(src, index, name):
    """The part of `src` that has an index."""
    src, index = np.atleast_1d(src), np.atleast_1d(index)
    if src.ndim != index.ndim or any(n > m for n, m in zip(index.shape, src.shape, strict=True)):
        raise ShapeError(f"{name}: src {list(src.shape)} does not cover {list(index.shape)}")
    return src[tuple(slice(n) for n in index.shape)]


@scatter_add.signature
def scatter_add_call(x, dim, index, src):
    return scatter_add.apply(x, index, src, dim=normal_dim(dim, x.ndim, "scatter_add"))


@scatter_add.spec
def scatter_add_spec(x, index, src, *, dim):
    return x


@scatter_add.grad(keeps=("index",))
def scatter_add_grad(g, y, x, index, src, *, dim):
    return g, None, padded(gather.apply(g, index, dim=dim), src)


def padded(g, src):
    """The gradient of the part of src that was used, with zeros for the rest."""
    if tuple(g.shape) == tuple(src.shape):
        return g
    index = tuple((0, n, None) for n in g.shape)
    return place.apply(g, index=index, shape=tuple(src.shape))


@op
def scatter(x, index, src, *, dim):
    """x with src[i][j] written at [index[i][j]][j]. Where indices repeat, the last stays."""
    y = np.array(x)
    np.atleast_1d(y)[grid(x, index, dim, "scatter")] = fitting(src, index, "scatter")
    return y


@scatter.signature
def scatter_call(x, dim, index, src=None, *, value=None, reduce=None):
    dim = normal_dim(dim, x.ndim, "scatter")
    src = value if src is None else src
    if isinstance(src, (int, float, bool)):
        src = filled(x, index.shape, src)
    if reduce is None:
        return scatter.apply(x, index, src, dim=dim)
    names = {"add": "sum", "multiply": "prod"}
    if reduce not in names:
        raise ArgumentError(f"scatter: reduce must be 'add' or 'multiply': {reduce!r}")
    return scatter_reduce(x, dim, index, src, names[reduce])


def filled(like, shape, number):
    """A tensor of `shape`, in the dtype of `like`, of one number."""
    return zeros(like, shape) + number


@scatter.spec
def scatter_spec(x, index, src, *, dim):
    return x


@scatter.grad(keeps=("index",))
def scatter_grad(g, y, x, index, src, *, dim):
    at = gather.apply(g, index, dim=dim)
    return scatter.apply(g, index, at * 0.0, dim=dim), None, padded(at, src)


def scatter_reduce(x, dim, index, src, reduce, *, include_self=True):
    """x reduced with src at index: by "sum", "mean", "prod", "amax" or "amin"."""
    dim = normal_dim(dim, x.ndim, "scatter_reduce")
    if reduce not in ("sum", "mean", "prod", "amax", "amin"):
        raise ArgumentError(f"scatter_reduce: not sum, mean, prod, amax or amin: {reduce!r}")
    if not include_self:
        start = filled(x, index.shape, neutral(reduce, as_dtype(x.dtype)))
        x = scatter.apply(x, index, start, dim=dim)
    if reduce in ("prod", "amax", "amin"):
        return scatter_extreme.apply(x, index, src, dim=dim, reduce=reduce)
    total = scatter_add.apply(x, index, src, dim=dim)
    if reduce == "sum":
        return total
    count = filled(x, x.shape, int(include_self))
    count = scatter_add.apply(count, index, filled(x, src.shape, 1), dim=dim)
    count = where(eq(count, 0), 1, count)
    return total / count if as_dtype(x.dtype).is_floating_point else floor_divide(total, count)


def neutral(reduce, dtype):
    """What a reduction starts from: what changes nothing."""
    if reduce in ("sum", "mean", "prod"):
        return int(reduce == "prod")
    limits = (-math.inf, math.inf)
    if dtype.category == 1:
        limits = (iinfo(dtype).min, iinfo(dtype).max)
    return limits[reduce == "amin"]


@op
def scatter_extreme(x, index, src, *, dim, reduce):
    """x with its elements at index replaced by their product, maximum or minimum with src."""
    ufunc = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce]
    y = np.array(x)
    places = grid(x, index, dim, "scatter_reduce")
    ufunc.at(np.atleast_1d(y), places, fitting(src, index, "scatter_reduce"))
    return y


@scatter_extreme.spec
def scatter_extreme_spec(x, index, src, *, dim, reduce):
    return x


@scatter_extreme.grad
def scatter_extreme_grad(g, y, x, index, src, *, dim, reduce):
    at = gather.apply(y, index, dim=dim)
    g_at = gather.apply(g, index, dim=dim)
    used = used_part(src, index)
    if reduce == "prod":
        gx = g * scatter_extreme.apply(filled(x, x.shape, 1), index, used, dim=dim, reduce="prod")
        return gx, None, padded(g_at * product_of_others(x, index, used, at, dim), src)
    wins_x, wins_src = eq(x, y), eq(used, at)
    ties = scatter_add.apply(wins_x * 1.0, index, wins_src * 1.0, dim=dim)
    share = gather.apply(ties, index, dim=dim)
    return g * wins_x / ties, None, padded(g_at * wins_src / share, src)


def used_part(src, index):
    """The part of src that has an index, as a view."""
    if tuple(src.shape) == tuple(index.shape):
        return src
    return view.apply(src, index=tuple((0, n, None) for n in index.shape))


def product_of_others(x, index, src, at, dim):
    """For each element of src, the product `at` that it went into, without itself.

    A quotient, but for a 0, which must not divide: if it is the only one, the product of the
    rest; if it is not, 0 (a constant, so second derivatives where two zeros meet are lost).
    """
    is_zero = eq(src, 0)
    divisor = where(is_zero, 1.0, src)
    none = filled(x, x.shape, 0)
    zeros_at = gather.apply(scatter_add.apply(none, index, is_zero * 1.0, dim=dim), index, dim=dim)
    rest = scatter_extreme.apply(x, index, divisor, dim=dim, reduce="prod")
    rest_at = where(eq(zeros_at, 1), gather.apply(rest, index, dim=dim), 0.0)
    return where(is_zero, rest_at, at / divisor)


# One index per slice along a dim


def index_select(x, dim, index):
    """The slices of x along `dim` that the 1-D tensor `index` lists."""
    index, dim = index_1d(index, "index_select"), normal_dim(dim, x.ndim, "index_select")
    if not x.ndim:
        return reshape.apply(take.apply(reshape.apply(x, shape=(1,)), index, dims=(0,)), shape=())
    return take.apply(x, index, dims=(dim,))


def index_1d(index, name):
    if index.ndim > 1:
        raise IndexingError(f"{name}: index must have one dim: {list(index.shape)}")
    return at_least_1d(index)


def index_add(x, dim, index, source, *, alpha=1):
    """x with the slices of `source` added along `dim` where `index` says."""
    dim, index = normal_dim(dim, x.ndim, "index_add"), index_1d(index, "index_add")
    check_slices(x, dim, index, source, "index_add")
    source = source if alpha == 1 else source * alpha
    return put.apply(x, source, index, dims=(dim,), accumulate=True)


def index_copy(x, dim, index, source):
    """x with the slices of `source` written along `dim` where `index` says."""
    dim, index = normal_dim(dim, x.ndim, "index_copy"), index_1d(index, "index_copy")
    check_slices(x, dim, index, source, "index_copy")
    return put.apply(x, source, index, dims=(dim,), accumulate=False)


def check_slices(x, dim, index, source, name):
    """A slice of `source` per index, of the sizes that the slices of x have."""
    expected = (*x.shape[:dim], index.shape[0], *x.shape[dim + 1 :])
    if tuple(source.shape) != expected:
        raise ShapeError(f"{name}: source must be {list(expected)}: {list(source.shape)}")


def index_fill(x, dim, index, value):
    """x with the slices along `dim` that `index` lists filled with `value`."""
    dims = (normal_dim(dim, x.ndim, "index_fill"),)
    return put.apply(x, value, index_1d(index, "index_fill"), dims=dims, accumulate=False)


def index_put(x, indices, values, accumulate=False):
    """x with `values` written (or added) at the positions that the index tensors list.

    None among the indices stands for all of that dim.
    """
    index = tuple(slice(None) if i is None else at_least_1d(i) for i in indices)
    _, arrays, dims = split_index(x, index)
    return put.apply(x, values, *arrays, dims=dims, accumulate=accumulate)


def at_least_1d(index):
    return index if index.ndim else reshape.apply(index, shape=(1,))


def take_along_dim(x, indices, dim=None):
    """x at `indices` along `dim`, the other dims broadcast; of the flat x without a dim."""
    if dim is None:
        return take_flat(x, reshape.apply(indices, shape=(-1,)))
    dim = normal_dim(dim, x.ndim, "take_along_dim")
    if x.ndim != indices.ndim:
        raise ShapeError(f"take_along_dim: dims differ: {x.ndim} and {indices.ndim}")
    same = (*x.shape[:dim], 1, *x.shape[dim + 1 :])
    other = (*indices.shape[:dim], 1, *indices.shape[dim + 1 :])
    common = broadcast_shapes(same, other, op="take_along_dim")
    x = expand.apply(x, shape=(*common[:dim], x.shape[dim], *common[dim + 1 :]))
    index = expand.apply(indices, shape=(*common[:dim], indices.shape[dim], *common[dim + 1 :]))
    return gather.apply(x, index, dim=dim)


def take_flat(x, index):
    """x, as if it had one dim, at `index` (PyTorch's `take`)."""
    return take.apply(reshape.apply(x, shape=(-1,)), index, dims=(0,))


# Masks


def masked_fill(x, mask, value):
    """x with `value`, in the dtype of x, where the mask holds."""
    if as_dtype(mask.dtype).name != "bool":
        raise DTypeError(f"masked_fill: the mask must be boolean: {as_dtype(mask.dtype)}")
    if not isinstance(value, (int, float, bool)) and value.ndim:
        raise ShapeError(f"masked_fill: the value must be a number: {list(value.shape)}")
    if hasattr(value, "ndim"):
        value = cast.apply(value, dtype=as_dtype(x.dtype))
    elif not as_dtype(x.dtype).is_floating_point:
        value = bool(value) if as_dtype(x.dtype).name == "bool" else int(value)
    return where(mask, value, x)


def masked_select(x, mask):
    """The elements of x where the mask holds, in row-major order."""
    shape = broadcast_shapes(x.shape, mask.shape, op="masked_select")
    return getitem(expand.apply(x, shape=shape), expand.apply(mask, shape=shape))


def masked_scatter(x, mask, source):
    """x with the elements of `source` written, in order, where the mask holds."""
    mask = expand.apply(mask, shape=tuple(x.shape))
    places = nonzero(mask, as_tuple=True)
    count = places[0].shape[0]
    if math.prod(source.shape) < count:
        raise ShapeError(f"masked_scatter: {count} elements needed: {list(source.shape)}")
    values = getitem(reshape.apply(source, shape=(-1,)), slice(count))
    return put.apply(x, values, *places, dims=tuple(range(x.ndim)), accumulate=False)


@op
def nonzero(x):
    """The positions of the elements that are not 0, a row each, in row-major order.

    Shapes: x (...) -> (count, x.ndim): the size depends on the data.
    """
    return np.stack(np.atleast_1d(x).nonzero(), axis=1)[:, : x.ndim].astype(np.int64)


@nonzero.signature
def nonzero_call(x, *, as_tuple=False):
    if not as_tuple:
        return nonzero.apply(x)
    x = x if x.ndim else reshape.apply(x, shape=(1,))
    found = nonzero.apply(x)
    return tuple(found[:, d] for d in range(x.ndim))


@nonzero.spec
def nonzero_spec(x):
    raise UnknownSizeError(f"nonzero: the size of the result depends on the data: {x}")


def argwhere(x):
    """The indices of all elements that are not 0, one per row."""
    return nonzero.apply(x)


# Parts written to a copy


def put_flat(x, index, source, accumulate=False):
    """x, as if it had one dim, with `source` written (or added) at `index` (PyTorch's `put`)."""
    flat, index = reshape.apply(x, shape=(-1,)), reshape.apply(index, shape=(-1,))
    source = reshape.apply(source, shape=tuple(index.shape))
    y = put.apply(flat, source, index, dims=(0,), accumulate=accumulate)
    return reshape.apply(y, shape=tuple(x.shape))


def select_scatter(x, src, dim, index):
    """x with `src` in place of x.select(dim, index)."""
    dim = normal_dim(dim, x.ndim, "select_scatter")
    if not -x.shape[dim] <= index < x.shape[dim]:
        raise IndexingError(f"select_scatter: {index} is out of range for {list(x.shape)}")
    src = reshape.apply(src, shape=(*src.shape[:dim], 1, *src.shape[dim:]))
    return slices_written("select_scatter", x, src, dim, np.array([index % x.shape[dim]]))


def slice_scatter(x, src, dim=0, start=None, end=None, step=1):
    """x with `src` in place of the slice start:end:step along `dim`."""
    dim = normal_dim(dim, x.ndim, "slice_scatter")
    if step <= 0:
        raise IndexingError(f"slice_scatter: a step > 0 expected: {step}")
    places = np.arange(x.shape[dim])[slice(start, end, step)]
    return slices_written("slice_scatter", x, src, dim, places)


def slices_written(name, x, src, dim, places):
    check_slices(x, dim, places, src, name)
    return put.apply(x, src, places, dims=(dim,), accumulate=False)


def diagonal_scatter(x, src, offset=0, dim1=0, dim2=1):
    """x with `src` in place of x.diagonal(offset, dim1, dim2)."""
    dim1, dim2 = (normal_dim(d, x.ndim, "diagonal_scatter") for d in (dim1, dim2))
    places = np.arange(max(x.shape[dim1], x.shape[dim2]))
    rows, columns = places - min(offset, 0), places + max(offset, 0)
    inside = (rows < x.shape[dim1]) & (columns < x.shape[dim2])
    first, rest = movedim(x, (dim1, dim2), (0, 1)), movedim(src, -1, 0)
    check_slices(first[0], 0, places[inside], rest, "diagonal_scatter")
    y = put.apply(first, rest, rows[inside], columns[inside], dims=(0, 1), accumulate=False)
    return movedim(y, (0, 1), (dim1, dim2))
