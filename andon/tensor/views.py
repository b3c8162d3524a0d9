"""Views: tensors on the memory of another, and what an in-place change does to their history.

A view knows its `base` (never itself a view) and the `recipe`: the view ops from base to view.
An in-place change gives the base a new node, `write`; each view then derives its own node anew
from the base when it is next used. So `a[0].mul_(2)` reaches the gradients of `a`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.engine import Node, item
from ..core.op import Op
from ..core.spec import spec_of
from ..ops.index import write


def link(view: Any, op: Op, x: Any, attrs: dict, index: int | None = None) -> None:
    """Note that `view` is `op` of `x`, if they do share memory."""
    if not np.may_share_memory(view.array, x.array):
        return
    view.memory = x.memory
    view.base = x if x.base is None else x.base
    view.seen = view.base.node
    view.recipe = (*x.recipe, (op, attrs, index))


def replay(view: Any) -> None:
    """Derive the node of `view` anew, from what its base has become."""
    node = view.seen = view.base.node
    array = view.base.array
    for op, attrs, index in view.recipe:
        result = op.reference(array, **attrs)
        if node is not None:
            node = view_node(op, node, attrs, array, result, index)
        array = result if index is None else result[index]
    view.node = node


def view_node(op: Op, node: Node, attrs: dict, x: Any, y: Any, index: int | None) -> Node:
    """The node of a view op, whose gradient rule reads no elements."""
    if index is None:
        made = Node(op, (node,), attrs, y.shape, y.dtype)
        made.saved = (None, spec_of(x))
        return made
    whole = Node(op, (node,), attrs, tuple(a.shape for a in y), tuple(a.dtype for a in y))
    whole.saved = ([None] * len(y), spec_of(x))
    return Node(item, (whole,), {"index": index}, y[index].shape, y[index].dtype)


def rewrite_history(tensor: Any, result: Any) -> None:
    """Give `tensor` the history of `result`, whose elements it has just taken on."""
    if tensor.base is None:
        tensor.node = result.node
        return
    base = tensor.base
    recipe = Recipe(tensor.recipe)
    node = Node(write, (base.node, result.node), {"recipe": recipe}, base.array.shape,
                base.array.dtype)  # fmt: skip
    node.saved = (None, spec_of(base.array), spec_of(tensor.array))
    base.node = node
    replay(tensor)


class Recipe(tuple):
    """View ops from a base to a view; compared by identity, so that it can be an attribute."""

    __hash__ = object.__hash__
    __eq__ = object.__eq__
