"""The C file of a graph: its kernels, and the segments that call them in turn.

A segment is what runs without Python in between: a list of calls, which each thread of a team goes
through, taking a part of the rows of each kernel. A barrier stands where a kernel reads what
others write, or writes what others use; small kernels are left to the first thread. Kernels of one
text, of different layers, are one function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.op import item
from ..graph.batch import split_batch
from ..graph.buffers import Buffers
from ..graph.fuse import Grouping
from ..graph.ir import Graph, Symbol
from ..graph.kernel import Call, Kernel, Loop, Product
from ..graph.memory import Place, Plan, Planner, results, rounded, size_in_bytes
from ..graph.text import names_of, statement
from .function import NAME, Function, named
from .identifiers import identifiers
from .library import call_of
from .loops import LoopText
from .nest import CHUNKS, Nest
from .product import product_functions
from .scalar import STORED, can_compute, can_fail, name_of
from .split_reduction import split_reduction
from .timed import Timed, timed
from .transposition import transposition

SMALL = 1 << 14  # elements of work that are not worth a second thread
LIGHT = 1 / 16  # of the time that a compiler takes for a product, what it takes for a loop
WEIGHTS = {"matmul.h": 1.0, "attention.h": 4.0}  # the same for what includes these
PRELUDE = (
    '#include "scalar.h"\n#include "vector_math.h"\n#include "loops.h"\n#include "threads.h"\n'
)


@dataclass(eq=False)
class Unit:
    """A graph as C.

    source      the file: `functions`, and the `rest`, which calls them
    steps       what runs in turn: the number of a segment, or a kernel that is a reference's call
    per_thread  bytes of the arena that each thread has, after those of the plan
    timed       what a profile says of the kernels, if the calls of these are timed
    """

    graph: Graph
    buffers: Buffers
    kernels: list[Kernel]
    plan: Plan
    steps: list[int | Call] = field(default_factory=list)
    per_thread: int = 0
    source: str = ""
    functions: Functions | None = None
    rest: str = ""
    timed: list[Timed] = field(default_factory=list)

    def write(self, functions: Functions, rest: list[str], *graphs: Graph) -> None:
        """Put the file together: its functions, and the segments that call them."""
        if functions.timed is not None:
            self.timed, rest = functions.timed, ['#include "profile.h"', *rest]
        self.functions, self.rest = functions, "\n".join(rest)
        self.source = "\n".join([*functions.file(*graphs), self.rest])

    @property
    def constants(self) -> list[Symbol]:
        inputs = set(self.graph.inputs)
        return [c for c in self.graph.constants if c not in inputs]


def translate(graph: Graph, updates: Mapping[int, int] | None = None, timed: bool = False) -> Unit:
    """The C file of a graph, the plan of its memory, and the order in which things run.

    If `timed`, the file notes when each call of a kernel begins and ends.
    """
    from .chunked_step import ChunkedStep

    split = split_batch(graph, updates) if updates else None
    if split is not None and (found := ChunkedStep(graph, updates or {}, split, timed).unit()):
        return found
    return writer_of(graph, updates or {}, Functions(timed)).unit()


def writer_of(
    graph: Graph, updates: Mapping[int, int], functions: Functions, checks: bool = True
) -> Writer:
    """The writer of a graph that is a file, or a part of one."""
    buffers = Buffers(graph, can_compute, updates)
    return Writer(buffers, Grouping(buffers).run(), functions, checks)


class Writer:
    """Writes the file of one graph. If it `checks`, nothing given is overwritten after an error."""

    def __init__(
        self, buffers: Buffers, kernels: list[Kernel], functions: Functions, checks: bool = True
    ):
        self.buffers, self.kernels, self.graph = buffers, kernels, buffers.graph
        self.names = names_of(self.graph)
        self.functions = functions
        self.ops = {k: call_of(k, buffers) for k in kernels if isinstance(k, Call)}
        self.may_fail = [checks and self.can_fail(kernel) for kernel in kernels]
        self.planner = Planner(buffers, kernels, self.may_fail)
        self.planner.settle()
        self.calls = [self.functions_of(kernel) for kernel in kernels]
        self.planner.scratch = {k: scratch_of(f) for k, f in enumerate(self.calls) if f}
        self.plan = self.planner.run()

    def functions_of(self, kernel: Kernel) -> list[Function] | None:
        """The functions that a kernel is; None for a call of the reference."""
        if isinstance(kernel, Product):
            in_place = self.planner.adds_in_place(kernel)
            return product_functions(kernel, self.planner.stored(kernel), self.buffers, in_place)
        if isinstance(kernel, Loop):
            stored = self.planner.stored(kernel)
            for special in (transposition, split_reduction):
                if found := special(kernel, stored, self.buffers):
                    return found
            return [LoopText(Nest(kernel, stored, self.buffers)).function()]
        return self.ops[kernel]

    def can_fail(self, kernel: Kernel) -> bool:
        """Whether a kernel may find that what it is given is an error, or its reference may."""
        if isinstance(kernel, Loop):
            return any(map(can_fail, kernel.members))
        functions = self.ops[kernel]
        return functions is None or any(uses_error(function.body) for function in functions)

    def segment(self, number: int, runs: int = 1) -> Segment:
        """All kernels in one segment. None of them may be a reference."""
        segment = Segment(self, number, runs)
        for k, functions in enumerate(self.calls):
            for function in functions or ():
                segment.add(k, function)
        segment.copy_updates()
        return segment

    def unit(self) -> Unit:
        steps: list[int | Call] = []
        segments: list[Segment] = []
        for k, kernel in enumerate(self.kernels):
            functions = self.calls[k]
            if functions is None:
                assert isinstance(kernel, Call)
                steps.append(kernel)
                self.note_timed(k, str(kernel.node.op), 1)
                continue
            if not steps or not isinstance(steps[-1], int):
                steps.append(len(segments))
                segments.append(Segment(self, len(segments)))
            for function in functions:
                segments[-1].add(k, function)
        if steps and isinstance(steps[-1], int):
            segments[-1].copy_updates()
        else:
            self.plan.updates += self.plan.copies
        unit = Unit(self.graph, self.buffers, self.kernels, self.plan, steps)
        unit.write(self.functions, [*(s.text() for s in segments), entry(segments)], self.graph)
        return unit

    # ---- functions

    def function_name(self, k: int, function: Function) -> str:
        """The name of a kernel's function, which is written when its text is new."""
        names = identifiers([self.name(v) for v in function.named])
        return self.functions.name(function, names, lambda: self.comment(k))

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

    def note_timed(self, k: int, title: str, runs: int, first: bool = True) -> int | None:
        """The number of a call that is to be timed; None if calls are not."""
        if self.functions.timed is None:
            return None
        kernel = self.kernels[k]
        stored = self.planner.stored(kernel)
        self.functions.timed.append(timed(kernel, stored, title, self.names, runs, first))
        return len(self.functions.timed) - 1

    # ---- memory

    def pointer(self, value: Symbol, offset: int, written: bool) -> str:
        """The address of one of the elements where a value's memory is, as C."""
        memory = self.buffers.memory(value)
        kind = STORED[name_of(value.dtype)] + " *"
        place = self.plan.places[memory]
        if place.in_arena:
            place, offset = Place(True, place.at + offset * value.dtype.itemsize), 0
        start = f" + {offset}" if offset else ""
        return f"({kind if written else 'const ' + kind}){address(place)}{start}"


class Written(NamedTuple):
    """A function as it stands in a file; `weight` is what compilers take for it, roughly."""

    title: str
    parameters: str
    text: str
    weight: float


class Functions:
    """The functions of a file, each text once; and if calls are timed, what is said of these."""

    def __init__(self, timed: bool = False) -> None:
        self.timed: list[Timed] | None = [] if timed else None
        self.names: dict[str, str] = {}  # by text
        self.written: list[Written] = []
        self.headers: set[str] = set()

    def name(self, function: Function, names: list[str], comment: Callable[[], str]) -> str:
        """The function's name; its text is added if it is new."""
        key = function.before + function.body
        if key not in self.names:
            taken, title, n = set(self.names.values()), function.title, 1
            while title in taken:
                n += 1
                title = f"{function.title}_{n}"
            self.names[key] = title
            before, body = (
                named(text, names).replace(NAME, title) for text in (function.before, function.body)
            )
            self.headers |= set(function.headers)
            text = f"{comment()}\n{before}NOINLINE void {title}{body}\n"
            weight = max((WEIGHTS.get(header, LIGHT) for header in function.headers), default=LIGHT)
            self.written.append(Written(title, body[: body.index("\n")], text, weight))
        return self.names[key]

    def file(self, *graphs: Graph) -> list[str]:
        """What stands before the segments: the graphs, the headers, the functions."""
        text = "\n".join(str(graph) for graph in graphs).replace("*/", "* /")
        lines = "\n".join(f" * {line}" for line in text.splitlines())
        return [f"/*\n{lines}\n */", self.includes(), CALL, *(f.text for f in self.written)]

    def includes(self) -> str:
        return PRELUDE + "".join(f'#include "{header}"\n' for header in sorted(self.headers))


class Known(dict):
    """Names of values; copies that a plan put in have none of the graph's."""

    def __missing__(self, value: Symbol) -> str:
        return value.op.name if value.op else "copy"


def address(place: Place) -> str:
    return f"(arena + {place.at})" if place.in_arena else f"given[{place.at}]"


def scratch_of(functions: list[Function]) -> int:
    """Bytes that a kernel needs for itself: a reduction's chunks leave their sums there."""
    return sum(rounded(CHUNKS * 8) for _ in functions[0].partials) + functions[0].scratch


# ---- segments

CALL = """typedef struct {
    char *arena;
    char **given;
    int error; /* what went wrong, see scalar.h */
    int failed; /* the same, as all threads saw it before anything given was overwritten */
    long threads; /* how many the arena has room for */
} call;
"""


class Segment:
    """Calls of kernels, and the barriers between them."""

    def __init__(self, writer: Writer, number: int, runs: int = 1):
        self.writer, self.number, self.runs = writer, number, runs
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
        self.check_before_overwriting(k, writes)
        self.open.append((serial, reads, writes))
        self.parallel |= not serial
        text = self.call(k, function, name, serial)
        first = function is (writer.calls[k] or [function])[0]
        timing = writer.note_timed(k, name, self.runs, first)
        text = text if timing is None else f"TIMED({timing}, {text})"
        self.lines.append(f"if (part == 0) {text}" if serial else text)

    def barrier(self) -> None:
        if self.open:
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

    def check_before_overwriting(self, k: int, writes: list[Block]) -> None:
        """Stop before state is changed if something went wrong."""
        inputs = len(self.writer.graph.inputs)
        if not self.checked and any(not b[0] and b[1] < inputs for b in writes):
            self.checked = True
            self.check(self.writer.may_fail[:k])

    def check(self, may_fail: Sequence[bool]) -> None:
        """Stop if one of these kernels has found an error."""
        if any(may_fail):
            self.barrier()
            self.lines += ["if (part == 0) c->failed = c->error;", "team_barrier(parts);"]
            self.lines += ["if (c->failed) return;"]

    def call(self, k: int, function: Function, name: str, serial: bool) -> str:
        writer = self.writer
        kernel = writer.kernels[k]
        made = set(results(kernel))
        starts = zip(function.buffers, function.offsets, strict=True)
        arguments = [writer.pointer(v, offset, v in made) for v, offset in starts]
        if k in writer.plan.scratch:
            at = writer.plan.scratch[k]
            for kind in function.partials:
                arguments.append(f"({kind} *)(arena + {at})")
                at += rounded(CHUNKS * 8)
            if (writer.calls[k] or [function])[0].scratch:
                arguments.append(f"(float *)(arena + {at})")
        rest = ", ".join([*arguments, "&c->error"])
        if function.by_parts:
            return f"{name}(0, 1, {rest});" if serial else f"{name}(part, parts, {rest});"
        if serial:
            return f"{name}(0, {function.rows}, {rest});"
        rows = f"r = rows_of_part({function.rows}, {function.unit}, part, parts);"
        return f"{rows}\n    {name}(r.begin, r.end, {rest});"

    def copy_updates(self) -> None:
        """Copy what could not be written over its input at once."""
        writer = self.writer
        if writer.plan.copies:
            self.barrier()
            self.check(writer.may_fail)
        for target, value in writer.plan.copies:
            source = writer.pointer(value, 0, False)
            size = size_in_bytes(value)
            self.lines.append(f"if (part == 0) memcpy(given[{target}], {source}, {size});")

    def text(self) -> str:
        lines = "\n    ".join(self.lines)
        declared = "    row_range r;\n" if self.parallel else ""
        return (
            f"static void segment_{self.number}(call *c, char *arena, char **given, long part, "
            f"long parts)\n{{\n    (void)c, (void)arena, (void)given, (void)parts;\n"
            f"{declared}    {lines}\n}}\n"
        )

    def team_text(self) -> str:
        """The function that each thread of a team calls."""
        start = "" if self.writer.functions.timed is None else "    profile_part(part);\n"
        return (
            f"static void run_{self.number}(void *context, long part, long parts)\n{{\n"
            f"    call *c = context;\n{start}"
            f"    segment_{self.number}(c, c->arena, c->given, part, parts);\n}}\n"
        )


def uses_error(body: str) -> bool:
    return ", error)" in body or "*error =" in body


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
    """The function that Python calls, and before it those that it calls."""
    cases = []
    for s in segments:
        run = f"parallel_team(run_{s.number}, &c)" if s.parallel else f"run_{s.number}(&c, 0, 1)"
        cases.append(f"    case {s.number}: {run}; break;")
    teams = [s.team_text() for s in segments]
    return "\n".join([*teams, entry_of("switch (segment) {\n" + "\n".join(cases) + "\n    }")])


def entry_of(body: str) -> str:
    return (
        "/* Runs one segment; gives 0, or what went wrong. */\n"
        '__attribute__((visibility("default"))) '
        "int run(long segment, char *arena, char **given, long threads)\n"
        "{\n    call c = {arena, given, 0, 0, threads};\n    (void)segment;\n"
        f"    {body};\n    return c.error;\n}}\n"
    )
