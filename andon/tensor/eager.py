"""The eager interpreter: an op applied to tensors is its kernel, run at once.

While a gradient is wanted, it also records: a Node with what the op's gradient rule reads, and
nothing else. The shape rule runs only to explain a failure: it costs more than small kernels do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from ..autograd.engine import Node
from ..core.errors import AndonError, DTypeError, translated
from ..core.mode import mode
from ..core.op import Op, Symbolic, interpreters, item
from ..core.spec import spec_of
from .tensor import Tensor, wrap
from .views import link, replay


def eager(op: Op, inputs: tuple, attrs: dict) -> Any:
    """Apply `op` to tensors and Python numbers; the result is a tensor, or a tuple of them."""
    if op.partials and not attrs and type(a := inputs[0]) is Tensor and a.base is None:
        dtype = a.array.dtype
        if dtype.kind == "f":
            if len(inputs) == 1:
                return of_one(op, a, attrs)
            b = inputs[1]
            plain = len(inputs) == 2 and type(b) is Tensor and b.base is None
            if plain and b.array.dtype is dtype:
                return of_two(op, a, b, attrs)
    return carry_out(op, inputs, attrs)


def carry_out(op: Op, inputs: tuple, attrs: dict) -> Any:
    """What `eager` does in general, on the arrays that the tensors have or are recorded by."""
    arrays, nodes, recorded = [], [], False
    for x in inputs:
        if isinstance(x, Tensor):
            if x.base is not None and x.base.node is not x.seen:
                replay(x)
            arrays.append(x.array if interpreters.recorder is None else x.elements())
            nodes.append(x.node)
            recorded = recorded or x.node is not None
        else:
            arrays.append(operand(x, op))
            nodes.append(None)
    try:
        y = interpreters.arrays(op, tuple(arrays), attrs)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError) as error:
        explain(op, inputs, attrs, error)
    recorded = recorded and mode.grad and op.differentiable
    if type(y) is tuple:
        return wrap_outputs(op, inputs, arrays, nodes, attrs, y, recorded)
    result = wrap(y)
    if recorded and result.array.dtype.kind in "fV":
        result.node = record(op, inputs, arrays, nodes, attrs, result)
    if op.view and isinstance(inputs[0], Tensor):
        link(result, op, inputs[0], attrs)
    return result


# Most ops of a program are elementwise, of one tensor or of two of one floating dtype that are no
# views. Without `eager`'s loop and its questions they take half the time.


def of_one(op: Op, a: Tensor, attrs: dict) -> Tensor:
    """What `eager` comes to for an elementwise op of one tensor."""
    try:
        y = wrap(op.kernel(a.array))
    except (ValueError, TypeError) as error:
        explain(op, (a,), attrs, error)
    node = a.node
    if node is not None and mode.grad:
        y.node = Node(op, (node,), attrs, y.array.shape, y.array.dtype)
        if keeps := op.reads[1]:
            save(y.node, keeps, (y, a))
    return y


def of_two(op: Op, a: Tensor, b: Tensor, attrs: dict) -> Tensor:
    """What `eager` comes to for an elementwise op of two tensors."""
    try:
        y = wrap(op.kernel(a.array, b.array))
    except (ValueError, TypeError) as error:
        explain(op, (a, b), attrs, error)
    wanted = (a.node is not None) + 2 * (b.node is not None)
    if wanted and mode.grad:
        y.node = Node(op, (a.node, b.node), attrs, y.array.shape, y.array.dtype)
        if keeps := op.reads[wanted]:
            save(y.node, keeps, (y, a, b))
    return y


def save(node: Node, keeps: tuple, slots: tuple) -> None:
    """Keep, of a result and its operands, what the gradient rules of the op read."""
    node.saved, node.memories = {}, []
    for i in keeps:
        x = slots[i]
        if isinstance(x, Tensor):
            node.saved[i] = x.array
            node.memories.append(x.memory)
        else:
            node.saved[i] = x.item() if isinstance(x, np.generic) else x


def operand(x: Any, op: Op) -> Any:
    """A Python number as it is, an array as it is; anything else is not an operand.

    None is an operand that is absent; elementwise ops, which promote, have none of these.
    """
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, (bool, int, float, np.ndarray, Symbolic)) or (
        x is None and op.promote is None
    ):
        return x
    raise DTypeError(f"{op}: expects tensors or numbers: {type(x).__name__}")


def record(op: Op, inputs: tuple, arrays: list, nodes: list, attrs: dict, y: Tensor) -> Node:
    """The node of a result, with what its gradient rule will read."""
    node = Node(op, tuple(nodes), attrs, y.array.shape, y.array.dtype)
    if op.partials:
        wanted = sum(1 << i for i, x in enumerate(nodes) if x is not None)
        save(node, op.reads[wanted], (y, *inputs))
    else:
        node.saved, node.memories = keep(op.keeps, y.array, (y, *inputs), arrays)
    return node


def keep(keeps: tuple, y: Any, tensors: tuple, arrays: Sequence) -> tuple[list, list]:
    """The slots of a joint rule: what it reads, and Specs for the rest; and their memories."""
    if keeps and keeps[-1] < 0:
        keeps = (*keeps[:-1], *range(-keeps[-1], len(tensors)))
    saved = [y if 0 in keeps else None]
    for i, x in enumerate(arrays, 1):
        saved.append(x if i in keeps or x is None else spec_of(x))
    return saved, [tensors[i].memory for i in keeps if isinstance(tensors[i], Tensor)]


def wrap_outputs(
    op: Op, inputs: tuple, arrays: list, nodes: list, attrs: dict, ys: tuple, recorded: bool
) -> tuple:
    """The results of an op with several outputs: each an `item` of one node."""
    results = tuple(wrap(y) for y in ys)
    if recorded:
        shapes = tuple(y.shape for y in ys)
        node = Node(op, tuple(nodes), attrs, shapes, tuple(y.dtype for y in ys))
        kept = [y.array for y in results]
        node.saved, node.memories = keep(op.keeps, kept, (None, *inputs), arrays)
        if 0 in op.keeps:  # of outputs that people see, rules read none but the integer ones
            node.memories += [y.memory for y in results if y.array.dtype.kind in "iub"]
        for i, y in enumerate(results):
            if y.array.dtype.kind in "fV":
                y.node = Node(item, (node,), {"index": i}, y.array.shape, y.array.dtype)
    if op.view and isinstance(inputs[0], Tensor):
        for i, y in enumerate(results):
            link(y, op, inputs[0], attrs, i)
    return results


def explain(op: Op, inputs: tuple, attrs: dict, error: Exception) -> NoReturn:
    """Raise what the shape rule says of the operands; failing that, NumPy's own words."""
    if isinstance(error, AndonError):
        raise error
    specs = [spec_of(x) if x is not None else None for x in inputs]
    if op.infer is not None:
        try:
            op.infer(*specs, **attrs)
        except AndonError as told:
            raise told from None
    raise translated(error, op.name, ", ".join(map(str, specs))) from error
