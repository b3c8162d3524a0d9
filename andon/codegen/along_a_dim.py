"""Ops that walk along one dim, or by the place of an element: argmax, running sums, borders.

Plain loops, a row at a time; the compiler sees all sizes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .indexed import Walk
from .library import CallText, Function, emits
from .scalar import C_TYPES, literal, name_of

PLAIN = ("bool", "uint8", "int8", "int16", "int32", "int64", "float32", "float64")


def is_plain(call: CallText) -> bool:
    """Whether elements are stored as they are computed."""
    return all(name_of(x.dtype) in PLAIN for x in (*call.node.operands, *call.results))


def without(coordinates: Sequence[str], dim: int, instead: str) -> list[str]:
    return [*coordinates[:dim], instead, *coordinates[dim + 1 :]]


@emits("argmax", "argmin")
def place_of_extreme(call: CallText) -> list[Function] | None:
    """The first of the largest; a NaN is larger than all."""
    (x,), (y,), dim = call.operands, call.results, call.attrs["dim"]
    if not is_plain(call) or x.ndim == 0:
        return None
    shape = tuple(1 if d == dim else n for d, n in enumerate(x.shape))
    walk = Walk(call, shape)
    at = list(walk.coordinates)
    there = walk.place(x, without(at, dim, "j"))
    kept = at if call.attrs["keepdim"] else [c for d, c in enumerate(at) if d != dim]
    sign = ">" if call.node.op.name == "argmax" else "<"
    kind = C_TYPES[name_of(x.dtype)]
    lines = [
        f"{kind} best = {walk.place(x, without(at, dim, '0'))};", "long found = 0;",
        f"for (long j = 1; j < {x.shape[dim]}; j++) {{", f"    const {kind} other = {there};",
        f"    if (other {sign} best || (other != other && best == best)) best = other, found = j;",
        "}", f"{walk.place(y, kept, True)} = found;",
    ]  # fmt: skip
    return [call.function(walk.loops(lines), walk.rows, work=x.shape[dim] * walk.shape[-1])]


@emits("argcummax", "argcummin")
def place_of_extreme_so_far(call: CallText) -> list[Function] | None:
    """Of equal elements the last; from a NaN on, of the last NaN."""
    (x,), (y,), dim = call.operands, call.results, call.attrs["dim"]
    if not is_plain(call) or x.ndim == 0:
        return None
    walk = Walk(call, tuple(1 if d == dim else n for d, n in enumerate(x.shape)))
    at = without(walk.coordinates, dim, "j")
    sign = ">=" if call.node.op.name == "argcummax" else "<="
    kind = C_TYPES[name_of(x.dtype)]
    lines = [
        f"{kind} best = {walk.place(x, without(walk.coordinates, dim, '0'))};", "long found = 0;",
        f"for (long j = 0; j < {x.shape[dim]}; j++) {{",
        f"    const {kind} other = {walk.place(x, at)};",
        f"    if (other {sign} best || other != other) best = other, found = j;",
        f"    {walk.place(y, at, True)} = found;", "}",
    ]  # fmt: skip
    return [call.function(walk.loops(lines), walk.rows, work=x.shape[dim] * walk.shape[-1])]


@emits("cumsum", "cumprod")
def running(call: CallText) -> list[Function] | None:
    (x,), (y,), dim = call.operands, call.results, call.attrs["dim"]
    if not is_plain(call) or x.ndim == 0 or name_of(y.dtype) == "bool":
        return None
    walk = Walk(call, tuple(1 if d == dim else n for d, n in enumerate(x.shape)))
    at = without(walk.coordinates, dim, "j")
    first, sign = ("0", "+") if call.node.op.name == "cumsum" else ("1", "*")
    lines = [
        f"{C_TYPES[name_of(y.dtype)]} total = {first};",
        f"for (long j = 0; j < {x.shape[dim]}; j++)",
        f"    {walk.place(y, at, True)} = total {sign}= {walk.place(x, at)};",
    ]
    return [call.function(walk.loops(lines), walk.rows, work=x.shape[dim] * walk.shape[-1])]


@emits("constant_pad")
def constant_pad(call: CallText) -> list[Function] | None:
    """x where its place is inside, the value around it."""
    (x,), (y,), widths = call.operands, call.results, call.attrs["widths"]
    if not is_plain(call):
        return None
    walk = Walk(call, y.shape)
    at = walk.coordinates[: y.ndim]
    moved, tests = [], []
    for c, n, (before, after) in zip(at, x.shape, widths, strict=True):
        moved.append(f"({c} - {before})" if before else c)
        tests += [f"{c} >= {before}"] if before > 0 else []
        tests += [f"{c} < {n + before}"] if after > 0 else []
    value = literal(call.attrs["value"], name_of(y.dtype))
    element = walk.place(x, moved)
    if tests:
        element = f"{' && '.join(tests)} ? {element} : {value}"
    lines = [f"{walk.place(y, at, True)} = {element};"]
    return [call.function(walk.loops(lines), walk.rows, work=2 * walk.shape[-1])]


@emits("tril", "triu")
def triangle(call: CallText) -> list[Function] | None:
    (x,), (y,), diagonal = call.operands, call.results, call.attrs["diagonal"]
    if not is_plain(call):
        return None
    walk = Walk(call, y.shape)
    row, column = walk.coordinates[-2:]
    sign = "<=" if call.node.op.name == "tril" else ">="
    element = walk.place(x, walk.coordinates)
    lines = [
        f"{walk.place(y, walk.coordinates, True)} = "
        f"{column} - {row} {sign} {diagonal} ? {element} : 0;"
    ]
    return [call.function(walk.loops(lines), walk.rows, work=walk.shape[-1])]


@emits("roll")
def roll(call: CallText) -> list[Function] | None:
    (x,), (y,) = call.operands, call.results
    if not is_plain(call) or x.ndim == 0:
        return None
    shifts: dict[int, Any] = {}
    for d, shift in zip(call.attrs["dims"], call.attrs["shifts"], strict=True):
        shifts[d] = shifts.get(d, 0) + shift
    walk = Walk(call, y.shape)
    at = list(walk.coordinates)
    moved = [
        f"(({c} + {-shifts.get(d, 0) % n}) % {n})" if shifts.get(d, 0) % n else c
        for d, (c, n) in enumerate(zip(at, x.shape, strict=True))
    ]
    lines = [f"{walk.place(y, at, True)} = {walk.place(x, moved)};"]
    return [call.function(walk.loops(lines), walk.rows, work=4 * walk.shape[-1])]


@emits("one_hot")
def one_hot(call: CallText) -> list[Function] | None:
    (x,), (y,) = call.operands, call.results
    if not is_plain(call) or math.prod(x.shape) == 0:
        return None
    walk = Walk(call, y.shape)
    at = walk.coordinates
    index = f"index_of({walk.place(x, at[:-1])}, {y.shape[-1]}, error)"
    lines = [f"{walk.place(y, at, True)} = k == {index};"]
    return [call.function(walk.loops(lines), walk.rows, work=walk.shape[-1])]
