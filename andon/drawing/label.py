"""What is written on the nodes of a drawing, and how to walk from one to its inputs.

Each kind of graph is two functions: `neighbours(node)` gives its inputs, `label(node)` its text.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from .. import scalar
from ..core.errors import DTypeError
from ..core.spec import Spec

LONGEST = 44  # letters in a line; what was cut is in the tooltip
MOST_ELEMENTS = 6  # of a tensor, to be shown one by one


class Label(NamedTuple):
    """What stands in a box: two titles, left and right, over some lines of text."""

    role: str  # "leaf", "op" or "result"
    name: str
    op: str = ""
    lines: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All of it, uncut."""
        return "\n".join(printable(t) for t in (self.name, self.op, *self.lines) if t)


class Kind(NamedTuple):
    """How to walk one kind of graph: the inputs of a node, and what to write on it."""

    neighbours: Callable[[Any], Iterable[Any]]
    label: Callable[[Any], Label]


def nodes_and_kind(value: Any) -> tuple[list[Any], Kind]:
    """The nodes, each after its inputs, and the kind of graph that they are of."""
    if isinstance(value, scalar.Value):
        kind = Kind(lambda v: v._prev, lambda v: scalar_label(v, v is value))
        return inputs_first(value, kind.neighbours), kind
    from ..graph import Graph
    from ..tensor.tensor import Tensor

    if isinstance(value, Graph):
        return recorded_nodes(value)
    if not isinstance(value, Tensor):
        given = type(value).__name__
        raise DTypeError(f"draw: takes a scalar Value, a Tensor or a Graph: {given}")
    root = value if value.grad_fn is None else value.grad_fn
    kind = Kind(tape_neighbours, lambda node: tape_label(node, value))
    return inputs_first(root, kind.neighbours), kind


def scalar_label(v: scalar.Value, is_root: bool) -> Label:
    """The name if it has one, the op, and the two numbers."""
    role = "leaf" if not v._prev else "result" if is_root else "op"
    return Label(role, v.label, v._op, (f"data {v.data:.5g}", f"grad {v.grad:.5g}"))


def tape_neighbours(node: Any) -> list[Any]:
    """The inputs that a gradient flows to; a tensor that no op made has none."""
    return [x for x in getattr(node, "inputs", ()) if x is not None]


def tape_label(node: Any, result: Any) -> Label:
    """Op and attributes, dtype and shape, and what is known of the elements and `.grad`."""
    if node is result:  # a leaf, drawn by itself
        return Label("leaf", "", "", tensor_lines(result))
    if node.op is None:
        tensor = node.tensor and node.tensor()  # it may be gone by now
        return Label("leaf", "", "", tensor_lines(tensor) if tensor is not None else (spec(node),))
    is_result = node is result.grad_fn
    lines = tensor_lines(result) if is_result else (spec(node),)
    settings = ", ".join(f"{name}={value}" for name, value in node.attrs.items())
    role = "result" if is_result else "op"
    return Label(role, "", node.op.name, (settings, *lines) if settings else lines)


def recorded_nodes(graph: Any) -> tuple[list[Any], Kind]:
    """The values of a recorded graph. Single outputs are drawn as the op that gives them."""
    from ..graph.text import names_of

    names = names_of(graph)
    results = {whole(v) for v in graph.outputs}
    kind = Kind(
        lambda v: [whole(x) for x in v.operands],
        lambda v: recorded_label(v, names[v], v in results),
    )
    return [v for v in graph.values if whole(v) is v], kind


def whole(value: Any) -> Any:
    """The value; of an output of an op with several, the op's."""
    return value.inputs[0] if value.op is not None and value.op.name == "item" else value


def recorded_label(value: Any, name: Any, is_result: bool) -> Label:
    """What it is called and what op makes it, numbers and attributes, dtype and shape."""
    name = name if isinstance(name, str) else ", ".join(name)
    if value.op is None:
        kind = "constant" if value.const is not None else ""
        return Label("leaf", name, kind, (spec(value),))
    numbers = [str(x) for x in value.inputs if isinstance(x, (bool, int, float))]
    settings = ", ".join(numbers + [f"{key}={x}" for key, x in value.attrs.items()])
    lines = (settings, spec(value)) if settings else (spec(value),)
    return Label("result" if is_result else "op", name, value.op.name, lines)


def spec(node: Any) -> str:
    """As "float32[2, 3]"; a node with several outputs names them all."""
    if isinstance(node.dtype, tuple):
        return ", ".join(str(Spec(*output)) for output in zip(node.shape, node.dtype, strict=True))
    return str(node.spec)


def tensor_lines(tensor: Any) -> tuple[str, ...]:
    """The spec; the elements of a small tensor; the gradient of a leaf, or its norm."""
    lines = [str(tensor.spec)]
    if tensor.array.size <= MOST_ELEMENTS:
        lines.append(f"data {elements(tensor.array)}")
    if tensor.grad is not None:
        g = tensor.grad.array
        small = g.size <= MOST_ELEMENTS
        lines.append(f"grad {elements(g)}" if small else f"grad, its norm {norm(g):.4g}")
    return tuple(lines)


def elements(array: np.ndarray) -> str:
    """The numbers of a small array, on one line."""
    if array.dtype.kind == "V":  # bfloat16 and its like, which NumPy prints in full
        array = array.astype(np.float32)
    return np.array2string(array, separator=", ", formatter={"float_kind": "{:.4g}".format})


def norm(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.astype(np.float64)))


def inputs_first(root: Any, neighbours: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """The nodes below `root`, each once, after its inputs and in the order of operands."""
    order, seen = [], set()
    stack = [(root, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((x, False) for x in reversed(tuple(neighbours(node))))
    return order


def cells(text: str) -> int:
    """How many letters wide a text is, once cut; an ideograph is two wide."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in shorten(text))


def shorten(text: str) -> str:
    """On one line, and cut to a length that fits into a box."""
    text = printable(text)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def printable(text: str) -> str:
    """Without line breaks, and without the characters that XML forbids."""
    text = re.sub(r"\s+", " ", text)
    return re.sub(r"[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
