"""export_c: a graph as one file of C that needs nothing else, a header, and a file of weights.

    andon.export_c(step, "out", x, y)      # writes out/step.c, out/step.h, out/step.weights
    cc -O3 -fwrapv -march=native main.c step.c -lm -lpthread

The C is what `jit` runs, with the thread pool and the reading of weights pasted in. What the
function reads without being given it is state: it is in the weights file, and a training step
updates it in memory.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..codegen.identifiers import identifiers
from ..codegen.translation_unit import Unit, translate
from ..core.errors import GraphError
from ..core.files import replacing
from ..devices.headers import expanded
from ..graph.ir import Graph, Symbol
from ..graph.lower import lower
from ..graph.rewrite import run_passes
from ..graph.simplify import SIMPLIFY
from ..graph.text import names_of
from .jit import Jitted, jit
from .pytree import flatten

C_TYPES = {
    "float32": "float", "float64": "double", "int64": "int64_t", "int32": "int32_t",
    "int16": "int16_t", "int8": "int8_t", "uint8": "uint8_t", "bool": "uint8_t",
    "float16": "uint16_t", "bfloat16": "uint16_t",
}  # fmt: skip


class Part(NamedTuple):
    """Something that a call is given or gives: a C name, its symbol, its place in `given`."""

    name: str
    symbol: Symbol
    given: int
    elements: np.ndarray | None = None  # of state: what it is to begin with


def export_c(function: Any, folder: str | Path, *args: Any, **kwargs: Any) -> Path:
    """Write what `function` does with these arguments, or a Graph, as C. Returns the C file.

    Raises: GraphError if an op has no kernel in C.
    """
    if isinstance(function, Graph):
        graph = run_passes(function, SIMPLIFY)
        arguments = list(range(len(graph.inputs)))
        return write(Exported(graph, {}, arguments, {}, list(range(len(graph.outputs)))), folder)
    jitted = function if isinstance(function, Jitted) else jit(function)
    jitted = getattr(jitted, "forward", jitted)  # of a module
    leaves, structure = flatten((args, kwargs))
    return write(of_program(jitted.program(leaves, structure)[0]), folder)


class Exported:
    """A graph to be written: which inputs are arguments, which are state, what is returned."""

    def __init__(
        self,
        graph: Graph,
        updates: dict[int, int],
        arguments: list[int],
        state: dict[int, np.ndarray],
        results: list[int],
    ):
        self.name = re.sub(r"\W+", "_", graph.name).strip("_") or "graph"
        self.unit = translate(lower(graph), updates)
        if any(not isinstance(step, int) for step in self.unit.steps):
            missing = {str(s.node.op) for s in self.unit.steps if not isinstance(s, int)}
            raise GraphError(f"export_c: no kernel in C for: {', '.join(sorted(missing))}")
        first = len(graph.inputs) + len(graph.outputs)
        inputs, constants = graph.inputs, self.unit.constants
        known = names_of(graph)
        names = [x.name or "input" for x in inputs] + [c.name or "constant" for c in constants]
        names += [known.get(graph.outputs[i], "result") for i in results]
        found = names_in_c(["model", "path", self.name, *names])[3:]
        self.arguments = [Part(found[i], inputs[i], i) for i in arguments]
        self.state = [Part(found[i], inputs[i], i, a) for i, a in state.items()]
        rest = found[len(inputs) :]
        for i, c in enumerate(constants):
            self.state.append(Part(rest[i], c, first + i, c.const))
        named = zip(rest[len(constants) :], results, strict=True)
        self.results = [Part(name, graph.outputs[i], i) for name, i in named]


def of_program(program: Any) -> Exported:
    """What a jitted function's program is, as an export."""
    recording = program.recording
    if recording.changes:
        raise GraphError(
            f"export_c: {recording.name} changes what Python holds: keep it in a tensor: "
            f"{', '.join(recording.changes)}"
        )
    graph, updates = program.executable.graph, program.executable.updates
    given, state = len(recording.given), recording.state
    numbers = len(graph.inputs) - given - len(state)
    arguments = [*range(given), *range(given + len(state), given + len(state) + numbers)]
    arrays = {given + i: cell.owner.array for i, cell in enumerate(state)}
    returned = recording.results[: recording.returned]
    results = [r.output for r in returned if r.output is not None]
    return Exported(graph, updates, arguments, arrays, results)


def names_in_c(names: list[str]) -> list[str]:
    return identifiers([re.sub(r"\W+", "_", name).strip("_") or "value" for name in names])


def write(model: Exported, folder: str | Path) -> Path:
    """Write the three files into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for ending, text in ((".c", source(model)), (".h", header(model))):
        with replacing(folder / f"{model.name}{ending}", "w", encoding="utf-8") as file:
            file.write(text)
    with replacing(folder / f"{model.name}.weights") as file:
        file.write(identity(model).encode().ljust(64, b"\0"))
        for part in model.state:
            data = np.ascontiguousarray(part.elements).tobytes()
            file.write(data + b"\0" * (-len(data) % 64))
    return folder / f"{model.name}.c"


def identity(model: Exported) -> str:
    """What tells a weights file from that of another model: the names and specs of its state."""
    layout = "\n".join(f"{part.name}: {part.symbol.spec}" for part in model.state)
    return f"andon {hashlib.sha256(layout.encode()).hexdigest()[:32]}"


# The header


def header(model: Exported) -> str:
    """What a program that uses the model includes."""
    name, guard = model.name, f"{model.name.upper()}_H"
    state = "".join(f" *   {part.name}: {part.symbol.spec}\n" for part in model.state)
    return f"""/* {name}: a graph exported by andon.
 *
 * Build it with: cc -O3 -fwrapv -march=native your.c {name}.c -lm -lpthread
 * State, which {name}_state gives by name:
{state} */
#ifndef {guard}
#define {guard}
#include <stdint.h>

typedef struct {name}_model {name}_model;

/* A model with the state in a weights file; NULL, and errno, if that cannot be had. */
{name}_model *{name}_open(const char *path);
/* Writes the state to a file, which appears whole or not at all. Gives 0, or -1 and errno. */
int {name}_save(const {name}_model *model, const char *path);
void {name}_close({name}_model *model);
/* The elements of a state; NULL if there is none of that name. */
void *{name}_state({name}_model *model, const char *name);
/* One call. Gives 0; 1 if an index was out of range, and then nothing was changed. */
{signature(model)};
#endif
"""


def signature(model: Exported) -> str:
    parameters = [f"{model.name}_model *model"]
    parameters += [f"const {pointer(part)}" for part in model.arguments]
    parameters += [pointer(part) for part in model.results]
    return f"int {model.name}_run({', '.join(parameters)})"


def pointer(part: Part) -> str:
    return f"{c_type(part.symbol)} *{part.name} /* {list(part.symbol.shape)} */"


def c_type(symbol: Symbol) -> str:
    return C_TYPES[symbol.spec.dtype.name]


def size_of(symbol: Symbol) -> int:
    return int(np.prod(symbol.shape, dtype=np.int64)) * symbol.dtype.itemsize


# The C file

PREFACE = """#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* threads and clocks, also under -std=c11 */
#endif
/* Kernels of a kind take the same parameters, whether they read them all or not. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
"""


def source(model: Exported) -> str:
    """The whole file: kernels, thread pool, state, and the call."""
    unit, name = model.unit, model.name
    entries = ",\n    ".join(
        f'{{"{part.name}", {size_of(part.symbol)}, {part.given}}}' for part in model.state
    ) or '{"", 0, 0}'  # fmt: skip
    given = len(unit.graph.inputs) + len(unit.graph.outputs) + len(unit.constants)
    text = unit.source.replace("int run(long segment,", "static int run_segment(long segment,")
    text = text.replace('__attribute__((visibility("default"))) static', "static")
    own = f'{PREFACE}\n#include "{name}.h"\n'  # which may be called as a header of andon's is
    return own + expanded(f"""{text}
#include "thread_pool.h"

static const struct {{
    const char *name;
    size_t bytes;
    int given;
}} state[] = {{
    {entries}
}};
#define MODEL {name}_model
#define ARENA_BYTES {unit.plan.size}
#define THREAD_BYTES {unit.per_thread}
#define GIVEN {max(given, 1)}
#define WEIGHTS_ID "{identity(model)}"
#include "exported_model.h"

{name}_model *{name}_open(const char *path) {{ return open_model(path); }}
int {name}_save(const {name}_model *model, const char *path) {{ return save_model(model, path); }}
void {name}_close({name}_model *model) {{ free_model(model); }}
void *{name}_state({name}_model *model, const char *name) {{ return state_of_model(model, name); }}

{signature(model)}
{{
{call(model)}
}}
""")


def call(model: Exported) -> str:
    """The body of a call: what is given, the segments, the updates that were left to the end."""
    unit, inputs = model.unit, len(model.unit.graph.inputs)
    lines = [f"model->given[{part.given}] = (char *){part.name};" for part in model.arguments]
    handed = []
    for part in model.results:
        at = unit.plan.returned[part.given]
        if at == inputs + part.given:
            lines.append(f"model->given[{at}] = (char *){part.name};")
        else:
            handed.append(f"memcpy({part.name}, model->given[{at}], {size_of(part.symbol)});")
    lines += scratch_outputs(model)
    for step in unit.steps:
        given = f"{step}, model->arena, model->given, model->threads"
        lines.append(f"if (run_segment({given}) != 0) return 1;")
    return "\n".join(f"    {line}" for line in [*lines, *updates(unit), *handed, "return 0;"])


def scratch_outputs(model: Exported) -> list[str]:
    """Outputs that are written but not returned, such as gradients: memory that lasts a call."""
    unit, inputs = model.unit, len(model.unit.graph.inputs)
    returned = {part.given for part in model.results}
    lines = []
    for i, y in enumerate(unit.graph.outputs):
        if unit.plan.returned[i] == inputs + i and i not in returned:
            lines += [
                f"static _Alignas(64) char unreturned_{i}[{max(size_of(y), 1)}];",
                f"model->given[{inputs + i}] = unreturned_{i};",
            ]
    return lines


def updates(unit: Unit) -> list[str]:
    """Copies of new state over old, where it could not be computed there."""
    lines, last = [], []
    for n, (target, value) in enumerate(unit.plan.updates):
        found: Any = unit.buffers.strided(value)
        base, offset, strides = found
        place, width = unit.plan.places[base], base.dtype.itemsize
        start = f"model->arena + {place.at}" if place.in_arena else f"model->given[{place.at}]"
        shape = ", ".join(map(str, value.shape)) or "1"
        steps = ", ".join(str(s * width) for s in strides) or "0"
        lines += [
            f"static _Alignas(64) char update_{n}[{max(size_of(value), 1)}];",
            f"copy_view(update_{n}, {start} + {offset * width}, {len(value.shape)}, "
            f"(const long[]){{{shape}}}, (const long[]){{{steps}}}, {value.dtype.itemsize});",
        ]
        last.append(f"memcpy(model->given[{target}], update_{n}, {size_of(value)});")
    return lines + last
