"""Distributions of a number that counts or chooses."""

from __future__ import annotations

import math
from typing import Any

from ..core.dtype import finfo
from ..core.errors import ArgumentError, ShapeError
from ..ops.elementwise import floor
from ..ops.embedding import one_hot
from ..ops.gamma_function import lgamma
from ..ops.loss import binary_cross_entropy_with_logits
from ..ops.random import bernoulli, multinomial, poisson
from ..ops.reduce import logsumexp
from ..ops.softmax import softmax
from ..ops.special import logit, xlogy
from ..tensor.creation import arange
from ..tensor.random import rand
from ..tensor.tensor import Tensor
from .distribution import Distribution, floating, parameters

__all__ = ["Bernoulli", "Binomial", "Categorical", "Geometric", "OneHotCategorical", "Poisson"]


def one_of(name: str, probs: Any, logits: Any) -> None:
    if (probs is None) == (logits is None):
        raise ArgumentError(f"{name}: either probs or logits must be given")


def within(probs: Tensor) -> Tensor:
    """`probs` as far from 0 and 1 as its dtype can tell."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(eps, 1 - eps)


class Categorical(Distribution):
    """P(i) = probs_i / Σ probs = softmax(logits)_i, over the last dim."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None):
        one_of(type(self).__name__, probs, logits)
        given = floating(probs if logits is None else logits)
        if given.ndim == 0:
            raise ShapeError(f"{type(self).__name__}: a dim of classes expected: {given.spec}")
        if probs is not None:
            self.check(given >= 0, "probs must not be negative", validate_args)
            self.probs = given / given.sum(-1, keepdim=True)
            self.logits = within(self.probs).log()
        else:
            self.logits = given - logsumexp(given, -1, keepdim=True)
            self.probs = softmax(given, -1)
        self.set_shapes()

    def set_shapes(self) -> None:
        Distribution.__init__(self, self.logits.shape[:-1])

    def choose(self, shape: tuple[int, ...]) -> Tensor:
        """The numbers of chosen classes, of a shape that ends in the batch's."""
        batch = tuple(self.probs.shape[:-1])
        rows = self.probs.reshape(-1, self.probs.shape[-1])
        count = math.prod(shape[: len(shape) - len(batch)])
        return multinomial(rows, count, replacement=True).t().reshape(shape)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return self.choose(shape)

    @property
    def param_shape(self) -> Any:
        return self.logits.shape

    @property
    def mode(self) -> Tensor:
        """The most likely class."""
        return self.probs.argmax(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        index = value.long().unsqueeze(-1)
        size = (*self.batch_shape, self.logits.shape[-1])
        rows = self.logits.expand(*index.shape[: index.ndim - len(size)], *size)
        index = index.expand(*rows.shape[:-1], 1)
        return rows.gather(-1, index).squeeze(-1)

    def entropy(self) -> Tensor:
        return -(self.logits.clamp(min=finfo(self.logits.dtype).min) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """The numbers of all classes, along a new first dim."""
        classes = self.logits.shape[-1]
        values = arange(classes).reshape(classes, *(1,) * len(self.batch_shape))
        return values.expand(classes, *self.batch_shape) if expand else values


class OneHotCategorical(Categorical):
    """As Categorical, with an event a vector that is 1 at the class."""

    def set_shapes(self) -> None:
        Distribution.__init__(self, self.logits.shape[:-1], self.logits.shape[-1:])

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        chosen = self.choose(shape[:-1])
        return one_hot(chosen, self.logits.shape[-1]).to(self.probs.dtype)

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.probs

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.probs * (1 - self.probs)

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value.argmax(-1))


class Binary(Distribution):
    """The base of those with the probability of a success: `probs` or `logits`."""

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None):
        one_of(type(self).__name__, probs, logits)
        if probs is not None:
            (self.probs,) = parameters(probs)
            self.check(
                (self.probs >= 0) & (self.probs <= 1),
                "probs must be between 0 and 1",
                validate_args,
            )
            self.logits = logit(within(self.probs))
        else:
            (self.logits,) = parameters(logits)
            self.probs = self.logits.sigmoid()
        super().__init__(self.probs.shape)

    def log_prob_of_one(self, value: Tensor) -> Tensor:
        """value · log p + (1 - value) · log(1 - p)."""
        shape = (value + self.logits).shape
        target = value.to(self.logits.dtype).expand(shape)
        return -binary_cross_entropy_with_logits(
            self.logits.expand(shape), target, reduction="none"
        )


class Bernoulli(Binary):
    """P(1) = probs = σ(logits), P(0) = 1 - probs."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return bernoulli(self.probs.expand(shape))

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.probs

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.probs * (1 - self.probs)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.log_prob_of_one(value)

    def entropy(self) -> Tensor:
        return -self.log_prob_of_one(self.probs)


class Geometric(Binary):
    """P(k) = (1 - p)^k p: the failures before the first success."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        u = 1 - rand(*shape, dtype=self.probs.dtype)
        return floor(u.log() / (-within(self.probs)).log1p())

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return 1 / self.probs - 1

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return (1 / self.probs - 1) / self.probs

    def log_prob(self, value: Tensor) -> Tensor:
        return xlogy(value, 1 - self.probs) + self.probs.log()

    def entropy(self) -> Tensor:
        return -self.log_prob_of_one(self.probs) / self.probs


class Binomial(Binary):
    """The successes in `total_count` trials."""

    def __init__(
        self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: Any = None
    ):
        if not isinstance(total_count, int) or total_count < 0:
            raise ArgumentError(f"Binomial: total_count must be an int >= 0: {total_count!r}")
        super().__init__(probs, logits, validate_args)
        self.total_count = total_count

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return bernoulli(self.probs.expand(self.total_count, *shape)).sum(0)

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.total_count * self.probs

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.mean * (1 - self.probs)

    def log_prob(self, value: Tensor) -> Tensor:
        n = self.total_count
        choices = math.lgamma(n + 1) - lgamma(value + 1) - lgamma(n - value + 1)
        return choices + value * self.logits - n * softplus_of(self.logits)


def softplus_of(x: Tensor) -> Tensor:
    """log(1 + eˣ), without overflow."""
    return x.clamp(min=0) + (-x.abs()).exp().log1p()


class Poisson(Distribution):
    """P(k) = rate^k exp(-rate) / k!."""

    def __init__(self, rate: Any, validate_args: Any = None):
        (self.rate,) = parameters(rate)
        super().__init__(self.rate.shape)
        self.check(self.rate >= 0, "rate must not be negative", validate_args)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return poisson(self.rate.expand(shape))

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.rate

    variance = mean

    def log_prob(self, value: Tensor) -> Tensor:
        return xlogy(value, self.rate) - self.rate - lgamma(value + 1)
