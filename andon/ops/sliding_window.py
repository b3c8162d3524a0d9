"""The geometry of sliding windows, which convolution and pooling have in common.

A window has a `kernel` size per spatial dim; windows start every `stride` elements of the padded
input and take every `dilation`-th element. Arrays are (B, C, *spatial). `padding` is a pair
(before, after) per dim, and a negative one crops.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..core.errors import DTypeError, ShapeError
from ..core.spec import Shape

Padding = tuple[tuple[int, int], ...]


def per_dim(value: Any, n: int, name: str, least: int = 1) -> Shape:
    """An option that may be one int for all `n` spatial dims, as a tuple of ints >= `least`."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    try:
        sizes = tuple(v.__index__() for v in values) * (n if len(values) == 1 else 1)
    except AttributeError:
        raise DTypeError(f"{name}: an int, or {n} of them, expected: {value!r}") from None
    if len(sizes) != n or min(sizes) < least:
        raise ShapeError(f"{name}: an int >= {least}, or {n} of them, expected: {value}")
    return sizes


def both_sides(padding: Shape) -> Padding:
    """The same padding before and after."""
    return tuple((p, p) for p in padding)


def window_counts(
    sizes: Shape, kernel: Shape, stride: Shape, padding: Padding, dilation: Shape, op: str
) -> Shape:
    """How many windows fit: ⌊(L + before + after - dilation (kernel - 1) - 1) / stride⌋ + 1."""
    counts = tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, (before, after), d in zip(
            sizes, kernel, stride, padding, dilation, strict=True
        )
    )
    if min(counts) < 1:
        raise ShapeError(
            f"{op}: the windows are larger than the padded input: sizes {list(sizes)}, "
            f"kernel {list(kernel)}, padding {list(padding)}, dilation {list(dilation)}"
        )
    return counts


def padded(x: np.ndarray, padding: Padding, value: Any = 0) -> np.ndarray:
    """x with `value` around its spatial dims; where padding is negative, less of x."""
    if not any(before or after for before, after in padding):
        return x
    ends = [n - max(-after, 0) for n, (_, after) in zip(x.shape[2:], padding, strict=True)]
    x = x[:, :, *(slice(max(-p[0], 0), end) for p, end in zip(padding, ends, strict=True))]
    if all(before <= 0 and after <= 0 for before, after in padding):
        return x
    starts = [max(before, 0) for before, _ in padding]
    inner = [slice(start, start + n) for start, n in zip(starts, x.shape[2:], strict=True)]
    sizes = (part.stop + max(p[1], 0) for part, p in zip(inner, padding, strict=True))
    shape = (*x.shape[:2], *sizes)
    y = np.zeros(shape, x.dtype) if value == 0 else np.full(shape, value, x.dtype)
    y[:, :, *inner] = x
    return y


def unpadded(x: np.ndarray, padding: Padding) -> np.ndarray:
    """The adjoint of `padded`, as an array of its own."""
    negative = tuple((-before, -after) for before, after in padding)
    return np.ascontiguousarray(padded(x, negative))


def windows(x: np.ndarray, kernel: Shape, stride: Shape, dilation: Shape) -> np.ndarray:
    """Every window of x, which is padded already, without a copy.

    Shapes: x (B, C, *spatial) -> (B, C, *kernel, *counts).
    """
    unpadded = ((0, 0),) * len(kernel)
    counts = window_counts(x.shape[2:], kernel, stride, unpadded, dilation, "windows")
    steps = x.strides[2:]
    within = (step * d for step, d in zip(steps, dilation, strict=True))
    between = (step * s for step, s in zip(steps, stride, strict=True))
    return as_strided(x, (*x.shape[:2], *kernel, *counts), (*x.strides[:2], *within, *between))


def taps(view: np.ndarray) -> Iterator[tuple]:
    """For each position within the kernel, the index of that element of every window."""
    n = view.ndim // 2 - 1
    for tap in np.ndindex(view.shape[2 : 2 + n]):
        yield (slice(None), slice(None), *tap)
