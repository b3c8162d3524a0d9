"""`torch.distributions`: the few that policy gradients and autoencoders use."""

from __future__ import annotations

import math
from typing import Any

import andon
from andon import Tensor
from andon.nn import functional as F


class Distribution:
    """Samples without a gradient; `rsample` with one, where there is a path for it."""

    batch_shape: tuple = ()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with andon.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        raise NotImplementedError


class Categorical(Distribution):
    """P(i) = softmax(logits)_i."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None):
        if probs is not None:
            self.probs = probs / probs.sum(-1, keepdim=True)
            self.logits = self.probs.clamp(min=andon.finfo(probs.dtype).eps).log()
        else:
            self.logits = logits - logits.logsumexp(-1, keepdim=True)
            self.probs = F.softmax(logits, dim=-1)
        self.batch_shape = tuple(self.logits.shape[:-1])

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with andon.no_grad():
            count = math.prod(sample_shape)
            rows = self.probs.reshape(-1, self.probs.shape[-1])
            drawn = andon.multinomial(rows, count, replacement=True)  # (rows, count)
            return drawn.t().reshape(*sample_shape, *self.batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        index = value.long().unsqueeze(-1)
        logits = self.logits.expand(*index.shape[:-1], self.logits.shape[-1])
        return logits.gather(-1, index).squeeze(-1)

    def entropy(self) -> Tensor:
        return -(self.probs * self.logits).sum(-1)


class Normal(Distribution):
    """N(loc, scale²)."""

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None):
        loc, scale = andon.as_tensor(loc), andon.as_tensor(scale)
        self.loc, self.scale = andon.broadcast_tensors(loc, scale)
        self.mean, self.stddev = self.loc, self.scale
        self.variance = self.scale**2
        self.batch_shape = tuple(self.loc.shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + self.scale * andon.randn(*sample_shape, *self.batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        z = (value - self.loc) / self.scale
        return -0.5 * z**2 - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()


class Bernoulli(Distribution):
    """P(1) = probs = sigmoid(logits)."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None):
        self.probs = probs if probs is not None else logits.sigmoid()
        self.logits = logits if logits is not None else andon.logit(probs)
        self.batch_shape = tuple(self.probs.shape)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with andon.no_grad():
            return andon.bernoulli(self.probs.expand(*sample_shape, *self.batch_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(
            self.logits.expand(value.shape), value, reduction="none"
        )

    def entropy(self) -> Tensor:
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")


class Uniform(Distribution):
    """Evenly in [low, high)."""

    def __init__(self, low: Any, high: Any, validate_args: Any = None):
        self.low, self.high = andon.broadcast_tensors(andon.as_tensor(low), andon.as_tensor(high))
        self.batch_shape = tuple(self.low.shape)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        width = self.high - self.low
        return self.low + width * andon.rand(*sample_shape, *self.batch_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        inside = (value >= self.low) & (value < self.high)
        return andon.where(inside, -(self.high - self.low).log(), -math.inf)


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q) of two Normals or two Categoricals."""
    if isinstance(p, Normal) and isinstance(q, Normal):
        ratio = (p.scale / q.scale) ** 2
        return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())
    if isinstance(p, Categorical) and isinstance(q, Categorical):
        return (p.probs * (p.logits - q.logits)).sum(-1)
    kinds = f"{type(p).__name__} and {type(q).__name__}"
    raise andon.core.errors.MissingNameError(f"kl_divergence: not known between {kinds}")
