"""Reading, writing and adding at places that data says: `gather`, `take`, and their adjoints.

A row of the result at a time, its last dim in an inner loop. An index out of range is an error,
which the reference then names. What is added is added in order, by one thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..core.spec import broadcast_shapes
from ..graph.ir import Symbol
from .library import CallText, Function, emits
from .scalar import literal, name_of

ADDED = ("float32", "float64", "uint8", "int8", "int16", "int32", "int64")


class Walk:
    """The loops over the elements of a shape, and the places that are read and written in them."""

    def __init__(self, call: CallText, shape: tuple[int, ...]):
        self.call, self.shape = call, shape or (1,)
        self.lines: list[str] = []
        below = math.prod(self.shape[:-1])
        for i, n in enumerate(self.shape[:-1]):
            below //= n
            self.lines.append(f"    const long i{i} = m / {below} % {n};")
        self.coordinates = [*(f"i{i}" for i in range(len(self.shape) - 1)), "k"]

    @property
    def rows(self) -> int:
        return math.prod(self.shape[:-1])

    def place(self, value: Symbol, coordinates: Sequence[str], written: bool = False) -> str:
        """The element of a value at coordinates, as C."""
        strides = self.call.lies(value).strides
        terms = [f"{s} * {c}" for s, c in zip(strides, coordinates, strict=True) if s]
        return f"({self.call.pointer(value, written)})[{' + '.join(terms) or '0'}]"

    def broadcast(self, value: Symbol, coordinates: Sequence[str]) -> str:
        """The element of an operand of other shape, its last dims aligned."""
        own = coordinates[len(coordinates) - value.ndim :]
        at = ["0" if n == 1 else c for n, c in zip(value.shape, own, strict=True)]
        return self.place(value, at)

    def loops(self, body: list[str]) -> list[str]:
        """All lines: the rows, what they are, and the statements at each element."""
        inner = [f"        {line}" for line in body]
        head = f"    for (long k = 0; k < {self.shape[-1]}; k++) {{"
        return ["for (long m = m0; m < m1; m++) {", *self.lines, head, *inner, "    }", "}"]

    def serial(self, body: list[str]) -> list[str]:
        """The same for all rows, whatever the range."""
        return [f"for (long m = 0; m < {self.rows}; m++) {{", *self.loops(body)[1:]]


@emits("gather")
def gather(call: CallText) -> list[Function] | None:
    x, index = call.operands
    if x.ndim == 0 or index.ndim == 0:
        return None
    walk, dim = Walk(call, index.shape), call.attrs["dim"]
    at = list(walk.coordinates)
    lines = [counted("at", walk.place(index, at), x.shape[dim], False)]
    there = [*at[:dim], "at", *at[dim + 1 :]]
    y = walk.place(call.results[0], at, True)
    lines.append(f"{y} = {walk.place(x, there)};")
    work = 4 * walk.shape[-1]
    return [call.function(walk.loops(lines), walk.rows, work=work)]


@emits("scatter_add", "scatter")
def scatter(call: CallText) -> list[Function] | None:
    """A copy of x, then what is added or written, in order."""
    x, index, src = call.operands
    (y,), added = call.results, call.node.op.name == "scatter_add"
    if x.ndim == 0 or (added and name_of(x.dtype) not in ADDED):
        return None
    walk, dim = Walk(call, index.shape), call.attrs["dim"]
    at = list(walk.coordinates)
    lines = [counted("at", walk.place(index, at), x.shape[dim], False)]
    there = [*at[:dim], "at", *at[dim + 1 :]]
    lines.append(f"{walk.place(y, there, True)} {'+' * added}= {walk.place(src, at)};")
    return in_order(call, copied(call, x, y), walk, lines)


def copied(call: CallText, x: Symbol, y: Symbol) -> list[str]:
    """Statements that make y what x is."""
    walk = Walk(call, x.shape)
    at = walk.coordinates[: x.ndim]
    return walk.serial([f"{walk.place(y, at, True)} = {walk.place(x, at)};"])


@emits("take")
def take(call: CallText) -> list[Function] | None:
    x, *indices = call.operands
    (y,) = call.results
    if any(i.dtype.kind not in "iu" for i in indices):
        return None
    walk = Walk(call, y.shape)
    found = places_of(walk, x.shape, indices, call.attrs["dims"], y.ndim)
    at = walk.coordinates[: y.ndim] if y.ndim else []
    lines = [*found[0], f"{walk.place(y, at, True)} = {walk.place(x, found[1])};"]
    return [call.function(walk.loops(lines), walk.rows, work=4 * walk.shape[-1])]


@emits("put_add")
def put_add(call: CallText) -> list[Function] | None:
    """Zeros, then the sums in order."""
    g, *indices = call.operands
    (y,) = call.results
    if name_of(y.dtype) not in ADDED or any(i.dtype.kind not in "iu" for i in indices):
        return None
    if not call.is_packed(y):
        return None
    shape = taken_shape(y.shape, indices, call.attrs["dims"])
    walk = Walk(call, shape)
    found = places_of(walk, y.shape, indices, call.attrs["dims"], len(shape))
    at = walk.coordinates if shape else []
    lines = [*found[0], f"{walk.place(y, found[1], True)} += {walk.broadcast(g, at)};"]
    size = math.prod(y.shape) * y.dtype.itemsize
    return in_order(call, [f"memset({call.pointer(y, True)}, 0, {size});"], walk, lines)


@emits("put")
def put(call: CallText) -> list[Function] | None:
    """A copy of x, then what is added or written, in order."""
    x, value, *indices = call.node.inputs
    (y,), dims, added = call.results, call.attrs["dims"], call.attrs["accumulate"]
    number = not isinstance(value, Symbol)
    if any(i.dtype.kind not in "iu" for i in indices) or not (number or value.dtype == x.dtype):
        return None
    if added and name_of(x.dtype) not in ADDED:
        return None
    shape = taken_shape(y.shape, indices, dims)
    walk = Walk(call, shape)
    found = places_of(walk, y.shape, indices, dims, len(shape))
    at = walk.coordinates if shape else []
    place = walk.place(y, found[1], True)
    element = literal(value, name_of(x.dtype)) if number else walk.broadcast(value, at)
    lines = [*found[0], f"{place} {'+' * added}= {element};"]
    return in_order(call, copied(call, x, y), walk, lines)


def places_of(
    walk: Walk, shape: tuple[int, ...], indices: Sequence[Symbol], dims: tuple, ndim: int
) -> tuple[list[str], list[str]]:
    """Statements that look the indices up, and the coordinates of the elements that they name."""
    at = walk.coordinates[:ndim]
    listed = max(i.ndim for i in indices)
    adjacent = dims == tuple(range(dims[0], dims[0] + len(dims)))
    first = dims[0] if adjacent else 0
    of_lists, rest = at[first : first + listed], iter(at[:first] + at[first + listed :])
    lines = [
        counted(f"at{i}", walk.broadcast(index, of_lists), shape[d], True)
        for i, (d, index) in enumerate(zip(dims, indices, strict=True))
    ]
    names = {d: f"at{i}" for i, d in enumerate(dims)}
    return lines, [names[d] if d in names else next(rest) for d in range(len(shape))]


def taken_shape(shape: tuple[int, ...], indices: Sequence[Symbol], dims: tuple) -> tuple[int, ...]:
    """The shape of what a `take` with these indices gives."""
    lists = broadcast_shapes(*(i.shape for i in indices))
    rest = tuple(n for d, n in enumerate(shape) if d not in dims)
    adjacent = dims == tuple(range(dims[0], dims[0] + len(dims)))
    first = dims[0] if adjacent else 0
    return (*rest[:first], *lists, *rest[first:])


def counted(name: str, index: str, n: int, from_end: bool) -> str:
    """Reads and checks an index; `from_end`: negative ones count from there."""
    function = "index_within" if from_end else "index_of"
    return f"const long {name} = {function}({index}, {n}, error);"


def in_order(call: CallText, start: list[str], walk: Walk, lines: list[str]) -> list[Function]:
    """A function that one thread runs: a start, and then all additions."""
    return [call.function([*start, *walk.serial(lines)], 1, work=1, serial=True)]
