"""A pickler of plain containers, in the opcodes that `torch.load(weights_only=True)` accepts.

Writes None, bools, numbers, strings, bytes, lists, tuples, dicts, sets, and nothing by the
name of a class of ours. Whatever else is inside is a leaf: the caller says what stands for it,
and the pickle is returned in pieces with the leaves between them, to be filled in later. So a
tensor's storage can be chosen when all tensors are known. Rests on nothing but the opcodes.
"""

from __future__ import annotations

import itertools
import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

from andon.core.errors import StateError
from andon.importers.unpickler import is_plain_key

Piece = Any  # bytes of the pickle, or a leaf that the caller turns into bytes


def pickled(value: object, leaf: Callable[[Any], Piece | None]) -> list[Piece]:
    """The pickle of `value` in pieces: bytes, and what `leaf` returned for an object (not None).

    An object that occurs twice is written once, so identity and cycles through lists and dicts
    survive.

    Raises: StateError for an object that is neither plain nor a leaf.
    """
    pickler = _Pickler(leaf)
    try:
        pickler.write(value, ())
    except RecursionError:
        raise StateError("save: containers are nested too deeply") from None
    return [pickle.PROTO + b"\x02", *pickler.pieces, pickle.STOP]


def literal(value: object) -> bytes | None:
    """The opcodes of a scalar, or None if `value` is no scalar."""
    match value:
        case None:
            return pickle.NONE
        case bool():
            return pickle.NEWTRUE if value else pickle.NEWFALSE
        case int():
            return integer(value)
        case float():
            return pickle.BINFLOAT + struct.pack(">d", value)
        case str():
            return string(value)
        case bytes():  # protocol 2 has no opcode for them
            return called("_codecs", "encode", string(value.decode("latin1")), string("latin1"))
    return None


def integer(value: int) -> bytes:
    """The opcodes of an int."""
    if -(2**31) <= value < 2**31:
        return pickle.BININT + struct.pack("<i", value)
    encoded = pickle.encode_long(value)
    if len(encoded) > 255:
        raise StateError(f"save: an int is too long for a checkpoint: {len(encoded)} bytes")
    return pickle.LONG1 + bytes([len(encoded)]) + encoded


def string(value: str) -> bytes:
    """The opcodes of a string."""
    encoded = value.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded


def named(module: str, name: str) -> bytes:
    """The opcode that names `module.name`."""
    return pickle.GLOBAL + f"{module}\n{name}\n".encode()


def tuple_of(*items: bytes) -> bytes:
    """The opcodes of a tuple of items that are opcodes already."""
    return pickle.MARK + b"".join(items) + pickle.TUPLE


def called(module: str, name: str, *arguments: bytes) -> bytes:
    """The opcodes of `module.name(*arguments)`, for arguments that are opcodes already."""
    return named(module, name) + tuple_of(*arguments) + pickle.REDUCE


class _Pickler:
    def __init__(self, leaf: Callable[[Any], Piece | None]) -> None:
        self.leaf = leaf
        self.pieces: list[Piece] = []
        # The object is kept beside its index: an id is good only as long as its object lives.
        self.memo: dict[int, tuple[int, object]] = {}
        self.indices = itertools.count()

    def write(self, value: Any, where: tuple[object, ...]) -> None:
        """Append the pieces of `value`, which is found at `where` in the whole."""
        if (scalar := literal(value)) is not None:
            self.pieces.append(scalar)
        elif id(value) in self.memo:
            index, _ = self.memo[id(value)]
            self.pieces.append(pickle.LONG_BINGET + struct.pack("<I", index))
        elif (piece := self.leaf(value)) is not None:
            self.pieces.append(piece)
            self.remember(value)
        else:
            self.write_container(value, where)

    def write_container(self, value: Any, where: tuple[object, ...]) -> None:
        match value:
            case Counter():
                self.write_call("collections", "Counter", dict(value), value, where)
            case dict():
                self.write_dict(value, where)
            case list():
                self.pieces.append(pickle.EMPTY_LIST)
                self.remember(value)
                self.write_items(value, where, pickle.APPENDS)
            case tuple():
                self.write_items(value, where, pickle.TUPLE)
                self.remember(value)
            case set() | frozenset():
                for item in value:
                    _check_key(item, where)
                self.write_call("__builtin__", "set", list(value), value, where)
            case _:
                place = "".join(f"[{key!r}]" for key in where)
                kind = f"{type(value).__module__}.{type(value).__qualname__}"
                raise StateError(f"save: a checkpoint cannot hold an object of {kind}: at {place}")

    def write_dict(self, value: dict[Any, Any], where: tuple[object, ...]) -> None:
        ordered = isinstance(value, OrderedDict)
        self.pieces.append(called("collections", "OrderedDict") if ordered else pickle.EMPTY_DICT)
        self.remember(value)
        self.pieces.append(pickle.MARK)
        for key, item in value.items():
            _check_key(key, where)
            self.write(key, where)
            self.write(item, (*where, key))
        self.pieces.append(pickle.SETITEMS)
        if ordered and vars(value):  # a state dict's `_metadata`
            self.write(dict(vars(value)), where)
            self.pieces.append(pickle.BUILD)

    def write_items(self, items: Any, where: tuple[object, ...], closing: bytes) -> None:
        self.pieces.append(pickle.MARK)
        for index, item in enumerate(items):
            self.write(item, (*where, index))
        self.pieces.append(closing)

    def write_call(
        self, module: str, name: str, argument: object, value: object, where: tuple[object, ...]
    ) -> None:
        self.pieces.append(named(module, name))
        self.write(argument, where)
        self.pieces.append(pickle.TUPLE1 + pickle.REDUCE)
        self.remember(value)

    def remember(self, value: object) -> None:
        """Give the object just written a number in the memo."""
        index = next(self.indices)
        self.memo[id(value)] = index, value
        self.pieces.append(pickle.LONG_BINPUT + struct.pack("<I", index))


def _check_key(key: object, where: tuple[object, ...]) -> None:
    if not is_plain_key(key):
        raise StateError(f"save: a key is neither a scalar nor a tuple of scalars: {key!r}")
