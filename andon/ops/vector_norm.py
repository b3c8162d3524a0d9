"""Norms of vectors: how long they are, and how far apart."""

from __future__ import annotations

import math

import numpy as np

from ..core.errors import DTypeError
from ..core.op import op
from .accumulate import AT_ONCE, add_up, in_float32
from .arithmetic import pow
from .extremes import abs, sign
from .keywords import numpy_keywords
from .largest import amax, amin
from .logic import eq, ne, where
from .moments import check_floating, moment_spec
from .movement import cast
from .reduce import as_given, reduced_dims, spread, sum


@op
@in_float32
def power_norm(x, *, p, dim, keepdim):
    """(Σ |x|^p)^(1/p) over the dims in `dim`, for a finite p other than 0.

    Its gradient at 0 is taken to be 0.
    """
    check_floating(x, "norm")
    if p == 2 and len(dim) == x.ndim and x.flags.c_contiguous:
        return np.full((1,) * x.ndim * keepdim, math.sqrt(sum_of_squares(x.reshape(-1))), x.dtype)
    if p == 2:
        return np.sqrt(add_up(x * x, dim=dim, keepdim=keepdim))
    return np.power(add_up(np.abs(x) ** p, dim=dim, keepdim=keepdim), 1 / p)


def sum_of_squares(x):
    """Σ x² of a vector, in one pass; added up in double precision from row to row."""
    whole = len(x) // AT_ONCE * AT_ONCE
    rows, rest = x[:whole].reshape(-1, AT_ONCE), x[whole:]
    return float(np.add.reduce(np.vecdot(rows, rows), dtype=np.float64)) + float(rest @ rest)


power_norm.spec(moment_spec("norm"))


@power_norm.grad
def power_norm_grad(g, y, x, *, p, dim, keepdim):
    length = where(eq(y, 0), math.inf, y)
    if p == 2:
        return (x * spread(g / length, x, dim),)
    share = abs(x) / spread(length, x, dim)
    share = where(eq(x, 0), 1.0, share)  # whose sign is 0, so that only NaN must be kept out
    return (sign(x) * pow(share, p - 1) * spread(g, x, dim),)


@numpy_keywords
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """(Σ |x|^ord)^(1/ord) over `dim`; for ∞ and -∞ the extremes of |x|, for 0 their number."""
    x, ord = as_given(x, dtype), float(ord)
    check_floating(x, "norm")
    if ord == math.inf:
        return amax(abs(x), dim, keepdim)
    if ord == -math.inf:
        return amin(abs(x), dim, keepdim)
    if ord == 0:
        return cast.apply(sum(ne(x, 0), dim, keepdim), dtype=x.dtype)
    dim = reduced_dims(dim, x.ndim, "norm")
    return power_norm.apply(x, p=ord, dim=dim, keepdim=keepdim)


@numpy_keywords
def norm(x, p="fro", dim=None, keepdim=False, *, dtype=None):
    """The p-norm of the elements along `dim`, or of all: "fro" and 2 are Euclid's."""
    if p == "fro" or p is None:
        p = 2
    if isinstance(p, str):
        raise DTypeError(f"norm: p must be a number or 'fro': {p!r}")
    return vector_norm(x, p, dim, keepdim, dtype=dtype)


def dist(x, other, p=2):
    """The p-norm of x - other."""
    return norm(x - other, p)
