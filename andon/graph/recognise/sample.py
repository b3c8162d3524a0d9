"""Expressions evaluated at samples: what a part of a graph computes, however it is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ...core.dtype import dtype
from ..ir import Symbol

LARGEST = 24  # values in an expression that is worth a look

ARITHMETIC = {"add", "sub", "mul", "div", "neg", "pow", "square", "reciprocal"}
ROOTS = {"sqrt", "rsqrt"}
CURVES = {"exp", "exp2", "log", "log1p", "expm1", "tanh", "sigmoid", "erf", "erfc", "ndtr"}
COPIES = {"clone", "contiguous", "positive"}
ELEMENTWISE = ARITHMETIC | ROOTS | CURVES | COPIES | {"cast", "silu"}


def expression(result: Symbol, leaves: Iterable[Symbol], ops: set[str]) -> list[Symbol] | None:
    """What lies between `leaves` and `result`, in order, if it consists of `ops` alone."""
    found = set(leaves)
    first = len(found)
    stack = [result]
    while stack:
        value = stack.pop()
        if value in found or is_number(value):
            continue
        if value.op is None or value.op.name not in ops or len(found) - first >= LARGEST:
            return None
        found.add(value)
        stack += value.operands
    return sorted(found - set(leaves), key=lambda v: v.order)


def is_number(x: Symbol) -> bool:
    """Whether x is a constant of one element."""
    return x.const is not None and x.const.ndim == 0


def known_elements(x: Any, found: dict[Symbol, Any]) -> Any:
    """What stands for an operand: a sample, or the number that it is."""
    if not isinstance(x, Symbol):
        return x
    const: Any = x.const
    return found[x] if x in found else const.item()


def evaluate(values: Iterable[Symbol], known: dict[Symbol, Any]) -> Any:
    """The last of `values` in float64, elementwise ones, the leaves being `known`."""
    found = dict(known)
    last: Any = None
    for value in values:
        last = found[value] = apply(value, [known_elements(x, found) for x in value.inputs])
    return last


def apply(value: Symbol, operands: list[Any]) -> Any:
    """One value of arrays in place of its operands."""
    op: Any = value.op
    if op.name == "cast" or op.name in COPIES:
        return operands[0]
    with np.errstate(all="ignore"):
        return op.reference(*operands, **value.attrs)


def floating_casts(values: Iterable[Symbol]) -> bool:
    """Whether all that is computed is of floats, so that float64 stands for any of them."""
    return all(isinstance(v.dtype, tuple) or dtype(v.dtype).is_floating_point for v in values)


def distances(near: set[str], steps: set[str] = ELEMENTWISE) -> Callable[[Symbol], int | None]:
    """How many `steps` above one of the ops `near` a value is; None if too many."""
    known: dict[Symbol, int] = {}

    def distance(value: Symbol) -> int | None:
        name = value.op.name if value.op is not None else ""
        if name in near:
            known[value] = 0
        elif name in steps:
            below = [known[x] for x in value.operands if x in known]
            if below and min(below) < 8:
                known[value] = min(below) + 1
        return known.get(value)

    return distance


def agree(a: Any, b: Any) -> bool:
    """Whether two results are the same, but for rounding and for constants of seven digits."""
    a, b = np.asarray(a), np.asarray(b)
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= 1e-7 + 3e-7 * np.abs(b)))
