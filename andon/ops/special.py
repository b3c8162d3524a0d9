"""Special functions by PyTorch's names for them: what `andon.special` holds.

The error function's family and the gamma function's have modules of their own. Here are Bessel's,
sinc, and products with logarithms that are 0 where a factor is.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.op import elementwise, to_floating
from .arithmetic import natural_log, neg
from .elementwise import cos, exp2, expm1, log, log1p, round, sigmoid
from .error_function import erf, erfc, erfcx, erfinv, in_float64, log_ndtr, ndtr, ndtri
from .extremes import clamp, sign
from .gamma_function import digamma, lgamma, mvlgamma, polygamma, zeta
from .logic import eq, isnan, logical_and, logical_not, lt, where

__all__ = [
    "digamma",
    "entr",
    "erf",
    "erfc",
    "erfcx",
    "erfinv",
    "exp2",
    "expit",
    "expm1",
    "gammaln",
    "i0",
    "i0e",
    "i1",
    "i1e",
    "log1p",
    "log_ndtr",
    "logit",
    "multigammaln",
    "ndtr",
    "ndtri",
    "polygamma",
    "psi",
    "round",
    "sinc",
    "xlog1py",
    "xlogy",
    "zeta",
]

expit, gammaln, psi, multigammaln = sigmoid, lgamma, digamma, mvlgamma


# Products with logarithms


@elementwise(
    c="({0} == 0 && !isnan({1}) ? 0 : {0} * log({1}))",
    grad=(
        lambda g, x, other: g * slope(log, x, other),
        lambda g, x, other: g * (x / other),
    ),
    promote=to_floating,
)
def xlogy(x, other):
    """x log(other), and 0 where x = 0 even if the logarithm is infinite."""
    return zero_product(x, np.log(other), other)


@elementwise(
    c="({0} == 0 && !isnan({1}) ? 0 : {0} * log1p({1}))",
    grad=(
        lambda g, x, other: g * slope(log1p, x, other),
        lambda g, x, other: g * (x / (other + 1)),
    ),
    promote=to_floating,
)
def xlog1py(x, other):
    """x log(1 + other), and 0 where x = 0 even if the logarithm is infinite."""
    return zero_product(x, np.log1p(other), other)


def zero_product(x, factor, other):
    """x · factor, and 0 where x = 0, unless `other` is NaN."""
    if isinstance(other, (int, float)):
        factor = np.asarray(factor).astype(np.asarray(x).dtype)  # a weak number, as `other` is
    product = np.asarray(np.multiply(x, factor))
    zero = np.logical_and(np.equal(x, 0), np.logical_not(np.isnan(other)))
    np.copyto(product, 0, where=zero, casting="unsafe")
    return product


def slope(logarithm, x, other):
    """logarithm(other), and 0 where the product is 0 because x is. Numbers in full precision."""
    if isinstance(other, (int, float)):
        return natural_log(other if logarithm is log else other + 1)
    zero = logical_and(eq(x, 0), logical_not(isnan(other)))
    return where(zero, 0.0, logarithm(other))


def entr(x):
    """-x log x: 0 at 0, and -∞ below."""
    return where(lt(x, 0), -math.inf, neg(xlogy(x, x)))


def logit(x, eps=None):
    """log(x / (1 - x)), the inverse of sigmoid; with `eps`, of x clamped to [eps, 1 - eps]."""
    if not as_dtype(x.dtype).is_floating_point:
        x = x * 1.0
    if eps is not None:
        x = clamp(x, eps, 1 - eps)
    return log(x / (1 - x))


# sinc


@elementwise(
    c="({0} == 0 ? 1 : sin(3.141592653589793 * {0}) / (3.141592653589793 * {0}))",
    grad=lambda g, y, x: g * where(eq(x, 0), 0.0, (cos(x * math.pi) - y) / nonzero(x)),
    promote=to_floating,
)
@in_float64
def sinc(x):
    """sin πx / πx, and 1 at 0."""
    z = np.where(x == 0, 1, math.pi * x)
    return np.where(x == 0, 1, np.sin(z) / z)


def nonzero(x):
    """x with 1 in place of 0, for a denominator."""
    return where(eq(x, 0), 1.0, x)


# Bessel's functions


def scaled_bessel(order, x):
    """e⁻ˣ Iᵥ(x) for x ≥ 0: the power series for x < 20, then Hankel's asymptotic one."""
    near, far = np.minimum(x, 20), np.maximum(x, 20)
    term = total = (near / 2) ** order / math.factorial(order)
    for k in range(1, 60):
        term = term * (near * near / 4) / (k * (k + order))
        total = total + term
    product = hankel = np.ones_like(x)
    for k in range(1, 30):
        product = product * ((2 * k - 1) ** 2 - 4 * order**2) / (8 * k * far)
        hankel = hankel + product
    return np.where(x < 20, total * np.exp(-near), hankel / np.sqrt(2 * math.pi * far))


def bessel(order, x):
    """Iᵥ(x) for x ≥ 0."""
    x = np.minimum(x, 2000)  # where it is ∞ in float64 already
    return np.exp(x / 2) * scaled_bessel(order, x) * np.exp(x / 2)


@elementwise(grad=lambda g, x: g * i1(x), promote=to_floating)
@in_float64
def i0(x):
    """I₀(x), the modified Bessel function of order 0."""
    return bessel(0, np.abs(x))


@elementwise(
    grad=lambda g, y, x: g * where(eq(x, 0), 0.5, i0(x) - y / nonzero(x)), promote=to_floating
)
@in_float64
def i1(x):
    """I₁(x), the modified Bessel function of order 1."""
    return np.copysign(bessel(1, np.abs(x)), x)


@elementwise(grad=lambda g, y, x: g * (i1e(x) - sign(x) * y), promote=to_floating)
@in_float64
def i0e(x):
    """exp(-|x|) I₀(x)."""
    return scaled_bessel(0, np.abs(x))


@elementwise(
    grad=lambda g, y, x: g * where(eq(x, 0), 0.5, i0e(x) - y * (sign(x) + 1 / nonzero(x))),
    promote=to_floating,
)
@in_float64
def i1e(x):
    """exp(-|x|) I₁(x)."""
    return np.copysign(scaled_bessel(1, np.abs(x)), x)
