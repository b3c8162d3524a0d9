"""jit: a Python function becomes a graph, and the graph one call.

    @andon.jit
    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

The first call with arguments of given shapes and dtypes records what the function does (see
`recorder`), simplifies the graph and compiles it; later calls run it. The tensors that the
function updates are updated in place, and what it returns is new, but for arguments and tensors
that it returns as they are. What else Python does (print, count, ask the time) happens only while
it records; what it changes of numbers and lists at every call is an error. A function is recorded
again when something changes that it depends on: kinds of arguments and which of them share memory,
variables, modules, numbers in objects it can reach. `ANDON_LOG=trace` says what is recorded, and
why.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from operator import attrgetter
from typing import Any

import numpy as np

from ..core.dtype import dtype, get_default_dtype
from ..core.errors import ArgumentError, GraphError
from ..core.lock import Lock
from ..core.mode import mode
from ..core.op import interpreters
from ..core.spec import Spec
from ..graph.ir import Graph
from ..tensor import Tensor
from ..tensor.tensor import wrap
from .held import is_module
from .program import Program
from .pytree import Structure, flatten
from .recorder import recordings
from .recording import Recording

LIMIT = 64  # recordings of one function; more mean that something changes at every call


class Jitted:
    """A function that is recorded for each kind of arguments, and run from its recordings.

    Unless it must be `whole`, what cannot be recorded is run as it is from then on, and said once.
    """

    def __init__(self, function: Callable, whole: bool = True):
        self.function, self.whole = function, whole
        self.name = getattr(function, "__name__", type(function).__name__)
        self.programs: dict[tuple, list[Program]] = {}
        self.of_tensors: dict[tuple, list[Program]] = {}  # some of them, found sooner
        self.lock = Lock()
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if interpreters.recorder is not None:
            return self.function(*args, **kwargs)  # a part of another recording
        if self.whole:
            return self.run(*args, **kwargs)
        try:
            return self.run(*args, **kwargs)
        except GraphError as error:
            warnings.warn(f"{self.name} runs eagerly: {error}", stacklevel=2)
            self.run = self.function  # type: ignore[method-assign]
            return self.function(*args, **kwargs)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Call the recording that holds for these arguments."""
        kinds = [kind_of(x) for x in args if isinstance(x, Tensor)]
        if kwargs or len(kinds) < len(args):
            leaves, structure = flatten((args, kwargs))
            program, arrays = self.program(leaves, structure)
            return program.call(leaves, arrays)
        key = (*kinds, *modes())  # tensors alone, as most often
        for program in self.of_tensors.get(key, ()):
            if (found := program.bind(args)) is not None:
                return program.call(args, found)
        leaves, structure = flatten((args, kwargs))
        program, arrays = self.program(leaves, structure)
        self.of_tensors.setdefault(key, []).insert(0, program)
        return program.call(leaves, arrays)

    def __reduce__(self) -> Any:
        """A copy, or what is pickled, is the function; what was compiled is found on disk."""
        name = getattr(self, "__qualname__", "")
        module = sys.modules.get(getattr(self, "__module__", None) or "")
        with suppress(AttributeError):
            if attrgetter(name)(module) is self:  # it was decorated, and is found by its name
                return name
        return Jitted, (self.function, self.whole)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Of a method: bound, as functions are."""
        return self if instance is None else functools.partial(self, instance)

    def program(self, leaves: list, structure: Structure) -> tuple[Program, list[np.ndarray]]:
        """A recording that holds for these arguments, made if there is none; and its arrays."""
        check_hashable(leaves)
        key = (structure, *map(kind_of, leaves), *modes())
        known = self.programs.setdefault(key, [])
        if found := bound(known, leaves):
            return found
        with self.lock:
            if found := bound(known, leaves):  # another thread has made it meanwhile
                return found
            self.explain(key, known)
            program = Program(self.record(leaves, structure, known))
            known.insert(0, program)
            with recordings:
                return program, program.arrays(leaves)

    def record(self, leaves: list, structure: Structure, known: list[Program]) -> Recording:
        """A recording. Raises: GraphError if it would hold for one call, as the last one did."""
        if known and known[0].recording.recorder.held.advances:
            raise GraphError(
                f"jit: {self.name} takes from an iterator, which happens only while it is "
                "recorded: hand in what it gives"
            )
        found = Recording(self.function, leaves, structure, again=bool(known))
        if found.changes and known and known[0].recording.changes:
            found.recorder.put_back()
            raise GraphError(
                f"jit: {self.name} changes what Python holds at every call: keep it in a "
                f"tensor, or return it: {', '.join(found.changes)}"
            )
        return found

    def explain(self, key: tuple, known: list[Program]) -> None:
        """Say, if asked, why the function is recorded now."""
        count = sum(map(len, self.programs.values()))
        why = known[0].reason() if known else self.difference(key)
        if count >= LIMIT:
            raise GraphError(
                f"jit: {self.name} was recorded {count} times; what changes at every call "
                f"should be a tensor: {why}"
            )
        if os.environ.get("ANDON_LOG") == "trace":
            print(f"jit: recording {self.name}: {why}", file=sys.stderr)

    def difference(self, key: tuple) -> str:
        """What distinguishes the arguments from those of the last recording."""
        others = [other for other, programs in self.programs.items() if programs]
        if not others:
            return "the first call"
        pairs = enumerate(zip(key[1:-3], others[-1][1:-3], strict=False))
        changed = [f"argument {i} is {text(a)}, was {text(b)}" for i, (a, b) in pairs if a != b]
        return "; ".join(changed) or "the arguments have another structure, or the modes differ"

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """The simplified graph for these arguments."""
        leaves, structure = flatten((args, kwargs))
        return self.program(leaves, structure)[0].graph

    def c_source(self, *args: Any, **kwargs: Any) -> str:
        """The C that runs for these arguments."""
        leaves, structure = flatten((args, kwargs))
        return self.program(leaves, structure)[0].executable.c_source

    def profile(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with these arguments; what each kernel took (see `profile`)."""
        leaves, structure = flatten((args, kwargs))
        program, arrays = self.program(leaves, structure)
        return program.profile(leaves, arrays)

    def export_c(self, folder: Any, *args: Any, **kwargs: Any) -> Any:
        """Write what runs for these arguments as a C file that needs nothing else."""
        from .export import export_c

        return export_c(self, folder, *args, **kwargs)


def bound(programs: list[Program], leaves: list) -> tuple[Program, list[np.ndarray]] | None:
    """The first program that holds for these arguments, and its arrays."""
    for program in programs:
        if (arrays := program.bind(leaves)) is not None:
            return program, arrays
    return None


def modes() -> tuple:
    """What a recording depends on besides arguments: gradients, default dtype, autocast."""
    return mode.grad, get_default_dtype(), getattr(interpreters.run, "to", None)


def check_hashable(leaves: list) -> None:
    """Raise for an argument that cannot be told from others."""
    for i, x in enumerate(leaves):
        if getattr(type(x), "__hash__", None) is None and not isinstance(x, np.ndarray):
            raise ArgumentError(
                f"jit: argument {i} is neither a tensor nor a container of them, and not "
                f"hashable either: {type(x).__name__}"
            )


def text(kind: tuple) -> str:
    """What `kind_of` gives, for people."""
    if not isinstance(kind[0], tuple):
        return str(kind[1]) if kind[0] is float else repr(kind[1])
    described = str(Spec(kind[0], dtype(kind[1])))
    return described + (", with a gradient" if kind[2:] == (True,) else "")


def jit(function: Any = None, *, whole: bool = True) -> Any:
    """Decorator: run `function` (or a Module) as one compiled graph for each kind of arguments.

    With `whole=False`, a function that cannot be recorded runs eagerly, with a warning.

    Raises: GraphError, at the user's line, where Python would need the elements of a tensor.

    >>> import andon
    >>> @andon.jit
    ... def f(x):
    ...     return (x * 2 + 1).sum()
    >>> f(andon.ones(3))
    tensor(9.)
    """
    if function is None:
        return lambda function: jit(function, whole=whole)
    return jitted_module(function, whole) if is_module(function) else Jitted(function, whole)


def jitted_module(module: Any, whole: bool) -> Any:
    """A module with the attributes of the given one, set on either, whose `forward` is jitted.

    Its class is derived from the other's. So is that of a copy, which has attributes of its own.
    """
    if isinstance(module.forward, Jitted):
        return module
    kind = type(module)
    names = {
        "forward": property(lambda self: jitted),
        "__reduce_ex__": lambda self, protocol: (remade, (kind, whole), vars(self)),
        "__module__": kind.__module__,
        "__doc__": kind.__doc__,
    }
    made: Any = object.__new__(type(kind.__name__, (kind,), names))
    object.__setattr__(made, "__dict__", module.__dict__)
    jitted = Jitted(module.forward, whole)
    return made


def remade(kind: type, whole: bool) -> Any:
    """A jitted module that has no attributes yet."""
    return jitted_module(object.__new__(kind), whole)


def trace(function: Callable, *args: Any, **kwargs: Any) -> Graph:
    """The graph of what `function` does with these arguments: tensors, or Specs of them.

    What the function reads without being given it comes after the arguments; what it changes in
    place comes after the results.

    >>> import andon
    >>> print(andon.trace(lambda x: x.relu() + 1, andon.ones(2)))
    graph(%x: float32[2]):
      %relu: float32[2] = relu(%x)
      %add: float32[2] = add(%relu, 1)
      return %add
    """
    leaves, structure = flatten((args, kwargs))
    leaves = [stand_in(x) if isinstance(x, Spec) else x for x in leaves]
    return Recording(function, leaves, structure).graph


def stand_in(spec: Spec) -> Tensor:
    """A tensor of that spec; its elements are never looked at."""
    return wrap(np.empty(spec.shape, spec.dtype.numpy))


def kind_of(x: Any) -> Any:
    """What a recording depends on, of an argument: its spec, or itself if it is no tensor."""
    if isinstance(x, Tensor):
        array = x.array
        return (array.shape, array.dtype, x.node is not None)
    if isinstance(x, np.ndarray):
        return (x.shape, x.dtype)
    return (float, repr(x)) if type(x) is float else (type(x), x)  # 0.0 is not -0.0, nan is nan
