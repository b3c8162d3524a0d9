"""Tensors print as PyTorch's do, with `andon.` where those say `torch.`"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import andon
from andon.core.errors import AndonError


def pytorchs(x) -> str:
    return repr(x).replace("torch.", "andon.")


TENSORS = {
    "number": lambda t: t.tensor(3.14159),
    "int": lambda t: t.tensor(42),
    "bool": lambda t: t.tensor(True),
    "whole floats": lambda t: t.tensor([1.0, 20.0, -300.0]),
    "fractions": lambda t: t.tensor([0.5, -1.25, 100.0]),
    "bools": lambda t: t.tensor([[True, False], [False, True]]),
    "ints": lambda t: t.tensor([[1, -20], [300, 4]]),
    "small": lambda t: t.tensor([1e-5, 2e-7]),
    "large": lambda t: t.tensor([1e9, 1.5]),
    "whole and large": lambda t: t.tensor([1e9, 2.0]),
    "wide range": lambda t: t.tensor([0.001, 100.0]),
    "wider range": lambda t: t.tensor([0.0001, 1.5, 1000.25]),
    "nan": lambda t: t.tensor([float("nan"), 1.0, -2.5]),
    "nan and whole": lambda t: t.tensor([float("nan"), 1.0]),
    "infinities": lambda t: t.tensor([float("inf"), -float("inf"), 0.25]),
    "only nan": lambda t: t.tensor([float("nan")]),
    "zeros": lambda t: t.zeros(2, 3),
    "negative zero": lambda t: t.tensor([-0.0, 1.5]),
    "empty": lambda t: t.tensor([]),
    "empty matrix": lambda t: t.zeros(0, 3),
    "empty ints": lambda t: t.zeros(0, dtype=t.int64),
    "empty bools": lambda t: t.zeros(2, 0, dtype=t.bool),
    "empty halves": lambda t: t.zeros(2, 0, 3, dtype=t.float16),
    "doubles": lambda t: t.tensor([1.5, 2.5], dtype=t.float64),
    "halves": lambda t: t.tensor([1.5, 65504.0], dtype=t.float16),
    "bfloat16": lambda t: t.tensor([1.5, 3e38], dtype=t.bfloat16),
    "bytes": lambda t: t.tensor([0, 255], dtype=t.uint8),
    "int32": lambda t: t.tensor([[1], [2]], dtype=t.int32),
    "three dims": lambda t: t.arange(12).reshape(2, 3, 2),
    "four dims": lambda t: t.arange(16.0).reshape(2, 2, 2, 2),
    "dims of one": lambda t: t.zeros(1, 1, 1),
    "shortened": lambda t: t.arange(2000),
    "shortened matrix": lambda t: t.arange(10000.0).reshape(100, 100),
    "shortened in one dim": lambda t: t.arange(6000).reshape(2, 3000),
    "shortened in three dims": lambda t: t.arange(8000).reshape(20, 20, 20),
    "long and thin": lambda t: t.arange(1002.0).reshape(501, 2) / 7,
    "just not shortened": lambda t: t.zeros(1000),
    "a long row": lambda t: t.arange(60) * 1000,
    "a long row of floats": lambda t: t.arange(40.0) / 3,
    "long rows": lambda t: (t.arange(90.0) / 7).reshape(2, 45),
    "leaf": lambda t: t.ones(2, requires_grad=True),
    "leaf of doubles": lambda t: t.ones(2, dtype=t.float64, requires_grad=True),
    "result": lambda t: t.ones(2, requires_grad=True) * 2,
    "sum": lambda t: t.ones(2, requires_grad=True).sum(),
    "result of doubles": lambda t: t.ones(2, dtype=t.float64, requires_grad=True).exp(),
    "result in a full line": lambda t: t.arange(11.0, requires_grad=True) + 0.12,
    "transposed": lambda t: t.arange(6).reshape(2, 3).t(),
    "expanded": lambda t: t.ones(1).expand(3),
    "size": lambda t: t.ones(2, 3).shape,
    "dtype": lambda t: t.float32,
}


@pytest.mark.parametrize("make", TENSORS.values(), ids=TENSORS)
def test_a_tensor_prints_as_pytorchs(make):
    assert repr(make(andon)) == pytorchs(make(torch))


numbers = st.one_of(
    st.floats(width=32),
    st.floats(-100, 100, width=32),
    st.integers(-1000, 1000).map(float),
    st.integers(-(10**5), 10**5).map(lambda n: n / 1000),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(numbers, max_size=12), st.sampled_from([1, 2, 3]))
def test_whatever_the_floats_are_they_print_as_pytorchs(data, rows):
    data = data[: len(data) // rows * rows]
    ours = andon.tensor(data).reshape(rows, len(data) // rows)
    theirs = torch.tensor(data).reshape(rows, len(data) // rows)
    assert repr(ours) == pytorchs(theirs)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(0, 3))
def test_whatever_the_shape_is_it_prints_as_pytorchs(shape, edge):
    array = np.arange(np.prod(shape)).reshape(shape) - 7
    options = {"threshold": 50, "edgeitems": edge + 1, "linewidth": 40}
    try:
        andon.set_printoptions(**options)
        torch.set_printoptions(**options)
        assert repr(andon.tensor(array)) == pytorchs(torch.tensor(array))
        assert repr(andon.tensor(array / 3)) == pytorchs(torch.tensor(array / 3))
    finally:
        andon.set_printoptions(profile="default")
        torch.set_printoptions(profile="default")


@pytest.mark.parametrize(
    "options",
    [
        {"precision": 2},
        {"precision": 8},
        {"sci_mode": True},
        {"sci_mode": False},
        {"linewidth": 20},
        {"threshold": 5, "edgeitems": 1},
        {"profile": "short"},
        {"profile": "full"},
        {"profile": "short", "precision": 6},
    ],
)
def test_print_options_act_as_pytorchs_and_can_be_restored(options):
    def texts(t):
        tensors = (t.arange(30.0) / 7, t.tensor([1e-6, 1.0]), t.arange(1500), t.tensor([1.0, 2.0]))
        return [repr(x).replace("torch.", "andon.") for x in tensors]

    before = texts(andon)
    try:
        andon.set_printoptions(**options)
        torch.set_printoptions(**options)
        assert texts(andon) == texts(torch)
    finally:
        andon.set_printoptions(profile="default")
        torch.set_printoptions(profile="default")
    assert texts(andon) == before == texts(torch)


def test_an_unknown_profile_is_refused():
    with pytest.raises(AndonError, match="set_printoptions: "):
        andon.set_printoptions(profile="nonsense")


def test_str_is_repr_and_parameters_say_what_they_are():
    x = andon.ones(2)
    assert str(x) == repr(x) == "tensor([1., 1.])"
    assert repr(andon.nn.Parameter(x)) == (
        "Parameter containing:\ntensor([1., 1.], requires_grad=True)"
    )
