"""Graphs that are defined first: values, placeholders, variables, and what is to be done to them.

A `StaticValue` is a Value as any other: an op, inputs, attributes. Its op may be any function of
andon, since sizes may be unknown until a session is fed: the function is applied then. Values that
change a variable are evaluated in the order of their definition.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..autograd import grad
from ..core.dtype import dtype as dtype_of
from ..core.errors import DTypeError, GraphError, ShapeError
from ..core.mode import no_grad
from ..core.op import Value
from ..ops.methods import Methods
from ..tensor import Tensor, as_tensor, ones_like


class Graph:
    """Values in the order of their definition, with unique names."""

    def __init__(self) -> None:
        self.values: list[StaticValue] = []
        self.names: dict[str, StaticValue] = {}
        self.scopes: list[str] = []
        self.controls: list[StaticValue] = []

    def add(self, value: StaticValue, name: str) -> None:
        base = "/".join([*self.scopes, name])
        found, n = base, 0
        while found in self.names:
            n += 1
            found = f"{base}_{n}"
        value.name, value.graph, value.controls = found, self, tuple(self.controls)
        self.names[found] = value
        self.values.append(value)

    @property
    def variables(self) -> list[Variable]:
        return [v for v in self.values if isinstance(v, Variable)]

    def get_value(self, name: str) -> StaticValue:
        """The value of that name."""
        if name not in self.names:
            raise GraphError(f"Graph: no value of that name: {name}")
        return self.names[name]

    @contextmanager
    def as_default(self) -> Iterator[Graph]:
        """Values that are defined within belong to this graph."""
        _default.stack.append(self)
        try:
            yield self
        finally:
            _default.stack.pop()


class Default(threading.local):
    """The graphs that values are added to, the innermost last."""

    def __init__(self) -> None:
        self.stack = [Graph()]


_default = Default()


def get_default_graph() -> Graph:
    """The graph that values are added to."""
    return _default.stack[-1]


def reset_default_graph() -> None:
    """Start anew with an empty default graph."""
    _default.stack[-1] = Graph()


class StaticValue(Value):
    """What a session will compute: `op(*inputs, **attrs)`, inputs being values or anything else.

    Operators and methods are those of tensors.
    """

    __slots__ = ("controls", "graph", "name")
    __array_ufunc__ = None

    name: str
    graph: Graph
    controls: tuple[StaticValue, ...]

    def __init__(self, function: Any, inputs: tuple, attrs: dict, name: str | None = None):
        super().__init__(function, inputs, attrs, (), None)
        get_default_graph().add(self, name or str(getattr(function, "__name__", "value")))

    def evaluate(self, found: dict[StaticValue, Any]) -> Any:
        """What it is, `found` having the inputs; called while a session records."""
        inputs = [replace(x, found) for x in self.inputs]
        attrs = {k: replace(v, found) for k, v in self.attrs.items()}
        return self.op(*inputs, **attrs)  # type: ignore[misc]

    def eval(self, feed_dict: dict | None = None, session: Any = None) -> Any:
        """Its value in `session`, or in the one whose `with` block this is in."""
        from .session import default_session

        return (session or default_session()).run(self, feed_dict)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or not hasattr(Tensor, name):
            raise AttributeError(name)
        return lambda *args, **kwargs: deferred(method(name), (self, *args), kwargs, name)

    def __getitem__(self, index: Any) -> StaticValue:
        return deferred(lambda x, i: x[i], (self, index), {}, "getitem")

    def __bool__(self) -> bool:
        raise GraphError(f"static: the truth of a value is not known before it is run: {self.name}")

    def __iter__(self) -> Any:
        raise GraphError(f"static: a value has no elements before it is run: {self.name}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"


def method(name: str) -> Callable:
    """The tensor method of that name, as a function of the tensor."""
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def operator(name: str) -> Callable:
    def apply(self: StaticValue, *others: Any) -> StaticValue:
        return deferred(method(name), (self, *others), {}, name.strip("_"))

    return apply


for _name in vars(Methods):
    if _name.startswith("__") and callable(getattr(Methods, _name)) and _name != "__getitem__":
        setattr(StaticValue, _name, operator(_name))
StaticValue.__hash__ = object.__hash__  # type: ignore[method-assign]


def deferred(function: Callable, inputs: tuple, attrs: dict, name: str) -> StaticValue:
    """A value of the default graph: `function` of these, some of which are values."""
    return StaticValue(function, inputs, attrs, name)


def values_in(x: Any) -> list[StaticValue]:
    """The values in an input, which may be a container of them."""
    if isinstance(x, StaticValue):
        return [x]
    if isinstance(x, dict):
        x = list(x.values())
    return [v for part in x for v in values_in(part)] if isinstance(x, (list, tuple)) else []


def replace(x: Any, found: dict[StaticValue, Any]) -> Any:
    """An input with what its values were found to be."""
    if isinstance(x, StaticValue):
        return found[x]
    if isinstance(x, (list, tuple)) and values_in(x):
        return type(x)(replace(part, found) for part in x)
    return x


class Placeholder(StaticValue):
    """A value that is fed. Sizes that are None are whatever they are fed with."""

    __slots__ = ("sizes",)

    def __init__(self, dtype: Any, shape: Sequence[int | None] | None, name: str | None):
        super().__init__(None, (), {}, name or "placeholder")
        self.dtype = None if dtype is None else dtype_of(dtype)
        self.sizes = None if shape is None else tuple(shape)

    def fed(self, given: Any) -> Tensor:
        """What is fed as a tensor of the right kind."""
        try:
            tensor = as_tensor(given, self.dtype)
        except (ValueError, TypeError) as error:
            raise DTypeError(f"feed: {self.name}: {error}") from None
        known = self.sizes
        fits = known is None or (
            len(known) == tensor.ndim
            and all(n in (None, m) for n, m in zip(known, tensor.shape, strict=True))
        )
        if not fits:
            raise ShapeError(f"feed: {self.name} has sizes {list(known or ())}: {tensor.spec}")
        return tensor.detach()


def placeholder(
    dtype: Any = None, shape: Sequence[int | None] | None = None, name: str | None = None
) -> Placeholder:
    """A value to be fed; without a dtype or a shape, whatever is fed will do."""
    return Placeholder(dtype, shape, name)


def constant(value: Any, dtype: Any = None, shape: Any = None, name: str | None = None) -> Any:
    """A value that is known."""
    made = as_tensor(value, dtype)
    if shape is not None:
        made = made.expand(tuple(shape)) if made.numel() == 1 else made.reshape(tuple(shape))
    return deferred(lambda: made, (), {}, name or "constant")


class Variable(StaticValue):
    """A value that a session keeps, from its initial value on."""

    __slots__ = ("initial", "initializer", "trainable")

    def __init__(
        self, initial_value: Any, trainable: bool = True, name: str | None = None, dtype: Any = None
    ):
        super().__init__(None, (), {}, name or "variable")
        self.initial, self.trainable = initial_value, trainable
        self.dtype = None if dtype is None else dtype_of(dtype)
        self.initializer = assign(self, initial_value, name="initializer")

    def assign(self, value: Any) -> StaticValue:
        """A value that, when run, makes this variable `value`."""
        return assign(self, value)

    def assign_add(self, value: Any) -> StaticValue:
        return assign_add(self, value)

    def assign_sub(self, value: Any) -> StaticValue:
        return assign_sub(self, value)

    def load(self, value: Any, session: Any) -> None:
        """Set the value in `session`, without a graph."""
        session.set_variable(self, value)


class Assign(StaticValue):
    """A change of a variable; its own value is the new one."""

    __slots__ = ()


def assign(variable: Variable, value: Any, name: str = "assign") -> StaticValue:
    """A value that, when run, makes the variable `value`."""
    return Assign(assigned, (variable, value), {}, name)


def assign_add(variable: Variable, value: Any, name: str = "assign_add") -> StaticValue:
    """A value that, when run, adds `value` to the variable."""
    return assign(variable, variable + value, name)


def assign_sub(variable: Variable, value: Any, name: str = "assign_sub") -> StaticValue:
    """A value that, when run, subtracts `value` from the variable."""
    return assign(variable, variable - value, name)


def assigned(variable: Any, value: Any) -> Any:
    with no_grad():
        variable.copy_(as_tensor(value).reshape(variable.shape))
    return variable.detach().clone()


def global_variables() -> list[Variable]:
    """The variables of the default graph."""
    return get_default_graph().variables


def trainable_variables() -> list[Variable]:
    """The variables of the default graph that optimizers step."""
    return [v for v in global_variables() if v.trainable]


def global_variables_initializer() -> StaticValue:
    """A value that, when run, gives every variable its initial value."""
    return group(*(v.initializer for v in global_variables()), name="init")


def group(*values: StaticValue, name: str = "group") -> StaticValue:
    """A value that, when run, has all of `values` run, and is None."""
    return StaticValue(lambda *_: None, values, {}, name)


def no_op(name: str = "no_op") -> StaticValue:
    """A value that, when run, does nothing of its own."""
    return group(name=name)


def gradients(ys: Any, xs: Any, grad_ys: Any = None, name: str = "gradients") -> list[StaticValue]:
    """d ys / d each of `xs`: a list of values."""
    targets = list(xs) if isinstance(xs, (list, tuple)) else [xs]
    outputs = list(ys) if isinstance(ys, (list, tuple)) else [ys]
    whole = StaticValue(differentiated, (outputs, targets, grad_ys), {}, name)
    return [deferred(lambda gs, i=i: gs[i], (whole,), {}, name) for i in range(len(targets))]


def differentiated(outputs: list, targets: list, seeds: Any) -> tuple:
    seeds = [seeds] if seeds is not None and not isinstance(seeds, list) else seeds
    seeds = seeds or [ones_like(y) for y in outputs]
    return grad(outputs, targets, seeds, retain_graph=True, allow_unused=True)


@contextmanager
def name_scope(name: str) -> Iterator[str]:
    """Names of values that are defined within begin with `name/`."""
    graph = get_default_graph()
    graph.scopes.append(name)
    try:
        yield "/".join(graph.scopes)
    finally:
        graph.scopes.pop()


@contextmanager
def control_dependencies(values: Sequence[StaticValue]) -> Iterator[None]:
    """Values that are defined within are run after these."""
    graph = get_default_graph()
    before = graph.controls
    graph.controls = [*before, *values]
    try:
        yield
    finally:
        graph.controls = before
