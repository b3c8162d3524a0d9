"""Frame: what one call of an executable needs: its arena, and the addresses of what it was given.

Executables keep their frames. A call that gives the same arrays as the one before finds their
addresses in place; weak references tell, so that no array lives longer for it.
"""

from __future__ import annotations

import ctypes
import weakref
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..core.dtype import dtype
from ..core.errors import ArgumentError, ShapeError
from ..core.spec import Spec
from ..devices import threads
from ..graph.ir import Graph, Symbol
from ..graph.kernel import Call
from ..graph.memory import ALIGNMENT
from .layout import Layout

Nothing = type("Nothing", (), {})


class Frame:
    """Memory for one call at a time."""

    def __init__(self, layout: Layout, graph: Graph, updates: Mapping[int, int]):
        self.layout, self.inputs = layout, graph.inputs
        self.updated = set(updates.values())
        self.overwritten = spans(())
        self.threads = threads.count() if layout.per_thread else 1
        size = layout.arena + self.threads * layout.per_thread
        self.memory = np.empty(size + ALIGNMENT, np.uint8)
        skip = -self.memory.ctypes.data % ALIGNMENT
        self.arena = self.memory[skip : skip + layout.arena]
        self.arena_address = self.memory.ctypes.data + skip
        inputs, outputs = len(graph.inputs), len(graph.outputs)
        self.given = (ctypes.c_void_p * max(inputs + outputs + len(layout.constants), 1))()
        self.arrays: list[Any] = [None] * (inputs + outputs) + layout.constants
        for i, c in enumerate(layout.constants):
            self.given[inputs + outputs + i] = c.ctypes.data
        self.seen: list[Any] = [Nothing] * inputs
        self.stand_ins: dict[int, np.ndarray] = {}
        self.fresh = [
            (inputs + i, y.shape, y.dtype)
            for i, y in enumerate(graph.outputs)
            if layout.returned[i] == inputs + i
        ]

    # ---- before a call

    def bind(self, inputs: Sequence[np.ndarray]) -> None:
        """Note where the inputs are, and make arrays for the outputs."""
        seen = self.seen
        if len(inputs) != len(seen):
            raise ShapeError(f"run: {len(seen)} inputs expected: {len(inputs)}")
        new = [i for i, x in enumerate(inputs) if seen[i]() is not x]
        if not self.updated.isdisjoint(new):
            self.overwritten = spans((j, inputs[j]) for j in self.updated)
        for i in new:
            self.bind_input(i, inputs[i])
        if self.stand_ins:
            self.fill_stand_ins(inputs)
        for at, shape, kind in self.fresh:
            array = np.empty(shape, kind)
            self.arrays[at] = array
            self.given[at] = array.__array_interface__["data"][0]
        if self.layout.unit is not None:
            self.arrays[: len(inputs)] = [self.stand_ins.get(i, x) for i, x in enumerate(inputs)]

    def bind_input(self, i: int, x: Any) -> None:
        """Note one array, or a copy in its place if C cannot use it as it is."""
        shape, kind = self.inputs[i].shape, self.inputs[i].dtype
        if type(x) is not np.ndarray or x.shape != shape or x.dtype != kind:
            self.explain(i, x)
        flags = x.flags
        if i in self.updated and not flags.writeable:
            raise ArgumentError(f"run: input {i} is updated, but its array cannot be written to")
        self.stand_ins.pop(i, None)
        self.seen[i] = weakref.ref(x)
        if not (flags.c_contiguous and flags.aligned) or self.is_shared(i, x):
            self.seen[i] = Nothing  # to be looked at again next time
            x = self.stand_ins[i] = np.empty(shape, kind)
        self.given[i] = x.__array_interface__["data"][0]

    def is_shared(self, i: int, x: np.ndarray) -> bool:
        """Whether x lies in memory that an update of another input would change."""
        if not self.updated:
            return False
        starts, farthest, found = self.overwritten
        start, end = byte_bounds(x)
        k = bisect_left(starts, end) - 1
        while k >= 0 and farthest[k] > start:
            if found[k][0] != i and found[k][1] > start:
                return True
            k -= 1
        return False

    def explain(self, i: int, x: Any) -> None:
        symbol = self.inputs[i]
        if not isinstance(x, np.ndarray):
            raise ArgumentError(f"run: %{symbol.name} must be an array: {type(x).__name__}")
        if x.shape != symbol.shape or x.dtype != symbol.dtype:
            have = Spec(x.shape, dtype(x.dtype))
            raise ShapeError(f"run: %{symbol.name} is {symbol.spec}, but was given: {have}")

    def fill_stand_ins(self, inputs: Sequence) -> None:
        for i, copy in self.stand_ins.items():
            np.copyto(copy, inputs[i])

    # ---- after it

    def results(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs: new arrays, and those that were updated or handed through."""
        for i, copy in self.stand_ins.items():
            if i in self.updated:
                np.copyto(inputs[i], copy)
        count, arrays = len(inputs), self.arrays
        found = [inputs[at] if at < count else arrays[at] for at in self.layout.returned]
        if self.layout.unit is not None:
            arrays[:count] = [None] * count
        for at, _, _ in self.fresh:
            arrays[at] = None
        return found

    # ---- parts of a call that Python does

    def view(self, value: Symbol) -> np.ndarray:
        """The elements of a value where they lie."""
        unit: Any = self.layout.unit
        found = unit.buffers.strided(value)
        assert found is not None  # what no strides say is copied before
        base, offset, strides = found
        place, size = unit.plan.places[base], base.dtype.itemsize
        steps = tuple(s * size for s in strides)
        if place.in_arena:
            start = place.at + offset * size
            return np.ndarray(value.shape, value.dtype, self.arena, start, steps)
        flat = self.arrays[place.at].reshape(-1).view(value.dtype)
        return np.ndarray(value.shape, value.dtype, flat, offset * size, steps)

    def call_reference(self, kernel: Call) -> None:
        """Compute one op by its reference."""
        node, unit = kernel.node, self.layout.unit
        op: Any = node.op
        operands = [self.view(x) if isinstance(x, Symbol) else x for x in node.inputs]
        if op.promote is not None:
            operands = op.promote(operands)
        made = op.reference(*operands, **node.attrs)
        for value, array in zip(
            kernel.results, made if isinstance(made, tuple) else (made,), strict=True
        ):
            if unit.buffers.memory(value) in unit.plan.places:  # type: ignore[union-attr]
                np.copyto(self.view(value), array, casting="unsafe")

    def copy_updates(self) -> None:
        """Copy what could not be written over its input at once."""
        if self.layout.unit is None:
            return
        updates = self.layout.unit.plan.updates
        found = [(self.arrays[target], self.view(y)) for target, y in updates]
        for target, made in [(t, m.copy() if len(found) > 1 else m) for t, m in found]:
            np.copyto(target, made)


def spans(arrays: Iterable[tuple[int, Any]]) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Where numbered arrays lie, in order: the starts, the farthest end so far, (number, end)."""
    found = [(*byte_bounds(x), i) for i, x in arrays if isinstance(x, np.ndarray)]
    found.sort()
    farthest = list(accumulate((end for _, end, _ in found), max))
    return [start for start, _, _ in found], farthest, [(i, end) for _, end, i in found]
