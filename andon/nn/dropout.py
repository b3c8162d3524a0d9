"""Dropout: in training, set elements or whole channels to zero with probability p."""

from __future__ import annotations

from ..core.errors import ArgumentError
from ..tensor.tensor import Tensor
from . import functional as F
from .module import Module, listed


class Probability(Module):
    """What all kinds of dropout share: the probability."""

    def __init__(self, p: float = 0.5, inplace: bool = False):
        super().__init__()
        if not 0 <= p <= 1:
            raise ArgumentError(f"{type(self).__name__}: p must be between 0 and 1: {p}")
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        return listed(self, "p", "inplace")


class Dropout(Probability):
    """x m / (1 - p), each element of m being 0 with probability p, else 1."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(Probability):
    """Dropout of whole channels of (B, C, L)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(Probability):
    """Dropout of whole channels of (B, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(Probability):
    """Dropout of whole channels of (B, C, D, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(Probability):
    """Dropout that keeps mean 0 and variance 1 behind a SELU."""

    def forward(self, input: Tensor) -> Tensor:
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(Probability):
    """Alpha dropout of whole channels."""

    def forward(self, input: Tensor) -> Tensor:
        return F.feature_alpha_dropout(input, self.p, self.training)
