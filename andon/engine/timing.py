"""Timed runs of a compiled graph: a clock around the call of each kernel.

The graph is compiled a second time, from a file that notes when each call begins and ends
(`kernels/cpu/profile.h`). What Python computes, op by op, is timed here.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..codegen.timed import Timed, timed_value
from ..codegen.translation_unit import Unit, translate
from ..core.lazy import lazy
from ..core.lock import Lock
from ..devices import threads
from ..graph.ir import Symbol, run_value
from ..graph.lower import lower
from ..graph.text import names_of
from .executable import Executable
from .frame import Frame


class Event(NamedTuple):
    """A call: which, by which thread, and when, in nanoseconds."""

    call: int
    thread: int
    begin: int
    end: int


@dataclass
class Run:
    """A run of a graph: its calls, and when each began and ended."""

    calls: list[Timed]
    begin: int = 0
    end: int = 0
    events: list[Event] = field(default_factory=list)


class TimedExecutable(Executable):
    """A compiled graph that notes when its kernels run. `last` is its last run."""

    key = None  # of a compilation cache, which knows it not

    def __init__(self, executable: Executable):
        self.lock = Lock()
        super().__init__(executable.graph, executable.updates)

    @lazy
    def unit(self) -> Unit:
        return translate(lower(self.graph), self.updates, timed=True)

    def time(self, inputs: Sequence, copies: Sequence) -> tuple[list[np.ndarray], Run]:
        """The outputs of a call, and how it went.

        One with copies comes before, so that the threads are awake, as they are in a loop.
        """
        with self.lock:
            self.last, self.tables = self.prepared()
            self(copies)
            self.last.events.clear()
            for table in self.tables:
                table[:] = 0
            begin = now()
            outputs = self(inputs)
            self.last.begin, self.last.end = begin, now()
            for table in self.tables:
                for thread, events in enumerate(table.tolist()):
                    self.last.events += [Event(c, thread, b, e) for c, b, e in events if e]
            return outputs, self.last

    def prepared(self) -> tuple[Run, list[np.ndarray]]:
        """A run to be filled in, and for each step where C notes (call, begin, end) by thread."""
        if self.layout is None:
            names = names_of(self.graph)
            return Run([timed_value(v, names) for v in self.graph.nodes]), []
        calls = self.unit.timed
        most = sum(call.runs for call in calls)
        shape = threads.count(), most, 3
        return Run(calls), [np.zeros(shape, np.int64) for _ in self.layout.steps]

    def run(self, frame: Frame) -> int:
        library: Any = self.library
        for step, table in zip(self.unit.steps, self.tables, strict=True):
            begin = now()
            if isinstance(step, int):
                library.profile_into(
                    ctypes.c_void_p(table.ctypes.data), *map(ctypes.c_long, table.shape[:2])
                )
                if error := library.run(step, frame.arena_address, frame.given, frame.threads):
                    return error
                continue
            frame.call_reference(step)
            number = next(i for i, t in enumerate(self.last.calls) if t.kernel is step)
            table[0, 0] = number, begin, now()
        frame.copy_updates()
        return 0

    def by_reference(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self.layout is not None:
            return super().by_reference(inputs)  # to raise an error
        numbers = {value: n for n, value in enumerate(self.graph.nodes)}

        def compute(value: Symbol, found: dict) -> Any:
            begin = now()
            result = run_value(value, found)
            self.last.events.append(Event(numbers[value], 0, begin, now()))
            return result

        return self.written_over(self.graph.run(*inputs, compute=compute), inputs)


def now() -> int:
    """The monotonic clock, as the C reads it."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)
