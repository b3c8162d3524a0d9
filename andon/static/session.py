"""Session: what runs a defined graph, and keeps the values of its variables.

What is fetched is recorded once for the specs that are fed, and compiled, as a jitted function is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

from ..core.errors import GraphError, StateError
from ..engine.jit import Jitted
from ..engine.pytree import flatten, unflatten
from ..tensor import Tensor, as_tensor
from .define import Assign, Graph, Placeholder, StaticValue, Variable, get_default_graph, values_in


class Open(threading.local):
    def __init__(self) -> None:
        self.sessions: list[Session] = []


_open = Open()


def default_session() -> Session:
    """The session whose `with` block this is in."""
    if not _open.sessions:
        raise GraphError("static: there is no session: with static.Session(): ...")
    return _open.sessions[-1]


class Fetch(NamedTuple):
    """The function that computes what is fetched at once; the variables that it needs, and those
    of them that it gives their initial value."""

    run: Jitted
    variables: list[Variable]
    initialised: set[Variable]


class Session:
    """Runs values of a graph; each session has variables of its own."""

    def __init__(self, graph: Graph | None = None):
        self.graph = graph or get_default_graph()
        self.variables: dict[Variable, Tensor] = {}
        self.fetches: dict[tuple, Fetch] = {}

    def __enter__(self) -> Session:
        _open.sessions.append(self)
        return self

    def __exit__(self, *error: Any) -> None:
        _open.sessions.remove(self)

    def close(self) -> None:
        """Forget the variables and what was compiled."""
        self.variables.clear()
        self.fetches.clear()

    def run(self, fetches: Any, feed_dict: dict[StaticValue, Any] | None = None) -> Any:
        """The values of `fetches` as arrays, in the same nested containers; None for actions.

        Any value may be fed, not only placeholders.
        """
        leaves, structure = flatten(fetches)
        wanted = [self.found(x) for x in leaves]
        fed = {self.found(k): v for k, v in (feed_dict or {}).items()}
        tensors = [as_fed(k, v) for k, v in fed.items()]
        fetch = self.fetch(tuple(wanted), tuple(fed))
        self.start_variables(fetch)
        results = fetch.run(tensors)
        return unflatten(structure, [plain(y) for y in results])

    def found(self, x: Any) -> StaticValue:
        """A value of this session's graph, which may be given by its name."""
        value = self.graph.get_value(x) if isinstance(x, str) else x
        if not isinstance(value, StaticValue) or value.graph is not self.graph:
            raise GraphError(f"Session: not a value of this session's graph: {x!r}")
        return value

    def fetch(self, wanted: tuple, fed: tuple) -> Fetch:
        """How to compute the values of `wanted` from what is fed; found once."""
        key = (wanted, fed)
        if key not in self.fetches:
            steps = needed_by(wanted, fed)

            def session(tensors: list[Tensor]) -> list:
                found = dict(zip(fed, map(differentiable, tensors), strict=True))
                for value in steps:
                    if isinstance(value, Variable):
                        found[value] = self.variables[value]
                    else:
                        found[value] = value.evaluate(found)
                return [detached(found[value]) for value in wanted]

            variables = [v for v in steps if isinstance(v, Variable)]
            first = {v.inputs[0] for v in steps if isinstance(v, Assign) and is_initializer(v)}
            self.fetches[key] = Fetch(Jitted(session), variables, first)
        return self.fetches[key]

    def start_variables(self, fetch: Fetch) -> None:
        """Make tensors for the variables that are about to be initialised; the others must exist.

        The elements come from the initial value when the initializer is run.
        """
        for value in fetch.variables:
            if value in self.variables:
                continue
            if value not in fetch.initialised:
                raise StateError(
                    f"Session: the variable has no value yet, run its initializer: {value.name}"
                )
            self.set_variable(value, self.initial(value))

    def initial(self, variable: Variable) -> Any:
        """The initial value; if it is a value of the graph, it is run."""
        if isinstance(variable.initial, StaticValue):
            return self.run(variable.initial)
        return variable.initial

    def set_variable(self, variable: Variable, value: Any) -> None:
        given = as_tensor(value)
        tensor = given.detach().to(variable.dtype or given.dtype).clone()
        if tensor.is_floating_point() and variable.trainable:
            tensor.requires_grad_()
        self.variables[variable] = tensor


def is_initializer(value: Assign) -> bool:
    return isinstance(value.inputs[0], Variable) and value is value.inputs[0].initializer


def as_fed(value: StaticValue, given: Any) -> Tensor:
    return value.fed(given) if isinstance(value, Placeholder) else as_tensor(given).detach()


def needed_by(wanted: Iterable[StaticValue], fed: Iterable[StaticValue]) -> list[StaticValue]:
    """What must be evaluated, in the order of definition; control dependencies included.

    Raises: GraphError if a placeholder among it is not fed.
    """
    known = set(fed)
    seen: set[StaticValue] = set()
    stack = [v for v in wanted if v not in known]
    while stack:
        value = stack.pop()
        if value in seen or value in known:
            continue
        if isinstance(value, Placeholder):
            raise GraphError(f"Session: a placeholder is not fed: {value.name}")
        seen.add(value)
        stack += [x for part in (*value.inputs, *value.attrs.values()) for x in values_in(part)]
        stack += value.controls
    return sorted(seen, key=attrgetter("order"))


def differentiable(tensor: Tensor) -> Tensor:
    """What is fed, so that gradients by it can be fetched."""
    return tensor.detach().requires_grad_() if tensor.is_floating_point() else tensor


def detached(found: Any) -> Any:
    return found.detach().clone() if isinstance(found, Tensor) else found


def plain(found: Any) -> Any:
    """A result as an array, or a number where it has no dims."""
    if not isinstance(found, Tensor):
        return found
    return found.numpy() if found.ndim else found.numpy()[()]
