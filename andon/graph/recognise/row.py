"""Functions of a row written out: softmax, log_softmax, layer norm and RMS norm.

By value. A result that is made of one value x by elementwise ops and reductions over the same
dims is a function of the rows of x, and is evaluated on a few rows of the same length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from ...core.spec import Shape, drop_dims
from ...ops.norm import layer_norm, rms_norm
from ...ops.softmax import log_softmax, softmax
from ..ir import Graph, Symbol
from .match import Match, Search
from .replace import recognise
from .sample import ELEMENTWISE, agree, apply, distances, expression, floating_casts, known_elements

REDUCTIONS = {"sum", "mean", "amax", "var", "std", "logsumexp"}
PEAKS = {"argmax", "gather"}  # what `max` along a dim consists of
MOVES = {"reshape", "expand"}
ROWWISE = ELEMENTWISE | REDUCTIONS | PEAKS | MOVES
LONGEST = 1 << 17
SCALES = np.array([[3e-3], [1.0], [20.0]])


def recognise_rows(graph: Graph) -> Graph:
    """Softmax, its logarithm and norms, in whatever way they are written, become one op."""
    distance = distances(REDUCTIONS, ROWWISE)

    def find(value: Symbol, search: Search) -> Match | None:
        if distance(value) and str(value.op) in ("mul", "div", "sub"):
            return row_function(value)
        return None

    return recognise(graph, find)


def row_function(value: Symbol) -> Match | None:
    """The match at `value` if it is a known function of the rows of some x."""
    for x in reversed(list(spine(value))):
        values = expression(value, [x], ROWWISE)
        dims = reduced_dims(values or ())
        if not values or not dims or x.dtype != value.dtype or size(x.shape, dims) > LONGEST:
            continue
        rows = samples(size(x.shape, dims))
        y = Rows(x, dims).evaluate(values, rows)
        make = known_function(rows, y, x, dims) if y is not None else None
        if make is not None:
            peaks = {v for v in values if str(v.op) in PEAKS | {"amax"}}
            return Match(value, (x,), make, frozenset(peaks))
    return None


def spine(value: Symbol, depth: int = 0) -> Iterator[Symbol]:
    """What `value` is made of elementwise, as far as that has its shape; the nearest first."""
    if depth < 5 and str(value.op) in ELEMENTWISE:
        for x in value.operands:
            if x.shape == value.shape:
                yield x
                yield from spine(x, depth + 1)


def reduced_dims(values: Iterable[Symbol]) -> Shape | None:
    """The dims that the reductions among the values go over."""
    return next((v.attrs["dim"] for v in values if str(v.op) in REDUCTIONS), None)


def size(shape: Shape, dims: Shape) -> int:
    return int(np.prod([shape[d] for d in dims]))


@lru_cache(8)
def samples(n: int) -> np.ndarray:
    """Three rows of different scales, (3, n)."""
    return np.random.default_rng(0).standard_normal((3, n)) * SCALES


class Rows:
    """Values as rows: an array (3, n), or (3, 1) for what is reduced over the dims."""

    def __init__(self, x: Symbol, dims: Shape):
        self.x, self.dims = x, dims
        self.kept = drop_dims(x.shape, dims, True)
        self.dropped = drop_dims(x.shape, dims, False)
        # whether a shape without the dims broadcasts as if it had them
        self.leading = dims == tuple(range(len(dims)))

    def evaluate(self, values: list[Symbol], rows: np.ndarray) -> np.ndarray | None:
        """The last of `values`; None if one of them is no function of a row."""
        if rows.shape[1] < 2 or not floating_casts(values[-1:]):
            return None
        found: dict[Symbol, Any] = {self.x: rows}
        for value in values:
            y = self.apply(value, [known_elements(v, found) for v in value.inputs])
            if y is None:
                return None
            found[value] = np.broadcast_to(y, rows.shape) if value.shape == self.x.shape else y
        return found[values[-1]]

    def apply(self, value: Symbol, operands: list[Any]) -> np.ndarray | None:
        name = str(value.op)
        if value.shape not in (self.x.shape, self.kept, self.dropped):
            return None
        if name in MOVES:
            return operands[0]
        if name in PEAKS:
            return self.peak(value, operands)
        if name in REDUCTIONS:
            return self.reduce(value, operands[0])
        return apply(value, operands) if self.is_aligned(value) else None

    def reduce(self, value: Symbol, x: np.ndarray) -> np.ndarray | None:
        if value.attrs["dim"] != self.dims or value.operands[0].shape != self.x.shape:
            return None
        op: Any = value.op
        with np.errstate(all="ignore"):
            return op.reference(x, **{**value.attrs, "dim": (1,), "keepdim": True})

    def peak(self, value: Symbol, operands: list[Any]) -> np.ndarray | None:
        """`argmax` along the dim, or what is there."""
        if (value.attrs["dim"],) != self.dims or value.operands[0].shape != self.x.shape:
            return None
        if str(value.op) == "argmax":
            return operands[0].argmax(1, keepdims=True)
        return np.take_along_axis(operands[0], operands[1], 1) if value.shape == self.kept else None

    def is_aligned(self, value: Symbol) -> bool:
        """Whether the operands broadcast along the rows, and not across them."""
        if self.leading or value.shape == self.dropped:
            return True
        return all(x.shape in (self.x.shape, self.kept) for x in value.operands)


def known_function(
    rows: np.ndarray, y: np.ndarray, x: Symbol, dims: Shape
) -> Callable[[Symbol], Any] | None:
    """How to make y of x, if it is one of the functions of rows that are ops."""
    if len(dims) == 1:
        for op in (softmax, log_softmax):
            if agree(y, op.reference(rows, dim=1)):
                return lambda x: op.apply(x, dim=dims[0])
    if dims != tuple(range(len(x.shape) - len(dims), len(x.shape))):
        return None
    shape = tuple(x.shape[d] for d in dims)
    eps = eps_of(y, rows - rows.mean(1, keepdims=True))
    if eps is not None:
        return lambda x: layer_norm.apply(x, None, None, normalized_shape=shape, eps=eps)[0]
    eps = eps_of(y, rows)
    if eps is not None:
        return lambda x: rms_norm.apply(x, None, normalized_shape=shape, eps=eps)[0]
    return None


def eps_of(y: np.ndarray, x: np.ndarray) -> float | None:
    """The eps with which y = x / √(avg x² + eps), if there is one."""
    squares = np.square(x).mean(1, keepdims=True)
    i = np.abs(x[0]).argmax()
    with np.errstate(all="ignore"):
        found = float(np.square(x[0, i] / y[0, i]) - squares[0, 0])
        eps = float(f"{found:.6g}") if abs(found) > 1e-14 else 0.0
        return eps if eps >= 0 and agree(y, x / np.sqrt(squares + eps)) else None
