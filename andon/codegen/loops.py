"""A fused loop as C: a function of a range of its rows, or, of a flat loop, of its elements.

What varies is said by the `Nest`. Members are computed when they are first wanted: what does not
vary along a sweep before it, all else at each of its points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph.affine import Axis
from ..graph.ir import Symbol
from ..graph.kernel import size
from ..graph.memory import size_in_bytes
from .accumulator import accumulated, accumulated_in_vector, accumulator, across_lanes
from .function import Function, declared, token
from .load_store import NARROW, element_load, element_store, vector_load, vector_store
from .nest import Access, Nest
from .scalar import C_TYPES, expression, literal, name_of
from .vector import COSTLY, LANES, MASK, TEXTS, by_lane, vector_expression

FAR = 1 << 21  # bytes of a value that no cache of a processor holds until it is wanted
AHEAD = 1024  # elements by which what lies far away is fetched before it is wanted
ROW_TO_FETCH = 1 << 15  # elements of a row that the cache holds beside the one in work
Body = Callable[[str], None]  # writes what is done at a point, or for a part of a vector


def cost(member: Symbol) -> int:
    """About how long a member takes per element, an addition being 1."""
    return 10 if member.op.name in COSTLY else 1


def computed_as(member: Symbol) -> str:
    """The dtype that a member has before it is stored: narrow floats are floats."""
    dtype = name_of(member.dtype)
    return "float32" if dtype in NARROW else dtype


class LoopText:
    """The text of a loop, line by line."""

    def __init__(self, nest: Nest):
        self.nest, self.loop = nest, nest.loop
        self.lines: list[str] = []
        self.depth = 1
        self.tokens: dict[Symbol, int] = {}
        self.buffers: dict[Symbol, bool] = {}  # whether it is written
        self.kept_in_row = nest.in_cache()
        self.uses_error = False

    # ---- the function

    def function(self) -> Function:
        self.rows()
        title = "_".join(dict.fromkeys(m.op.name for m in self.titled()))
        nest = self.nest
        work = size(nest.inner) * (nest.fast.size if nest.columns and nest.range_axes else 1)  # type: ignore[union-attr]
        point = max(1, sum(cost(m) for m in self.loop.members) // 4)
        return Function(
            title=f"{title[:48].rstrip('_')}_loop",
            body=f"({self.parameters()})\n{{\n" + "\n".join(self.lines) + "\n}",
            buffers=list(self.buffers),
            named=list(self.tokens),
            offsets=[self.start(value) for value in self.buffers],
            rows=nest.rows,
            unit=64 if nest.counts_elements else 1,
            work=point * max(1, 1 if nest.counts_elements and not nest.columns else work),
        )

    def titled(self) -> list[Symbol]:
        return self.loop.members[-4:]

    def parameters(self) -> str:
        found = ["long m0", "long m1"]
        found += [declared(self.at(v), v, written) for v, written in self.buffers.items()]
        return ", ".join([*found, *self.partials(), "int *error"])

    def partials(self) -> list[str]:
        """The parameters for accumulators of chunks, if the loop is split."""
        return []

    def emit(self, line: str) -> None:
        self.lines.append("    " * self.depth + line)

    def open(self, line: str) -> None:
        self.emit(f"{line} {{")
        self.depth += 1

    def close(self, count: int = 1) -> None:
        for _ in range(count):
            self.depth -= 1
            self.emit("}")

    # ---- names

    def name(self, value: Symbol) -> str:
        return token(self.tokens.setdefault(value, len(self.tokens)))

    def at(self, value: Symbol) -> str:
        """The pointer to a value's buffer."""
        return f"{self.name(value)}_at"

    def buffer(self, value: Symbol, written: bool = False) -> str:
        self.buffers[value] = self.buffers.get(value, False) or written
        return self.at(value)

    def start(self, value: Symbol) -> int:
        """The first element of a buffer that the loop is given."""
        accesses = [*self.nest.loads.values(), *self.nest.stores.values()]
        return min((x.offset for x in accesses if x.value is value), default=0)

    # ---- rows

    def rows(self) -> None:
        """The outermost loops, and what each row is."""
        nest, opened = self.nest, 0
        self.variables: dict[Axis, str] = {}
        self.known: dict[Any, str] = {}
        if nest.range_axes:
            self.open("for (long m = m0; m < m1; m++)")
            opened += 1
            self.decode(nest.range_axes)
        for axis in self.loops_within_rows():
            opened += self.loop_over(axis)
        if nest.columns:
            self.along_fast(self.row)
        else:
            self.row()
        self.close(opened)

    def loops_within_rows(self) -> list[Axis]:
        return []

    def decode(self, axes: list[Axis], counter: str = "m") -> None:
        """The variables of the axes that a counter goes through together."""
        below = size(axes)
        for i, axis in enumerate(axes):
            self.variables[axis] = counter if len(axes) == 1 else f"i{i}"
            below //= axis.size
            if len(axes) > 1:
                quotient = f"{counter} / {below}" if below > 1 else counter
                rest = f" % {axis.size}" if i else ""
                self.emit(f"const long i{i} = {quotient}{rest};")

    def loop_over(self, axis: Axis) -> int:
        name = f"j{len(self.variables)}"
        self.variables[axis] = name
        self.open(f"for (long {name} = 0; {name} < {axis.size}; {name}++)")
        return 1

    def row(self, part: str = "") -> None:
        """All sweeps of a row; `part` is the number of columns if vectors are not full."""
        self.part = part
        self.known = {}
        for sweep in range(self.nest.sweeps):
            self.row_values(sweep)
            self.sweep(sweep)
        self.row_values(self.nest.sweeps)

    def row_values(self, sweep: int) -> None:
        """Members of rows that are known before sweep number `sweep`."""
        for m in self.loop.members:
            if m in self.nest.of_row and m not in self.known and self.nest.level[m] <= sweep:
                if m not in self.loop.operand:
                    self.define(m, self.nest.columns, self.part)
                if m in self.known or m in self.loop.operand:
                    self.store(m, self.nest.columns, self.part)

    # ---- sweeps

    def sweep(self, sweep: int) -> None:
        """One pass over the inner axes, with what it computes, stores and adds up."""
        nest = self.nest
        inside = [m for m in self.loop.members if nest.is_swept(m) and nest.sweep_of(m) == sweep]
        reductions = [m for m in inside if m in self.loop.operand]
        wanted = [m for m in inside if m not in self.loop.operand and self.is_wanted(m)]
        kept = [m for m in inside if m in self.kept_in_row]
        for m in kept:
            self.emit(f"{C_TYPES[name_of(m.dtype)]} {self.name(m)}_row[{nest.row_size}];")
        self.hoist([*wanted, *reductions])
        for m in reductions:
            self.begin(m)
        self.inner_loops(lambda part: self.point(wanted, reductions, sweep, part))
        self.known |= {(m, "kept"): "" for m in kept}
        for m in reductions:
            self.finish(m)

    def is_wanted(self, m: Symbol) -> bool:
        return m in self.nest.stores or m in self.kept_in_row

    def inner_loops(self, point: Body) -> None:
        along = bool(self.nest.inner) and not self.nest.columns
        slow = self.nest.inner[:-1] if along else self.nest.inner
        before = dict(self.known)
        opened = sum(map(self.loop_over, slow))
        if along:
            self.along_fast(point)
        else:
            self.bare(point)
        self.close(opened)
        if opened:
            self.known = before
        for axis in slow:
            del self.variables[axis]

    def bare(self, point: Body) -> None:
        """A point without a loop; in a block of its own, where no other stands around it."""
        if not self.nest.inner:
            self.emit("{")
            self.depth += 1
        self.body(point, self.part)
        if not self.nest.inner:
            self.close()

    def bounds(self) -> tuple[str, str]:
        """Where the loop along vectors begins and ends."""
        axis: Any = self.nest.fast
        return ("m0", "m1") if self.nest.counts_elements else ("0", str(axis.size))

    def along_fast(self, body: Body) -> None:
        """The loop along vectors, and what is left for a vector that is not full."""
        axis: Any = self.nest.fast
        V, (begin, end) = self.nest.vector, self.bounds()
        self.variables[axis] = "k"
        if V is None or axis.size % 16 == 0:
            step = f"k += {LANES[V]}" if V else "k++"
            self.open(f"for (long k = {begin}; k < {end}; {step})")
            self.body(body, "")
            self.close()
            return
        self.emit(f"{'' if 'k' in self.known else 'long '}k = {begin};")
        self.known["k"] = "k"
        self.open(f"for (; k + {LANES[V]} <= {end}; k += {LANES[V]})")
        self.body(body, "")
        self.close()
        self.open(f"if (k < {end})")
        self.emit(f"const long rest = {end} - k;")
        self.body(body, "rest")
        self.close()

    def body(self, body: Body, part: str) -> None:
        before = dict(self.known)
        body(part)
        self.known = before

    def point(self, wanted: list[Symbol], reductions: list[Symbol], sweep: int, part: str) -> None:
        """What happens at each point of a sweep."""
        for m in wanted:
            self.define(m, True, part)
        for m in reductions:
            base, i = self.operand_keys(m)[0]
            self.add_up(m, self.operand(base, i, True, part), part)
        for m in wanted:  # last, as a store may take the place of what was loaded
            if m in self.kept_in_row:
                self.keep(m, part)
            self.store(m, True, part)
        if not part and sweep == self.busiest_sweep():
            self.fetch_ahead()

    def busiest_sweep(self) -> int:
        """The sweep that computes most, while memory has time."""
        work = [0] * self.nest.sweeps
        for m in self.loop.members:
            if self.nest.is_swept(m):
                work[self.nest.sweep_of(m)] += cost(m)
        return work.index(max(work))

    def fetch_ahead(self) -> None:
        """Ask memory for what is wanted next: of a row swept several times, the next row."""
        nest = self.nest
        if nest.vector is None or nest.columns:
            return
        accesses = dict.fromkeys([*nest.loads.values(), *nest.stores.values()])
        for access in accesses:
            ahead = AHEAD
            if nest.sweeps > 1:
                row = access.stride(nest.range_axes[-1]) if nest.range_axes else 0
                ahead = max(AHEAD // row, 1) * row if 0 < row < ROW_TO_FETCH else 0
            if ahead and access.stride(nest.fast) == 1 and size_in_bytes(access.value) >= FAR:  # type: ignore[arg-type]
                written = access in nest.stores.values()
                place = f"{self.buffer(access.value, written)} + {self.index(access)} + {ahead}"
                self.emit(f"__builtin_prefetch({place}{', 1' if written else ''});")

    # ---- values

    def operand_keys(self, m: Symbol) -> list[tuple[Symbol, int]]:
        """For each operand of a member: the value it shows, and the number of the load."""
        keys = []
        for base, at in self.loop.found[m]:
            index = 0 if base in self.loop.index else self.loop.reads[base].index(at)
            keys.append((base, index))
        return keys

    def hoist(self, members: list[Symbol]) -> None:
        """Load before the loop what does not vary along the sweep."""
        stack, seen = list(members), set()
        while stack:
            m = stack.pop()
            if m in seen or m in self.known:
                continue
            seen.add(m)
            for base, i in self.operand_keys(m):
                if base in self.loop.index:
                    stack.append(base)
                elif not self.varies(self.nest.loads[base, i]):
                    self.operand(base, i, True, self.part)

    def varies(self, access: Access) -> bool:
        """Whether the element changes within a sweep."""
        axes = [*self.nest.inner, *([self.nest.fast] if self.nest.columns else [])]
        return any(access.stride(axis) for axis in axes if axis is not None)

    def operand(self, base: Symbol, i: int, swept: bool, part: str) -> str:
        """The name of an operand's element, or vector, computing or loading it if need be."""
        if base in self.loop.index:
            return self.member(base, swept, part)
        key = (base, i)
        if key not in self.known:
            self.known[key] = self.load(base, i, part)
        return self.widened(key, self.known[key], self.nest.loads[key], swept)

    def member(self, m: Symbol, swept: bool, part: str) -> str:
        if m not in self.known:
            if m in self.kept_in_row and self.row_is_kept(m):
                self.recall(m, part)
            else:
                self.define(m, swept, part)
        if m in self.nest.of_row and not self.nest.columns and self.vectors(swept):
            return self.spread(m, self.known[m], name_of(m.dtype))
        return self.known[m]

    def row_is_kept(self, m: Symbol) -> bool:
        return (m, "kept") in self.known

    def vectors(self, swept: bool) -> bool:
        return self.nest.vector is not None and (swept or self.nest.columns)

    def widened(self, key: Any, name: str, access: Access, swept: bool) -> str:
        """A loaded scalar as a vector, where vectors are computed."""
        if not self.vectors(swept) or access.stride(self.nest.fast):  # type: ignore[arg-type]
            return name
        return self.spread(key, name, name_of(access.value.dtype))

    def spread(self, key: Any, name: str, dtype: str) -> str:
        """The vector that holds one number in all lanes."""
        V: Any = self.nest.vector
        if (key, "spread") not in self.known:
            kind, set_to = (MASK[V], f"-(int){name}") if dtype == "bool" else (V, name)
            self.emit(f"const {kind} {name}_all = {kind}_set({set_to});")
            self.known[key, "spread"] = f"{name}_all"
        return self.known[key, "spread"]

    def define(self, m: Symbol, swept: bool, part: str) -> None:
        """Compute a member at this point."""
        if m in self.known:
            return
        if m in self.kept_in_row and self.row_is_kept(m):
            self.recall(m, part)
            return
        in_vectors = self.vectors(swept)
        names = iter([self.operand(b, i, swept, part) for b, i in self.operand_keys(m)])
        name = self.known[m] = self.name(m)
        dtype = name_of(m.dtype)
        if m in self.loop.copies:
            kind = self.kind(dtype, in_vectors)
            self.emit(f"const {kind} {name} = {next(names)};")
            return
        operands = [
            next(names) if isinstance(x, Symbol) and m.op.name != "zeros"
            else self.number(x, m, in_vectors)
            for x in m.inputs
        ]  # fmt: skip
        self.compute(m, name, operands, dtype, in_vectors)

    def compute(
        self, m: Symbol, name: str, operands: list[str], dtype: str, in_vectors: bool
    ) -> None:
        V: Any = self.nest.vector
        text = vector_expression(m, operands, V) if in_vectors else expression(m, operands)
        if text is None:
            for line in by_lane(m, operands, V, name):
                self.emit(line)
            return
        self.emit(f"const {self.kind(dtype, in_vectors)} {name} = {text};")

    def kind(self, dtype: str, in_vectors: bool) -> str:
        if not in_vectors:
            return C_TYPES[dtype]
        V: Any = self.nest.vector
        return MASK[V] if dtype == "bool" else V

    def number(self, x: Any, m: Symbol, in_vectors: bool) -> str:
        """A Python number as an operand of m."""
        symbols = [s for s in m.operands if name_of(s.dtype) != "bool" or m.op.name != "where"]
        of = name_of(symbols[-1].dtype) if symbols else name_of(m.dtype)
        if isinstance(x, Symbol) or x is None:
            return "0"
        if not in_vectors:
            return literal(x, of)
        V: Any = self.nest.vector
        if of == "bool" or isinstance(x, bool):
            return f"{MASK[V]}_set({-int(x)})"
        text = literal(x, "float64" if V == "vd" else "float32")
        in_call = "V_" in TEXTS.get(m.op.name, "")
        return f"{V}_set({text})" if in_call else text

    # ---- memory

    def index(self, access: Access) -> str:
        """The place of an element in its buffer, as C."""
        terms = []
        for axis, variable in self.variables.items():
            stride = access.stride(axis)
            if stride:
                terms.append(variable if stride == 1 else f"{stride} * {variable}")
        offset = access.offset - self.start(access.value)
        if offset or not terms:
            terms.append(str(offset))
        return " + ".join(terms).replace("+ -", "- ")

    def load(self, base: Symbol, i: int, part: str) -> str:
        """Load an element, or a vector, into a variable and give its name."""
        access = self.nest.loads[base, i]
        name = self.name(base) + (f"_read_{i + 1}" if i else "")
        pointer, index = self.buffer(base), self.index(access)
        dtype, V = name_of(base.dtype), self.nest.vector
        stride = access.stride(self.nest.fast) if self.nest.fast in self.variables else 0
        in_vectors = V is not None and stride != 0
        if in_vectors:
            text = vector_load(pointer, index, stride, V, dtype, part)  # type: ignore[arg-type]
        else:
            text = element_load(pointer, index, dtype)
        self.emit(f"const {self.kind(dtype, in_vectors)} {name} = {text};")
        return name

    def store(self, m: Symbol, swept: bool, part: str) -> None:
        """Write a member to its buffer, if it has one."""
        access = self.nest.stores.get(m)
        if access is None:
            return
        pointer, index = self.buffer(m, True), self.index(access)
        dtype, name = name_of(m.dtype), self.known[m]
        if not self.vectors(swept):
            self.emit(element_store(pointer, index, dtype, name))
            return
        V: Any = self.nest.vector
        stride = access.stride(self.nest.fast)  # type: ignore[arg-type]
        self.emit(vector_store(pointer, index, stride, V, dtype, part, name))

    def keep(self, m: Symbol, part: str) -> None:
        """Put a member into the row's scratch, for a later sweep."""
        V, row, x, dtype = self.nest.vector, f"{self.name(m)}_row", self.known[m], computed_as(m)
        if V is None:
            self.emit(element_store(row, self.place_in_row(), dtype, x))
        else:
            self.emit(vector_store(row, self.place_in_row(), 1, V, dtype, part, x))

    def recall(self, m: Symbol, part: str) -> None:
        """Take a member from the row's scratch."""
        V, row, name, dtype = self.nest.vector, f"{self.name(m)}_row", self.name(m), computed_as(m)
        if V is None:
            text = element_load(row, self.place_in_row(), dtype)
        else:
            text = vector_load(row, self.place_in_row(), 1, V, dtype, part)
        self.emit(f"const {self.kind(dtype, V is not None)} {name} = {text};")
        self.known[m] = name

    def place_in_row(self) -> str:
        terms: list[str] = []
        below = 1
        for axis in reversed(self.nest.inner):
            terms.insert(0, self.variables[axis] + (f" * {below}" if below > 1 else ""))
            below *= axis.size
        return " + ".join(terms)

    # ---- reductions

    def begin(self, m: Symbol) -> None:
        (kind, first), V = accumulator(m), self.nest.vector
        if V:
            kind, first = V, f"{V}_set({first})"
        self.emit(f"{kind} {self.name(m)}_sum = {first};")

    def add_up(self, m: Symbol, x: str, part: str) -> None:
        total, V = f"{self.name(m)}_sum", self.nest.vector
        if V is None:
            self.emit(accumulated(m, total, x) + ";")
            return
        if part and not self.nest.columns:
            x = f"{V}_first({x}, {part}, {accumulator(m).first})"
        self.emit(accumulated_in_vector(m, V, total, x) + ";")

    def finish(self, m: Symbol) -> None:
        """The result of a reduction, after its sweep."""
        total, V = f"{self.name(m)}_sum", self.nest.vector
        if not self.nest.columns:
            total = across_lanes(m, V, total)
        self.conclude(m, total, V is not None and self.nest.columns)

    def conclude(self, m: Symbol, total: str, in_vectors: bool) -> None:
        kind = self.kind(name_of(m.dtype), in_vectors)
        self.emit(f"const {kind} {self.name(m)} = {total};")
        self.known[m] = self.name(m)
        self.store(m, in_vectors, self.part)
