"""Kernels: values that are computed together, in one pass over memory.

- a `Loop` walks a few axes and computes elementwise values at each point. Values along some of the
  axes may be reductions over the others: a softmax or a norm is one loop, row by row.
- a `Product` is a product of matrices, with what is made of its elements in their registers.
- a `Call` is one op of its own: attention, a sort.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from ..ops.arithmetic import add
from .affine import Axis, Forms, axes_of, fresh
from .ir import Symbol
from .record import output

REDUCTIONS = ("sum", "prod", "amax", "amin", "any", "all")  # others are lowered to these
WHOLE = 1 << 14  # elements from which on a reduction of everything is cut among threads


class Loop:
    """Values computed at each point of some axes; those along `kept` only, once per row.

    index    the index of each member at a point, in its own dims
    operand  the same for what a reduction reads
    found    for each member the values that its operands show, and the index in these
    reads    what is read of values outside: where, and how often at another index
    """

    def __init__(self) -> None:
        self.members: list[Symbol] = []
        self.index: dict[Symbol, Forms] = {}
        self.operand: dict[Symbol, Forms] = {}
        self.found: dict[Symbol, list[tuple[Symbol, Forms]]] = {}
        self.reads: dict[Symbol, list[Forms]] = {}
        self.copies: set[Symbol] = set()
        self.reduced_by: Symbol | None = None

    @property
    def axes(self) -> list[Axis]:
        """All axes, those of the largest member in its order."""
        forms = [*self.operand.values(), *self.index.values()]
        return axes_of(form for each in forms for form in each)

    @property
    def kept(self) -> list[Axis]:
        """The axes that reductions leave."""
        first = self.reduced_by
        return self.axes if first is None else axes_of(self.index[first])

    @property
    def reductions(self) -> list[Symbol]:
        return [m for m in self.members if m in self.operand]

    @property
    def is_whole(self) -> bool:
        """Whether it reduces many elements to one, which threads share."""
        return self.reduced_by is not None and not self.kept and size(self.axes) >= WHOLE


class Product(Loop):
    """A product of matrices, and what is computed of each element before it is stored."""

    def __init__(self, node: Symbol):
        super().__init__()
        self.node = node
        self.members.append(node)
        self.index[node] = fresh(node.shape)
        self.last.divisible = False  # vectors lie along it, from one end to the other
        self.found[node] = []

    def added_to(self) -> Symbol | None:
        """What the product is added to, if that is all that is done with it."""
        if len(self.members) != 2 or self.members[1].op is not add:
            return None
        sum_of = self.members[1]
        others = [at for at in self.found[sum_of] if at[0] is not self.node]
        if len(others) != 1 or self.index[sum_of] != others[0][1]:
            return None
        return others[0][0]

    @property
    def last(self) -> Axis:
        """The axis of the columns, which vectors lie along."""
        return axes_of(self.index[self.node][-1:])[-1]


class Call:
    """One op that is a kernel of its own."""

    def __init__(self, node: Symbol, items: dict[tuple, Symbol]):
        self.node = node
        self.members = [node]
        self.results = [node]
        if isinstance(node.dtype, tuple):
            keys = [(node, i) for i in range(len(node.dtype))]
            self.results = [items[key] if key in items else output(*key) for key in keys]


Kernel = Loop | Call


def size(axes: Iterable[Axis]) -> int:
    return math.prod(axis.size for axis in axes)


def is_elementwise(value: Symbol) -> bool:
    op: Any = value.op
    return op is not None and (op.c is not None or op.name in ("cast", "zeros"))


def is_reduction(value: Symbol) -> bool:
    return value.op is not None and value.op.name in REDUCTIONS


def fits_in_loop(value: Symbol, loops: Any) -> bool:
    """Whether loops can compute this: `loops` says of an op and dtypes whether there is C text."""
    sizes = [value, *value.operands]
    if not (is_elementwise(value) or is_reduction(value)) or any(0 in x.shape for x in sizes):
        return False
    return loops(value)
