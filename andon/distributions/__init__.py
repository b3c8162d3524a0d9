"""Distributions: draws, densities, entropies and divergences, by the names of PyTorch.

distribution   the base of all, and Independent
continuous     of a real number: Normal, Uniform, Gamma, Beta, …
discrete       of choices and counts: Categorical, Bernoulli, Poisson, …
multivariate   of a vector: MultivariateNormal, Dirichlet
divergence     kl_divergence

>>> from andon.distributions import Normal
>>> Normal(0.0, 2.0).entropy()
tensor(2.1121)
"""

from .continuous import Beta, Exponential, Gamma, Laplace, LogNormal, Normal, StudentT, Uniform
from .discrete import Bernoulli, Binomial, Categorical, Geometric, OneHotCategorical, Poisson
from .distribution import Distribution, Independent
from .divergence import kl_divergence
from .multivariate import Dirichlet, MultivariateNormal

__all__ = [
    "Bernoulli",
    "Beta",
    "Binomial",
    "Categorical",
    "Dirichlet",
    "Distribution",
    "Exponential",
    "Gamma",
    "Geometric",
    "Independent",
    "Laplace",
    "LogNormal",
    "MultivariateNormal",
    "Normal",
    "OneHotCategorical",
    "Poisson",
    "StudentT",
    "Uniform",
    "kl_divergence",
]
