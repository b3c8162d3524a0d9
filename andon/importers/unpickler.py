"""A restricted unpickler: runs a pickle without the power to import or to call.

A pickle is a program for a stack machine, and Python's own machine imports and calls whatever
the program names. This one has no import: `unpickle(program, names, persistent)` builds plain
containers and looks every other name up in the table `names`, where a `Constructor` is the
only thing that can be called. Rests on `pickletools.genops`, the standard decoder of opcodes.
"""

from __future__ import annotations

import inspect
import pickletools
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from andon.core.errors import FileFormatError

LITERALS = (
    {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
    | {"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
    | {"BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
)
CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
EMPTY = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_SET": set}
NOTHING_TO_DO = frozenset(["PROTO", "FRAME", "STOP"])

SCALARS = (str, bytes, int, float, type(None))
# The hashes of ints repeat with this period, so longer ones could be chosen to collide.
HASH_PERIOD = 2**61 - 1


@dataclass(frozen=True)
class Constructor:
    """A name that a pickle may call, and the function that stands for it here."""

    name: str
    build: Callable[..., Any]

    def call(self, arguments: Any) -> Any:
        """`build(*arguments)`, for arguments that came from the file."""
        try:
            inspect.signature(self.build).bind(*arguments)
        except TypeError:
            raise FileFormatError(f"{self.name} is called with wrong arguments") from None
        return self.build(*arguments)


def unpickle(program: bytes, names: Mapping[str, object], persistent: Callable[[Any], Any]) -> Any:
    """Run `program` and return what it builds.

    `names` maps "module.name" to a Constructor or to a plain value; `persistent` turns a
    persistent id into the object it stands for.

    Raises: FileFormatError for a name that is not in the table, and for a damaged program.
    """
    machine = _Machine(CONTAINERS | dict(names), persistent)
    for opcode, argument in _instructions(program):
        machine.step(opcode, argument)
    return machine.pop()


def is_plain_key(key: object) -> bool:
    """Whether `key` is a scalar or a flat tuple of scalars.

    Deep tuples are refused because hashing them recurses without a limit, or takes time
    exponential in their length where they share parts.
    """
    return all(map(_is_plain_scalar, key if isinstance(key, tuple) else (key,)))


def _is_plain_scalar(value: object) -> bool:
    if isinstance(value, int):
        return abs(value) < HASH_PERIOD
    return isinstance(value, SCALARS)


def _instructions(program: bytes) -> Iterator[tuple[str, Any]]:
    """Yield (opcode name, decoded argument) up to and including STOP."""
    try:
        for opcode, argument, _ in pickletools.genops(program):
            yield opcode.name, argument
    except (ValueError, DeprecationWarning) as error:
        # The warning is about a string's escapes, where warnings are made errors.
        raise FileFormatError(f"the pickle is damaged ({str(error)[:100]})") from None


class _Machine:
    """The stack, the marks on it, and the memo; one method per kind of instruction."""

    def __init__(self, names: Mapping[str, object], persistent: Callable[[Any], Any]) -> None:
        self.names = names
        self.persistent = persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, opcode: str, argument: Any) -> None:
        if opcode in LITERALS:
            self.stack.append(argument)
        elif opcode in CONSTANTS:
            self.stack.append(CONSTANTS[opcode])
        elif opcode in EMPTY:
            self.stack.append(EMPTY[opcode]())
        elif opcode in INSTRUCTIONS:
            INSTRUCTIONS[opcode](self, argument)
        elif opcode not in NOTHING_TO_DO:
            raise FileFormatError(f"refuses the pickle instruction {opcode}")

    # The stack.

    def take(self, count: int) -> list[Any]:
        """Pop the last `count` items, in the order in which they were pushed."""
        if count > len(self.stack):
            raise FileFormatError("the pickle is damaged (nothing left on its stack)")
        items = self.stack[len(self.stack) - count :]
        del self.stack[len(self.stack) - count :]
        return items

    def pop(self) -> Any:
        return self.take(1)[0]

    def peek(self) -> Any:
        item = self.pop()
        self.stack.append(item)
        return item

    def take_to_mark(self) -> list[Any]:
        if not self.marks:
            raise FileFormatError("the pickle is damaged (no mark on its stack)")
        return self.take(max(0, len(self.stack) - self.marks.pop()))

    def drop(self, items: list[Any]) -> None:
        """Nothing: the items are off the stack."""

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def put(self, index: int | None) -> None:
        self.memo[len(self.memo) if index is None else index] = self.peek()

    def get(self, index: int) -> None:
        if index not in self.memo:
            raise FileFormatError("the pickle is damaged (nothing at that place of its memo)")
        self.stack.append(self.memo[index])

    # Containers. The exact type is checked, so that no method of another type can be reached.

    def extend(self, items: list[Any]) -> None:
        self._container(list).extend(items)

    def add(self, items: list[Any]) -> None:
        self._container(set).update(_hashable(items))

    def set_items(self, items: list[Any]) -> None:
        if len(items) % 2:
            raise FileFormatError("the pickle is damaged (a key without a value)")
        container = self._container(dict, OrderedDict, Counter)
        for key, value in zip(_hashable(items[::2]), items[1::2], strict=True):
            container[key] = value  # not `update`, by which a Counter would count the pairs

    def _container(self, *types: type) -> Any:
        if type(self.peek()) not in types:
            raise FileFormatError(f"refuses to put items into {_kind(self.peek())}")
        return self.peek()

    # Names and calls.

    def name(self, module_and_name: str) -> None:
        """Push what the table has under "module name"; the only place where names mean anything."""
        name = module_and_name.replace(" ", ".", 1)
        if name not in self.names:
            raise FileFormatError(f"refuses to construct {_spelled(name)}")
        self.stack.append(self.names[name])

    def name_from_stack(self, _: Any) -> None:
        module, name = self.take(2)
        if not (isinstance(module, str) and isinstance(name, str)):
            raise FileFormatError("the pickle is damaged (a name that is no string)")
        self.name(f"{module} {name}")

    def instance(self, module_and_name: str) -> None:
        """INST: how pickles of Python 2 made objects of old-style classes; none is a container."""
        raise FileFormatError(f"refuses to construct {_spelled(module_and_name)}")

    def call(self, _: Any) -> None:
        function, arguments = self.take(2)
        if not isinstance(function, Constructor):
            raise FileFormatError(f"refuses to call {_kind(function)}")
        self.stack.append(function.call(arguments))

    def set_state(self, _: Any) -> None:
        """BUILD: attributes of an OrderedDict (a state dict's `_metadata`), or a dtype's order."""
        state, target = self.pop(), self.peek()
        if isinstance(target, np.dtype):
            order = state[1] if type(state) is tuple and len(state) > 1 else None
            if not isinstance(order, str) or order not in "<|=":
                raise FileFormatError(f"refuses the byte order of a numpy {target}")
        elif type(target) is OrderedDict and type(state) is dict:
            names = [name for name in state if isinstance(name, str)]
            vars(target).update({n: state[n] for n in names if not hasattr(OrderedDict, n)})
        else:
            raise FileFormatError(f"refuses to set the state of {_kind(target)}")

    def load_persistent(self, _: Any) -> None:
        self.stack.append(self.persistent(self.pop()))


INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "POP": lambda machine, _: machine.drop(machine.take(1)),
    "POP_MARK": lambda machine, _: machine.drop(machine.take_to_mark()),
    "DUP": lambda machine, _: machine.stack.append(machine.peek()),
    "GET": _Machine.get,
    "BINGET": _Machine.get,
    "LONG_BINGET": _Machine.get,
    "PUT": _Machine.put,
    "BINPUT": _Machine.put,
    "LONG_BINPUT": _Machine.put,
    "MEMOIZE": _Machine.put,
    "TUPLE": lambda machine, _: machine.stack.append(tuple(machine.take_to_mark())),
    "TUPLE1": lambda machine, _: machine.stack.append(tuple(machine.take(1))),
    "TUPLE2": lambda machine, _: machine.stack.append(tuple(machine.take(2))),
    "TUPLE3": lambda machine, _: machine.stack.append(tuple(machine.take(3))),
    "APPEND": lambda machine, _: machine.extend(machine.take(1)),
    "APPENDS": lambda machine, _: machine.extend(machine.take_to_mark()),
    "ADDITEMS": lambda machine, _: machine.add(machine.take_to_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.take(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.take_to_mark()),
    "GLOBAL": _Machine.name,
    "INST": _Machine.instance,
    "STACK_GLOBAL": _Machine.name_from_stack,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.set_state,
    "BINPERSID": _Machine.load_persistent,
}


def _hashable(keys: list[Any]) -> list[Any]:
    for key in keys:
        if not is_plain_key(key):
            raise FileFormatError(f"refuses {_kind(key)} as a key")
    return keys


def _kind(value: object) -> str:
    """A word for an error; never the repr, which a hostile value may make endless."""
    return value.name if isinstance(value, Constructor) else type(value).__name__


def _spelled(name: str) -> str:
    """A name from the file, made fit for a message: of Python 3, short, and printable."""
    name = name.replace("__builtin__", "builtins").replace(" ", ".", 1)[:100]
    return name if name.isprintable() else ascii(name)


# Plain containers that have no opcode of their own.


def _ordered_dict() -> OrderedDict[Any, Any]:
    return OrderedDict()


def _counter(counts: object = None) -> Counter[Any]:
    if not isinstance(counts, dict | None):
        raise FileFormatError("collections.Counter is called with wrong arguments")
    return Counter(counts)


def _set(items: object = None) -> set[Any]:
    if not isinstance(items, list | None):
        raise FileFormatError("builtins.set is called with wrong arguments")
    return set(_hashable(items or []))


def _bytes(text: object = "", encoding: object = "latin1") -> bytes:
    """What protocol 2, which has no opcode for bytes, spells as `codecs.encode(text)`."""
    if not (isinstance(text, str) and isinstance(encoding, str) and encoding == "latin1"):
        raise FileFormatError("_codecs.encode is called with wrong arguments")
    try:
        return text.encode("latin1")
    except UnicodeEncodeError:
        raise FileFormatError("_codecs.encode is given characters that are no bytes") from None


_BUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered_dict,
    "collections.Counter": _counter,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "_codecs.encode": _bytes,
    "__builtin__.bytes": _bytes,
}
CONTAINERS = {name: Constructor(name, build) for name, build in _BUILDERS.items()}
