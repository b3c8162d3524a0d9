"""Timing two sides in turn, and the table of what came out."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass
class Result:
    """Medians in seconds per call; `floor` says what the work needs at least."""

    name: str
    ours: float
    theirs: float
    ratio: float
    target: float | None = None
    floor: str = ""


def seconds(function: Callable[[], object], repeats: int) -> float:
    """Mean time of a call over `repeats` calls."""
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return (time.perf_counter() - start) / repeats


def alternate(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int = 15,
    repeats: int = 1,
    target: float | None = None,
    floor: str = "",
    between: int = 0,
) -> Result:
    """Time both sides `rounds` times in turn, after a warm-up of each.

    `between` calls after each change of sides are not timed: the other side's threads still wait
    for work, on the processors that this side's need.
    """
    ours(), theirs()
    pairs = []
    for _ in range(rounds):
        pair = []
        for side in (ours, theirs):
            seconds(side, between) if between else None
            pair.append(seconds(side, repeats))
        pairs.append(tuple(pair))
    return Result(
        name,
        statistics.median(a for a, _ in pairs),
        statistics.median(b for _, b in pairs),
        statistics.median(a / b for a, b in pairs),
        target,
        floor,
    )


def human(t: float) -> str:
    """A time with its unit."""
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if t * scale >= 1:
            return f"{t * scale:.3g} {unit}"
    return f"{t * 1e9:.3g} ns"


def show(title: str, results: list[Result], peer: str = "torch") -> None:
    """Print a table of results."""
    table = Table("work", "andon", peer, "ratio", "target", "floor", title=title)
    for r in results:
        target = f"≤ {r.target:g}" if r.target is not None else ""
        table.add_row(r.name, human(r.ours), human(r.theirs), f"{r.ratio:.2f}", target, r.floor)
    Console(width=130).print(table)
