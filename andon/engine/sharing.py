"""Sharing: which arguments of a recording are one array, or one with its state.

What is changed in place shows in whatever shares its memory. So a recording holds only for
arguments that share as those did which it was made of, and it is an error if that cannot be told.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import byte_bounds

from ..core.errors import GraphError

if TYPE_CHECKING:
    from .elements import Cell
    from .recording import Recording

WORK = 10_000  # how hard NumPy is to try before two arrays are said to overlap


class Sharing:
    """aliases    arguments that are tensors of the state, each with that tensor
    twins      pairs of arguments that are one array
    separate   arguments that are none of the tensors in `owned`, which are changed
    changed    arguments that are changed, each with those that do not share its memory
    """

    def __init__(self, recording: Recording, first: Sequence[int]):
        owners = [(p, cell.owner) for p, cell in zip(first, recording.given, strict=True)]
        self.aliases: list[tuple[int, Any]] = [
            (p, owner) for p, owner in owners if owner is not None
        ]
        found = {id(cell): p for p, cell in zip(first, recording.given, strict=True)}
        cells = [(p, cell) for p, cell in enumerate(recording.arguments) if cell is not None]
        self.twins = [(p, found[id(cell)]) for p, cell in cells if found[id(cell)] != p]
        updated = [cell for cell, _ in recording.updates]
        self.owned = {id(cell.owner) for cell in updated if cell.owner is not None}
        self.separate = [place for place, owner in owners if owner is None]
        self.changed = [
            (found[id(cell)], [p for p in first if p != found[id(cell)]])
            for cell in updated
            if id(cell) in found
        ]
        self.is_plain = not (self.aliases or self.twins or self.owned or self.changed)

    def is_alike(self, leaves: Sequence) -> bool:
        """Whether these arguments share memory as those of the recording did."""
        for place, owner in self.aliases:
            if leaves[place].array is not owner.array:
                return False
        for a, b in self.twins:
            x, y = leaves[a], leaves[b]
            if x is not y and array_of(x) is not array_of(y):
                return False
        if self.owned and not self.owned.isdisjoint([id(leaves[p]) for p in self.separate]):
            return False
        for place, others in self.changed:
            if any(overlap(array_of(leaves[place]), array_of(leaves[p])) for p in others):
                return False
        return True


def array_of(x: Any) -> np.ndarray:
    return getattr(x, "array", x)


def check_overlaps(cells: Iterable[Cell]) -> None:
    """Raise if a tensor that is changed in place lies in the memory of another one.

    Views of one tensor are known to be such; tensors on overlapping arrays of NumPy's, and
    arguments that are views, are not.
    """
    found = [(*byte_bounds(cell.array), cell) for cell in cells if cell.array.size]
    found.sort(key=lambda each: each[:2])
    for i, (_, end, a) in enumerate(found):
        for start, _, b in (found[j] for j in range(i + 1, len(found))):
            if start >= end:
                break
            if (a.changed or b.changed) and overlap(a.array, b.array):
                raise GraphError(
                    "jit: two tensors lie in the same memory, and one of them is changed in "
                    f"place: clone one: %{a.symbol.name} and %{b.symbol.name}"
                )


def overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether an element of one is in the memory of an element of the other."""
    try:
        return np.may_share_memory(a, b) and np.shares_memory(a, b, max_work=WORK)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return True
