"""profile: what each kernel of a compiled graph takes, and how near that is to the machine's best.

    found = step.profile(x, y)     # step = andon.jit(...); or andon.profile(function, x, y)
    print(found)
    found.save_trace("step.json")  # for chrome://tracing or ui.perfetto.dev

The graph runs a few times on copies of what it is given, and then once, as a call does: what a call
updates has been updated once. What is shown is the run of median time.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..codegen.timed import Line
from ..core.files import replacing
from ..devices import compiler, threads
from ..graph.cost import Cost, total
from ..graph.ir import Graph
from ..graph.simplify import SIMPLIFY
from .executable import Executable
from .roofline import Roofline, roofline
from .timing import Run

RUNS = 3  # that are timed, the call itself being the last
NUMBERS = ("calls", "time", "share", "FLOP", "bytes", "GFLOP/s", "GB/s", "of roof")
WORDS = {"kernel": 32, "line": 28, "values": 32}  # and the widest that these columns become


def measured(executable: Executable, inputs: Sequence) -> tuple[list[np.ndarray], Profile]:
    """The outputs of one call, and its profile."""
    copies = [np.array(x, order="K") for x in inputs]
    runs = [executable.timed.time(copies, copies)[1] for _ in range(RUNS - 1)]
    outputs, last = executable.timed.time(inputs, copies)
    runs = sorted([*runs, last], key=lambda run: run.end - run.begin)
    count = threads.count() if compiler.available() else 1
    return outputs, Profile(executable.recorded.name, runs[len(runs) // 2], count)


def profile(function: Any, *args: Any, **kwargs: Any) -> Profile:
    """Call `function` once with these arguments; what each of its kernels took.

    It may be jitted, a module, or a Graph of these arguments: tensors or arrays.
    """
    from .jit import Jitted, jit

    if isinstance(function, Graph):
        arrays = [np.asarray(getattr(x, "array", x)) for x in args]
        return Executable(function, passes=SIMPLIFY).profile(arrays)
    jitted = function if isinstance(function, Jitted) else jit(function)
    return getattr(jitted, "forward", jitted).profile(*args, **kwargs)


# ---- what is shown


@dataclass
class Row:
    """Calls of one kernel from the same lines: how often, for how long, and what they do.

    seconds  of the threads that take part, their mean: what the kernel adds to the whole
    cost     of all calls together
    """

    name: str
    values: tuple[str, ...]
    lines: tuple[Line, ...]
    calls: int = 0
    seconds: float = 0.0
    cost: Cost = field(default_factory=Cost)


class Profile:
    """What a call of a compiled graph took, kernel by kernel.

    seconds   of the whole call
    rows      one for each kernel and the lines it comes from, the longest first
    roofline  what the machine reaches: operations and bytes per second
    """

    def __init__(self, name: str, run: Run, threads: int):
        self.name, self.run, self.threads = name, run, threads
        self.seconds = (run.end - run.begin) / 1e9
        self.roofline: Roofline = roofline(threads)
        self.rows = rows_of(run)

    @property
    def cost(self) -> Cost:
        """What all kernels do."""
        return total(row.cost for row in self.rows)

    def share_of_roof(self, row: Row) -> float:
        """How near a kernel is to the machine's best; above 1 where caches hold what it reads."""
        return self.roofline.seconds(row.cost) / row.seconds if row.seconds else 0.0

    def __str__(self) -> str:
        return rendered(self.table())

    def table(self) -> Table:
        """A line for each row, with the speeds that it reaches."""
        peak = f"{self.roofline.flops / 1e9:.0f} GFLOP/s, {self.roofline.bytes / 1e9:.1f} GB/s"
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        title = f"{self.name}: {human(self.seconds, 's')}, {threads}; the roof, as measured: {peak}"
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="")
        for name in ("kernel", *NUMBERS, "line", "values"):
            table.add_column(name, max_width=WORDS.get(name), no_wrap=True)
            table.columns[-1].justify = "left" if name in WORDS else "right"
        for row in self.rows:
            table.add_row(*map(Text, self.line(row)))
        rest = max(self.seconds - sum(row.seconds for row in self.rows), 0.0)
        table.add_row("between kernels", "", human(rest, "s"), f"{rest / self.seconds:.0%}")
        return table

    def line(self, row: Row) -> list[str]:
        cost, seconds = row.cost, max(row.seconds, 1e-9)
        return [
            row.name,
            str(row.calls),
            human(row.seconds, "s"),
            f"{row.seconds / self.seconds:.0%}",
            human(cost.flops),
            human(cost.bytes),
            f"{cost.flops / seconds / 1e9:.1f}",
            f"{cost.bytes / seconds / 1e9:.1f}",
            f"{self.share_of_roof(row):.0%}",
            where(row.lines),
            " ".join(row.values),
        ]

    def save_trace(self, path: str | Path) -> Path:
        """Write what each thread did when, for chrome://tracing or ui.perfetto.dev."""
        with replacing(path, "w") as file:
            json.dump({"traceEvents": self.trace(), "displayTimeUnit": "ns"}, file)
        return Path(path)

    def trace(self) -> list[dict]:
        """The events of Chrome's trace format, in microseconds from the start of the call."""
        process = os.getpid()
        found: list[dict] = []
        for thread in sorted({event.thread for event in self.run.events}):
            named = {"name": f"thread {thread}"}
            found.append(
                {"name": "thread_name", "ph": "M", "pid": process, "tid": thread, "args": named}
            )
        for event in self.run.events:
            call = self.run.calls[event.call]
            told = {"values": " ".join(call.values), "flops": call.cost.flops}
            told |= {"bytes": call.cost.bytes, "line": where(call.lines)}
            found.append({
                "name": call.title, "cat": "kernel", "ph": "X", "pid": process,
                "tid": event.thread, "ts": (event.begin - self.run.begin) / 1e3,
                "dur": (event.end - event.begin) / 1e3, "args": told,
            })  # fmt: skip
        return found


def rows_of(run: Run) -> list[Row]:
    """The calls of a run by kernel and lines, those that took longest first."""
    spent: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for event in run.events:
        spent[event.call][event.thread] += event.end - event.begin
    rows: dict[tuple, Row] = {}
    for number, call in enumerate(run.calls):
        row = rows.setdefault((call.title, call.lines), Row(call.title, call.values, call.lines))
        by_thread = spent[number].values()
        row.calls += call.runs
        row.seconds += sum(by_thread) / max(len(by_thread), 1) / 1e9
        row.cost = total([row.cost, call.cost.times(call.runs)])
    return sorted(rows.values(), key=lambda row: -row.seconds)


def where(lines: Sequence[Line]) -> str:
    """`file.py:12, 14`, of the first file."""
    if not lines:
        return ""
    file = lines[0][0]
    numbers = sorted({number for each, number in lines if each == file})
    return f"{Path(file).name}:{', '.join(map(str, numbers))}"


def human(x: float, unit: str = "") -> str:
    """Three digits and a prefix."""
    prefixes = {"G": 1e9, "M": 1e6, "k": 1e3, "": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9}
    for prefix, scale in prefixes.items():
        if x >= scale:
            return f"{x / scale:.3g} {prefix}{unit}".rstrip()
    return f"0 {unit}".rstrip()


def rendered(table: Table) -> str:
    """The table as plain text, however wide."""
    text = StringIO()
    Console(file=text, width=1000, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())
