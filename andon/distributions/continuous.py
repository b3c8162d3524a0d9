"""Distributions of a real number."""

from __future__ import annotations

import math
from typing import Any

from ..ops.elementwise import log
from ..ops.gamma_function import digamma, lgamma
from ..ops.logic import where
from ..ops.special import xlogy
from ..tensor.random import rand, randn
from ..tensor.tensor import Tensor
from .distribution import LOG_2PI, Distribution, parameters


class LocationScale(Distribution):
    """The base of those that are loc + scale · (a standard variable)."""

    reparametrized = True

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None):
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape)
        self.check(self.scale > 0, "scale must be positive", validate_args)

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.loc

    def standard(self, value: Tensor) -> Tensor:
        return (value - self.loc) / self.scale


class Normal(LocationScale):
    """N(loc, scale²)."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return self.loc + self.scale * randn(*shape, dtype=self.loc.dtype)

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.scale**2

    @property
    def stddev(self) -> Tensor:
        return self.scale

    def log_prob(self, value: Tensor) -> Tensor:
        return -0.5 * self.standard(value) ** 2 - self.scale.log() - 0.5 * LOG_2PI

    def entropy(self) -> Tensor:
        return 0.5 + 0.5 * LOG_2PI + self.scale.log()

    def cdf(self, value: Tensor) -> Tensor:
        """P(x ≤ value)."""
        return 0.5 * (1 + (self.standard(value) / math.sqrt(2)).erf())

    def icdf(self, value: Tensor) -> Tensor:
        """The x with cdf(x) = value."""
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)


class LogNormal(Normal):
    """exp of N(loc, scale²)."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return super().draw(shape).exp()

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return (self.scale**2).expm1() * (2 * self.loc + self.scale**2).exp()

    @property
    def stddev(self) -> Tensor:
        return self.variance.sqrt()

    def log_prob(self, value: Tensor) -> Tensor:
        return super().log_prob(value.log()) - value.log()

    def entropy(self) -> Tensor:
        return super().entropy() + self.loc

    def cdf(self, value: Tensor) -> Tensor:
        return super().cdf(value.log())

    def icdf(self, value: Tensor) -> Tensor:
        return super().icdf(value).exp()


class Laplace(LocationScale):
    """Density exp(-|x - loc| / scale) / 2 scale."""

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return self.icdf(rand(*shape, dtype=self.loc.dtype))

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return 2 * self.scale**2

    def log_prob(self, value: Tensor) -> Tensor:
        return -self.standard(value).abs() - (2 * self.scale).log()

    def entropy(self) -> Tensor:
        return 1 + (2 * self.scale).log()

    def cdf(self, value: Tensor) -> Tensor:
        z = self.standard(value)
        return 0.5 - 0.5 * z.sign() * (-z.abs()).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        """The x with cdf(x) = value."""
        u = value - 0.5
        return self.loc - self.scale * u.sign() * (-2 * u.abs()).log1p()


class Uniform(Distribution):
    """Evenly in [low, high)."""

    reparametrized = True

    def __init__(self, low: Any, high: Any, validate_args: Any = None):
        self.low, self.high = parameters(low, high)
        super().__init__(self.low.shape)
        self.check(self.low < self.high, "low must be below high", validate_args)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return self.icdf(rand(*shape, dtype=self.low.dtype))

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return (self.low + self.high) / 2

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return (self.high - self.low) ** 2 / 12

    def log_prob(self, value: Tensor) -> Tensor:
        inside = (value >= self.low) & (value < self.high)
        return where(inside, -self.entropy(), -math.inf)

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()

    def cdf(self, value: Tensor) -> Tensor:
        return ((value - self.low) / (self.high - self.low)).clamp(0, 1)

    def icdf(self, value: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * value


class Exponential(Distribution):
    """Density rate · exp(-rate x) over x ≥ 0."""

    reparametrized = True

    def __init__(self, rate: Any, validate_args: Any = None):
        (self.rate,) = parameters(rate)
        super().__init__(self.rate.shape)
        self.check(self.rate > 0, "rate must be positive", validate_args)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return self.icdf(rand(*shape, dtype=self.rate.dtype))

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return 1 / self.rate

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.rate**-2

    def log_prob(self, value: Tensor) -> Tensor:
        return where(value >= 0, self.rate.log() - self.rate * value, -math.inf)

    def entropy(self) -> Tensor:
        return 1 - self.rate.log()

    def cdf(self, value: Tensor) -> Tensor:
        return -(-self.rate * value).expm1()

    def icdf(self, value: Tensor) -> Tensor:
        return -(-value).log1p() / self.rate


class Gamma(Distribution):
    """Density rate^a x^(a-1) exp(-rate x) / Γ(a) over x > 0, a the `concentration`."""

    def __init__(self, concentration: Any, rate: Any, validate_args: Any = None):
        self.concentration, self.rate = parameters(concentration, rate)
        super().__init__(self.rate.shape)
        self.check(
            (self.rate > 0) & (self.concentration > 0), "parameters must be positive", validate_args
        )

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return standard_gamma(self.concentration.expand(shape)) / self.rate

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.concentration / self.rate

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.concentration / self.rate**2

    def log_prob(self, value: Tensor) -> Tensor:
        a = self.concentration
        return xlogy(a, self.rate) + xlogy(a - 1, value) - self.rate * value - lgamma(a)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + lgamma(a) + (1 - a) * digamma(a)


def standard_gamma(a: Tensor) -> Tensor:
    """Draws of the density x^(a-1) exp(-x) / Γ(a), each for an element of a.

    Candidates are drawn anew wherever one was rejected. Those with a < 1 are made of a + 1.
    Source: Marsaglia & Tsang 2000, A simple method for generating gamma variables.
    """
    d = where(a < 1, a + 1, a) - 1 / 3
    y = d * 0.0
    waiting = y == 0
    while waiting.any():
        z, u = randn(*a.shape, dtype=a.dtype), 1 - rand(*a.shape, dtype=a.dtype)
        v = (1 + z / (9 * d).sqrt()) ** 3
        accepted = (v > 0) & (u.log() < 0.5 * z**2 + d - d * v + d * log(v.clamp(min=1e-30)))
        y = where(waiting & accepted, d * v, y)
        waiting = waiting & ~accepted
    u = 1 - rand(*a.shape, dtype=a.dtype)
    return where(a < 1, y * u ** (1 / a), y)


class Beta(Distribution):
    """Density x^(a-1) (1-x)^(b-1) / B(a, b) over (0, 1)."""

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: Any = None):
        self.concentration1, self.concentration0 = parameters(concentration1, concentration0)
        super().__init__(self.concentration1.shape)
        positive = (self.concentration1 > 0) & (self.concentration0 > 0)
        self.check(positive, "concentrations must be positive", validate_args)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        a, b = (standard_gamma(c.expand(shape)) for c in (self.concentration1, self.concentration0))
        return a / (a + b)

    @property
    def total(self) -> Tensor:
        return self.concentration1 + self.concentration0

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.concentration1 / self.total

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.concentration1 * self.concentration0 / (self.total**2 * (self.total + 1))

    def log_beta(self) -> Tensor:
        return lgamma(self.concentration1) + lgamma(self.concentration0) - lgamma(self.total)

    def log_prob(self, value: Tensor) -> Tensor:
        a, b = self.concentration1, self.concentration0
        return xlogy(a - 1, value) + xlogy(b - 1, 1 - value) - self.log_beta()

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        digammas = (
            (a - 1) * digamma(a) + (b - 1) * digamma(b) - (self.total - 2) * digamma(self.total)
        )
        return self.log_beta() - digammas


class StudentT(Distribution):
    """Student's t with `df` degrees of freedom, times scale, plus loc."""

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: Any = None):
        self.df, self.loc, self.scale = parameters(df, loc, scale)
        super().__init__(self.df.shape)
        self.check((self.df > 0) & (self.scale > 0), "df and scale must be positive", validate_args)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        chi2 = 2 * standard_gamma((self.df / 2).expand(shape))
        z = randn(*shape, dtype=self.loc.dtype)
        return self.loc + self.scale * z * (self.df / chi2).sqrt()

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return where(self.df > 1, self.loc, math.nan)

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        heavy = where(self.df > 1, math.inf, math.nan)
        return where(self.df > 2, self.scale**2 * self.df / (self.df - 2), heavy)

    def log_prob(self, value: Tensor) -> Tensor:
        z, half = (value - self.loc) / self.scale, 0.5 * self.df
        norm = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi)
        norm = norm + lgamma(half) - lgamma(half + 0.5)
        return -(half + 0.5) * (z**2 / self.df).log1p() - norm

    def entropy(self) -> Tensor:
        a, b = 0.5 * (self.df + 1), 0.5 * self.df
        log_beta = lgamma(b) + math.lgamma(0.5) - lgamma(a)
        return self.scale.log() + a * (digamma(a) - digamma(b)) + 0.5 * self.df.log() + log_beta
