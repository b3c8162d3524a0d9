"""Initialisers: their distributions, and the defaults of the layers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import andon
from andon import nn
from andon.core.errors import ShapeError
from andon.nn import init

SHAPE = (60, 50, 3)


@pytest.fixture(autouse=True)
def seed():
    andon.manual_seed(0)


def filled(name, *args, shape=SHAPE, **kwargs):
    x = andon.full(shape, 7.0, dtype=andon.float64)
    assert getattr(init, name)(x, *args, **kwargs) is x
    return x.numpy()


@pytest.mark.parametrize("name", ["linear", "conv2d", "sigmoid", "tanh", "relu", "selu",
                                  "leaky_relu"])  # fmt: skip
def test_gains_are_those_of_pytorch(name):
    assert init.calculate_gain(name) == pytest.approx(torch.nn.init.calculate_gain(name))


def test_the_slope_of_a_leaky_relu_counts():
    assert init.calculate_gain("leaky_relu", 0.3) == pytest.approx(math.sqrt(2 / 1.09))
    for slope in ("steep", True):
        with pytest.raises(ValueError, match="slope"):
            init.calculate_gain("leaky_relu", slope)
    with pytest.raises(ValueError, match="not a nonlinearity"):
        init.calculate_gain("step")


def test_uniform_lies_within_its_bounds():
    x = filled("uniform_", -2, 3)
    assert -2 <= x.min() < -1.99 and 2.99 < x.max() < 3
    assert abs(x.mean() - 0.5) < 0.05 and abs(x.std() - 5 / math.sqrt(12)) < 0.05


def test_normal_has_its_mean_and_deviation():
    x = filled("normal_", 2, 3)
    assert abs(x.mean() - 2) < 0.15 and abs(x.std() - 3) < 0.1


def test_truncated_normal_lies_within_its_bounds():
    x = filled("trunc_normal_", 1, 2, 0, 4)
    assert x.min() >= 0 and x.max() <= 4
    exact = 1 + 2 * 0.200794  # mean + std (φ(α) - φ(β)) / (Φ(β) - Φ(α)), α = -1/2, β = 3/2
    phi = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)  # noqa: E731
    mass = (math.erf(1.5 / math.sqrt(2)) - math.erf(-0.5 / math.sqrt(2))) / 2
    exact = 1 + 2 * (phi(-0.5) - phi(1.5)) / mass
    assert abs(x.mean() - exact) < 0.05


def test_the_far_tail_of_a_normal_can_be_drawn():
    x = filled("trunc_normal_", 0, 1, 5, 6)
    assert x.min() >= 5 and x.max() <= 6 and x.mean() < 5.4


def test_constants():
    assert (filled("constant_", 2.5) == 2.5).all()
    assert (filled("ones_") == 1).all()
    assert (filled("zeros_") == 0).all()
    assert np.array_equal(filled("eye_", shape=(3, 5)), np.eye(3, 5))


@pytest.mark.parametrize(("name", "fans"), [("xavier", 150 + 180), ("kaiming", None)])
def test_spreads_follow_the_fans(name, fans):
    if name == "xavier":
        std = 1.5 * math.sqrt(2 / fans)
        uniform, normal = filled("xavier_uniform_", 1.5), filled("xavier_normal_", 1.5)
    else:
        std = math.sqrt(2) / math.sqrt(180)
        options = {"mode": "fan_out", "nonlinearity": "relu"}
        uniform, normal = (
            filled("kaiming_uniform_", **options),
            filled("kaiming_normal_", **options),
        )
    assert uniform.std() == pytest.approx(std, rel=0.03)
    assert normal.std() == pytest.approx(std, rel=0.03)
    assert np.abs(uniform).max() == pytest.approx(math.sqrt(3) * std, rel=0.01)


def test_kaiming_takes_a_slope_and_an_empty_weight():
    x = filled("kaiming_uniform_", a=math.sqrt(5))
    assert np.abs(x).max() == pytest.approx(1 / math.sqrt(150), rel=0.01)
    assert filled("kaiming_uniform_", shape=(0, 3)).size == 0
    with pytest.raises(ValueError, match="mode"):
        filled("kaiming_normal_", mode="fan_avg")


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 2, 4)])
def test_orthogonal_rows_or_columns(shape):
    q = filled("orthogonal_", 2.0, shape=shape).reshape(shape[0], -1)
    small = q @ q.T if q.shape[0] <= q.shape[1] else q.T @ q
    np.testing.assert_allclose(small, 4 * np.eye(len(small)), atol=1e-10)


def test_dirac_passes_channels_on():
    for shape, groups in (((4, 2, 3), 2), ((3, 3, 3, 3), 1), ((2, 4, 3, 3, 1), 1)):
        ours, theirs = filled("dirac_", groups, shape=shape), torch.empty(shape)
        assert np.array_equal(ours, torch.nn.init.dirac_(theirs, groups).numpy())
    with pytest.raises(ShapeError, match="groups"):
        filled("dirac_", 2, shape=(3, 2, 3))
    with pytest.raises(ShapeError, match="3, 4 or 5"):
        filled("dirac_", shape=(3, 2))


def test_sparse_has_its_share_of_zeros_in_each_column():
    x = filled("sparse_", 0.3, shape=(20, 7))
    assert ((x == 0).sum(0) == 6).all()
    with pytest.raises(ShapeError, match="matrix"):
        filled("sparse_", 0.3, shape=(3,))


def test_shapes_without_fans_are_told():
    for name in ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"):
        with pytest.raises(ShapeError, match="two dims"):
            filled(name, shape=(3,))
    with pytest.raises(ShapeError, match="two dims"):
        filled("orthogonal_", shape=(3,))
    with pytest.raises(ShapeError, match="matrix"):
        filled("eye_", shape=(3,))
    with pytest.raises(ValueError, match="exceed"):
        filled("trunc_normal_", 0, 1, 2, 1)


def test_parameters_can_be_initialised_and_are_not_recorded():
    p = nn.Parameter(andon.zeros(3, 3))
    for name in ("xavier_uniform_", "kaiming_normal_", "orthogonal_", "ones_", "trunc_normal_",
                 "eye_"):  # fmt: skip
        assert getattr(init, name)(p) is p
        assert p.is_leaf and p.requires_grad


def test_a_generator_makes_draws_repeatable():
    draws = []
    for _ in range(2):
        generator = andon.Generator().manual_seed(3)
        draws.append(filled("xavier_normal_", generator=generator, shape=(4, 4)))
    assert np.array_equal(*draws)


def test_a_seed_makes_layers_repeatable():
    layers = []
    for _ in range(2):
        andon.manual_seed(5)
        layers.append(nn.LSTM(3, 4).weight_ih_l0.tolist())
    assert layers[0] == layers[1]


LAYERS = [
    lambda nn: nn.Linear(64, 400),
    lambda nn: nn.Bilinear(9, 25, 40),
    lambda nn: nn.Conv2d(16, 300, 3),
    lambda nn: nn.Conv2d(16, 320, 3, groups=4),
    lambda nn: nn.ConvTranspose2d(300, 16, 3),
    lambda nn: nn.Embedding(200, 50),
    lambda nn: nn.LSTM(20, 100),
    lambda nn: nn.GRUCell(20, 100),
    lambda nn: nn.MultiheadAttention(64, 4),
    lambda nn: nn.MultiheadAttention(64, 4, kdim=32, vdim=48, add_bias_kv=True),
    lambda nn: nn.BatchNorm2d(5),
    lambda nn: nn.LayerNorm(5),
    lambda nn: nn.PReLU(3),
]


@pytest.mark.parametrize("make", LAYERS)
def test_layers_start_as_pytorchs_do(make):
    """The same names and shapes; for each, the same mean, spread and largest element."""
    ours, theirs = dict(make(nn).named_parameters()), dict(make(torch.nn).named_parameters())
    assert list(ours) == list(theirs)
    for name, p in ours.items():
        a, b = p.detach().numpy(), theirs[name].detach().numpy()
        assert a.shape == b.shape
        if b.std() == 0:
            assert np.array_equal(a, b)
        else:
            slack = 6 / math.sqrt(a.size)
            assert abs(a.mean()) < slack * b.std()
            assert a.std() == pytest.approx(b.std(), rel=slack)
            assert np.abs(a).max() == pytest.approx(np.abs(b).max(), rel=0.4)
