"""Inverses, determinants, linear systems, and Cholesky: what rests on one elimination.

Matrices are the last two dims; leading dims are batches. LAPACK does the work, in float32 or
float64. The gradient rules are products and further systems, so they have gradients as well.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import float32, float64
from ..core.errors import DTypeError, LinalgError, ShapeError
from ..core.op import op
from ..core.spec import Spec, broadcast_shapes, spec_of
from .diagonals import tril, triu
from .elementwise import log
from .linalg import matmul
from .logic import where
from .movement import reshape, swap_last, unsqueeze
from .reduce import sum


def lapack(name: str, problem: str, routine, *arrays):
    """Call a LAPACK routine; where it gives up, say so."""
    try:
        return routine(*arrays)
    except np.linalg.LinAlgError:
        given = " and ".join(str(spec_of(a)) for a in arrays)
        raise LinalgError(f"{name}: {problem}: {given}") from None


def check_matrix(name: str, x) -> None:
    """Raise unless x (array or Spec) holds matrices of float32 or float64."""
    if x.ndim < 2:
        raise ShapeError(f"{name}: matrices expected, in the last two dims: {spec_of(x)}")
    if as_dtype(x.dtype) not in (float32, float64):
        raise DTypeError(f"{name}: float32 or float64 expected: {spec_of(x)}")


def check_square(name: str, x) -> None:
    """Raise unless x holds square matrices of float32 or float64."""
    check_matrix(name, x)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: square matrices expected: {spec_of(x)}")


@op
def inv(x):
    """x⁻¹.

    Raises: LinalgError if a matrix is singular.
    """
    check_square("inv", x)
    return lapack("inv", "the matrix is singular", np.linalg.inv, x)


@inv.spec
def inv_spec(x):
    check_square("inv", x)
    return x


@inv.grad(keeps=("y",))
def inv_grad(g, y, x):
    """d x⁻¹ = -x⁻¹ dx x⁻¹."""
    yt = swap_last(y)
    return (-matmul.apply(matmul.apply(yt, g), yt),)


# Determinants


@op
def det(x):
    """det x, matrix by matrix."""
    check_square("det", x)
    return np.asarray(np.linalg.det(x), x.dtype)


@det.spec
def det_spec(x):
    check_square("det", x)
    return Spec(x.shape[:-2], x.dtype)


@det.grad(keeps=("x",))
def det_grad(g, y, x):
    return (per_matrix(g) * cofactor.apply(x),)


@op
def cofactor(x):
    """∂ det x / ∂x = det(x) x⁻ᵀ, and its limit where x is singular: by singular values."""
    u, s, vt = lapack("det", "the matrix is not finite", np.linalg.svd, x)
    others = np.repeat(s[..., None, :], s.shape[-1], axis=-2)
    others[..., np.eye(s.shape[-1], dtype=bool)] = 1
    turned = np.linalg.det(u) * np.linalg.det(vt)  # 1 or -1
    y = (u * np.prod(others, axis=-1)[..., None, :]) @ vt
    return (y * np.asarray(turned)[..., None, None]).astype(x.dtype, copy=False)


@cofactor.spec
def cofactor_spec(x):
    check_square("det", x)
    return x


@cofactor.grad(keeps=("x", "y"))
def cofactor_grad(g, y, x):
    """With C = det(x) x⁻ᵀ: dC = <x⁻ᵀ, dx> C - C dxᵀ x⁻ᵀ."""
    inverse = swap_last(inv.apply(x))
    dims = (x.ndim - 2, x.ndim - 1)
    along = sum.apply(g * inverse, dim=dims, keepdim=True)
    return (along * y - matmul.apply(matmul.apply(inverse, swap_last(g)), y),)


def per_matrix(x):
    """A number per matrix as something to multiply the matrices with."""
    return reshape.apply(x, shape=(*x.shape, 1, 1))


class SlogdetResult(NamedTuple):
    sign: object
    logabsdet: object


@op
def slogdet(x):
    """The sign of det x and log |det x|, which neither overflows nor underflows."""
    check_square("slogdet", x)
    sign, logabsdet = np.linalg.slogdet(x)
    return np.asarray(sign, x.dtype), np.asarray(logabsdet, x.dtype)


@slogdet.signature
def slogdet_call(x):
    return SlogdetResult(*slogdet.apply(x))


@slogdet.spec
def slogdet_spec(x):
    check_square("slogdet", x)
    return Spec(x.shape[:-2], x.dtype), Spec(x.shape[:-2], x.dtype)


@slogdet.grad(keeps=("x",))
def slogdet_grad(g, y, x):
    _, g = g  # the sign is flat
    return (None if g is None else per_matrix(g) * swap_last(inv.apply(x)),)


def logdet(x):
    """log det x: -inf where the determinant is 0, NaN where it is negative."""
    sign, logabsdet = slogdet.apply(x)
    return logabsdet + log(sign)


# Linear systems


@op
def solve(a, b):
    """a⁻¹ b: the x of a x = b. Leading dims broadcast.

    Shapes: a (..., N, N), b (..., N, K) -> (..., N, K).
    Raises: LinalgError if a matrix is singular.
    """
    solve_spec(spec_of(a), spec_of(b))
    return lapack("solve", "the matrix is singular", np.linalg.solve, a, b)


@solve.spec
def solve_spec(a, b, **attrs):
    check_square("solve", a)
    check_matrix("solve", b)
    if a.dtype is not b.dtype:
        raise DTypeError(f"solve: operands of one dtype expected: {a} and {b}")
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"solve: as many rows as unknowns expected: {a} and {b}")
    batch = broadcast_shapes(a.shape[:-2], b.shape[:-2], op="solve")
    return Spec((*batch, *b.shape[-2:]), a.dtype)


@solve.grad(keeps=("a", "y"))
def solve_grad(g, y, a, b):
    gb = solve.apply(swap_last(a), g)
    return -matmul.apply(gb, swap_last(y)), gb


@solve.signature
def solve_call(A, B, *, left=True):
    """PyTorch takes B for vectors where it has one dim, or the dims of A but the last."""
    if B.ndim == 1 or (B.ndim == A.ndim - 1 and tuple(B.shape) == tuple(A.shape[:-1])):
        x = solve.apply(A, unsqueeze(B, -1))
        return reshape.apply(x, shape=tuple(x.shape[:-1]))
    return solve.apply(A, B) if left else swap_last(solve.apply(swap_last(A), swap_last(B)))


@op
def triangular_solve(a, b, *, upper, unit):
    """a⁻¹ b where a is triangular; only its triangle is read, and with `unit`, its diagonal
    counts as ones.

    Shapes: a (..., N, N), b (..., N, K) -> (..., N, K).
    """
    solve_spec(spec_of(a), spec_of(b))
    a = np.triu(a) if upper else np.tril(a)
    if unit:
        np.einsum("...ii->...i", a)[...] = 1
    return lapack("solve_triangular", "the matrix is singular", np.linalg.solve, a, b)


triangular_solve.spec(solve_spec)


@triangular_solve.grad(keeps=("a", "y"))
def triangular_solve_grad(g, y, a, b, *, upper, unit):
    gb = triangular_solve.apply(swap_last(a), g, upper=not upper, unit=unit)
    ga = -matmul.apply(gb, swap_last(y))
    ga = triu(ga, 1 if unit else 0) if upper else tril(ga, -1 if unit else 0)
    return ga, gb


def solve_triangular(A, B, *, upper, left=True, unitriangular=False):
    """The X of A X = B (of X A = B if not `left`), where A is triangular."""
    if left:
        return triangular_solve.apply(A, B, upper=upper, unit=unitriangular)
    x = triangular_solve.apply(swap_last(A), swap_last(B), upper=not upper, unit=unitriangular)
    return swap_last(x)


# Cholesky


@op
def cholesky(x):
    """The lower triangular L with x = L Lᵀ. Only the lower triangle of x is read.

    Raises: LinalgError if a matrix is not positive definite.
    """
    check_square("cholesky", x)
    return lapack("cholesky", "the matrix is not positive definite", np.linalg.cholesky, x)


@cholesky.signature
def cholesky_call(x, upper=False):
    return swap_last(cholesky.apply(swap_last(x))) if upper else cholesky.apply(x)


@cholesky.spec
def cholesky_spec(x):
    check_square("cholesky", x)
    return x


@cholesky.grad(keeps=("y",))
def cholesky_grad(g, y, x):
    """L⁻ᵀ Φ(Lᵀ g) L⁻¹, made symmetric; Φ takes the lower triangle and half the diagonal.

    Source: Murray, "Differentiation of the Cholesky decomposition" (2016), eq. 10.
    """
    inner = matmul.apply(swap_last(y), g)
    inner = (tril(inner) + tril(inner, -1)) * 0.5
    half = solve_triangular(swap_last(y), inner, upper=True)
    s = solve_triangular(y, half, upper=False, left=False)
    return ((s + swap_last(s)) * 0.5,)


def cholesky_solve(B, L, upper=False):
    """(L Lᵀ)⁻¹ B, from the Cholesky factor L (or its transpose, if `upper`)."""
    lower = swap_last(L) if upper else L
    half = solve_triangular(lower, B, upper=False)
    return solve_triangular(swap_last(lower), half, upper=True)


# Powers


def matrix_power(A, n):
    """A to the power n, by repeated squaring; the inverse's for a negative n."""
    if not isinstance(n, int):
        raise DTypeError(f"matrix_power: the exponent must be an int: {n!r}")
    if n < 0:  # otherwise any dtype that can be multiplied will do
        check_square("matrix_power", spec_of(A))
    if A.ndim < 2 or A.shape[-1] != A.shape[-2]:
        raise ShapeError(f"matrix_power: square matrices expected: {spec_of(A)}")
    if n == 0:
        return identity(A)
    base, left, result = (inv.apply(A) if n < 0 else A), abs(n), None
    while left:
        if left % 2:
            result = base if result is None else matmul.apply(result, base)
        left //= 2
        base = matmul.apply(base, base) if left else base
    return result


def identity(x):
    """Identity matrices in the shape of x."""
    N = x.shape[-1]
    ones = np.eye(N, dtype=as_dtype(x.dtype).numpy)
    return where(np.ones((N, N), bool), ones, x)
