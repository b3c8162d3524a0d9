"""Tensors that are given other elements or another shape, and results written to `out`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import andon
from andon import nn
from andon.core.errors import DTypeError, GradientError, ShapeError


def both(run):
    ours, theirs = run(andon), run(torch)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-6)
    return ours


@pytest.mark.parametrize(
    ("shape", "wrap"), [((3, 3), False), ((2, 5), False), ((7, 3), False), ((7, 3), True),
                        ((3, 3, 3), False)]
)  # fmt: skip
def test_fill_diagonal_is_pytorchs(shape, wrap):
    both(lambda t: t.zeros(*shape).fill_diagonal_(2, wrap))


def test_fill_diagonal_leaves_those_elements_without_a_gradient():
    def gradient(t):
        x = t.ones(3, 3, requires_grad=True)
        y = x * 2
        y.fill_diagonal_(5)
        y.sum().backward()
        return x.grad

    both(gradient)


def test_fill_diagonal_refuses_what_has_none():
    for shape in ((3,), (2, 3, 4)):
        with pytest.raises(ShapeError, match="fill_diagonal_: a matrix or equal sizes"):
            andon.zeros(*shape).fill_diagonal_(1)


def test_resize_keeps_the_first_elements_and_fills_up_with_zeros():
    x = andon.arange(4)
    assert x.resize_(2, 3).tolist() == [[0, 1, 2], [3, 0, 0]]
    assert x.resize_(2).tolist() == [0, 1]


def test_set_makes_a_second_name_for_the_same_elements():
    a, b = andon.zeros(2), andon.ones(3)
    assert a.set_(b) is a
    b[0] = 7
    assert a.tolist() == [7, 1, 1]
    assert a._version == b._version


# out=


def test_out_takes_the_shape_and_the_elements_of_the_result():
    out = andon.empty(0)
    assert andon.add(andon.ones(2), 1, out=out) is out
    assert out.tolist() == [2, 2]
    other = andon.zeros(3)
    view = other[:2]
    andon.exp(andon.zeros(2), out=view)
    assert other.tolist() == [1, 1, 0]


def test_out_must_be_able_to_hold_the_result_and_has_no_gradient():
    with pytest.raises(DTypeError, match=r"the result is andon.float32, the tensor andon.int64"):
        andon.mul(andon.ones(2), 0.5, out=andon.zeros(2, dtype=andon.int64))
    x = andon.ones(2, requires_grad=True)
    with pytest.raises(GradientError, match="out: has no gradient"):
        andon.exp(x, out=andon.zeros(2))
    with andon.no_grad():
        assert andon.exp(x * 0, out=andon.zeros(2)).tolist() == [1, 1]


# Activations in place


ACTIVATIONS = [
    ("relu", ()), ("relu6", ()), ("leaky_relu", (0.2,)), ("elu", (1.5,)), ("selu", ()),
    ("celu", (0.7,)), ("silu", ()), ("mish", ()), ("hardswish", ()), ("hardsigmoid", ()),
    ("hardtanh", (-0.5, 0.5)), ("threshold", (0.1, -1.0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "settings"), ACTIVATIONS)
def test_an_activation_in_place_has_the_gradient_it_has_otherwise(name, settings):
    numbers = np.linspace(-2, 3, 7)

    def gradient(t, inplace):
        x = t.tensor(numbers, requires_grad=True)
        y = x * 1.0
        z = getattr(t.nn.functional, name)(y, *settings, inplace=inplace)
        assert (z is y) == inplace
        (z * z).sum().backward()
        return x.grad.numpy()

    np.testing.assert_allclose(gradient(andon, True), gradient(andon, False), rtol=1e-12)
    np.testing.assert_allclose(gradient(andon, True), gradient(torch, False), rtol=1e-6)


# Buffers that states are loaded into


def test_a_state_is_loaded_into_a_buffer_that_expand_made():
    class Positions(nn.Module):
        def __init__(self, rows):
            super().__init__()
            self.register_buffer("ids", andon.arange(3).expand((rows, -1)))

    model = Positions(1)
    model.load_state_dict({"ids": andon.tensor([[3, 4, 5]])})
    assert model.ids.tolist() == [[3, 4, 5]]
    with pytest.raises(ShapeError, match="repeats elements"):
        Positions(2).load_state_dict({"ids": andon.zeros(2, 3, dtype=andon.int64)})


def test_batch_norms_load_states_without_their_count():
    norm = nn.BatchNorm1d(2)
    state = norm.state_dict()
    del state["num_batches_tracked"]
    assert norm.load_state_dict(state).missing_keys == []
    del state["running_mean"]
    assert norm.load_state_dict(state, strict=False).missing_keys == ["running_mean"]
