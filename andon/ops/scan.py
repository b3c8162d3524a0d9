"""Scans: what accumulates along a dim. Sums, products, extremes, and the linear recurrence.

The recurrence h[t] = a[t] h[t-1] + b[t] is the one that the others' gradients are made of: run
backwards, it is its own adjoint.
"""

from __future__ import annotations

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import int64
from ..core.errors import DTypeError, ShapeError
from ..core.op import op
from ..core.spec import Spec, normal_dim
from .accumulate import in_float32
from .elementwise import exp
from .join import cat, narrow
from .keywords import numpy_keywords, scalars_as_vectors
from .largest import select_at
from .logic import eq, logical_xor, where
from .padding import constant_pad
from .reduce import as_given
from .reorder import flip


@op
@in_float32
def cumsum(x, *, dim):
    """y[i] = x[0] + … + x[i] along `dim`. Integers and booleans add up to int64."""
    return x.cumsum(dim, np.int64 if x.dtype.kind in "biu" else x.dtype)


@op
@in_float32
def cumprod(x, *, dim):
    """y[i] = x[0] · … · x[i] along `dim`. Integers and booleans multiply to int64."""
    return x.cumprod(dim, np.int64 if x.dtype.kind in "biu" else x.dtype)


@cumsum.signature
@numpy_keywords
@scalars_as_vectors
def cumsum_call(x, dim, *, dtype=None):
    return cumsum.apply(as_given(x, dtype), dim=normal_dim(dim, x.ndim, "cumsum"))


@cumprod.signature
@numpy_keywords
@scalars_as_vectors
def cumprod_call(x, dim, *, dtype=None):
    return cumprod.apply(as_given(x, dtype), dim=normal_dim(dim, x.ndim, "cumprod"))


@cumsum.spec
@cumprod.spec
def accumulated_spec(x, *, dim):
    return Spec(x.shape, x.dtype if x.dtype.is_floating_point else int64)


@cumsum.grad(keeps=())
def cumsum_grad(g, y, x, *, dim):
    back = cumsum.apply(flip.apply(g, dims=(dim,)), dim=dim)
    return (flip.apply(back, dims=(dim,)),)


@cumprod.grad
def cumprod_grad(g, y, x, *, dim):
    later = linear_scan.apply(shift(x, dim, -1), g, dim=dim, reverse=True)
    return (later * shift(y, dim, 1, 1.0),)


def shift(x, dim, by, fill=0.0):
    """x moved on by one place along `dim` (by = 1) or back by one (-1), with `fill` let in."""
    widths = tuple((by, -by) if d == dim else (0, 0) for d in range(x.ndim))
    return constant_pad.apply(x, widths=widths, value=fill)


@op
def linear_scan(a, b, *, dim, reverse):
    """h[t] = a[t] h[t-1] + b[t] along `dim`, from h = 0 on; or with h[t+1], from the end.

    Shapes: a and b of one shape, which is the result's.
    """
    if a.shape != b.shape:
        raise ShapeError(f"linear_scan: one shape expected: {list(a.shape)}, {list(b.shape)}")
    h = b.copy()
    rows, factors = np.moveaxis(h, dim, 0), np.moveaxis(a, dim, 0)
    n = len(rows)
    before = 1 if reverse else -1
    for t in range(n - 2, -1, -1) if reverse else range(1, n):
        rows[t] += factors[t] * rows[t + before]
    return h


@linear_scan.spec
def linear_scan_spec(a, b, *, dim, reverse):
    return b


@linear_scan.grad(keeps=("a", "y"))
def linear_scan_grad(g, y, a, b, *, dim, reverse):
    on = -1 if reverse else 1
    gb = linear_scan.apply(shift(a, dim, -on), g, dim=dim, reverse=not reverse)
    return gb * shift(y, dim, on), gb


@op
@in_float32
def logcumsumexp(x, *, dim):
    """y[i] = log(exp x[0] + … + exp x[i]) along `dim`, without overflow."""
    if x.dtype.kind != "f":
        raise DTypeError(f"logcumsumexp: floats expected: {x.dtype}")
    return np.logaddexp.accumulate(x, axis=dim)


@logcumsumexp.signature
@numpy_keywords
@scalars_as_vectors
def logcumsumexp_call(x, dim):
    return logcumsumexp.apply(x, dim=normal_dim(dim, x.ndim, "logcumsumexp"))


@logcumsumexp.spec
def logcumsumexp_spec(x, *, dim):
    return x


@logcumsumexp.grad
def logcumsumexp_grad(g, y, x, *, dim):
    # Σ g[j] exp(x[i] - y[j]) over j >= i, where exp(-y[j]) alone would overflow: with
    # r[i] = Σ g[j] exp(y[i] - y[j]) = g[i] + exp(y[i] - y[i+1]) r[i+1], no exponent is > 0.
    n = y.shape[dim]
    decay = exp(log_ratio(narrow(y, dim, 0, n - 1), narrow(y, dim, 1, n - 1))) if n else y
    widths = tuple((0, int(n > 0 and d == dim)) for d in range(y.ndim))
    decay = constant_pad.apply(decay, widths=widths, value=0.0)
    r = linear_scan.apply(decay, g, dim=dim, reverse=True)
    return (r * exp(log_ratio(x, y)),)


def log_ratio(a, b):
    """a - b, and 0 where both are -∞."""
    return where(eq(b, -np.inf), 0.0, a - b)


@op
def argcummax(x, *, dim):
    """The index of the largest of x[0] … x[i] along `dim`: of the last such, or of a NaN."""
    return last_index_of(x, np.maximum.accumulate(x, axis=dim), dim)


@op
def argcummin(x, *, dim):
    """The index of the smallest of x[0] … x[i] along `dim`: of the last such, or of a NaN."""
    return last_index_of(x, np.minimum.accumulate(x, axis=dim), dim)


def last_index_of(x, extremes, dim):
    """For each i, the last index up to i where x was the extreme of all so far."""
    places = np.arange(x.shape[dim]).reshape(-1, *(1,) * (x.ndim - 1 - dim))
    found = np.where((x == extremes) | (x != x), places, 0)
    return np.maximum.accumulate(found, axis=dim)


@argcummax.spec
@argcummin.spec
def argcum_spec(x, *, dim):
    return Spec(x.shape, int64)


@numpy_keywords
@scalars_as_vectors
def cummax(x, dim):
    """The largest of x[0] … x[i] along `dim`, and where it is."""
    dim = normal_dim(dim, x.ndim, "cummax")
    return select_at(x, argcummax.apply(x, dim=dim), dim)


@numpy_keywords
@scalars_as_vectors
def cummin(x, dim):
    """The smallest of x[0] … x[i] along `dim`, and where it is."""
    dim = normal_dim(dim, x.ndim, "cummin")
    return select_at(x, argcummin.apply(x, dim=dim), dim)


@numpy_keywords
def diff(x, n=1, dim=-1, prepend=None, append=None):
    """x[i+1] - x[i] along `dim`, n times over; for booleans, whether they differ."""
    if x.ndim == 0 or n < 0:
        raise ShapeError(f"diff: at least 1 dim and n >= 0 expected: {list(x.shape)}, {n}")
    dim = normal_dim(dim, x.ndim, "diff")
    if prepend is not None or append is not None:
        x = cat([part for part in (prepend, x, append) if part is not None], dim)
    for _ in range(n):
        size = x.shape[dim] - 1
        if size < 0:
            break
        later, earlier = narrow(x, dim, 1, size), narrow(x, dim, 0, size)
        boolean = as_dtype(x.dtype).name == "bool"
        x = logical_xor(later, earlier) if boolean else later - earlier
    return x
