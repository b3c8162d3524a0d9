"""Gradients over symbols: what the tape would record, from the same rules.

`contributions` differentiates a region: some values between a result and its inputs. It walks
them the youngest first and adds up as `autograd.Pass` does, so that it makes the values that a
recorded backward pass consists of.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from ..core.op import item, using
from ..core.spec import Spec
from ..ops.movement import sum_to
from .ir import Symbol, between, is_floating
from .record import output, record

Received = dict[Symbol, list[Symbol]]


def gradients(result: Symbol, g: Symbol, inputs: Sequence[Symbol]) -> list[Symbol | None]:
    """The gradients of `inputs` where `g` is that of `result`; None for what it does not reach."""
    received = contributions(result, g, inputs, between(inputs, [result]))
    with using(record):
        return [total(received[x]) for x in inputs]


def total(parts: Sequence[Symbol]) -> Symbol | None:
    """The sum of what has arrived, in order."""
    found: Any = None
    for part in parts:
        found = part if found is None else found + part
    return found


def contributions(
    result: Symbol, g: Symbol, inputs: Iterable[Symbol], region: Iterable[Symbol]
) -> Received:
    """What each of `inputs` receives when `g` arrives at `result`, one entry for each use."""
    received: Received = {x: [] for x in inputs}
    reached = leading_from(received, region)
    arrived: dict[Symbol, Any] = {result: g}
    with using(record):
        for node in sorted(reached, key=attrgetter("order"), reverse=True):
            g = arrived.pop(node, None)
            if g is None:
                continue
            for x, gx in through(node, g, reached | received.keys(), arrived):
                if x in received:
                    received[x].append(gx)
                else:
                    arrived[x] = gx if x not in arrived else arrived[x] + gx
    return received


def leading_from(inputs: Iterable[Symbol], region: Iterable[Symbol]) -> set[Symbol]:
    """Those values of the region that some input leads to, and that a gradient flows through."""
    live = {x for x in inputs if is_floating(x)}
    reached = set()
    for node in sorted(region, key=attrgetter("order")):
        if node not in live and any(x in live or x in reached for x in node.operands):
            reached.add(node)
    return reached


def through(node: Symbol, g: Any, wanted: set[Symbol], arrived: dict) -> Iterable[tuple]:
    """Pairs of an input of `node` and what it receives, by the op's rule."""
    op: Any = node.op
    if op is item:
        parent = node.inputs[0]
        parts = arrived.setdefault(parent, [None] * len(parent.shape))
        i = node.attrs["index"]
        parts[i] = g if parts[i] is None else parts[i] + g
        return
    for x, gx in zip(node.inputs, by_rule(node, g, wanted), strict=True):
        if gx is not None and is_floating(x) and x in wanted:
            yield x, fitted(gx, x)


def by_rule(node: Symbol, g: Any, wanted: set[Symbol]) -> Sequence:
    """A gradient for each input of `node`."""
    op: Any = node.op
    if op.partials:
        slots = (node, *node.inputs)
        return [
            rule(g, *[slots[i] for i in reads]) if rule and isinstance(x, Symbol) else None
            for x, (rule, reads) in zip(node.inputs, op.partials, strict=True)
        ]
    if op.vjp is None:
        return [None] * len(node.inputs)
    many = isinstance(node.dtype, tuple)
    y: Any = [output(node, i) for i in range(len(node.shape))] if many else node
    attrs = dict(node.attrs)
    if op.needs:
        attrs["needs"] = tuple(isinstance(x, Symbol) and x in wanted for x in node.inputs)
    return op.vjp(g, y, *node.inputs, **attrs)


def fitted(g: Symbol, x: Symbol) -> Symbol:
    """`g` summed over what broadcasting had repeated, in the dtype of x."""
    if g.shape == x.shape and g.dtype == x.dtype:
        return g
    spec: Spec = x.spec
    return sum_to.apply(g, shape=spec.shape, dtype=spec.dtype)
