"""Rewriting graphs: rules that replace values, passes made of them, and what runs a list of passes.

A pass is a function Graph → Graph whose docstring's first line is its contract. A rule is told of
one value, its inputs having been replaced already, and gives what to use instead, or None. Rules
are written with ops and operators: what they compute is recorded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from operator import is_not as differ
from pathlib import Path
from typing import Any

from ..core.errors import AndonError, GraphError
from ..core.op import item, using
from .ir import Graph, Symbol, between, constant, placeholder
from .record import emit, record

Pass = Callable[[Graph], Graph]
Rule = Callable[[Symbol], Any]


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """`graph` with each value replaced by what `rule(value)` gives, if it is not None.

    The value that the rule sees has its new inputs already. For an op with several outputs the
    rule gives a tuple. What a replacement is made of is attributed to the line of the value.
    """

    def make(value: Symbol, moved: Symbol, new: dict[Symbol, Any]) -> Any:
        found = rule(moved)
        if found is None:
            return moved
        attribute(found, moved)
        return found

    return remade(graph, make)


def remade(graph: Graph, make: Callable[[Symbol, Symbol, dict], Any]) -> Graph:
    """`graph` with each value replaced by `make(value, moved, new)`; itself, if none is.

    `moved` is the value on its new inputs, `new` what has become of the values before. From the
    first change on all values are new ones, so that the order of computation stays.
    """
    new: dict[Symbol, Any] = {x: x for x in graph.inputs}
    changed = False
    with using(record):
        for value in graph.values:
            if value in new:
                continue
            parts = new[value.inputs[0]] if value.op is item else None
            if isinstance(parts, tuple):
                new[value] = parts[value.attrs["index"]]
            else:
                new[value] = make(value, rebuilt(value, new, changed), new)
            changed = changed or new[value] is not value
    if not changed:
        return graph
    outputs = [as_symbol(new[v], v) for v in graph.outputs]
    return Graph(graph.inputs, outputs, graph.name)


def rebuilt(value: Symbol, new: dict[Symbol, Any], afresh: bool = False) -> Symbol:
    """`value` on its new inputs; itself, if they are the old ones, unless it is made afresh."""
    inputs = tuple([new[x] if isinstance(x, Symbol) else x for x in value.inputs])
    if value.op is None or not (afresh or any(map(differ, inputs, value.inputs))):
        return value
    if all(map(alike, inputs, value.inputs)):
        made = Symbol(value.op, inputs, value.attrs, value.shape, value.dtype)
        made.line, made.checked = value.line, value.checked
    else:
        made = emit(value.op, inputs, value.attrs, value.line)
    made.name = value.name
    return made


def alike(a: Any, b: Any) -> bool:
    """Whether an op infers the same of both: numbers and symbols of equal specs."""
    if a is b or not isinstance(a, Symbol) or not isinstance(b, Symbol):
        return a is b
    return a.shape == b.shape and a.dtype == b.dtype


def attribute(found: Any, value: Symbol) -> None:
    """Say of all that a rule has just made that it comes from the line of `value`."""
    stack = [x for x in (found if isinstance(found, tuple) else (found,)) if isinstance(x, Symbol)]
    while stack:
        made = stack.pop()
        if made.order > value.order and made.line is not value.line:
            made.line = value.line
            stack += made.operands
    if isinstance(found, Symbol) and found.name is None:
        found.name = value.name


def as_symbol(found: Any, value: Symbol) -> Symbol:
    """What an output has become: a number is a constant of the output's spec."""
    if isinstance(found, Symbol):
        return found

    return constant(value.spec.dtype.numpy.type(found))


def run_passes(graph: Graph, passes: Sequence[Pass], stop: int | None = None) -> Graph:
    """`graph` after the passes in turn, checked after each; only the first `stop` of them if given.

    With ANDON_DUMP=folder, the graph is written there after each pass.
    Raises: GraphError that names the pass after which the graph was wrong.
    """
    dump(graph, 0, "recorded")
    for number, each in enumerate(passes[:stop], 1):
        try:
            graph = each(graph).check()
        except AndonError as error:
            raise GraphError(f"pass {number}, {each.__name__}: {error}") from error
        dump(graph, number, each.__name__)
    return graph


def dump(graph: Graph, number: int, name: str) -> None:
    """Write the text of a graph into the folder that ANDON_DUMP names, if it does."""
    folder = os.environ.get("ANDON_DUMP")
    if folder:
        path = Path(folder) / f"{graph.name}.{number:02}.{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{graph}\n", encoding="utf-8")


def consumers(graph: Graph) -> dict[Symbol, int]:
    """How often each value is read, by others or as an output."""
    counts = dict.fromkeys(graph.values, 0)
    for x in all_reads(graph):
        counts[x] += 1
    return counts


def all_reads(graph: Graph) -> Iterable[Symbol]:
    for value in graph.values:
        yield from value.operands
    yield from graph.outputs


def extract(inputs: Sequence[Symbol], outputs: Sequence[Symbol], name: str) -> Graph:
    """The graph that leads from `inputs`, which may be any values, to `outputs`."""
    new: dict[Symbol, Symbol] = {}
    for x in inputs:
        new[x] = placeholder(x.spec, x.name)
    for value in between(inputs, outputs):
        if value not in new:
            new[value] = rebuilt(value, new)
    return Graph([new[x] for x in inputs], [new[y] for y in outputs], name)
