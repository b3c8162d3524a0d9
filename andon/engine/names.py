"""Names for what a recorded function reads: its parameters, and the tensors of modules it uses."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from ..tensor import Tensor
from .captured import captured
from .pytree import Structure


def argument_names(function: Callable, structure: Structure) -> list[str]:
    """A name for each leaf of (args, kwargs): the parameter's, then a key or a number."""
    positional, keywords = structure.parts
    names = parameter_names(function, len(positional.parts))
    found: list[str] = []
    for name, part in zip(names, positional.parts, strict=True):
        found += leaf_names(name, part)
    for key, part in zip(keywords.keys, keywords.parts, strict=True):
        found += leaf_names(str(key), part)
    return found


def parameter_names(function: Callable, count: int) -> list[str]:
    """The names of the first `count` positional parameters."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    variadic = inspect.Parameter.VAR_POSITIONAL
    names = [p.name for p in parameters if p.kind is not variadic]
    return (names + [f"arg{i}" for i in range(len(names), count)])[:count]


def leaf_names(name: str, structure: Structure) -> Iterator[str]:
    if structure.kind is None:
        yield name
    keys = structure.keys or range(len(structure.parts))
    for key, part in zip(keys, structure.parts, strict=True):
        yield from leaf_names(f"{name}.{key}", part)


def names_of(function: Callable, leaves: list) -> dict[int, str]:
    """Names by the id of an array: those that modules reached from `function` have for theirs."""
    names: dict[int, str] = {}
    given = ((None, x) for x in leaves if not isinstance(x, Tensor))
    for name, value in (*reached(function), *given):
        for key, tensor in tensors_of(value):
            full = f"{name}.{key}" if name and key else name or key or "state"
            names.setdefault(id(tensor.array), full)
    return names


def reached(function: Any) -> Iterator[tuple[str | None, Any]]:
    """What a function's code refers to by name, and the object that it is a method of."""
    if hasattr(function, "named_parameters"):
        yield None, function
        return
    function = inspect.unwrap(function)
    if (owner := getattr(function, "__self__", None)) is not None:
        yield None, owner
    yield from ((each.name, each.value) for each in captured(function))


def tensors_of(value: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a module, with their names; of an optimizer, its moments; a tensor itself."""
    if isinstance(value, Tensor):
        yield "", value
    elif hasattr(value, "named_parameters") and hasattr(value, "named_buffers"):
        yield from value.named_parameters()
        yield from value.named_buffers()
    elif hasattr(value, "param_groups") and hasattr(value, "state"):
        for number, own in enumerate(value.state.values()):
            yield from ((f"{k}.{number}", t) for k, t in own.items() if isinstance(t, Tensor))
