"""What elementwise ops say of operands that they are not defined for."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import andon
from andon.core.errors import AndonError, DivisionError, DTypeError, ShapeError

FLOATS, INTS = andon.ones(2, 3), andon.ones(2, 3, dtype=andon.int64)
BOOLS = andon.ones(2, 3, dtype=andon.bool_)


def assert_raises(kind, message, call):
    with pytest.raises(kind, match=message) as caught:
        call()
    assert isinstance(caught.value, AndonError)


@pytest.mark.parametrize(
    "name", ["add", "sub", "mul", "div", "pow", "maximum", "eq", "atan2", "xlogy", "hypot"]
)
def test_sizes_that_do_not_broadcast_are_told(name):
    assert_raises(
        ShapeError,
        rf"^{name}: sizes must be equal or 1 to broadcast: \[2, 3\] and \[2\]$",
        lambda: getattr(andon, name)(FLOATS, andon.ones(2)),
    )


@pytest.mark.parametrize("other", [None, "1", [1.0], {}, 1j, object()])
def test_what_is_no_number_is_no_operand(other):
    kind = type(other).__name__
    assert_raises(DTypeError, f"^add: expects tensors or numbers: {kind}$", lambda: FLOATS + other)
    assert_raises(DTypeError, f"^sub: expects tensors or numbers: {kind}$", lambda: other - FLOATS)


@pytest.mark.parametrize("other", [None, "1", {}, object()])
def test_tensors_differ_from_what_is_no_number_and_have_no_order_with_it(other):
    x = andon.ones(2)
    assert (x == other) is False
    assert (x != other) is True
    with pytest.raises(TypeError, match="not supported between instances"):
        assert x < other


def test_tensors_are_hashed_by_identity():
    a, b = andon.ones(2), andon.ones(2)
    assert {a: 1, b: 2}[b] == 2


@pytest.mark.parametrize("call, message", [
    (lambda: BOOLS - BOOLS, r"^sub: not defined for booleans: .*bool\[2, 3\] and bool\[2, 3\]$"),
    (lambda: -BOOLS, r"^neg: not defined for booleans: .*bool\[2, 3\]$"),
    (lambda: BOOLS.relu(), r"^relu: not defined for booleans"),
    (lambda: andon.trace(andon.relu, BOOLS), r"^relu: not defined for booleans: bool\[2, 3\]$"),
    (lambda: +BOOLS, r"^positive: not defined for booleans: bool\[2, 3\]$"),
    (lambda: BOOLS // BOOLS, "^floor_divide: not defined for booleans$"),
    (lambda: BOOLS % BOOLS, "^remainder: not defined for booleans$"),
    (lambda: BOOLS**BOOLS, "^pow: not an integer power of an integer"),
    (lambda: INTS**-1, "^pow: not an integer power of an integer: exponent -1$"),
    (lambda: FLOATS & FLOATS, "^bitwise_and: defined for integers and booleans only: float32"),
    (lambda: INTS | 1.5, "^bitwise_or: defined for integers and booleans only: int64"),
    (lambda: ~FLOATS, r"^bitwise_not: defined for integers and booleans only: float32\[2, 3\]$"),
    (lambda: FLOATS << 1, "^bitwise_left_shift: defined for integers and booleans only"),
    (lambda: andon.gcd(FLOATS, INTS), "^gcd: defined for integers only: float32"),
    (lambda: andon.round(INTS, decimals=1), "^round: integers have no decimals: int64"),
    (lambda: andon.where(INTS, 1.0, 2.0), "^where: the condition must be boolean: int64$"),
    (lambda: andon.where(BOOLS, FLOATS), "^where: expects both or neither of the choices"),
    (lambda: andon.clamp(FLOATS), "^clamp: at least one of min and max"),
    (lambda: andon.polygamma(-1, FLOATS), "^polygamma: the order must be an int ≥ 0: -1$"),
    (lambda: andon.mvlgamma(FLOATS, 0), "^mvlgamma: p must be an int ≥ 1: 0$"),
])  # fmt: skip
def test_dtypes_and_arguments_that_make_no_sense_are_told(call, message):
    assert_raises(DTypeError, message, call)


@pytest.mark.parametrize("call", [
    lambda: INTS // 0, lambda: INTS % 0, lambda: andon.fmod(INTS, 0),
    lambda: andon.div(INTS, 0, rounding_mode="trunc"),
])  # fmt: skip
def test_dividing_integers_by_zero_raises(call):
    with pytest.raises(ZeroDivisionError, match=r"^\w+: integer division by zero: int64") as caught:
        call()
    assert isinstance(caught.value, DivisionError)


UINTS = andon.tensor([0, 2, 200], dtype=andon.uint8)


def gradient_of(function, t):
    """At 0.5, where what comes from behind is not finite."""
    x = t.tensor([0.5, 0.5], requires_grad=True)
    function(x).backward(t.tensor([float("inf"), float("nan")]))
    return x.grad


@pytest.mark.parametrize("call", [
    lambda t, x: x / -1, lambda t, x: -1 / x, lambda t, x: t.copysign(x, -1.5),
    lambda t, x: t.xlogy(x, -1), lambda t, x: t.atan2(x, t.tensor([-1.0, 2, -3])),
    lambda t, x: x.logit(), lambda t, x: t.logit(x > 1), lambda t, x: x.nan_to_num(-1),
    lambda t, x: x.any(), lambda t, x: x.all(0), lambda t, x: t.nn.functional.relu6(x),
    lambda t, x: t.nn.functional.hardtanh(x.int(), 1, 100.5), lambda t, x: (x > 1) ** True,
    lambda t, x: t.xlogy(x.half(), 2.5), lambda t, x: t.xlogy(2.5, x.half()),
    lambda t, x: t.isin(x.bfloat16(), 2), lambda t, x: x.argwhere(), lambda t, x: x[0].argwhere(),
    lambda t, x: t.where(x[1])[0],
    lambda t, x: t.bucketize(t.tensor([1.0, float("nan")]).bfloat16(), x.bfloat16()),
    lambda t, x: t.histogram(x.float()).hist,
    lambda t, x: t.group_norm(t.zeros(2, 4, 0), 2), lambda t, x: t.xlogy(x.bfloat16(), True),
    lambda t, x: x.masked_fill(x > 1, 2.5), lambda t, x: (x > 1).masked_fill(x > 1, 0),
    lambda t, x: (x > 1).masked_fill_(x > 1, 0), lambda t, x: x.masked_fill(x > 1, t.tensor(7)),
    lambda t, x: x.half().masked_fill(x > 1, t.tensor(1.5, dtype=t.float64)),
    lambda t, x: t.tensor(t.zeros(0, 3).stride()),
    lambda t, x: t.tensor(x.reshape(3, 1)[:, :0].stride()), lambda t, x: x.clamp(-1, 2.5),
    lambda t, x: t.tensor(3).index_select(0, t.tensor([0])),
    lambda t, x: t.nn.functional.adaptive_max_pool1d(t.zeros(0, 2, 4), 3),
    lambda t, x: t.nn.functional.kl_div(x.float(), t.tensor([-1.0, 0, 2]), reduction="none"),
    lambda t, x: t.tensordot(t.ones(5, 3, 2), t.ones(1, 2, 4), ([0, 2], [0, 1])),
    lambda t, x: t.matrix_power(t.tensor([[1, 2], [0, 1]]), 3),
    lambda t, x: gradient_of(t.floor, t), lambda t, x: gradient_of(t.sign, t),
    lambda t, x: gradient_of(lambda y: y**0, t), lambda t, x: gradient_of(t.round, t),
])  # fmt: skip
def test_integers_and_the_edges_of_dtypes_give_what_pytorch_gives(call):
    ours, theirs = call(andon, UINTS), call(torch, torch.tensor([0, 2, 200], dtype=torch.uint8))
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.double().numpy(), theirs.double().numpy(), rtol=1e-3)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: UINTS**-1, "^pow: not an integer power of an integer: exponent -1$"),
    (lambda: andon.bmm(FLOATS[None], 3), r"^bmm: expects tensors: float32\[1, 2, 3\], int$"),
    (lambda: andon.cdist(FLOATS, None), r"^cdist: expects tensors: float32\[2, 3\], NoneType$"),
    (lambda: andon.tensordot(FLOATS, "x"), r"^tensordot: expects tensors: "),
    (lambda: andon.nn.functional.prelu(FLOATS, 2), r"^prelu: expects tensors: "),
    (lambda: andon.nn.functional.conv1d(FLOATS, 0), r"^conv1d: expects tensors: "),
    (lambda: andon.nn.functional.celu(FLOATS, 0), "^celu: alpha must not be 0: 0$"),
    (lambda: andon.cross(andon.tensor(1.0), andon.tensor(1.0)), r"^cross: "),
    (lambda: andon.trapezoid(andon.tensor(1.0)), r"^trapezoid: "),
    (lambda: FLOATS.cross(3), r"^cross: expects tensors: "),
    (lambda: andon.tensor(1.0).repeat_interleave(2, -1), "^repeat_interleave: "),
    (lambda: andon.tensordot(andon.ones(1, 2, 3), andon.ones(3, 2, 1)), "must have one size"),
    (lambda: andon.hsplit(FLOATS, 2), "^hsplit: dim 1 does not divide into 2 parts: float32"),
    (lambda: andon.vsplit(FLOATS[0], 2), "^vsplit: 2 dims or more expected: "),
    (lambda: andon.cartesian_prod(FLOATS), "^cartesian_prod: vectors expected: "),
    (lambda: andon.tensor(1).size(0), "^size: the tensor has no dims: 0$"),
])  # fmt: skip
def test_whatever_fails_is_of_the_tree_and_names_the_function(call, message):
    with pytest.raises(AndonError, match=message):
        call()


def test_a_number_too_large_for_any_dtype_is_told():
    assert_raises(DTypeError, "^add: ", lambda: INTS + 2**80)
    assert_raises(DTypeError, "^mul: ", lambda: FLOATS * 10**400)


def test_choices_that_do_not_exist_are_told():
    with pytest.raises(ValueError, match=r"^div: rounding_mode must be .*: 'up'$"):
        andon.div(FLOATS, 2, rounding_mode="up")
    with pytest.raises(ValueError, match=r"^gelu: approximate must be .*: 'erf'$"):
        andon.gelu(FLOATS, approximate="erf")


def test_activations_tell_of_sizes_they_cannot_use():
    assert_raises(
        ShapeError, r"^glu: an even size expected at dim -1: \[2, 3\]$", lambda: andon.glu(FLOATS)
    )
    assert_raises(ShapeError, r"^prelu: expects one weight, or 3, one per channel: \[2\]$",
                  lambda: andon.prelu(FLOATS, andon.ones(2)))  # fmt: skip


def test_operands_may_be_given_by_keyword():
    x = andon.tensor([1.0, 2.0], requires_grad=True)
    y = andon.pow(x, exponent=x)
    y.sum().backward()
    assert y.tolist() == [1.0, 4.0]
    assert x.grad[0].item() == 1.0


def test_an_unknown_keyword_is_told():
    assert_raises(DTypeError, "^exp: .*unexpected keyword", lambda: andon.exp(FLOATS, inplace=True))


def test_equal_and_allclose_are_of_whole_tensors():
    x = andon.tensor([1.0, float("nan")])
    assert andon.equal(FLOATS, FLOATS) is True
    assert andon.equal(FLOATS, andon.ones(3)) is False
    assert andon.equal(x, x) is False
    assert andon.allclose(x, x, equal_nan=True) is True
    assert andon.allclose(x, x) is False
    assert FLOATS.allclose(FLOATS + 1e-7)
