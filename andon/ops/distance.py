"""Vectors compared: unit vectors, the angle between two, the distance between two."""

from __future__ import annotations

from .extremes import clamp_min
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
