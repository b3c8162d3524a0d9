"""One op as a compiled graph of arrays, each given as its memory lies."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.errors import AndonError, CompileError, DeviceError
from ..core.op import Op, using
from ..core.spec import spec_of
from ..devices import compiler
from ..graph.ir import Graph, placeholder
from ..graph.record import record
from ..ops.movement import permute
from .executable import Executable

Order = tuple[int, ...] | None  # the dims of an array as they lie; None of what is no array


def compiled(op: Op, inputs: Sequence, orders: Sequence[Order], attrs: dict) -> Callable | None:
    """What computes the op of arrays permuted to `orders`; None where its reference has to do."""
    if not compiler.available():
        return None
    try:
        made = Executable(graph_of(op, inputs, orders, attrs))
    except (CompileError, DeviceError) as error:
        warnings.warn(f"{op}: NumPy computes it, since it was not compiled: {error}", stacklevel=2)
        return None
    except AndonError:  # what is wrong with the operands, the reference says
        return None
    in_c = made.layout is not None and all(isinstance(step, int) for step in made.layout.steps)
    return made if in_c else None


def graph_of(op: Op, inputs: Sequence, orders: Sequence[Order], attrs: dict) -> Graph:
    """The graph of one op on these operands."""
    given = []
    operands = list(inputs)
    with using(record):
        for i, order in enumerate(orders):
            if order is not None:
                given.append(placeholder(spec_of(inputs[i].transpose(order)), op.operands[i]))
                back = tuple(int(d) for d in np.argsort(order))
                moved = back != tuple(range(len(back)))
                operands[i] = permute.apply(given[-1], dims=back) if moved else given[-1]
        found: Any = record(op, tuple(operands), attrs)
    return Graph(given, list(found) if isinstance(found, tuple) else [found], op.name)
