"""Fusion: which values are computed together, in one pass over memory.

A `Grouping` cuts a graph into kernels, in an order in which they can run. Value by value, it lets
loops take in what meets them at an index that both know.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from typing import Any

from ..core.op import item
from ..ops.index import zeros
from .affine import Axis, Forms, axes_of, enumerates, fresh, reshaped
from .buffers import Buffers, walks_evenly
from .ir import Symbol
from .kernel import Call, Kernel, Loop, Product, fits_in_loop, is_reduction, size
from .memory import reads
from .views import index_in_source, index_in_view, index_through, of_expand, source, tokens

MOST = 48  # members of a loop: more would not stay in registers


class Grouping:
    """Kernels that take in one value after the other."""

    def __init__(self, buffers: Buffers):
        self.buffers, self.graph = buffers, buffers.graph
        self.kernels: list[Kernel] = []
        self.of: dict[Symbol, int] = {}  # the kernel that computes each value
        self.needs: list[int] = []  # as a bit set, the kernels that each one waits for
        self.readers: dict[Symbol, list[int]] = {}
        values = self.graph.values
        self.items = {(v.inputs[0], v.attrs["index"]): v for v in values if v.op is item}

    def run(self) -> list[Kernel]:
        for value in numbers_first(self.graph.values):
            if value.op is None or value in self.buffers.aliases:
                continue
            if value.op is item and value not in self.buffers.copies:
                continue
            if value in self.buffers.pieces:
                for piece in self.buffers.pieces[value]:
                    if piece in self.buffers.copies and piece not in self.of:
                        self.add_to_loop(piece)
            elif value in self.buffers.copies:
                self.add_to_loop(value)
            elif source(value) is not None or value.op.name in ("split", "unbind"):
                continue
            elif fits_in_loop(value, self.buffers.loops):
                self.add_to_loop(value)
            else:
                self.add_call(value)
        return self.in_order()

    def producers(self, values: Iterable[Symbol]) -> int:
        """The kernels that must have run before these are read, as a bit set."""
        found = 0
        for value in values:
            found |= self.producers(tokens(value))
            base = self.base(value)
            if base in self.buffers.pieces:
                found |= self.producers(self.buffers.pieces[base])
            elif base in self.of:
                found |= 1 << self.of[base]
        return found

    def base(self, value: Symbol) -> Symbol:
        """The value whose memory a view shows; of an output of several, the node."""
        while True:
            if value in self.buffers.aliases:
                value = self.buffers.aliases[value]
            elif (found := self.buffers.source(value)) is not None:
                value = found
            elif value.op is item and value not in self.buffers.copies:
                value = value.inputs[0]
            else:
                return value

    def reads_of(self, value: Symbol) -> list[Symbol]:
        """What must exist before `value` can be computed."""
        if value in self.buffers.copies:
            return [source(value)]  # type: ignore[list-item]
        return [] if value.op is zeros else value.operands

    def awaited(self, value: Symbol) -> int:
        """The kernels that must have run before `value` is computed, as a bit set."""
        return self.producers([*self.reads_of(value), *tokens(value)])

    def add_call(self, value: Symbol) -> None:
        for x in value.operands:
            if self.buffers.strided(x) is None:
                self.buffers.copies.add(x)
                self.add_to_loop(x)
        product = value.op.name == "matmul" and self.is_one_product(value)
        self.start(Product(value) if product else Call(value, self.items), value)

    def is_one_product(self, value: Symbol) -> bool:
        """Whether it is one product of floats, stacked rows being rows, by a single matrix."""
        a, b = value.inputs
        if a.ndim < 2 or b.ndim < 2 or value.shape[-1] == 1 or a.dtype.name != "float32":
            return False
        lies = self.buffers.strided(a)
        rows = math.prod(a.shape[:-1]) == math.prod(value.shape[:-1])
        matrix = math.prod(b.shape[:-2]) == 1
        if math.prod(a.shape[:-2]) == 1:
            return rows and matrix
        stacked = lies is not None and walks_evenly(lies.strides[:-1], a.shape[:-1])
        return rows and matrix and stacked and lies is not None and lies.strides[-1] == 1

    def start(self, kernel: Kernel, value: Symbol) -> None:
        self.of[value] = len(self.kernels)
        self.kernels.append(kernel)
        self.needs.append(self.all_needs(self.awaited(value)))

    def all_needs(self, direct: int) -> int:
        found = direct
        for k in bits(direct):
            found |= self.needs[k]
        return found

    def add_to_loop(self, value: Symbol) -> None:
        """Put `value` into the loop that it can join, or begin one."""
        self.merge_producers(value)
        for k in self.candidates(value):
            loop = self.kernels[k]
            if isinstance(loop, Loop) and self.may_join(value, k) and self.join(value, loop):
                self.joined(value, k)
                return
        loop = Loop()
        self.copy_what_no_index_says(value)
        if not self.join(value, loop):
            raise AssertionError(f"fuse: cannot compute {value!r} by itself")
        self.start(loop, value)
        self.note_reads(loop, len(self.kernels) - 1)

    def candidates(self, value: Symbol) -> Iterator[int]:
        """Loops that compute or read what `value` reads, the latest first."""
        found = set()
        for x in self.reads_of(value):
            base = self.base(x)
            found |= {self.of[base]} if base in self.of else set()
            found |= set(self.readers.get(base, ())[-4:])
        return iter(sorted(found, reverse=True))

    def may_join(self, value: Symbol, k: int) -> bool:
        """Whether nothing that `value` waits for waits for kernel k itself."""
        if len(self.kernels[k].members) >= MOST:
            return False
        others = self.awaited(value) & ~(1 << k)
        return not any(self.needs[h] >> k & 1 for h in bits(others))

    def joined(self, value: Symbol, k: int) -> None:
        self.of[value] = k
        more = self.all_needs(self.awaited(value) & ~(1 << k))
        self.needs[k] |= more
        for h, needs in enumerate(self.needs):
            if needs >> k & 1:
                self.needs[h] |= self.needs[k]
        self.note_reads(self.kernels[k], k)

    def note_reads(self, loop: Any, k: int) -> None:
        for base in loop.reads:
            readers = self.readers.setdefault(self.base(base), [])
            if k not in readers:
                readers.append(k)

    def in_order(self) -> list[Kernel]:
        """The kernels, each after those that it needs; as early as what others read was made.

        So a gradient that an optimizer's step has taken in is computed where it was recorded, and
        what it is made of need not be kept. But what is written over waits for those who read it,
        unless that goes round in a circle.
        """
        left = {k for k, kernel in enumerate(self.kernels) if kernel.members}
        done, found = sum(1 << k for k in range(len(self.kernels)) if k not in left), []
        readers = self.readers_of_memory()
        made = {k: self.first_made(k, readers) for k in left}
        waits = self.readers_of_state(readers)
        while left:
            ready = [k for k in left if not self.needs[k] & ~done]
            harmless = [k for k in ready if not waits.get(k, 0) & ~done]
            k = min(harmless or ready, key=made.__getitem__)
            left.remove(k)
            done |= 1 << k
            found.append(self.kernels[k])
        return found

    def readers_of_memory(self) -> dict[Symbol, int]:
        """The kernels that read each value's memory, as a bit set."""
        found: dict[Symbol, int] = {}
        for k, kernel in enumerate(self.kernels):
            for x in reads(kernel, self.buffers):
                found[x] = found.get(x, 0) | 1 << k
        return found

    def first_made(self, k: int, readers: dict[Symbol, int]) -> int:
        """The order of the first value that other kernels read; if none is, of the first."""
        members = self.kernels[k].members
        memory = self.buffers.memory
        read = [m.order for m in members if readers.get(memory(m), 0) & ~(1 << k)]
        return min(read or [m.order for m in members])

    def readers_of_state(self, readers: dict[Symbol, int]) -> dict[int, int]:
        """For kernels that compute new state: who else reads the old, as a bit set."""
        found: dict[int, int] = {}
        for output, target in self.buffers.updates.items():
            k = self.of.get(self.base(self.graph.outputs[output]), -1)
            if k >= 0:
                others = readers.get(self.graph.inputs[target], 0) & ~(1 << k)
                found[k] = found.get(k, 0) | others
        return found

    # ---- merging loops

    def merge_producers(self, value: Symbol) -> None:
        """Make one of the loops that compute what `value` reads, if they are over the same points.

        They have read nothing in common so far: p (1 - lr λ) and m / √v of an optimizer.
        """
        ours = [self.of[b] for b in map(self.base, self.reads_of(value)) if b in self.of]
        first, *others = [k for k in dict.fromkeys(ours) if self.is_plain(k, value)] or [0]
        for k in others:
            apart = not (self.needs[first] >> k & 1 or self.needs[k] >> first & 1)
            members = len(self.kernels[first].members) + len(self.kernels[k].members)
            if apart and members < MOST and self.absorb(k, first):
                self.redirect(k, first)

    def is_plain(self, k: int, value: Symbol) -> bool:
        """Whether a kernel is a loop of nothing but elements like those of `value`."""
        loop = self.kernels[k]
        alike = all(m.shape == value.shape and m not in self.buffers.copies for m in loop.members)
        return type(loop) is Loop and loop.reduced_by is None and alike and value.ndim > 0

    def absorb(self, k: int, first: int) -> bool:
        """Move the members of loop k into another, if that can compute all of them."""
        loop: Any = self.kernels[first]
        moved = Loop()
        moved.__dict__.update({name: copy(known) for name, known in vars(loop).items()})
        moved.reads = {base: list(known) for base, known in loop.reads.items()}
        if not all(self.join(m, moved) for m in self.kernels[k].members):
            return False
        self.kernels[first] = moved
        return True

    def redirect(self, k: int, first: int) -> None:
        """Say of kernel k, which is empty now, that the first is in its place."""
        for m in self.kernels[k].members:
            self.of[m] = first
        self.kernels[k] = Loop()
        for known in self.readers.values():
            if k in known:
                known.remove(k)
        self.note_reads(self.kernels[first], first)
        self.needs[first] |= self.needs[k]
        for h, needs in enumerate(self.needs):
            if needs >> first & 1 or needs >> k & 1:
                self.needs[h] |= self.needs[first] | 1 << first

    # ---- joining a loop

    def copy_what_no_index_says(self, value: Symbol) -> None:
        """Copy operands that a loop for `value` alone could not read where they are."""
        forms = fresh(full_shape(value))
        for x, at in self.reads_at(value, forms):
            if (at is None or self.buffers.origin(x, at) is None) and x not in self.buffers.copies:
                self.buffers.copies.add(x)
                self.add_to_loop(x)

    def join(self, value: Symbol, loop: Loop) -> bool:
        """Take `value` into the loop, at an index at which its operands meet it."""
        indices = self.indices(value, loop) if loop.members else [fresh(full_shape(value))]
        for forms in indices:
            found = self.fitted(value, forms, loop)
            if found is not None:
                self.put(value, forms, found, loop)
                return True
        return False

    def put(self, value: Symbol, forms: Forms, found: list, loop: Loop) -> None:
        loop.members.append(value)
        loop.copies |= {value} & self.buffers.copies
        loop.index[value], loop.found[value] = forms, found
        if is_reduction(value) and value not in self.buffers.copies:
            loop.operand[value] = forms
            loop.index[value] = result_index(value, forms)
            if loop.reduced_by is None:
                loop.reduced_by = value
        for base, at in found:
            if base not in loop.index:
                known = loop.reads.setdefault(base, [])
                if at not in known:
                    known.append(at)

    def fitted(self, value: Symbol, forms: Forms, loop: Loop) -> list | None:
        """Where the operands are found if `value` is computed at `forms`; None if it cannot be."""
        found = []
        for x, index in self.reads_at(value, forms):
            at = self.buffers.origin(x, index) if index is not None else None
            if at is None or (at[0] in loop.index and loop.index[at[0]] != at[1]):
                return None
            if at[0] not in loop.index and self.is_made_in(loop, at[0]):
                return None
            found.append(at)
        return found if self.keeps_rows(value, forms, found, loop) else None

    def is_made_in(self, loop: Loop, value: Symbol) -> bool:
        """Whether a loop computes elements of `value`: then it cannot read them, at any index."""
        base = self.base(value)
        pieces = self.buffers.pieces.get(base, ())
        return base in loop.index or any(self.is_made_in(loop, piece) for piece in pieces)

    def keeps_rows(self, value: Symbol, forms: Forms, found: list, loop: Loop) -> bool:
        """Whether `value` is along all axes, or along those that the loop's reductions leave."""
        if not loop.members:
            return True
        if isinstance(loop, Product) and not self.fits_in_epilogue(value, forms, found, loop):
            return False
        mine = set(axes_of(forms))
        if not all(map(enumerates, forms, full_shape(value))):
            return False
        axes, kept = set(loop.axes), set(loop.kept)
        if size(mine) != math.prod(full_shape(value)):  # a diagonal has one axis for two dims
            return False
        if is_reduction(value) and value not in self.buffers.copies:
            left = set(axes_of(result_index(value, forms)))
            return mine == axes and (loop.reduced_by is None or left == kept)
        if mine not in (axes, kept):
            return False
        of_rows = any(base in loop.index and not_all(loop, base, axes) for base, _ in found)
        return not (loop.is_whole and mine == axes and of_rows)

    def fits_in_epilogue(self, value: Symbol, forms: Forms, found: list, loop: Product) -> bool:
        """Whether a product can compute `value` from vectors along its rows.

        What is only reduced is left to the loop that does so, which need not store it.
        """
        users = self.buffers.users.get(value, [])
        reduced = bool(users) and all(is_reduction(user) for user in users)
        dtypes = {x.dtype.name for x in (value, *(base for base, _ in found))}
        if is_reduction(value) or reduced or dtypes - {"float32", "bool"}:
            return False
        if value.dtype.name == "bool" and not self.leaves_floats(loop, value):
            return False
        steps = {self.buffers.place(base, at).coefficient(loop.last) for base, at in found}
        place, axes = self.buffers.place(value, forms), axes_of(loop.index[loop.node])
        rows = [place.coefficient(a) for a in axes[:-1]]
        even = walks_evenly(rows, [a.size for a in axes[:-1]]) and min(rows, default=0) >= 0
        return steps <= {0, 1} and place.coefficient(loop.last) == 1 and even

    def leaves_floats(self, loop: Product, mask: Symbol) -> bool:
        """Whether others than a mask read what a product gives, so that floats are stored."""
        inside = {*loop.members, mask}
        floats = [m for m in loop.members if m.dtype.name == "float32"]
        return any(user not in inside for m in floats for user in self.buffers.users.get(m, []))

    def reads_at(self, value: Symbol, forms: Forms) -> list[tuple[Symbol, Forms | None]]:
        """What `value` reads if it is computed at `forms`, and where."""
        if value in self.buffers.copies:
            return [(x, index_in_source(value, forms)) for x in self.reads_of(value)]
        return [(x, aligned(forms, x)) for x in self.reads_of(value)]

    def indices(self, value: Symbol, loop: Loop) -> Iterator[Forms]:
        """The indices at which `value` may meet what the loop knows of its operands."""
        for x in self.reads_of(value):
            if value in self.buffers.copies:
                shown = (index_in_view(value, forms) for forms in self.pushed(x, loop))
                yield from (forms for forms in shown if forms is not None)
            elif x.shape == full_shape(value):
                yield from self.pushed(x, loop)
        if not is_reduction(value):
            for member, forms in loop.index.items():
                if member.shape == value.shape:
                    yield forms
            for base, known in loop.reads.items():
                if base.shape == value.shape:
                    yield from known

    def pushed(self, x: Symbol, loop: Loop) -> Iterator[Forms]:
        """The indices of x that show what the loop computes or reads."""
        base, views = self.buffers.chain(x)
        known = [loop.index[base]] if base in loop.index else loop.reads.get(base, [])
        shown = (index_through(views, forms) for forms in known)
        yield from (forms for forms in shown if forms is not None)


def numbers_first(values: Sequence[Symbol]) -> list[Symbol]:
    """Numbers made of numbers that are given, then the rest: so no loop ends for want of one.

    An optimizer computes its rates after the first of what it does to its arrays.
    """
    early = {v for v in values if v.op is None}
    numbers = []
    for value in values:
        if value.op is not None and value.ndim == 0 and early.issuperset(value.operands):
            early.add(value)
            numbers.append(value)
    return [*numbers, *(v for v in values if v not in early or v.op is None)]


def not_all(loop: Loop, member: Symbol, axes: set[Axis]) -> bool:
    return set(axes_of(loop.index[member])) != axes


def bits(found: int) -> Iterator[int]:
    while found:
        low = found & -found
        yield low.bit_length() - 1
        found ^= low


def full_shape(value: Symbol) -> tuple[int, ...]:
    """The shape over which a value is computed: for a reduction, that of its operand."""
    return value.inputs[0].shape if is_reduction(value) else value.shape


def result_index(value: Symbol, forms: Forms) -> Forms:
    """The index of a reduction's result, from that of its operand."""
    dims = value.attrs["dim"]
    left = [form for i, form in enumerate(forms) if i not in dims]
    kept = tuple(n for i, n in enumerate(value.inputs[0].shape) if i not in dims)
    found = reshaped(left, kept, value.shape)
    assert found is not None  # dims of size 1 come and go
    return found


def aligned(forms: Forms, x: Symbol) -> Forms:
    """The index in an operand that broadcasts."""
    return of_expand(forms, x.shape, ())
