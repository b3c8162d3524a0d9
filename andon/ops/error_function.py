"""The error function and its kin: erf, erfc, erfcx, their inverses, the normal distribution.

In float64 to about 1e-15 of the value, by series whose terms have a formula. float32 `erf`, which
GELU rests on, is a polynomial inside a tanh, to 3e-7.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from ..core.op import elementwise, to_floating
from .elementwise import exp, square

STEP = 0.5  # of the trapezoidal rule below; its error is exp(-(π / STEP)²) = 7e-18


def in_float64(reference: Callable) -> Callable:
    """Decorator: the reference computes in float64, and the result gets the operand's dtype."""

    @functools.wraps(reference)
    def widened(x, **attrs):
        return reference(np.asarray(x, np.float64), **attrs).astype(x.dtype)

    return widened


# The values


def erf_near_zero(x):
    """2/√π Σ (-1)ⁿ x²ⁿ⁺¹ / (n! (2n+1)), for |x| ≤ 1/2."""
    total, s = np.zeros_like(x), x * x
    for n in reversed(range(12)):
        total = total * s + (-1) ** n / (math.factorial(n) * (2 * n + 1))
    return 2 / math.sqrt(math.pi) * x * total


def scaled_erfc(x):
    """exp(x²) erfc(x) for x ≥ 1/2: the trapezoidal rule on 2x/π ∫ exp(-t²) / (x² + t²) dt.

    The second term is the residue at t = ix, where that lies below the rule's frequency.
    Source: D. B. Hunter and T. Regan, A note on the evaluation of the complementary error
    function, Mathematics of Computation 26 (1972).
    """
    total = 1 / x
    for n in range(1, 14):
        t = (n * STEP) ** 2
        total += 2 * math.exp(-t) / (x + t / x)
    near = np.minimum(x, math.pi / STEP)
    residue = np.where(x < near, 0, 2 * np.exp(near * near) / np.expm1(2 * math.pi / STEP * near))
    return STEP / math.pi * total - np.where(x > near, 0, residue)


def exp_minus_square(x):
    """exp(-x²) without the error of rounding x²: x is a short number and a rest."""
    short = np.rint(x * 4096) / 4096
    return np.exp(-short * short) * np.exp((short - x) * (short + x))


def erfc_values(x):
    """1 - erf x, of a float64 array."""
    far = np.clip(np.abs(x), 0.5, 40)  # erfc(40) is 0 in float64
    tail = exp_minus_square(far) * scaled_erfc(far)
    beyond = np.where(x > 0, tail, 2 - tail)
    return np.where(np.abs(x) < 0.5, 1 - erf_near_zero(np.clip(x, -0.5, 0.5)), beyond)


def erf_values(x):
    """erf x, of a float64 array."""
    beyond = np.copysign(1 - erfc_values(np.abs(x)), x)
    return np.where(np.abs(x) < 0.5, erf_near_zero(np.clip(x, -0.5, 0.5)), beyond)


def inverse_values(y, q):
    """x ≥ 0 with erf x = y and erfc x = q. Both are given, as either may be the precise one.

    Winitzki's approximation, then Halley's steps, each of which triples the digits.
    """
    log_product, a = np.log(q) + np.log1p(y), 0.147  # (1 - erf²) = erfc (1 + erf)
    b = 2 / (math.pi * a) + log_product / 2
    x = np.sqrt(np.maximum(np.sqrt(b * b - log_product / a) - b, 0))
    for _ in range(4):
        tail = np.maximum(x, 0.4)
        scaled = scaled_erfc(tail)
        above = (q / (exp_minus_square(tail) * scaled) - 1) * scaled
        below = (erf_values(x) - y) * np.exp(x * x)
        u = np.where(y < 0.5, below, above) * (math.sqrt(math.pi) / 2)
        x = x - u / (1 + x * u)
    return np.where(q == 0, np.inf, x)


# atanh(erf x) / x as a polynomial in x²: a minimax fit of the erf on [0, 4], to 1e-7
RATE = (
    1.1283792, 0.10276905, -1.9183128e-4, -6.1978429e-4, 8.7637192e-5, -5.6684544e-6, 1.4185107e-7
)  # fmt: skip


def erf_float32(x):
    """tanh(x P(x²)), where P(x²) = atanh(erf x) / x hardly varies."""
    s = np.square(x)
    y = np.full_like(x, RATE[-1])
    for c in RATE[-2::-1]:
        y *= s
        y += c
    y *= x
    return np.tanh(y, out=y)


# The ops. Derivatives rest on (erf x)' = 2/√π exp(-x²)

SLOPE = 2 / math.sqrt(math.pi)
ROOT2 = math.sqrt(2)


@elementwise(c="erf({0})", grad=lambda g, x: g * SLOPE * exp(-square(x)), promote=to_floating)
def erf(x):
    """2/√π ∫₀ˣ exp(-t²) dt."""
    if x.dtype == np.float64:
        return erf_values(x)
    return erf_float32(np.asarray(x, np.float32)).astype(x.dtype, copy=False)


@elementwise(c="erfc({0})", grad=lambda g, x: g * -SLOPE * exp(-square(x)), promote=to_floating)
@in_float64
def erfc(x):
    """1 - erf x, precise where that is small."""
    return erfc_values(x)


@elementwise(grad=lambda g, y, x: g * (2 * x * y - SLOPE), promote=to_floating)
@in_float64
def erfcx(x):
    """exp(x²) erfc x, precise where the factors overflow and vanish."""
    far = scaled_erfc(np.maximum(x, 0.5))
    return np.where(x < 0.5, np.exp(x * x) * erfc_values(x), far)


@elementwise(grad=lambda g, y: g / SLOPE * exp(square(y)), promote=to_floating)
@in_float64
def erfinv(x):
    """The inverse of erf: ±∞ at ±1, and NaN beyond."""
    return np.copysign(inverse_values(np.abs(x), 1 - np.abs(x)), x)


# The normal distribution


@elementwise(
    c="(0.5 * erfc({0} * -0.7071067811865476))",
    grad=lambda g, x: g * (SLOPE / 2 / ROOT2) * exp(square(x) * -0.5),
    promote=to_floating,
)
@in_float64
def ndtr(x):
    """Φ(x) = erfc(-x/√2) / 2: how probable it is that a normal variable is ≤ x."""
    return erfc_values(x / -ROOT2) / 2


@elementwise(grad=lambda g, y: g * (2 * ROOT2 / SLOPE) * exp(square(y) * 0.5), promote=to_floating)
@in_float64
def ndtri(x):
    """The inverse of Φ: -∞ at 0, ∞ at 1, and NaN beyond."""
    tail = 2 * np.minimum(x, 1 - x)
    return np.copysign(ROOT2 * inverse_values(1 - tail, tail), x - 0.5)


@elementwise(grad=lambda g, x: g * (SLOPE / ROOT2) / erfcx(x * (-1 / ROOT2)), promote=to_floating)
@in_float64
def log_ndtr(x):
    """log Φ(x), precise where Φ(x) vanishes."""
    z = -x / ROOT2
    far = np.maximum(z, 0.5)
    return np.where(
        z < 0.5, np.log1p(-erfc_values(-z) / 2), np.log(scaled_erfc(far) / 2) - far * far
    )
