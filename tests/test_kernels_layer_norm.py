"""layer_norm.h against the references of andon.ops."""

import numpy as np
import pytest
from c_kernels import GUARD, TARGETS, assert_close, built, call, check_arm, guarded

from andon.ops.norm import layer_norm, layer_norm_backward, rms_norm, rms_norm_backward

EPS = 1e-5
DRIVER = """
#include "layer_norm.h"
void layer(long m0, long m1, long C, float *x, long x_row, float *w, float *b, float *y, long y_row,
           float *mean, float *rstd)
{
    layer_norm_forward(m0, m1, C, 1e-5f, x, x_row, w, b, y, y_row, mean, rstd);
}
void rms(long m0, long m1, long C, float *x, long x_row, float *w, float *y, long y_row,
         float *rstd)
{
    rms_norm_forward(m0, m1, C, 1e-5f, x, x_row, w, y, y_row, rstd);
}
void layer_backward(long m0, long m1, long C, float *g, long g_row, float *x, long x_row,
                    float *mean, float *rstd, float *w, float *dx, long dx_row, long add, float *dw,
                    float *db)
{
    layer_norm_backward(m0, m1, C, g, g_row, x, x_row, mean, rstd, w, dx, dx_row, add, dw, db);
}
void rms_backward(long m0, long m1, long C, float *g, long g_row, float *x, long x_row, float *rstd,
                  float *w, float *dx, long dx_row, long add, float *dw)
{
    rms_norm_backward(m0, m1, C, g, g_row, x, x_row, rstd, w, dx, dx_row, add, dw);
}
void layer_48(long m0, long m1, float *x, float *w, float *b, float *y, float *mean, float *rstd)
{
    layer_norm_forward(m0, m1, 48, 1e-5f, x, 48, w, b, y, 48, mean, rstd);
}
"""
SIZES = [1, 2, 7, 16, 17, 48, 64, 100, 192, 768, 1025]
ROWS = 7


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    return built(DRIVER, request.param)


def example(C):
    """x (rows C + 5 apart), weight, bias and g, in float32 and as float64 for the reference."""
    rng = np.random.default_rng(C)
    x = (rng.standard_normal((ROWS, C + 5)) * 2 + 0.5).astype(np.float32)
    w, b, g = (rng.standard_normal(s).astype(np.float32) for s in (C, C, (ROWS, C)))
    return x, w, b, g, [a.astype(np.float64) for a in (x[:, :C], w, b, g)]


@pytest.mark.parametrize("C", SIZES)
def test_layer_norm(library, C):
    x, w, b, g, (x64, w64, b64, g64) = example(C)
    exact = layer_norm.reference(x64, w64, b64, normalized_shape=(C,), eps=EPS)
    y, mean, rstd = guarded(ROWS, C + 2), guarded(ROWS, 1), guarded(ROWS, 1)
    call(library.layer, 0, ROWS, C, x, C + 5, w, b, y, C + 2, mean, rstd)
    assert (y[:, C:] == GUARD).all()
    for got, wanted in zip((y[:, :C], mean, rstd), exact, strict=True):
        assert_close(got, wanted, 4e-6)
    statistics = exact[1].astype(np.float32), exact[2].astype(np.float32)
    wanted = layer_norm_backward.reference(g64, x64, *statistics, w64, normalized_shape=(C,))
    dx, (dw, db) = guarded(ROWS, C), np.ones((2, C), np.float32)
    call(
        library.layer_backward, 0, ROWS, C, g, C, x, C + 5, *statistics, w, dx, C, 0, dw, db
    )  # fmt: skip
    scale = max(1, np.abs(exact[2]).max())  # of what cancels where a row is constant
    for got, exact_sum in zip((dx, dw - 1, db - 1), wanted, strict=True):
        assert np.abs(got - exact_sum).max() < 1e-5 * max(1, np.abs(exact_sum).max()) * scale


@pytest.mark.parametrize("C", SIZES)
def test_rms_norm(library, C):
    x, w, _, g, (x64, w64, _, g64) = example(C)
    exact = rms_norm.reference(x64, w64, normalized_shape=(C,), eps=EPS)
    y, rstd = guarded(ROWS, C), guarded(ROWS, 1)
    call(library.rms, 0, ROWS, C, x, C + 5, w, y, C, rstd)
    assert_close(y, exact[0], 4e-6)
    assert_close(rstd, exact[1], 4e-6)
    wanted = rms_norm_backward.reference(g64, x64, exact[1], w64, normalized_shape=(C,))
    dx, dw = guarded(ROWS, C), np.ones(C, np.float32)
    call(library.rms_backward, 0, ROWS, C, g, C, x, C + 5, rstd, w, dx, C, 0, dw)
    assert np.abs(dx - wanted[0]).max() < 2e-5 * max(1, np.abs(wanted[0]).max())
    assert_close(dw - 1, wanted[1], 2e-5)


@pytest.mark.parametrize("C", [3, 48])
def test_without_weights_and_added_to_a_residual(library, C):
    x, _, _, g, (x64, _, _, g64) = example(C)
    y, mean, rstd = guarded(ROWS, C), guarded(ROWS, 1), guarded(ROWS, 1)
    call(library.layer, 0, ROWS, C, x, C + 5, None, None, y, C, mean, rstd)
    exact = layer_norm.reference(x64, None, None, normalized_shape=(C,), eps=EPS)
    assert_close(y, exact[0], 4e-6)
    (wanted,) = layer_norm_backward.reference(
        g64, x64, *exact[1:], None, normalized_shape=(C,)
    )  # fmt: skip
    dx = np.full((ROWS, C), 2, np.float32)
    call(
        library.layer_backward, 0, ROWS, C, g, C, x, C + 5, mean, rstd, None, dx, C, 1, None, None
    )  # fmt: skip
    assert_close(dx, wanted + 2, 1e-5)
    (wanted,) = rms_norm_backward.reference(g64, x64, exact[2], None, normalized_shape=(C,))
    call(library.rms_backward, 0, ROWS, C, g, C, x, C + 5, rstd, None, dx, C, 0, None)
    assert_close(dx, wanted, 1e-5)


def test_a_large_mean_does_not_cancel_the_variance(library):
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((2, 48)) + 1000).astype(np.float32)
    y, mean, rstd = guarded(2, 48), guarded(2, 1), guarded(2, 1)
    ones, zeros = np.ones(48, np.float32), np.zeros(48, np.float32)
    call(library.layer_48, 0, 2, x, ones, zeros, y, mean, rstd)
    exact = layer_norm.reference(
        x.astype(np.float64), None, None, normalized_shape=(48,), eps=EPS
    )  # fmt: skip
    assert_close(y, exact[0], 1e-4)


def test_constant_and_infinite_rows(library):
    x = np.zeros((3, 48), np.float32)
    x[1], x[2, 3] = 7, np.inf
    ones, zeros = np.ones(48, np.float32), np.zeros(48, np.float32)
    y, mean, rstd = guarded(4, 48), guarded(4, 1), guarded(4, 1)
    call(library.layer_48, 0, 3, x, ones, zeros, y, mean, rstd)
    assert (y[:2] == 0).all() and np.isnan(y[2]).all() and (y[3] == GUARD).all()


def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER, tmp_path)
