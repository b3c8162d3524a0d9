"""Gradients where a function has a corner, a tie or a pole: PyTorch's conventions, to the bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import andon

INF, NAN = math.inf, math.nan
EDGES = [0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 0.5, -0.5, 2.0, INF, -INF, NAN]


def functional(t):
    return andon if t is andon else t.nn.functional


def gradients(t, f, *operands):
    xs = [t.tensor(x, dtype=t.float64, requires_grad=True) for x in operands]
    f(t, *xs).sum().backward()
    return [x.grad.numpy() for x in xs]


def assert_same_gradients(f, *operands):
    ours, theirs = gradients(andon, f, *operands), gradients(torch, f, *operands)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=0)


UNARY = {
    "abs": lambda t, x: t.abs(x),
    "sign": lambda t, x: t.sign(x),
    "sqrt": lambda t, x: t.sqrt(x),
    "rsqrt": lambda t, x: t.rsqrt(x),
    "reciprocal": lambda t, x: t.reciprocal(x),
    "log": lambda t, x: t.log(x),
    "acosh": lambda t, x: t.acosh(x),
    "asin": lambda t, x: t.asin(x),
    "square": lambda t, x: x**2,
    "cube": lambda t, x: x**3,
    "to the 0": lambda t, x: x**0,
    "to the 1.5": lambda t, x: x**1.5,
    "2 to the x": lambda t, x: 2.0**x,
    "0 to the x": lambda t, x: 0.0**x,
    "clamp": lambda t, x: t.clamp(x, -1.0, 1.0),
    "clamp below": lambda t, x: t.clamp(x, min=0.5),
    "clamp above": lambda t, x: t.clamp(x, max=0.5),
    "nan_to_num": lambda t, x: t.nan_to_num(x),
    "xlogy": lambda t, x: t.xlogy(x, 2.0),
    "xlogy of 0": lambda t, x: t.xlogy(x * 0, t.zeros_like(x)),
    "entropy": lambda t, x: t.xlogy(x, x),
    "sinc": lambda t, x: t.sinc(x),
    "relu": lambda t, x: functional(t).relu(x),
    "relu6": lambda t, x: functional(t).relu6(x),
    "leaky_relu": lambda t, x: functional(t).leaky_relu(x, 0.1),
    "hardtanh": lambda t, x: functional(t).hardtanh(x),
    "threshold": lambda t, x: functional(t).threshold(x, 0.5, 9.0),
    "hardshrink": lambda t, x: functional(t).hardshrink(x),
    "softshrink": lambda t, x: functional(t).softshrink(x),
    "elu": lambda t, x: functional(t).elu(x),
    "softsign": lambda t, x: functional(t).softsign(x),
    "where hides an infinite slope": lambda t, x: t.where(x > 0, t.sqrt(x), x),
    "log of relu": lambda t, x: t.log(functional(t).relu(x) + 1.0),
    "sqrt of relu": lambda t, x: t.sqrt(functional(t).relu(x)),
}
FINITE = ("sinc", "softsign")  # compared at finite x only
BINARY = {
    "maximum": lambda t, a, b: t.maximum(a, b),
    "minimum": lambda t, a, b: t.minimum(a, b),
    "fmax": lambda t, a, b: t.fmax(a, b),
    "fmin": lambda t, a, b: t.fmin(a, b),
    "clamp by a tensor": lambda t, a, b: t.clamp(a, min=b),
    "atan2": lambda t, a, b: t.atan2(a, b),
    "hypot": lambda t, a, b: t.hypot(a, b),
    "pow": lambda t, a, b: t.pow(a, b),
    "xlogy": lambda t, a, b: t.xlogy(a, b),
    "copysign": lambda t, a, b: t.copysign(a, b),
    "remainder": lambda t, a, b: t.remainder(a, b),
    "prelu": lambda t, a, b: functional(t).prelu(a, b[:1]),
}


@pytest.mark.parametrize("name", UNARY)
def test_the_gradient_at_an_edge_is_that_of_pytorch(name):
    edges = [x for x in EDGES if math.isfinite(x)] if name in FINITE else EDGES
    assert_same_gradients(UNARY[name], edges)


@pytest.mark.parametrize("name", BINARY)
def test_the_gradients_of_a_tie_are_those_of_pytorch(name):
    a = [0.0, 0.0, 1.0, -1.0, 2.0, 2.0, -2.0, 0.0, NAN, 1.0]
    b = [0.0, 1.0, 0.0, -1.0, 2.0, 3.0, -3.0, -1.0, 1.0, NAN]
    known = slice(None) if name != "copysign" else slice(8)  # we have no sign for NaN
    assert_same_gradients(BINARY[name], a[known], b[known])


@pytest.mark.parametrize("f", [UNARY["relu"], UNARY["where hides an infinite slope"]])
def test_a_large_gradient_of_infinities_is_cut_off_as_a_small_one(f):
    x = np.linspace(-1, 1, 9001).tolist()  # many enough for the fast way
    assert_same_gradients(lambda t, x: t.log(f(t, x)) * 0.0 + t.sqrt(f(t, x)), x)


def test_values_outside_the_domain_are_nan_without_a_word():
    x = andon.tensor([-1.0])
    for name in ("log", "log2", "log10", "sqrt", "rsqrt", "acosh"):
        assert math.isnan(getattr(x, name)().item())
    assert andon.log(andon.zeros(1)).item() == -INF
    assert (andon.ones(1) / 0).item() == INF
    assert math.isnan((andon.zeros(1) / 0).item())
    assert andon.exp(andon.tensor([1e9])).item() == INF


def test_sigmoid_of_extreme_numbers_neither_overflows_nor_warns():
    x = andon.tensor([-1e4, -100.0, 0.0, 100.0, 1e4])
    np.testing.assert_array_equal(andon.sigmoid(x).numpy(), [0, 0, 0.5, 1, 1])


def test_selecting_leaves_no_negative_zeros():
    x = andon.tensor(np.linspace(-1, 1, 9001), requires_grad=True)
    andon.relu(x).sum().backward(-andon.ones(()))
    assert not np.signbit(x.grad.numpy()[:4000]).any()
