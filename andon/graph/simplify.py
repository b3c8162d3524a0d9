"""SIMPLIFY: the passes that every graph goes through, whatever device it is for.

The order has reasons. What models write by hand is recognised in the graph as it was recorded,
since only there the backward pass is what the gradient rules make. Softmax is recognised before
attention and cross-entropy, which contain it. Then the small rules run, each of which makes room
for others, until all is settled.
"""

from __future__ import annotations

from .algebra import algebra
from .fold import fold
from .ir import Graph
from .movement import cancel_across, movement
from .numbering import merge_common
from .parts import join_parts
from .recognise import (
    recognise_activations,
    recognise_attention,
    recognise_cross_entropy,
    recognise_linear,
    recognise_norm_weights,
    recognise_rows,
)
from .rewrite import Pass, rewrite
from .rules import repeated
from .writes import writes

ROUNDS = 4


def remove_unused(graph: Graph) -> Graph:
    """Values that no output depends on are gone."""
    return Graph(graph.inputs, graph.outputs, graph.name)


anything = repeated(fold, algebra, movement, writes)


def settle(graph: Graph) -> Graph:
    """Constants are folded, algebra simplified, movements cancelled and equals merged, again and
    again until nothing changes."""
    for _ in range(ROUNDS):
        before = graph
        graph = merge_common(cancel_across(rewrite(graph, anything)))
        if graph is before:
            break
    return graph


SIMPLIFY: list[Pass] = [
    remove_unused,
    recognise_activations,
    recognise_rows,
    recognise_norm_weights,
    recognise_linear,
    recognise_attention,
    recognise_cross_entropy,
    join_parts,
    settle,
]
