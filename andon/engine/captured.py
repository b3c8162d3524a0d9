"""What a function captures: the variables of its closure, and the globals that its code names.

A recording is made of what they are bound to, so it holds only as long as they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any, NamedTuple

from ..core.errors import GraphError

NUMBERS = (bool, int, float, str, type(None))
LASTING = (ModuleType, FunctionType, BuiltinFunctionType, type)  # globals that nobody binds again


class Captured(NamedTuple):
    """A variable: its name, what it is bound to, and how to see whether it still is."""

    name: str
    value: Any
    read: Callable[[], Any]  # a number itself, and the identity of all else

    def is_bound_anew(self) -> bool:
        return self.read() != mark(self.value)


def captured(function: Any) -> list[Captured]:
    """The variables of a function's code that may be bound to something else later."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    found = [Captured(name, contents(cell), reader(cell)) for name, cell in cells]
    return [*found, *captured_globals(code.co_names, function.__globals__)]


def captured_globals(names: tuple[str, ...], known: dict[str, Any]) -> Iterator[Captured]:
    for name in names:
        if name in known and not isinstance(known[name], LASTING):
            yield Captured(name, known[name], reader_of_global(known, name))


def reader(cell: CellType) -> Callable[[], Any]:
    return lambda: mark(contents(cell))


def reader_of_global(known: dict[str, Any], name: str) -> Callable[[], Any]:
    return lambda: mark(known.get(name))


def contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is bound later
        return None


def mark(value: Any) -> Any:
    """What tells a value from another: of a number its type and text, of all else who it is."""
    return repr(value) if isinstance(value, NUMBERS) else id(value)


def check_bindings(variables: list[Captured], function: str) -> None:
    """Raise if a function bound one of its variables anew: a recording could not do so again."""
    for each in variables:
        if each.is_bound_anew():
            raise GraphError(
                f"jit: {function} assigns to {each.name!r} of an enclosing scope, which happens "
                "only while it is recorded: return the value, or keep it in a tensor"
            )
