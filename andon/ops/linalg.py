"""Products of vectors and matrices: `matmul` is the one op, the others are ways to spell it.

What solves and factors matrices is in `solve` and `decomposition`, norms are in `norms`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from ..core.errors import DTypeError, ShapeError
from ..core.op import op
from ..core.spec import Spec, broadcast_shapes, normal_dim, normal_dims, spec_of
from .arithmetic import pow
from .blocking import widened
from .index import take
from .movement import permute, reshape, swap_last
from .reduce import sum


@op
def matmul(a, b):
    """a b over the last two dims; leading dims broadcast, and vectors are rows or columns.

    float16 and bfloat16 are accumulated in float32.

    Shapes: a (..., M, K), b (..., K, N) -> (..., M, N).
    Raises: ShapeError if the inner sizes differ; DTypeError if the dtypes do.
    """
    try:
        dtype, other = a.dtype, b.dtype
    except AttributeError:
        raise ShapeError("matmul: both operands need at least one dim: got a number") from None
    if (dtype is not other and dtype != other) or dtype.kind == "b":
        raise DTypeError(f"matmul: operands of one dtype, not bool: {dtype} and {other}")
    if dtype.itemsize == 2 and dtype.kind != "i":
        return product(widened(a), widened(b)).astype(dtype)
    return product(a, b)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """np.matmul, but a stack of matrices times one matrix is one call of BLAS, not many."""
    if b.ndim == 2 and a.ndim > 2 and a.size:
        y = np.matmul(a.reshape(-1, a.shape[-1]), b)
        return y.reshape(*a.shape[:-1], b.shape[1])
    return np.matmul(a, b)


@matmul.spec
def matmul_spec(a, b):
    if a.ndim == 0 or b.ndim == 0:
        raise ShapeError(f"matmul: both operands need at least one dim: {a} and {b}")
    if a.dtype is not b.dtype or a.dtype.category == 0:
        raise DTypeError(f"matmul: operands of one dtype, not bool: {a} and {b}")
    rows, columns = (1, *a.shape)[-2:], (*b.shape, 1)[:2] if b.ndim == 1 else b.shape[-2:]
    if rows[1] != columns[0]:
        raise ShapeError(f"matmul: inner sizes differ: {a} and {b}")
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2], op="matmul")
    m = rows[:1] if a.ndim > 1 else ()
    n = columns[1:] if b.ndim > 1 else ()
    return Spec((*batch, *m, *n), a.dtype)


@matmul.grad(keeps=("a", "b"))
def matmul_grad(g, y, a, b, needs):
    if a.ndim == 1 or b.ndim == 1:
        return vector_grad(g, a, b)
    ga = matmul.apply(g, swap_last(b)) if needs[0] else None
    if not needs[1]:
        return ga, None
    if b.ndim == 2 and a.ndim > 2:  # one product instead of a batch of them and a sum
        a, g = merge_rows(a), merge_rows(g)
    return ga, matmul.apply(swap_last(a), g)


def merge_rows(x):
    """(..., M, N) -> (... M, N)."""
    return reshape.apply(x, shape=(math.prod(x.shape[:-1]), x.shape[-1]))


def vector_grad(g, a, b):
    """The gradients where an operand is a vector: with its missing dim put in."""
    rows = reshape.apply(a, shape=(1, *a.shape)) if a.ndim == 1 else a
    columns = reshape.apply(b, shape=(*b.shape, 1)) if b.ndim == 1 else b
    batch = tuple(g.shape)
    batch = batch[: len(batch) - (a.ndim > 1) - (b.ndim > 1)]
    g = reshape.apply(g, shape=(*batch, rows.shape[-2], columns.shape[-1]))
    ga = matmul.apply(g, swap_last(columns))
    gb = matmul.apply(swap_last(rows), g)
    return squeeze_to(ga, a, -2), squeeze_to(gb, b, -1)


def squeeze_to(g, x, dim):
    """Drop the dim that `vector_grad` put in; the engine sums the batch dims away."""
    if x.ndim > 1:
        return g
    shape = tuple(g.shape)
    return reshape.apply(g, shape=(*shape[:-2], shape[-1] if dim == -2 else shape[-2]))


# Products of operands with a fixed number of dims


def check_ndim(name: str, *operands: tuple[Any, int]) -> None:
    """Raise unless each operand has the number of dims that stands beside it."""
    if any(x.ndim != ndim for x, ndim in operands):
        wanted = " and ".join(str(ndim) for _, ndim in operands)
        given = " and ".join(str(spec_of(x)) for x, _ in operands)
        raise ShapeError(f"{name}: operands of {wanted} dims expected: {given}")


def mm(x, mat2):
    """x mat2, for two matrices."""
    check_ndim("mm", (x, 2), (mat2, 2))
    return matmul.apply(x, mat2)


def bmm(x, mat2):
    """x[i] mat2[i], for two batches of matrices of one size."""
    check_ndim("bmm", (x, 3), (mat2, 3))
    if x.shape[0] != mat2.shape[0]:
        raise ShapeError(f"bmm: batches of one size expected: {spec_of(x)} and {spec_of(mat2)}")
    return matmul.apply(x, mat2)


def mv(x, vec):
    """x vec, for a matrix and a vector."""
    check_ndim("mv", (x, 2), (vec, 1))
    return matmul.apply(x, vec)


def dot(x, tensor):
    """Σ x tensor, for two vectors."""
    check_ndim("dot", (x, 1), (tensor, 1))
    return matmul.apply(x, tensor)


vdot = dot  # which conjugates complex numbers; andon has none


def outer(x, vec2):
    """y[i, j] = x[i] vec2[j]."""
    check_ndim("outer", (x, 1), (vec2, 1))
    return reshape.apply(x, shape=(x.shape[0], 1)) * vec2


ger = outer


def inner(x, other):
    """Σ x other over the last dim of both; with a number, their product."""
    if x.ndim == 0 or other.ndim == 0:
        return x * other
    return tensordot(x, other, dims=((-1,), (-1,)))


def vecdot(x, y, *, dim=-1):
    """Σ x y along one dim; the others broadcast."""
    product = x * y
    return sum(product, normal_dim(dim, product.ndim, "vecdot"))


def addmm(x, mat1, mat2, *, beta=1, alpha=1):
    """beta x + alpha mat1 mat2."""
    return scaled_sum("addmm", x, mm(mat1, mat2), beta, alpha)


def addmv(x, mat, vec, *, beta=1, alpha=1):
    """beta x + alpha mat vec."""
    return scaled_sum("addmv", x, mv(mat, vec), beta, alpha)


def addr(x, vec1, vec2, *, beta=1, alpha=1):
    """beta x + alpha vec1 vec2ᵀ."""
    return scaled_sum("addr", x, outer(vec1, vec2), beta, alpha)


def baddbmm(x, batch1, batch2, *, beta=1, alpha=1):
    """beta x + alpha batch1 batch2, matrix by matrix."""
    return scaled_sum("baddbmm", x, bmm(batch1, batch2), beta, alpha)


def addbmm(x, batch1, batch2, *, beta=1, alpha=1):
    """beta x + alpha Σ_i batch1[i] batch2[i]."""
    return scaled_sum("addbmm", x, sum(bmm(batch1, batch2), 0), beta, alpha)


def scaled_sum(name: str, x, product, beta, alpha):
    """beta x + alpha product, in the shape of the product. Where beta is 0, x is not read."""
    shape = tuple(product.shape)
    if broadcast_shapes(x.shape, shape, op=name) != shape:
        raise ShapeError(f"{name}: {spec_of(x)} does not broadcast to the product: {list(shape)}")
    if alpha != 1:
        product = product * alpha
    if beta == 0:
        return product
    return product + (x if beta == 1 else x * beta)


# Products of several tensors, and over several dims


def multi_dot(tensors: Sequence):
    """The product of all, in the order that needs the fewest multiplications.

    Shapes: matrices; the first and the last may be vectors, a row and a column.
    Source: Cormen et al., "Introduction to Algorithms", matrix-chain multiplication.
    """
    if len(tensors) < 2:
        raise ShapeError(f"multi_dot: at least two operands expected: {len(tensors)}")
    first, last = tensors[0], tensors[-1]
    matrices = list(tensors)
    if first.ndim == 1:
        matrices[0] = reshape.apply(first, shape=(1, *first.shape))
    if last.ndim == 1:
        matrices[-1] = reshape.apply(last, shape=(*last.shape, 1))
    check_ndim("multi_dot", *((m, 2) for m in matrices))
    y = chain(matrices)
    return reshape.apply(y, shape=(*first.shape[:-1], *last.shape[1:]))


def chain_matmul(*matrices):
    """The product of all the matrices, in the cheapest order."""
    return multi_dot(matrices) if len(matrices) > 1 else matrices[0]


def chain(matrices: Sequence):
    """The product of matrices, split where it costs least, by dynamic programming."""
    sizes = [m.shape[0] for m in matrices] + [matrices[-1].shape[1]]

    @cache
    def cheapest(i: int, j: int) -> tuple[int, int]:
        """The multiplications that matrices i..j-1 need, and where to split them."""
        if j - i == 1:
            return 0, i
        return min(
            (cheapest(i, k)[0] + cheapest(k, j)[0] + sizes[i] * sizes[k] * sizes[j], k)
            for k in range(i + 1, j)
        )

    def multiply(i: int, j: int):
        if j - i == 1:
            return matrices[i]
        k = cheapest(i, j)[1]
        return matmul.apply(multiply(i, k), multiply(k, j))

    return multiply(0, len(matrices))


def tensordot(a, b, dims=2):
    """Σ a b over the dims paired by `dims`: (dims of a, dims of b), or how many to pair of the
    last of a with the first of b."""
    of_a, of_b = paired_dims(a, b, dims)
    a, b = matched(a, of_a, b, of_b), matched(b, of_b, a, of_a)
    kept_a = tuple(d for d in range(a.ndim) if d not in of_a)
    kept_b = tuple(d for d in range(b.ndim) if d not in of_b)
    shape = tuple(a.shape[d] for d in kept_a) + tuple(b.shape[d] for d in kept_b)
    M = math.prod(a.shape[d] for d in kept_a)
    N = math.prod(b.shape[d] for d in kept_b)
    K = math.prod(a.shape[d] for d in of_a)
    a = reshape.apply(permute.apply(a, dims=kept_a + of_a), shape=(M, K))
    b = reshape.apply(permute.apply(b, dims=of_b + kept_b), shape=(K, N))
    return reshape.apply(matmul.apply(a, b), shape=shape)


def paired_dims(a, b, dims) -> tuple:
    """The dims of a and of b that `tensordot` sums over, counted from the front."""
    if isinstance(dims, int):
        if not 0 <= dims <= min(a.ndim, b.ndim):
            raise ShapeError(f"tensordot: cannot pair {dims} dims: {spec_of(a)} and {spec_of(b)}")
        of_a, of_b = tuple(range(a.ndim - dims, a.ndim)), tuple(range(dims))
    else:
        of_a, of_b = dims
    of_a, of_b = normal_dims(of_a, a.ndim, "tensordot"), normal_dims(of_b, b.ndim, "tensordot")
    sizes = [(a.shape[d], b.shape[e]) for d, e in zip(of_a, of_b, strict=False)]
    if len(of_a) != len(of_b) or any(m != n and 1 not in (m, n) for m, n in sizes):
        raise ShapeError(
            f"tensordot: paired dims must have one size: {spec_of(a)} at {list(of_a)} and "
            f"{spec_of(b)} at {list(of_b)}"
        )
    return of_a, of_b


def matched(x, dims, other, others):
    """x summed where a dim of it is paired with one of size 1: there that element is a factor."""
    pairs = zip(dims, others, strict=True)
    single = tuple(d for d, e in pairs if other.shape[e] == 1 != x.shape[d])
    return sum(x, single, True) if single else x


def kron(x, other):
    """Kronecker product: every element of x times the whole of `other`.

    Shapes: sizes multiply, dim by dim, aligned at the last.
    """
    ndim = max(x.ndim, other.ndim)
    outside = (1,) * (ndim - x.ndim) + tuple(x.shape)
    inside = (1,) * (ndim - other.ndim) + tuple(other.shape)
    x = reshape.apply(x, shape=tuple(n for size in outside for n in (size, 1)))
    other = reshape.apply(other, shape=tuple(n for size in inside for n in (1, size)))
    shape = tuple(n * m for n, m in zip(outside, inside, strict=True))
    return reshape.apply(x * other, shape=shape)


def vander(x, N=None, *, increasing=False):
    """The powers 1, x, x², … of each element of x as a row, the largest first.

    Shapes: x (..., n) -> (..., n, N), square unless N is given.
    """
    if x.ndim == 0 or (N is not None and N < 0):
        raise ShapeError(f"vander: 1 dim or more and N >= 0 expected: {spec_of(x)}, {N}")
    powers = np.arange(x.shape[-1] if N is None else N)
    return pow(reshape.apply(x, shape=(*x.shape, 1)), powers if increasing else powers[::-1])


def cross(x, other, dim=None):
    """The vector product x × other along a dim of size 3: `dim`, or the first that has it."""
    shape = broadcast_shapes(x.shape, other.shape, op="cross")
    if dim is None:
        dim = shape.index(3) if 3 in shape else 0
    dim = normal_dim(dim, len(shape), "cross") - len(shape)
    if x.ndim < -dim or other.ndim < -dim or {x.shape[dim], other.shape[dim]} != {3}:
        raise ShapeError(f"cross: both need size 3 at dim {dim}: {spec_of(x)}, {spec_of(other)}")
    after, before = np.array([1, 2, 0]), np.array([2, 0, 1])

    def at(t, index):
        return take.apply(t, index, dims=(t.ndim + dim,))

    return at(x, after) * at(other, before) - at(x, before) * at(other, after)
