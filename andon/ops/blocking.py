"""Row-wise kernels: an array as a matrix of rows, walked a block at a time, in cache.

Softmax, the norms and cross-entropy read each row several times. Done to a whole array, each
pass would fetch it from memory anew; done to a block that fits in cache, only the first does.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

BLOCK = 1 << 16  # elements: 256 KB of float32


def blocks(rows: int, columns: int) -> list[slice]:
    """Slices that cover `rows` rows of `columns` elements, each small enough for the cache.

    >>> blocks(5, 30000)
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    step = max(1, BLOCK // max(columns, 1))
    return [slice(i, i + step) for i in range(0, rows, step)]


def widened(x: np.ndarray) -> np.ndarray:
    """x, in float32 if it is narrower: float16 and bfloat16 are accumulated there."""
    return x.astype(np.float32) if x.dtype.itemsize < 4 else x


def as_matrix(x: np.ndarray, columns: int, rows: int = 0) -> np.ndarray:
    """x as rows of `columns` elements, contiguous and no narrower than float32.

    How many `rows` there are of no columns, the elements do not tell.
    """
    x = np.ascontiguousarray(widened(x))
    return x.reshape(x.size // columns if columns else rows, columns)


def along(kernel: Callable, dim: int, *arrays: np.ndarray) -> np.ndarray:
    """What `kernel` makes of matrices whose rows run along `dim` of the arrays."""
    shape, dtype = arrays[0].shape, arrays[0].dtype
    swapped = [a.swapaxes(dim, -1) if a.ndim else a.reshape(1) for a in arrays]
    columns = swapped[0].shape[-1]
    y = kernel(*[as_matrix(a, columns) for a in swapped]) if math.prod(shape) else swapped[0]
    y = y.reshape(swapped[0].shape).swapaxes(dim, -1)
    return np.ascontiguousarray(y).astype(dtype, copy=False).reshape(shape)
