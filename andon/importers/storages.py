"""Storages: the memory that a set of arrays rests on, in pieces that can be written to a file.

Arrays that view one buffer get one storage, with an offset and strides for each, as PyTorch's
tensors have them. A storage spans the arrays that are given and not their whole buffer, so a
slice of a large array does not drag the rest of it into a file.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds


@dataclass
class Storage:
    """The memory from address `low` up to `high`, where numbers of `dtype` lie side by side."""

    dtype: np.dtype[Any]
    low: int
    high: int

    @property
    def size(self) -> int:
        """The number of elements."""
        return (self.high - self.low) // self.dtype.itemsize

    def memory(self) -> memoryview:
        """The bytes themselves, which live as long as the arrays do."""
        return memoryview((ctypes.c_ubyte * (self.high - self.low)).from_address(self.low))

    def offset(self, array: np.ndarray) -> int:
        """Where the first element of `array` is, in elements."""
        return (array.ctypes.data - self.low) // self.dtype.itemsize


def strided(array: np.ndarray) -> np.ndarray:
    """`array` itself, or a copy if no storage can hold it: in native order, stepping forward."""
    width = array.itemsize
    if any(stride < 0 or stride % width for stride in array.strides):
        array = array.copy(order="C")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def place(arrays: Sequence[np.ndarray]) -> list[Storage]:
    """The storage of each of the `strided` arrays; the same object where they share memory.

    Memory is shared within the array that owns it, and where foreign buffers overlap. Numbers
    of two dtypes never share a storage, which could say only one of them.
    """
    owned: dict[tuple[object, ...], Storage] = {}
    placed = []
    for array in arrays:
        low, high = byte_bounds(array)
        key = (id(_owner(array)), array.dtype, low % array.itemsize)
        storage = owned.setdefault(key, Storage(array.dtype, low, high))
        storage.low, storage.high = min(storage.low, low), max(storage.high, high)
        placed.append(storage)
    merged = _merged(list(owned.values()))
    return [merged[id(storage)] for storage in placed]


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _merged(storages: list[Storage]) -> dict[int, Storage]:
    """By the id of each storage, the one that it and those overlapping it have become."""

    def order(storage: Storage) -> tuple[str, int, int]:
        return storage.dtype.name, storage.low % storage.dtype.itemsize, storage.low

    merged: dict[int, Storage] = {}
    last: Storage | None = None
    for storage in sorted(storages, key=order):
        if last and order(last)[:2] == order(storage)[:2] and storage.low < last.high:
            last.high = max(last.high, storage.high)
        else:
            last = storage
        merged[id(storage)] = last
    return merged
