"""Copies that are transposes: by squares of vectors rather than element by element."""

from __future__ import annotations

from ..graph.buffers import Buffers
from ..graph.ir import Symbol
from ..graph.kernel import Loop
from .function import Function
from .loops import LoopText
from .nest import Nest

LANES = 16  # of the widest vectors


def transposition(loop: Loop, stored: list[Symbol], buffers: Buffers) -> list[Function] | None:
    """The function of a loop that does no more than transpose a matrix; None of any other."""
    if len(loop.members) != 1 or not loop.copies or loop.members[0].dtype.name != "float32":
        return None
    nest = Nest(loop, stored, buffers)
    (load,), (store,) = nest.loads.values(), nest.stores.values()
    if len(nest.outer) != 1 or len(nest.inner) != 1:
        return None
    (rows,), (columns,) = nest.outer, nest.inner
    if load.stride(rows) != 1 or store.stride(columns) != 1 or load.stride(columns) < 2:
        return None
    return [TransposeText(nest).function()]


class TransposeText(LoopText):
    """The call of `transpose`."""

    def rows(self) -> None:
        nest = self.nest
        (load,), (store,) = nest.loads.values(), nest.stores.values()
        (rows,), (columns,) = nest.outer, nest.inner
        to = f"{self.buffer(store.value, True)}, {store.stride(rows)}"
        source = f"{self.buffer(load.value)}, {load.stride(columns)}"
        self.emit(f"transpose(m0, m1, {columns.size}, {source}, {to});")

    def function(self) -> Function:
        found = super().function()
        found.unit, found.headers = LANES, ("transpose.h",)
        return found
