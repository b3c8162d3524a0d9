"""Algebra: arithmetic that leaves a value as it is, or that has a simpler form.

No rule changes a value: x * 0 stays, since x may be infinite, and so does (x * a) * b, which
may overflow. Only the sign of a zero may change, where 0 is added.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtype import bool_, dtype
from ..ops.arithmetic import add, div, mul, neg, sub
from ..ops.elementwise import reciprocal, rsqrt, sqrt, square
from ..ops.logic import eq, logical_not, ne, where
from ..ops.movement import cast, expand, reshape
from .ir import Graph, Symbol, is_floating
from .rewrite import rewrite
from .rules import Rules, repeated

algebra = Rules()


def simplify_algebra(graph: Graph) -> Graph:
    """Arithmetic that changes nothing disappears, and what has a simpler form gets it."""
    return rewrite(graph, repeated(algebra))


def as_spec(x: Any, value: Symbol) -> Symbol | None:
    """x, provided that it has the spec of `value`, or broadcasts to it."""
    if not isinstance(x, Symbol) or x.dtype != value.dtype:
        return None
    return x if x.shape == value.shape else expand.apply(x, shape=value.shape)


def made_by(x: Any, name: str) -> bool:
    return isinstance(x, Symbol) and str(x.op) == name


def is_number(x: Any, n: float) -> bool:
    return not isinstance(x, Symbol) and x is not None and x == n


# Sums


@algebra.of("add")
def add_nothing(value: Symbol) -> Any:
    """x + 0 = x."""
    for x, n in zip(value.inputs, reversed(value.inputs), strict=True):
        if is_number(n, 0):
            return as_spec(x, value)
    return None


@algebra.of("add")
def add_negative(value: Symbol) -> Any:
    """a + -b = a - b."""
    for x, y in zip(value.inputs, reversed(value.inputs), strict=True):
        if made_by(y, "neg"):
            return sub.apply(x, y.inputs[0])
    return None


@algebra.of("sub")
def subtract_nothing(value: Symbol) -> Any:
    """x - 0 = x; 0 - x stays, being 0 where -x is -0; a - -b = a + b."""
    a, b = value.inputs
    if is_number(b, 0):
        return as_spec(a, value)
    return add.apply(a, b.inputs[0]) if made_by(b, "neg") else None


@algebra.of("neg")
def negate_twice(value: Symbol) -> Any:
    """-(-x) = x; -(x n) = x (-n)."""
    (x,) = value.inputs
    if made_by(x, "neg"):
        return x.inputs[0]
    if made_by(x, "mul") and len(x.operands) == 1 and is_floating(x):
        a, b = x.inputs
        return mul.apply(a, -b) if isinstance(a, Symbol) else mul.apply(b, -a)
    return None


# Products


@algebra.of("mul")
def multiply_by_one(value: Symbol) -> Any:
    """x * 1 = x; x * -1 = -x; (-x) * n = x (-n)."""
    for x, n in zip(value.inputs, reversed(value.inputs), strict=True):
        if isinstance(n, (Symbol, bool)):
            continue
        if n == 1:
            return as_spec(x, value)
        if n == -1 and x.dtype == value.dtype and is_floating(x):
            return neg.apply(x)
        if made_by(x, "neg") and is_floating(x):
            return mul.apply(x.inputs[0], -n)
    return None


@algebra.of("mul")
def multiply_by_itself(value: Symbol) -> Any:
    """x * x = x²; (-a)(-b) = a b; x * (1 / y) = x / y, unless that divides more often."""
    a, b = value.inputs
    if a is b and a.dtype != np.bool_:
        return square.apply(a)
    if made_by(a, "neg") and made_by(b, "neg"):
        return mul.apply(a.inputs[0], b.inputs[0])
    for x, y in ((a, b), (b, a)):
        if made_by(y, "reciprocal") and y.shape == value.shape:
            return div.apply(x, y.inputs[0])
    return None


@algebra.of("div")
def divide_by_number(value: Symbol) -> Any:
    """x / 1 = x; x / 2ⁿ = x * 2⁻ⁿ; 1 / x is the reciprocal."""
    a, b = value.inputs
    if is_number(b, 1):
        return as_spec(a, value)
    if is_number(a, 1) and b.dtype == value.dtype:
        return reciprocal.apply(b)
    if not isinstance(b, Symbol) and b and abs(np.frexp(b)[0]) == 0.5 and 1e-4 < abs(b) < 1e4:
        return mul.apply(a, 1 / b) if a.dtype == value.dtype else None
    return None


@algebra.of("reciprocal")
def reciprocal_root(value: Symbol) -> Any:
    """1 / √x is one op."""
    (x,) = value.inputs
    return rsqrt.apply(x.inputs[0]) if made_by(x, "sqrt") and is_floating(x.inputs[0]) else None


@algebra.of("pow")
def power(value: Symbol) -> Any:
    """x¹ = x, x² and x³ are products, x^½ a root, x⁻¹ and x^-½ reciprocals."""
    x, n = value.inputs
    if isinstance(n, Symbol) or not is_floating(x) or x.dtype != value.dtype:
        return None
    made = POWERS.get(n)
    return made(x) if made else None


POWERS: dict[float, Callable[[Symbol], Any]] = {
    1: lambda x: x,
    2: square.apply,
    3: lambda x: square.apply(x) * x,
    0.5: sqrt.apply,
    -0.5: rsqrt.apply,
    -1: reciprocal.apply,
}


# Casts and copies


@algebra.of("cast")
def cast_twice(value: Symbol) -> Any:
    """A cast to the same dtype, and one that a second one makes needless, disappear."""
    (x,) = value.inputs
    if x.dtype == value.dtype:
        return x
    if made_by(x, "cast") and holds(x.inputs[0].dtype, x.dtype):
        return cast.apply(x.inputs[0], dtype=dtype(value.dtype))
    return None


def holds(narrow: Any, wide: Any) -> bool:
    """Whether every number of the one dtype is a number of the other."""
    a, b = dtype(narrow), dtype(wide)
    if a is bool_:
        return True
    if a.is_floating_point:
        wider = b.itemsize > a.itemsize or a is b
        return b.is_floating_point and wider
    return b.numpy.kind == a.numpy.kind == "i" and b.itemsize >= a.itemsize


@algebra.of("clone", "contiguous", "positive")
def copy(value: Symbol) -> Any:
    """Nothing changes in place in a graph, so a copy is what it copies."""
    return value.inputs[0]


@algebra.of("random_drop")
def drop_nothing(value: Symbol) -> Any:
    return value.inputs[0] if value.attrs["p"] == 0 else None


# Choices and truth


@algebra.of("where")
def choose_one(value: Symbol) -> Any:
    """A choice by a constant, or between equals, is no choice; `not` swaps what is chosen from."""
    condition, a, b = value.inputs
    if not isinstance(condition, Symbol):
        return as_spec(a if condition else b, value)
    known = condition.inputs[0] if made_by(condition, "expand") else condition
    if known.const is not None and known.const.size == 1:
        return as_spec(a if known.const.item() else b, value)
    if a is b:
        return as_spec(a, value)
    if made_by(condition, "logical_not") and condition.inputs[0].dtype == np.bool_:
        return where.apply(condition.inputs[0], b, a)
    return None


@algebra.of("logical_not", "bitwise_not")
def not_twice(value: Symbol) -> Any:
    """not not x = x, and not (a = b) is a ≠ b. Other comparisons have NaN to think of."""
    (x,) = value.inputs
    if x.dtype != np.bool_:
        return None
    if str(x.op) in ("logical_not", "bitwise_not") and x.inputs[0].dtype == np.bool_:
        return x.inputs[0]
    if str(x.op) in ("eq", "ne"):
        return (ne if made_by(x, "eq") else eq).apply(*x.inputs)
    return logical_not.apply(x) if made_by(value, "bitwise_not") else None


@algebra.of("relu", "abs")
def once_is_enough(value: Symbol) -> Any:
    """relu(relu(x)) = relu(x), and so for |x|."""
    (x,) = value.inputs
    return x if x.op is value.op else None


@algebra.of("maximum", "minimum", "logical_and", "logical_or")
def with_itself(value: Symbol) -> Any:
    """max(x, x) = x."""
    a, b = value.inputs
    return as_spec(a, value) if a is b else None


# Reductions


@algebra.of("sum", "mean", "prod", "amax", "amin")
def reduce_nothing(value: Symbol) -> Any:
    """A reduction over dims of size 1 is a reshape."""
    (x,) = value.inputs
    if x.dtype == value.dtype and all(x.shape[d] == 1 for d in value.attrs["dim"]):
        return reshape.apply(x, shape=value.shape)
    return None


@algebra.of("sum_to")
def sum_to_nothing(value: Symbol) -> Any:
    """A sum to as many elements is a reshape, and to another dtype a cast."""
    (x,) = value.inputs
    if np.prod(x.shape) != np.prod(value.shape):
        return None
    y = x if x.shape == value.shape else reshape.apply(x, shape=value.shape)
    return y if x.dtype == value.dtype else cast.apply(y, dtype=dtype(value.dtype))
