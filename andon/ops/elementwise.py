"""Functions of one number: roots, exponentials, logarithms, trigonometry, rounding.

Domain errors give NaN, as in IEEE arithmetic, without an exception. Integers become the default
floating dtype, except where rounding leaves them as they are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from ..core.dtype import bool_, int64
from ..core.errors import DTypeError
from ..core.op import elementwise, to_floating
from ..core.spec import Spec
from .index import nothing

LN2, LN10 = math.log(2), math.log(10)


def rounded_once(reference: Callable) -> Callable:
    """Decorator: float16 and bfloat16 are computed in float32, and rounded at the end."""

    @functools.wraps(reference)
    def widened(*xs, **attrs):
        dtype = xs[0].dtype
        if dtype.itemsize > 2:
            return reference(*xs, **attrs)
        return reference(*[x.astype(np.float32) for x in xs], **attrs).astype(dtype)

    return widened


# Powers and roots


@elementwise(c="({0} * {0})", grad=lambda g, x: g * (x * 2))
def square(x):
    """x². Of booleans it is an integer."""
    return np.square(x) if x.dtype.kind != "b" else x.astype(np.int64)


@square.spec
def square_spec(x):
    return x if x.dtype is not bool_ else Spec(x.shape, int64)


@elementwise(c="sqrt({0})", grad=lambda g, y: g * 0.5 / y, promote=to_floating)
def sqrt(x):
    """√x. Its gradient at 0 is infinite."""
    return np.sqrt(x)


@elementwise(c="(1 / sqrt({0}))", grad=lambda g, y: g * -0.5 * (y * y * y), promote=to_floating)
def rsqrt(x):
    """1 / √x."""
    return np.reciprocal(np.sqrt(x))


@elementwise(c="(1 / {0})", grad=lambda g, y: -g * (y * y), promote=to_floating)
def reciprocal(x):
    """1 / x."""
    return np.reciprocal(x)


# Exponentials and logarithms


@elementwise(c="exp({0})", grad=lambda g, y: g * y, promote=to_floating)
def exp(x):
    """eˣ."""
    return np.exp(x)


@elementwise(c="exp2({0})", grad=lambda g, y: g * y * LN2, promote=to_floating)
def exp2(x):
    """2ˣ."""
    return np.exp2(x)


@elementwise(c="expm1({0})", grad=lambda g, y: g * (y + 1), promote=to_floating)
def expm1(x):
    """eˣ - 1, accurate near 0."""
    return np.expm1(x)


@elementwise(c="log({0})", grad=lambda g, x: g / x, promote=to_floating)
def log(x):
    """The natural logarithm."""
    return np.log(x)


@elementwise(c="log2({0})", grad=lambda g, x: g / (x * LN2), promote=to_floating)
def log2(x):
    """The logarithm to base 2."""
    return np.log2(x)


@elementwise(c="log10({0})", grad=lambda g, x: g / (x * LN10), promote=to_floating)
def log10(x):
    """The logarithm to base 10."""
    return np.log10(x)


@elementwise(c="log1p({0})", grad=lambda g, x: g / (x + 1), promote=to_floating)
def log1p(x):
    """log(1 + x), accurate near 0."""
    return np.log1p(x)


# Trigonometric and hyperbolic functions


@elementwise(c="sin({0})", grad=lambda g, x: g * cos(x), promote=to_floating)
def sin(x):
    """The sine of x radians."""
    return np.sin(x)


@elementwise(c="cos({0})", grad=lambda g, x: -g * sin(x), promote=to_floating)
def cos(x):
    """The cosine of x radians."""
    return np.cos(x)


@elementwise(c="tan({0})", grad=lambda g, y: g + g * y * y, promote=to_floating)
def tan(x):
    """The tangent of x radians."""
    return np.tan(x)


@elementwise(c="asin({0})", grad=lambda g, x: g * rsqrt(1 - x * x), promote=to_floating)
def asin(x):
    """The angle in [-π/2, π/2] whose sine is x."""
    return np.arcsin(x)


@elementwise(c="acos({0})", grad=lambda g, x: -g * rsqrt(1 - x * x), promote=to_floating)
def acos(x):
    """The angle in [0, π] whose cosine is x."""
    return np.arccos(x)


@elementwise(c="atan({0})", grad=lambda g, x: g / (x * x + 1), promote=to_floating)
def atan(x):
    """The angle in [-π/2, π/2] whose tangent is x."""
    return np.arctan(x)


@elementwise(c="sinh({0})", grad=lambda g, x: g * cosh(x), promote=to_floating)
def sinh(x):
    """(eˣ - e⁻ˣ) / 2."""
    return np.sinh(x)


@elementwise(c="cosh({0})", grad=lambda g, x: g * sinh(x), promote=to_floating)
def cosh(x):
    """(eˣ + e⁻ˣ) / 2."""
    return np.cosh(x)


@elementwise(c="tanh({0})", grad=lambda g, y: g - g * y * y, promote=to_floating)
def tanh(x):
    """The hyperbolic tangent, sinh x / cosh x."""
    return np.tanh(x)


@elementwise(c="asinh({0})", grad=lambda g, x: g * rsqrt(x * x + 1), promote=to_floating)
def asinh(x):
    """The inverse of sinh."""
    return np.arcsinh(x)


@elementwise(c="acosh({0})", grad=lambda g, x: g * rsqrt(x * x - 1), promote=to_floating)
def acosh(x):
    """The inverse of cosh, ≥ 0."""
    return np.arccosh(x)


@elementwise(c="atanh({0})", grad=lambda g, x: g / (1 - x * x), promote=to_floating)
def atanh(x):
    """The inverse of tanh."""
    return np.arctanh(x)


@elementwise(
    c="({0} * 0.017453292519943295)",
    grad=lambda g: g * (math.pi / 180),
    promote=to_floating,
)
def deg2rad(x):
    """x degrees in radians."""
    return np.deg2rad(x)


@elementwise(
    c="({0} * 57.29577951308232)",
    grad=lambda g: g * (180 / math.pi),
    promote=to_floating,
)
def rad2deg(x):
    """x radians in degrees."""
    return np.rad2deg(x)


@elementwise(c="(1 / (1 + exp(-{0})))", grad=lambda g, y: g * (y * (1 - y)), promote=to_floating)
@rounded_once
def sigmoid(x):
    """1 / (1 + e⁻ˣ). Where e⁻ˣ overflows, the quotient is the 0 it should be."""
    y = np.asarray(-x)
    np.exp(y, out=y)
    y += 1
    return np.reciprocal(y, out=y)


# Rounding. Flat between the steps, so all gradients but that of `frac` are 0


@elementwise(c="floor({0})", grad=nothing)
def floor(x):
    """The largest integer ≤ x."""
    return np.floor(x)


@elementwise(c="ceil({0})", grad=nothing)
def ceil(x):
    """The smallest integer ≥ x."""
    return np.ceil(x)


@elementwise(c="trunc({0})", grad=nothing)
def trunc(x):
    """x without its fraction: rounded toward 0."""
    return np.trunc(x)


@elementwise(c="({0} - trunc({0}))", grad=lambda g: g)
def frac(x):
    """The fraction of x, with the sign of x."""
    return x - np.trunc(x)


@elementwise(c="(rint({0} * 1e{decimals}) / 1e{decimals})", grad=nothing)
def round(x, *, decimals):
    """x to the nearest multiple of 10^-decimals; what lies halfway goes to the even one."""
    if x.dtype.kind in "biu" and decimals != 0:
        raise DTypeError(f"round: integers have no decimals: {x.dtype}, decimals={decimals}")
    if decimals == 0:
        return np.rint(x) if x.dtype.kind in "fV" else x.copy()
    scale = 10.0 ** abs(decimals)
    y = np.rint(x * scale) / scale if decimals > 0 else np.rint(x / scale) * scale
    return y.astype(x.dtype, copy=False)


@round.signature
def round_call(x, *, decimals=0):
    return round.apply(x, decimals=decimals)
