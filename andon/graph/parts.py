"""Parts: the gradients of views that tile a value, joined rather than added up.

A loop over x[0], x[1] … leaves a `place` for each in its backward pass, an array as large as x that
is zero but for one part, and adds them up one by one: n² work for n parts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..ops.join import cat, stack
from .algebra import made_by
from .ir import Graph, Symbol
from .rewrite import attribute, remade
from .slices import layout


class Tile(NamedTuple):
    """A part of an array along one dim: from `start`, `size` long, or an index without that dim."""

    dim: int
    start: int
    size: int
    is_slice: bool
    part: Symbol


def join_parts(graph: Graph) -> Graph:
    """Sums of parts that tile an array, each placed in zeros, become one `stack` or `cat`."""
    users = graph.users()
    once = {v for v, us in users.items() if len(us) == 1} - set(graph.outputs)
    found: dict[Symbol, tuple[list[Tile], list[Symbol]]] = {}
    for value in graph.nodes:
        if made_by(value, "add") and not (value in once and made_by(users[value][0], "add")):
            parts, rest = summands(value, once)
            tiles = tiling(parts)
            if tiles is not None:
                found[value] = tiles, rest

    def make(value: Symbol, moved: Symbol, new: dict[Symbol, Any]) -> Symbol:
        if value not in found:
            return moved
        tiles, rest = found[value]
        total = joined(tiles, new)
        for x in rest:
            total = total + new[x]
        attribute(total, moved)
        return total

    return remade(graph, make)


def summands(total: Symbol, once: set[Symbol]) -> tuple[list[Symbol], list[Symbol]]:
    """What a sum of sums adds up: what is placed in zeros, and the rest."""
    parts, rest, stack_ = [], [], [total]
    while stack_:
        value = stack_.pop()
        if value is total or (made_by(value, "add") and value in once):
            if len(value.operands) < 2:
                return [], []
            stack_ += reversed(value.operands)
        elif made_by(value, "place") and value in once:
            parts.append(value)
        else:
            rest.append(value)
    return parts, rest


def tiling(parts: list[Symbol]) -> list[Tile] | None:
    """The parts in order, if they lie side by side along one dim and leave nothing out."""
    if len(parts) < 2 or any(x.shape != parts[0].shape for x in parts):
        return None
    found = [tile_of(x) for x in parts]
    tiles = [t for t in found if t is not None]
    if len(tiles) < len(found) or len({(t.dim, t.is_slice) for t in tiles}) > 1:
        return None
    tiles.sort(key=lambda t: t.start)
    starts = [t.start for t in tiles] + [parts[0].shape[tiles[0].dim]]
    ends = [0] + [t.start + t.size for t in tiles]
    return tiles if starts == ends else None


def tile_of(part: Symbol) -> Tile | None:
    """Where a placed value lies; None if that is no part along just one dim."""
    places = layout(part.shape, part.attrs["index"])
    if None in places:
        return None
    partial = [d for d, n in enumerate(part.shape) if places[d] != range(n)]
    if len(partial) != 1:
        return None
    (dim,) = partial
    place = places[dim]
    if isinstance(place, int):
        return Tile(dim, place, 1, False, part)
    return Tile(dim, place.start, len(place), True, part) if place.step == 1 else None


def joined(tiles: list[Tile], new: dict[Symbol, Any]) -> Symbol:
    """The tiles as one array."""
    join = cat if tiles[0].is_slice else stack
    return join.apply(*(new[t.part.inputs[0]] for t in tiles), dim=tiles[0].dim)
