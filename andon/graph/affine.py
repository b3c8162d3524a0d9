"""Affine index arithmetic: where an element of a view lies in what it is a view of.

A loop kernel walks the points of a few `Axis`es. The index of a value in one of its dims is a
`Form` of the point: offset + Σ coefficient · axis. Reshapes that cut a dim into several split the
axis behind it, so forms stay affine; only what no split can express is None.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

Shape = tuple[int, ...]


class Axis:
    """A counter from 0 to size - 1. Once split, it stands for its two parts; some must not be."""

    __slots__ = ("divisible", "parts", "size")

    def __init__(self, size: int):
        self.size, self.divisible = size, True
        self.parts: tuple[Axis, Axis] | None = None

    def split(self, inner: int) -> None:
        """Let the axis be `outer * inner + rest`, two axes of their own."""
        self.parts = Axis(self.size // inner), Axis(inner)

    def whole(self) -> list[Axis]:
        """The axes that it consists of."""
        return [self] if self.parts is None else [a for p in self.parts for a in p.whole()]

    def __repr__(self) -> str:
        return f"<{self.size}>"


class Form:
    """offset + Σ coefficient · axis."""

    __slots__ = ("offset", "products")

    def __init__(self, offset: int = 0, products: Iterable[tuple[Axis, int]] = ()):
        self.offset = offset
        self.products = list(products)

    @property
    def terms(self) -> list[tuple[Axis, int]]:
        """The products, over axes that are not split."""
        if any(axis.parts for axis, _ in self.products):
            self.products = [t for product in self.products for t in resolved(*product)]
        return self.products

    def __add__(self, other: Form) -> Form:
        return Form(self.offset + other.offset, merged(self.terms + other.terms))

    def __mul__(self, factor: int) -> Form:
        return Form(self.offset * factor, [(a, c * factor) for a, c in self.terms if factor])

    def plus(self, offset: int) -> Form:
        return Form(self.offset + offset, self.products)

    def coefficient(self, axis: Axis) -> int:
        return sum(c for a, c in self.terms if a is axis)

    def range(self) -> tuple[int, int]:
        """The smallest and the largest value."""
        low = high = self.offset
        for axis, c in self.terms:
            reach = c * (axis.size - 1)
            low, high = low + min(reach, 0), high + max(reach, 0)
        return low, high

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Form):
            return NotImplemented
        return self.offset == other.offset and dict(self.terms) == dict(other.terms)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return " + ".join([str(self.offset), *(f"{c}{a}" for a, c in self.terms)])


def resolved(axis: Axis, c: int) -> list[tuple[Axis, int]]:
    """c · axis, in parts if the axis is split."""
    if axis.parts is None:
        return [(axis, c)]
    outer, inner = axis.parts
    return resolved(outer, c * inner.size) + resolved(inner, c)


def merged(terms: Iterable[tuple[Axis, int]]) -> list[tuple[Axis, int]]:
    """The terms with those of one axis added up."""
    found: dict[Axis, int] = {}
    for axis, c in terms:
        found[axis] = found.get(axis, 0) + c
    return [(axis, c) for axis, c in found.items() if c]


Forms = list[Form]


def fresh(shape: Shape) -> Forms:
    """An index of `shape` with an axis of its own for each dim larger than 1."""
    return [Form(0, [(Axis(n), 1)]) if n != 1 else Form() for n in shape]


def axes_of(forms: Iterable[Form]) -> list[Axis]:
    """The axes in the forms, each once, in order."""
    return list(dict.fromkeys(axis for form in forms for axis, _ in form.terms))


def row_major(shape: Shape) -> list[int]:
    """How far apart neighbours along each dim lie."""
    return [math.prod(shape[i + 1 :]) for i in range(len(shape))]


def linear(forms: Sequence[Form], strides: Iterable[int]) -> Form:
    """The place of an element, for these strides."""
    place = Form()
    for form, stride in zip(forms, strides, strict=True):
        place = place + form * stride
    return place


def enumerates(form: Form, n: int) -> bool:
    """Whether the form takes each of the values from 0 to n - 1 once."""
    found = 1
    for axis, c in sorted(form.terms, key=lambda term: abs(term[1])):
        if abs(c) != found:
            return False
        found *= axis.size
    return found == n and form.range() == (0, n - 1)


def quotient_and_rest(form: Form, n: int) -> tuple[Form, Form] | None:
    """form = n · quotient + rest, 0 ≤ rest < n, splitting axes; None if that cannot be said."""
    for axis, c in form.terms:
        inner = n // abs(c) if n % c == 0 else 0
        if inner > 1 and axis.size > inner and abs(c) < n:
            if axis.size % inner or not axis.divisible:
                return None
            axis.split(inner)
    upper, lower = divmod(form.offset, n)
    quotient = Form(upper, [(a, c // n) for a, c in form.terms if c % n == 0])
    rest = Form(lower, [(a, c) for a, c in form.terms if c % n])
    low, high = rest.range()
    return (quotient, rest) if low >= 0 and high < n else None


def reshaped(forms: Sequence[Form], old: Shape, new: Shape) -> Forms | None:
    """The same elements' index under the shape `new`, in row-major order."""
    found: Forms = []
    i = j = 0
    while i < len(old) or j < len(new):
        block, here = i, j
        a = b = 1
        while (a != b or (i == block and j == here)) and (i < len(old) or j < len(new)):
            if (a <= b and i < len(old)) or j == len(new):
                a, i = a * old[i], i + 1
            else:
                b, j = b * new[j], j + 1
        whole = linear(forms[block:i], row_major(old[block:i]))
        parts = cut(whole, new[here:j])
        if parts is None:
            return None
        found += parts
    return found


def cut(form: Form, sizes: Shape) -> Forms | None:
    """A place among prod(sizes) as an index of the shape `sizes`."""
    found: Forms = []
    for n in reversed(sizes[1:]):
        if n == 1:
            found.insert(0, Form())
            continue
        pair = quotient_and_rest(form, n)
        if pair is None:
            return None
        form, rest = pair
        found.insert(0, rest)
    if not sizes:
        return []
    return [form, *found]
