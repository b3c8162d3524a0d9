"""Random draws in C: the same numbers as the references, wherever the ranges of threads begin."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest
from c_kernels import TARGETS, as_argument, built

import andon
from andon.engine.executable import Executable
from andon.ops.random import random_kept, stream


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
    assert "random_kept_kernel" in f.c_source(x)


KEPT = """
graph(%key: int64[{n}]):
  %y: bool[{shape}] = random_kept(%key, p=0.2, shape=({shape},))
  return %y"""


@pytest.mark.parametrize("key", [[5, 7], [-3, 2**40, 16], [2**62, -1, 13], [1, 2, 10**7 + 3]])
@pytest.mark.parametrize("shape", [1, 15, 16, 17, 1024, 1100, 40000])
def test_what_is_kept_of_a_part_is_that_of_the_whole(key, shape):
    graph, key = andon.parse(KEPT.format(n=len(key), shape=shape)), np.array(key)
    (wanted,), (found,) = graph.run(key), Executable(graph)([key])
    np.testing.assert_array_equal(found, wanted)
    first = key[2:].sum()
    if first < 1000:
        whole = random_kept.reference(key[:2], p=0.2, shape=(first + shape,))
        np.testing.assert_array_equal(found, whole[first:])


DRIVER = """
#include "random.h"
void lanes(int64_t *key, uint64_t *y)
{
    vw words[WORDS];
    philox_of_lanes(key, (vw)vl_lanes() + 1000u, words);
    for (int l = 0; l < VD_LANES; l++)
        for (int i = 0; i < WORDS; i++) y[WORDS * l + i] = words[i][l];
}
long count(void) { return VD_LANES; }
"""


@pytest.mark.parametrize("target", TARGETS)
def test_words_of_lanes_are_those_of_numpy(target):
    """All 64 bits of them: only a comparison of each quarter is seen otherwise."""
    library = built(DRIVER, target)
    library.count.restype = ctypes.c_long
    key, y = np.array([-5, 2**63 - 1]), np.zeros(4 * library.count(), np.uint64)
    library.lanes(as_argument(key), as_argument(y))
    np.testing.assert_array_equal(y, stream(key, 1000).random_raw(y.size))
