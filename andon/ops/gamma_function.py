"""The gamma function's family: lgamma, digamma, polygamma, and Hurwitz's zeta function.

In float64 to about 1e-14 of the value (near the zeros of lgamma and digamma, of the largest term).
Three tools do everything: a recurrence to where a series converges fast, that series, and, for
negative arguments, the reflection x → 1 - x.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..core.errors import DTypeError
from ..core.op import elementwise, to_floating
from .error_function import in_float64

# B₂, B₄, … of the Euler-Maclaurin formula, and so of Stirling's series
BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)
SHIFTS = 10  # terms summed, or steps of a recurrence, before an asymptotic series


# The values


def zeta_values(s, q):
    """Σ (q + n)⁻ˢ over n ≥ 0, for s > 1, q > 0: some terms, then the Euler-Maclaurin formula."""
    total = np.zeros(np.broadcast_shapes(np.shape(s), np.shape(q)))
    for n in range(SHIFTS):
        total = total + np.power(q + n, -s)
    q = q + SHIFTS
    term = np.power(q, -s)
    total = total + np.power(q, 1 - s) / (s - 1) + term / 2
    rising = s * term / q  # s (s + 1) … (s + 2k) / q^(s + 2k + 1) (2k + 2)!
    for k, b in enumerate(BERNOULLI):
        total = total + b * rising / math.factorial(2 * k + 2)
        rising = rising * (s + 2 * k + 1) * (s + 2 * k + 2) / (q * q)
    return total


def stirling(x):
    """log Γ(x) for x ≥ 8: (x - 1/2) log x - x + log √2π + Σ B₂ₖ / (2k (2k - 1) x²ᵏ⁻¹)."""
    total = np.zeros_like(x)
    for k in range(len(BERNOULLI), 0, -1):
        total = total / (x * x) + BERNOULLI[k - 1] / (2 * k * (2 * k - 1))
    return (x - 0.5) * np.log(x) - x + math.log(2 * math.pi) / 2 + total / x


@functools.cache
def log_gamma_series() -> tuple[float, ...]:
    """Coefficients of log Γ(2 + z) in z: 1 - γ, then (-1)ᵏ (ζ(k) - 1) / k."""
    k = np.arange(2.0, 32.0)
    return (1 - np.euler_gamma, *(np.power(-1, k) * zeta_values(k, 2.0) / k))


def log_gamma_middle(x):
    """log Γ(k + z) for 1/2 ≤ k + z ≤ 8, |z| ≤ 1/2: the series at 2 + z, and Γ(x + 1) = x Γ(x)."""
    k = np.clip(np.rint(x), 1, 8)
    z, series, product = x - k, np.zeros_like(x), np.ones_like(x)
    for c in reversed(log_gamma_series()):
        series = (series + c) * z
    for n in range(2, 8):
        product = np.where(n < k, product * (z + n), product)
    return series + np.where(k < 2, -np.log1p(z), np.log(product))


def lgamma_values(x):
    """log |Γ(x)| of a float64 array; Γ(x) Γ(1 - x) = π / sin πx where x < 1/2."""
    right = np.where(x < 0.5, 1 - x, x)
    middle, large = log_gamma_middle(np.minimum(right, 8)), stirling(np.maximum(right, 8))
    value = np.where(right > 8, large, middle)
    reflected = math.log(math.pi) - np.log(np.abs(sin_pi(x))) - value
    return np.where(np.isinf(x), np.inf, np.where(x < 0.5, reflected, value))


def sin_pi(x):
    """sin πx but for its sign, without the error of a large πx."""
    return np.sin(math.pi * (x - np.rint(x)))


def digamma_values(x):
    """Γ'(x) / Γ(x) of a float64 array; ψ(x) = ψ(1 - x) - π / tan πx where x < 1/2."""
    right = np.where(x < 0.5, 1 - x, x)
    total, shifted = np.zeros_like(x), right
    for _ in range(SHIFTS):
        low = shifted < SHIFTS
        total = np.where(low, total - 1 / shifted, total)
        shifted = np.where(low, shifted + 1, shifted)
    series = np.zeros_like(x)
    for k in range(len(BERNOULLI), 0, -1):
        series = (series + BERNOULLI[k - 1] / (2 * k)) / (shifted * shifted)
    value = total + np.log(shifted) - 0.5 / shifted - series
    pole = np.where(x == 0, -np.copysign(np.inf, x), np.nan)
    reflected = value - math.pi / np.tan(math.pi * (x - np.rint(x)))
    return np.where(x >= 0.5, value, np.where(x == np.rint(x), pole, reflected))


def polygamma_values(n, x):
    """The n-th derivative of ψ, n ≥ 1: (-1)ⁿ⁺¹ n! ζ(n + 1, x); where x < 1/2 by reflection."""
    sign = (-1) ** (n + 1)
    value = sign * math.factorial(n) * zeta_values(n + 1.0, np.where(x < 0.5, 1 - x, x))
    # dⁿ/dxⁿ π cot πx = πⁿ⁺¹ P(cot πx), where P starts as c and each derivative is -(1 + c²) P'
    coefficients = np.array([0.0, 1.0])
    for _ in range(n):
        coefficients = np.convolve([-1, 0, -1], coefficients[1:] * range(1, len(coefficients)))
    c, polynomial = 1 / np.tan(math.pi * (x - np.rint(x))), 0.0
    for coefficient in coefficients[::-1]:
        polynomial = polynomial * c + coefficient
    reflected = -sign * value - math.pi ** (n + 1) * polynomial
    return np.where(x < 0.5, np.where(x == np.rint(x), sign * np.inf, reflected), value)


# The ops


@elementwise(c="lgamma({0})", grad=lambda g, x: g * digamma(x), promote=to_floating)
@in_float64
def lgamma(x):
    """log |Γ(x)|, ∞ at 0, -1, -2, …"""
    return lgamma_values(x)


@elementwise(grad=lambda g, x: g * polygamma.apply(x, n=1), promote=to_floating)
@in_float64
def digamma(x):
    """ψ(x) = Γ'(x) / Γ(x): NaN at -1, -2, …, and -∞ at 0."""
    return digamma_values(x)


@elementwise(grad=lambda g, x, n: g * polygamma.apply(x, n=n + 1), promote=to_floating)
@in_float64
def polygamma(x, *, n):
    """The n-th derivative of ψ at x."""
    return polygamma_values(n, x)


@polygamma.signature
def polygamma_call(n, x):
    if not isinstance(n, int) or n < 0:
        raise DTypeError(f"polygamma: the order must be an int ≥ 0: {n!r}")
    return polygamma.apply(x, n=n) if n else digamma(x)


@elementwise(grad=(None, lambda g, s, q: g * -s * zeta(s + 1, q)), promote=to_floating)
def zeta(s, q):
    """Hurwitz's Σ (q + n)⁻ˢ over n ≥ 0, for s > 1 and q > 0; ∞ at s = 1, NaN elsewhere."""
    dtype, (s, q) = np.result_type(s, q), (np.asarray(z, np.float64) for z in (s, q))
    value = np.where((s > 1) & (q > 0), zeta_values(s, q), np.nan)
    return np.where(s == 1, np.inf, value).astype(dtype)


def mvlgamma(x, p):
    """The multivariate log Γ: p (p - 1) / 4 log π + Σ log Γ(x + (1 - j) / 2) over j = 1 … p."""
    if not isinstance(p, int) or p < 1:
        raise DTypeError(f"mvlgamma: p must be an int ≥ 1: {p!r}")
    total = p * (p - 1) / 4 * math.log(math.pi)
    for j in range(p):
        total = total + lgamma(x - j / 2)
    return total
