"""Comparison, selection, tests and bits, element by element.

Comparisons give booleans, which `where` selects by and `&`, `|`, `^`, `~` combine. Of all these
only `where` has a gradient. As in PyTorch, `eq` compares elements and `equal` whole tensors.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtype import CATEGORIES, bool_
from ..core.errors import DTypeError
from ..core.op import Op, cast_all, elementwise, to_common_dtype
from ..core.spec import Spec, spec_of


def refuses(category: str, why: str):
    """Decorator: the shape rule raises for operands of this category, "bool" or "floating".

    It explains what the reference refuses, so the reference must refuse the same.
    """
    level = CATEGORIES[category]

    def decorate(op: Op) -> Op:
        rule: Any = op.infer

        @op.spec
        def spec(*specs: Spec, **attrs):
            given = [spec_of(s) for s in specs if not isinstance(s, builtins.bool)]
            if any(s.dtype.category == level for s in given):
                raise DTypeError(f"{op}: {why}: {' and '.join(map(str, specs))}")
            return rule(*specs, **attrs)

        return op

    return decorate


# Comparison


@elementwise(c="{0} == {1}", result=bool_)
def eq(a, b):
    """a = b, element by element; nothing equals NaN."""
    return np.equal(a, b)


@elementwise(c="{0} != {1}", result=bool_)
def ne(a, b):
    """a ≠ b."""
    return np.not_equal(a, b)


@elementwise(c="{0} > {1}", result=bool_)
def gt(a, b):
    """a > b."""
    return np.greater(a, b)


@elementwise(c="{0} >= {1}", result=bool_)
def ge(a, b):
    """a ≥ b."""
    return np.greater_equal(a, b)


@elementwise(c="{0} < {1}", result=bool_)
def lt(a, b):
    """a < b."""
    return np.less(a, b)


@elementwise(c="{0} <= {1}", result=bool_)
def le(a, b):
    """a ≤ b."""
    return np.less_equal(a, b)


def equal(x, other) -> builtins.bool:
    """Whether two tensors have the same shape and the same elements.

    >>> import andon
    >>> andon.equal(andon.arange(3), andon.tensor([0, 1, 2]))
    True
    """
    return tuple(x.shape) == tuple(other.shape) and builtins.bool(eq(x, other).all())


# Selection


def promote_choices(inputs: tuple) -> tuple:
    """Promote what `where` chooses from, and leave its condition alone."""
    condition = inputs[0]
    if not isinstance(condition, builtins.bool) and condition.dtype != np.bool_:
        raise DTypeError(f"where: the condition must be boolean: {condition.dtype}")
    return (condition, *to_common_dtype(inputs[1:]))


@elementwise(
    c="({0} ? {1} : {2})",
    grad=(
        None,
        lambda g, condition: where.apply(condition, g, 0.0),
        lambda g, condition: where.apply(condition, 0.0, g),
    ),
    promote=promote_choices,
)
def where(condition, a, b):
    """a where the condition holds, else b.

    The gradient of what was not chosen is 0, even where its own derivative is infinite.
    Raises: DTypeError if the condition is not boolean.
    """
    return np.where(condition, a, b)


@where.fast
def select(condition, a, b):
    """`where` on the CPU. Beside 0, a large choice is a product: no branch slows that down."""
    if type(a) is float and a == 0 and condition.size > 4096:
        return select(np.logical_not(condition), b, a)
    product = type(b) is float and b == 0 and a.size > 4096 and a.dtype.char in "fd"
    if not (product and np.isfinite(a).all()):
        return np.where(condition, a, b)
    y = a * condition
    y += 0.0  # -0.0 becomes 0.0
    return y


@where.signature
def where_call(condition, input=None, other=None):
    if input is None and other is None:
        from .gather_scatter import nonzero  # which rests on this module

        return nonzero(condition, as_tuple=True)
    if input is None or other is None:
        raise DTypeError("where: expects both or neither of the choices: got one")
    return where.apply(condition, input, other)


# Tests


@elementwise(c="isnan({0})", result=bool_)
def isnan(x):
    """Whether x is not a number."""
    return np.isnan(x)


@elementwise(c="isinf({0})", result=bool_)
def isinf(x):
    """Whether x is ∞ or -∞."""
    return np.isinf(x)


@elementwise(c="isfinite({0})", result=bool_)
def isfinite(x):
    """Whether x is neither infinite nor NaN."""
    return np.isfinite(x)


def isposinf(x):
    """Whether x is ∞."""
    return eq(x, float("inf"))


def isneginf(x):
    """Whether x is -∞."""
    return eq(x, float("-inf"))


@elementwise(c="signbit({0})", result=bool_)
def signbit(x):
    """Whether the sign bit is set: x < 0, or x is -0.0."""
    return np.signbit(x) if np.asarray(x).dtype.kind in "fV" else np.less(x, 0)


def isclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """|x - other| ≤ atol + rtol |other|; equal infinities are close, and NaNs if `equal_nan`."""
    close = eq(x, other)
    if equal_nan:
        close = close | (isnan(x) & isnan(other))
    gap, allowed = abs(x * 1.0 - other), abs(other * rtol) + atol
    return close | (isfinite(gap) & le(gap, allowed))


def allclose(x, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> builtins.bool:
    """Whether all elements are close, in the sense of `isclose`."""
    return builtins.bool(isclose(x, other, rtol, atol, equal_nan).all())


# Logic: what is not zero is true


def to_truth(inputs: Sequence) -> Sequence:
    """The operands as booleans."""
    return cast_all(inputs, bool_)


@elementwise(c="({0} && {1})", promote=to_truth, result=bool_)
def logical_and(a, b):
    """Whether both are true."""
    return np.logical_and(a, b)


@elementwise(c="({0} || {1})", promote=to_truth, result=bool_)
def logical_or(a, b):
    """Whether one or both are true."""
    return np.logical_or(a, b)


@elementwise(c="(!{0} != !{1})", promote=to_truth, result=bool_)
def logical_xor(a, b):
    """Whether exactly one is true."""
    return np.logical_xor(a, b)


@elementwise(c="!{0}", promote=to_truth, result=bool_)
def logical_not(x):
    """Whether x is false."""
    return np.logical_not(x)


# Bits, of integers and booleans

whole = refuses("floating", why="defined for integers and booleans only")


@whole
@elementwise(c="({0} & {1})")
def bitwise_and(a, b):
    """a and b, bit by bit."""
    return np.bitwise_and(a, b)


@whole
@elementwise(c="({0} | {1})")
def bitwise_or(a, b):
    """a or b, bit by bit."""
    return np.bitwise_or(a, b)


@whole
@elementwise(c="({0} ^ {1})")
def bitwise_xor(a, b):
    """Either a or b, bit by bit."""
    return np.bitwise_xor(a, b)


@whole
@elementwise(c="~{0}")
def bitwise_not(x):
    """Not x, bit by bit; of an integer that is -x - 1, of a boolean its negation."""
    return np.bitwise_not(x)


@whole
@elementwise(c="({0} << {1})")
def bitwise_left_shift(a, b):
    """a 2^b, in so far as the bits fit."""
    return np.left_shift(a, b)


@whole
@elementwise(c="({0} >> {1})")
def bitwise_right_shift(a, b):
    """⌊a / 2^b⌋."""
    return np.right_shift(a, b)


def isreal(x):
    """True, element by element: andon has no complex numbers."""
    return logical_or(eq(x, x), True)
