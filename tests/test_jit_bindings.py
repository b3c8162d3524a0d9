"""What a recorded function binds, in attributes of modules and in `.grad`, and what it knows."""

from __future__ import annotations

import numpy as np
import pytest

import andon
from andon import nn
from andon.core.errors import GraphError


class Keeper(nn.Module):
    """Keeps a state between calls, a loss of its own, and a buffer that it binds anew."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.register_buffer("average", andon.zeros(3))

    def forward(self, x):
        if not hasattr(self, "state"):
            self.state = andon.zeros(3)
        y = (self.linear(x) + self.state).tanh()
        self.state, self.penalty = y.mean(0).detach(), y.square().mean()
        self.average = 0.9 * self.average + 0.1 * self.state
        return y


def trained(transform, **attributes):
    """What a model gives over six steps of an eager loop, and its recordings."""
    andon.manual_seed(0)
    model, found = Keeper(), []
    for name, value in attributes.items():
        setattr(model, name, value)
    model = transform(model)
    for i in range(6):
        y = model(andon.full((4, 3), i / 3))
        (y.sum() + model.penalty).backward()
        found.append([model.penalty.item(), *model.state.tolist(), *model.average.tolist()])
        found[-1] += model.linear.weight.grad.flatten().tolist()
        model.zero_grad()
    programs = getattr(model.forward, "programs", {})
    return np.array(found), sum(map(len, programs.values()))


@pytest.mark.parametrize(
    ("attributes", "recordings"),
    [
        ({}, 2),  # without a state, and with one
        ({"state": andon.ones(3)}, 1),
        ({"state": andon.ones(2, 3)[0]}, 2),  # a view, which is no place of its own
        ({"state": andon.ones(3), "penalty": None}, 2),
    ],
)
def test_attributes_of_a_module_are_read_and_bound_at_each_call(attributes, recordings):
    wanted, _ = trained(lambda model: model, **attributes)
    found, count = trained(andon.jit, **attributes)
    np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)
    assert count == recordings


def test_an_attribute_that_the_program_binds_is_seen():
    model = andon.jit(Keeper())
    x = andon.ones(2, 3)
    for state in (andon.zeros(3), andon.ones(3)):
        model.state = state
        expected = (model.linear(x) + state).tanh()
        assert abs(model(x) - expected).max() < 1e-6


def test_a_gradient_is_accumulated_where_it_is():
    weight = andon.nn.Parameter(andon.zeros(2))

    @andon.jit
    def accumulate(x):
        (weight * x).sum().backward()

    for i in range(1, 4):
        for x in (i, 10 * i):
            accumulate(andon.full((2,), float(x)))
        assert weight.grad.tolist() == [11.0 * i] * 2
        weight.grad = None
    weight.grad = andon.ones(2)
    accumulate(andon.ones(2))
    assert weight.grad.tolist() == [2.0, 2.0]


def test_the_gradient_of_what_is_made_inside_is_read_inside():
    weight = andon.nn.Parameter(andon.ones(2))

    @andon.jit
    def step(x):
        y = (weight * x)[:]
        y.retain_grad()
        y.square().sum().backward()
        return y.grad + 0

    for i in (1.0, 2.0):
        assert step(andon.full((2,), i)).tolist() == [2 * i] * 2
    assert weight.grad.tolist() == [2.0 + 8.0] * 2


@pytest.mark.parametrize("modes", [[False], [True, False], [False, True]])
def test_a_function_that_sets_a_mode_leaves_it_at_each_call(modes):
    model = nn.Sequential(nn.Dropout(0.5))

    @andon.jit
    def run(x):
        return [model.train(mode)(x) for mode in modes]

    for before in (True, False, True):
        model.train(before)
        for mode, y in zip(modes, run(andon.ones(100)), strict=True):
            assert bool((y == 1).all()) is not mode
        assert model.training is model[0].training is modes[-1]
    assert sum(map(len, run.programs.values())) == 1


def test_a_mode_that_is_set_after_use_is_the_next_calls():
    drop = nn.Dropout(0.5)

    @andon.jit
    def run(x):
        y = drop(x)
        drop.eval()
        return y

    dropped = [bool((run(andon.ones(100)) == 0).any()) for _ in range(3)]
    assert dropped == [True, False, False]


# What follows from constants is known


def test_python_may_read_what_follows_from_constants():
    @andon.jit
    def f(x):
        lengths = andon.tensor([3, 1]) + 1
        if (lengths > 1).all():
            return x[: lengths.max()] * float(lengths.sum())
        return x

    assert f(andon.ones(5)).tolist() == [6.0] * 4


@pytest.mark.parametrize(
    "read",
    [lambda x: x.item(), lambda x: (x * andon.ones(1)).item(), lambda x: andon.rand(1).item()],
)
def test_what_depends_on_more_is_not(read):
    with pytest.raises(GraphError, match="recorded"):
        andon.jit(lambda x: x * read(x))(andon.ones(1))


def test_a_result_whose_backward_pass_has_been_spoiled_has_none():
    weight = andon.nn.Parameter(andon.ones(2))

    @andon.jit
    def step():
        loss = weight.square().sum()
        (gradient,) = andon.autograd.grad(loss, weight, create_graph=True)
        with andon.no_grad():
            weight.sub_(0.1 * gradient)
        return loss

    assert not step().requires_grad
    assert abs(step().item() - 2 * 0.64) < 1e-6


def test_a_state_dict_is_loaded():
    online, target = nn.Linear(2, 2), nn.Linear(2, 2)

    @andon.jit
    def follow():
        pairs = zip(online.state_dict().items(), target.state_dict().values(), strict=True)
        target.load_state_dict({name: (new + old) / 2 for (name, new), old in pairs})

    expected = (online.weight + target.weight) / 2
    follow()
    assert abs(target.weight - expected).max() < 1e-6
