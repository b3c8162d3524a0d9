"""Moments: means, variances and standard deviations over dims."""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.errors import DTypeError
from ..core.op import op
from ..core.spec import Spec, drop_dims, spec_of
from .accumulate import add_up, in_float32
from .keywords import numpy_keywords
from .logic import eq, where
from .reduce import as_given, nansum, reduced_dims, spread, sum


def check_floating(x, name):
    """PyTorch takes means of floats only, where NumPy would make floats of integers."""
    if not as_dtype(x.dtype).is_floating_point:
        raise DTypeError(f"{name}: floats expected: {spec_of(x)}")


def moment_spec(name):
    """The shape rule of a reduction of floats to floats."""

    def rule(x, *, dim, keepdim, **attrs):
        check_floating(x, name)
        return Spec(drop_dims(x.shape, dim, keepdim), x.dtype)

    return rule


def size_along(x, dim):
    """How many elements each result of a reduction over `dim` is made from."""
    return math.prod(x.shape[d] for d in dim)


@op
@in_float32
def mean(x, *, dim, keepdim):
    """Σ x / n over the dims in `dim`, n elements each. Of nothing, it is NaN."""
    check_floating(x, "mean")
    return np.divide(add_up(x, dim=dim, keepdim=keepdim), x.dtype.type(size_along(x, dim)))


@mean.signature
@numpy_keywords
def mean_call(x, dim=None, keepdim=False, *, dtype=None):
    x = as_given(x, dtype)
    return mean.apply(x, dim=reduced_dims(dim, x.ndim, "mean"), keepdim=keepdim)


mean.spec(moment_spec("mean"))


@mean.grad(keeps=())
def mean_grad(g, y, x, *, dim, keepdim):
    return (spread(g / max(size_along(x, dim), 1), x, dim),)


@numpy_keywords
def nanmean(x, dim=None, keepdim=False, *, dtype=None):
    """The mean of the elements of x that are numbers."""
    x = as_given(x, dtype)
    return nansum(x, dim, keepdim) / sum(eq(x, x), dim, keepdim)


@op
@in_float32
def var(x, *, dim, correction, keepdim):
    """Σ (x - mean)² / (n - correction) over the dims in `dim`, n elements each."""
    check_floating(x, "var")
    n = size_along(x, dim)
    centred = np.asarray(x - add_up(x, dim=dim, keepdim=True) / x.dtype.type(n))
    squares = np.square(centred, out=centred)
    freedom = x.dtype.type(max(n - correction, 0))
    return np.divide(add_up(squares, dim=dim, keepdim=keepdim), freedom)


@op
@in_float32
def std(x, *, dim, correction, keepdim):
    """√ var: the standard deviation. Its gradient where it is 0 is taken to be 0."""
    check_floating(x, "std")
    return np.sqrt(var.reference(x, dim=dim, correction=correction, keepdim=keepdim))


@var.signature
@numpy_keywords
def var_call(x, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """`unbiased=False` is PyTorch's old name for `correction=0`; the default is 1."""
    return dispersion(var, x, dim, unbiased, keepdim, correction)


@std.signature
@numpy_keywords
def std_call(x, dim=None, unbiased=None, keepdim=False, *, correction=None):
    return dispersion(std, x, dim, unbiased, keepdim, correction)


def dispersion(op, x, dim, unbiased, keepdim, correction):
    if isinstance(dim, bool):  # var(x, unbiased) is a signature of its own
        dim, unbiased = None, dim
    if correction is None:
        correction = 0 if unbiased is False else 1
    dim = reduced_dims(dim, x.ndim, op.name)
    return op.apply(x, dim=dim, correction=correction, keepdim=keepdim)


var.spec(moment_spec("var"))
std.spec(moment_spec("std"))


@var.grad(keeps=("x",))
def var_grad(g, y, x, *, dim, correction, keepdim):
    freedom = size_along(x, dim) - correction
    centred = x - mean.apply(x, dim=dim, keepdim=True)
    return (spread(g, x, dim) * centred * (2 / freedom if freedom > 0 else math.inf),)


@std.grad
def std_grad(g, y, x, *, dim, correction, keepdim):
    slope = g / where(eq(y, 0), math.inf, y * 2)
    return var_grad(slope, y, x, dim=dim, correction=correction, keepdim=keepdim)


@numpy_keywords
def var_mean(x, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The variance and the mean."""
    return with_mean(var, x, dim, unbiased, keepdim, correction)


@numpy_keywords
def std_mean(x, dim=None, unbiased=None, keepdim=False, *, correction=None):
    """The standard deviation and the mean."""
    return with_mean(std, x, dim, unbiased, keepdim, correction)


def with_mean(op, x, dim, unbiased, keepdim, correction):
    over = None if isinstance(dim, bool) else dim
    return dispersion(op, x, dim, unbiased, keepdim, correction), mean(x, over, keepdim)
