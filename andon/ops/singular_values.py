"""What singular values tell: pseudo-inverses, least squares, ranks, norms and condition numbers.

Matrices are the last two dims; leading dims are batches.
"""

from __future__ import annotations

import builtins
import math
from typing import Any, NamedTuple

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import finfo
from ..core.errors import ArgumentError, ShapeError
from ..core.op import known_elements, op
from ..core.spec import Spec, normal_dims, spec_of
from .decomposition import svdvals
from .extremes import abs, maximum
from .index import zeros
from .largest import amax, amin
from .linalg import matmul
from .logic import gt
from .movement import cast, movedim, swap_last, unsqueeze
from .reduce import sum
from .solve import check_matrix, inv, lapack
from .vector_norm import vector_norm


@op
def pinv(x, *, rtol, atol):
    """The pseudo-inverse V diag(1 / s) Uᵀ; singular values up to max(atol, rtol max s) count as 0.

    Shapes: x (..., M, N) -> (..., N, M).
    """
    check_matrix("pinv", x)
    u, s, vt = lapack("pinv", "the matrix is not finite", np.linalg.svd, x, False)
    limit = np.maximum(atol, rtol * s.max(-1, keepdims=True, initial=0))
    inverse = np.where(s > limit, 1 / np.where(s > limit, s, 1), 0).astype(x.dtype)
    return (vt.swapaxes(-1, -2) * inverse[..., None, :]) @ u.swapaxes(-1, -2)


@pinv.signature
def pinv_call(A, rcond=None, hermitian=False, *, atol=None, rtol=None):
    rtol, atol = tolerances("pinv", A, rcond if rtol is None else rtol, atol)
    return pinv.apply(A, rtol=rtol, atol=atol)


def tolerances(name: str, A, rtol, atol) -> tuple[float, float]:
    """What is given; by default max(M, N) ε of the largest, or 0 where there is an atol."""
    check_matrix(name, spec_of(A))
    if rtol is None:
        rtol = max(A.shape[-2:]) * finfo(A.dtype).eps if not atol else 0.0
    return float(rtol), float(atol or 0.0)


@pinv.spec
def pinv_spec(x, *, rtol, atol):
    check_matrix("pinv", x)
    return Spec((*x.shape[:-2], x.shape[-1], x.shape[-2]), x.dtype)


@pinv.grad(keeps=("x", "y"))
def pinv_grad(g, y, x, *, rtol, atol):
    """dY = -Y dx Y + Y Yᵀ dxᵀ (1 - x Y) + (1 - Y x) dxᵀ Yᵀ Y.

    Source: Golub and Pereyra, "The Differentiation of Pseudo-Inverses..." (1973), eq. 4.12.
    """
    yt, gt = swap_last(y), swap_last(g)
    rows = matmul.apply(matmul.apply(gt, y), yt)
    columns = matmul.apply(matmul.apply(yt, y), gt)
    gx = rows - matmul.apply(x, matmul.apply(y, rows))
    gx = gx + columns - matmul.apply(matmul.apply(columns, y), x)
    return (gx - matmul.apply(matmul.apply(yt, g), yt),)


class LeastSquares(NamedTuple):
    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


def lstsq(A, B, rcond=None, *, driver=None):
    """The X of least norm with the least |A X - B|²; the residuals are these sums per column.

    Shapes: A (..., M, N), B (..., M, K) -> (..., N, K), (..., K), (...), (..., min(M, N)). As in
    PyTorch, there are no residuals unless M > N and all ranks are full, as a recording takes them
    to be.
    """
    columns = unsqueeze(B, -1) if B.ndim == 1 else B
    if columns.ndim < 2 or columns.shape[-2] != A.shape[-2]:
        raise ShapeError(f"lstsq: as many rows expected: {spec_of(A)} and {spec_of(B)}")
    solution = matmul.apply(pinv_call(A, rcond), columns)
    difference = matmul.apply(A, solution) - columns
    residuals = sum(difference * difference, -2)
    if B.ndim == 1:
        solution, residuals = solution[..., 0], residuals[..., 0]
    rank = matrix_rank(A, rtol=rcond)
    M, N = A.shape[-2:]
    if M <= N or is_deficient(rank, N):
        residuals = zeros(solution, (0,))
    return LeastSquares(solution, residuals, rank, svdvals(A))


def is_deficient(rank, full):
    """Whether a rank is known not to be full."""
    known = known_elements(amin(rank))
    return known is not None and known.item() < full


def matrix_rank(A, tol=None, hermitian=False, *, atol=None, rtol=None):
    """How many singular values exceed max(atol, rtol max s)."""
    rtol, atol = tolerances("matrix_rank", A, rtol, atol if tol is None else tol)
    s = svdvals(A)
    limit = maximum(amax(s, -1, keepdim=True) * rtol, atol)
    return sum(gt(s, limit), -1)


def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """The norm of matrices: "fro" of their elements, "nuc" of their singular values (their sum),
    2 and -2 the largest and the least of these, ∞ and -∞ of the sums of rows, 1 and -1 of columns.
    """
    if dtype is not None:
        A = cast.apply(A, dtype=as_dtype(dtype))
    dims = normal_dims(dim, A.ndim, "matrix_norm")
    if len(dims) != 2:
        raise ShapeError(f"matrix_norm: two dims expected: {dim}")
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim)
    y = norm_of_last(movedim(A, dims, (-2, -1)), ord)
    if keepdim:
        for d in sorted(dims):
            y = unsqueeze(y, d)
    return y


def norm_of_last(A, ord):
    """The norms of matrices in the last two dims, other than "fro"."""
    if ord == "nuc":
        return sum(svdvals(A), -1)
    if not isinstance(ord, (int, float)) or builtins.abs(ord) not in (1, 2, math.inf):
        raise ArgumentError(f"matrix_norm: ord must be fro, nuc, 1, 2, inf or a negative: {ord!r}")
    extreme = amax if ord > 0 else amin
    if builtins.abs(ord) == 2:
        return extreme(svdvals(A), -1)
    return extreme(sum(abs(A), -2 if builtins.abs(ord) == 1 else -1), -1)


def linalg_norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """The norm of vectors where `dim` is one dim (or A has one), of matrices where it is two.

    Without `ord`, that of all elements together.
    """
    dims = dim if isinstance(dim, (tuple, list)) else None if dim is None else (dim,)
    if ord is not None and (len(dims) if dims is not None else A.ndim) == 2:
        return matrix_norm(A, ord, dims or (-2, -1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise ShapeError(f"norm: {ord!r} is a norm of matrices: {spec_of(A)}")
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)


def cond(A, p=None):
    """The condition number |A| |A⁻¹|, in the norm `p`, or 2: how much errors can grow."""
    if p is None or p in (2, -2):
        s = svdvals(A)
        largest, least = s[..., 0], s[..., -1]
        return least / largest if p == -2 else largest / least
    return matrix_norm(A, p) * matrix_norm(inv.apply(A), p)
