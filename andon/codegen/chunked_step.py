"""The batch-parallel schedule: each thread takes a few samples at a time through the whole step.

What it computes of them stays in its cache. Sums over the batch (gradients, the loss) are added up
in accumulators of its own, and those of the threads are added when all samples are done. Three
segments: before the samples, of a chunk of them, and after; `graph/batch.py` makes their graphs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..graph.batch import Split
from ..graph.ir import Graph, Symbol
from ..graph.memory import Plan, rounded, size_in_bytes
from .translation_unit import Functions, Unit, Writer, entry_of, writer_of

STEP = """/* The whole step, by each thread of a team. */
static void run_step(void *context, long part, long parts)
{{
    call *c = context;
{start}    char *arena = c->arena, **given = c->given;
    const long workers = parts < c->threads ? parts : c->threads;
    char *own = arena + {fixed} + part * {per_thread}; /* accumulators, then a chunk's memory */
    char *of_before[] = {{{before}}};
    segment_0(c, arena, of_before, part, parts);
    team_barrier(parts);
    if (part < workers) {{
        memset(own, 0, {sums});
        for (long s = {chunks} * part / workers; s < {chunks} * (part + 1) / workers; s++) {{
{keys}            char *of_chunk[] = {{{chunk}}};
            segment_1(c, own + {sums}, of_chunk, 0, 1);
        }}
    }}
    team_barrier(parts);
    const row_range r = rows_of_part({floats}, 64, part, parts);
    add_parts((float *)(arena + {fixed}), {per_thread} / 4, workers, r.begin, r.end);
    if (part == 0) c->failed = c->error;
    team_barrier(parts);
    if (c->failed) return;
    char *of_after[] = {{{after}}};
    segment_2(c, arena, of_after, part, parts);
}}
"""


class ChunkedStep:
    """Writes the file of a step that is split along its batch."""

    def __init__(self, graph: Graph, updates: Mapping[int, int], split: Split, timed: bool):
        self.graph, self.updates, self.split = graph, updates, split
        self.functions = Functions(timed)
        sums = dict(enumerate(self.sum_inputs()))
        self.parts = [
            writer_of(split.before, {}, self.functions, checks=False),
            writer_of(split.chunk, sums, self.functions, checks=False),
            writer_of(split.after, updates, self.functions),
        ]
        inputs, outputs = len(graph.inputs), len(graph.outputs)
        known = set(graph.inputs)
        constants = [c for c in graph.constants if c not in known]
        self.given = {x: i for i, x in enumerate(graph.inputs)}
        self.given |= {c: inputs + outputs + i for i, c in enumerate(constants)}
        self.lay_out()

    def sum_inputs(self) -> list[int]:
        """Which inputs of a chunk are the accumulators, in the order of the sums."""
        places = {read.value: i for i, read in enumerate(self.split.reads)}
        return [places[value] for value in self.split.sums]

    def lay_out(self) -> None:
        """Where the three segments, and what they hand on, lie in the arena."""
        before, chunk, after = (writer.plan.size for writer in self.parts)
        at = rounded(max(before, after, 1))
        self.places: dict[Symbol, int] = {}
        for value in (*self.split.early, *self.split.stacked):
            self.places[value] = at
            at += rounded(size_in_bytes(value))
        self.fixed, at = at, 0
        for value in self.split.sums:
            self.places[value] = at  # within the accumulators
            at += rounded(size_in_bytes(value))
        self.sums = at
        self.per_thread = rounded(self.sums + chunk)

    def unit(self) -> Unit | None:
        """The unit, or None where a part needs a reference or cannot add in place."""
        _, chunk, after = self.parts
        if any(functions is None for writer in self.parts for functions in writer.calls):
            return None
        if chunk.plan.updates or chunk.plan.copies or after.plan.updates:
            return None
        runs = 1, self.split.chunks, 1
        segments = [w.segment(i, runs[i]) for i, w in enumerate(self.parts)]
        texts = [segment.text() for segment in segments]
        rest = [*texts, self.step(), entry_of("parallel_team(run_step, &c)")]
        found = Unit(self.graph, after.buffers, self.kernels(), self.plan(), [0], self.per_thread)
        graphs = self.split.before, self.split.chunk, self.split.after
        found.write(self.functions, rest, *graphs)
        return found

    def kernels(self) -> list:
        return [kernel for writer in self.parts for kernel in writer.kernels]

    def plan(self) -> Plan:
        """What a frame must know: the size of the arena, and what it hands out."""
        inputs, of_after = len(self.graph.inputs), len(self.split.after.inputs)
        returned = [at if at < inputs else at - of_after + inputs for at in self.after_returned()]
        return Plan(size=self.fixed, returned=returned)

    def after_returned(self) -> list[int]:
        return self.parts[2].plan.returned

    def step(self) -> str:
        """The function that runs the three segments."""
        return STEP.format(
            start="" if self.functions.timed is None else "    profile_part(part);\n",
            fixed=self.fixed,
            per_thread=self.per_thread,
            sums=self.sums,
            floats=self.sums // 4,
            chunks=f"{self.split.chunks}L",
            before=", ".join(self.before_table()),
            keys=self.keys_of_draws(),
            chunk=", ".join(self.chunk_table()),
            after=", ".join(self.after_table()),
        )

    # ---- the tables of pointers that the segments are given

    def constants(self, writer: Writer) -> list[str]:
        known = set(writer.graph.inputs)
        return [f"given[{self.given[c]}]" for c in writer.graph.constants if c not in known]

    def before_table(self) -> list[str]:
        inputs = [f"given[{i}]" for i in range(len(self.graph.inputs))]
        early = [f"arena + {self.places[v]}" for v in self.split.early]
        return [*inputs, *early, *self.constants(self.parts[0])] or ["0"]

    def chunk_table(self) -> list[str]:
        sums = set(self.split.sums)
        found = []
        for i, read in enumerate(self.split.reads):
            if read.value in sums:
                found.append(f"own + {self.places[read.value]}")
            elif read.draws:
                found.append(f"(char *)key_{i}")
            else:
                moved = f" + s * {self.part_size(read.value)}" if read.sliced else ""
                found.append(self.whole(read.value) + moved)
        found += ["0"] * len(self.split.sums)  # they are written over their inputs
        for value in self.split.stacked:
            found.append(f"arena + {self.places[value]} + s * {self.part_size(value)}")
        return [*found, *self.constants(self.parts[1])]

    def whole(self, value: Symbol) -> str:
        """Where a value lies that chunks read."""
        at = self.given.get(value)
        return f"given[{at}]" if at is not None else f"arena + {self.places[value]}"

    def keys_of_draws(self) -> str:
        """The keys of what a chunk draws: seed, offset, and the number of its first element."""
        lines = []
        for i, read in enumerate(self.split.reads):
            if read.draws:
                key = f"((const int64_t *)({self.whole(read.value)}))"
                lines.append(f"            int64_t key_{i}[] = "
                             f"{{{key}[0], {key}[1], s * {read.draws}}};\n")  # fmt: skip
        return "".join(lines)

    def after_table(self) -> list[str]:
        inputs, outputs = len(self.graph.inputs), len(self.graph.outputs)
        found = [f"given[{i}]" for i in range(inputs)]
        found += [f"arena + {self.fixed + self.places[v]}" for v in self.split.sums]
        found += [f"arena + {self.places[v]}" for v in self.split.stacked]
        found += [f"given[{inputs + i}]" for i in range(outputs)]
        return [*found, *self.constants(self.parts[2])]

    def part_size(self, value: Symbol) -> int:
        """The bytes of the samples of one chunk."""
        return math.prod(value.shape) * value.dtype.itemsize // self.split.chunks
