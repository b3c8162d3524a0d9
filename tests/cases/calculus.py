"""Rows for andon/ops/calculus.py, covariance.py and matrix_exponential.py."""

import numpy as np

from cases import Case

PLACES = np.array([0.0, 1.0, 1.5, 4.0, 4.25])
TIMES = np.array([1, 2, 1, 3])
WEIGHTS = np.array([0.5, 1.0, 2.0, 0.25])

CASES = [
    Case("trapezoid", lambda t, y: t.trapezoid(y), [(5,)]),
    Case("trapezoid of steps", lambda t, y: t.trapezoid(y, dx=0.5, dim=0), [(5, 2)]),
    Case("trapezoid at places", lambda t, y, x: t.trapezoid(y, x, dim=1), [(2, 5), PLACES]),
    Case("trapezoid of places for each", lambda t, y, x: t.trapezoid(y, x), [(2, 5), (2, 5)]),
    Case("cumulative trapezoid", lambda t, y: t.cumulative_trapezoid(y, dim=0), [(4, 3)]),
    Case("gradient", lambda t, x: tuple(t.gradient(x)), [(4, 5)]),
    Case("gradient of a spacing", lambda t, x: tuple(t.gradient(x, spacing=0.5, dim=1)), [(4, 5)]),
    Case("gradient of two points", lambda t, x: tuple(t.gradient(x)), [(2,)]),
    Case(
        "gradient at places",
        lambda t, x, p: tuple(t.gradient(x, spacing=(p.detach(),), dim=0)),
        [(5, 2), PLACES],
        grad=False,
    ),
    Case(
        "gradient of parabolas at the ends",
        lambda t, x: tuple(t.gradient(x, spacing=[0.5, 2.0], edge_order=2)),
        [(4, 5)],
    ),
    Case("cov", lambda t, x: x.cov(), [(3, 4)]),
    Case("cov of one variable", lambda t, x: t.cov(x), [(4,)]),
    Case("cov uncorrected", lambda t, x: t.cov(x, correction=0), [(3, 4)]),
    Case("cov with counts", lambda t, x, n: t.cov(x, fweights=n), [(3, 4), TIMES]),
    Case("cov with weights", lambda t, x, w: t.cov(x, aweights=w), [(3, 4), (4,)], low=0.1),
    Case(
        "cov with both",
        lambda t, x, n, w: t.cov(x, fweights=n, aweights=w),
        [(3, 4), TIMES, (4,)],
        low=0.1,
    ),
    Case("corrcoef", lambda t, x: t.corrcoef(x), [(3, 5)], rtol=1e-6),
    Case("corrcoef of one variable", lambda t, x: x.corrcoef(), [(5,)]),
    Case("matrix exponential", lambda t, x: t.matrix_exp(x), [(3, 3)], rtol=1e-6),
    Case("matrix exponentials", lambda t, x: t.linalg.matrix_exp(x), [(2, 2, 2)], rtol=1e-6),
    Case("matrix exponential, large", lambda t, x: (x * 9).matrix_exp(), [(3, 3)], rtol=1e-5),
]
