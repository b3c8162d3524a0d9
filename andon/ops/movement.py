"""Movement: the same elements under another shape. Nothing here computes; most share memory.

Reshapes, permutations and broadcasts are views as long as strides can express them. `cast` and
`sum_to` stand here as well: they bring a gradient back to its operand's dtype and shape.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import DType
from ..core.dtype import dtype as as_dtype
from ..core.errors import ShapeError
from ..core.op import op
from ..core.spec import (
    Spec,
    broadcast_shapes,
    fill_minus_one,
    normal_dim,
    normal_dims,
    sizes_from,
)
from .accumulate import add_up
from .keywords import numpy_keywords


@op
def sum_to(x, *, shape, dtype):
    """x summed over the dims along which broadcasting had repeated it, cast to `dtype`.

    Shapes: x (..., *sizes) -> shape. The adjoint of `expand`, for gradients.
    """
    if x.shape != shape:
        extra = x.ndim - len(shape)
        repeated = (i for i, n in enumerate(x.shape) if i < extra or shape[i - extra] != n)
        y = add_up(x, dim=tuple(repeated)).reshape(shape)
        x = y if x.dtype.kind in "fV" else y.astype(x.dtype)
    return x if x.dtype == dtype.numpy else x.astype(dtype.numpy)


@sum_to.spec
def sum_to_spec(x, *, shape, dtype):
    return Spec(shape, dtype)


@sum_to.grad(keeps=())
def sum_to_grad(g, y, x, *, shape, dtype):
    return (expand.apply(g, shape=tuple(x.shape)),)


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


@op
def after(x, token):
    """x, but not before `token` is there: what is computed of it is computed late.

    For graphs, where what is read late is not kept until then, nor is it merged with the same read
    early: a checkpoint computes again there, once the gradient has arrived.
    """
    return x.copy()


@after.spec
def after_spec(x, token):
    return Spec(tuple(x.shape), x.dtype)


@after.grad(keeps=())
def after_grad(g, y, x, token):
    return g, None


def sum_to_size(x, *size):
    """x summed over the dims along which `size` would have to be repeated to give it."""
    size = sizes_from(size)
    if len(size) > x.ndim or broadcast_shapes(size, x.shape, op="sum_to_size") != tuple(x.shape):
        raise ShapeError(f"sum_to_size: a shape that grows to {list(x.shape)}: {list(size)}")
    return sum_to.apply(x, shape=size, dtype=as_dtype(x.dtype))


# Broadcasts


@op(view=True)
def expand(x, *, shape):
    """x with dims of size 1 repeated up to `shape`, without a copy."""
    y = np.broadcast_to(x, shape)
    return x.reshape(shape) if y.size == x.size else y  # what repeats nothing can be written to


@expand.signature
def expand_call(x, *sizes):
    sizes = sizes_from(sizes)
    extra = len(sizes) - x.ndim
    if extra < 0 or any(n < 0 for n in sizes[:extra]):
        raise ShapeError(f"expand: sizes for {x.ndim} dims or more expected: {list(sizes)}")
    old = zip(sizes[extra:], x.shape, strict=True)
    kept = (have if n == -1 else n for n, have in old)
    return expand.apply(x, shape=(*sizes[:extra], *kept))


@expand.spec
def expand_spec(x, *, shape):
    if len(shape) < x.ndim or broadcast_shapes(x.shape, shape, op="expand") != shape:
        raise ShapeError(f"expand: only dims of size 1 can grow: {x} to {list(shape)}")
    return Spec(shape, x.dtype)


@expand.grad(keeps=())
def expand_grad(g, y, x, *, shape):
    return (sum_to.apply(g, shape=tuple(x.shape), dtype=as_dtype(x.dtype)),)


def expand_as(x, other):
    """x repeated up to the shape of `other`."""
    return expand(x, tuple(other.shape))


def broadcast_to(x, *shape):
    """x repeated up to `shape` (PyTorch's second name for `expand`)."""
    return expand(x, *shape)


def broadcast_tensors(*tensors):
    """The tensors, each repeated up to the shape that all of them broadcast to."""
    shape = broadcast_shapes(*(x.shape for x in tensors), op="broadcast_tensors")
    return tuple(expand.apply(x, shape=shape) for x in tensors)


# Reshapes


@op(view=True)
def reshape(x, *, shape):
    """The same elements in row-major order under a new shape; a view where strides allow."""
    return x.reshape(shape)


@reshape.signature
def reshape_call(x, *sizes, shape=None):
    sizes = sizes_from(sizes if shape is None else (shape,))
    if sizes and min(sizes) < 0:
        sizes = fill_minus_one(sizes, math.prod(x.shape))
    return reshape.apply(x, shape=sizes)


@reshape.spec
def reshape_spec(x, *, shape):
    return Spec(fill_minus_one(shape, math.prod(x.shape)), x.dtype)


@reshape.grad(keeps=())
def reshape_grad(g, y, x, *, shape):
    return (reshape.apply(g, shape=tuple(x.shape)),)


def reshape_as(x, other):
    """x under the shape of `other`."""
    return reshape.apply(x, shape=tuple(other.shape))


def view(x, *shape, dtype=None):
    """x under a new shape, or its bytes as another dtype, always on the same memory.

    Raises: ShapeError where the strides of x would make a copy necessary.
    """
    if dtype is not None or (shape and isinstance(shape[0], DType)):
        return bitcast.apply(x, dtype=shape[0] if dtype is None else dtype)
    y = reshape(x, *shape)
    if not x.is_contiguous() and y.data_ptr() != x.data_ptr():
        raise ShapeError(
            f"view: the elements do not lie in that order, reshape() would copy them: "
            f"{list(x.shape)} to {list(y.shape)}"
        )
    return y


def view_as(x, other):
    """x under the shape of `other`, on the same memory."""
    return view(x, tuple(other.shape))


@op(view=True)
def bitcast(x, *, dtype):
    """The bytes of x read as another dtype: `x.view(dtype)`. It has no gradient.

    Shapes: the last dim shrinks or grows by the ratio of the element sizes.
    """
    return x.view(dtype.numpy)


@bitcast.spec
def bitcast_spec(x, *, dtype):
    old, new = x.dtype.itemsize, dtype.itemsize
    if old == new:
        return Spec(x.shape, dtype)
    if x.ndim == 0 or x.shape[-1] * old % new:
        raise ShapeError(f"view: the last dim is not a whole number of {dtype.name}s: {x}")
    return Spec((*x.shape[:-1], x.shape[-1] * old // new), dtype)


@numpy_keywords
def unsqueeze(x, dim):
    """x with a new dim of size 1 at `dim`."""
    dim = normal_dim(dim, x.ndim + 1, "unsqueeze")
    return reshape.apply(x, shape=(*x.shape[:dim], 1, *x.shape[dim:]))


@numpy_keywords
def squeeze(x, dim=None):
    """x without its dims of size 1: all of them, or those of `dim` that are."""
    drop = normal_dims(dim, x.ndim, "squeeze")
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
    merged = math.prod(x.shape[start : end + 1])
    return reshape.apply(x, shape=(*x.shape[:start], merged, *x.shape[end + 1 :]))


def ravel(x):
    """x with one dim."""
    return reshape.apply(x, shape=(math.prod(x.shape),))


def unflatten(x, dim, sizes):
    """x with the dim `dim` split into several of the given sizes, one of which may be -1."""
    dim = normal_dim(dim, x.ndim, "unflatten")
    sizes = fill_minus_one(sizes, x.shape[dim] if x.ndim else 1, "unflatten")
    return reshape.apply(x, shape=(*x.shape[:dim], *sizes, *x.shape[dim + 1 :]))


def atleast(ndim, x):
    """x with dims of size 1 added as NumPy does: in front, but the third one at the end."""
    shape = tuple(x.shape)
    if x.ndim == 0 or (x.ndim == 1 and ndim > 1):
        shape = (1,) * (min(ndim, 2) - x.ndim) + shape
    if ndim == 3 and len(shape) == 2:
        shape = (*shape, 1)
    return reshape.apply(x, shape=shape)


def atleast_1d(*tensors):
    """Each tensor with at least one dim."""
    return of_each(1, tensors)


def atleast_2d(*tensors):
    """Each tensor with at least two dims: a vector as a row."""
    return of_each(2, tensors)


def atleast_3d(*tensors):
    """Each tensor with at least three dims: a matrix as one slice, its last dim 1."""
    return of_each(3, tensors)


def of_each(ndim, tensors):
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    made = tuple(atleast(ndim, x) for x in tensors)
    return made[0] if len(made) == 1 else made


# Permutations


@op(view=True)
def permute(x, *, dims):
    """x with its dims in the order `dims`."""
    return x.transpose(dims)


@permute.signature
def permute_call(x, *order, dims=None):
    order = sizes_from(order if dims is None else (dims,))
    return permute.apply(x, dims=tuple(normal_dim(d, x.ndim, "permute") for d in order))


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
    dim0, dim1 = normal_dim(dim0, x.ndim, "transpose"), normal_dim(dim1, x.ndim, "transpose")
    if dims:
        dims[dim0], dims[dim1] = dims[dim1], dims[dim0]
    return permute.apply(x, dims=tuple(dims))


def swap_last(x):
    """xᵀ over the last two dims."""
    return permute.apply(x, dims=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def t(x):
    """The transpose of a matrix; a vector stays as it is."""
    if x.ndim > 2:
        raise ShapeError(f"t: at most 2 dims expected: {list(x.shape)}")
    return reversed_dims(x)


def reversed_dims(x):
    """x with its dims in reverse order: `x.T`."""
    return permute.apply(x, dims=tuple(reversed(range(x.ndim))))


def matrix_transpose(x):
    """x with its last two dims swapped: `x.mT`."""
    if x.ndim < 2:
        raise ShapeError(f"mT: at least 2 dims expected: {list(x.shape)}")
    return swap_last(x)


def conjugate_transpose(x):
    """The transpose of a matrix: `x.H`, since the conjugate of a real number is itself."""
    if x.ndim not in (0, 2):
        raise ShapeError(f"H: a matrix expected: {list(x.shape)}")
    return reversed_dims(x)


def movedim(x, source, destination):
    """x with the dims `source` (an int, or several) moved to `destination`; the rest in order."""
    source = normal_dims(source, x.ndim, "movedim")
    destination = normal_dims(destination, x.ndim, "movedim")
    if len(source) != len(destination):
        raise ShapeError(f"movedim: as many dims to as from: {source} to {destination}")
    rest = [d for d in range(x.ndim) if d not in source]
    for to, d in sorted(zip(destination, source, strict=True)):
        rest.insert(to, d)
    return permute.apply(x, dims=tuple(rest))


# Copies


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
def clone_call(x, *, memory_format=None):
    return clone.apply(x)


@clone.spec
def clone_spec(x):
    return x


@clone.grad(keeps=())
def clone_grad(g, y, x):
    return (g,)
