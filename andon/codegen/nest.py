"""The loop nest of a fused loop: its axes in order, what it loads and stores, its sweeps.

A row of a loop is a point of the axes that its reductions keep. It is swept as often as reductions
wait for one another: softmax takes three sweeps, for the maximum, the sum and the quotients.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..graph.affine import Axis, Forms, axes_of
from ..graph.buffers import Buffers
from ..graph.ir import Symbol
from ..graph.kernel import Loop, Product, size
from .scalar import name_of
from .vector import COSTLY, vector_type

IN_VECTORS = ("sum", "amax", "amin")
ROW_IN_CACHE = 4096  # elements of a row that are kept rather than computed again
CHUNKS = 64  # parts of a reduction of everything, whatever the number of threads


@dataclass(eq=False)
class Access:
    """Elements of a buffer: those of `value`, and how far apart they lie along each axis."""

    value: Symbol
    offset: int
    strides: dict[Axis, int]

    def stride(self, axis: Axis) -> int:
        return self.strides.get(axis, 0)


class Nest:
    """A loop, its axes ordered and merged.

    outer     the axes that are kept (in a loop without reductions, all but the last)
    inner     the axes of a sweep
    fast      the axis that vectors lie along: the last of `inner`, or of `outer`
    columns   whether `fast` is kept, so that a vector holds the reductions of several rows
    """

    def __init__(self, loop: Loop, stored: Iterable[Symbol], buffers: Buffers):
        self.loop, self.buffers = loop, buffers
        self.loads = {
            (base, i): self.access(base, forms)
            for base, known in loop.reads.items()
            for i, forms in enumerate(known)
        }
        self.stores = {m: self.access(m, loop.index[m]) for m in stored}
        self.order_axes()
        self.levels()
        self.vector = self.vector_type()

    def access(self, value: Symbol, forms: Forms) -> Access:
        """The elements of a value at an index."""
        place = self.buffers.place(value, forms)
        return Access(value, place.offset, dict(place.terms))

    # ---- axes

    def order_axes(self) -> None:
        loop, kept = self.loop, set(self.loop.kept)
        accesses = [*self.stores.values(), *self.loads.values()]
        if loop.reduced_by is not None:  # the order of what is read, which is more
            accesses.reverse()
        ordered = sorted(loop.axes, key=lambda a: [-abs(x.stride(a)) or 1 for x in accesses])
        if isinstance(loop, Product):
            self.order_of_product(loop, accesses)
            return
        outer = merged([a for a in ordered if a in kept], accesses)
        inner = merged([a for a in ordered if a not in kept], accesses)
        self.columns = bool(outer and inner) and neighbours(outer, accesses) > neighbours(
            inner, accesses
        )
        if loop.reduced_by is None and outer:
            inner = [outer.pop()]
        self.outer, self.inner = outer, inner
        fast = (outer if self.columns else inner)[-1:]
        self.fast: Axis | None = fast[0] if fast else None

    def order_of_product(self, loop: Product, accesses: list[Access]) -> None:
        """Rows, as one axis if all walk them so, and columns."""
        *rows, last = axes_of(loop.index[loop.node])
        self.outer, self.inner, self.fast = merged(rows, accesses), [last], last
        self.columns = False

    @property
    def row_size(self) -> int:
        return size(self.inner)

    # ---- sweeps

    def levels(self) -> None:
        """When each member is computed: in sweep n, or after it, for those of rows."""
        loop = self.loop
        everything = set(loop.axes)
        self.level: dict[Symbol, int] = {}
        self.of_row: set[Symbol] = set()
        for m in loop.members:
            at = max((self.level.get(b, 0) for b in self.operands(m)), default=0)
            if m in loop.operand:
                self.of_row.add(m)
                at += 1
            elif loop.reduced_by is not None and set(axes_of(loop.index[m])) != everything:
                self.of_row.add(m)
            self.level[m] = at
        self.sweeps = 1 + max(
            [self.level[m] - (m in loop.operand) for m in loop.members if self.is_swept(m)],
            default=-1,
        )

    def is_swept(self, member: Symbol) -> bool:
        """Whether it is computed within a sweep."""
        return member not in self.of_row or member in self.loop.operand

    def operands(self, member: Symbol) -> list[Symbol]:
        """The members that a member reads."""
        found = self.loop.found[member]
        return [base for base, _ in found if base in self.loop.index]

    def in_cache(self) -> set[Symbol]:
        """Members that are kept for a later sweep, being costly to compute again."""
        if self.columns or not 1 < self.row_size <= ROW_IN_CACHE or self.loop.is_whole:
            return set()
        later = {
            b
            for m in self.loop.members
            for b in self.operands(m)
            if b not in self.of_row and self.sweep_of(m) > self.level[b]
        }
        return {m for m in later if self.is_costly(m)}

    def sweep_of(self, member: Symbol) -> int:
        """The sweep that computes the member, or what it reduces."""
        return self.level[member] - (member in self.loop.operand)

    def is_costly(self, member: Symbol) -> bool:
        op: Any = member.op
        if op.name in COSTLY:
            return True
        below = [b for b in self.operands(member) if b not in self.of_row]
        return any(self.level[b] == self.level[member] and self.is_costly(b) for b in below)

    # ---- vectors

    def vector_type(self) -> str | None:
        """`vf`, `vd`, or None where the loop is one of scalars."""
        loop = self.loop
        if self.fast is None or any(m.op.name not in IN_VECTORS for m in loop.operand):
            return None
        everything = [m for m in loop.members if self.columns or self.is_swept(m)]
        accesses = [*self.loads.values(), *self.stores.values()]
        if any(x.stride(self.fast) not in (0, 1) and is_narrow(x.value) for x in accesses):
            return None
        values = [*everything, *loop.reads]
        return vector_type({name_of(v.dtype) for v in values})

    # ---- ranges

    @property
    def range_axes(self) -> list[Axis]:
        """The axes that `m` counts; if there are none, it counts elements along `fast`."""
        if self.loop.is_whole:
            return self.inner[:-1]
        return self.outer[:-1] if self.columns else self.outer

    @property
    def rows(self) -> int:
        """How many there are of what a kernel is given a range of."""
        if self.loop.is_whole:
            return CHUNKS
        if self.range_axes:
            return size(self.range_axes)
        if self.fast is not None and self.counts_elements:
            return self.fast.size
        return 1

    @property
    def counts_elements(self) -> bool:
        return not self.range_axes and (self.columns or self.loop.reduced_by is None)


def is_narrow(value: Symbol) -> bool:
    """Whether elements are stored in less than a lane."""
    return value.dtype.itemsize < 4


def neighbours(axes: list[Axis], accesses: list[Access]) -> int:
    """How many accesses have the neighbours along the last axis next to one another."""
    return sum(x.stride(axes[-1]) == 1 for x in accesses)


def merged(axes: list[Axis], accesses: list[Access]) -> list[Axis]:
    """The axes, those being one that all accesses walk as one."""
    found: list[Axis] = []
    for axis in axes:
        if found and all(x.stride(found[-1]) == x.stride(axis) * axis.size for x in accesses):
            both = Axis(found.pop().size * axis.size)
            for x in accesses:
                x.strides[both] = x.stride(axis)
            axis = both
        found.append(axis)
    return found
