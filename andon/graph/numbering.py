"""Value numbering: values that must be equal get one number.

Two values are equal if one op makes them of equal inputs with equal attributes. That goes for
random ops too: a draw is a function of its key.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from ..core.op import Op
from .ir import Graph, Symbol
from .rewrite import remade

COMMUTATIVE = {
    *("add", "mul", "maximum", "minimum", "fmax", "fmin", "eq", "ne", "hypot", "logaddexp"),
    *("logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or", "bitwise_xor"),
}


class Numbers:
    """The numbers of a graph's values, and who has each number."""

    def __init__(self, graph: Graph):
        self.of: dict[Symbol, int] = {}
        self.known: dict[Hashable, int] = {}
        self.members: list[list[Symbol]] = []
        for value in graph.values:
            number = self.known.setdefault(self.key(value), len(self.members))
            if number == len(self.members):
                self.members.append([])
            self.members[number].append(value)
            self.of[value] = number

    def key(self, value: Symbol) -> Hashable:
        """What equal values have in common: a leaf is equal to itself, a constant to its bytes."""
        if value.op is not None:
            return key(value.op, map(self.operand, value.inputs), value.attrs)
        if value.const is not None and value.const.size <= 32:
            return value.shape, value.dtype, value.const.tobytes()
        return value if value.const is None else id(value.const)

    def operand(self, x: Any) -> Hashable:
        return self.of[x] if isinstance(x, Symbol) else number_key(x)

    def equal(self, a: Any, b: Any) -> bool:
        return self.operand(a) == self.operand(b)


def key(op: Op, operands: Iterable[Hashable], attrs: dict) -> Hashable:
    """The key of an op's result, given the keys of its operands."""
    found = tuple(operands)
    if op.name in COMMUTATIVE and hash(found[0]) > hash(found[1]):
        found = (found[1], found[0])
    return op, found, tuple(attrs.items())


def number_key(x: Any) -> Hashable:
    """A Python number as a key: 1, 1.0 and True differ, as do 0.0 and -0.0."""
    return None if x is None else repr(x)


def merge_common(graph: Graph) -> Graph:
    """Equal values become one value."""
    numbers = Numbers(graph)

    def make(value: Symbol, moved: Symbol, new: dict[Symbol, Any]) -> Any:
        first = numbers.members[numbers.of[value]][0]
        return moved if first is value else new[first]

    return remade(graph, make)
