"""Diagonals and triangles of matrices: to read, to build, to cut off."""

from __future__ import annotations

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import int64
from ..core.errors import ShapeError
from ..core.op import op
from ..core.spec import Spec, normal_dim
from .join import cat
from .movement import atleast, ravel
from .padding import constant_pad
from .reduce import sum


@op
def tril(x, *, diagonal):
    """x with 0 above the diagonal (0: the main one, > 0: above it, < 0: below)."""
    return np.tril(x, diagonal)


@op
def triu(x, *, diagonal):
    """x with 0 below the diagonal."""
    return np.triu(x, diagonal)


@tril.signature
def tril_call(x, diagonal=0):
    return triangle(tril, x, diagonal)


@triu.signature
def triu_call(x, diagonal=0):
    return triangle(triu, x, diagonal)


def triangle(op, x, diagonal):
    if x.ndim < 2:  # of a vector, NumPy would make a matrix
        raise ShapeError(f"{op}: at least 2 dims expected: {list(x.shape)}")
    return op.apply(x, diagonal=diagonal)


@tril.spec
@triu.spec
def triangle_spec(x, *, diagonal):
    return x


@tril.grad(keeps=())
def tril_grad(g, y, x, *, diagonal):
    return (tril.apply(g, diagonal=diagonal),)


@triu.grad(keeps=())
def triu_grad(g, y, x, *, diagonal):
    return (triu.apply(g, diagonal=diagonal),)


@op
def triangle_indices(*, rows, columns, offset, upper, dtype):
    """The row and column numbers of the elements in a triangle, in row-major order.

    Shapes: () -> (2, count).
    """
    indices = np.triu_indices if upper else np.tril_indices
    return np.stack(indices(rows, offset, columns)).astype(dtype.numpy)


@triangle_indices.spec
def triangle_indices_spec(**attrs):
    return Spec(triangle_indices.reference(**attrs).shape, attrs["dtype"])


def tril_indices(row, col, offset=0, *, dtype=int64, device=None):
    """Where the lower triangle of a row × col matrix is: row numbers and column numbers."""
    return indices_call(row, col, offset, dtype, upper=False)


def triu_indices(row, col, offset=0, *, dtype=int64, device=None):
    """Where the upper triangle of a row × col matrix is: row numbers and column numbers."""
    return indices_call(row, col, offset, dtype, upper=True)


def indices_call(row, col, offset, dtype, upper):
    if row < 0 or col < 0:
        raise ShapeError(f"triangle: sizes >= 0 expected: {row} and {col}")
    return triangle_indices.apply(
        rows=row, columns=col, offset=offset, upper=upper, dtype=as_dtype(dtype)
    )


@op(view=True)
def diagonal(x, *, offset, dim1, dim2):
    """The elements at (i, i + offset) of dims dim1 and dim2, as a new last dim: a view."""
    y = np.diagonal(x, offset, dim1, dim2)
    y.flags.writeable = x.flags.writeable  # NumPy's own is read-only
    return y


@diagonal.signature
def diagonal_call(x, offset=0, dim1=0, dim2=1):
    return diagonal.apply(x, offset=offset, **two_dims(x.ndim, dim1, dim2, "diagonal"))


def two_dims(ndim, dim1, dim2, name):
    """The two dims that a diagonal runs through."""
    dim1, dim2 = normal_dim(dim1, ndim, name), normal_dim(dim2, ndim, name)
    if dim1 == dim2:
        raise ShapeError(f"{name}: two different dims expected: {dim1} and {dim2}")
    return {"dim1": dim1, "dim2": dim2}


@diagonal.spec
def diagonal_spec(x, *, offset, dim1, dim2):
    rest = [n for d, n in enumerate(x.shape) if d not in (dim1, dim2)]
    rows, columns = x.shape[dim1] + min(offset, 0), x.shape[dim2] - max(offset, 0)
    return Spec((*rest, max(0, min(rows, columns))), x.dtype)


@diagonal.grad(keeps=())
def diagonal_grad(g, y, x, *, offset, dim1, dim2):
    shape = tuple(x.shape)
    return (diag_embed.apply(g, shape=shape, offset=offset, dim1=dim1, dim2=dim2),)


@op
def diag_embed(x, *, shape, offset, dim1, dim2):
    """Zeros of `shape` with x on a diagonal. The adjoint of `diagonal`."""
    y = np.zeros(shape, x.dtype)
    diagonal.reference(y, offset=offset, dim1=dim1, dim2=dim2)[...] = x
    return y


@diag_embed.signature
def diag_embed_call(x, offset=0, dim1=-2, dim2=-1):
    """Square matrices with the last dim of x on the diagonal `offset`."""
    if x.ndim == 0:
        raise ShapeError("diag_embed: at least 1 dim expected: []")
    dims = two_dims(x.ndim + 1, dim1, dim2, "diag_embed")
    n = x.shape[-1] + abs(offset)
    shape = list(x.shape[:-1])
    for d in sorted(dims.values()):
        shape.insert(d, n)
    return diag_embed.apply(x, shape=tuple(shape), offset=offset, **dims)


@diag_embed.spec
def diag_embed_spec(x, *, shape, offset, dim1, dim2):
    return Spec(shape, x.dtype)


@diag_embed.grad(keeps=())
def diag_embed_grad(g, y, x, *, shape, offset, dim1, dim2):
    return (diagonal.apply(g, offset=offset, dim1=dim1, dim2=dim2),)


def diag(x, diagonal=0):
    """A matrix with the vector x on a diagonal; or the diagonal of the matrix x."""
    if x.ndim == 1:
        return diag_embed(x, diagonal)
    if x.ndim == 2:
        return diagonal_call(x, diagonal)
    raise ShapeError(f"diag: a vector or a matrix expected: {list(x.shape)}")


def diagflat(x, offset=0):
    """A matrix with all elements of x, in row-major order, on a diagonal."""
    return diag_embed(ravel(x), offset)


def trace(x):
    """The sum of the diagonal of a matrix."""
    if x.ndim != 2:
        raise ShapeError(f"trace: a matrix expected: {list(x.shape)}")
    return sum(diagonal_call(x))


def block_diag(*tensors):
    """The matrices along the diagonal of one matrix of zeros; vectors are rows."""
    blocks = [atleast(2, x) for x in tensors]
    if not blocks or any(x.ndim > 2 for x in blocks):
        raise ShapeError(f"block_diag: matrices expected: {[list(x.shape) for x in tensors]}")
    width = total = 0
    for x in blocks:
        total += x.shape[1]
    rows = []
    for x in blocks:
        after = total - width - x.shape[1]
        rows.append(constant_pad.apply(x, widths=((0, 0), (width, after)), value=0))
        width += x.shape[1]
    return cat(rows, 0)
