"""Gather and scatter: one index tensor that says, for each element, where along a dim it is."""

from __future__ import annotations

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.errors import DTypeError, GraphError, IndexingError, ShapeError
from ..core.op import op
from ..core.spec import Spec, broadcast_shapes, normal_dim
from .index import getitem, place, put, put_add, split_index, take, zeros
from .logic import eq, where
from .movement import expand, reshape


@op
def gather(x, index, *, dim):
    """y[i][j] = x[index[i][j]][j] for dim 0, and likewise for the others.

    Shapes: index has the dims of x, at most its sizes except along `dim` -> the shape of index.
    """
    return x[grid(x, index, dim, "gather")]


def grid(x, index, dim, name):
    """NumPy indices that pair each element of `index` with its own place in the other dims."""
    if index.dtype.kind not in "iu":
        raise DTypeError(f"{name}: index must hold integers: {index.dtype}")
    if x.ndim == 0 or index.ndim == 0:
        index = index.reshape(-1)[:1] if x.ndim else index
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
    np.add.at(y, places, fitting(src, index, "scatter_add"))
    return y


def fitting(src, index, name):
    """The part of `src` that has an index."""
    if src.ndim != index.ndim or any(
        n > m for n, m in zip(index.shape, src.shape, strict=True)
    ):
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
    y = x.copy()
    y[grid(x, index, dim, "scatter")] = fitting(src, index, "scatter")
    return y


@scatter.signature
def scatter_call(x, dim, index, src=None, *, value=None, reduce=None):
    dim = normal_dim(dim, x.ndim, "scatter")
    if reduce is not None:
        names = {"add": "sum", "multiply": "prod"}
        return scatter_reduce(x, dim, index, full_src(x, index, src, value), names[reduce])
    return scatter.apply(x, index, full_src(x, index, src, value), dim=dim)


def full_src(x, index, src, value):
    """The source of a scatter; a number stands for a tensor full of it."""
    number = value if src is None else src
    return zeros(x, index.shape) + number if isinstance(number, (int, float, bool)) else number


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
    start = {"sum": 0.0, "mean": 0.0, "prod": 1.0, "amax": -np.inf, "amin": np.inf}
    if reduce not in start:
        raise ValueError(f"scatter_reduce: not one of {', '.join(start)}: {reduce!r}")
    if not include_self:
        x = scatter.apply(x, index, src * 0 + start[reduce], dim=dim)
    if reduce == "sum":
        return scatter_add.apply(x, index, src, dim=dim)
    if reduce == "mean":
        total = scatter_add.apply(x, index, src, dim=dim)
        ones = scatter_add.apply(x * 0 + float(include_self), index, src * 0 + 1, dim=dim)
        return total / where(eq(ones, 0), 1.0, ones)
    return scatter_extreme.apply(x, index, src, dim=dim, reduce=reduce)


@op
def scatter_extreme(x, index, src, *, dim, reduce):
    """x with its elements at index replaced by their product, maximum or minimum with src."""
    ufunc = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce]
    y = x.copy()
    ufunc.at(y, grid(x, index, dim, "scatter_reduce"), fitting(src, index, "scatter_reduce"))
    return y


@scatter_extreme.spec
def scatter_extreme_spec(x, index, src, *, dim, reduce):
    return x


@scatter_extreme.grad
def scatter_extreme_grad(g, y, x, index, src, *, dim, reduce):
    at = gather.apply(y, index, dim=dim)
    g_at = gather.apply(g, index, dim=dim)
    if reduce == "prod":  # exact where nothing is 0
        return g * y / x, None, padded(g_at * at / src, src)
    wins_x, wins_src = eq(x, y), eq(src, at)
    ties = scatter_add.apply(wins_x * 1.0, index, wins_src * 1.0, dim=dim)
    share = gather.apply(ties, index, dim=dim)
    return g * wins_x / ties, None, padded(g_at * wins_src / share, src)


# One index per slice along a dim


def index_select(x, dim, index):
    """The slices of x along `dim` that the 1-D tensor `index` lists."""
    return take.apply(x, index_1d(index, "index_select"), dims=(normal_dim(dim, x.ndim),))


def index_1d(index, name):
    if index.ndim > 1:
        raise IndexingError(f"{name}: index must have one dim: {list(index.shape)}")
    return index if index.ndim else reshape.apply(index, shape=(1,))


def index_add(x, dim, index, source, *, alpha=1):
    """x with the slices of `source` added along `dim` where `index` says."""
    dim = normal_dim(dim, x.ndim, "index_add")
    source = source if alpha == 1 else source * alpha
    added = put_add.apply(
        source, index_1d(index, "index_add"), dims=(dim,), shape=tuple(x.shape)
    )
    return x + added


def index_copy(x, dim, index, source):
    """x with the slices of `source` written along `dim` where `index` says."""
    dims = (normal_dim(dim, x.ndim, "index_copy"),)
    return put.apply(x, source, index_1d(index, "index_copy"), dims=dims, accumulate=False)


def index_fill(x, dim, index, value):
    """x with the slices along `dim` that `index` lists filled with `value`."""
    dims = (normal_dim(dim, x.ndim, "index_fill"),)
    return put.apply(x, value, index_1d(index, "index_fill"), dims=dims, accumulate=False)


def index_put(x, indices, values, accumulate=False):
    """x with `values` written (or added) at the positions that the index tensors list."""
    _, arrays, dims = split_index(x, tuple(indices))
    return put.apply(x, values, *arrays, dims=dims, accumulate=accumulate)


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
    """x with `value` where the mask holds."""
    if as_dtype(mask.dtype).name != "bool":
        raise DTypeError(f"masked_fill: the mask must be boolean: {as_dtype(mask.dtype)}")
    if not isinstance(value, (int, float, bool)):
        if value.ndim:
            raise ShapeError(f"masked_fill: the value must be a number: {list(value.shape)}")
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
    found = nonzero.apply(x)
    return tuple(found[:, d] for d in range(x.ndim)) if as_tuple else found


@nonzero.spec
def nonzero_spec(x):
    raise GraphError(f"nonzero: the size of the result depends on the data: {x}")


argwhere = nonzero.apply
