"""Writes: a part written in the place of a view, as the parts around it joined with it.

A loop that fills an array, `y[:, t] = …`, leaves a `write` for each step, every one of them an
array as large as y. As joined parts they become one `cat` of all that was written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.index import view
from ..ops.join import cat
from ..ops.movement import expand, reshape
from .algebra import made_by
from .ir import Symbol, constant
from .rules import Rules
from .slices import as_index, layout

MOST = 256  # parts of a cat; beyond, each write of a loop would cost as much as the loop
writes = Rules()


@writes.of("write")
def write_joins(value: Symbol) -> Any:
    """What is written to a slice stands between what is in front of it and what is behind."""
    x, part = value.inputs
    step, attrs, _ = value.attrs["recipe"][0]
    if len(value.attrs["recipe"]) > 1 or step is not view or not isinstance(x, Symbol):
        return None
    parts = layout(x.shape, attrs["index"])
    if any(p is None or (isinstance(p, range) and (p.step != 1 or not p)) for p in parts):
        return None
    if made_by(x, "cat") and len(x.inputs) >= MOST:
        return None
    ranges = [range(p, p + 1) if isinstance(p, int) else p for p in parts]
    taken = tuple(len(p) for p in parts if isinstance(p, range))
    if not isinstance(part, Symbol):
        part = constant(np.array(part, x.dtype))
    if part.shape != taken:
        part = expand.apply(part, shape=taken)
    return around(x, reshape.apply(part, shape=tuple(map(len, ranges))), ranges, 0)


def around(x: Symbol, part: Symbol, ranges: list[range], dim: int) -> Symbol:
    """`part` within x, of which it is the `ranges` of the dims from `dim` on."""
    while dim < len(ranges) and len(ranges[dim]) == x.shape[dim]:
        dim += 1
    if dim == len(ranges):
        return part
    start, stop, size = ranges[dim].start, ranges[dim].stop, x.shape[dim]
    inner = around(along(x, dim, start, stop), part, ranges, dim + 1)
    pieces = [
        (along(x, dim, 0, start), start),
        (inner, 1),
        (along(x, dim, stop, size), size - stop),
    ]
    return cat.apply(*(piece for piece, length in pieces if length), dim=dim)


def along(x: Symbol, dim: int, start: int, stop: int) -> Symbol:
    """x from `start` to `stop` along a dim."""
    index: list[Any] = [(None, None, None)] * len(x.shape)
    index[dim] = (start, stop, 1)
    return view.apply(x, index=tuple(index))


@writes.of("read")
def read_views(value: Symbol) -> Any:
    """What a recipe leads to is what its ops give."""
    (x,) = value.inputs
    for step, attrs, output in value.attrs["recipe"]:
        x = step.apply(x, **attrs)
        x = x if output is None else x[output]
    return x


@writes.of("cat")
def cat_of_cats(value: Symbol) -> Any:
    """Parts of a part are parts, if nothing is joined twice."""
    dim = value.attrs["dim"]
    inner = {x for x in value.inputs if made_by(x, "cat") and x.attrs["dim"] == dim}
    flat = [y for x in value.inputs for y in (x.inputs if x in inner else (x,))]
    if not inner or len(flat) > MOST or any(x.dtype != value.dtype for x in flat):
        return None
    return cat.apply(*flat, dim=dim)


@writes.of("view")
def view_of_parts(value: Symbol) -> Any:
    """A view of what is joined is a view of the parts that it reaches."""
    (x,) = value.inputs
    if not made_by(x, "cat") or any(y.dtype != x.dtype for y in x.inputs):
        return None
    dim = x.attrs["dim"]
    parts = layout(x.shape, value.attrs["index"])
    if None in parts or not isinstance(parts[dim], (int, range)):
        return None
    wanted = parts[dim]
    picked, start = [], 0
    for y in x.inputs:
        stop = start + y.shape[dim]
        if isinstance(wanted, int):
            found: Any = wanted - start if start <= wanted < stop else None
        else:
            found = range(max(wanted.start, start) - start, min(wanted.stop, stop) - start)
        if found is not None and found != range(0):
            picked.append((y, found))
        start = stop
    return None if isinstance(wanted, range) and wanted.step != 1 else viewed(picked, parts, dim)


def viewed(picked: list[tuple[Symbol, Any]], parts: list, dim: int) -> Any:
    """The views of the parts, joined if there are several."""
    views = [
        view.apply(y, index=as_index([*parts[:dim], found, *parts[dim + 1 :]]))
        for y, found in picked
    ]
    if len(views) == 1:
        return views[0]
    at = sum(isinstance(p, range) for p in parts[:dim])
    return cat.apply(*views, dim=at) if views else None
