"""Distributions, beside PyTorch's: densities, moments, divergences, and what is drawn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.distributions as theirs

import andon
import andon.distributions as ours
from andon.core.errors import MissingNameError, ShapeError

POINTS = np.array([0.3, 0.7], np.float32)
COUNTS = np.array([3.0, 0.0], np.float32)
MATRIX = np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)


def make(name, *args, **kwargs):
    """The same distribution in both frameworks."""

    def converted(t):
        def convert(x):
            if isinstance(x, (list, np.ndarray)):
                return t.tensor(np.asarray(x, np.float32))
            return x

        return [convert(x) for x in args], {k: convert(x) for k, x in kwargs.items()}

    made = []
    for t, D in ((andon, ours), (torch, theirs)):
        positional, named = converted(t)
        made.append(getattr(D, name)(*positional, **named))
    return made


TABLE = {
    "Normal": (("Normal", [0.0, 1.0], [1.0, 2.0]), POINTS),
    "LogNormal": (("LogNormal", 0.0, [0.5, 0.3]), POINTS),
    "Laplace": (("Laplace", [0.0, 1.0], 2.0), POINTS),
    "Uniform": (("Uniform", 0.0, [2.0, 3.0]), POINTS),
    "Exponential": (("Exponential", [2.0, 0.5]), POINTS),
    "Gamma": (("Gamma", [0.5, 2.0], 3.0), POINTS),
    "Beta": (("Beta", 2.0, [3.0, 0.5]), POINTS),
    "StudentT": (("StudentT", [5.0, 9.0], 1.0, 2.0), POINTS),
    "Categorical": (("Categorical", [[0.1, 0.5, 2.0], [1.0, 0.0, 1.0]]), np.array([2, 0])),
    "OneHotCategorical": (("OneHotCategorical", [[0.2, 0.8]]), np.array([[0.0, 1.0]], np.float32)),
    "Bernoulli": (("Bernoulli", [0.2, 0.7]), np.array([1.0, 0.0], np.float32)),
    "Geometric": (("Geometric", [0.2, 0.7]), COUNTS),
    "Binomial": (("Binomial", 5, [0.2, 0.7]), COUNTS),
    "Poisson": (("Poisson", [3.0, 0.5]), COUNTS),
    "MultivariateNormal": (("MultivariateNormal", [0.0, 1.0], MATRIX), POINTS),
    "Dirichlet": (("Dirichlet", [1.0, 2.0, 3.0]), np.array([0.2, 0.3, 0.5], np.float32)),
}
NO_MOMENTS = {"Categorical"}


def assert_same(a, b):
    np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("name", TABLE)
def test_shapes_densities_and_moments_are_pytorchs(name):
    (d, e), value = make(*TABLE[name][0]), TABLE[name][1]
    assert (tuple(d.batch_shape), tuple(d.event_shape)) == (
        tuple(e.batch_shape),
        tuple(e.event_shape),
    )
    assert_same(d.log_prob(andon.tensor(value)), e.log_prob(torch.tensor(value)))
    for what in ("entropy", "perplexity"):
        if hasattr(e, what) and name not in ("Binomial", "Poisson"):
            assert_same(getattr(d, what)(), getattr(e, what)())
    if name not in NO_MOMENTS:
        for what in ("mean", "variance", "stddev"):
            assert_same(getattr(d, what), getattr(e, what))


@pytest.mark.parametrize("name", ["Normal", "LogNormal", "Laplace", "Uniform", "Exponential"])
def test_cdf_and_its_inverse_are_pytorchs(name):
    d, e = make(*TABLE[name][0])
    assert_same(d.cdf(andon.tensor(POINTS)), e.cdf(torch.tensor(POINTS)))
    assert_same(d.icdf(andon.tensor(POINTS)), e.icdf(torch.tensor(POINTS)))


@pytest.mark.parametrize("name", TABLE)
def test_what_is_drawn_has_the_mean_and_spread_that_it_should(name):
    (d, _), _ = make(*TABLE[name][0]), andon.manual_seed(1)
    n = 20000
    drawn = d.sample((n,)).float()
    assert tuple(drawn.shape) == (n, *d.batch_shape, *d.event_shape)
    assert not drawn.requires_grad
    if name in NO_MOMENTS:
        frequencies = [(drawn == i).float().mean(0) for i in range(3)]
        assert andon.stack(frequencies, 1).allclose(d.probs, atol=0.02)
        return
    mean, stddev = d.mean, d.stddev
    assert bool(((drawn.mean(0) - mean).abs() <= 5 * stddev / n**0.5).all())
    assert drawn.std(0).allclose(stddev, rtol=0.15)


@pytest.mark.parametrize("name", ["Normal", "Laplace", "Uniform", "Exponential"])
def test_gradients_flow_through_reparametrized_draws(name):
    shift = andon.tensor([1.0, 2.0], requires_grad=True)
    args = (shift,) if name == "Exponential" else (shift, shift + 1)
    d = getattr(ours, name)(*args)
    assert d.has_rsample
    d.rsample((5,)).sum().backward()
    assert shift.grad is not None
    assert not d.sample((5,)).requires_grad


def test_draws_without_a_gradient_say_so():
    with pytest.raises(MissingNameError, match=r"Gamma.rsample: andon has no gradient"):
        ours.Gamma(1.0, 1.0).rsample()


PAIRS = [
    ("Normal", (0.0, 1.0), (1.0, 2.0)),
    ("Categorical", ([0.5, 0.5],), ([0.1, 0.9],)),
    ("Bernoulli", (0.3,), (0.6,)),
    ("Exponential", (1.0,), (2.0,)),
    ("Gamma", (1.0, 2.0), (2.0, 3.0)),
    ("Beta", (1.0, 2.0), (2.0, 3.0)),
    ("MultivariateNormal", ([0.0, 1.0], MATRIX), ([1.0, 1.0], MATRIX.T + np.eye(2))),
]


@pytest.mark.parametrize(("name", "p", "q"), PAIRS, ids=[pair[0] for pair in PAIRS])
def test_the_divergence_is_pytorchs(name, p, q):
    (a, c), (b, d) = make(name, *p), make(name, *q)
    assert_same(ours.kl_divergence(a, b), theirs.kl_divergence(c, d))


def test_independent_dims_are_one_event():
    base, other = make("Normal", [[0.0, 1.0]], [[1.0, 2.0]])
    d, e = ours.Independent(base, 1), theirs.Independent(other, 1)
    assert tuple(d.batch_shape) == (1,) and tuple(d.event_shape) == (2,)
    assert_same(d.log_prob(andon.tensor(POINTS)), e.log_prob(torch.tensor(POINTS)))
    assert_same(d.entropy(), e.entropy())
    assert_same(ours.kl_divergence(d, d), theirs.kl_divergence(e, e))
    assert tuple(d.rsample((3,)).shape) == (3, 1, 2)


def test_a_covariance_may_be_given_in_three_ways():
    loc, value = andon.zeros(2), andon.tensor(POINTS)
    matrix = andon.tensor(MATRIX)
    factor = andon.linalg.cholesky(matrix)
    expected = ours.MultivariateNormal(loc, matrix).log_prob(value)
    for named in ({"scale_tril": factor}, {"precision_matrix": matrix.inverse()}):
        assert ours.MultivariateNormal(loc, **named).log_prob(value).allclose(expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("make_it", "kind", "said"),
    [
        (lambda: ours.Normal(0.0, -1.0), ValueError, "Normal: scale must be positive"),
        (lambda: ours.Uniform(1.0, 0.0), ValueError, "Uniform: low must be below high"),
        (lambda: ours.Categorical(), ValueError, "either probs or logits"),
        (lambda: ours.Categorical(andon.tensor([-1.0])), ValueError, "must not be negative"),
        (lambda: ours.Categorical(andon.tensor(1.0)), ShapeError, "a dim of classes"),
        (lambda: ours.Bernoulli(1.5), ValueError, "probs must be between 0 and 1"),
        (lambda: ours.Binomial(-1, 0.5), ValueError, "total_count"),
        (lambda: ours.MultivariateNormal(andon.ones(2)), ValueError, "must be given"),
        (lambda: ours.Independent(ours.Normal(0.0, 1.0), 1), ShapeError, "at most 0 dims"),
        (
            lambda: ours.kl_divergence(ours.Normal(0.0, 1.0), ours.Poisson(1.0)),
            MissingNameError,
            "no formula: Normal and Poisson",
        ),
    ],
)
def test_impossible_parameters_are_refused(make_it, kind, said):
    with pytest.raises(kind, match=said):
        make_it()


def test_parameters_are_not_checked_where_that_is_not_wanted():
    negative = andon.tensor(-1.0)
    assert ours.Normal(0.0, negative, validate_args=False).scale.item() == -1
    ours.Distribution.set_default_validate_args(False)
    try:
        assert ours.Exponential(negative).rate.item() == -1
        with pytest.raises(ValueError, match="must be positive"):
            ours.Exponential(negative, validate_args=True)
    finally:
        ours.Distribution.set_default_validate_args(True)


def test_a_recording_does_not_check_parameters_that_it_does_not_know():
    score = andon.jit(lambda s, x: ours.Normal(0.0, s).log_prob(x))
    found = score(andon.tensor(2.0), andon.tensor(1.0))
    assert_same(found, theirs.Normal(0.0, 2.0).log_prob(torch.tensor(1.0)))
    with pytest.raises(ValueError, match="must be positive"):
        andon.jit(lambda x: ours.Normal(0.0, andon.tensor(-1.0)).log_prob(x))(andon.tensor(1.0))


def test_what_is_drawn_is_recorded():
    x = andon.tensor(POINTS).requires_grad_()

    def loss(x):
        found = ours.Normal(x, x.exp())
        draws = found.rsample((4,)) + ours.Laplace(x, 1.0).rsample((4,))
        return (
            -found.log_prob(draws).mean() + ours.kl_divergence(found, ours.Normal(0.0, 1.0)).sum()
        )

    def values(f):
        andon.manual_seed(0)
        return [float(f(x).detach()) for _ in range(3)]

    np.testing.assert_allclose(values(andon.jit(loss)), values(loss), 1e-5)
