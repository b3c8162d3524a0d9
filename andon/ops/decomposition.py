"""Factorisations of matrices: QR, singular values, and eigenvalues of symmetric matrices.

Matrices are the last two dims; leading dims are batches. The gradient rules factor the matrix
anew, so that what they are written with can be differentiated again.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.errors import ArgumentError, GradientError
from ..core.op import op
from ..core.spec import Spec, spec_of
from .diagonals import tril
from .join import cat
from .linalg import matmul
from .movement import swap_last, unsqueeze
from .solve import check_matrix, check_square, lapack, solve_triangular

# QR


class QR(NamedTuple):
    Q: Any
    R: Any


@op
def qr(x, *, mode):
    """x = Q R, Q orthogonal and R upper triangular.

    Shapes: x (..., M, N) -> (..., M, K) and (..., K, N), where K is min(M, N), or M for the mode
    "complete". In the mode "r", Q is empty.
    """
    check_matrix("qr", x)
    if mode == "r":
        return np.empty(0, x.dtype), np.linalg.qr(x, "r")
    return tuple(np.linalg.qr(x, mode))


@qr.signature
def qr_call(A, mode="reduced"):
    if mode not in ("reduced", "complete", "r"):
        raise ArgumentError(f"qr: mode must be 'reduced', 'complete' or 'r': {mode!r}")
    return QR(*qr.apply(A, mode=mode))


@qr.spec
def qr_spec(x, *, mode):
    check_matrix("qr", x)
    *batch, M, N = x.shape
    K = M if mode == "complete" else min(M, N)
    q = (0,) if mode == "r" else (*batch, M, K)
    return Spec(q, x.dtype), Spec((*batch, K, N), x.dtype)


@qr.grad(keeps=("x",))
def qr_grad(g, y, x, *, mode):
    """That of `tall_qr_grad` for the first M columns, from which q and the rest of r follow.

    Source: Walter and Lehmann, "Algorithmic Differentiation of Linear Algebra Functions" (2010);
    Roberts and Roberts, "QR and LQ Decomposition Matrix Backpropagation..." (2020) for wide x.
    """
    M, N = x.shape[-2:]
    if mode == "r" or (mode == "complete" and M > N):
        raise GradientError(f'qr: mode "{mode}" has no gradient here, use "reduced": {spec_of(x)}')
    gq, gr = g
    q, r = qr.apply(x, mode="reduced")
    gq = q * 0.0 if gq is None else gq
    gr = r * 0.0 if gr is None else gr
    if M >= N:
        return (tall_qr_grad(q, r, gq, gr),)
    # x = q (r_left, r_right), where q comes from the left part of x alone
    gq = gq + matmul.apply(x[..., M:], swap_last(gr[..., M:]))
    g_left = tall_qr_grad(q, r[..., :M], gq, gr[..., :M])
    return (cat((g_left, matmul.apply(q, gr[..., M:])), -1),)


def tall_qr_grad(q, r, gq, gr):
    """(gq + q copyltu(r grᵀ - gqᵀ q)) r⁻ᵀ, where copyltu mirrors the lower triangle."""
    m = matmul.apply(r, swap_last(gr)) - matmul.apply(swap_last(gq), q)
    mirrored = tril(m) + swap_last(tril(m, -1))
    return solve_triangular(swap_last(r), gq + matmul.apply(q, mirrored), upper=False, left=False)


# Singular values


class SVD(NamedTuple):
    U: Any
    S: Any
    Vh: Any


@op
def svd(x, *, full):
    """x = U diag(S) Vᵀ, U and V orthogonal, S decreasing and >= 0.

    Shapes: x (..., M, N), K = min(M, N) -> (..., M, K), (..., K) and (..., K, N); with `full`, U
    and Vᵀ are square.
    """
    check_matrix("svd", x)
    return tuple(lapack("svd", "it did not converge", np.linalg.svd, x, full))


@svd.signature
def svd_call(A, full_matrices=True):
    return SVD(*svd.apply(A, full=full_matrices))


@svd.spec
def svd_spec(x, *, full):
    check_matrix("svd", x)
    *batch, M, N = x.shape
    K = min(M, N)
    shapes = (*batch, M, M if full else K), (*batch, K), (*batch, N if full else K, N)
    return tuple(Spec(shape, x.dtype) for shape in shapes)


@svd.grad(keeps=("x",))
def svd_grad(g, y, x, *, full):
    """With skew(A) = A - Aᵀ and E_ij = s_j² - s_i²:
    U ((skew(Uᵀ gU) / E) S + S (skew(Vᵀ gV) / E) + diag(gS)) Vᵀ, and what lies outside of U, V.

    Infinite where singular values are equal, unless gU and gV are absent.
    Source: Townsend, "Differentiating the Singular Value Decomposition" (2016).
    """
    K = min(x.shape[-2:])
    u, s, vt = svd.apply(x, full=False)
    gu, gs, gvt = g
    inner, outside = 0.0, 0.0
    if gs is not None:
        inner = unsqueeze(gs, -2) * unit(K, x)
    if gu is not None:
        gu = gu[..., :K]
        inner = inner + skew(matmul.apply(swap_last(u), gu)) / gaps(s * s) * unsqueeze(s, -2)
        outside = matmul.apply(beyond(u, gu) / unsqueeze(s, -2), vt)
    if gvt is not None:
        gv, v = swap_last(gvt[..., :K, :]), swap_last(vt)
        inner = inner + unsqueeze(s, -1) * (skew(matmul.apply(vt, gv)) / gaps(s * s))
        outside = outside + matmul.apply(u / unsqueeze(s, -2), swap_last(beyond(v, gv)))
    return (matmul.apply(matmul.apply(u, inner), vt) + outside,)


def skew(x):
    return x - swap_last(x)


def beyond(u, g):
    """(1 - u uᵀ) g: the part of g outside of the space that u spans."""
    return g - matmul.apply(u, matmul.apply(swap_last(u), g))


def gaps(s):
    """s_j - s_i, and 1 on the diagonal."""
    return unsqueeze(s, -2) - unsqueeze(s, -1) + unit(s.shape[-1], s)


def unit(n, like):
    """The identity matrix of size n, in the dtype of `like`: a constant."""
    return np.eye(n, dtype=as_dtype(like.dtype).numpy)


def svdvals(A):
    """The singular values of A, decreasing."""
    return svd.apply(A, full=False)[1]


# Symmetric eigenvalues


class Eigh(NamedTuple):
    eigenvalues: Any
    eigenvectors: Any


@op
def eigh(x, *, upper):
    """x = V diag(w) Vᵀ for a symmetric x, of which one triangle is read; w increases.

    Shapes: x (..., N, N) -> (..., N) and (..., N, N).
    """
    check_square("eigh", x)
    triangle = "U" if upper else "L"
    return tuple(lapack("eigh", "it did not converge", np.linalg.eigh, x, triangle))


@eigh.signature
def eigh_call(A, UPLO="L"):
    if UPLO not in ("L", "U"):
        raise ArgumentError(f"eigh: UPLO must be 'L' or 'U': {UPLO!r}")
    return Eigh(*eigh.apply(A, upper=UPLO == "U"))


@eigh.spec
def eigh_spec(x, *, upper):
    check_square("eigh", x)
    return Spec(x.shape[:-1], x.dtype), x


@eigh.grad(keeps=("x",))
def eigh_grad(g, y, x, *, upper):
    """V (diag(gw) + (Vᵀ gV) / E) Vᵀ, where E_ij = w_j - w_i."""
    w, v = eigh.apply(x, upper=upper)
    gw, gv = g
    inner = 0.0
    if gw is not None:
        inner = unsqueeze(gw, -2) * unit(x.shape[-1], x)
    if gv is not None:
        off_diagonal = 1 - unit(x.shape[-1], x)
        inner = inner + matmul.apply(swap_last(v), gv) / gaps(w) * off_diagonal
    return (matmul.apply(matmul.apply(v, inner), swap_last(v)),)


def eigvalsh(A, UPLO="L"):
    """The eigenvalues of a symmetric A, increasing."""
    return eigh_call(A, UPLO).eigenvalues
