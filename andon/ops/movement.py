"""Movement: the same elements under another shape. Nothing here computes; most share memory."""

from __future__ import annotations


import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.errors import ShapeError
from ..core.op import op
from ..core.spec import (
    Spec,
    broadcast_shapes,
    fill_minus_one,
    normal_dim,
    sizes_from,
)


@op
def sum_to(x, *, shape, dtype):
    """x summed over the dims along which broadcasting had repeated it, cast to `dtype`.

    Shapes: x (..., *sizes) -> shape. The adjoint of `expand`, for gradients.
    """
    if x.shape != shape:
        extra = x.ndim - len(shape)
        repeated = (i for i, n in enumerate(x.shape) if i < extra or shape[i - extra] != n)
        x = x.sum(axis=tuple(repeated), dtype=x.dtype).reshape(shape)
    return x if x.dtype == dtype.numpy else x.astype(dtype.numpy)


@sum_to.spec
def sum_to_spec(x, *, shape, dtype):
    return Spec(shape, dtype)


@sum_to.grad(keeps=())
def sum_to_grad(g, y, x, *, shape, dtype):
    return (expand(g, x.shape),)


@op
def cast(x, *, dtype):
    """x as another dtype. Floats go to integers by truncation."""
    return x.astype(dtype.numpy)


@cast.spec
def cast_spec(x, *, dtype):
    return Spec(x.shape, dtype)


@cast.grad(keeps=())
def cast_grad(g, y, x, *, dtype):
    return (cast.apply(g, dtype=as_dtype(x.dtype)),)


@op(view=True)
def expand(x, *, shape):
    """x with dims of size 1 repeated up to `shape`, without a copy."""
    return np.broadcast_to(x, shape)


@expand.signature
def expand_call(x, *sizes):
    sizes = sizes_from(sizes)
    kept = (1,) * (len(sizes) - x.ndim) + tuple(x.shape)
    shape = tuple(
        have if n == -1 else n for n, have in zip(sizes, kept, strict=len(sizes) >= x.ndim)
    )
    return expand.apply(x, shape=shape)


@expand.spec
def expand_spec(x, *, shape):
    if len(shape) < x.ndim or broadcast_shapes(x.shape, shape, op="expand") != shape:
        raise ShapeError(f"expand: only dims of size 1 can grow: {x} to {list(shape)}")
    return Spec(shape, x.dtype)


@expand.grad(keeps=())
def expand_grad(g, y, x, *, shape):
    return (sum_to.apply(g, shape=tuple(x.shape), dtype=as_dtype(x.dtype)),)


@op(view=True)
def reshape(x, *, shape):
    """The same elements in row-major order under a new shape; a view where strides allow."""
    return x.reshape(shape)


@reshape.signature
def reshape_call(x, *shape):
    shape = sizes_from(shape)
    size = int(np.prod(x.shape, dtype=np.int64))
    return reshape.apply(x, shape=fill_minus_one(shape, size) if -1 in shape else shape)


@reshape.spec
def reshape_spec(x, *, shape):
    return Spec(fill_minus_one(shape, int(np.prod(x.shape))), x.dtype)


@reshape.grad(keeps=())
def reshape_grad(g, y, x, *, shape):
    return (reshape.apply(g, shape=tuple(x.shape)),)


@op(view=True)
def permute(x, *, dims):
    """x with its dims in the order `dims`."""
    return x.transpose(dims)


@permute.signature
def permute_call(x, *dims):
    dims = sizes_from(dims)
    return permute.apply(x, dims=tuple(normal_dim(d, x.ndim, "permute") for d in dims))


@permute.spec
def permute_spec(x, *, dims):
    if sorted(dims) != list(range(x.ndim)):
        raise ShapeError(f"permute: dims must name each of {x.ndim} dims once: {list(dims)}")
    return Spec(tuple(x.shape[d] for d in dims), x.dtype)


@permute.grad(keeps=())
def permute_grad(g, y, x, *, dims):
    inverse = sorted(range(len(dims)), key=dims.__getitem__)
    return (permute.apply(g, dims=tuple(inverse)),)


def transpose(x, dim0, dim1):
    """x with two dims swapped."""
    dims = list(range(x.ndim))
    if x.ndim == 0:
        return permute.apply(x, dims=())
    dim0, dim1 = normal_dim(dim0, x.ndim, "transpose"), normal_dim(dim1, x.ndim, "transpose")
    dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
    return permute.apply(x, dims=tuple(dims))


def swap_last(x):
    """xᵀ over the last two dims."""
    return permute.apply(x, dims=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def unsqueeze(x, dim):
    """x with a new dim of size 1 at `dim`."""
    dim = normal_dim(dim, x.ndim + 1, "unsqueeze")
    return reshape.apply(x, shape=(*x.shape[:dim], 1, *x.shape[dim:]))


def squeeze(x, dim=None):
    """x without its dims of size 1: all of them, or those of `dim` that are."""
    if dim is None:
        drop = set(range(x.ndim))
    else:
        dims = dim if isinstance(dim, (tuple, list)) else (dim,)
        drop = {normal_dim(d, x.ndim, "squeeze") for d in dims}
    shape = tuple(n for i, n in enumerate(x.shape) if n != 1 or i not in drop)
    return reshape.apply(x, shape=shape)


def flatten(x, start_dim=0, end_dim=-1):
    """x with the dims from `start_dim` to `end_dim` merged into one."""
    if x.ndim == 0:
        return reshape.apply(x, shape=(1,))
    start = normal_dim(start_dim, x.ndim, "flatten")
    end = normal_dim(end_dim, x.ndim, "flatten")
    if start > end:
        raise ShapeError(f"flatten: start_dim comes after end_dim: {start_dim}, {end_dim}")
    merged = int(np.prod(x.shape[start : end + 1], dtype=np.int64))
    return reshape.apply(x, shape=(*x.shape[:start], merged, *x.shape[end + 1 :]))


@op
def contiguous(x):
    """x copied to row-major order."""
    return np.ascontiguousarray(x)


@contiguous.signature
def contiguous_call(x, memory_format=None):
    return x if x.is_contiguous() else contiguous.apply(x)


@contiguous.spec
def contiguous_spec(x):
    return x


@contiguous.grad(keeps=())
def contiguous_grad(g, y, x):
    return (g,)


@op
def clone(x):
    """A copy of x that keeps its gradient."""
    return x.copy()


@clone.signature
def clone_call(x, memory_format=None):
    return clone.apply(x)


@clone.spec
def clone_spec(x):
    return x


@clone.grad(keeps=())
def clone_grad(g, y, x):
    return (g,)


