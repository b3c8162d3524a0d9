"""Calls of kernels that are timed: what a profile says of each.

In the file of a graph that is profiled, `TIMED(number, call)` notes when a call begins and ends
(`kernels/cpu/profile.h`); the number is that of the call here. Other files know nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..graph.cost import Cost, cost, cost_of_kernel
from ..graph.ir import Symbol
from ..graph.kernel import Kernel

Line = tuple[str, int]  # of the user's code: file and number


class Timed(NamedTuple):
    """title   of the function, or of the op where its reference is called
    values  the names of the graph's values that it computes
    lines   of the user's code, that made these
    runs    how often it is called
    cost    of one call
    kernel  None where the reference computes everything
    """

    title: str
    values: tuple[str, ...]
    lines: tuple[Line, ...]
    runs: int
    cost: Cost
    kernel: Kernel | None = None


def timed(
    kernel: Kernel, stored: list[Symbol], title: str, names: Mapping, runs: int, first: bool = True
) -> Timed:
    """What is said of one of a kernel's functions; the first bears the cost of all."""
    spent = cost_of_kernel(kernel, stored) if first else Cost()
    return Timed(title, *origins(kernel.members, names), runs, spent, kernel)


def timed_value(value: Symbol, names: Mapping) -> Timed:
    """What is said of an op that the reference executor computes."""
    return Timed(str(value.op), *origins([value], names), 1, cost(value))


def origins(members: list[Symbol], names: Mapping) -> tuple[tuple[str, ...], tuple[Line, ...]]:
    """The names of values, and the lines that made them, each once."""
    found: list[str] = []
    for member in members:
        name = names.get(member, ())
        found += [name] if isinstance(name, str) else name
    return tuple(found), tuple(dict.fromkeys(m.line for m in members if m.line and m.line[0]))
