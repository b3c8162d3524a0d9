"""softmax.h against the references of andon.ops."""

import numpy as np
import pytest
from c_kernels import GUARD, TARGETS, assert_close, built, call, check_arm, guarded

from andon.ops.softmax import log_softmax, log_softmax_backward, softmax, softmax_backward

DRIVER = """
#include "softmax.h"
void forward(long m0, long m1, long N, float *x, long x_row, float *y, long y_row)
{
    softmax_forward(m0, m1, N, x, x_row, y, y_row);
}
void log_forward(long m0, long m1, long N, float *x, long x_row, float *y, long y_row)
{
    log_softmax_forward(m0, m1, N, x, x_row, y, y_row);
}
void backward(long m0, long m1, long N, float *g, long g_row, float *y, long y_row, float *dx,
              long dx_row)
{
    softmax_backward(m0, m1, N, g, g_row, y, y_row, dx, dx_row);
}
void log_backward(long m0, long m1, long N, float *g, long g_row, float *y, long y_row, float *dx,
                  long dx_row)
{
    log_softmax_backward(m0, m1, N, g, g_row, y, y_row, dx, dx_row);
}
/* a size that the compiler knows */
void forward_65(long m0, long m1, float *x, float *y) { softmax_forward(m0, m1, 65, x, 65, y, 65); }
"""
SIZES = [1, 2, 3, 15, 16, 17, 63, 64, 65, 100, 128, 1000, 4097]


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    return built(DRIVER, request.param)


def forward(function, x, y_row=None):
    M, N = x.shape
    y = guarded(M, N + 3)
    call(function, 0, M, N, x, x.strides[0] // 4, y, N + 3)
    assert (y[:, N:] == GUARD).all()
    return y[:, :N]


@pytest.mark.parametrize("N", SIZES)
def test_rows_of_every_size(library, N):
    rng = np.random.default_rng(N)
    wide = rng.standard_normal((5, N + 7)).astype(np.float32) * 4
    x, g = wide[:, :N], rng.standard_normal((5, N)).astype(np.float32)
    exact = x.astype(np.float64)
    p, logp = softmax.reference(exact, dim=1), log_softmax.reference(exact, dim=1)
    assert_close(forward(library.forward, x), p)
    assert_close(forward(library.log_forward, x), logp)
    for function, op, y in (
        (library.backward, softmax_backward, p),
        (library.log_backward, log_softmax_backward, logp),
    ):
        y, dx = y.astype(np.float32), guarded(5, N)
        call(function, 0, 5, N, g, N, y, N, dx, N)
        assert_close(dx, op.reference(g.astype(np.float64), y.astype(np.float64), dim=1), 4e-6)


def test_only_the_given_rows_are_written(library):
    x, y = np.ones((6, 65), np.float32), guarded(6, 65)
    call(library.forward_65, 2, 4, x, y)
    assert_close(y[2:4], np.full((2, 65), 1 / 65))
    assert (y[:2] == GUARD).all() and (y[4:] == GUARD).all()


@pytest.mark.parametrize("N", [3, 16, 70])
def test_extreme_rows(library, N):
    x = np.zeros((7, N), np.float32)
    x[0] = -np.inf
    x[1, 1:] = -np.inf
    x[2, 0] = np.inf
    x[3, -1] = np.nan
    x[4] = 3e38
    x[5, 0], x[5, 1] = -3e38, 3e38
    x[6] = -1e-42
    with np.errstate(all="ignore"):
        assert_close(forward(library.forward, x), softmax.reference(x, dim=1))
        assert_close(forward(library.log_forward, x), log_softmax.reference(x, dim=1))


def test_the_gradient_may_take_the_place_of_its_operand(library):
    rng = np.random.default_rng(0)
    g = rng.standard_normal((3, 37)).astype(np.float32)
    y = softmax.reference(g, dim=1)
    wanted = softmax_backward.reference(g, y, dim=1)
    call(library.backward, 0, 3, 37, g, 37, y, 37, g, 37)
    assert_close(g, wanted)


def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER, tmp_path)
