"""Which dtype comes out: for every pair of operands, the one that PyTorch says."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import andon
from andon.core.errors import DTypeError
from andon.core.spec import spec_of

DTYPES = [d.name for d in andon.core.dtype.DTYPES]
NUMBERS = [True, False, 0, 1, -3, 100, 300, 1.5, -0.5]


@st.composite
def operands(draw, numbers=True):
    """A pair of functions of the framework, which make the same operand in either."""
    kinds = ["dims", "0-dim", "number"] if numbers else ["dims", "0-dim"]
    kind = draw(st.sampled_from(kinds))
    if kind == "number":
        number = draw(st.sampled_from(NUMBERS))
        return lambda t: number
    dtype = draw(st.sampled_from(DTYPES))
    value = draw(st.sampled_from([0, 1, 2, 3]))
    data = [value, 1] if kind == "dims" else value
    return lambda t: t.tensor(data, dtype=getattr(t, dtype))


def name_of(dtype) -> str:
    return str(dtype).split(".")[1]


def as_floats(x) -> np.ndarray:
    """The elements, in a dtype that both frameworks can hand out."""
    return x.double().numpy()


def assert_same(ours, theirs):
    assert name_of(ours.dtype) == name_of(theirs.dtype)
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_array_equal(as_floats(ours), as_floats(theirs))


@given(operands(), operands())
@settings(max_examples=300, deadline=None)
def test_result_type_is_that_of_pytorch(a, b):
    ours = andon.result_type(a(andon), b(andon))
    assert name_of(ours) == name_of(torch.result_type(a(torch), b(torch)))


@given(operands(numbers=False), operands(), st.booleans())
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("op", [operator.add, operator.mul], ids=["add", "mul"])
def test_sums_and_products_have_the_dtype_and_the_values_of_pytorch(op, a, b, swap):
    if swap:
        a, b = b, a
    assert_same(op(a(andon), b(andon)), op(a(torch), b(torch)))


@given(operands(numbers=False), operands(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_quotients_have_the_dtype_of_pytorch(a, b, swap):
    if swap:
        a, b = b, a
    assert name_of((a(andon) / b(andon)).dtype) == name_of((a(torch) / b(torch)).dtype)


@given(operands(numbers=False), operands(), st.booleans())
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize(
    "op", [operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge]
)
def test_comparisons_are_those_of_pytorch(op, a, b, swap):
    if swap:
        a, b = b, a
    assert_same(op(a(andon), b(andon)), op(a(torch), b(torch)))


@given(operands(), operands())
@settings(max_examples=300, deadline=None)
def test_where_has_the_dtype_and_the_values_of_pytorch(a, b):
    ours = andon.where(andon.tensor([True, False]), a(andon), b(andon))
    try:
        theirs = torch.where(torch.tensor([True, False]), a(torch), b(torch))
    except RuntimeError:  # of a number that the dtype cannot hold, which wraps here as in +
        return
    assert_same(ours, theirs)


@given(operands(numbers=False), operands(numbers=False))
@settings(max_examples=200, deadline=None)
@pytest.mark.parametrize("name", ["add", "mul", "div", "maximum", "eq", "logical_and", "atan2"])
def test_the_shape_rule_tells_the_dtype_of_the_result(name, a, b):
    op = getattr(andon, name)
    a, b = a(andon), b(andon)
    assert op.infer(spec_of(a), spec_of(b)) == spec_of(op(a, b))


@given(st.sampled_from(DTYPES), operands())
@settings(max_examples=300, deadline=None)
@pytest.mark.parametrize("name", ["add_", "mul_", "div_"])
def test_in_place_ops_refuse_a_higher_category_as_pytorch_does(name, dtype, b):
    def result(t):
        a = t.tensor([1, 2], dtype=getattr(t, dtype))
        return getattr(a, name)(b(t))

    try:
        theirs = result(torch)
    except RuntimeError:
        with pytest.raises(DTypeError, match=r"in-place: the result is andon\.\w+, the tensor"):
            result(andon)
    else:
        assert name_of(result(andon).dtype) == name_of(theirs.dtype) == dtype


@pytest.mark.parametrize("dtype", [d for d in DTYPES if "float" not in d])
@pytest.mark.parametrize("name", ["exp", "sqrt", "sin", "sigmoid", "erf", "reciprocal"])
def test_functions_of_integers_are_of_the_default_dtype(name, dtype):
    x = andon.tensor([0, 1], dtype=getattr(andon, dtype))
    assert getattr(x, name)().dtype is andon.get_default_dtype()


def test_the_default_dtype_decides_what_integers_become():
    before = andon.get_default_dtype()
    try:
        andon.set_default_dtype("float64")
        assert andon.tensor([1, 2]).exp().dtype is andon.float64
        assert (andon.tensor([1, 2]) / 2).dtype is andon.float64
        assert (andon.tensor([1, 2]) * 0.5).dtype is andon.float64
    finally:
        andon.set_default_dtype(before)


def test_numpy_scalars_count_as_python_numbers():
    x = andon.ones(2)
    assert (x * np.float64(2)).dtype is andon.float32
    assert (np.float64(2) * x).dtype is andon.float32
    assert (x > np.int64(0)).dtype is andon.bool_
