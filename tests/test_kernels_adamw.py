"""adamw.h against andon.optim, step by step."""

import ctypes

import numpy as np
import pytest
from c_kernels import TARGETS, assert_close, built, call, check_arm

import andon
from andon.nn.utils import clip_grad_norm_

DRIVER = """
#include "adamw.h"
double norm(float *g, long n) { return sqrt(squared_norm(g, n)); }
double clip(double norm, double most) { return clip_factor(norm, most); }
void step(long i0, long i1, double t, double lr, double beta1, double beta2, double eps,
          double decay, long decoupled, double clip, float *p, float *g, float *m, float *v,
          float *largest)
{
    adamw_rates a = adamw_at(t, lr, beta1, beta2, eps, decay, decoupled, clip);
    adamw_step(a, i0, i1, p, g, m, v, largest);
}
"""


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    return built(DRIVER, request.param)


OPTIONS = [
    {},
    {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3, "weight_decay": 0.3},
    {"amsgrad": True, "betas": (0.8, 0.3)},
    {"maximize": True, "weight_decay": 0.0},
]


@pytest.mark.parametrize("n", [1, 16, 37, 1000])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["Adam", "AdamW"])
def test_five_clipped_steps(library, n, options, kind):
    rng = np.random.default_rng(n)
    weight = andon.tensor(rng.standard_normal(n), dtype=andon.float64, requires_grad=True)
    optimizer = getattr(andon.optim, kind)([weight], **options)
    group = optimizer.param_groups[0]
    p = weight.detach().numpy().astype(np.float32)
    m, v, largest = np.zeros((3, n), np.float32)
    sign = -1.0 if options.get("maximize") else 1.0
    for t in range(1, 6):
        g = rng.standard_normal(n).astype(np.float32)
        weight.grad = andon.tensor(g.astype(np.float64))
        clip_grad_norm_([weight], 0.5 * n**0.5)
        optimizer.step()
        norm = call(library.norm, g, n, result=ctypes.c_double)
        factor = call(library.clip, norm, 0.5 * n**0.5, result=ctypes.c_double)
        numbers = (group["lr"], *group["betas"], group["eps"], float(group["weight_decay"]))
        numbers = (*map(float, numbers), int(kind == "AdamW"), sign * factor)
        for i0, i1 in ((0, n // 3), (n // 3, n)):
            call(
                library.step, i0, i1, float(t), *numbers, p, g, m, v,
                largest if options.get("amsgrad") else None,
            )  # fmt: skip
    assert_close(p, weight.detach().numpy(), 5e-6)


@pytest.mark.parametrize("n", [0, 1, 15, 16, 100, 4096, 4097, 100_003])
def test_the_norm(library, n):
    g = np.random.default_rng(n).standard_normal(n + 1).astype(np.float32)[:n] * 3
    wanted = np.linalg.norm(g.astype(np.float64))
    assert call(library.norm, g, n, result=ctypes.c_double) == pytest.approx(wanted, rel=1e-6)


def test_the_norm_of_many_equal_gradients_keeps_its_digits(library):
    g = np.full(1 << 20, 0.1, np.float32)
    wanted = float(g[0]) * 2**10
    assert call(library.norm, g, g.size, result=ctypes.c_double) == pytest.approx(wanted, rel=1e-6)


def test_what_is_not_finite_stays_so(library):
    for bad in (np.nan, np.inf):
        g = np.array([1, bad], np.float32)
        norm = call(library.norm, g, 2, result=ctypes.c_double)
        np.testing.assert_equal(norm, bad)
    assert np.isnan(call(library.clip, np.nan, 1.0, result=ctypes.c_double))
    assert call(library.clip, np.inf, 1.0, result=ctypes.c_double) == 0


def test_clipping_never_enlarges(library):
    assert call(library.clip, 0.0, 1.0, result=ctypes.c_double) == 1
    assert call(library.clip, 4.0, 1.0, result=ctypes.c_double) == pytest.approx(0.25)


def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER, tmp_path)
