"""An update rule swept over parameters in blocks that stay in cache.

A rule takes flat arrays of one length, the parameter, its gradient and its state, and changes all
but the gradient in place. Large parameters are cut into blocks; many small ones are gathered into
one, since a call of NumPy costs as much as a thousand elements do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ..core.op import Symbolic

Row = Sequence[np.ndarray]  # a parameter, its gradient, its state
Rule = Callable[..., None]

BLOCK = 1 << 16  # elements: half a dozen float32 arrays of this size fit a level-2 cache
SMALL = 1 << 12  # elements: below this, the calls cost more than the arithmetic


def sweep(rule: Rule, rows: Iterable[Row]) -> None:
    """Call `rule` on every row, or on blocks of it, or on several rows at once."""
    gathered: list[Row] = []
    size = 0
    for row in rows:
        n = row[0].size
        if isinstance(row[1], Symbolic):
            rule(*row)
            continue
        if n > SMALL and all(x.flags.c_contiguous for x in row):
            in_blocks(rule, row)
            continue
        if size + n > BLOCK:
            together(rule, gathered)
            gathered, size = [], 0
        gathered.append(row)
        size += n
    together(rule, gathered)


def in_blocks(rule: Rule, row: Row) -> None:
    """Call `rule` on one block after the other of contiguous arrays."""
    flat = [x.reshape(-1) for x in row]
    if flat[0].size <= BLOCK:
        rule(*flat)
        return
    for start in range(0, flat[0].size, BLOCK):
        rule(*[x[start : start + BLOCK] for x in flat])


def together(rule: Rule, rows: Sequence[Row]) -> None:
    """Call `rule` on all rows end to end, and put back what it changed."""
    if not rows:
        return
    columns = [np.concatenate([x.ravel() for x in column]) for column in zip(*rows, strict=True)]
    in_blocks(rule, columns)
    start = 0
    for row in rows:
        end, shape = start + row[0].size, row[0].shape
        for i, x in enumerate(row):
            if i != 1:  # the gradient is only read
                x[...] = columns[i][start:end].reshape(shape)
        start = end


class Scratch(threading.local):
    """Work arrays of a block's size, made once per thread and dtype."""

    def __init__(self) -> None:
        self.arrays: dict[tuple, np.ndarray] = {}


_scratch = Scratch()


def scratch(like: np.ndarray, number: int = 0) -> np.ndarray:
    """Work array `number` in the length and dtype of a block. Its elements are arbitrary."""
    if isinstance(like, Symbolic):
        return like.copy()
    key = (like.dtype, number)
    array = _scratch.arrays.get(key)
    if array is None:
        array = _scratch.arrays[key] = np.empty(BLOCK, like.dtype)
    return array[: like.size]
