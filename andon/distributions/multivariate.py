"""Distributions of a vector."""

from __future__ import annotations

from typing import Any

from ..core.errors import ArgumentError, ShapeError
from ..core.spec import broadcast_shapes
from ..ops.gamma_function import digamma, lgamma
from ..ops.solve import cholesky, inv, solve_triangular
from ..ops.special import xlogy
from ..tensor.random import randn
from ..tensor.tensor import Tensor
from .continuous import standard_gamma
from .distribution import LOG_2PI, Distribution, floating


class MultivariateNormal(Distribution):
    """N(loc, covariance), given by one of the covariance, its inverse, or its Cholesky factor."""

    reparametrized = True

    def __init__(
        self,
        loc: Tensor,
        covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None,
        scale_tril: Tensor | None = None,
        validate_args: Any = None,
    ):
        given = [covariance_matrix, precision_matrix, scale_tril]
        if sum(matrix is not None for matrix in given) != 1:
            raise ArgumentError(
                "MultivariateNormal: one of covariance_matrix, precision_matrix and scale_tril "
                "must be given"
            )
        if precision_matrix is not None:
            covariance_matrix = inv.apply(precision_matrix)
        factor: Any = scale_tril if scale_tril is not None else cholesky(covariance_matrix)
        loc = floating(loc)
        if loc.ndim < 1 or tuple(factor.shape[-2:]) != (loc.shape[-1],) * 2:
            raise ShapeError(f"MultivariateNormal: loc {loc.spec} for matrices {factor.spec}")
        batch = broadcast_shapes(loc.shape[:-1], factor.shape[:-2], op="MultivariateNormal")
        super().__init__(batch, loc.shape[-1:])
        self.loc = loc.expand(*batch, *loc.shape[-1:])
        self.scale_tril = factor.expand(*batch, *factor.shape[-2:])

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.loc

    @property
    def covariance_matrix(self) -> Tensor:
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Tensor:
        return inv.apply(self.covariance_matrix)

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return (self.scale_tril**2).sum(-1)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        z = randn(*shape, dtype=self.loc.dtype).unsqueeze(-1)
        return self.loc + (self.scale_tril @ z).squeeze(-1)

    def half_log_det(self) -> Tensor:
        return self.scale_tril.diagonal(0, -2, -1).log().sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        difference = (value - self.loc).unsqueeze(-1)
        z = solve_triangular(self.scale_tril, difference, upper=False).squeeze(-1)
        return -0.5 * (self.loc.shape[-1] * LOG_2PI + (z**2).sum(-1)) - self.half_log_det()

    def entropy(self) -> Tensor:
        return 0.5 * self.loc.shape[-1] * (1 + LOG_2PI) + self.half_log_det()


class Dirichlet(Distribution):
    """Density Π xᵢ^(aᵢ-1) / B(a) over vectors that add up to 1, a the `concentration`."""

    def __init__(self, concentration: Tensor, validate_args: Any = None):
        self.concentration = floating(concentration)
        if self.concentration.ndim < 1:
            raise ShapeError(f"Dirichlet: a vector expected: {self.concentration.spec}")
        super().__init__(self.concentration.shape[:-1], self.concentration.shape[-1:])
        self.check(self.concentration > 0, "concentration must be positive", validate_args)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        g = standard_gamma(self.concentration.expand(shape))
        return g / g.sum(-1, keepdim=True)

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.mean * (1 - self.mean) / (self.concentration.sum(-1, keepdim=True) + 1)

    def log_prob(self, value: Tensor) -> Tensor:
        a = self.concentration
        return xlogy(a - 1, value).sum(-1) + lgamma(a.sum(-1)) - lgamma(a).sum(-1)

    def entropy(self) -> Tensor:
        a, total = self.concentration, self.concentration.sum(-1)
        log_beta = lgamma(a).sum(-1) - lgamma(total)
        spread = (total - a.shape[-1]) * digamma(total)
        return log_beta + spread - ((a - 1) * digamma(a)).sum(-1)
