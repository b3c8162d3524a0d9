"""What a function captures: the variables of its closure, and the globals that its code names.

A recording is made of what they are bound to, so it holds only as long as they are.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from ..core.errors import GraphError

NUMBERS = (bool, int, float, str, type(None))
LOADS = ("LOAD_FAST", "LOAD_DEREF", "LOAD_GLOBAL")  # of a variable; some of two at once
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
    function, code = inspect.unwrap(function), code_of(function)
    if code is None:
        return []
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    found = [Captured(name, contents(cell), reader(cell)) for name, cell in cells]
    return [*found, *captured_globals(code, function.__globals__)]


def captured_globals(code: CodeType, known: dict[str, Any]) -> Iterator[Captured]:
    for name in dict.fromkeys(names_in(code, ("LOAD_GLOBAL", "STORE_GLOBAL"))):
        if name in known and not isinstance(known[name], LASTING):
            yield Captured(name, known[name], reader_of_global(known, name))


def names_in(code: CodeType, instructions: tuple[str, ...]) -> Iterator[str]:
    """What these instructions of a function are about, those of functions in it included."""
    yield from (each.argval for each in dis.get_instructions(code) if each.opname in instructions)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant, instructions)


def names_read(code: CodeType | None, variable: str | None, kind: type) -> set[str]:
    """The attributes and keys of a variable that code reads, if it is of the class `kind`.

    Those that methods read which it calls are included.
    """
    found: set[str] = set()
    places = [(code, variable)]
    while places:
        each, name = places.pop()
        if each is None:
            continue
        name = each.co_varnames[0] if name is None and each.co_argcount else name
        new = set(read_after(each, name)) - found
        places += [(code_of(getattr(kind, attribute, None)), None) for attribute in new]
        places += [(inner, name) for inner in each.co_consts if isinstance(inner, CodeType)]
        found |= new
    return found


def read_after(code: CodeType, variable: str | None) -> Iterator[str]:
    """What code reads of a variable at once: x.attribute, x["key"]."""
    for load, read in pairwise(dis.get_instructions(code)):
        if load.opname.startswith(LOADS) and isinstance(read.argval, str):
            name = load.argval[-1] if isinstance(load.argval, tuple) else load.argval
            if name == variable:
                yield read.argval


def settings(owner: Any, names: Iterable[str]) -> dict[str, Any]:
    """What a dict has under these keys, or an object as attributes; of its class, the numbers."""
    own = owner if type(owner) is dict else getattr(owner, "__dict__", {})
    found = {}
    for name in sorted(names):
        if name in own:
            found[name] = own[name]
        elif isinstance(value := inspect.getattr_static(type(owner), name, settings), NUMBERS):
            found[name] = value
    return found


def code_of(function: Any) -> CodeType | None:
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return code if isinstance(code, CodeType) else None


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


def check_bindings(variables: list[Captured], function: Any) -> None:
    """Raise if a function bound one of its variables anew: a recording could not do so again."""
    code: Any = code_of(function)
    bound = set(names_in(code, ("STORE_GLOBAL", "STORE_DEREF")) if code else ())
    for each in variables:
        if each.name in bound and each.is_bound_anew():
            raise GraphError(
                f"jit: {function.__name__} assigns to {each.name!r} of an enclosing scope, which "
                "happens only while it is recorded: return the value, or keep it in a tensor"
            )
