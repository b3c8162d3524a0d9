"""The Kullback-Leibler divergence, between pairs of distributions that have a formula for it."""

from __future__ import annotations

from collections.abc import Callable

from ..core.errors import MissingNameError
from ..ops.gamma_function import digamma, lgamma
from ..ops.solve import solve_triangular
from ..tensor.tensor import Tensor
from .continuous import Beta, Exponential, Gamma, Normal
from .discrete import Bernoulli, Categorical
from .distribution import Distribution, Independent
from .multivariate import MultivariateNormal


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p ‖ q) = E_p log p / q.

    Raises: MissingNameError where andon has no formula.
    """
    for kind in type(p).__mro__ if type(p) is type(q) else ():
        if kind in FORMULAS:
            return FORMULAS[kind](p, q)
    raise MissingNameError(
        f"kl_divergence: andon has no formula: {type(p).__name__} and {type(q).__name__}"
    )


def of_normals(p: Normal, q: Normal) -> Tensor:
    ratio = (p.scale / q.scale) ** 2
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale) ** 2 - 1 - ratio.log())


def of_categoricals(p: Categorical, q: Categorical) -> Tensor:
    return (p.probs * (p.logits - q.logits)).sum(-1)


def of_bernoullis(p: Bernoulli, q: Bernoulli) -> Tensor:
    return -p.entropy() - q.log_prob_of_one(p.probs)


def of_exponentials(p: Exponential, q: Exponential) -> Tensor:
    ratio = q.rate / p.rate
    return ratio - 1 - ratio.log()


def of_gammas(p: Gamma, q: Gamma) -> Tensor:
    a, b = p.concentration, q.concentration
    shapes = (a - b) * digamma(a) - lgamma(a) + lgamma(b)
    return shapes + b * (p.rate / q.rate).log() + a * (q.rate / p.rate - 1)


def of_betas(p: Beta, q: Beta) -> Tensor:
    differences = [
        (mine - theirs) * digamma(mine)
        for mine, theirs in (
            (p.concentration1, q.concentration1),
            (p.concentration0, q.concentration0),
        )
    ]
    total = (q.total - p.total) * digamma(p.total)
    return q.log_beta() - p.log_beta() + differences[0] + differences[1] + total


def of_multivariate_normals(p: MultivariateNormal, q: MultivariateNormal) -> Tensor:
    matrix = solve_triangular(q.scale_tril, p.scale_tril, upper=False)
    difference = solve_triangular(q.scale_tril, (q.loc - p.loc).unsqueeze(-1), upper=False)
    squares = (matrix**2).sum((-2, -1)) + (difference**2).sum((-2, -1))
    return q.half_log_det() - p.half_log_det() + 0.5 * (squares - p.loc.shape[-1])


def of_independents(p: Independent, q: Independent) -> Tensor:
    return p.summed(kl_divergence(p.base_dist, q.base_dist))


FORMULAS: dict[type, Callable] = {
    Normal: of_normals,
    Categorical: of_categoricals,
    Bernoulli: of_bernoullis,
    Exponential: of_exponentials,
    Gamma: of_gammas,
    Beta: of_betas,
    MultivariateNormal: of_multivariate_normals,
    Independent: of_independents,
}
