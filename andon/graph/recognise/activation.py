"""GELU and SiLU written out: 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), x σ(x), and the like.

By value. Two expressions of a few smooth functions that agree at all of the points below are the
same function. All of these are x times something, so x is looked for among the factors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...ops.gated import gelu_erf, gelu_tanh, silu
from ..ir import Graph, Symbol
from .match import Match, Search
from .replace import recognise
from .sample import (
    ARITHMETIC,
    COPIES,
    CURVES,
    agree,
    distances,
    evaluate,
    expression,
    floating_casts,
)

SMOOTH = ARITHMETIC | CURVES | COPIES | {"cast"}
POINTS = np.concatenate([np.linspace(-9.1, 9.3, 47), [-1e4, -301.7, -40.3, 37.9, 277.1, 1e4]])
with np.errstate(over="ignore"):
    FUSED = [(op, op.reference(POINTS)) for op in (gelu_tanh, gelu_erf, silu)]


def recognise_activations(graph: Graph) -> Graph:
    """GELU and SiLU, in whatever way they are written, become one op."""
    distance = distances({"tanh", "sigmoid", "erf", "erfc", "exp", "ndtr"})

    def find(value: Symbol, search: Search) -> Match | None:
        if distance(value) and value.op.name in ("mul", "div"):
            return activation(value)
        return None

    return recognise(graph, find)


def activation(value: Symbol) -> Match | None:
    """The match at `value` if it is a known function of one of its factors."""
    for x in factors(value):
        values = expression(value, [x], SMOOTH)
        if values is None or x.dtype != value.dtype or not floating_casts(values):
            continue
        y = evaluate(values, {x: POINTS})
        for op, expected in FUSED:
            if agree(y, expected):
                return Match(value, (x,), applying(op))
    return None


def applying(op: Any) -> Callable[[Symbol], Symbol]:
    return lambda x: op.apply(x)


def factors(value: Symbol, depth: int = 0) -> Iterator[Symbol]:
    """The values that `value` is a product of, products included."""
    name = value.op.name if value.op is not None else ""
    if depth < 4 and name in ("mul", "div"):
        operands = value.inputs if name == "mul" else value.inputs[:1]
        for x in operands:
            if isinstance(x, Symbol):
                yield x
                yield from factors(x, depth + 1)
