"""The memory plan: where each value that is stored lies.

Inputs, outputs and constants are `given`, a table of pointers. All else lies in one arena, in
places that values take from those that nobody reads any more. An output that updates an input is
written over it if nobody reads the input afterwards, and nothing can fail; otherwise it is copied
there at the end.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .affine import axes_of
from .buffers import Buffers
from .ir import Symbol
from .kernel import Call, Kernel, Loop, Product

ALIGNMENT = 64


class Place(NamedTuple):
    """`given[at]`, or `at` bytes into the arena."""

    in_arena: bool
    at: int


@dataclass
class Plan:
    """places    where each stored value lies
    scratch   the same for what a kernel needs for itself, by the kernel's number
    size      of the arena, in bytes
    updates   (input, value): what is copied over an input when all is done
    copies    the same where the value lies in the arena, so that C can do it
    returned  for each output: what is handed out, as the number of an entry of `given`
    """

    places: dict[Symbol, Place] = field(default_factory=dict)
    scratch: dict[int, int] = field(default_factory=dict)
    size: int = 0
    updates: list[tuple[int, Symbol]] = field(default_factory=list)
    copies: list[tuple[int, Symbol]] = field(default_factory=list)
    returned: list[int] = field(default_factory=list)
    lives: dict[Symbol, tuple[int, int]] = field(default_factory=dict)


def size_in_bytes(value: Symbol) -> int:
    return math.prod(value.shape) * value.dtype.itemsize


def reads(kernel: Kernel, buffers: Buffers) -> set[Symbol]:
    """The values whose memory a kernel reads."""
    read = list(kernel.reads) if isinstance(kernel, Loop) else []
    if isinstance(kernel, Call | Product):
        read += kernel.node.operands
    return {buffers.memory(x) for x in read}


def results(kernel: Kernel) -> list[Symbol]:
    """The values that a kernel may store."""
    return kernel.members if isinstance(kernel, Loop) else kernel.results


def needed(buffers: Buffers, kernels: list[Kernel]) -> set[Symbol]:
    """The values whose memory is used: by other kernels, as outputs, as results of calls."""
    found = {buffers.memory(y) for y in buffers.graph.outputs}
    for kernel in kernels:
        found |= reads(kernel, buffers)
        if isinstance(kernel, Call):
            found |= {buffers.memory(y) for y in kernel.results}
    return found


class Planner:
    """Lays out the values of a graph. `scratch` says how much memory a kernel needs for itself.

    may_fail  for each kernel, whether what it is given may be an error: an index out of range
    """

    def __init__(self, buffers: Buffers, kernels: list[Kernel], may_fail: Sequence[bool] = ()):
        self.graph, self.buffers, self.kernels = buffers.graph, buffers, kernels
        self.scratch: Mapping[int, int] = {}
        self.last_to_fail = max((k for k, fails in enumerate(may_fail) if fails), default=-1)
        self.given = set(buffers.graph.inputs)
        self.plan = Plan()
        self.taken: set[Symbol] = set()  # values whose place another has taken over
        self.needed = needed(buffers, kernels)
        self.reads = [reads(kernel, buffers) for kernel in kernels]
        self.writes = [
            list(dict.fromkeys(map(buffers.memory, self.stored(kernel)))) for kernel in kernels
        ]

    def stored(self, kernel: Kernel) -> list[Symbol]:
        """The results of a kernel that somebody needs in memory."""
        return [y for y in results(kernel) if self.buffers.memory(y) in self.needed]

    def settle(self) -> None:
        """Place what lies in memory that is given."""
        self.find_lives()
        self.place_given()
        self.place_outputs()

    def run(self) -> Plan:
        """Place all else, once it is known what scratch the kernels need."""
        self.place_in_arena()
        updates, self.plan.updates = self.plan.updates, []
        for target, value in updates:
            place = self.plan.places[self.buffers.memory(value)]
            (self.plan.copies if place.in_arena else self.plan.updates).append((target, value))
        return self.plan

    def adds_in_place(self, kernel: Product) -> bool:
        """Whether a product is added to what its result is written over."""
        total = kernel.added_to()
        place = self.plan.places.get(self.buffers.memory(kernel.members[-1]))
        return total is not None and place is not None and place == self.plan.places.get(total)

    def find_lives(self) -> None:
        """The first and the last kernel that each value's memory is for."""
        lives: dict[Symbol, tuple[int, int]] = self.plan.lives
        for k in range(len(self.kernels)):
            for value in self.writes[k]:
                lives[value] = (lives.get(value, (k, k))[0], k)
            for value in self.reads[k]:
                lives[value] = (lives.get(value, (0, 0))[0], k)
        for y in self.graph.outputs:
            memory = self.buffers.memory(y)
            lives[memory] = (lives.get(memory, (0, 0))[0], len(self.kernels))

    def place_given(self) -> None:
        """Inputs first, then outputs, then constants."""
        at = len(self.graph.inputs) + len(self.graph.outputs)
        for i, x in enumerate(self.graph.inputs):
            self.plan.places[x] = Place(False, i)
        for i, c in enumerate(c for c in self.graph.constants if c not in self.plan.places):
            self.plan.places[c] = Place(False, at + i)

    def place_outputs(self) -> None:
        """Outputs go to the inputs that they update, or to memory of their own."""
        first = len(self.graph.inputs)
        for i, y in enumerate(self.graph.outputs):
            memory, target = self.buffers.memory(y), self.buffers.updates.get(i)
            if target is not None:
                self.plan.returned.append(target)
                if memory not in self.plan.places and self.may_overwrite(memory, target):
                    self.plan.places[memory] = Place(False, target)
                elif self.plan.places.get(memory) != Place(False, target):
                    self.plan.updates.append((target, y))
            else:
                self.plan.returned.append(first + i)
                self.plan.places[memory] = Place(False, first + i)

    def may_overwrite(self, value: Symbol, target: int) -> bool:
        """Whether nobody reads the input after `value` has been written over it, nor fails."""
        x = self.graph.inputs[target]
        k = self.plan.lives[value][0]
        if k <= self.last_to_fail:
            return False
        if value in self.buffers.pieces and x in self.reads[k]:
            return False
        if self.plan.lives.get(x, (0, 0))[1] > k:
            return False
        return x not in self.reads[k] or self.in_step(self.kernels[k], value, x)

    def place_in_arena(self) -> None:
        """First fit, kernel by kernel; a value may take the place of one that it is made from."""
        arena, lives = Arena(), self.plan.lives
        ends: dict[int, list[Symbol]] = {}
        for value, (_, end) in lives.items():
            ends.setdefault(end, []).append(value)
        for k in range(len(self.kernels)):
            for value in self.writes[k]:
                if value not in self.plan.places:
                    self.place(value, k, arena)
            if self.scratch.get(k):
                self.plan.scratch[k] = arena.take(self.scratch[k])
                arena.free(self.plan.scratch[k], self.scratch[k])
            for value in ends.get(k, ()):
                where = self.plan.places.get(value)
                if where is not None and where.in_arena and value not in self.taken:
                    arena.free(where.at, size_in_bytes(value))
        self.plan.size = arena.size

    def place(self, value: Symbol, k: int, arena: Arena) -> None:
        kernel = self.kernels[k]
        for x in sorted(self.reads[k], key=lambda v: v.order):
            where = self.plan.places.get(x)
            dies = self.plan.lives[x][1] == k and x not in self.taken
            if where is None or not where.in_arena or not dies:
                continue
            if size_in_bytes(x) == size_in_bytes(value) and self.in_step(kernel, value, x):
                self.plan.places[value] = where
                self.taken.add(x)
                return
        self.plan.places[value] = Place(True, arena.take(size_in_bytes(value)))

    def in_step(self, kernel: Kernel, value: Symbol, x: Symbol) -> bool:
        """Whether a loop reads of x, at each point, just the element that it then overwrites."""
        if isinstance(kernel, Product):
            return kernel.added_to() is x and value is kernel.members[1] and x in self.given
        if isinstance(kernel, Call) or value in self.buffers.pieces:
            return False
        if kernel.reduced_by is not None and not read_with_result(kernel, value, x):
            return False
        bases = [base for base in kernel.reads if self.buffers.memory(base) is x]
        same_size = x.dtype.itemsize == value.dtype.itemsize
        if not same_size or len(bases) != 1:
            return False
        known = kernel.reads[bases[0]]
        place = self.buffers.place(value, kernel.index[value])
        return len(known) == 1 and self.buffers.place(bases[0], known[0]) == place


def read_with_result(loop: Loop, value: Symbol, x: Symbol) -> bool:
    """Whether only `value`, a result of rows, reads x: then that is in the moment it is stored."""
    readers = [m for m in loop.members if any(base is x for base, _ in loop.found[m])]
    kept = set(loop.kept)
    of_rows = set(axes_of(loop.index[value])) == kept and kept != set(loop.axes)
    return of_rows and len(readers) == 1 and readers[0] is value and value not in loop.operand


class Arena:
    """Blocks of memory that are free, and how far the arena reaches."""

    def __init__(self) -> None:
        self.size = 0
        self.holes: list[tuple[int, int]] = []  # (start, end), in order

    def take(self, size: int) -> int:
        """The start of a block of `size` bytes: the smallest hole that it fits in."""
        size = rounded(size)
        fitting = [(end - start, start, end) for start, end in self.holes if end - start >= size]
        if fitting:
            _, start, end = min(fitting)
            self.holes.remove((start, end))
            if end - start > size:
                self.put((start + size, end))
            return start
        start = self.size
        if self.holes and self.holes[-1][1] == self.size:  # grow the last hole
            start = self.holes.pop()[0]
        self.size = start + size
        return start

    def free(self, start: int, size: int) -> None:
        self.put((start, start + rounded(size)))

    def put(self, hole: tuple[int, int]) -> None:
        """Add a hole, joined with those that it touches."""
        found: list[tuple[int, int]] = []
        for each in sorted([*self.holes, hole]):
            if found and found[-1][1] == each[0]:
                found[-1] = (found[-1][0], each[1])
            else:
                found.append(each)
        self.holes = found


def rounded(size: int) -> int:
    """A whole number of cache lines, at least one."""
    return max(1, -(-size // ALIGNMENT)) * ALIGNMENT
