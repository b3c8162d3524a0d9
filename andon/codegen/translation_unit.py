"""The C file of a graph: its kernels, and the segments that call them in turn.

A segment is what runs without Python in between: a list of calls, which each thread of a team goes
through, taking a part of the rows of each kernel. A barrier stands where a kernel reads what
others write, or writes what others use; small kernels are left to the first thread. Kernels of one
text, of different layers, are one function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.op import item
from ..graph.fuse import Call, Grouping, Kernel, Loop, Product
from ..graph.ir import Graph, Symbol
from ..graph.memory import Place, Plan, Planner, results, rounded, size_in_bytes
from ..graph.text import names_of, statement
from .library import call_of
from .loops import NAME, Function, functions_of, named
from .nest import CHUNKS
from .product import product_functions
from .scalar import MATHEMATICAL, STORED, can_compute, name_of

SMALL = 1 << 14  # elements of work that are not worth a second thread
PRELUDE = (
    '#include "scalar.h"\n#include "vector_math.h"\n#include "loops.h"\n#include "threads.h"\n'
)


@dataclass(eq=False)
class Unit:
    """A graph as C.

    source      the file
    steps       what runs in turn: the number of a segment, or a kernel that is a reference's call
    """

    graph: Graph
    grouping: Grouping
    kernels: list[Kernel]
    plan: Plan
    source: str = ""
    steps: list[int | Call] = field(default_factory=list)

    @property
    def constants(self) -> list[Symbol]:
        inputs = set(self.graph.inputs)
        return [c for c in self.graph.constants if c not in inputs]


def translate(graph: Graph, updates: Mapping[int, int] | None = None) -> Unit:
    """The C file of a graph, the plan of its memory, and the order in which things run."""
    grouping = Grouping(graph, can_compute, updates)
    kernels = grouping.run()
    return Writer(grouping, kernels).unit()


class Writer:
    """Writes the file of one graph."""

    def __init__(self, grouping: Grouping, kernels: list[Kernel]):
        self.grouping, self.kernels, self.graph = grouping, kernels, grouping.graph
        self.names = names_of(self.graph)
        self.functions: dict[str, str] = {}  # names by text
        self.taken: set[str] = set()
        self.texts: list[str] = []
        self.headers: set[str] = set()
        self.planner = Planner(grouping, kernels)
        self.calls = [self.functions_of(kernel) for kernel in kernels]
        self.planner.scratch = {k: scratch_of(f) for k, f in enumerate(self.calls) if f}
        self.plan = self.planner.run()

    def functions_of(self, kernel: Kernel) -> list[Function] | None:
        """The functions that a kernel is; None for a call of the reference."""
        if isinstance(kernel, Product):
            return product_functions(kernel, self.planner.stored(kernel), self.grouping)
        if isinstance(kernel, Loop):
            return functions_of(kernel, self.planner.stored(kernel), self.grouping)
        return call_of(kernel, self.grouping)

    def unit(self) -> Unit:
        steps: list[int | Call] = []
        segments: list[Segment] = []
        for k, kernel in enumerate(self.kernels):
            functions = self.calls[k]
            if functions is None:
                assert isinstance(kernel, Call)
                steps.append(kernel)
                continue
            if not steps or not isinstance(steps[-1], int):
                steps.append(len(segments))
                segments.append(Segment(self, len(segments)))
            for function in functions:
                segments[-1].add(k, function)
        source = self.file(segments)
        return Unit(self.graph, self.grouping, self.kernels, self.plan, source, steps)

    def file(self, segments: list[Segment]) -> str:
        graph = "\n".join(f" * {line}" for line in str(self.graph).splitlines())
        graph = graph.replace("*/", "* /")
        more = "".join(f'#include "{header}"\n' for header in sorted(self.headers))
        parts = [f"/*\n{graph}\n */", PRELUDE + more, CALL, *self.texts]
        parts += [segment.text() for segment in segments]
        return "\n".join([*parts, entry(segments)])

    # ---- functions

    def function_name(self, k: int, function: Function) -> str:
        """The name of a kernel's function, which is written when its text is new."""
        key = function.before + function.body
        if key in self.functions:
            return self.functions[key]
        title, n = function.title, 1
        while title in self.taken:
            n += 1
            title = f"{function.title}_{n}"
        self.taken.add(title)
        self.functions[key] = title
        found = identifiers([self.name(v) for v in function.named])
        text = named(function.body, found).replace(NAME, title)
        before = named(function.before, found).replace(NAME, title)
        self.headers |= set(function.headers)
        self.texts.append(f"{self.comment(k)}\n{before}NOINLINE void {title}{text}\n")
        return title

    def name(self, value: Symbol) -> str:
        if value.op is item and value not in self.names:
            return f"{value.inputs[0].op.name}_{value.attrs['index']}"
        found = self.names.get(value, value.op.name if value.op else "copy")
        return found if isinstance(found, str) else found[0]

    def comment(self, k: int) -> str:
        lines = []
        for m in self.kernels[k].members:
            known = m in self.names
            lines.append(statement(m, Known(self.names), False) if known else f"a copy: {m.spec}")
        body = "\n * ".join(lines).replace("*/", "* /")
        return f"/* {body} */"

    # ---- memory

    def pointer(self, value: Symbol, written: bool) -> str:
        """A value's address, as C."""
        memory = self.grouping.memory(value)
        kind = STORED[name_of(value.dtype)] + " *"
        place = self.plan.places[memory]
        return f"({kind if written else 'const ' + kind}){address(place)}"


class Known(dict):
    """Names of values; copies that a plan put in have none of the graph's."""

    def __missing__(self, value: Symbol) -> str:
        return value.op.name if value.op else "copy"


def address(place: Place) -> str:
    return f"(arena + {place.at})" if place.in_arena else f"given[{place.at}]"


def identifiers(names: list[str]) -> list[str]:
    """Names as C has them, each different."""
    found: list[str] = []
    for name in names:
        plain = re.sub(r"\W", "_", name)
        plain = f"v{plain}" if plain[:1].isdigit() else plain
        plain += "_" * (plain in RESERVED)
        unique, n = plain, 1
        while unique in found:
            n += 1
            unique = f"{plain}_{n}"
        found.append(unique)
    return found


# Words of C, of generated loops and of the headers, which values cannot be called
RESERVED = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else",
    "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register",
    "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
    "unsigned", "void", "volatile", "while", "bool", "true", "false",
    "m", "m0", "m1", "k", "l", "r", "i0", "i1", "i2", "i3", "j0", "j1", "j2", "j3", "rest",
    "start", "end", "error", "pool",
    "isnan", "isinf", "isfinite", "signbit",
    "product", "context", "count", "range", "scratch", "shape", "part", "parts", "c", "n",
    *MATHEMATICAL,
}  # fmt: skip


def scratch_of(functions: list[Function]) -> int:
    """Bytes that a kernel needs for itself: a reduction's chunks leave their sums there."""
    return sum(rounded(CHUNKS * 8) for _ in functions[0].partials) + functions[0].scratch


# ---- segments

CALL = """typedef struct {
    char *arena;
    char **given;
    int error; /* what went wrong, see scalar.h */
    int failed; /* the same, as all threads saw it before anything given was overwritten */
} call;
"""


class Segment:
    """Calls of kernels, and the barriers between them."""

    def __init__(self, writer: Writer, number: int):
        self.writer, self.number = writer, number
        self.lines: list[str] = []
        self.open: list[tuple[bool, list[Block], list[Block]]] = []  # since the last barrier
        self.parallel = False
        self.checked = False

    def add(self, k: int, function: Function) -> None:
        """Call a function on its rows, after a barrier if it needs one."""
        writer = self.writer
        name = writer.function_name(k, function)
        serial = function.serial or function.rows * function.work < SMALL
        reads, writes = self.blocks(k)
        if any(clash(o, (serial, reads, writes)) for o in self.open):
            self.barrier()
        self.check_before_overwriting(writes)
        self.open.append((serial, reads, writes))
        self.parallel |= not serial
        self.lines.append(self.call(k, function, name, serial))

    def barrier(self) -> None:
        self.lines.append("team_barrier(parts);")
        self.open.clear()

    def blocks(self, k: int) -> tuple[list[Block], list[Block]]:
        """The memory that a kernel reads, and that it writes."""
        writer, plan = self.writer, self.writer.plan
        reads = [block(plan.places[v], v) for v in writer.planner.reads[k]]
        writes = [block(plan.places[v], v) for v in writer.planner.writes[k]]
        if k in plan.scratch:
            at = plan.scratch[k]
            writes.append((True, at, at + scratch_of(writer.calls[k] or [])))
        return reads, writes

    def check_before_overwriting(self, writes: list[Block]) -> None:
        """Stop before state is changed if something went wrong."""
        inputs = len(self.writer.graph.inputs)
        if self.checked or not any(not b[0] and b[1] < inputs for b in writes):
            return
        self.checked = True
        if self.lines and any(
            "error" in text for text in self.writer.functions if uses_error(text)
        ):
            self.barrier()
            self.lines += ["if (part == 0) c->failed = c->error;", "team_barrier(parts);"]
            self.lines += ["if (c->failed) return;"]

    def call(self, k: int, function: Function, name: str, serial: bool) -> str:
        writer = self.writer
        kernel = writer.kernels[k]
        made = set(results(kernel))
        arguments = [writer.pointer(v, v in made) for v in function.buffers]
        if k in writer.plan.scratch:
            at = writer.plan.scratch[k]
            for kind in function.partials:
                arguments.append(f"({kind} *)(arena + {at})")
                at += rounded(CHUNKS * 8)
            if (writer.calls[k] or [function])[0].scratch:
                arguments.append(f"(float *)(arena + {at})")
        rest = ", ".join([*arguments, "&c->error"])
        if function.by_parts:
            return (
                f"if (part == 0) {name}(0, 1, {rest});"
                if serial
                else f"{name}(part, parts, {rest});"
            )
        if serial:
            return f"if (part == 0) {name}(0, {function.rows}, {rest});"
        rows = f"r = rows_of_part({function.rows}, {function.unit}, part, parts);"
        return f"{rows}\n    {name}(r.begin, r.end, {rest});"

    def text(self) -> str:
        lines = "\n    ".join(self.lines)
        declared = "    row_range r;\n" if self.parallel else ""
        return (
            f"static void segment_{self.number}(void *context, long part, long parts)\n{{\n"
            "    call *c = context;\n    char *arena = c->arena, **given = c->given;\n"
            f"    (void)arena, (void)given, (void)parts;\n{declared}    {lines}\n}}\n"
        )


def uses_error(body: str) -> bool:
    return ", error)" in body


Block = tuple[bool, int, int]


def block(place: Place, value: Symbol) -> Block:
    """The bytes of a value: in the arena, or all of an entry of `given`."""
    if place.in_arena:
        return True, place.at, place.at + size_in_bytes(value)
    return False, place.at, place.at + 1


def overlap(a: list[Block], b: list[Block]) -> bool:
    return any(x[0] == y[0] and x[1] < y[2] and y[1] < x[2] for x in a for y in b)


def clash(before: tuple, after: tuple) -> bool:
    """Whether a kernel must wait for another; those of the first thread are in turn anyhow."""
    if before[0] and after[0]:
        return False
    written = overlap(before[2], after[1]) or overlap(before[2], after[2])
    return written or overlap(before[1], after[2])


def entry(segments: list[Segment]) -> str:
    """The function that Python calls."""
    cases = "\n".join(
        f"    case {s.number}: "
        + (
            f"parallel_team(segment_{s.number}, &c); break;"
            if s.parallel
            else f"segment_{s.number}(&c, 0, 1); break;"
        )
        for s in segments
    )
    return (
        "/* Runs one segment; gives 0, or what went wrong. */\n"
        '__attribute__((visibility("default"))) int run(long segment, char *arena, char **given)\n'
        "{\n    call c = {arena, given, 0, 0};\n    switch (segment) {\n"
        f"{cases}\n    }}\n    return c.error;\n}}\n"
    )
