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
import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..core.dtype import dtype
from ..core.errors import GraphError
from ..core.lock import Lock
from ..core.op import Interpreters, Symbolic, interpreters, run_on_arrays
from ..core.spec import Spec
from ..graph.ir import Symbol, constant, placeholder
from ..graph.record import record
from ..graph.trace import Traced, interpret, root_of
from ..ops.logic import where
from ..ops.movement import expand
from ..tensor import Tensor
from ..tensor.eager import carry_out
from .binding import ABSENT, Binding, attribute_of, gradient_of
from .elements import Cell, Elements
from .executed import Executed
from .held import Held
from .modules import Modules

# Held while tensors have traced arrays, and while the arrays of tensors that may be recorded by
# another thread are collected. A fork waits for it: no recording is going on in the child.
recordings = Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=recordings.__enter__,
        after_in_parent=recordings.__exit__,
        after_in_child=recordings.__exit__,
    )


Guard = tuple[Callable[[], Any], Any, Callable[[], str]]  # what to read, what it gave, its name


@contextmanager
def in_force(recorder: Any, run: Any, tensors: Any, arrays: Any) -> Iterator[None]:
    """Put these in force within the block."""
    now = interpreters
    before = now.recorder, now.run, now.tensors, now.arrays
    now.recorder, now.run, now.tensors, now.arrays = recorder, run, tensors, arrays
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
        self.grads_read: dict[Tensor, None] = {}  # of these it matters whether they had one
        self.replaced: list[Binding] = []  # of tensors in objects, other than modules' own
        self.missed: set[tuple[int, str]] = set()  # attributes that were looked for in vain
        self.guards: list[Guard] = []
        self.elements = Elements(self.cells, self.guards)
        self.modules = Modules()
        self.executed = Executed()
        self.held = Held()  # in what else the function can reach
        self.steps: list[tuple[Callable[[], Any], Symbol | None]] = []  # to do before each call
        self.numbers: list[float] = []  # what the numbers are at the first call
        self.made: weakref.WeakSet[Traced] = weakref.WeakSet()
        self.refused: GraphError | None = None  # the first time that elements were asked for

    @contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Record what is computed within. Tensors have their own arrays again afterwards."""
        if interpreters.recorder is not None:
            raise GraphError("recording: another program is being recorded in this thread")
        around = getattr(interpreters.run, "around", None)  # of a cast that is in force
        run = around(carry_out) if around else carry_out
        with in_force(self, run, carry_out, self.interpret):
            yield self

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Compute within as if nothing were recorded."""
        eager = Interpreters.default
        with in_force(None, eager, eager, run_on_arrays):
            yield

    def interpret(self, op: Any, inputs: tuple, attrs: dict) -> Any:
        found = interpret(op, inputs, attrs)
        self.made.update(found if isinstance(found, tuple) else (found,))
        return found

    # What the tensors are

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
            self.bindings[tensor] = gradient_of(tensor)
            if read:
                self.grads_read[tensor] = None

    def meet_attribute(self, store: dict[str, Any], name: str) -> None:
        """Note what a module had under `name`, before it is given a tensor to keep there."""
        key = (id(store), name)
        if key not in self.bindings:
            found = self.bindings[key] = attribute_of(store, name)
            if found.before is not ABSENT or key in self.missed:
                self.guard(found.kind, f"whether {name!r} of a module is a tensor")

    def meet_module(self, module: Any) -> None:
        """Note that a module computes: what it does depends on whether it is in training."""
        self.watch(module)
        if (id(module.__dict__), "training") not in self.bindings:
            self.modules.computing[module] = None

    def meet_mode(self, module: Any) -> None:
        """Note that a module is about to be set to a mode: each later call has to leave it there.

        What it is before a call does not matter then, unless the module has computed already.
        """
        self.watch(module)
        store = module.__dict__
        self.bindings.setdefault((id(store), "training"), attribute_of(store, "training"))

    def watch(self, module: Any) -> None:
        """Count in what a module has, and what can be reached from its attributes."""
        if self.modules.watch(module):
            for name, value in list(vars(module).items()):
                if not name.startswith("_"):
                    self.held.look_at(value)

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
        self.guards.append((read, read(), lambda: meaning))

    def known(self, symbol: Symbol) -> np.ndarray | None:
        """The elements of a value, if the recording may depend on them."""
        return self.elements.known(symbol)

    # What Python holds

    def look_at(self, roots: list) -> None:
        """Note what Python holds in the objects that can be reached from here."""
        self.held = Held(roots)
        for module in [m for root in list(self.held.modules) for m in root.modules()]:
            self.watch(module)

    def settle(self) -> None:
        """See that tensors whose `data` is another array now have its elements in their own."""
        for tensor, array, _ in self.adopted.values():
            if tensor.base is None and tensor.array is not (own := self.cells[id(array)].traced):
                if tensor.array.shape != own.shape or tensor.array.dtype != own.dtype:
                    raise GraphError(f"data: cannot be of another shape: {own.spec}")
                own.assign(tensor.array)
                tensor.array = own  # type: ignore[assignment]

    def keep(self) -> list[str]:
        """Bind the tensors that are in the place of others now; gives the names of other changes.

        For those, the recording is right for one call only.
        """
        changes = []
        self.held.visit_again()
        for held in (self.modules.attributes, self.held):
            for slot, before, now in held.changed():
                key = (id(slot.container), slot.name)
                if key in self.bindings:
                    continue
                if self.is_new(now) and slot.can_hold(before):
                    self.bindings[key] = found = Binding(slot.read, slot.write)
                    found.before = before
                    self.replaced.append(found)
                else:
                    changes.append(slot.text)
        return changes

    def is_new(self, x: Any) -> bool:
        """Whether x is a tensor that was made while recording."""
        made = isinstance(x, Tensor) and isinstance(x.array, Symbolic)
        return made and id(x) not in self.adopted

    def guard_held(self) -> None:
        """The recording holds as long as what Python holds is what it is now."""
        bound = {key for key in self.bindings if isinstance(key, tuple)}
        self.held.settle(bound, self.executed)
        if self.held.containers:
            self.guards.append((self.held.holds, True, self.held.difference))
        for holds, meaning in self.modules.guards(bound, self.executed):
            self.guards.append((holds, True, meaning))
        for binding in self.replaced:
            self.guard(binding.kind, "whether a tensor is held")

    def put_back(self) -> None:
        """Make what Python holds what it was before."""
        self.modules.attributes.put_back()
        self.held.put_back()

    # The end

    def restore(self) -> None:
        """Give all tensors their own arrays and gradients again."""
        for tensor, array, origin in self.adopted.values():
            tensor.array, tensor.origin = array, origin
        for binding in self.bindings.values():
            binding.restore()

    def release(self) -> None:
        """Let go of all arrays: what was recorded must not keep a batch in memory."""
        for cell in self.cells.values():
            cell.array = cell.traced = None  # type: ignore[assignment]
        self.adopted, self.cells = {}, {}
        self.elements = Elements({}, [])
        self.bindings, self.grads_read = {}, {}

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


def follow(array: Any, recipe: tuple) -> Any:
    """The view of `array` that a recipe of view ops leads to."""
    for op, attrs, output in recipe:
        found = interpret(op, (array,), attrs)
        array = found if output is None else found[output]
    return array
