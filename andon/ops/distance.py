"""Vectors compared: unit vectors, the angle between two, the distance between two."""

from __future__ import annotations

import numpy as np

from ..core.errors import ShapeError
from .extremes import clamp_min
from .index import take
from .movement import unsqueeze
from .reduce import sum
from .vector_norm import vector_norm


def normalize(x, p=2.0, dim=1, eps=1e-12):
    """x / max(|x|, eps), with the p-norm along `dim`: vectors of length 1."""
    return x / clamp_min(vector_norm(x, p, dim, keepdim=True), eps)


def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """x1 · x2 / (max(|x1|, eps) max(|x2|, eps)) along `dim`."""
    lengths = [clamp_min(vector_norm(x, 2, dim, keepdim=True), eps) for x in (x1, x2)]
    return sum((x1 / lengths[0]) * (x2 / lengths[1]), dim)


def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """The p-norm of x1 - x2 + eps along the last dim."""
    return vector_norm(x1 - x2 + eps, p, -1, keepdim=keepdim)


def cdist(x1, x2, p=2.0, compute_mode=None):
    """The p-norm of x1[i] - x2[j] for each pair of rows.

    Shapes: x1 (..., M, D), x2 (..., N, D) -> (..., M, N). The differences take (..., M, N, D).
    """
    if min(x1.ndim, x2.ndim) < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ShapeError(f"cdist: rows of one size expected: {list(x1.shape)}, {list(x2.shape)}")
    return vector_norm(unsqueeze(x1, -2) - unsqueeze(x2, -3), p, -1)


def pdist(x, p=2.0):
    """The p-norm of x[i] - x[j] for each i < j.

    Shapes: x (N, D) -> (N (N - 1) / 2,).
    """
    if x.ndim != 2:
        raise ShapeError(f"pdist: a matrix expected: {list(x.shape)}")
    i, j = np.triu_indices(x.shape[0], 1)
    return vector_norm(take.apply(x, i, dims=(0,)) - take.apply(x, j, dims=(0,)), p, -1)
