"""Covariances: how variables, the rows of a matrix of observations, vary together."""

from __future__ import annotations

import math

from ..core.dtype import dtype as as_dtype
from ..core.dtype import get_default_dtype
from ..core.errors import ShapeError
from .diagonals import diagonal
from .elementwise import sqrt
from .extremes import clamp, clamp_min
from .linalg import matmul
from .movement import cast, reshape, squeeze, swap_last, unsqueeze
from .reduce import sum


def cov(x, *, correction=1, fweights=None, aweights=None):
    """Σ w (x - mean)(x - mean)ᵀ / (Σ w - correction) over the observations, the columns of x.

    `fweights` says how often each column was observed, `aweights` how much it weighs.
    Shapes: x (variables, observations) -> (variables, variables); a vector is one variable.
    """
    if x.ndim > 2:
        raise ShapeError(f"cov: a matrix of observations expected: {list(x.shape)}")
    if not as_dtype(x.dtype).is_floating_point:
        x = cast.apply(x, dtype=get_default_dtype())
    rows = reshape.apply(x, shape=(1, math.prod(x.shape))) if x.ndim < 2 else x
    weights = [w for w in (fweights, aweights) if w is not None]
    w = weights[0] * weights[-1] if len(weights) == 2 else weights[0] if weights else None
    total = rows.shape[1] if w is None else sum(w)
    centred = rows - sum(rows if w is None else rows * w, 1, keepdim=True) / total
    freedom = correction if aweights is None else sum(w * aweights) / total * correction
    freedom = clamp_min(total - freedom, 0) if w is not None else max(total - freedom, 0)
    weighted = centred if w is None else centred * w
    divisor = freedom if w is not None else freedom or math.nan
    return squeeze(matmul.apply(weighted, swap_last(centred)) / divisor)


def corrcoef(x):
    """cov(x)[i][j] / √(cov(x)[i][i] · cov(x)[j][j]): 1 for variables that grow in proportion."""
    c = cov(x)
    if c.ndim == 0:
        return c / c
    deviation = sqrt(diagonal(c))
    return clamp(c / unsqueeze(deviation, 1) / unsqueeze(deviation, 0), -1, 1)
