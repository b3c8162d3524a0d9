"""Layout: what calls of a compiled graph must know of it: their memory, their steps, their results.

It is all that is needed of a translation unit once its library is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..codegen.translation_unit import Unit
from ..graph.kernel import Call


@dataclass(frozen=True)
class Layout:
    """arena       bytes of the memory plan
    per_thread  bytes that each thread has after those
    steps       what runs in turn: the number of a segment of C, or a call of a reference
    returned    for each output: which entry of the table of arrays is handed out
    constants   the arrays that come after inputs and outputs in that table
    unit        what Python's own steps are told by; None if there are none
    """

    arena: int
    per_thread: int
    steps: list[int | Call]
    returned: list[int]
    constants: list[np.ndarray]
    unit: Unit | None = None

    @classmethod
    def of(cls, unit: Unit) -> Layout:
        plan = unit.plan
        constants = [np.require(c.const, None, ["C", "A"]) for c in unit.constants]
        in_python = plan.updates or any(isinstance(step, Call) for step in unit.steps)
        told = unit if in_python else None
        return cls(plan.size, unit.per_thread, unit.steps, plan.returned, constants, told)
