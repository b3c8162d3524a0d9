"""The many ways to spell a new tensor."""

from __future__ import annotations

import numpy as np
import pytest

import andon
from andon.core.errors import DTypeError, ShapeError


@pytest.mark.parametrize("make", [andon.zeros, andon.ones, andon.empty, andon.rand, andon.randn])
def test_sizes_are_given_in_three_ways(make):
    for made in (make(2, 3), make((2, 3)), make([2, 3]), make(size=(2, 3))):
        assert made.shape == (2, 3)
    assert make().shape == ()


def test_asarray_shares_memory_unless_told_to_copy():
    array = np.zeros(2, np.float32)
    shared, copied = andon.asarray(array), andon.asarray(array, copy=True)
    array[0] = 1
    assert shared.tolist() == [1, 0] and copied.tolist() == [0, 0]
    assert andon.asarray([1, 2]).dtype is andon.int64
    assert andon.asarray([1.0], requires_grad=True).requires_grad
    with pytest.raises(DTypeError, match="asarray: cannot be had without a copy: list"):
        andon.asarray([1, 2], copy=False)


def test_shapes_broadcast_to_a_size():
    found = andon.broadcast_shapes((2, 1), (3,), 1)
    assert isinstance(found, andon.Size) and found == (2, 3)
    with pytest.raises(ShapeError, match="sizes must be equal or 1"):
        andon.broadcast_shapes((2,), (3,))


def test_normal_draws_may_require_a_gradient():
    made = andon.normal(0, 0.1, size=(2, 3), requires_grad=True)
    assert made.requires_grad and made.is_leaf


def test_small_questions_have_small_answers():
    x = andon.arange(6).reshape(2, 3)
    assert (x.ndimension(), x.is_signed(), x.get_device(), x.is_cpu) == (2, True, -1, True)
    assert x.is_same_size(x + 1) and not x.is_same_size(x[0])
    assert andon.tensor(2).is_nonzero() and not andon.tensor(0).is_nonzero()
    assert x[0]._base is x._base and x.clone()._base is None
    assert [row.tolist() for row in reversed(andon.arange(3))] == [2, 1, 0]


@pytest.mark.parametrize("make", [
    lambda: andon.zeros(2**62, 4), lambda: andon.empty(2**40, 2**40, 0), lambda: andon.eye(2**62),
    lambda: andon.arange(10**30), lambda: andon.arange(0, 1e30),
    lambda: andon.linspace(0, 1, 2**62), lambda: andon.full((2**63,), 1.5),
])  # fmt: skip
def test_more_elements_than_there_are_addresses_are_an_error(make):
    with pytest.raises(ShapeError, match=r"^sizes: more bytes than there are addresses: "):
        make()
