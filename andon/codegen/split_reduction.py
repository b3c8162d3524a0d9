"""Reductions of many elements to one, split among threads: chunks first, then a total.

Each chunk leaves its accumulators. A second function makes one of them, in the order of the
chunks, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

from ..graph.affine import Axis
from ..graph.buffers import Buffers
from ..graph.ir import Symbol
from ..graph.kernel import Loop, size
from .accumulator import accumulated, accumulator, across_lanes
from .function import Function
from .loops import LoopText
from .nest import CHUNKS, Nest


def split_reduction(loop: Loop, stored: list[Symbol], buffers: Buffers) -> list[Function] | None:
    """The two functions of a loop that reduces everything; None of any other."""
    if not loop.is_whole:
        return None
    nest = Nest(loop, stored, buffers)
    return [ChunkText(nest).function(), TotalText(nest).function()]


class ChunkText(LoopText):
    """The first half: each chunk leaves its accumulators.

    A chunk is a part of the rows, or, where there are none, of the elements.
    """

    def function(self) -> Function:
        found = super().function()
        found.partials = [accumulator(m).kind for m in self.loop.reductions]
        found.work = max(1, size(self.loop.axes) // CHUNKS)
        found.unit = 1
        return found

    def partials(self) -> list[str]:
        return [f"{accumulator(m).kind} *{self.name(m)}_parts" for m in self.loop.reductions]

    def rows(self) -> None:
        *axes, fast = self.nest.inner
        self.variables, self.part, self.known = {}, "", {}
        self.open("for (long m = m0; m < m1; m++)")
        self.hoist([m for m in self.loop.members if self.nest.is_swept(m)])
        for m in self.loop.reductions:
            self.begin(m)
        if axes:
            self.chunk_of_rows(axes)
        else:
            self.chunk_of_elements(fast)
        for m in self.loop.reductions:
            total = across_lanes(m, self.nest.vector, f"{self.name(m)}_sum")
            self.emit(f"{self.name(m)}_parts[m] = {total};")
        self.close()

    def chunk_of_rows(self, axes: list[Axis]) -> None:
        begin, end = (f"{size(axes)}L * {m} / {CHUNKS}" for m in ("m", "(m + 1)"))
        self.open(f"for (long r = {begin}; r < {end}; r++)")
        self.decode(axes, "r")
        self.along_fast(self.everything)
        self.close()

    def chunk_of_elements(self, fast: Axis) -> None:
        n, step = fast.size, -(-fast.size // CHUNKS // 64) * 64
        self.emit(f"const long start = {step} * m < {n} ? {step} * m : {n};")
        self.emit(f"const long end = start + {step} < {n} ? start + {step} : {n};")
        self.along_fast(self.everything)

    def bounds(self) -> tuple[str, str]:
        return super().bounds() if self.nest.inner[:-1] else ("start", "end")

    def everything(self, part: str) -> None:
        inside = [m for m in self.loop.members if self.nest.is_swept(m)]
        reductions = [m for m in inside if m in self.loop.operand]
        stored = [m for m in inside if m in self.nest.stores and m not in self.loop.operand]
        self.point(stored, reductions, 0, part)

    def store(self, m: Symbol, swept: bool, part: str) -> None:
        if m not in self.nest.of_row:
            super().store(m, swept, part)


class TotalText(LoopText):
    """The second half: the accumulators of the chunks become one, and what is made of it."""

    def function(self) -> Function:
        found = super().function()
        found.title = found.title.removesuffix("loop") + "total"
        found.partials = [accumulator(m).kind for m in self.loop.reductions]
        found.rows, found.unit, found.work, found.serial = 1, 1, 1, True
        return found

    def partials(self) -> list[str]:
        return [f"const {accumulator(m).kind} *{self.name(m)}_parts" for m in self.loop.reductions]

    def rows(self) -> None:
        self.variables, self.part, self.known = {}, "", {}
        self.row_values(0)
        for m in self.loop.reductions:
            kind, first = accumulator(m)
            wide = "double" if kind == "float" and m.op.name not in ("amax", "amin") else kind
            self.emit(f"{wide} {self.name(m)}_sum = {first};")
            line = accumulated(m, f"{self.name(m)}_sum", f"{self.name(m)}_parts[c]")
            self.emit(f"for (long c = 0; c < {CHUNKS}; c++) {line};")
        vector, self.nest.vector = self.nest.vector, None
        for m in self.loop.reductions:
            self.conclude(m, f"{self.name(m)}_sum", False)
        self.row_values(self.nest.sweeps)
        self.nest.vector = vector
