"""A graph as text, and back: `parse(str(graph))` prints as `graph` does.

    graph step(%x: float32[2, 3], %w: float32[3, 4]):
      %h: float32[2, 4] = matmul(%x, %w)
      %y: float32[2, 4] = relu(%h)
      return %y

Values are called what the user's code calls them: a line `h = x @ w` gives `%h`. Specs may be left
out of a text that is parsed. Large constants are named by their digest; their elements are in
`graph.constants`.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import linecache
import math
import pkgutil
import re
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

import numpy as np

from .. import ops
from ..core.dtype import OF_NAME, DType, dtype
from ..core.errors import GraphError
from ..core.op import Op, item, registry
from ..core.spec import Spec
from ..ops.index import Recipe
from .ir import Graph, Symbol, constant, placeholder
from .record import emit, output

WRITTEN_OUT = 32  # elements of a constant; larger ones are named by their digest
ASSIGNED = re.compile(r"^\s*([A-Za-z_]\w*)\s*(?::[^=]+)?=(?!=)")


def text_of(graph: Graph, lines: bool = False) -> str:
    """The graph as text; with `lines`, each value is followed by the line that made it."""
    names = names_of(graph)
    head = ", ".join(f"%{names[x]}: {x.spec}" for x in graph.inputs)
    title = "graph" if graph.name == "graph" else f"graph {graph.name}"
    body = [statement(v, names, lines) for v in graph.values if is_stated(v)]
    outputs = ", ".join(operand(v, names) for v in graph.outputs)
    return "\n  ".join([f"{title}({head}):", *body, f"return {outputs}"])


def is_stated(value: Symbol) -> bool:
    """Whether a value has a line of its own: inputs have none, nor have single outputs."""
    return value.op is not item and (value.op is not None or value.const is not None)


def statement(value: Symbol, names: dict[Symbol, str], lines: bool) -> str:
    if value.const is not None:
        return f"%{names[value]}: {value.spec} = {constant_text(value.const)}"
    if isinstance(value.dtype, tuple):
        known = names.get(value, ())
        left = ", ".join(f"%{n}: {s}" for n, s in zip(known, value.spec, strict=True))
    else:
        left = f"%{names[value]}: {value.spec}"
    text = f"{left} = {call(value.op, value.inputs, value.attrs, names)}"
    if lines and value.line:
        text += f"  # {value.line[0].rpartition('/')[2]}:{value.line[1]}"
    return text


def call(op: Any, inputs: Iterable, attrs: dict, names: dict) -> str:
    """`op(%x, 2.0, dim=(0,))`."""
    parts = [operand(x, names) for x in inputs]
    parts += [f"{key}={literal(value)}" for key, value in attrs.items()]
    return f"{op}({', '.join(parts)})"


def operand(x: Any, names: dict) -> str:
    return f"%{names[x]}" if isinstance(x, Symbol) else literal(x)


def literal(x: Any) -> str:
    """An attribute or a number."""
    if isinstance(x, DType):
        return x.name
    if isinstance(x, Recipe):
        return f"[{', '.join(step_text(*step) for step in x)}]"
    if isinstance(x, tuple):
        return f"({', '.join(map(literal, x))}{',' if len(x) == 1 else ''})"
    return repr(x)


def step_text(op: Op, attrs: dict, index: int | None) -> str:
    """A step of a recipe of views: `permute(dims=(1, 0))`, or with the number of an output."""
    return call(op, (), attrs, {}) + ("" if index is None else f"[{index}]")


def constant_text(array: np.ndarray) -> str:
    if array.size <= WRITTEN_OUT:
        numbers = array.astype(np.float64) if array.dtype.kind == "V" else array
        return f"constant({numbers.tolist()})"
    return f"constant(sha256={digest(array)!r})"


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


# Names


def names_of(graph: Graph) -> dict[Symbol, Any]:
    """A name for each value, those of the user's code first; a tuple, of an op with several."""
    taken: dict[str, int] = {}
    names: dict[Symbol, Any] = {x: fresh(x.name or "input", taken) for x in graph.inputs}
    items = {(v.inputs[0], v.attrs["index"]): v for v in graph.values if v.op is item}
    stated = [v for v in graph.values if v not in names and v.op is not item]
    for _, group in groupby(stated, key=lambda v: v.line or id(v)):
        line = list(group)
        for value in line:
            name = value.name or (assigned(value) if value is line[-1] else None)
            name = fresh(name or (value.op.name if value.op else "constant"), taken)
            names[value] = name
            if isinstance(value.dtype, tuple):
                names[value] = name_outputs(value, name, items, names, taken)
    return names


def name_outputs(
    node: Symbol, name: str, items: dict, names: dict[Symbol, Any], taken: dict[str, int]
) -> tuple[str, ...]:
    """Names for the outputs of an op with several: their own, or `name`, `name_1` …"""
    found = [name]
    for i in range(len(node.dtype)):
        own = items.get((node, i))
        if i:
            found.append(fresh(getattr(own, "name", None) or name, taken))
        if own is not None:
            names[own] = found[i]
    return tuple(found)


def assigned(value: Symbol) -> str | None:
    """The variable that the line which made `value` assigns to."""
    match = ASSIGNED.match(linecache.getline(*value.line)) if value.line else None
    return match.group(1) if match else None


def fresh(name: str, taken: dict[str, int]) -> str:
    """`name`, or the first of name_1, name_2 … that is not taken; `taken` has the last n."""
    found, n = name, taken.get(name, 0)
    while found in taken:
        n += 1
        found = f"{name}_{n}"
    taken[name] = n
    taken[found] = taken.get(found, 0)
    return found


# Parsing

HEAD = re.compile(r"graph(?:\s+(\w+))?\((.*)\):?$")
TYPED = re.compile(r"%([\w.]+)\s*(?::\s*(\w+)\[([\d,\s]*)\])?")
NAME = re.compile(r"%([\w.]+)")


def parse(text: str, constants: Iterable[Any] = ()) -> Graph:
    """The graph that `text` describes. `constants` gives the elements of large ones.

    Raises: GraphError, with the line that cannot be read.
    """
    lines = [line.split("#")[0].strip() for line in text.strip().splitlines()]
    lines = [line for line in lines if line]
    match = HEAD.match(lines[0]) if lines else None
    if match is None or not lines[-1].startswith("return"):
        raise GraphError("parse: a text from `graph name(...):` to `return ...` expected")
    reader = Reader(constants)
    inputs = [reader.input(*found) for found in TYPED.findall(match.group(2))]
    for line in lines[1:-1]:
        reader.guarded(line, reader.statement)
    outputs = reader.guarded(lines[-1], reader.outputs)
    return Graph(inputs, outputs, match.group(1) or "graph")


class Reader:
    """What has been read of a graph: its values by name."""

    def __init__(self, constants: Iterable[Any]):
        self.values: dict[str, Symbol] = {}
        arrays = [np.asarray(getattr(c, "const", c)) for c in constants]
        self.constants = {digest(array): array for array in arrays}

    def guarded(self, line: str, read: Callable[[str], Any]) -> Any:
        try:
            return read(line)
        except (SyntaxError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise GraphError(f"parse: {error}: in the line {line!r}") from error

    def input(self, name: str, dtype_name: str, dims: str) -> Symbol:
        if not dtype_name:
            raise GraphError(f"parse: an input needs a spec, such as float32[2, 3]: %{name}")
        self.values[name] = placeholder(spec_from(dtype_name, dims), name)
        return self.values[name]

    def statement(self, line: str) -> None:
        """`%y: float32[2] = op(%x, dim=0)`; what is stated of specs must be so."""
        left, _, right = line.partition(" = ")
        targets = TYPED.findall(left)
        node: Any = self.expression(right, targets)
        outputs = [node]
        if isinstance(node.dtype, tuple):
            outputs = [output(node, i) for i in range(len(node.dtype))]
        for (name, dtype_name, dims), value in zip(targets, outputs, strict=True):
            if dtype_name and spec_from(dtype_name, dims) != value.spec:
                raise GraphError(f"parse: %{name} is {value.spec}: in the line {line!r}")
            self.values[name] = value
            value.name = name
        if isinstance(node.dtype, tuple):
            node.name = targets[0][0]

    def expression(self, text: str, targets: list) -> Symbol:
        tree: Any = ast.parse(NAME.sub(r"value_('\1')", text), mode="eval").body
        called = tree.func if isinstance(tree, ast.Call) else None
        if not isinstance(called, ast.Name) or called.id == "value_":
            raise GraphError(f"parse: a call of an op expected: {text!r}")
        attrs = {k.arg: self.evaluate(k.value) for k in tree.keywords if k.arg}
        inputs = tuple(map(self.evaluate, tree.args))
        if called.id == "constant":
            return self.constant(inputs, attrs, spec_from(*targets[0][1:]))
        check_dims(attrs)
        return emit(op_named(called.id), inputs, attrs, where=("", 0))

    def constant(self, inputs: tuple, attrs: dict, spec: Spec) -> Symbol:
        if inputs:
            return constant(np.array(inputs[0], spec.dtype.numpy).reshape(spec.shape))
        found = self.constants.get(attrs["sha256"])
        if found is None:
            raise GraphError(f"parse: pass constants=: not in the text: {attrs['sha256']}")
        return constant(found)

    def evaluate(self, node: ast.expr) -> Any:
        """A literal, a value, a dtype, or a recipe of views."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "value_":
                return self.values[self.evaluate(node.args[0])]
            raise GraphError("parse: calls are not nested")
        if isinstance(node, ast.Name):
            special = {"inf": math.inf, "nan": math.nan}
            return special[node.id] if node.id in special else OF_NAME[node.id]
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -self.evaluate(node.operand)
        if isinstance(node, ast.Tuple):
            return tuple(map(self.evaluate, node.elts))
        if isinstance(node, ast.List) and all(map(is_step, node.elts)) and node.elts:
            return Recipe(map(self.step, node.elts))
        if isinstance(node, ast.List):
            return list(map(self.evaluate, node.elts))
        return ast.literal_eval(node)

    def step(self, node: Any) -> tuple:
        """A step of a recipe: `permute(dims=(1, 0))`, or `split(...)[1]`."""
        index = None
        if isinstance(node, ast.Subscript):
            index, node = self.evaluate(node.slice), node.value
        attrs = {k.arg: self.evaluate(k.value) for k in node.keywords}
        return op_named(node.func.id), attrs, index

    def outputs(self, line: str) -> list[Symbol]:
        return [self.values[name] for name in NAME.findall(line)]


def is_step(node: Any) -> bool:
    inner = node.value if isinstance(node, ast.Subscript) else node
    return isinstance(inner, ast.Call) and getattr(inner.func, "id", "") != "value_"


def check_dims(attrs: dict) -> None:
    """Graphs know dims as recordings do, from the front: rules and kernels rely on it."""
    for name in ("dim", "dims"):
        found = attrs.get(name, ())
        if any(
            isinstance(d, int) and d < 0 for d in (found if isinstance(found, tuple) else [found])
        ):
            raise GraphError(f"parse: dims are counted from the front: {name}={found}")


def op_named(name: str) -> Op:
    if name not in registry:
        load_ops()
    if name not in registry:
        raise GraphError(f"parse: no such op: {name}")
    return registry[name]


def load_ops() -> None:
    """Define what ops there are: programs that read graphs have used few of them before."""
    for module in pkgutil.iter_modules(ops.__path__, f"{ops.__name__}."):
        importlib.import_module(module.name)


def spec_from(dtype_name: str, dims: str) -> Spec:
    """`float32`, `2, 3` as a Spec."""
    return Spec(tuple(int(n) for n in dims.split(",") if n.strip()), dtype(dtype_name))
