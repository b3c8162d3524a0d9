"""How precise the special functions are, against Python's own and against identities."""

from __future__ import annotations

import math

import numpy as np
import pytest

import andon
from andon import special


def values(f, xs, dtype=np.float64):
    return f(andon.tensor(np.asarray(xs, dtype))).numpy()


def assert_precise(f, exact, xs, rtol, atol=0.0):
    np.testing.assert_allclose(values(f, xs), [exact(x) for x in xs], rtol=rtol, atol=atol)


def spread(low, high, n=500):
    return np.random.default_rng(0).uniform(low, high, n)


@pytest.mark.parametrize("low, high", [(-1e-5, 1e-5), (-0.5, 0.5), (-2, 2), (-7, 7)])
def test_erf_is_precise(low, high):
    assert_precise(special.erf, math.erf, spread(low, high), rtol=1e-15)


@pytest.mark.parametrize("low, high", [(-7, 0), (0, 1), (0.4, 0.6), (1, 6.5), (6, 26)])
def test_erfc_is_precise_far_into_its_tail(low, high):
    assert_precise(special.erfc, math.erfc, spread(low, high), rtol=4e-15)


def test_erf_in_float32_is_precise_to_its_last_digits():
    x = spread(-5, 5, 5000).astype(np.float32)
    exact = [math.erf(v) for v in x]
    np.testing.assert_allclose(values(special.erf, x, np.float32), exact, rtol=4e-7)


def test_erfcx_neither_overflows_nor_vanishes():
    assert_precise(special.erfcx, lambda x: math.exp(x * x) * math.erfc(x), spread(-5, 5), 2e-14)
    x = np.array([1e3, 1e10, 1e300])
    np.testing.assert_allclose(values(special.erfcx, x), 1 / (x * math.sqrt(math.pi)), rtol=1e-6)


def test_erfinv_undoes_erf():
    y = np.concatenate([spread(-1, 1), [1e-300, 1e-20, 1 - 2**-53]])
    np.testing.assert_allclose(values(lambda y: special.erf(special.erfinv(y)), y), y, rtol=1e-15)


def test_ndtri_undoes_ndtr_far_into_the_tail():
    p = np.concatenate([spread(0, 1), 10.0 ** -np.arange(2, 300, 7)])
    np.testing.assert_allclose(values(lambda p: special.ndtr(special.ndtri(p)), p), p, rtol=1e-12)


def test_log_ndtr_is_precise_where_ndtr_vanishes():
    x = np.array([-40.0, -100.0, -1e4])
    series = -x * x / 2 - np.log(-x) - math.log(2 * math.pi) / 2 + np.log1p(-1 / x**2 + 3 / x**4)
    np.testing.assert_allclose(values(special.log_ndtr, x), series, rtol=1e-10)


@pytest.mark.parametrize("low, high", [(0, 0.5), (0.5, 3), (3, 60)])
def test_lgamma_is_precise(low, high):
    assert_precise(special.gammaln, math.lgamma, spread(low, high), rtol=1e-14, atol=2e-15)


def test_lgamma_is_precise_near_its_zeros_too():
    """By Taylor's formula, whose next terms are below the rounding."""
    z = (2 + spread(-1e-4, 1e-4)) - 2  # representable beside 1 and 2
    zeta = [math.pi**2 / 6, 1.2020569031595942, math.pi**4 / 90]
    at_one = sum(c * (-z) ** k / k for k, c in enumerate(zeta, 2)) - np.euler_gamma * z
    at_two = sum((c - 1) * (-z) ** k / k for k, c in enumerate(zeta, 2)) + (1 - np.euler_gamma) * z
    np.testing.assert_allclose(values(special.gammaln, 1 + z), at_one, rtol=1e-14)
    np.testing.assert_allclose(values(special.gammaln, 2 + z), at_two, rtol=1e-14)


def test_lgamma_of_negative_numbers_is_precise():
    assert_precise(special.gammaln, math.lgamma, spread(-50, 0), rtol=1e-13, atol=1e-13)


def test_lgamma_and_digamma_at_their_poles():
    x = [0.0, -0.0, -1.0, -2.0, math.inf]
    np.testing.assert_array_equal(values(special.gammaln, x), [math.inf] * 5)
    nan, inf = math.nan, math.inf
    np.testing.assert_array_equal(values(special.digamma, x), [-inf, inf, nan, nan, inf])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 5])
def test_polygamma_obeys_its_recurrence_on_either_side_of_zero(n):
    """ψₙ(x + 1) = ψₙ(x) + (-1)ⁿ n! / xⁿ⁺¹."""
    x = np.concatenate([spread(-8, 8, 300), spread(8, 300, 50)])
    step = (-1) ** n * math.factorial(n) / x ** (n + 1)
    here = values(lambda x: special.polygamma(n, x), x)
    there = values(lambda x: special.polygamma(n, x), x + 1)
    scale = np.abs(here) + np.abs(step) + 1e-300
    assert np.max(np.abs(there - here - step) / scale) < 1e-11


def test_digamma_and_zeta_at_known_points():
    np.testing.assert_allclose(
        values(special.digamma, [1.0, 0.5]),
        [-np.euler_gamma, -np.euler_gamma - 2 * math.log(2)],
        rtol=1e-15,
    )
    s = andon.tensor([2.0, 4.0, 1.0, 0.5], dtype=andon.float64)
    known = [math.pi**2 / 6, math.pi**4 / 90, math.inf, math.nan]
    np.testing.assert_allclose(special.zeta(s, andon.ones_like(s)).numpy(), known, rtol=1e-15)


@pytest.mark.parametrize("low, high", [(0, 1), (1, 20), (19, 21), (21, 600)])
def test_bessel_functions_agree_with_an_integral(low, high):
    """Iᵥ(x) = 1/π ∫ exp(x cos t) cos vt dt over [0, π]; the trapezoidal rule is exact here."""
    x = spread(low, high, 50)
    t = (np.arange(400) + 0.5) * math.pi / 400
    for order, f in ((0, special.i0e), (1, special.i1e)):
        integrand = np.exp(x[:, None] * (np.cos(t) - 1)) * np.cos(order * t)
        np.testing.assert_allclose(values(f, x), integrand.mean(1), rtol=1e-12)


def test_narrow_floats_are_rounded_only_once():
    for dtype in (andon.float16, andon.bfloat16):
        x = andon.tensor(spread(0.1, 3, 200)).to(dtype)
        wide = x.to(andon.float64)
        for f in (special.erf, special.erfc, special.gammaln, andon.sigmoid, andon.gelu):
            gap = (f(x).to(andon.float64) - f(wide).to(dtype).to(andon.float64)).abs()
            ulp = f(wide).abs() * float(andon.finfo(dtype).eps)
            assert (gap <= ulp).all(), (f, dtype)
