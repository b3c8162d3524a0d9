"""What elementwise ops say of operands that they are not defined for."""

from __future__ import annotations

import pytest

import andon
from andon.core.errors import AndonError, DTypeError, ShapeError

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
    with pytest.raises(ZeroDivisionError, match=r"^\w+: integer division by zero$"):
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
