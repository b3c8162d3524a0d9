"""The expression graph of a result, drawn: `draw(loss)` shows op, data and grad of every node.

Works on a scalar `Value`, on a Tensor that remembers how it was computed, and on a recorded
Graph. The drawing shows itself in a notebook, and `draw(loss).save("loss.svg")` writes it to
a file.
Rests on: label (what is written on a node), layout (where it goes), picture (SVG and PNG).
"""

from typing import Any

from ..core.errors import AndonError, FileFormatError
from .label import nodes_and_kind
from .layout import Box
from .picture import Drawing

__all__ = ["Drawing", "draw"]


def draw(value: Any, format: str = "svg", limit: int = 2000) -> "Drawing":
    """The graph of everything that `value` was computed from, left to right.

    Raises: FileFormatError unless `format` (of the notebook's picture) is "svg" or "png";
    AndonError if the graph has more than `limit` nodes.

    >>> from andon.scalar import Value
    >>> a = Value(2.0, label="a")
    >>> draw(a * a + 1)
    Drawing(4 nodes, 4 edges)
    """
    if format not in ("svg", "png"):
        raise FileFormatError(f"draw: format must be 'svg' or 'png': {format!r}")
    nodes, kind = nodes_and_kind(value)
    if len(nodes) > limit:
        given = f"{len(nodes)} nodes, limit={limit}"
        raise AndonError(f"draw: the graph is too large to be read, draw a part of it: {given}")
    boxes: dict[int, Box] = {}
    for node in nodes:
        inputs = [boxes[id(x)] for x in kind.neighbours(node)]
        boxes[id(node)] = Box(kind.label(node), inputs)
    return Drawing(list(boxes.values()), format)
