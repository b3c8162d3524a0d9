"""Random draws in C: the same numbers as the references, wherever the ranges of threads begin."""

from __future__ import annotations

import numpy as np
import pytest

import andon


def draws(call, seed=5):
    """Two calls of the function, eager and jitted, from the same seed."""
    found = []
    for f in (call, andon.jit(call)):
        andon.manual_seed(seed)
        found.append([f().numpy() for _ in range(2)])
    return found


SHAPES = [(), (1,), (7,), (8,), (9, 3), (64, 513)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [andon.float32, andon.float64])
def test_draws_are_those_of_the_reference(shape, dtype):
    for call in (lambda: andon.rand(shape, dtype=dtype), lambda: andon.randint(-3, 9, shape)):
        for a, b in zip(*draws(call), strict=True):
            np.testing.assert_array_equal(a, b)
    rounded = 2e-6 if dtype is andon.float32 else 1e-13
    for a, b in zip(*draws(lambda: andon.randn(shape, dtype=dtype)), strict=True):
        np.testing.assert_allclose(a, b, rounded, rounded)


@pytest.mark.parametrize("shape", SHAPES[1:])
@pytest.mark.parametrize("dtype", [andon.float32, andon.float64])
def test_dropout_drops_the_same_elements_forward_and_backward(shape, dtype):
    x = andon.randn(shape, dtype=dtype, requires_grad=True)
    dropped = []
    for transform in (lambda f: f, andon.jit):
        andon.manual_seed(2)
        f = transform(lambda x: andon.nn.functional.dropout(x, 0.3) * 2)
        y = f(x)
        (g,) = andon.autograd.grad(y.sum(), x)
        assert ((y == 0) == (g == 0)).all()
        dropped.append((y.detach().numpy(), g.numpy()))
    for a, b in zip(*dropped, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert "random_drop" in f.c_source(x)
