"""Graph: inputs, outputs, and the values between them in the order they are computed.

A `Symbol` is a Value that stands for an array. A graph is functional: nothing in it changes in
place, and state that a program updates is an input and an output. `check` is what every pass must
leave true; `run` is the reference executor, one NumPy call per value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import numpy as np

from ..core.dtype import dtype
from ..core.errors import AndonError, GraphError, ShapeError, translated
from ..core.op import UNEXPLAINED, Op, Value, item
from ..core.spec import Spec, spec_of
from ..ops.methods import Methods

Number = bool | int | float


class Symbol(Methods, Value):
    """A Value of a graph, known by its spec.

    inputs    symbols, Python numbers, and None for operands that are absent
    operands  those of the inputs that are symbols
    name      what it is called in the text; None: the text finds a name
    const     the elements, if it is a constant
    line      (file, line) of the user's code that made it

    Of an op with several outputs, shape and dtype are tuples of theirs; each output is an `item`.
    """

    __slots__ = ("checked", "const", "line", "name", "operands")
    op: Any  # of leaves, None
    __array_ufunc__ = None  # so that `array * symbol` asks the symbol

    def __init__(self, op: Op | None, inputs: tuple, attrs: dict, shape: tuple, dtype: Any):
        super().__init__(op, inputs, attrs, shape, dtype)
        self.operands = [x for x in inputs if isinstance(x, Symbol)]
        self.checked = False  # whether it is known to be what the op makes of its inputs
        self.const: np.ndarray | None = None
        self.name: str | None = None
        self.line: tuple[str, int] | None = None

    @property
    def spec(self) -> Any:
        """Its Spec; a tuple of them where there are several outputs."""
        if isinstance(self.dtype, tuple):
            return tuple(map(Spec, self.shape, map(dtype, self.dtype)))
        return Spec(tuple(self.shape), dtype(self.dtype))

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise GraphError(f"graph: the elements of a recorded value are not known: {self.spec}")

    def __bool__(self) -> bool:
        raise GraphError(f"graph: the truth of a recorded value is not known: {self.spec}")

    def __repr__(self) -> str:
        return f"%{self.name or '?'}: {self.spec}"


def placeholder(spec: Spec, name: str | None = None) -> Symbol:
    """An input of a graph."""
    symbol = Symbol(None, (), {}, spec.shape, spec.dtype.numpy)
    symbol.name = name
    return symbol


def constant(elements: Any, name: str | None = None) -> Symbol:
    """A symbol whose elements are known."""
    array = np.asarray(elements)
    symbol = placeholder(Spec(array.shape, dtype(array.dtype)), name)
    symbol.const = array
    return symbol


def is_floating(x: Any) -> bool:
    """Whether x is a symbol, of an op with one output, whose elements are floats."""
    single = isinstance(x, Symbol) and not isinstance(x.dtype, tuple)
    return single and dtype(x.dtype).is_floating_point


@dataclass(eq=False)
class Graph:
    """A function of `inputs` that gives `outputs`.

    >>> import andon
    >>> def energy(x):
    ...     return (x * x).sum()
    >>> print(andon.trace(energy, andon.ones(2, 3)))
    graph energy(%x: float32[2, 3]):
      %mul: float32[2, 3] = mul(%x, %x)
      %sum: float32[] = sum(%mul, dim=(0, 1), keepdim=False)
      return %sum
    """

    inputs: list[Symbol]
    outputs: list[Symbol]
    name: str = "graph"
    values: list[Symbol] = field(init=False)

    def __post_init__(self) -> None:
        self.values = between(self.inputs, self.outputs)

    @property
    def nodes(self) -> list[Symbol]:
        """The values that ops make, inputs before users."""
        return [v for v in self.values if v.op is not None]

    @property
    def constants(self) -> list[Symbol]:
        return [v for v in self.values if v.const is not None]

    def check(self) -> Graph:
        """Raise GraphError unless each value is what its op makes of its inputs; the graph."""
        known = set(self.inputs)
        for value in self.values:
            if value.op is None and value.const is None and value not in known:
                raise GraphError(f"graph: neither an input nor a constant: {value!r}")
            if value.op is not None and not value.checked:
                check_value(value)
                value.checked = True
        return self

    def run(self, *arrays: Any, compute: Callable | None = None) -> list[np.ndarray]:
        """What the graph makes of `arrays`, by the ops' NumPy references.

        `compute(value, found)` takes the place of `run_value`.
        """
        compute = compute or run_value
        given = check_arrays(self, arrays)
        found: dict[Symbol, Any] = dict(zip(self.inputs, given, strict=True))
        last_use = {x: v for v in self.values for x in v.operands}
        kept = {*self.inputs, *self.outputs}
        for value in self.values:
            if value in found:
                continue
            found[value] = value.const if value.op is None else compute(value, found)
            for x in value.operands:
                if last_use[x] is value and x not in kept:
                    found.pop(x, None)
        return [np.asarray(found[v]) for v in self.outputs]

    def users(self) -> dict[Symbol, list[Symbol]]:
        """Who reads each value."""
        found: dict[Symbol, list[Symbol]] = {v: [] for v in self.values}
        for value in self.values:
            for x in value.operands:
                found[x].append(value)
        return found

    def draw(self, format: str = "svg", limit: int = 2000) -> Any:
        """The graph as a picture: it shows itself in a notebook, `.save("graph.svg")` writes it."""
        from ..drawing import draw  # an import of its own: few programs draw

        return draw(self, format, limit)

    def __str__(self) -> str:
        from .text import text_of

        return text_of(self)


def between(inputs: Iterable[Symbol], outputs: Iterable[Symbol]) -> list[Symbol]:
    """Inputs, then what the outputs depend on, in the order in which it was made."""
    first = list(inputs)
    seen = set(first)
    stack = [v for v in outputs if v not in seen]
    found = []
    while stack:
        value = stack.pop()
        if value not in seen:
            seen.add(value)
            found.append(value)
            stack += value.operands
    return first + sorted(found, key=attrgetter("order"))


def check_value(value: Symbol) -> None:
    """Raise unless the spec of `value` is what its op infers."""
    op: Any = value.op
    if any(x.order >= value.order for x in value.operands):
        raise GraphError(f"graph: {op} reads a value that is made after it: {value!r}")
    if op is item:
        specs = value.inputs[0].spec
        if not isinstance(specs, list | tuple) or specs[value.attrs["index"]] != value.spec:
            raise GraphError(f"graph: no such output of {value.inputs[0].op}: {value!r}")
        return
    try:
        inferred = op.infer(*operand_specs(op, value.inputs), **value.attrs)
    except AndonError as error:
        raise GraphError(f"graph: {op} does not take its operands: {error}") from error
    if inferred != value.spec:
        raise GraphError(f"graph: {op} gives {inferred}, not what is recorded: {value.spec}")


def operand_specs(op: Op, operands: Iterable) -> list:
    """What a shape rule is told: Specs, None for what is absent, and numbers where they promote."""
    told = [x.spec if isinstance(x, Symbol) else x for x in operands]
    if op.promote is None:
        told = [spec_of(x) if isinstance(x, Number) else x for x in told]
    return told


def run_value(value: Symbol, found: dict) -> Any:
    """The elements of one value, those of its inputs being in `found`."""
    op: Any = value.op
    inputs: Sequence = [found[x] if isinstance(x, Symbol) else x for x in value.inputs]
    if op.promote is not None:
        inputs = op.promote(inputs)
    try:
        return op.reference(*inputs, **value.attrs)
    except AndonError:
        raise
    except UNEXPLAINED as error:
        specs = [spec_of(x) for x in inputs if x is not None]
        raise translated(error, op.name, ", ".join(map(str, specs))) from error


def check_arrays(graph: Graph, arrays: Sequence) -> list[np.ndarray]:
    """The arguments of `run`, if they fit the inputs."""
    if len(arrays) != len(graph.inputs):
        raise ShapeError(f"run: {graph.name} takes {len(graph.inputs)} inputs: {len(arrays)}")
    given = [np.asarray(getattr(x, "array", x)) for x in arrays]
    for x, symbol in zip(given, graph.inputs, strict=True):
        if x.shape != symbol.shape or x.dtype != symbol.dtype:
            have = Spec(x.shape, dtype(x.dtype))
            raise ShapeError(f"run: %{symbol.name} is {symbol.spec}, but was given: {have}")
    return given
