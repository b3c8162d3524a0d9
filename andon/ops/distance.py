"""Norms of vectors in use: unit vectors, cosine similarity, distances between pairs."""

from __future__ import annotations

from .arithmetic import maximum
from .reduce import sum


