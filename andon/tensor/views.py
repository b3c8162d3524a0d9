"""Views: tensors on the memory of another, and what an in-place change does to their history.

A view knows its `base` (never itself a view) and the `recipe`: the view ops from base to view.
An in-place change gives the base a new node, `write`; each view then derives its own node anew
from the base when it is next used. So `a[0].mul_(2)` reaches the gradients of `a`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.engine import Node
from ..core.op import Op, interpreters, item
from ..core.spec import spec_of
from ..ops.index import Recipe, write


def link(view: Any, op: Op, x: Any, attrs: dict, index: int | None = None) -> None:
    """Note that `view` is `op` of `x`, if they do share memory."""
    if not np.may_share_memory(view.array, x.array) and view.array.size:
        return
    view.memory = x.memory
    if x.base is None:
        view.base, view.origin = x, x.array
    else:
        view.base, view.origin = x.base, x.origin
    view.seen = view.base.node
    view.recipe = (*x.recipe, (op, attrs, index))


def replay(view: Any) -> None:
    """Derive the node of `view` anew, from what its base has become."""
    if view.base.array is not view.origin:
        rebase(view)
        if view.base is None:
            return
    node, array = view.base.node, view.base.array
    view.seen = node
    for op, attrs, index in view.recipe:
        result = interpreters.arrays(op, (array,), attrs)
        if node is not None:
            node = view_node(op, node, attrs, array, result, index) if op.vjp else None
        array = result if index is None else result[index]
    view.node = node


def rebase(view: Any) -> None:
    """Bring the recipe up to date with a base whose array is another than when it was noted.

    It was reshaped in place, and its `turns` lead back; or it was given other elements by
    assigning to `.data`, and then this is a view of it no more.
    """
    back = []
    for before, step in reversed(view.base.turns):
        back.append(step)
        if before is view.origin:
            view.recipe, view.origin = (*back, *view.recipe), view.base.array
            return
    view.base, view.recipe = None, ()


def view_node(op: Op, node: Node, attrs: dict, x: Any, y: Any, index: int | None) -> Node:
    """The node of a view op, whose gradient rule reads no elements."""
    if index is None:
        made = Node(op, (node,), attrs, y.shape, y.dtype)
        made.saved = (None, spec_of(x))
        return made
    whole = Node(op, (node,), attrs, tuple(a.shape for a in y), tuple(a.dtype for a in y))
    whole.saved = ([None] * len(y), spec_of(x))
    return Node(item, (whole,), {"index": index}, y[index].shape, y[index].dtype)


def rewrite_history(tensor: Any, result: Any, overwritten: bool = False) -> None:
    """Give `tensor` the history of `result`, whose elements it has just taken on.

    Where the old elements were `overwritten`, they keep their place on the tape, with a gradient
    of 0; elsewhere the history of `result` leads to them.
    """
    before = tensor.node
    if tensor.base is not None and tensor.base.array is not tensor.origin:
        rebase(tensor)
    if tensor.base is None and not overwritten:
        tensor.node = result.node
    else:
        base = tensor if tensor.base is None else tensor.base
        base.node = write_node(base, tensor, result.node)
        if tensor is not base:
            replay(tensor)
    if before is not None and before.op is not None and before.tensor is not None:
        before.tensor = None
        tensor.retain_grad()


def write_node(base: Any, view: Any, part: Node | None) -> Node:
    """The node of `base` after the elements that its `view` shows were made those of `part`."""
    array = base.array
    attrs = {"recipe": Recipe(view.recipe)}
    node = Node(write, (base.node, part), attrs, array.shape, array.dtype)
    node.saved = (None, spec_of(array), spec_of(view.array))
    return node
