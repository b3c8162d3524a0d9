"""Arithmetic, element by element: sums, products, quotients, powers; extremes and limits.

Operands broadcast and are promoted by PyTorch's rules before a reference sees them; the engine
sums each gradient back to its operand's shape, so no rule here mentions shapes or dtypes.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import float64
from ..core.errors import ArgumentError, DivisionError, DTypeError
from ..core.op import elementwise, to_common_dtype, to_floating
from ..core.spec import spec_of
from .elementwise import exp, exp2, log
from .index import nothing
from .logic import eq, ge, logical_and, refuses, where
from .movement import cast

# Sums


@elementwise(c="{0} + {1}", grad=(lambda g: g, lambda g: g))
def add(a, b):
    """a + b."""
    return a + b


@add.signature
def add_call(a, b, *, alpha=1):
    return add.apply(a, b if alpha == 1 else b * alpha)


@refuses("bool", "not defined for booleans: use ^ or logical_not")
@elementwise(c="{0} - {1}", grad=(lambda g: g, lambda g: -g))
def sub(a, b):
    """a - b. Not defined for booleans."""
    return np.subtract(a, b)


@sub.signature
def sub_call(a, b, *, alpha=1):
    return sub.apply(a, b if alpha == 1 else b * alpha)


def rsub(x, other, *, alpha=1):
    """other - alpha x."""
    return sub(other, x, alpha=alpha)


@refuses("bool", "not defined for booleans: use ~ or logical_not")
@elementwise(c="-{0}", grad=lambda g: -g)
def neg(x):
    """-x. Not defined for booleans."""
    return np.negative(x)


@refuses("bool", "not defined for booleans")
@elementwise(c="{0}", grad=lambda g: g)
def positive(x):
    """x itself."""
    return np.positive(x)


@elementwise(
    c="({2} < 0.5 ? {0} + {2} * ({1} - {0}) : {1} - ({1} - {0}) * (1 - {2}))",
    grad=(
        lambda g, weight: g * (1 - weight),
        lambda g, weight: g * weight,
        lambda g, start, end: g * (end - start),
    ),
)
def lerp(start, end, weight):
    """start + weight (end - start), exact at both ends."""
    way = np.subtract(end, start)
    if type(weight) is float:
        return start + weight * way if weight < 0.5 else end - way * (1 - weight)
    return np.where(weight < 0.5, start + weight * way, end - way * (1 - weight))


# Products


@elementwise(c="{0} * {1}", grad=(lambda g, b: g * b, lambda g, a: g * a))
def mul(a, b):
    """a * b."""
    return a * b


def addcmul(x, tensor1, tensor2, *, value=1):
    """x + value · tensor1 · tensor2."""
    product = tensor1 * tensor2
    return x + (product if value == 1 else product * value)


def addcdiv(x, tensor1, tensor2, *, value=1):
    """x + value · tensor1 / tensor2."""
    quotient = tensor1 / tensor2
    return x + (quotient if value == 1 else quotient * value)


# Quotients and remainders


@elementwise(
    c="{0} / {1}", grad=(lambda g, b: g / b, lambda g, y, b: -g * y / b), promote=to_floating
)
def div(a, b):
    """a / b. Integers are divided as floats."""
    return np.divide(a, b)


@div.signature
def div_call(a, b, *, rounding_mode=None):
    if rounding_mode is None:
        return div.apply(a, b)
    if rounding_mode == "floor":
        return floor_divide(a, b)
    if rounding_mode == "trunc":
        return trunc_divide(a, b)
    raise ArgumentError(f"div: rounding_mode must be None, 'floor' or 'trunc': {rounding_mode!r}")


@elementwise(c="floor({0} / {1})", grad=(nothing, nothing))
def floor_divide(a, b):
    """⌊a / b⌋. An integer division by zero raises."""
    check_divisor(a, b, "floor_divide")
    return np.floor_divide(a, b)


@elementwise(c="trunc({0} / {1})", grad=(nothing, nothing))
def trunc_divide(a, b):
    """a / b rounded toward zero; `div` with rounding_mode="trunc"."""
    check_divisor(a, b, "trunc_divide")
    if np.result_type(a, b).kind in "iu":
        return (a - np.fmod(a, b)) // b
    return np.trunc(np.divide(a, b))


@elementwise(
    c="({0} - {1} * floor({0} / {1}))",
    grad=(lambda g: g, lambda g, a, b: -g * floor_divide(a, b)),
)
def remainder(a, b):
    """a - b ⌊a / b⌋: the sign of the divisor, as Python's %."""
    check_divisor(a, b, "remainder")
    return np.remainder(a, b)


@elementwise(
    c="fmod({0}, {1})",
    grad=(lambda g: g, lambda g, a, b: -g * trunc_divide(a, b)),
)
def fmod(a, b):
    """a - b trunc(a / b): the sign of the dividend, as C's fmod."""
    check_divisor(a, b, "fmod")
    return np.fmod(a, b)


def check_divisor(a, b, name: str) -> None:
    """NumPy only warns of an integer division by zero; PyTorch raises, and so do we."""
    kind = np.result_type(a, b).kind
    if kind == "b":
        raise DTypeError(f"{name}: not defined for booleans")
    if kind in "iu" and not np.all(b):
        raise DivisionError(f"{name}: integer division by zero: {spec_of(a)}, {spec_of(b)}")


@refuses("floating", "defined for integers only")
@elementwise()
def gcd(a, b):
    """The greatest common divisor of |a| and |b|."""
    return np.gcd(a, b)


@refuses("floating", "defined for integers only")
@elementwise()
def lcm(a, b):
    """The least common multiple of |a| and |b|."""
    return np.lcm(a, b)


# Powers


def power_operands(inputs):
    """As `to_common_dtype`; a negative exponent would wrap beside unsigned integers."""
    x, exponent = inputs
    whole = hasattr(x, "dtype") and x.dtype.kind in "iu"
    if whole and type(exponent) is int and exponent < 0:
        raise DTypeError(f"pow: not an integer power of an integer: exponent {exponent}")
    return to_common_dtype(inputs)


@elementwise(
    c="pow({0}, {1})",
    grad=(
        lambda g, x, exponent: power_gradient(g, x, exponent),
        lambda g, y, x, exponent: where(both_zero(x, exponent), 0.0, g * (y * natural_log(x))),
    ),
    promote=power_operands,
)
def pow(x, exponent):
    """x to the power `exponent`.

    Raises: DTypeError for integers to negative powers, and for booleans to tensors of them.
    """
    if type(exponent) in (int, float) and exponent in SHORT_CUTS and x.dtype.kind in "fV":
        return SHORT_CUTS[exponent](x)
    kind = np.result_type(x, exponent).kind
    if kind == "b" and type(exponent) is bool:
        return np.logical_or(x, not exponent)
    if kind == "b" or (kind in "iu" and np.any(np.less(exponent, 0))):
        raise DTypeError(f"pow: not an integer power of an integer: exponent {exponent}")
    return np.power(x, exponent)


SHORT_CUTS = {
    2: np.square,
    3: lambda x: np.square(x) * x,
    0.5: np.sqrt,
    -0.5: lambda x: np.reciprocal(np.sqrt(x)),
    -1: np.reciprocal,
}


def power_gradient(g, x, n):
    """g n xⁿ⁻¹, and 0 where n is 0: 0 · 0⁻¹ would be NaN there."""
    if isinstance(n, (int, float)):
        if n == 2:
            return g * (x * 2)
        return g * (pow(x, n - 1) * n) if n != 0 else nothing(g)
    return where(eq(n, 0), 0.0, g * (n * pow(x, n - 1)))


def both_zero(x, n):
    """Where x = 0 ≤ n: there xⁿ log x is taken to be 0, its limit for n > 0."""
    return logical_and(eq(x, 0), ge(n, 0))


def natural_log(x):
    """log x, of a Python number in full precision."""
    if isinstance(x, (int, float)):
        return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan
    return log(x)


def float_power(x, exponent):
    """x to the power `exponent`, in float64."""
    return pow(in_float64(x), in_float64(exponent))


def in_float64(x):
    return float(x) if isinstance(x, (int, float)) else cast.apply(x, dtype=float64)


@elementwise(
    c="hypot({0}, {1})",
    grad=(lambda g, y, a: g * (a / y), lambda g, y, b: g * (b / y)),
    promote=to_floating,
)
def hypot(a, b):
    """√(a² + b²), without overflow."""
    return np.hypot(a, b)


@elementwise(
    c="atan2({0}, {1})",
    grad=(
        lambda g, a, b: g * b * inverse_or_zero(a * a + b * b),
        lambda g, a, b: -g * a * inverse_or_zero(a * a + b * b),
    ),
    promote=to_floating,
)
def atan2(a, b):
    """The angle of the point (b, a), in [-π, π]."""
    return np.arctan2(a, b)


def inverse_or_zero(x):
    """1 / x, and 0 where x = 0."""
    return where(eq(x, 0), 0.0, 1 / where(eq(x, 0), 1.0, x))


@elementwise(
    c="({0} == {1} ? {0} + 0.6931471805599453 : fmax({0}, {1}) + log1p(exp(-fabs({0} - {1}))))",
    grad=(lambda g, y, a: g * exp(a - y), lambda g, y, b: g * exp(b - y)),
    promote=to_floating,
)
def logaddexp(a, b):
    """log(eᵃ + eᵇ), without overflow."""
    return np.logaddexp(a, b)


@elementwise(
    c="({0} == {1} ? {0} + 1 : fmax({0}, {1}) + log2(1 + exp2(-fabs({0} - {1}))))",
    grad=(lambda g, y, a: g * exp2(a - y), lambda g, y, b: g * exp2(b - y)),
    promote=to_floating,
)
def logaddexp2(a, b):
    """log₂(2ᵃ + 2ᵇ), without overflow."""
    return np.logaddexp2(a, b)


@elementwise(c="nextafter({0}, {1})", grad=(lambda g: g, nothing))
def nextafter(a, b):
    """The number next to a that its dtype has, in the direction of b."""
    return np.nextafter(a, b)
