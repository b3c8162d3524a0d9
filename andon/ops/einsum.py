"""Einstein summation: products of several tensors, written as letters for their dims.

    einsum("bik,bkj->bij", a, b)    products of matrices
    einsum("ii", a)                 a trace
    einsum("...i->...", a)          a sum over the last dim

It is a composite: two operands at a time become one `matmul` (or a plain product, where nothing
is summed), so its gradients are theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any

from ..core.errors import ShapeError
from ..core.spec import spec_of
from .diagonals import diagonal
from .linalg import matmul
from .movement import expand, permute, reshape
from .reduce import sum

Labels = tuple[str, ...]
Term = tuple[Any, Labels]  # an operand, and the label of each of its dims
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def einsum(equation: str, *operands: Any):
    """Multiply the operands along dims with the same letter; sum over letters not in the output.

    Without "->", the output has the letters that occur once, in alphabetical order. "..." stands
    for dims that broadcast; a letter that occurs twice in one operand takes its diagonal. Also
    understood: a list of operands, and `einsum(x, [0, 1], y, [1, 2], [0, 2])`.
    """
    if not isinstance(equation, str):
        equation, operands = from_sublists((equation, *operands))
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    inputs, output = parse(equation, tuple(x.ndim for x in operands))
    check_sizes(equation, inputs, operands)
    terms = [diagonals(x, labels) for x, labels in zip(operands, inputs, strict=True)]
    terms = [(broadcast(x, labels, terms), labels) for x, labels in terms]
    while len(terms) > 1:
        first, second = cheapest_pair(terms, output)
        others = [term for term in terms if term is not first and term is not second]
        terms = [*others, contract(first, second, kept_for(others, output))]
    x, labels = sum_out(*terms[0], set(output))
    return permute.apply(x, dims=tuple(labels.index(label) for label in output))


# Reading the equation


def from_sublists(operands: tuple) -> tuple[str, tuple]:
    """`(x, [0, 1], y, [1, 2], [0, 2])` as an equation and operands."""
    output = operands[-1] if len(operands) % 2 else None
    pairs = operands[: len(operands) // 2 * 2]

    def text(numbers: Any) -> str:
        try:
            return "".join("..." if n is Ellipsis else LETTERS[n] for n in numbers)
        except (TypeError, IndexError):
            raise ShapeError(f"einsum: dims are lists of ints 0 to 51: {numbers!r}") from None

    equation = ",".join(map(text, pairs[1::2]))
    return equation if output is None else f"{equation}->{text(output)}", pairs[::2]


@lru_cache(maxsize=512)
def parse(equation: str, ndims: tuple[int, ...]) -> tuple[list[Labels], Labels]:
    """The labels of each operand's dims, and of the output's. The dims of "..." are .1, .2, …
    counted from the last, so that they align as broadcasting does.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(ndims):
        raise ShapeError(f"einsum: {equation!r} has {len(parts)} operands: {len(ndims)} given")
    inputs = [labels_of(p, ndim, equation) for p, ndim in zip(parts, ndims, strict=True)]
    seen = [label for labels in inputs for label in labels]
    dots = sorted({s for s in seen if s[0] == "."}, key=lambda s: -int(s[1:]))
    if arrow:
        output = labels_of(right, None, equation, dots)
    else:
        output = (*dots, *sorted(s for s in set(seen) if s[0] != "." and seen.count(s) == 1))
    if len(set(output)) < len(output) or not set(output) <= set(seen):
        raise ShapeError(f"einsum: the output repeats a letter, or has a new one: {equation!r}")
    return inputs, output


def labels_of(part: str, ndim: int | None, equation: str, dots: Sequence[str] = ()) -> Labels:
    """One label per dim: the letters of `part`, and for "..." the dims that are left over."""
    before, ellipsis, after = part.partition("...")
    if not re.fullmatch("[a-zA-Z]*", before + after):
        raise ShapeError(f"einsum: letters, commas, '...' and '->' expected: {equation!r}")
    if ndim is not None:
        missing = ndim - len(before) - len(after)
        if missing < 0 or (missing and not ellipsis):
            raise ShapeError(f"einsum: {part!r} does not name {ndim} dims: {equation!r}")
        dots = [f".{i}" for i in range(missing, 0, -1)]
    return (*before, *(dots if ellipsis else ()), *after)


def check_sizes(equation: str, inputs: list[Labels], operands: tuple) -> None:
    """Raise unless dims with one label have one size, or size 1, which broadcasts."""
    sizes: dict[str, int] = {}
    for labels, x in zip(inputs, operands, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.setdefault(label, n) == 1:
                sizes[label] = n
            elif n not in (1, sizes[label]):
                given = ", ".join(str(spec_of(x)) for x in operands)
                name = "..." if label[0] == "." else label
                raise ShapeError(f"einsum: sizes of {name!r} differ in {equation!r}: {given}")


# Computing it


def diagonals(x, labels: Labels) -> Term:
    """x with one dim per label, where some label stands for several of its dims."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = diagonal.apply(x, offset=0, dim1=first, dim2=second)
            rest = tuple(s for i, s in enumerate(labels) if i not in (first, second))
            labels = (*rest, label)
    return x, labels


def broadcast(x, labels: Labels, terms: Sequence[Term]):
    """x with its dims of size 1 expanded to the size the same label has elsewhere."""
    if 1 not in x.shape:
        return x
    largest = sizes_of(terms)
    return expand.apply(x, shape=tuple(largest[label] for label in labels))


def sizes_of(terms: Sequence[Term]) -> dict[str, int]:
    """The size of every label, where 1 gives way to others."""
    sizes: dict[str, int] = {}
    for x, labels in terms:
        for label, n in zip(labels, x.shape, strict=True):
            if sizes.get(label, 1) == 1:
                sizes[label] = n
    return sizes


def kept_for(others: Sequence[Term], output: Labels) -> set[str]:
    """The labels that are still needed when two terms are contracted."""
    return set(output).union(*(labels for _, labels in others))


def cheapest_pair(terms: Sequence[Term], output: Labels) -> tuple[Term, Term]:
    """The two terms whose product is smallest, compared with what they take up now."""
    if len(terms) == 2:
        return terms[0], terms[1]
    sizes = sizes_of(terms)

    def growth(pair: tuple[Term, Term]) -> int:
        (x, left), (y, right) = pair
        others = [term for term in terms if term is not pair[0] and term is not pair[1]]
        kept = (set(left) | set(right)) & kept_for(others, output)
        result = math.prod(sizes[label] for label in kept)
        return result - math.prod(x.shape) - math.prod(y.shape)

    return min(combinations(terms, 2), key=growth)


def contract(first: Term, second: Term, kept: set[str]) -> Term:
    """The product of two terms, summed over the labels that are not in `kept`."""
    a, of_a = sum_out(*first, kept.union(second[1]))
    b, of_b = sum_out(*second, kept.union(first[1]))
    batch = tuple(s for s in of_a if s in of_b and s in kept)
    inner = tuple(s for s in of_a if s in of_b and s not in kept)
    rows = tuple(s for s in of_a if s not in of_b)
    columns = tuple(s for s in of_b if s not in of_a)
    labels = batch + rows + columns
    if not inner:
        return spread(a, of_a, labels) * spread(b, of_b, labels), labels
    sizes = sizes_of((first, second))
    shape = tuple(sizes[s] for s in labels)
    a = as_matrices(a, of_a, batch, rows, inner)
    b = as_matrices(b, of_b, batch, inner, columns)
    return reshape.apply(matmul.apply(a, b), shape=shape), labels


def sum_out(x, labels: Labels, kept: set[str]) -> Term:
    """x summed over the dims whose labels are not in `kept`."""
    gone = tuple(i for i, label in enumerate(labels) if label not in kept)
    if not gone:
        return x, labels
    return sum(x, gone), tuple(label for label in labels if label in kept)


def spread(x, labels: Labels, target: Labels):
    """x with its dims in the order of `target`, and dims of size 1 for those it lacks."""
    order = tuple(labels.index(label) for label in target if label in labels)
    sizes = dict(zip(labels, x.shape, strict=True))
    x = permute.apply(x, dims=order)
    return reshape.apply(x, shape=tuple(sizes.get(label, 1) for label in target))


def as_matrices(x, labels: Labels, batch: Labels, rows: Labels, columns: Labels):
    """x as a batch of matrices, whose batch dims, rows and columns have the given labels."""
    sizes = dict(zip(labels, x.shape, strict=True))
    x = permute.apply(x, dims=tuple(labels.index(s) for s in batch + rows + columns))
    heights = [math.prod(sizes[s] for s in group) for group in (batch, rows, columns)]
    return reshape.apply(x, shape=tuple(heights if batch else heights[1:]))
