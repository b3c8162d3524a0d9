"""Recording: an op applied to symbols makes a symbol.

`record` is an interpreter like the eager one. What NumPy would do silently is written down:
operands of an elementwise op are cast to their common dtype by nodes of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from ..core.dtype import dtype
from ..core.errors import DTypeError, GraphError
from ..core.op import Op, item
from ..core.spec import Spec
from ..ops.movement import cast
from .ir import Symbol, constant, operand_specs

# Frames of these parts of andon are not the user's code; those of models are
PACKAGE = Path(__file__).parent.parent
INSIDE = tuple(
    str(PACKAGE / part)
    for part in ("core", "ops", "autograd", "tensor", "graph", "engine", "nn", "optim", "func")
)


def record(op: Op, inputs: tuple, attrs: dict) -> Any:
    """The symbol of `op` applied to symbols, arrays and numbers; a tuple, of several outputs."""
    node = emit(op, promoted(op, tuple(map(lift, inputs))), attrs)
    if not isinstance(node.dtype, tuple):
        return node
    return tuple(output(node, i) for i in range(len(node.shape)))


def emit(op: Op, operands: tuple, attrs: dict, where: Any = None) -> Symbol:
    """The symbol of an op, its operands being symbols and numbers of the dtypes that it takes."""
    if op.infer is None:
        raise GraphError(f"{op}: has no shape rule, so that it cannot be recorded")
    found = op.infer(*operand_specs(op, operands), **attrs)
    if type(found) is Spec:
        node = Symbol(op, operands, attrs, tuple(found.shape), found.dtype.numpy)
    else:
        shapes, dtypes = zip(*((tuple(s.shape), s.dtype.numpy) for s in found), strict=True)
        node = Symbol(op, operands, attrs, shapes, dtypes)
    node.checked = True
    node.line = where or user_line()
    return node


def output(node: Symbol, index: int) -> Symbol:
    """Output number `index` of an op with several."""
    symbol = Symbol(item, (node,), {"index": index}, node.shape[index], node.dtype[index])
    symbol.line = node.line
    return symbol


def lift(x: Any) -> Any:
    """An operand as graphs have it: a symbol, a Python number, or None."""
    if x is None or isinstance(x, Symbol):
        return x
    if isinstance(x, (bool, int, float)) and not isinstance(x, np.generic):
        return x
    if isinstance(x, (np.ndarray, np.generic)):
        return constant(x)
    raise DTypeError(f"graph: expects symbols, arrays or numbers: {type(x).__name__}")


def promoted(op: Op, operands: tuple) -> tuple:
    """The operands as the op's promotion rule would have them."""
    if op.promote is None:
        return operands
    before = [stand_in(x) for x in operands]
    after = op.promote(before)
    return tuple(map(brought_to, operands, before, after))


def stand_in(x: Any) -> Any:
    """An array without elements that promotes as the operand does."""
    return np.empty((0,) if x.shape else (), x.dtype) if isinstance(x, Symbol) else x


def brought_to(x: Any, before: Any, after: Any) -> Any:
    """The operand x, cast as its stand-in was. Integers wrap as they do in the dtype."""
    if after is before:
        return x
    if isinstance(x, Symbol):
        return x if x.dtype == after.dtype else emit(cast, (x,), {"dtype": dtype(after.dtype)})
    return x if dtype(after.dtype).is_floating_point else after.item()


def user_line() -> tuple[str, int] | None:
    """(file, line) of the innermost frame that is not of the framework's own machinery."""
    frame: Any = sys._getframe(2)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(INSIDE) and not file.startswith("<frozen"):
            return file, frame.f_lineno
        frame = frame.f_back
    return None
