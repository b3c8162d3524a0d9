"""What a function captures: the variables of its closure, and the globals that its code names.

A recording is made of what they are bound to, so it holds only as long as they are.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from functools import partial
from operator import is_
from types import BuiltinFunctionType, CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from ..core.errors import GraphError

NUMBERS = (bool, int, float, str, type(None))
LASTING = (ModuleType, FunctionType, BuiltinFunctionType, type)  # globals that nobody binds again


class Captured(NamedTuple):
    """A variable: its name, what it is bound to, and how to see whether it still is."""

    name: str
    value: Any
    read: Callable[[], Any]

    def is_bound_anew(self) -> bool:
        return not same(self.read(), self.value)


def captured(function: Any) -> list[Captured]:
    """The variables of a function's code that may be bound to something else later."""
    function, code = inspect.unwrap(function), code_of(function)
    if code is None:
        return []
    cells = zip(code.co_freevars, function.__closure__ or (), strict=True)
    found = [Captured(name, contents(cell), partial(contents, cell)) for name, cell in cells]
    return [*found, *captured_globals(code, function.__globals__)]


def captured_globals(code: CodeType, known: dict[str, Any]) -> Iterator[Captured]:
    for name in dict.fromkeys(names_in(code, ("LOAD_GLOBAL", "STORE_GLOBAL"))):
        if name in known and not isinstance(known[name], LASTING):
            yield Captured(name, known[name], partial(known.get, name))


def names_in(code: CodeType, instructions: tuple[str, ...]) -> Iterator[str]:
    """What these instructions of a function are about, those of functions in it included."""
    yield from (each.argval for each in dis.get_instructions(code) if each.opname in instructions)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from names_in(constant, instructions)


def code_of(function: Any) -> CodeType | None:
    code = getattr(inspect.unwrap(function), "__code__", None) if callable(function) else None
    return code if isinstance(code, CodeType) else None


def contents(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that is bound later
        return None


def same(a: Any, b: Any) -> bool:
    """Whether two values are one object, or numbers, or tuples of them, that print alike."""
    return a is b or (is_number(a) and is_number(b) and repr(a) == repr(b))


def is_number(x: Any) -> bool:
    return isinstance(x, NUMBERS) or (isinstance(x, tuple) and all(map(is_number, x)))


class Unchanged:
    """Whether what `read` gives, a list, is what it was when this was made."""

    def __init__(self, read: Callable[[], list]):
        self.read, self.last = read, read()

    def __call__(self) -> bool:
        now, last = self.read(), self.last
        if len(now) != len(last):
            return False
        if all(map(is_, now, last)):
            return True
        self.last = now if (holds := all(map(same, now, last))) else last
        return holds


class Bound:
    """What variables are bound to."""

    def __init__(self, variables: list[Captured]):
        self.variables, reads = variables, [each.read for each in variables]
        self.holds = Unchanged(lambda: [read() for read in reads])

    def difference(self) -> str:
        """What has changed."""
        names = [repr(each.name) for each in self.variables if each.is_bound_anew()]
        return f"what {', '.join(names)} is bound to"


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
