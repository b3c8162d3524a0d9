"""Recording: one call of a function as a graph, and what the graph's ends are.

The graph's inputs are, in this order: the arguments, the state that is read, the numbers that may
change between calls, and the gradients of the results if the results can be differentiated. Its
outputs are the results, the tensors that were bound elsewhere (a `.grad`, an attribute of a
module), the new state, and then, for results that can be differentiated, the gradients of what they
depend on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ..autograd.engine import Pass
from ..core.dtype import dtype
from ..core.errors import GradientError, GraphError
from ..core.mode import mode
from ..core.op import Symbolic, ancestors, interpreters, using
from ..core.spec import Spec
from ..graph.ir import Graph, Symbol, between, placeholder
from ..graph.trace import Traced
from ..tensor import Tensor
from ..tensor.tensor import leaf, wrap
from .captured import Bound, Captured, captured, check_bindings
from .draws import Draws
from .elements import Cell
from .held import is_module
from .names import argument_names, names_of
from .pytree import Structure, flatten, unflatten
from .recorder import Recorder, recordings
from .sharing import check_overlaps


class Result(NamedTuple):
    """A leaf of what the function returned: an output, an argument, or a value known already."""

    output: int | None
    argument: int | None = None
    value: Any = None


class Recording:
    """What `function` does with the leaves of its arguments.

    If that is recorded `again`, what the function can have read is looked at more closely.

    arguments   for each leaf, its Cell; None if it is no tensor
    state       the Cells of tensors that were met otherwise and matter
    structure   that of what was returned
    changes     names of what Python holds otherwise that is another now: it holds for one call
    bound       the Bindings that hold something else now; the number of an argument for its `.grad`
    results     the leaves of what was `returned` (how many), then what is `bound`
    updates     for each Cell that was changed, the number of the output that it becomes
    sources     what the results can be differentiated by: the numbers of arguments, and tensors
    seeds       for each result that can be, its place among the results and its gradient
    """

    def __init__(self, function: Callable, leaves: list, structure: Structure, again: bool = False):
        self.recorder = recorder = Recorder(names_of(function, leaves))
        self.name = getattr(function, "__name__", type(function).__name__)
        self.outputs: list[Symbol] = []
        self.stand_ins: dict[int, int] = {}  # the id of a tensor given: which argument it is
        self.changes: list[str] = []
        draws, variables = Draws(), captured(function)
        with recordings:
            try:
                with recorder.recording():
                    owner = getattr(function, "__self__", None)
                    recorder.look_at([owner, *leaves, *(each.value for each in variables)])
                    if is_module(owner):
                        recorder.meet_module(owner)
                    self.arguments, given = self.give(leaves, argument_names(function, structure))
                    args, kwargs = unflatten(structure, given)
                    with recorder.executed.watching(again or recorder.held.advances):
                        returned = function(*args, **kwargs)
                    self.check(function, variables, draws)
                    self.take(returned, given)
                    self.differentiate()
                self.graph = self.build()
                self.check_nothing_kept()
            except BaseException:
                recorder.put_back()
                draws.put_back()
                raise
            finally:
                recorder.restore()
            self.guard(variables)
        self.leaves: list = []
        recorder.release()

    def check(self, function: Callable, variables: list[Captured], draws: Draws) -> None:
        """Raise for what a recording cannot do again; note what the function has put where."""
        recorder = self.recorder
        if recorder.refused is not None:  # and the function went on with something else
            raise recorder.refused
        check_bindings(variables, function)
        draws.check(self.name)
        recorder.settle()
        self.changes = recorder.keep()
        bindings = recorder.bindings.values()
        recorder.elements.check({id(b.before) for b in bindings if b.is_to_be_written})

    def give(self, leaves: list, names: Iterable[str]) -> tuple[list[Cell | None], list]:
        """Cells for the arguments, and the arguments as the function sees them."""
        cells: list[Cell | None] = []
        given = []
        for x, name in zip(leaves, names, strict=True):
            array = x.array if isinstance(x, Tensor) else x
            if isinstance(array, Traced):  # it has been given before
                cells.append(next(c for c in cells if c is not None and c.traced is array))
                given.append(x)
                continue
            if not isinstance(array, np.ndarray):
                check_lasting(x, name)
                cells.append(None)
                given.append(x)
                continue
            owner = x if id(array) in self.recorder.names and isinstance(x, Tensor) else None
            cell = self.recorder.cell(array, name, owner)
            cells.append(cell)
            given.append(self.tensor_on(cell, x) if isinstance(x, Tensor) else cell.traced)
            self.stand_ins[id(given[-1])] = len(cells) - 1
        return cells, given

    def tensor_on(self, cell: Cell, x: Tensor) -> Tensor:
        """The argument x on its traced array: itself, but not if it is a view or has a history."""
        if x.base is None and x.is_leaf:
            self.recorder.adopt(x, argument=True)
            return x
        made = wrap(cell.traced)
        self.recorder.called[id(made)] = cell.symbol.name or "state"
        made.node = leaf(made) if x.requires_grad else None
        return made

    def take(self, returned: Any, given: list) -> None:
        """Note what came out: results, what was bound, and what was changed in place."""
        self.leaves, self.structure = flatten(returned)
        self.returned = len(self.leaves)
        changed = [(key, b) for key, b in self.recorder.bindings.items() if b.is_to_be_written]
        self.leaves += [binding.read() for _, binding in changed]
        self.bound = [self.stand_ins.get(id(key), binding) for key, binding in changed]
        own = {id(x): x for x in given if isinstance(x, Tensor)}
        own |= {id(tensor): tensor for tensor, *_ in self.recorder.adopted.values()}
        self.results = [self.result(y, own) for y in self.leaves]
        cells = [cell for cell in self.recorder.cells.values() if cell.changed]
        self.updates = [(cell, self.output(cell.traced)) for cell in cells]

    def result(self, y: Any, own: dict[int, Any]) -> Result:
        array = y.array if isinstance(y, Tensor) else y
        if id(y) in self.stand_ins:
            return Result(None, self.stand_ins[id(y)])
        if not isinstance(array, Symbolic) or id(y) in own:
            check_lasting(y, "the result")
            return Result(None, None, y)
        return Result(self.output(array))

    def output(self, array: Any) -> int:
        """The number of the output that an array is."""
        self.outputs.append(array.symbol)
        return len(self.outputs) - 1

    # Results that can be differentiated

    def differentiate(self) -> None:
        """Record the backward pass from the results to what they depend on, if there is one."""
        self.seeds: list[tuple[int, Symbol]] = []
        self.sources: list[int | Tensor] = []
        self.partials: list[Symbol | None] = []
        roots = [(i, y) for i, y in self.open_results() if y.requires_grad]
        nodes: list[Any] = [y.node for _, y in roots]
        if not mode.grad or not roots or is_spent(nodes):
            return
        leaves = [n for n in ancestors(nodes) if n.op is None]
        known = [(node, self.source(node)) for node in leaves]
        known = [(node, source) for node, source in known if source is not None]
        for i, y in roots:
            spec = Spec(y.array.shape, dtype(y.array.dtype))
            self.seeds.append((i, placeholder(spec, "gradient")))
        seeds = [Traced(np.empty(s.shape, s.dtype), s) for _, s in self.seeds]
        try:
            with using(interpreters.arrays):
                grads = Pass([node for node, _ in known]).run(nodes, seeds)
        except GradientError:  # what a rule reads has changed since: eagerly, too, there is none
            self.seeds = []
            return
        for node, source in known:
            self.sources.append(source)
            self.partials.append(grads[node].symbol if node in grads else None)

    def open_results(self) -> list[tuple[int, Tensor]]:
        """The results that are tensors made by the function, each with its place."""
        found = zip(self.results, self.leaves, strict=True)
        return [(i, y) for i, (r, y) in enumerate(found) if r.output is not None and is_tensor(y)]

    def source(self, node: Any) -> Any:
        """What a leaf of the tape is: an argument's number, a tensor, or None if it is gone."""
        tensor = node.tensor() if node.tensor is not None else None
        return tensor if tensor is None else self.stand_ins.get(id(tensor), tensor)

    # The graph

    def build(self) -> Graph:
        bound: dict[int, Any] = {id(b.before): b for b in self.recorder.bindings.values()}
        for cell in self.recorder.cells.values():
            cell.owner = bound.get(id(cell.owner), cell.owner) if cell.owner is not None else None
        cells = [cell for cell in self.arguments if cell is not None]
        given = list({id(cell): cell for cell in cells}.values())
        check_overlaps(self.recorder.cells.values())
        grads = [g for g in self.partials if g is not None]
        needed = set(between([], [*self.outputs, *grads]))
        self.given = given
        state = [
            cell for cell in self.recorder.cells.values()
            if cell not in given and (cell.symbol in needed or cell.changed)
        ]  # fmt: skip
        self.state = [cell for cell in state if not self.recorder.elements.bake(cell)]
        numbers = [symbol for _, symbol in self.recorder.steps if symbol is not None]
        inputs = [cell.symbol for cell in (*given, *self.state)]
        inputs += [*numbers, *(symbol for _, symbol in self.seeds)]
        return Graph(inputs, [*self.outputs, *grads], self.name).check()

    def check_nothing_kept(self) -> None:
        arrays = [y.array if is_tensor(y) else y for y in self.leaves]
        arrays += [cell.traced for cell in self.recorder.cells.values()]
        arrays += [tensor.array for tensor, *_ in self.recorder.adopted.values()]
        for y in self.leaves:
            if is_tensor(y):
                y.node = None  # it would keep what the backward pass reads
        self.recorder.check_nothing_kept([x for x in arrays if isinstance(x, Traced)])

    # Whether it holds later

    def guard(self, variables: list[Captured]) -> None:
        """Tell the recorder what must be as it is now."""
        if variables:
            bound = Bound(variables)
            self.recorder.guards.append((bound.holds, True, bound.difference))
        self.recorder.guard_held()
        self.guard_gradients()
        if self.changes or self.recorder.held.advances:
            self.recorder.guard(object, "what Python holds")

    def guard_gradients(self) -> None:
        """Of a gradient that was read, it matters whether there was one."""
        self.without_gradient: list[int] = []  # arguments that had none
        for tensor in self.recorder.grads_read:
            place = self.stand_ins.get(id(tensor))
            cell: Any = self.arguments[place] if place is not None else None
            binding = self.recorder.bindings[tensor]
            if cell is None:
                self.recorder.guard(binding.kind, "whether a tensor has a gradient")
            elif binding.before is None:
                self.without_gradient.append(self.stand_ins[id(tensor)])
            else:
                cell.owner = tensor  # it is recorded what becomes of the gradient of this one


def is_tensor(x: Any) -> bool:
    return isinstance(x, Tensor)


def check_lasting(x: Any, name: str) -> None:
    """Raise for what is used up by going through it once: a recording has it at every call."""
    if isinstance(x, Iterator | Coroutine):
        kind = type(x).__name__
        raise GraphError(f"jit: {name} can be gone through only once: make it a list: {kind}")


def is_spent(nodes: list[Any]) -> bool:
    """Whether a backward pass has freed what these nodes need."""
    known: list[Any] = ancestors(nodes)
    return any(node.saved is None for node in known)
