"""Movement: chains of reshapes, permutations, broadcasts and views become one, or none."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..core.op import item
from ..ops.index import view
from ..ops.join import cat
from ..ops.movement import expand, permute, reshape
from .algebra import as_spec, made_by
from .fold import is_elementwise
from .ir import Graph, Symbol
from .rewrite import consumers, remade, rewrite
from .rules import Rules, repeated
from .slices import composed, joined

movement = Rules()


def push_movements(graph: Graph) -> Graph:
    """Movement ops compose, and cancel, also where elementwise ops stand between them."""
    return cancel_across(rewrite(graph, repeated(movement)))


# Reshapes, permutations and broadcasts


@movement.of("reshape")
def reshape_twice(value: Symbol) -> Any:
    """Only the last shape counts; none is needed where it is the shape of x."""
    (x,) = value.inputs
    if x.shape == value.shape:
        return x
    if made_by(x, "reshape"):
        return reshape.apply(x.inputs[0], shape=value.shape)
    if made_by(x, "expand") and math.prod(x.inputs[0].shape) == 1:
        return expand.apply(as_number(x.inputs[0]), shape=value.shape)
    return None


def as_number(x: Symbol) -> Symbol:
    """The one element of x, without dims."""
    return reshape.apply(x, shape=()) if x.shape else x


@movement.of("permute")
def permute_twice(value: Symbol) -> Any:
    """Permutations compose; one that moves nothing but dims of size 1 is a reshape."""
    (x,), dims = value.inputs, value.attrs["dims"]
    if dims == tuple(range(len(dims))):
        return x
    if made_by(x, "permute"):
        inner = x.attrs["dims"]
        return permute.apply(x.inputs[0], dims=tuple(inner[d] for d in dims))
    moved = [d for d in dims if x.shape[d] != 1]
    if moved == sorted(moved):
        return reshape.apply(x, shape=value.shape)
    if made_by(x, "expand") and math.prod(x.inputs[0].shape) == 1:
        return expand.apply(as_number(x.inputs[0]), shape=value.shape)
    return None


@movement.of("expand")
def expand_twice(value: Symbol) -> Any:
    """Only the last shape counts; what repeats nothing is a reshape."""
    (x,) = value.inputs
    if x.shape == value.shape:
        return x
    if made_by(x, "expand"):
        return expand.apply(x.inputs[0], shape=value.shape)
    if math.prod(x.shape) == math.prod(value.shape):
        return reshape.apply(x, shape=value.shape)
    if x.shape and math.prod(x.shape) == 1:
        return expand.apply(as_number(x), shape=value.shape)
    return None


# Sums of what is repeated


@movement.of("sum", "mean")
def sum_repeated(value: Symbol) -> Any:
    """Σ of n equal numbers is n times the number, and their mean the number."""
    (x,), dims = value.inputs, value.attrs["dim"]
    if not made_by(x, "expand") or x.dtype != value.dtype:
        return None
    source = x.inputs[0]
    full = (*(1,) * (len(x.shape) - len(source.shape)), *source.shape)
    if any(full[d] != 1 for d in dims):
        return None
    kept = tuple(1 if d in dims else n for d, n in enumerate(x.shape))
    y = expand.apply(reshape.apply(source, shape=full), shape=kept)
    y = reshape.apply(y, shape=value.shape)
    return y if made_by(value, "mean") else y * math.prod(x.shape[d] for d in dims)


@movement.of("sum_to")
def sum_to_expanded(value: Symbol) -> Any:
    """What is repeated and summed to where it came from is multiplied by the count."""
    (x,) = value.inputs
    if not made_by(x, "expand") or x.inputs[0].shape != value.shape or x.dtype != value.dtype:
        return None
    return x.inputs[0] * (math.prod(x.shape) // math.prod(value.shape)) if x.shape else None


# Views, and what joins them


@movement.of("view")
def view_twice(value: Symbol) -> Any:
    """A view of a view is a view; a view of everything is a reshape."""
    (x,), index = value.inputs, value.attrs["index"]
    if made_by(x, "view"):
        found = composed(x.inputs[0].shape, x.attrs["index"], index)
        return None if found is None else view.apply(x.inputs[0], index=found)
    if math.prod(x.shape) == math.prod(value.shape) and math.prod(x.shape):
        return reshape.apply(x, shape=value.shape)
    if made_by(x, "expand") and math.prod(x.inputs[0].shape) == 1:
        return expand.apply(as_number(x.inputs[0]), shape=value.shape)
    return None


@movement.of("cat")
def cat_of_nothing(value: Symbol) -> Any:
    """Parts without elements add nothing."""
    parts = [x for x in value.inputs if 0 not in x.shape]
    if len(parts) in (0, len(value.inputs)) or any(x.dtype != value.dtype for x in parts):
        return None
    return cat.apply(*parts, dim=value.attrs["dim"])


@movement.of("cat", "stack")
def join_what_was_split(value: Symbol) -> Any:
    """Parts that are joined as they were split are the whole; so are views side by side."""
    parts, dim = value.inputs, value.attrs["dim"]
    if len(parts) == 1 and made_by(value, "cat"):
        return parts[0]
    first: Any = parts[0]
    inverse = "split" if made_by(value, "cat") else "unbind"
    if first.op is item and made_by(first.inputs[0], inverse):
        node = first.inputs[0]
        in_order = all(
            x.op is item and x.inputs[0] is node and x.attrs["index"] == i
            for i, x in enumerate(parts)
        )
        if in_order and len(parts) == len(node.shape) and node.attrs["dim"] == dim:
            return node.inputs[0]
    if made_by(value, "cat") and all(made_by(x, "view") for x in parts):
        source = first.inputs[0]
        if all(x.inputs[0] is source for x in parts):
            found = joined(source.shape, [x.attrs["index"] for x in parts], dim)
            return None if found is None else view.apply(source, index=found)
    return None


@movement.of("item")
def split_what_was_joined(value: Symbol) -> Any:
    """A part of what was joined in the same way is what was joined there."""
    node, i = value.inputs[0], value.attrs["index"]
    whole: Any = node.inputs[0] if node.inputs else None
    if made_by(node, "unbind") and made_by(whole, "stack"):
        same = whole.attrs["dim"] == node.attrs["dim"]
        return as_spec(whole.inputs[i], value) if same else None
    if (
        made_by(node, "split")
        and made_by(whole, "cat")
        and whole.attrs == {"dim": node.attrs["dim"]}
    ):
        dim = node.attrs["dim"]
        if tuple(x.shape[dim] for x in whole.inputs) == node.attrs["sizes"]:
            return as_spec(whole.inputs[i], value)
    return None


# Across elementwise ops


def cancel_across(graph: Graph) -> Graph:
    """Where a movement is undone after elementwise ops that nothing else reads, both go."""
    counts = consumers(graph)
    found = {v: chain for v in graph.nodes if (chain := undone(v, counts)) is not None}
    if not found:
        return graph

    def make(value: Symbol, moved: Symbol, new: dict[Symbol, Any]) -> Symbol:
        return without_movement(value, found[value], new) if value in found else moved

    return remade(graph, make)


def undone(value: Symbol, counts: dict[Symbol, int]) -> list[Symbol] | None:
    """The elementwise ops, users first, between a movement `value` and its inverses below."""
    if str(value.op) not in ("reshape", "permute"):
        return None
    chain: list[Symbol] = []
    stack_ = [value.inputs[0]]
    while stack_:
        x = stack_.pop()
        if is_inverse(x, value):
            continue
        single = x.op is not None and is_elementwise(x.op) and counts[x] == 1
        if not single or len(chain) == 8 or any(y.shape != x.shape for y in x.operands):
            return None
        chain.append(x)
        stack_ += x.operands
    return chain or None


def is_inverse(x: Symbol, outer: Symbol) -> bool:
    """Whether x is a movement that `outer` undoes."""
    if x.op is not outer.op or x.inputs[0].shape != outer.shape:
        return False
    if made_by(outer, "reshape"):
        return True
    inner = x.attrs["dims"]
    return tuple(inner[d] for d in outer.attrs["dims"]) == tuple(range(len(inner)))


def without_movement(value: Symbol, chain: Iterable[Symbol], new: dict[Symbol, Any]) -> Symbol:
    """The elementwise ops of `chain`, on what was moved and is moved back by `value`."""
    links = set(chain)
    moved: dict[Symbol, Any] = {}
    for x in sorted(links, key=lambda v: v.order):
        inputs = [
            y if not isinstance(y, Symbol) else moved[y] if y in links else new[y.inputs[0]]
            for y in x.inputs
        ]
        moved[x] = x.op.apply(*inputs, **x.attrs)
        moved[x].name, moved[x].line = x.name, x.line
    return moved[value.inputs[0]]
