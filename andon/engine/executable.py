"""Executable: a graph compiled to machine code, as a function of arrays.

    executable = Executable(graph, updates={0: 2})
    loss, weight = executable([x, y, weight])

A call is one call of C, in which the GIL is free. Outputs that `updates` maps to an input are
written over that input's array; the others are new arrays. What the compiler has no kernel for is
computed by the op's reference, between two segments of C. Without a C compiler everything is.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..codegen.halves import halves
from ..codegen.translation_unit import Unit, translate
from ..core.lazy import lazy
from ..devices import compiler, object_cache, threads
from ..devices.allocator import keep_freed_memory
from ..graph.ir import Graph
from ..graph.lower import lower
from ..graph.rewrite import Pass, run_passes
from . import compilation_cache
from .frame import Frame
from .layout import Layout


class Executable:
    """A compiled graph. Calls from several threads at once are independent of one another.

    `passes` are run on the graph first, unless the result of all that is on disk already.
    """

    def __init__(
        self,
        graph: Graph,
        updates: Mapping[int, int] | None = None,
        passes: Sequence[Pass] = (),
    ):
        self.recorded, self.passes, self.updates = graph, passes, dict(updates or {})
        self.frames: list[Frame] = []
        self.layout: Layout | None = None
        self.library: ctypes.CDLL | None = None
        if not (is_empty(graph) and is_empty(self.graph)) and have_compiler():
            self.layout, self.library = self.found() or self.built()
            keep_freed_memory()

    @lazy
    def graph(self) -> Graph:
        """The graph after its passes."""
        return run_passes(self.recorded, self.passes) if self.passes else self.recorded

    @lazy
    def unit(self) -> Unit:
        """The graph as C."""
        return translate(lower(self.graph), self.updates)

    @lazy
    def timed(self) -> Any:
        """The same with a clock around the call of each kernel."""
        from .timing import TimedExecutable

        return TimedExecutable(self)

    @property
    def c_source(self) -> str:
        """The C that was compiled."""
        return "" if self.layout is None else self.unit.source

    @lazy
    def key(self) -> str | None:
        return compilation_cache.key_of(self.recorded, self.updates, self.passes)

    def found(self) -> tuple[Layout, ctypes.CDLL | None] | None:
        """What an earlier process has built, if it is still on disk."""
        entry = compilation_cache.find(self.key)
        if entry is None:
            return None
        paths = [object_cache.find(key) for key in entry.libraries]
        found = [compiler.library(path) for path in paths if path]
        return (entry.layout, joined(found)) if found and len(found) == len(paths) else None

    def built(self) -> tuple[Layout, ctypes.CDLL | None]:
        """Translate, compile, and keep what came of it."""
        with compiler.several(2) as compilers:
            compilers.submit(threads.pool)  # while Python writes the rest; an error comes up later
            unit, layout = self.unit, Layout.of(self.unit)
            if not any(isinstance(step, int) for step in unit.steps):
                return layout, None
            paths = list(compilers.map(built, sources_of(unit)))
        keys = [object_cache.key_of(path) for path in paths]
        compilation_cache.store(self.key, compilation_cache.Entry(layout, keys))
        return layout, joined([compiler.library(path) for path in paths])

    def __call__(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self.layout is None:
            return self.by_reference(inputs)
        try:
            frame = self.frames.pop()
        except IndexError:
            frame = Frame(self.layout, self.recorded, self.updates)
        try:
            frame.bind(inputs)
            if self.run(frame):
                return self.by_reference(inputs)
            return frame.results(inputs)
        finally:
            self.frames.append(frame)

    def run(self, frame: Frame) -> int:
        """Run the steps in turn; gives what went wrong, or 0."""
        layout: Any = self.layout
        for step in layout.steps:
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
        return self.written_over(self.graph.run(*inputs), inputs)

    def written_over(self, outputs: list, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """The outputs, those that update an input written over it."""
        for i, j in self.updates.items():
            inputs[j][...] = outputs[i]
            outputs[i] = inputs[j]
        return outputs

    def profile(self, inputs: Sequence[np.ndarray]) -> Any:
        """What the kernels take in a call with these inputs, which updates what a call updates."""
        from .profile import measured

        return measured(self, inputs)[1]


def is_empty(graph: Graph) -> bool:
    """Whether a value has no elements: then there is nothing worth compiling."""
    shapes = (s for v in graph.values for s in (v.shape if type(v.dtype) is tuple else (v.shape,)))
    return any(0 in shape for shape in shapes)


FLAGS = ("-fwrapv",)


def sources_of(unit: Unit) -> list[str]:
    """The files of a unit: one, or two of a large one, for two compilers."""
    return list(halves(unit) or (unit.source,))


def built(source: str) -> Path:
    return compiler.build(source, flags=FLAGS)


def joined(libraries: list[ctypes.CDLL]) -> ctypes.CDLL:
    """The library whose function `run` is called, the others and the thread pool bound to it."""
    library, *others = libraries
    for other in others:
        table = other.functions_apart
        table.restype = ctypes.c_void_p
        library.bind.argtypes = [ctypes.c_void_p]
        library.bind(table())
    library.run.argtypes = [ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_long]
    library.run.restype = ctypes.c_int
    threads.attach(library)
    return library


WARNED: list[bool] = []


def have_compiler() -> bool:
    """Whether C can be compiled; if not, that is said once."""
    if compiler.available():
        return True
    if not WARNED:
        WARNED.append(True)
        warnings.warn("no C compiler: compiled graphs run by NumPy, op by op", stacklevel=4)
    return False
