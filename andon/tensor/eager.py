"""The eager interpreter: an op applied to tensors is its kernel, run at once.

While a gradient is wanted, it also records: a Node with what the op's gradient rule reads, and
nothing else. The shape rule runs only to explain a failure: it costs more than small kernels do.
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..autograd.engine import Node, item
from ..core.errors import AndonError, DTypeError, IndexingError, ShapeError
from ..core.mode import mode
from ..core.op import Op
from ..core.spec import spec_of
from .tensor import Tensor, wrap
from .views import link, replay


def eager(op: Op, inputs: tuple, attrs: dict) -> Any:
    """Apply `op` to tensors and Python numbers; the result is a tensor, or a tuple of them.

    Written out in one piece: it runs once per op, and small ops take less time than a call.
    """
    arrays, nodes = [], []
    wanted, bit = 0, 1  # a bit per input that a gradient goes to
    for x in inputs:
        if isinstance(x, Tensor):
            if x.base is not None and x.base.node is not x.seen:
                replay(x)
            node = x.node
            arrays.append(x.array)
            nodes.append(node)
            if node is not None:
                wanted |= bit
        else:
            arrays.append(operand(x, op))
            nodes.append(None)
        bit += bit
    try:
        promoted = arrays if op.promote is None else op.promote(arrays)
        y = op.kernel(*promoted, **attrs) if attrs else op.kernel(*promoted)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError) as error:
        explain(op, inputs, attrs, error)
    recorded = wanted > 0 and mode.grad and op.differentiable
    if type(y) is tuple:
        return wrap_outputs(op, inputs, arrays, nodes, attrs, y, recorded)
    result = wrap(y)
    if recorded and result.array.dtype.kind in "fV":
        result.node = record(op, inputs, arrays, nodes, attrs, result, wanted)
    if op.view and isinstance(inputs[0], Tensor):
        link(result, op, inputs[0], attrs)
    return result


def operand(x: Any, op: Op) -> Any:
    """A Python number as it is, an array as it is; anything else is not an operand.

    None is an operand that is absent; elementwise ops, which promote, have none of these.
    """
    if isinstance(x, np.generic):
        return x.item()
    if isinstance(x, (bool, int, float, np.ndarray)) or (x is None and op.promote is None):
        return x
    raise DTypeError(f"{op}: expects tensors or numbers: {type(x).__name__}")


def record(
    op: Op, inputs: tuple, arrays: list, nodes: list, attrs: dict, y: Tensor, wanted: int
) -> Node:
    """The node of a result, with what its gradient rule will read."""
    node = Node(op, tuple(nodes), attrs, y.array.shape, y.array.dtype)
    if not op.partials:
        node.saved, node.memories = keep(op.keeps, y.array, (y, *inputs), arrays)
    elif keeps := op.reads[wanted]:
        saved, memories = {}, []
        for i in keeps:
            x = inputs[i - 1] if i else y
            saved[i] = arrays[i - 1] if i else y.array
            if isinstance(x, Tensor):
                memories.append(x.memory)
        node.saved, node.memories = saved, memories
    return node


def keep(keeps: tuple, y: Any, tensors: tuple, arrays: list) -> tuple[list, list]:
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
    kinds = {ValueError: ShapeError, IndexError: IndexingError, TypeError: DTypeError,
             OverflowError: DTypeError, AttributeError: DTypeError}  # fmt: skip
    kind = kinds.get(type(error), type(error))
    raise kind(f"{op}: {error}: {', '.join(map(str, specs))}") from error


