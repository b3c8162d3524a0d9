"""Signs, limits and extremes, element by element: abs, sign, clamp, maximum, minimum.

At a kink the gradients are PyTorch's: 0 for |x| at 0, one half each for equal operands of
`maximum`, and all of it for an x that lies on the limit of `clamp`.
"""

from __future__ import annotations

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import finfo
from ..core.errors import DTypeError
from ..core.op import elementwise, to_floating
from .index import nothing
from .logic import eq, ge, gt, isfinite, isnan, le, logical_or, lt, where

# Signs


@elementwise(c="fabs({0})", grad=lambda g, x: g * sign(x))
def abs(x):
    """|x|. Its gradient at 0 is taken to be 0."""
    return np.abs(x)


@elementwise(c="(({0} > 0) - ({0} < 0))", grad=nothing)
def sign(x):
    """-1, 0 or 1, and 0 for NaN. Flat, so its gradient is 0."""
    if x.dtype.kind == "b":
        return x.copy()
    y = np.asarray(np.sign(x))
    np.copyto(y, 0, where=np.isnan(x))
    return y


@elementwise(
    c="copysign({0}, {1})",
    grad=(lambda g, y, a: g * (sign(a) * sign(y)), nothing),
    promote=to_floating,
)
def copysign(a, b):
    """|a| with the sign of b, which for -0.0 is negative."""
    return np.copysign(a, b)


@elementwise(c="({0} == 0 ? {1} : {0} > 0)")
def heaviside(x, values):
    """0 where x < 0, 1 where x > 0, and `values` where x = 0."""
    return np.where(np.equal(x, 0), values, np.greater(x, 0).astype(np.result_type(x, values)))


@elementwise(
    c="(isnan({0}) ? {nan} : isfinite({0}) ? {0} : {0} > 0 ? {posinf} : {neginf})",
    grad=lambda g, x: where(isfinite(x), g, 0.0),
)
def nan_to_num(x, *, nan, posinf, neginf):
    """x with numbers in place of NaN, ∞ and -∞."""
    y = x.copy()
    if x.dtype.kind in "iub":
        return y
    for test, number in (np.isnan, nan), (np.isposinf, posinf), (np.isneginf, neginf):
        np.copyto(y, number, where=test(x), casting="unsafe")
    return y


@nan_to_num.signature
def nan_to_num_call(x, nan=0.0, posinf=None, neginf=None):
    """Infinities become the largest finite numbers of the dtype, unless given."""
    limits = finfo(x.dtype) if as_dtype(x.dtype).is_floating_point else finfo()
    posinf = limits.max if posinf is None else posinf
    neginf = limits.min if neginf is None else neginf
    return nan_to_num.apply(x, nan=nan, posinf=posinf, neginf=neginf)


# The larger and the smaller


@elementwise(
    c="({0} > {1} || isnan({0}) ? {0} : {1})",
    grad=(
        lambda g, a, b: won(g, lt(a, b), eq(a, b)),
        lambda g, a, b: won(g, lt(b, a), eq(a, b)),
    ),
)
def maximum(a, b):
    """The larger of a and b; NaN where either is. Equal operands share the gradient."""
    return np.maximum(a, b)


@elementwise(
    c="({0} < {1} || isnan({0}) ? {0} : {1})",
    grad=(
        lambda g, a, b: won(g, gt(a, b), eq(a, b)),
        lambda g, a, b: won(g, gt(b, a), eq(a, b)),
    ),
)
def minimum(a, b):
    """The smaller of a and b; NaN where either is. Equal operands share the gradient."""
    return np.minimum(a, b)


def won(g, lost, tied):
    """All of g for the one that was chosen, half of it in a tie."""
    return where(lost, 0.0, where(tied, g * 0.5, g))


@elementwise(
    c="fmax({0}, {1})",
    grad=(
        lambda g, a, b: where(logical_or(ge(a, b), isnan(b)), g, 0.0),
        lambda g, a, b: where(logical_or(ge(a, b), isnan(b)), 0.0, g),
    ),
)
def fmax(a, b):
    """The larger of a and b, or the one that is not NaN."""
    return np.fmax(a, b)


@elementwise(
    c="fmin({0}, {1})",
    grad=(
        lambda g, a, b: where(logical_or(le(a, b), isnan(b)), g, 0.0),
        lambda g, a, b: where(logical_or(le(a, b), isnan(b)), 0.0, g),
    ),
)
def fmin(a, b):
    """The smaller of a and b, or the one that is not NaN."""
    return np.fmin(a, b)


# Limits


@elementwise(
    c="({0} < {1} || isnan({1}) ? {1} : {0})",
    grad=(
        lambda g, x, min: where(ge(x, min), g, 0.0),
        lambda g, x, min: where(lt(x, min), g, 0.0),
    ),
)
def clamp_min(x, min):
    """The larger of x and `min`; x has the gradient where they are equal."""
    return np.maximum(x, min)


@elementwise(
    c="({0} > {1} || isnan({1}) ? {1} : {0})",
    grad=(
        lambda g, x, max: where(le(x, max), g, 0.0),
        lambda g, x, max: where(gt(x, max), g, 0.0),
    ),
)
def clamp_max(x, max):
    """The smaller of x and `max`; x has the gradient where they are equal."""
    return np.minimum(x, max)


def clamp(x, min=None, max=None):
    """min where x < min, max where x > max, else x; `max` if min > max. NaN stays.

    >>> import andon
    >>> andon.clamp(andon.arange(5), 1, 3)
    tensor([1, 1, 2, 3, 3])
    """
    if min is None and max is None:
        raise DTypeError("clamp: at least one of min and max must be given: both are None")
    if {type(min), type(max)} == {int, float}:  # an int alone would wrap in an unsigned dtype
        min, max = float(min), float(max)
    x = x if min is None else clamp_min(x, min)
    return x if max is None else clamp_max(x, max)
