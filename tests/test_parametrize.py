"""Parametrized weights: as PyTorch computes, names and saves them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import andon
from andon import nn
from andon.core.errors import ShapeError, StateError
from andon.nn.utils import parametrizations, parametrize


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).mT

    def right_inverse(self, w):
        return w.triu()


class Scaled(nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = nn.Parameter(andon.tensor(by))

    def forward(self, x):
        return x * self.by


def linear(*sizes):
    layer = nn.Linear(*sizes)
    with andon.no_grad():
        layer.weight.copy_(andon.arange(layer.weight.numel()).reshape(layer.weight.shape) / 7 - 0.5)
    return layer


def twin(layer, theirs):
    """PyTorch's layer with the same numbers."""
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in layer.state_dict().items()})
    return theirs


def test_a_registered_parametrization_computes_the_weight_from_the_original():
    layer = linear(3, 3)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert parametrize.is_parametrized(layer, "weight")
    assert not parametrize.is_parametrized(layer, "bias")
    assert layer.weight.equal(layer.weight.mT)
    assert layer.parametrizations.weight.original.equal(before.triu())
    assert [n for n, _ in layer.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert isinstance(layer, nn.Linear) and type(layer).__name__ == "ParametrizedLinear"
    layer(andon.ones(2, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad.shape == (3, 3)


def test_parametrizations_apply_in_the_order_they_are_registered():
    layer = linear(2, 2)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Scaled(2.0))
    parametrize.register_parametrization(layer, "weight", Symmetric())
    scaled = before.triu() * 2 * 2  # the second was handed what the first had made
    assert layer.weight.allclose(scaled + scaled.triu(1).mT)


def test_assigning_to_a_parametrized_weight_goes_to_the_original():
    layer = parametrize.register_parametrization(linear(2, 2), "weight", Symmetric())
    layer.weight = andon.tensor([[1.0, 2.0], [2.0, 3.0]])
    assert layer.weight.tolist() == [[1, 2], [2, 3]]
    assert layer.parametrizations.weight.original.tolist() == [[1, 2], [0, 3]]


@pytest.mark.parametrize("leave", [True, False])
def test_a_removed_parametrization_leaves_a_plain_parameter(leave):
    layer = parametrize.register_parametrization(linear(2, 2), "weight", Scaled(3.0))
    computed, original = layer.weight.detach(), layer.parametrizations.weight.original.detach()
    parametrize.remove_parametrizations(layer, "weight", leave_parametrized=leave)
    assert type(layer) is nn.Linear and isinstance(layer.weight, nn.Parameter)
    assert layer.weight.equal(computed if leave else original)
    assert sorted(dict(layer.named_parameters())) == ["bias", "weight"]


def test_within_cached_the_weight_is_computed_once():
    layer = parametrize.register_parametrization(linear(2, 2), "weight", Scaled(3.0))
    assert layer.weight is not layer.weight
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert layer.weight is not layer.weight


def test_a_copy_of_a_parametrized_layer_has_weights_of_its_own():
    layer = parametrize.register_parametrization(linear(2, 2), "weight", Scaled(3.0))
    other = copy.deepcopy(layer)
    with andon.no_grad():
        other.parametrizations.weight.original.zero_()
    assert other.weight.abs().sum() == 0 and layer.weight.abs().sum() > 0


def test_wrong_parametrizations_are_refused():
    class Flat(nn.Module):
        def forward(self, x):
            return x.flatten()

    with pytest.raises(ShapeError, match="register_parametrization: weight would become"):
        parametrize.register_parametrization(linear(2, 2), "weight", Flat())
    with pytest.raises(StateError, match="is not parametrized"):
        parametrize.remove_parametrizations(linear(2, 2), "weight")
    with pytest.raises(StateError, match="no parameter or buffer 'in_features'"):
        parametrize.register_parametrization(linear(2, 2), "in_features", Scaled(1.0))


# Ready-made


def test_weight_norm_is_that_of_pytorch():
    ours = parametrizations.weight_norm(linear(4, 3))
    theirs = twin(ours, torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(4, 3)))
    x = np.ones((2, 4), np.float32)
    y, z = ours(andon.tensor(x)), theirs(torch.tensor(x))
    y.sum().backward()
    z.sum().backward()
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5)
    for (n, p), (m, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert n == m
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("old", [False, True])
def test_spectral_norm_is_that_of_pytorch(old):
    ours_of = nn.utils.spectral_norm if old else parametrizations.spectral_norm
    theirs_of = torch.nn.utils.spectral_norm
    if not old:
        theirs_of = torch.nn.utils.parametrizations.spectral_norm
    ours = ours_of(linear(4, 3))
    theirs = theirs_of(torch.nn.Linear(4, 3))
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    twin(ours, theirs)
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
        y, z = ours(andon.tensor(x)), theirs(torch.tensor(x))
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-6)
    y.square().sum().backward()
    z.square().sum().backward()
    names = dict(theirs.named_parameters())
    for name, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad.numpy(), names[name].grad.numpy(), rtol=1e-3, atol=1e-5)


def test_spectral_norm_can_be_removed():
    layer = nn.utils.spectral_norm(nn.Conv2d(2, 3, 3), n_power_iterations=20)
    layer(andon.ones(1, 2, 4, 4))
    nn.utils.remove_spectral_norm(layer)
    largest = andon.linalg.svdvals(layer.weight.detach().flatten(1))[0]
    assert abs(float(largest) - 1) < 1e-3
    assert sorted(dict(layer.named_parameters())) == ["bias", "weight"]


@pytest.mark.parametrize("sizes", [(4, 4), (5, 3), (3, 5)])
@pytest.mark.parametrize("how", ["matrix_exp", "cayley"])
def test_an_orthogonal_weight_stays_so_while_it_is_trained(sizes, how):
    layer = parametrizations.orthogonal(nn.Linear(*sizes), orthogonal_map=how)
    optimizer = andon.optim.SGD(layer.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        layer(andon.ones(2, sizes[0])).square().sum().backward()
        optimizer.step()
    w = layer.weight.detach()
    square = w @ w.mT if w.shape[0] <= w.shape[1] else w.mT @ w
    assert square.allclose(andon.eye(min(sizes)), atol=1e-5)


def test_a_square_matrix_that_is_orthogonal_is_kept():
    layer, Q = nn.Linear(3, 3), andon.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])
    layer.weight.data = Q.clone()
    parametrizations.orthogonal(layer)
    assert layer.weight.allclose(Q, atol=1e-6)
