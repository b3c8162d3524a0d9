"""The exponential of a matrix: what linear differential equations are solved by."""

from __future__ import annotations

import numpy as np

from ..core.op import op
from .index import view, zeros
from .join import cat
from .movement import swap_last
from .solve import check_square

TERMS = 18  # of the series, for a norm of 1/2 at most: 0.5¹⁹ / 19! is beyond float64


@op
def matrix_exp(x):
    """exp x = 1 + x + x²/2! + x³/3! + …, matrix by matrix: by scaling and squaring.

    x is halved until its norm is small, where the series is short; the result is squared as often.
    """
    check_square("matrix_exp", x)
    a = x.astype(np.float64)
    norm = np.abs(a).sum(-1).max(initial=0.0)
    halvings = max(0, int(np.ceil(np.log2(norm))) + 1) if 0 < norm < np.inf else 0
    a = a / 2.0**halvings
    one = np.eye(x.shape[-1])
    y = one + np.zeros_like(a)
    for n in range(TERMS, 0, -1):  # Horner's rule
        y = one + a @ y / n
    for _ in range(halvings):
        y = y @ y
    return y.astype(x.dtype)


@matrix_exp.spec
def matrix_exp_spec(x):
    check_square("matrix_exp", x)
    return x


@matrix_exp.grad(keeps=("x",))
def matrix_exp_grad(g, y, x):
    """The derivative in a direction is a block of a larger exponential.

    exp [[xᵀ, g], [0, xᵀ]] = [[exp xᵀ, gx], [0, exp xᵀ]].
    Source: Higham, "Functions of Matrices" (2008), eq. 10.43.
    """
    xt, N = swap_last(x), x.shape[-1]
    upper = cat.apply(xt, g, dim=x.ndim - 1)
    lower = cat.apply(zeros(x, tuple(x.shape)), xt, dim=x.ndim - 1)
    both = matrix_exp.apply(cat.apply(upper, lower, dim=x.ndim - 2))
    everything = ((None, None, None),) * (x.ndim - 2)
    return (view.apply(both, index=(*everything, (None, N, None), (N, None, None))),)
