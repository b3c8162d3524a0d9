"""Elements that Python has read while recording, on which the recording then depends.

A recorded array has no elements, but Python may ask for those of what is made of constants, and of
captured tensors that the recorded function leaves as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import GraphError
from ..graph.fold import elements
from ..graph.ir import Graph, Symbol, between
from ..graph.trace import Traced
from ..tensor import Tensor

if TYPE_CHECKING:
    from .binding import Binding


@dataclass(eq=False)
class Cell:
    """An array that existed before: its input symbol, and the traced array that stands for it."""

    array: Any  # None once the recording is done, so that no array lives longer for it
    symbol: Symbol
    traced: Traced
    owner: Tensor | Binding | None = None  # the tensor it was met in; None: an argument
    held: np.ndarray | None = None  # its elements, if the recording depends on them

    @property
    def changed(self) -> bool:
        return self.traced.symbol is not self.symbol


class Elements:
    """The elements of the tensors in `cells`; `guards` are told which of them were read."""

    def __init__(self, cells: dict[int, Cell], guards: list):
        self.cells, self.guards = cells, guards

    def known(self, symbol: Symbol) -> np.ndarray | None:
        """The elements of what is made of constants, and of tensors that are state."""
        leaves = [x for x in between([], [symbol]) if x.op is None and x.const is None]
        cells = {cell.symbol: cell for cell in self.cells.values() if not cell.changed}
        read: list[Any] = [cells.get(x) for x in leaves]
        if any(c is None or c.owner is None or c.owner.requires_grad for c in read):
            return None
        (found,) = Graph(leaves, [symbol]).run(*map(self.hold, read))
        return found

    def hold(self, cell: Cell) -> np.ndarray:
        """A copy of the elements of a tensor, without which the recording does not hold."""
        if cell.held is None:
            cell.held = cell.array.copy()
            check = is_still(cell.owner, id(cell.array), cell.held)
            self.guards.append((check, True, lambda: "the elements of a tensor"))
        return cell.held

    def bake(self, cell: Cell) -> bool:
        """Make a mask that is only read a constant, since what it hides decides what is computed.

        Whether it was.
        """
        owner: Any = cell.owner
        if cell.changed or owner.requires_grad or not is_mask(cell.array):
            return False
        cell.symbol.const = self.hold(cell)
        return True

    def check(self, bound: set[int]) -> None:
        """Raise if elements were read that are others after each call.

        `bound` are the ids of tensors whose places each call gives to others.
        """
        for cell in self.cells.values():
            changed = cell.changed and elements(cell.traced.symbol) is None
            if cell.held is not None and (changed or id(cell.owner) in bound):
                raise GraphError(
                    "recording: Python reads the elements of a tensor that every call changes: "
                    f"compute with it instead: {cell.traced.spec}"
                )


def is_still(owner: Any, array: int, kept: np.ndarray) -> Callable[[], bool]:
    """Whether a tensor, now on the array of that id, has these elements and no gradient."""
    seen = array, owner._version

    def unchanged() -> bool:
        nonlocal seen
        now = id(owner.array), owner._version
        if owner.node is not None:
            return False
        if now != seen or owner.memory.lent:
            same = owner.array.dtype is kept.dtype and owner.array.shape == kept.shape
            if not same or owner.array.tobytes() != kept.tobytes():
                return False
            seen = now
        return True

    return unchanged


def is_mask(array: np.ndarray) -> bool:
    """Whether the elements of a matrix, or a stack of them, are all 0 or 1."""
    return array.ndim >= 2 and bool(((array == 0) | (array == 1)).all())
