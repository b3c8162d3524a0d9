"""SIMPLIFY: the passes that every graph goes through, whatever device it is for.

The order has reasons. What models write by hand is recognised in the graph as it was recorded,
since only there the backward pass is what the gradient rules make; constants are folded before,
so that masks can be looked at. Softmax is recognised before attention and cross-entropy, which
contain it. Then the small rules run, each of which makes room for others, until all is settled.
"""

from __future__ import annotations

from .algebra import simplify_algebra
from .fold import fold_constants
from .ir import Graph
from .movement import push_movements
from .numbering import merge_common
from .recognise import (
    recognise_activations,
    recognise_attention,
    recognise_cross_entropy,
    recognise_linear,
    recognise_norm_weights,
    recognise_rows,
)
from .rewrite import Pass

ROUNDS = 4


def remove_unused(graph: Graph) -> Graph:
    """Values that no output depends on are gone."""
    return Graph(graph.inputs, graph.outputs, graph.name)


def settle(graph: Graph) -> Graph:
    """Constants are folded, algebra simplified, movements cancelled and equals merged, again and
    again until nothing changes."""
    for _ in range(ROUNDS):
        before = graph
        for each in (fold_constants, simplify_algebra, push_movements, merge_common):
            graph = each(graph)
        if all(a is b for a, b in zip(graph.outputs, before.outputs, strict=True)):
            break
    return graph


SIMPLIFY: list[Pass] = [
    remove_unused,
    fold_constants,
    recognise_activations,
    recognise_rows,
    recognise_norm_weights,
    recognise_linear,
    recognise_attention,
    recognise_cross_entropy,
    settle,
]
