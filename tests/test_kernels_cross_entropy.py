"""cross_entropy.h against the references of andon.ops."""

import ctypes

import numpy as np
import pytest
from c_kernels import TARGETS, assert_close, built, call, check_arm, guarded

from andon.ops.cross_entropy import cross_entropy, cross_entropy_backward

IGNORED = -100
DRIVER = """
#include "cross_entropy.h"
static cross_entropy_shape rows(long V)
{
    return (cross_entropy_shape){.V = V, .row = V + 1, .ignore_index = -100};
}
long forward(long V, long m0, long m1, float *x, int64_t *target, float *loss, float *lse)
{
    return cross_entropy_forward(rows(V), m0, m1, x, target, loss, lse);
}
long backward(long V, long m0, long m1, float *g, float *x, int64_t *target, float *lse, float *dx)
{
    return cross_entropy_backward(rows(V), m0, m1, g, x, target, lse, dx);
}
/* a size that the compiler knows */
static const cross_entropy_shape of_65 = {.V = 65, .row = 65, .ignore_index = -100};
long forward_65(long m0, long m1, float *x, int64_t *target, float *loss, float *lse)
{
    return cross_entropy_forward(of_65, m0, m1, x, target, loss, lse);
}
long backward_65(long m0, long m1, float *g, float *x, int64_t *target, float *lse, float *dx)
{
    return cross_entropy_backward(of_65, m0, m1, g, x, target, lse, dx);
}
"""
SIZES = [1, 2, 3, 16, 33, 65, 1000, 50257]


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    return built(DRIVER, request.param)


def example(V, M=6):
    rng = np.random.default_rng(V)
    x = (rng.standard_normal((M, V + 1)) * 3).astype(np.float32)  # the last column is padding
    target = rng.integers(0, V, M)
    target[2] = IGNORED
    return x, target, rng.standard_normal(M).astype(np.float32)


@pytest.mark.parametrize("V", SIZES)
def test_loss_and_gradient(library, V):
    x, target, g = example(V)
    exact = x[:, :V].astype(np.float64)
    wanted, wanted_lse = cross_entropy.reference(exact, target, ignore_index=IGNORED)
    loss, lse, dx = guarded(6), guarded(6), guarded(6, V + 1)
    assert call(library.forward, V, 0, 6, x, target, loss, lse, result=ctypes.c_long) == 0
    assert_close(loss, wanted)
    assert_close(lse, wanted_lse)
    call(library.backward, V, 0, 6, g, x, target, lse, dx)
    gradient = cross_entropy_backward.reference(g, exact, target, wanted_lse, ignore_index=IGNORED)
    assert_close(dx[:, :V], gradient)
    assert (dx[:, V] == guarded(1)).all()


def test_a_target_that_is_no_class_is_counted(library):
    x, target, g = example(65)
    target[:3] = 65, -1, IGNORED
    loss, lse, dx = guarded(6), guarded(6), guarded(6, 66)
    count = call(library.forward, 65, 0, 6, x, target, loss, lse, result=ctypes.c_long)
    also = call(library.backward, 65, 0, 6, g, x, target, lse, dx, result=ctypes.c_long)
    assert count == also == 2
    assert np.isnan(loss[:2]).all() and loss[2] == 0 and np.isfinite(loss[3:]).all()
    assert np.isnan(dx[:2, :65]).all() and (dx[2, :65] == 0).all()


def test_huge_scores_do_not_overflow(library):
    x = np.array([[1e30, -1e30, 0], [300, 200, 0], [-300, -301, 0]], np.float32)
    target = np.array([0, 1, 0])
    wanted, _ = cross_entropy.reference(x[:, :2].astype(np.float64), target, ignore_index=IGNORED)
    loss, lse = guarded(3), guarded(3)
    call(library.forward, 2, 0, 3, x, target, loss, lse)
    np.testing.assert_allclose(loss, wanted, rtol=1e-6)  # though lse has few digits left


def test_only_the_given_rows_with_a_size_that_is_known(library):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((5, 65)).astype(np.float32)
    target, loss, dx = rng.integers(0, 65, 5), guarded(5), guarded(5, 65)
    wanted, wanted_lse = cross_entropy.reference(x, target, ignore_index=IGNORED)
    g = np.full(5, 0.125, np.float32)
    gradient = cross_entropy_backward.reference(g, x, target, wanted_lse, ignore_index=IGNORED)
    lse = guarded(5)
    call(library.forward_65, 1, 4, x, target, loss, lse)
    call(library.backward_65, 1, 4, g, x, target, lse, dx)
    assert_close(loss[1:4], wanted[1:4])
    assert_close(dx[1:4], gradient[1:4])
    assert (loss[[0, 4]] == guarded(1)).all() and (dx[[0, 4]] == guarded(1)).all()


def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER, tmp_path)
