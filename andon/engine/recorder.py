"""The recorder: runs a Python function on tensors that record, and says what it did.

Tensors keep their class and their methods; only their arrays are replaced by traced ones
(graph/trace), from the first time that the function meets them until it returns. So layers,
optimizers and backward passes need not know. A tensor that the function reads without being given
it (a parameter, a moment, the random state) is state: an input of the graph, and if it was
changed, an output.

What Python itself does while recording happens once. What must happen at every call is told to
the recorder: `number` for a Python number that may change between calls, `effect` for an action,
`guard` for what must be as it was for the recording to hold.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..core.dtype import dtype
from ..core.errors import GraphError
from ..core.op import Interpreters, Symbolic, interpreters, run_on_arrays
from ..core.spec import Spec
from ..graph.fold import elements
from ..graph.ir import Graph, Symbol, between, constant, placeholder
from ..graph.record import record
from ..graph.trace import Traced, interpret, root_of
from ..ops.logic import where
from ..ops.movement import expand
from ..tensor import Tensor
from ..tensor.eager import carry_out
from .binding import ABSENT, Binding, attribute_of, gradient_of
from .held import Held


@dataclass(eq=False)
class Cell:
    """An array that existed before: its input symbol, and the traced array that stands for it."""

    array: np.ndarray
    symbol: Symbol
    traced: Traced
    owner: Tensor | Binding | None = None  # the tensor it was met in; None: an argument
    held: np.ndarray | None = None  # its elements, if the recording depends on them

    @property
    def changed(self) -> bool:
        return self.traced.symbol is not self.symbol


@contextmanager
def in_force(recorder: Any, tensors: Any, arrays: Any) -> Iterator[None]:
    """Put these in force within the block."""
    now = interpreters
    before = now.recorder, now.run, now.tensors, now.arrays
    now.recorder, now.run, now.tensors, now.arrays = recorder, tensors, tensors, arrays
    try:
        yield
    finally:
        now.recorder, now.run, now.tensors, now.arrays = before


class Recorder:
    """One recording. `with recorder.recording(): ...` is where ops are recorded."""

    def __init__(self, names: dict[int, str] | None = None):
        self.names = names or {}
        self.called: dict[int, str] = {}  # names by the id of a tensor that was adopted
        self.cells: dict[int, Cell] = {}
        self.adopted: dict[int, tuple[Tensor, Any, Any]] = {}  # by id; the array and origin it had
        self.bindings: dict[Any, Binding] = {}  # of gradients by tensor, of attributes by name
        self.missed: set[tuple[int, str]] = set()  # attributes that were looked for in vain
        self.guards: list[tuple[Callable[[], Any], Any]] = []  # what to read, and what it gave
        self.meanings: list[str] = []  # of the guards
        self.modules: set[Any] = set()
        self.watched: set[Any] = set()  # modules whose parts and attributes are guarded
        self.attributes = Held()  # of these modules
        self.held = Held()  # in what else the function can reach
        self.steps: list[tuple[Callable[[], Any], Symbol | None]] = []  # to do before each call
        self.numbers: list[float] = []  # what the numbers are at the first call
        self.made: weakref.WeakSet[Traced] = weakref.WeakSet()

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Record what is computed within. Tensors have their own arrays again afterwards."""
        if interpreters.recorder is not None:
            raise GraphError("recording: another program is being recorded in this thread")
        with in_force(self, carry_out, self.interpret):
            yield self

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Compute within as if nothing were recorded."""
        with in_force(None, Interpreters.default, run_on_arrays):
            yield

    def interpret(self, op: Any, inputs: tuple, attrs: dict) -> Any:
        found = interpret(op, inputs, attrs)
        self.made.update(found if isinstance(found, tuple) else (found,))
        return found

    # What the tensors are

    def argument(self, array: np.ndarray, name: str) -> Traced:
        """The traced array of an argument."""
        return self.cell(array, name, None).traced

    def adopt(self, tensor: Tensor, argument: bool = False) -> None:
        """Let a traced array stand in for the array of `tensor`."""
        if isinstance(tensor.array, Symbolic):
            return
        before = tensor.array, tensor.origin
        if tensor.base is not None:
            self.adopt(tensor.base)
            tensor.origin = tensor.base.array
            tensor.array = follow(tensor.base.array, tensor.recipe)
        else:
            name = self.names.get(id(tensor.array), "state")
            self.called[id(tensor)] = name
            cell = self.cell(tensor.array, name, tensor)
            if not argument and cell.owner is None:
                cell.owner = tensor  # an argument that is also met otherwise
            tensor.array = cell.traced  # type: ignore[assignment]
        self.adopted[id(tensor)] = (tensor, *before)

    def label(self, tensor: Tensor, slot: str, owner: Tensor) -> None:
        """Call `tensor`, which is about to be adopted, after what it is kept for."""
        self.names.setdefault(id(tensor.array), f"{self.called.get(id(owner), 'state')}.{slot}")

    def cell(self, array: np.ndarray, name: str, owner: Tensor | None) -> Cell:
        found = self.cells.get(id(array))
        if found is None:
            symbol = placeholder(Spec(array.shape, dtype(array.dtype)), name)
            found = self.cells[id(array)] = Cell(array, symbol, Traced(array, symbol), owner)
        return found

    def constant(self, array: Any) -> Any:
        """What stands for an array that the function makes itself, of elements known now."""
        if isinstance(array, Symbolic):
            return array
        if array.size > 1 and (array == array.flat[0]).all():
            number = constant(array.reshape(-1)[:1].reshape(()))
            return Traced(array, record(expand, (number,), {"shape": array.shape}))
        return Traced(array, constant(array))

    def meet_grad(self, tensor: Tensor, read: bool) -> None:
        """Note what gradient `tensor` had. If it is read first, whether there is one matters.

        A tensor that the function has made itself is gone after the call, and its gradient is too.
        """
        whole = tensor if tensor.base is None else tensor.base
        is_made = isinstance(whole.array, Symbolic) and id(whole) not in self.called
        if tensor not in self.bindings and not is_made:
            found = self.bindings[tensor] = gradient_of(tensor)
            if read:
                self.guard(found.kind, "whether a tensor has a gradient")

    def meet_attribute(self, store: dict[str, Any], name: str) -> None:
        """Note what a module had under `name`, before it is given a tensor to keep there."""
        key = (id(store), name)
        if key not in self.bindings:
            found = self.bindings[key] = attribute_of(store, name)
            if found.before is not ABSENT or key in self.missed:
                self.guard(found.kind, f"whether {name!r} of a module is a tensor")

    def meet_module(self, module: Any) -> None:
        """What a module does depends on whether it is in training, and on what it has."""
        self.watch_module(module)
        if module not in self.modules:
            self.modules.add(module)
            self.guard(lambda: module.training, f"the training mode of {type(module).__name__}")

    def watch_module(self, module: Any) -> None:
        """The recording holds as long as a module has the same parts and attributes."""
        if module in self.watched:
            return
        self.watched.add(module)
        own, name = module._parameters, type(module).__name__
        self.guard(lambda: [x is None or x.node is None for x in own.values()],
                   f"what is frozen of {name}")  # fmt: skip
        if children := module._modules:
            self.guard(lambda: [*map(id, children.values())], f"a part of {name}")
        self.attributes.watch(vars(module))
        self.attributes.loose.add((id(vars(module)), "training"))
        for key, value in list(vars(module).items()):
            if not key.startswith("_"):
                self.held.visit(value)

    def meet_mode(self, module: Any) -> None:
        """Note that a module is about to be set to a mode: each later call has to leave it there.

        What it is before a call does not matter then, unless the module has computed already.
        """
        store = module.__dict__
        self.modules.add(module)
        self.bindings.setdefault((id(store), "training"), attribute_of(store, "training"))

    def guard_tensors(self) -> None:
        """The modules must have the same tensors at later calls, but for those bound anew."""
        for module in self.modules:
            kept = [
                (store, name)
                for store in (module._parameters, module._buffers)
                for name in store
                if (id(store), name) not in self.bindings
            ]
            self.guard(partial(identities, kept), f"a tensor of {type(module).__name__}")

    @contextmanager
    def only_where(self, condition: Tensor) -> Iterator[None]:
        """What tensors become within, they become where `condition` holds; else they stay."""
        holds = condition.elements().symbol
        before = {cell: cell.traced.symbol for cell in self.cells.values()}
        yield
        for cell in self.cells.values():
            now, was = cell.traced.symbol, before.get(cell, cell.symbol)
            if now is not was:
                cell.traced.assign(record(where, (holds, now, was), {}))

    # What Python does

    def number(self, read: Callable[[], float], name: str = "number") -> Traced:
        """A Python number that `read` gives anew before each call, as a float64 without dims."""
        value = read()
        symbol = placeholder(Spec((), dtype("float64")), name)
        self.steps.append((read, symbol))
        self.numbers.append(value)
        return Traced(np.array(value), symbol)

    def effect(self, action: Callable[[], Any]) -> Any:
        """Do `action` now, and again before each later call."""
        self.steps.append((action, None))
        with self.paused():
            return action()

    def guard(self, read: Callable[[], Any], meaning: str) -> None:
        """What `read` gives must be the same at later calls; else they record anew."""
        self.guards.append((read, read()))
        self.meanings.append(meaning)

    def bake(self, cell: Cell) -> bool:
        """Make a mask that is only read a constant, since what it hides decides what is computed.

        Whether it was. The recording holds until the mask is changed.
        """
        owner: Any = cell.owner
        if cell.changed or owner.requires_grad:
            return False
        if not is_mask(cell.array):
            return False
        cell.symbol.const = self.hold(cell)
        return True

    def known(self, symbol: Symbol) -> np.ndarray | None:
        """The elements of what is made of constants, and of tensors that are state.

        The recording holds until those are changed.
        """
        leaves = [x for x in between([], [symbol]) if x.op is None and x.const is None]
        cells = {cell.symbol: cell for cell in self.cells.values() if not cell.changed}
        read: list[Any] = [cells.get(x) for x in leaves]
        if any(c is None or c.owner is None or c.owner.requires_grad for c in read):
            return None
        (found,) = Graph(leaves, [symbol]).run(*(self.hold(cell) for cell in read))
        return found

    def hold(self, cell: Cell) -> np.ndarray:
        """A copy of the elements of a tensor, without which the recording does not hold."""
        if cell.held is not None:
            return cell.held
        owner: Any = cell.owner
        kept = cell.held = cell.array.copy()
        last = [id(cell.array), owner._version]

        def unchanged() -> bool:
            now = [id(owner.array), owner._version]
            if now == last and not owner.memory.lent:
                return True
            if owner.array.tobytes() != kept.tobytes():
                return False
            last[:] = now
            return True

        self.guards.append((unchanged, True))  # not asked yet: a traced array stands in for it
        self.meanings.append("the elements of a tensor")
        return kept

    def check_held(self) -> None:
        """Raise if the elements of a tensor were read that are others after each call."""
        bound = {id(b.before) for b in self.bindings.values() if b.is_to_be_written}
        for cell in self.cells.values():
            changed = cell.changed and elements(cell.traced.symbol) is None
            if cell.held is not None and (changed or id(cell.owner) in bound):
                raise GraphError(
                    "recording: Python reads the elements of a tensor that every call changes: "
                    f"compute with it instead: {cell.traced.spec}"
                )

    # The end

    def settle(self) -> None:
        """See that tensors whose `data` is another array now have its elements in their own."""
        for tensor, array, _ in self.adopted.values():
            if tensor.base is None and tensor.array is not (own := self.cells[id(array)].traced):
                if tensor.array.shape != own.shape or tensor.array.dtype != own.dtype:
                    raise GraphError(f"data: cannot be of another shape: {own.spec}")
                own.assign(tensor.array)
                tensor.array = own  # type: ignore[assignment]

    def is_new(self, x: Any) -> bool:
        """Whether x is a tensor that was made while recording."""
        made = isinstance(x, Tensor) and isinstance(x.array, Symbolic)
        return made and id(x) not in self.adopted

    def put_back(self) -> None:
        """Make what Python holds what it was before."""
        self.attributes.put_back()
        self.held.put_back()

    def guard_held(self) -> None:
        """The recording holds as long as numbers and tensors are what they are now."""
        for held in (self.attributes, self.held):
            held.loose |= {key for key in self.bindings if isinstance(key, tuple)}
        self.held.narrow()
        if self.held.containers:
            self.guards.append((self.held.holds, True))
            self.meanings.append("what Python holds")
        if not self.watched:
            return
        module = next(iter(self.watched))
        last = module.assignments

        def unchanged() -> bool:
            nonlocal last
            if module.assignments != last and self.attributes.holds():
                last = module.assignments
            return module.assignments == last

        self.guards.append((unchanged, True))
        self.meanings.append("an attribute of a module")

    def restore(self) -> None:
        """Give all tensors their own arrays and gradients again."""
        for tensor, array, origin in self.adopted.values():
            tensor.array, tensor.origin = array, origin
        for binding in self.bindings.values():
            binding.restore()

    def check_nothing_kept(self, known: list[Traced]) -> None:
        """Raise if a traced array lives on outside of the recording."""
        if not self.strays(known):
            return
        gc.collect()
        for stray in self.strays(known):
            file, line = stray.symbol.line or ("?", 0)
            raise GraphError(
                "recording: a tensor made while recording was kept by Python (in a list, an "
                "attribute, a global), where later calls cannot put theirs: return it instead: "
                f"{stray.spec}, made at {file}:{line}"
            )

    def strays(self, known: list[Traced]) -> list[Traced]:
        expected = {id(root_of(x)) for x in known}
        return [x for x in self.made if id(root_of(x)) not in expected]


def identities(kept: list[tuple[dict, str]]) -> list[int]:
    return [id(store.get(name)) for store, name in kept]


def is_mask(array: np.ndarray) -> bool:
    """Whether the elements of a matrix, or a stack of them, are all 0 or 1."""
    return array.ndim >= 2 and bool(((array == 0) | (array == 1)).all())


def follow(array: Any, recipe: tuple) -> Any:
    """The view of `array` that a recipe of view ops leads to."""
    for op, attrs, output in recipe:
        found = interpret(op, (array,), attrs)
        array = found if output is None else found[output]
    return array
