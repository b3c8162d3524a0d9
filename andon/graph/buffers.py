"""Buffers: in whose memory the elements of each value lie, and where.

A view has no memory: who reads it reads what it shows, at another index. Where no index says that,
the value is copied, or, being a reshape of a whole buffer, is that buffer under another name. Parts
of what is joined may lie within the buffer of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..core.op import item
from ..ops.join import cat, stack
from ..ops.movement import after, contiguous
from .affine import Form, Forms, fresh, linear, row_major
from .ir import Graph, Symbol
from .kernel import fits_in_loop
from .views import index_in_source, index_through, origin, source

PACKED = (  # ops whose kernels read operands in row-major order
    "conv", "conv_input_grad", "conv_weight_grad", "max_pool", "unpool", "sum_pool",
    "spread_windows", "batch_norm", "batch_norm_backward", "layer_norm", "layer_norm_backward",
    "rms_norm", "rms_norm_backward", "embedding", "embedding_backward", "cross_entropy",
    "cross_entropy_backward",
)  # fmt: skip


class Strided(NamedTuple):
    """Elements in memory: those of `value`, from an offset on, some steps apart along each dim."""

    value: Symbol
    offset: int
    strides: tuple[int, ...]


class Buffers:
    """Settles, in turn, which views are copied, what outputs own, and what lies within others.

    loops     says of an op and dtypes whether there is C text
    updates   for outputs that are written over an input: which
    aliases   reshapes that are a buffer under another name: of what
    copies    values that are copies of what they show
    homes     where values lie that have no buffer of their own, or lie in it unlike row by row
    pieces    for what is joined: the values that fill its memory
    """

    def __init__(self, graph: Graph, loops: Any, updates: Mapping[int, int] | None = None):
        self.graph, self.loops, self.updates = graph, loops, updates or {}
        self.aliases: dict[Symbol, Symbol] = {}
        self.copies: set[Symbol] = set()
        self.homes: dict[Symbol, Strided] = {}
        self.pieces: dict[Symbol, list[Symbol]] = {}
        self.users = graph.users()
        self.settle_views()
        self.own_outputs()
        self.settle_homes()
        self.settle_operands()

    # ---- values that have elements of their own

    def source(self, value: Symbol) -> Symbol | None:
        """What a value is a view of, unless it is copied or another name of a buffer."""
        return None if value in self.copies or value in self.aliases else source(value)

    def origin(self, value: Symbol, forms: Forms) -> tuple[Symbol, Forms] | None:
        stops = self.copies, self.aliases
        return origin(value, forms, stops)

    def chain(self, value: Symbol) -> tuple[Symbol, list[Symbol]]:
        """The value with elements that `value` shows, and the views from there to it."""
        views: list[Symbol] = []
        while (before := self.source(value)) is not None:
            views.insert(0, value)
            value = before
        return value, views

    def settle_views(self) -> None:
        """Decide which views are copied and which are other names of a buffer."""
        for value in self.graph.values:
            if isinstance(value.dtype, tuple) or source(value) is None:
                continue
            while (reshape := self.opaque(value)) is not None:
                before: Any = source(reshape)
                self.aliases[reshape] = before
                if self.source(before) is not None:
                    self.copies.add(before)

    def opaque(self, value: Symbol) -> Symbol | None:
        """The reshape, if any, that no index can look through from where `value` looks."""
        forms = fresh(value.shape)
        while (before := self.source(value)) is not None:
            found = index_in_source(value, forms)
            if found is None:
                return value
            value, forms = before, found
        return None

    def strided(self, value: Symbol) -> Strided | None:
        """Where the elements of `value` lie in memory; None where strides do not say it."""
        forms = fresh(value.shape)
        found = self.origin(value, forms)
        if found is None:
            return None
        place = self.place(*found)
        strides = strides_of(place, forms)
        return None if strides is None else Strided(self.memory(found[0]), place.offset, strides)

    def place(self, value: Symbol, forms: Forms) -> Form:
        """Where in memory the element of a value at an index is, counted in elements."""
        home = self.homes.get(value)
        if home is None:
            return linear(forms, row_major(value.shape))
        return linear(forms, home.strides).plus(home.offset)

    def memory(self, value: Symbol) -> Symbol:
        """The value whose memory holds the elements of this one."""
        while True:
            before = self.aliases[value] if value in self.aliases else self.source(value)
            if before is None and value in self.homes and self.homes[value].value is not value:
                before = self.homes[value].value
            if before is None:
                return value
            value = before

    def own_outputs(self) -> None:
        """Copy outputs that are parts of other values, or the same as others, or were given."""
        taken: set[Symbol] = {self.graph.inputs[i] for i in self.updates.values()}
        outputs = []
        for i, y in enumerate(self.graph.outputs):
            memory = self.memory(y)
            given = memory.op is None and (memory.const is not None or i not in self.updates)
            if given or memory in taken or not self.is_all_of(y, memory):
                y = copy_of(y)
                self.copies.add(y)
            else:
                taken.add(memory)
            outputs.append(y)
        self.graph = Graph(self.graph.inputs, outputs, self.graph.name)

    def is_all_of(self, value: Symbol, memory: Symbol) -> bool:
        """Whether a value is a buffer as it lies, maybe under another shape."""
        found = self.strided(value)
        if found is None or found.offset or math.prod(value.shape) != math.prod(memory.shape):
            return False
        pairs = zip(value.shape, found.strides, row_major(value.shape), strict=True)
        return all(n == 1 or a == b for n, a, b in pairs)

    # ---- values that lie within others

    def settle_homes(self) -> None:
        """Let what is joined be computed in its place, and attention lie as its readers want it."""
        owned = {self.memory(y) for y in self.graph.outputs}
        fixed = {*owned, *self.aliases.values()}
        for value in reversed(self.graph.values):
            if value.op is None or isinstance(value.dtype, tuple) or 0 in value.shape:
                continue
            if value.op in (cat, stack) and not self.is_promoted(value):
                self.join_parts(value, fixed)
            elif value.op.name == "permute" and value not in self.copies:
                self.lie_permuted(value, fixed)

    def is_promoted(self, value: Symbol) -> bool:
        return any(x.dtype != value.dtype for x in value.operands)

    def join_parts(self, value: Symbol, fixed: set[Symbol]) -> None:
        """Give each part of a `cat` or `stack` a home in the memory of the whole."""
        start = 0
        self.pieces[value] = []
        for x in value.operands:
            self.pieces[value].append(self.piece(x, value, start, fixed))
            start += 1 if value.op is stack else x.shape[value.attrs["dim"]]

    def piece(self, x: Symbol, whole: Symbol, start: int, fixed: set[Symbol]) -> Symbol:
        """What is computed into a part of a whole: what x shows if it can be, or a copy of x."""
        base, views = self.chain(x)
        forms = fresh(base.shape)
        index = index_through(views, forms)
        early = any(view.op is after for view in views)  # it would lie there from early on
        if index is not None and not early and self.is_free(base, fixed):
            place = self.part_of(whole, start, index)
            strides = strides_of(place, forms)
            if strides is not None and self.may_lie(base, strides):
                self.homes[base] = Strided(self.memory(whole), place.offset, strides)
                return base
        copied, forms = copy_of(x), fresh(x.shape)
        copied.order = whole.order
        place = self.part_of(whole, start, forms)
        self.copies.add(copied)
        self.homes[copied] = Strided(
            self.memory(whole), place.offset, strides_of(place, forms) or ()
        )
        return copied

    def part_of(self, whole: Symbol, start: int, index: Forms) -> Form:
        """Where the element at `index` of a part lies, that begins at `start` in the whole."""
        inside, dim = list(index), whole.attrs["dim"]
        if whole.op is stack:
            inside.insert(dim, Form(start))
        else:
            inside[dim] = inside[dim].plus(start)
        return self.place(whole, inside)

    def is_free(self, value: Symbol, fixed: set[Symbol]) -> bool:
        """Whether it is ours to say where a value lies."""
        if value in fixed or value in self.homes or value in self.aliases or value.op is None:
            return False
        if value.op is item:
            return value.inputs[0].op.name in ("attention", "attention_backward")
        return value in self.pieces or (value.op in (cat, stack)) or fits_in_loop(value, self.loops)

    def may_lie(self, value: Symbol, strides: tuple[int, ...]) -> bool:
        """Whether those who write and read a value can do so where it would have these strides."""
        packed = any(user.op.name in PACKED for user in self.users[value])
        if packed and not are_rows(strides, value.shape):
            return False
        return value.op is not item or strides[-1] == 1

    def lie_permuted(self, view: Symbol, fixed: set[Symbol]) -> None:
        """Let attention's (B, H, T, D) lie as the (B, T, H, D) that a view of it shows."""
        x = view.inputs[0]
        if x.op is not item or x.ndim != 4 or not self.is_free(x, fixed):
            return
        if view.attrs["dims"] != (0, 2, 1, 3):
            return
        _, H, T, D = x.shape
        self.homes[x] = Strided(x, 0, (T * H * D, D, H * D, 1))

    # ---- operands of calls

    def settle_operands(self) -> None:
        """Copy views that the kernel which reads them cannot read as they lie."""
        for value in self.graph.values:
            for x in value.operands if value.op is not None else ():
                if self.source(x) is not None and not self.suits(value, x):
                    self.copies.add(x)

    def suits(self, value: Symbol, x: Symbol) -> bool:
        """Whether an operand lies as the op wants it: by rows, or, of a matrix, also by columns."""
        name = value.op.name
        if name in ("attention", "attention_backward"):
            return x is mask_and_key(value)[0] or self.has_rows(x)
        if name not in PACKED and (name != "matmul" or x.ndim < 2):
            return True
        if name == "matmul" and (self.is_shared(value, x) or self.is_scattered(value, x)):
            return False
        lies = self.strided(x)
        if lies is None or not x.shape:
            return False
        if name == "matmul":
            return 1 in (*lies.strides[-2:], *x.shape[-2:])
        return are_rows(lies.strides, x.shape)

    def has_rows(self, x: Symbol) -> bool:
        """Whether the last dim lies element by element."""
        lies = self.strided(x)
        return lies is not None and (x.shape[-1] == 1 or lies.strides[-1] == 1)

    def is_shared(self, product: Symbol, x: Symbol) -> bool:
        """Whether a transposed matrix is what several products multiply by: it is copied once."""
        users = self.users.get(x, [])
        if x.op.name != "permute" or x is not product.inputs[1]:
            return False
        lies = self.strided(x)
        transposed = lies is not None and lies.strides[-1] != 1
        return transposed and sum(user.op is product.op for user in users) > 2

    def is_scattered(self, product: Symbol, x: Symbol) -> bool:
        """Whether rows that a single matrix multiplies are not stacked: copied, they are."""
        a, b = product.inputs
        lies = self.strided(x)
        stacked = lies is not None and walks_evenly(lies.strides[:-1], x.shape[:-1])
        return x is a and math.prod(b.shape[:-2]) == 1 and not stacked


def mask_and_key(value: Symbol) -> tuple:
    """The mask of attention and the key of its dropout, forward or backward."""
    return value.inputs[3:5] if len(value.inputs) == 5 else value.inputs[4:6]


def copy_of(value: Symbol) -> Symbol:
    return Symbol(contiguous, (value,), {}, value.shape, value.dtype)


def strides_of(place: Form, forms: Forms) -> tuple[int, ...] | None:
    """The step along each dim, if a dim that is split into several axes has one."""
    strides = []
    for form in forms:
        steps = [(place.coefficient(axis), c) for axis, c in form.terms]
        stride = steps[-1][0] if steps else 0  # of the last part of a dim that was split
        if any(step != stride * c for step, c in steps):
            return None
        strides.append(stride)
    return tuple(strides)


def are_rows(strides: Sequence[int], shape: tuple[int, ...]) -> bool:
    """Whether elements lie row by row."""
    steps = zip(strides, row_major(shape), shape, strict=True)
    return all(a == b or n == 1 for a, b, n in steps)


def walks_evenly(strides: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether dims are walked in equal steps, as one."""
    dims = [(s, n) for s, n in zip(strides, shape, strict=True) if n != 1]
    return all(s == t * n for (s, _), (t, n) in pairwise(dims))
