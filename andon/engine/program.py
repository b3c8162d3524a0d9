"""Program: a recording that can be run again: what goes in, the compiled call, what comes out.

A recording holds as long as what it was made from does: the tensors that are state have their
specs, modules their training mode, and whatever else the recorder was told to guard.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ..autograd.engine import Node
from ..core.errors import GradientError
from ..core.memory import Memory
from ..core.mode import mode
from ..core.op import Op, item
from ..graph.ir import Graph
from ..graph.rewrite import extract, run_passes
from ..graph.simplify import SIMPLIFY
from ..tensor import Tensor
from ..tensor.tensor import wrap
from .executable import Executable
from .pytree import LEAF, unflatten
from .recorder import recordings
from .recording import Recording
from .sharing import Sharing


class Program:
    """A recording, simplified and compiled."""

    def __init__(self, recording: Recording):
        self.recording = recording
        self.numbers: list[float] | None = list(recording.recorder.numbers)
        self.steps, guards = recording.recorder.steps, recording.recorder.guards
        self.guards = [(read, value) for read, value, _ in guards]
        self.meanings = [meaning for _, _, meaning in guards]
        self.results, self.structure = recording.results, recording.structure
        self.returns_one = self.structure is LEAF
        self.bound, self.returned = recording.bound, recording.returned
        self.without_gradient = recording.without_gradient
        self.touched = [c.owner for c, _ in recording.updates if c.owner is not None]
        self.state: list[Any] = [cell.owner for cell in recording.state]
        self.layouts = [(o, o.array.shape, o.array.dtype, o.node is None) for o in self.state]
        self.places = argument_places(recording)
        self.sharing = Sharing(recording, self.places)
        positions = {id(c): i for i, c in enumerate((*recording.given, *recording.state))}
        updates = {output: positions[id(cell)] for cell, output in recording.updates}
        self.gradient: Gradient | None = None
        if not recording.seeds:
            self.executable = Executable(recording.graph, updates, SIMPLIFY)
            return
        outputs = len(recording.outputs)
        self.whole = run_passes(recording.graph, SIMPLIFY)
        forward, backward = split(self.whole, outputs, len(recording.seeds))
        self.executable = Executable(forward, updates)
        self.gradient = Gradient(backward, recording, outputs)

    @property
    def graph(self) -> Graph:
        """The simplified graph, that of a backward pass included."""
        return self.executable.graph if self.gradient is None else self.whole

    # Whether it holds

    def holds(self, leaves: Sequence) -> bool:
        """Whether what was recorded is what the function would do now."""
        try:
            if self.guards and not all([read() == value for read, value in self.guards]):  # noqa: C419 (faster so)
                return False
        except (LookupError, AttributeError):  # what a guard reads is gone
            return False
        for owner, shape, kind, frozen in self.layouts:
            array = owner.array
            if array.shape != shape or array.dtype is not kind:
                return False
            if (owner.node is None) is not frozen:
                return False
        for place in self.without_gradient:
            if leaves[place]._grad is not None:
                return False
        return self.sharing.is_plain or self.sharing.is_alike(leaves)

    def reason(self) -> str:
        """Why it does not hold."""
        for (read, value), meaning in zip(self.guards, self.meanings, strict=True):
            try:
                same = read() == value
            except (LookupError, AttributeError):
                same = False
            if not same:
                return f"{meaning()} has changed"
        return "a tensor has another shape, dtype or place, is frozen, or shares its memory"

    # A call

    def bind(self, leaves: Sequence) -> list[np.ndarray] | None:
        """The arrays of these arguments and of the state; None if the recording does not hold."""
        with recordings.inner:
            return self.arrays(leaves) if self.holds(leaves) else None

    def arrays(self, leaves: Sequence) -> list[np.ndarray]:
        """What goes into a call: the arrays of arguments and state."""
        arrays = [getattr(x, "array", x) for x in map(leaves.__getitem__, self.places)]
        return [*arrays, *map(array_of, self.state)] if self.state else arrays

    def call(self, leaves: Sequence, arrays: list[np.ndarray], run: Any = None) -> Any:
        """What the function returns for these arguments, with all that it does besides.

        `arrays` are what `bind` gave; `run` takes the place of the executable.
        """
        if self.steps:
            arrays += self.take_steps()
        outputs = (run or self.executable)(arrays)
        for owner in self.touched:
            owner.memory.touch()
        for place, _ in self.sharing.changed:
            if isinstance(leaves[place], Tensor):
                leaves[place].memory.touch()
        results = [
            wrap(outputs[output]) if output is not None else known(argument, value, leaves)
            for output, argument, value in self.results
        ]
        if self.gradient is not None and mode.grad:
            self.gradient.attach(results, leaves, outputs)
        if self.bound:
            self.write_bound(results[self.returned :], leaves)
        if self.returns_one:
            return results[0]
        return unflatten(self.structure, results[: self.returned])

    def write_bound(self, values: list, leaves: Sequence) -> None:
        """Bind what the function has bound: the gradients of arguments, and what else there is."""
        with recordings:  # one that has begun meanwhile would put back what was there
            for binding, value in zip(self.bound, values, strict=True):
                if isinstance(binding, int):
                    leaves[binding]._grad = value
                else:
                    binding.write(value)

    def profile(self, leaves: Sequence, arrays: list[np.ndarray]) -> Any:
        """What the kernels take in a call."""
        from .profile import measured

        found = []

        def run(arrays: list) -> list:
            outputs, profile = measured(self.executable, arrays)
            found.append(profile)
            return outputs

        self.call(leaves, arrays, run)
        return found[0]

    def take_steps(self) -> list[np.ndarray]:
        """Do what Python must before a call; gives the numbers that may have changed."""
        if self.numbers is not None:  # the first call: the recording has done it already
            found, self.numbers = self.numbers, None
        else:
            steps = [(read(), symbol) for read, symbol in self.steps]
            found = [value for value, symbol in steps if symbol is not None]
        return [np.array(value, np.float64) for value in found]


array_of = attrgetter("array")

MEMORIES = [Memory()]  # of arrays that nobody else can change; a node with one frees what it saved


def known(argument: int | None, value: Any, leaves: Sequence) -> Any:
    """A leaf of what is returned that is no output: an argument, or a value known before."""
    if argument is not None:
        return leaves[argument]
    return value.copy() if isinstance(value, np.ndarray) else value


def argument_places(recording: Recording) -> list[int]:
    """For each of the recording's given cells, which argument it was first met in."""
    first: dict[int, int] = {}
    for place, cell in enumerate(recording.arguments):
        if cell is not None:
            first.setdefault(id(cell), place)
    return [first[id(cell)] for cell in recording.given]


def split(graph: Graph, outputs: int, seeds: int) -> tuple[Graph, Graph]:
    """The graph of a call, and that of the backward pass that may follow it.

    The last `seeds` inputs and all but the first `outputs` outputs are of the latter. What it
    reads of the call are its first inputs, and the last outputs of the call.
    """
    inputs, gradients = graph.inputs[:-seeds], graph.inputs[-seeds:]
    results, targets = graph.outputs[:outputs], graph.outputs[outputs:]
    later = set(gradients)
    for value in graph.values:
        if any(x in later for x in value.operands):
            later.add(value)
    reads = dict.fromkeys(x for v in later for x in v.operands if x not in later)
    reads |= dict.fromkeys(y for y in targets if y not in later)
    kept = sorted((x for x in reads if x.const is None), key=attrgetter("order"))
    backward = extract([*kept, *gradients], targets, f"{graph.name}_backward")
    return Graph(inputs, [*results, *kept], graph.name), backward


class Gradient:
    """The backward pass of a program whose results take part in eager differentiation."""

    def __init__(self, backward: Graph, recording: Recording, outputs: int):
        self.executable = Executable(backward, {})
        self.recording, self.outputs = recording, outputs
        self.given = [g is not None for g in recording.partials]
        self.op = Op(lambda: None)
        self.op.name, self.op.vjp, self.op.differentiable = recording.name, self.rule, True

    def attach(self, results: list, leaves: Sequence, outputs: Sequence) -> None:
        """Give the results their place on the tape, after what they were computed from."""
        nodes = tuple(self.node(source, leaves) for source in self.recording.sources)
        places = [place for place, _ in self.recording.seeds]
        if not any(nodes):
            return
        arrays = [results[place].array for place in places]
        shapes, dtypes = tuple(a.shape for a in arrays), tuple(a.dtype for a in arrays)
        whole = Node(self.op, nodes, {}, shapes, dtypes)
        whole.saved = (list(outputs[self.outputs :]), *(None for _ in nodes))
        whole.memories = MEMORIES
        for i, place in enumerate(places):
            results[place].node = Node(item, (whole,), {"index": i}, shapes[i], dtypes[i])

    def node(self, source: Any, leaves: Sequence) -> Any:
        return (leaves[source] if isinstance(source, int) else source).current()

    def rule(self, g: list, saved: list, *inputs: Any) -> list:
        """The gradient rule: run the compiled backward pass."""
        if mode.grad:
            raise GradientError(
                f"backward: {self.op.name} is compiled, and has no second derivative: "
                "differentiate inside of the jitted function"
            )
        seeds = [
            np.zeros(s.shape, s.dtype) if x is None else np.asarray(x)
            for x, (_, s) in zip(g, self.recording.seeds, strict=True)
        ]
        found = iter(self.executable([*saved, *seeds]))
        return [next(found) if given else None for given in self.given]
