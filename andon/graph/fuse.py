"""Fusion: which values are computed together, in one pass over memory.

`kernels_of` cuts a graph into kernels, in an order in which they can run:

- a `Loop` walks a few axes and computes elementwise values at each point. Values along some of the
  axes may be reductions over the others: a softmax or a norm is one loop, row by row.
- a `Call` is one op of its own: a product of matrices, attention, a sort.

Views take no part: who reads one reads what it shows, at another index. Where no index says that,
the value is copied, or, being a reshape of a whole buffer, is that buffer under another name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..core.op import item
from ..ops.arithmetic import add
from ..ops.index import zeros
from ..ops.join import cat, stack
from ..ops.movement import contiguous
from .affine import Axis, Form, Forms, axes_of, enumerates, fresh, linear, reshaped, row_major
from .ir import Graph, Symbol
from .record import output
from .views import index_in_source, of_expand, origin, source

REDUCTIONS = ("sum", "sum_to", "mean", "prod", "amax", "amin", "any", "all")
PACKED = (  # ops whose kernels read operands in row-major order
    "conv", "conv_input_grad", "conv_weight_grad", "max_pool", "unpool", "sum_pool",
    "spread_windows", "batch_norm", "batch_norm_backward",
)  # fmt: skip
MOST = 48  # members of a loop: more would not stay in registers
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
    def reduced(self) -> list[Axis]:
        kept = set(self.kept)
        return [axis for axis in self.axes if axis not in kept]

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


class Strided(NamedTuple):
    """Elements in memory: those of `value`, from an offset on, some steps apart along each dim."""

    value: Symbol
    offset: int
    strides: tuple[int, ...]


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


class Grouping:
    """Kernels that take in one value after the other."""

    def __init__(self, graph: Graph, loops: Any, updates: Mapping[int, int] | None = None):
        self.graph, self.loops, self.updates = graph, loops, updates or {}
        self.kernels: list[Kernel] = []
        self.of: dict[Symbol, int] = {}  # the kernel that computes each value
        self.needs: list[int] = []  # as a bit set, the kernels that each one waits for
        self.aliases: dict[Symbol, Symbol] = {}
        self.copies: set[Symbol] = set()
        self.readers: dict[Symbol, list[int]] = {}
        self.homes: dict[Symbol, Strided] = {}  # values that lie within others' memory
        self.pieces: dict[Symbol, list[Symbol]] = {}  # what fills the memory of such others
        self.users = graph.users()
        self.items = {(v.inputs[0], v.attrs["index"]): v for v in graph.values if v.op is item}

    # ---- values that have elements of their own

    def source(self, value: Symbol) -> Symbol | None:
        """What a value is a view of, unless it is copied or another name of a buffer."""
        return None if value in self.copies or value in self.aliases else source(value)

    def origin(self, value: Symbol, forms: Forms) -> tuple[Symbol, Forms] | None:
        stops = self.copies, self.aliases
        return origin(value, forms, stops)

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
        base, chain = x, []
        while (before := self.source(base)) is not None:
            chain.append(base)
            base = before
        forms = fresh(base.shape)
        index: Forms | None = forms
        for view in reversed(chain):
            index = index_in_view(view, index) if index is not None else None
        if index is not None and self.is_free(base, fixed):
            place = self.part_of(whole, start, index)
            strides = strides_of(place, forms)
            if strides is not None and (base.op is not item or strides[-1] == 1):
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
        name = value.op.name  # type: ignore[union-attr]
        if name not in PACKED and (name != "matmul" or x.ndim < 2):
            return True
        if name == "matmul" and (self.is_shared(value, x) or self.is_scattered(value, x)):
            return False
        lies = self.strided(x)
        pairs = [] if lies is None else list(zip(lies.strides, x.shape, strict=True))
        if name == "matmul":
            return any(step == 1 or n == 1 for step, n in pairs[-2:])
        steps = zip(pairs, row_major(x.shape), strict=False)
        return bool(pairs) and all(n == 1 or a == b for (a, n), b in steps)

    def is_shared(self, product: Symbol, x: Symbol) -> bool:
        """Whether a transposed matrix is what several products multiply by: it is copied once."""
        users = self.users.get(x, [])
        if x.op.name != "permute" or x is not product.inputs[1]:  # type: ignore[union-attr]
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

    # ---- grouping

    def run(self) -> list[Kernel]:
        self.settle_views()
        self.own_outputs()
        self.settle_homes()
        self.settle_operands()
        for value in self.graph.values:
            if value.op is None or value in self.aliases:
                continue
            if value.op is item and value not in self.copies:
                continue
            if value in self.pieces:
                for piece in self.pieces[value]:
                    if piece in self.copies and piece not in self.of:
                        self.add_to_loop(piece)
            elif value in self.copies:
                self.add_to_loop(value)
            elif source(value) is not None or value.op.name in ("split", "unbind"):
                continue
            elif fits_in_loop(value, self.loops):
                self.add_to_loop(value)
            else:
                self.add_call(value)
        return self.in_order()

    def producers(self, values: Iterable[Symbol]) -> int:
        """The kernels that compute these, as a bit set."""
        found = 0
        for value in values:
            base = self.base(value)
            if base in self.pieces:
                found |= self.producers(self.pieces[base])
            elif base in self.of:
                found |= 1 << self.of[base]
        return found

    def base(self, value: Symbol) -> Symbol:
        """The value whose memory a view shows; of an output of several, the node."""
        while True:
            if value in self.aliases:
                value = self.aliases[value]
            elif (found := self.source(value)) is not None:
                value = found
            elif value.op is item:
                value = value.inputs[0]
            else:
                return value

    def reads_of(self, value: Symbol) -> list[Symbol]:
        """What must exist before `value` can be computed."""
        if value in self.copies:
            return [source(value)]  # type: ignore[list-item]
        return [] if value.op is zeros else value.operands

    def add_call(self, value: Symbol) -> None:
        for x in value.operands:
            if self.strided(x) is None:
                self.copies.add(x)
                self.add_to_loop(x)
        product = value.op.name == "matmul" and self.is_one_product(value)  # type: ignore[union-attr]
        self.start(Product(value) if product else Call(value, self.items), value)

    def is_one_product(self, value: Symbol) -> bool:
        """Whether it is one product of floats, stacked rows being rows, by a single matrix."""
        a, b = value.inputs
        if a.ndim < 2 or b.ndim < 2 or value.shape[-1] == 1 or a.dtype.name != "float32":
            return False
        lies = self.strided(a)
        rows = math.prod(a.shape[:-1]) == math.prod(value.shape[:-1])
        matrix = math.prod(b.shape[:-2]) == 1
        if math.prod(a.shape[:-2]) == 1:
            return rows and matrix
        stacked = lies is not None and walks_evenly(lies.strides[:-1], a.shape[:-1])
        return rows and matrix and stacked and lies is not None and lies.strides[-1] == 1

    def start(self, kernel: Kernel, value: Symbol) -> None:
        self.of[value] = len(self.kernels)
        self.kernels.append(kernel)
        self.needs.append(self.all_needs(self.producers(self.reads_of(value))))

    def all_needs(self, direct: int) -> int:
        found = direct
        for k in bits(direct):
            found |= self.needs[k]
        return found

    def add_to_loop(self, value: Symbol) -> None:
        """Put `value` into the loop that it can join, or begin one."""
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
        others = self.producers(self.reads_of(value)) & ~(1 << k)
        return not any(self.needs[h] >> k & 1 for h in bits(others))

    def joined(self, value: Symbol, k: int) -> None:
        self.of[value] = k
        more = self.all_needs(self.producers(self.reads_of(value)) & ~(1 << k))
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
        """The kernels, each after those that it needs; as early as the values were made."""
        left = set(range(len(self.kernels)))
        done, found = 0, []
        last = [max(m.order for m in kernel.members) for kernel in self.kernels]
        while left:
            ready = [k for k in left if not self.needs[k] & ~done]
            k = min(ready, key=last.__getitem__)
            left.remove(k)
            done |= 1 << k
            found.append(self.kernels[k])
        return found

    # ---- joining a loop

    def copy_what_no_index_says(self, value: Symbol) -> None:
        """Copy operands that a loop for `value` alone could not read where they are."""
        forms = fresh(full_shape(value))
        for x, at in self.reads_at(value, forms):
            if (at is None or self.origin(x, at) is None) and x not in self.copies:
                self.copies.add(x)
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
        loop.copies |= {value} & self.copies
        loop.index[value], loop.found[value] = forms, found
        if is_reduction(value) and value not in self.copies:
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
            at = self.origin(x, index) if index is not None else None
            if at is None or (at[0] in loop.index and loop.index[at[0]] != at[1]):
                return None
            found.append(at)
        return found if self.keeps_rows(value, forms, found, loop) else None

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
        if is_reduction(value) and value not in self.copies:
            left = set(axes_of(result_index(value, forms)))
            return mine == axes and (loop.reduced_by is None or left == kept)
        if mine not in (axes, kept) or size(mine) != math.prod(value.shape):
            return False
        of_rows = any(base in loop.index and not_all(loop, base, axes) for base, _ in found)
        return not (loop.is_whole and mine == axes and of_rows)

    def fits_in_epilogue(self, value: Symbol, forms: Forms, found: list, loop: Product) -> bool:
        """Whether a product can compute `value` from vectors along its rows.

        What is only reduced is left to the loop that does so, which need not store it.
        """
        users = self.users.get(value, [])
        reduced = bool(users) and all(is_reduction(user) for user in users)
        dtypes = {x.dtype.name for x in (value, *(base for base, _ in found))}
        if is_reduction(value) or reduced or dtypes - {"float32", "bool"}:
            return False
        if value.dtype.name == "bool" and not self.leaves_floats(loop, value):
            return False
        steps = {self.place(base, at).coefficient(loop.last) for base, at in found}
        place, axes = self.place(value, forms), axes_of(loop.index[loop.node])
        even = walks_evenly([place.coefficient(a) for a in axes[:-1]], [a.size for a in axes[:-1]])
        return steps <= {0, 1} and place.coefficient(loop.last) == 1 and even

    def leaves_floats(self, loop: Product, mask: Symbol) -> bool:
        """Whether others than a mask read what a product gives, so that floats are stored."""
        inside = {*loop.members, mask}
        floats = [m for m in loop.members if m.dtype.name == "float32"]
        return any(user not in inside for m in floats for user in self.users.get(m, []))

    def reads_at(self, value: Symbol, forms: Forms) -> list[tuple[Symbol, Forms | None]]:
        """What `value` reads if it is computed at `forms`, and where."""
        if value in self.copies:
            return [(x, index_in_source(value, forms)) for x in self.reads_of(value)]
        return [(x, aligned(forms, x)) for x in self.reads_of(value)]

    def indices(self, value: Symbol, loop: Loop) -> Iterator[Forms]:
        """The indices at which `value` may meet what the loop knows of its operands."""
        for x in self.reads_of(value):
            if value in self.copies:
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
        chain = []
        while (before := self.source(x)) is not None:
            chain.append(x)
            x = before
        known = [loop.index[x]] if x in loop.index else loop.reads.get(x, [])
        for forms in known:
            found: Forms | None = forms
            for view in reversed(chain):
                found = index_in_view(view, found) if found is not None else None
            if found is not None:
                yield found


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


def walks_evenly(strides: Sequence[int], shape: Sequence[int]) -> bool:
    """Whether dims are walked in equal steps, as one."""
    dims = [(s, n) for s, n in zip(strides, shape, strict=True) if n != 1]
    return all(s == t * n for (s, _), (t, n) in pairwise(dims))


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


def reduced_dims(value: Symbol) -> set[int]:
    """The dims of the operand that a reduction goes over."""
    if value.op.name != "sum_to":  # type: ignore[union-attr]
        return set(value.attrs["dim"])
    old, new = value.inputs[0].shape, value.attrs["shape"]
    extra = len(old) - len(new)
    return {i for i, n in enumerate(old) if i < extra or new[i - extra] != n}


def result_index(value: Symbol, forms: Forms) -> Forms:
    """The index of a reduction's result, from that of its operand."""
    dims = reduced_dims(value)
    left = [form for i, form in enumerate(forms) if i not in dims]
    kept = tuple(n for i, n in enumerate(value.inputs[0].shape) if i not in dims)
    found = reshaped(left, kept, value.shape)
    assert found is not None  # dims of size 1 come and go
    return found


def aligned(forms: Forms, x: Symbol) -> Forms:
    """The index in an operand that broadcasts."""
    return of_expand(forms, x.shape, ())


def index_in_view(view: Symbol, forms: Forms) -> Forms | None:
    """The index in a view of the element at `forms` of its source, if it shows all of it."""
    op: Any = view.op
    old, new = view.inputs[0].shape, view.shape
    if op.name == "permute":
        return [forms[d] for d in view.attrs["dims"]]
    if op.name == "flip":
        return [
            (f * -1).plus(n - 1) if d in view.attrs["dims"] else f
            for d, (f, n) in enumerate(zip(forms, old, strict=True))
        ]
    in_order = op.name in ("reshape", "expand", "contiguous", "clone", "positive", "cast")
    shows_all = op is not item and math.prod(old) == math.prod(new)
    return reshaped(forms, old, new) if in_order and shows_all else None
