"""Spec: what is known about an array before it exists; and the arithmetic of shapes.

Shape rules, importers and error messages rest on the few functions here: broadcasting,
normalising dims, filling in a -1.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from .dtype import DType, dtype, dtype_of_number
from .errors import DTypeError, IndexingError, ShapeError

Shape = tuple[int, ...]


class Spec(NamedTuple):
    """Shape and dtype of an array.

    >>> print(Spec((2, 3), dtype("float32")))
    float32[2, 3]
    """

    shape: Shape
    dtype: DType

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"


def spec_of(x: Any) -> Spec:
    """The Spec of a tensor, a value, an array or a Python number."""
    if isinstance(x, (bool, int, float)) and not isinstance(x, np.generic):
        return Spec((), dtype_of_number(x))
    return Spec(tuple(x.shape), dtype(x.dtype))


def broadcast_shapes(*shapes: Iterable[int], op: str = "broadcast") -> Shape:
    """Right-aligned, sizes must be equal or 1; the larger wins.

    >>> broadcast_shapes((2, 1, 4), (3, 1))
    (2, 3, 4)
    """
    try:
        return np.broadcast_shapes(*map(tuple, shapes))
    except ValueError:
        given = " and ".join(str(list(s)) for s in shapes)
        raise ShapeError(f"{op}: sizes must be equal or 1 to broadcast: {given}") from None


def normal_dim(dim: int, ndim: int, op: str = "dim") -> int:
    """`dim` counted from the front. A 0-dim tensor is treated as having one dim.

    >>> normal_dim(-1, 3)
    2
    """
    try:
        dim = operator.index(dim)
    except TypeError:
        raise DTypeError(f"{op}: dim must be an int: {dim!r}") from None
    n = max(ndim, 1)
    if not -n <= dim < n:
        raise IndexingError(f"{op}: dim out of range [{-n}, {n - 1}]: {dim}")
    return dim % n


def normal_dims(dim: Any, ndim: int, op: str = "dim") -> Shape:
    """`dim` (None for all, an int, or several) as a tuple counted from the front."""
    if dim is None:
        return tuple(range(ndim))
    if not isinstance(dim, (tuple, list)):
        dim = (dim,)
    dims = tuple(normal_dim(d, ndim, op) for d in dim)
    if len(set(dims)) < len(dims):
        raise ShapeError(f"{op}: a dim appears twice: {list(dim)}")
    return dims[:ndim]


def drop_dims(shape: Shape, dims: Iterable[int], keepdim: bool) -> Shape:
    """`shape` after a reduction over `dims`."""
    gone = set(dims)
    return tuple(1 if i in gone else n for i, n in enumerate(shape) if keepdim or i not in gone)


def fill_minus_one(shape: Iterable[Any], size: int, op: str = "reshape") -> Shape:
    """`shape` with one -1 replaced so that it holds `size` elements.

    >>> fill_minus_one((2, -1), 6)
    (2, 3)
    """
    shape = tuple(int(n) for n in shape)
    known = math.prod(n for n in shape if n != -1)
    if any(n < -1 for n in shape) or shape.count(-1) > 1:
        raise ShapeError(f"{op}: sizes must be >= 0, with at most one -1: {list(shape)}")
    if -1 in shape:
        if known == 0 or size % known:
            raise ShapeError(f"{op}: cannot fill in the -1: {size} elements to {list(shape)}")
        shape = tuple(size // known if n == -1 else n for n in shape)
    if math.prod(shape) != size:
        raise ShapeError(f"{op}: {size} elements do not fit the shape: {list(shape)}")
    return shape


def sizes_from(args: tuple) -> Shape:
    """The sizes of `f(2, 3)` or `f((2, 3))`: both spellings are PyTorch's."""
    if len(args) == 1 and isinstance(args[0], (tuple, list)):
        args = tuple(args[0])
    try:
        return tuple(n if isinstance(n, int) else operator.index(n) for n in args)
    except TypeError:
        raise DTypeError(f"sizes: must be ints: {list(args)}") from None
