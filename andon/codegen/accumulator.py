"""Accumulators: what reductions begin with, how they add an element, and what comes of lanes."""

from __future__ import annotations

from typing import NamedTuple

from ..graph.ir import Symbol
from .scalar import C_TYPES, name_of

VECTOR_FUNCTIONS = {"amax": "larger", "amin": "smaller"}
LANE_FUNCTIONS = {"amax": "largest_lane", "amin": "smallest_lane"}


class Accumulator(NamedTuple):
    """The C type of what a reduction adds up in, and its first value."""

    kind: str
    first: str


def accumulator(reduction: Symbol) -> Accumulator:
    of, name = name_of(reduction.inputs[0].dtype), reduction.op.name
    kind = C_TYPES[of]
    if name in ("any", "all"):
        return Accumulator("bool", "0" if name == "any" else "1")
    if name in ("amax", "amin"):
        return Accumulator(kind, extreme(of, name == "amin"))
    if kind not in ("float", "double"):
        kind = "int64_t"
    return Accumulator(kind, "1" if name == "prod" else "0")


def extreme(of: str, largest: bool) -> str:
    """The smallest number of a dtype, or the largest."""
    if "float" in of:
        return "INFINITY" if largest else "-INFINITY"
    if of == "bool":
        return "1" if largest else "0"
    limits = {"uint8": ("0", "UINT8_MAX")}
    low, high = limits.get(of, (f"{of.upper()}_MIN", f"{of.upper()}_MAX"))
    return high if largest else low


def accumulated(reduction: Symbol, total: str, x: str) -> str:
    """The statement that adds x to a total."""
    name = reduction.op.name
    if name in ("amax", "amin"):
        sign = ">" if name == "amax" else "<"
        nan = f" || {x} != {x}" if "float" in name_of(reduction.inputs[0].dtype) else ""
        return f"{total} = {x} {sign} {total}{nan} ? {x} : {total}"
    return {"any": f"{total} |= {x} != 0", "all": f"{total} &= {x} != 0",
            "prod": f"{total} *= {x}"}.get(name, f"{total} += {x}")  # fmt: skip


def accumulated_in_vector(reduction: Symbol, V: str, total: str, x: str) -> str:
    """The statement that adds a vector to a vector of totals."""
    function = VECTOR_FUNCTIONS.get(reduction.op.name)
    return f"{total} = {V}_{function}({total}, {x})" if function else f"{total} += {x}"


def across_lanes(reduction: Symbol, V: str | None, total: str) -> str:
    """The total of the lanes of a vector of totals."""
    function = LANE_FUNCTIONS.get(reduction.op.name, "sum_lanes")
    return f"{V}_{function}({total})" if V else total
