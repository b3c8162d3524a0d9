"""SiLU and GELU: x times a probability, x σ(q), where q is an odd polynomial of x.

For SiLU q = x. GELU's normal distribution is σ of a polynomial as well: of two terms in the
approximation known as "tanh", of seven where it is exact to float32. Hot as these are in
transformers, they are computed block by block, in cache, forward and backward.

Source: Hendrycks, Gimpel, Gaussian Error Linear Units (2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..core.errors import ArgumentError
from ..core.op import elementwise, to_floating
from .elementwise import rounded_once, sigmoid, square
from .error_function import RATE, erf, erfc_values

BLOCK = 1 << 15  # elements: what is read, what is written and two scratches fit in a cache

# Coefficients of q(x) / x in x²
TANH = (2 * math.sqrt(2 / math.pi), 2 * math.sqrt(2 / math.pi) * 0.044715)
ERF = tuple(c * math.sqrt(2) / 2**k for k, c in enumerate(RATE))  # (1 + erf(x/√2)) / 2 = σ(q)


# Kernels: functions of blocks, which they write to `y` with two scratches s and t


def by_blocks(kernel: Callable, *arrays: np.ndarray) -> np.ndarray:
    """`kernel(*arrays, y, s, t)` over all elements, a block at a time, to a new array y."""
    shape, size = arrays[0].shape, arrays[0].size
    flat = [np.ascontiguousarray(a).reshape(-1) for a in arrays]
    y = np.empty(size, arrays[0].dtype)
    s, t = np.empty((2, min(size, BLOCK)), y.dtype)
    if size <= BLOCK:
        kernel(*flat, y, s, t)
        return y.reshape(shape)
    for i in range(0, size, BLOCK):
        part = slice(i, i + BLOCK)
        out = y[part]
        kernel(*[a[part] for a in flat], out, s[: len(out)], t[: len(out)])
    return y.reshape(shape)


def inverse_gate(x, y, s, rate):
    """y = 1 + exp(-q) = 1 / σ(q), and s = x²."""
    np.multiply(x, x, out=s)
    np.multiply(s, -rate[-1], out=y)
    for c in rate[-2:0:-1]:
        y -= c
        y *= s
    y -= rate[0]
    y *= x
    np.exp(y, out=y)
    y += 1


def gated(x, rate):
    """x σ(q)."""

    def kernel(x, y, s, t):
        inverse_gate(x, y, s, rate)
        np.divide(x, y, out=y)

    return by_blocks(kernel, x)


def gated_slope(g, x, rate):
    """g (x σ)' = g σ (1 + x q' (1 - σ)) for a q of two terms."""

    def kernel(g, x, y, s, t):
        inverse_gate(x, y, s, rate)
        np.reciprocal(y, out=y)
        s *= 3 * rate[1]  # q' = c₀ + 3 c₁ x²
        s += rate[0]
        s *= x
        np.multiply(s, y, out=t)
        s -= t
        s += 1
        y *= s
        y *= g

    return by_blocks(kernel, g, x)


def swish(x):
    """x σ(x)."""

    def kernel(x, y, s, t):
        np.negative(x, out=y)
        np.exp(y, out=y)
        y += 1
        np.divide(x, y, out=y)

    return by_blocks(kernel, x)


def swish_slope(g, x):
    """g (x σ)' = g (σ + y - y σ), where y = x σ."""

    def kernel(g, x, y, s, t):
        np.negative(x, out=s)
        np.exp(s, out=s)
        s += 1
        np.reciprocal(s, out=s)
        np.multiply(x, s, out=y)
        np.multiply(y, s, out=t)
        y -= t
        y += s
        y *= g

    return by_blocks(kernel, g, x)


def normal_slope(g, x):
    """g (x Φ)' = g (Φ + x φ), where φ = exp(-x²/2) / √2π."""

    def kernel(g, x, y, s, t):
        inverse_gate(x, y, s, ERF)
        np.reciprocal(y, out=y)
        s *= -0.5
        np.exp(s, out=s)
        s *= 1 / math.sqrt(2 * math.pi)
        s *= x
        y += s
        y *= g

    return by_blocks(kernel, g, x)


# The ops


@elementwise(c="({0} / (1 + exp(-{0})))", promote=to_floating)
@rounded_once
def silu(x):
    """x σ(x) = x / (1 + e⁻ˣ)."""
    return swish(x)


@elementwise(
    c="({0} * (1 + {1} * (1 - 1 / (1 + exp(-{1})))) / (1 + exp(-{1})))", promote=to_floating
)
@rounded_once
def silu_backward(upstream, x):
    """The gradient of `silu`."""
    return swish_slope(upstream, x)


@silu.grad(keeps=("x",))
def silu_grad(g, y, x):
    return (silu_backward.apply(g, x),)


@silu.decompose
def silu_composite(x):
    return x * sigmoid(x)


@elementwise(
    c="({0} / (1 + exp(-1.5957691216057308 * {0} * (1 + 0.044715 * {0} * {0}))))",
    promote=to_floating,
)
@rounded_once
def gelu_tanh(x):
    """x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), computed as x σ(2 √(2/π) (x + 0.044715 x³))."""
    return gated(x, TANH)


@elementwise(
    c="({0} * 0.5 * (1 + TANH + {1} * (1 - TANH * TANH)"
    " * 0.7978845608028654 * (1 + 0.134145 * {1} * {1})))".replace(
        "TANH", "tanh(0.7978845608028654 * {1} * (1 + 0.044715 * {1} * {1}))"
    ),
    promote=to_floating,
)
@rounded_once
def gelu_tanh_backward(upstream, x):
    """The gradient of `gelu_tanh`."""
    return gated_slope(upstream, x, TANH)


@gelu_tanh.grad(keeps=("x",))
def gelu_tanh_grad(g, y, x):
    return (gelu_tanh_backward.apply(g, x),)


@gelu_tanh.decompose
def gelu_tanh_composite(x):
    return x * sigmoid(x * (square(x) * TANH[1] + TANH[0]))


@elementwise(c="(0.5 * {0} * (1 + erf({0} * 0.7071067811865476)))", promote=to_floating)
@rounded_once
def gelu_erf(x):
    """x Φ(x) = x/2 (1 + erf(x / √2))."""
    if x.dtype == np.float64:
        return x * 0.5 * erfc_values(x * -math.sqrt(0.5))
    return gated(x, ERF)


@elementwise(
    c="({0} * (0.5 + 0.5 * erf({1} * 0.7071067811865476)"
    " + {1} * 0.3989422804014327 * exp(-0.5 * {1} * {1})))",
    promote=to_floating,
)
@rounded_once
def gelu_erf_backward(upstream, x):
    """The gradient of `gelu_erf`."""
    if x.dtype == np.float64:
        density = np.exp(x * x * -0.5) / math.sqrt(2 * math.pi)
        return upstream * (0.5 * erfc_values(x * -math.sqrt(0.5)) + x * density)
    return normal_slope(upstream, x)


@gelu_erf.grad(keeps=("x",))
def gelu_erf_grad(g, y, x):
    return (gelu_erf_backward.apply(g, x),)


@gelu_erf.decompose
def gelu_erf_composite(x):
    return x * 0.5 * (erf(x * math.sqrt(0.5)) + 1)


def gelu(x, approximate="none"):
    """x Φ(x), Φ being the normal distribution; approximate="tanh" is GPT-2's cheaper form."""
    if approximate not in ("none", "tanh"):
        raise ArgumentError(f"gelu: approximate must be 'none' or 'tanh': {approximate!r}")
    return gelu_tanh(x) if approximate == "tanh" else gelu_erf(x)
