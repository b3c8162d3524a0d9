"""Executable: a graph compiled to machine code, as a function of arrays.

    executable = Executable(graph, updates={0: 2})
    loss, weight = executable([x, y, weight])

A call is one call of C, in which the GIL is free. Outputs that `updates` maps to an input are
written over that input's array; the others are new arrays. What the compiler has no kernel for is
computed by the op's reference, between two segments of C. Without a C compiler everything is.
"""

from __future__ import annotations

import ctypes
import threading
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..codegen.halves import halves
from ..codegen.translation_unit import Unit, translate
from ..devices import compiler, threads
from ..devices.headers import expanded
from ..graph.ir import Graph
from ..graph.lower import lower
from .frame import Frame


class Executable:
    """A compiled graph. Calls from several threads at once are independent of one another."""

    def __init__(self, graph: Graph, updates: Mapping[int, int] | None = None):
        self.graph, self.updates = graph, dict(updates or {})
        self.specs = [(x.shape, x.dtype) for x in graph.inputs]
        self.frames: list[Frame] = []
        self.lock = threading.Lock()
        self.unit: Unit | None = None
        self.library: ctypes.CDLL | None = None
        if not is_empty(graph) and have_compiler():
            self.unit = translate(lower(graph), self.updates)
            if any(isinstance(step, int) for step in self.unit.steps):
                self.library = loaded(self.unit)

    @property
    def c_source(self) -> str:
        """The C that was compiled."""
        return "" if self.unit is None else self.unit.source

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self.unit is None:
            return self.by_reference(inputs)
        try:
            frame = self.frames.pop()
        except IndexError:
            frame = Frame(self.unit, self.specs, self.updates)
        try:
            arrays = frame.bind(inputs)
            if self.run(frame, arrays):
                return self.by_reference(inputs)
            return frame.results(inputs)
        finally:
            self.frames.append(frame)

    def run(self, frame: Frame, arrays: Sequence) -> int:
        """Run the steps in turn; gives what went wrong, or 0."""
        unit: Any = self.unit
        for step in unit.steps:
            if type(step) is int:
                error = self.library.run(step, frame.arena_address, frame.given, frame.threads)  # type: ignore[union-attr]
                if error:
                    return error
            else:
                frame.call_reference(step)
        frame.copy_updates()
        return 0

    def by_reference(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The same by the reference executor: where there is no compiler, and to raise errors."""
        outputs = self.graph.run(*inputs)
        for i, j in self.updates.items():
            inputs[j][...] = outputs[i]
            outputs[i] = inputs[j]
        return outputs


def is_empty(graph: Graph) -> bool:
    """Whether a value has no elements: then there is nothing worth compiling."""
    shapes = (s for v in graph.values for s in (v.shape if type(v.dtype) is tuple else (v.shape,)))
    return any(0 in shape for shape in shapes)


def loaded(unit: Unit) -> ctypes.CDLL:
    """The library of a unit, its function declared; of a large one, made by two compilers."""
    pair = halves(unit)
    if pair is None:
        library = load(unit.source)
    else:
        with ThreadPoolExecutor(1) as other:
            apart = other.submit(load, pair[1])
            library = load(pair[0])
        table = apart.result().functions_apart
        table.restype = ctypes.c_void_p
        library.bind.argtypes = [ctypes.c_void_p]
        library.bind(table())
    library.run.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long]
    library.run.restype = ctypes.c_int
    threads.attach(library)
    return library


def load(source: str) -> ctypes.CDLL:
    return compiler.load(expanded(source), flags=("-fwrapv",))


WARNED: list[bool] = []


def have_compiler() -> bool:
    """Whether C can be compiled; if not, that is said once."""
    if compiler.available():
        return True
    if not WARNED:
        WARNED.append(True)
        warnings.warn("no C compiler: compiled graphs run by NumPy, op by op", stacklevel=4)
    return False
