"""What reductions do at their edges, and where their gradients go there."""

import warnings

import numpy as np
import pytest
import torch

import andon

TIES = [[1.0, 3.0, 3.0], [-2.0, -2.0, -2.0]]


def gradients(call, data):
    """d call / d data, ours and PyTorch's."""
    found = []
    for t in (andon, torch):
        x = t.tensor(data, requires_grad=True)
        call(t, x).sum().backward()
        found.append(x.grad.numpy())
    return found


@pytest.mark.parametrize(
    "call",
    [
        lambda t, x: x.max(),
        lambda t, x: x.min(),
        lambda t, x: x.amax(1),
        lambda t, x: x.amin((0, 1), keepdim=True),
    ],
)
def test_elements_that_tie_share_the_gradient(call):
    ours, theirs = gradients(call, TIES)
    np.testing.assert_array_equal(ours, theirs)


def test_along_a_dim_the_first_of_equal_elements_has_the_gradient():
    ours, theirs = gradients(lambda t, x: x.max(1).values, TIES)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("p", [1, 1.5, 2, 3])
def test_a_norm_of_zeros_has_the_gradient_zero(p):
    ours, theirs = gradients(lambda t, x: x.norm(p, 1), [[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_deviation_of_zero_has_the_gradient_zero():
    ours, theirs = gradients(lambda t, x: x.std(1), [[2.0, 2.0], [3.0, 4.0]])
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


@pytest.mark.parametrize("shape, correction", [((1, 3), 1), ((0, 3), 1), ((2, 3), 5)])
def test_a_variance_of_too_few_elements_is_that_of_pytorch(shape, correction):
    data = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    ours = andon.tensor(data).var(0, correction=correction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns of it
        theirs = torch.tensor(data).var(0, correction=correction)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def test_halves_are_added_up_in_single_precision():
    ones = andon.ones(70_000, dtype=andon.float16)
    assert ones.mean().item() == 1.0
    assert (ones * 0.5).sum().item() == 35_008.0  # the float16 nearest to 35,000
    assert ones.bfloat16().sum(0).item() == 70_144.0


def test_a_large_sum_is_accurate():
    x = np.random.default_rng(0).random((300, 400), np.float32)
    for dim in (0, 1, (0, 1)):
        exact = x.astype(np.float64).sum(dim)
        np.testing.assert_allclose(andon.tensor(x).sum(dim).numpy(), exact, rtol=2e-6)
    tall = andon.full((1_000_001, 2), 0.1)
    np.testing.assert_allclose(tall.sum(0).numpy(), 100_000.1, rtol=1e-5)


def test_a_norm_does_not_lose_small_parts_of_a_large_tensor():
    x = np.full(3_000_000, 0.1, np.float32)
    np.testing.assert_allclose(andon.tensor(x).norm().item(), 0.1 * len(x) ** 0.5, rtol=1e-6)


def test_selections_have_named_parts():
    x = andon.tensor(TIES)
    values, indices = x.sort(descending=True)
    assert values.tolist() == x.topk(3).values.tolist() == x.sort(descending=True).values.tolist()
    assert indices.tolist() == [[1, 2, 0], [0, 1, 2]]


def test_a_sort_of_many_equal_elements_is_stable():
    x = np.random.default_rng(0).integers(0, 3, 500)
    for descending in (False, True):
        order = andon.tensor(x).argsort(descending=descending).numpy()
        expected = np.argsort(-x if descending else x, kind="stable")
        np.testing.assert_array_equal(order, expected)


def test_parts_without_a_gradient_count_as_zeros():
    x = andon.arange(6.0).reshape(2, 3).requires_grad_()
    first, *_ = x.split(1, dim=1)
    (first * float("inf")).sum().backward()
    assert x.grad.tolist() == [[float("inf"), 0.0, 0.0]] * 2


def test_parts_share_memory_with_the_whole():
    x = andon.zeros(2, 4)
    for i, part in enumerate(
        (*x.split([1, 3], 1), *x.unbind(0), x.narrow(1, 2, 1), x.select(1, 3))
    ):
        part.fill_(i + 1)
    assert x.tolist() == [[3.0, 3.0, 5.0, 6.0], [4.0, 4.0, 5.0, 6.0]]


def test_what_copies_in_pytorch_copies_here():
    x = andon.zeros(2, 3)
    copies = (x.flip(0), x.flip([]), x.roll(1), x.repeat(1, 1), x.tril(), x.clone(), x.rot90(4))
    for copy in copies:
        copy.fill_(1)
    assert x.sum().item() == 0
