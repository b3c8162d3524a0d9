"""Pooling: the maximum or the mean of every window, over any number of spatial dims.

`max_pool` also tells where its maxima were, which is all that its gradient needs: `unpool` puts
each gradient back there. `sum_pool` is linear, and `spread_windows` its adjoint; means are sums
divided by counts. Adaptive pooling chooses the windows so that the output has a given size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import int64
from ..core.errors import DTypeError, IndexingError, ShapeError
from ..core.op import op
from ..core.spec import Spec, spec_of
from .blocking import widened
from .gather_scatter import gather
from .join import narrow, stack
from .movement import reshape
from .sliding_window import both_sides, padded, per_dim, taps, unpadded, window_counts, windows
from .sum import sum

# Maxima


@op
def max_pool(x, *, kernel, stride, padding, dilation):
    """The maximum of every window, and where it is: at index i of the flattened spatial dims.

    Of equal elements the first counts; NaN counts as larger than any.

    Shapes: x (B, C, *spatial) -> two of (B, C, *out).
    """
    window_counts(x.shape[2:], kernel, stride, padding, dilation, "max_pool")
    view = windows(padded(x, padding, lowest(x.dtype)), kernel, stride, dilation)
    all_taps = list(taps(view))
    y = view[all_taps[0]].copy()
    chosen = np.empty(y.shape, np.int32)
    chosen[...] = first_inside(y.shape[2:], kernel, stride, padding, dilation)
    for number, tap in enumerate(all_taps[1:], 1):
        part = view[tap]
        larger = part > y
        if x.dtype.kind in "fV":
            larger |= part != part
        np.copyto(y, part, where=larger)
        chosen[larger] = number
    return y, positions(chosen, x.shape[2:], kernel, stride, padding, dilation)


def lowest(dtype: np.dtype) -> Any:
    """What no element is less than."""
    if dtype.kind in "fV":
        return -np.inf
    return np.iinfo(dtype).min if dtype.kind in "iu" else False


def first_inside(out, kernel, stride, padding, dilation):
    """For each window the number of its first tap that is not padding."""
    starts = np.ogrid[tuple(slice(n) for n in out)]
    taps = [
        np.maximum(0, -((i * s - before) // d))
        for i, s, (before, _), d in zip(starts, stride, padding, dilation, strict=True)
    ]
    return row_major(taps, kernel)


def row_major(coordinates, sizes):
    """The index in flattened dims of `sizes` of the element at `coordinates`."""
    index = 0
    for at, n in zip(coordinates, sizes, strict=True):
        index = index * n + at
    return index


def positions(chosen, sizes, kernel, stride, padding, dilation):
    """Tap numbers, one per window, as indices of the flattened unpadded input."""
    starts = np.ogrid[tuple(slice(n) for n in chosen.shape[2:])]
    first = [i * s - p[0] for i, s, p in zip(starts, stride, padding, strict=True)]
    grids = np.indices(kernel).reshape(len(kernel), -1)
    offsets = row_major([t * d for t, d in zip(grids, dilation, strict=True)], sizes)
    return row_major(first, sizes) + offsets[chosen]


@max_pool.spec
def max_pool_spec(x, *, kernel, stride, padding, dilation):
    out = window_counts(x.shape[2:], kernel, stride, padding, dilation, "max_pool")
    shape = (*x.shape[:2], *out)
    return Spec(shape, x.dtype), Spec(shape, int64)


@max_pool.grad(keeps=("y",))
def max_pool_grad(g, y, x, **window):
    return (unpool.apply(g[0], y[1], sizes=tuple(x.shape[2:])),)


@op
def adaptive_max_pool(x, *, out):
    """The maximum of every window, and where it is; window i of n is [⌊i L/n⌋, ⌈(i+1) L/n⌉).

    Shapes: x (B, C, *spatial) -> two of (B, C, *out).
    """
    y = np.empty((*x.shape[:2], *out), x.dtype)
    indices = np.empty(y.shape, np.int64)
    numbers = np.arange(math.prod(x.shape[2:])).reshape(x.shape[2:])
    for cell in np.ndindex(*out):
        window = tuple(
            slice(*adaptive_window(i, n, size))
            for i, n, size in zip(cell, out, x.shape[2:], strict=True)
        )
        elements = x[:, :, *window].reshape(*x.shape[:2], -1)
        best = elements.argmax(-1, keepdims=True)
        y[:, :, *cell] = np.take_along_axis(elements, best, -1)[..., 0]
        indices[:, :, *cell] = numbers[window].reshape(-1)[best[..., 0]]
    return y, indices


def adaptive_window(i: int, n: int, size: int) -> tuple[int, int]:
    """Where window `i` of `n` over `size` elements starts and stops. They may overlap by one."""
    return i * size // n, -((i + 1) * -size // n)


@adaptive_max_pool.spec
def adaptive_max_pool_spec(x, *, out):
    if 0 in x.shape[1:]:
        raise ShapeError(f"adaptive_max_pool: there is nothing to take the maximum of: {x}")
    shape = (*x.shape[:2], *out)
    return Spec(shape, x.dtype), Spec(shape, int64)


@adaptive_max_pool.grad(keeps=("y",))
def adaptive_max_pool_grad(g, y, x, *, out):
    return (unpool.apply(g[0], y[1], sizes=tuple(x.shape[2:])),)


@op
def unpool(g, indices, *, sizes):
    """Zeros, with each g added where `indices` says in the flattened spatial dims.

    Shapes: g and indices (B, C, *out) -> (B, C, *sizes).
    """
    B, C = g.shape[:2]
    length = math.prod(sizes)
    if indices.size and not 0 <= indices.min() <= indices.max() < length:
        raise IndexingError(f"max_unpool: an index is outside of the sizes: {list(sizes)}")
    y = np.zeros(B * C * length, g.dtype)
    rows = np.arange(0, B * C * length, length).reshape(B, C, 1)
    np.add.at(y, (indices.reshape(B, C, -1) + rows).reshape(-1), g.reshape(-1))
    return y.reshape(B, C, *sizes)


@unpool.spec
def unpool_spec(g, indices, *, sizes):
    if g.shape != indices.shape:
        raise ShapeError(f"max_unpool: an index per element expected: {g} and {indices}")
    if indices.dtype is not int64:
        raise DTypeError(f"max_unpool: int64 indices expected: {indices}")
    return Spec((*g.shape[:2], *sizes), g.dtype)


@unpool.grad(keeps=("indices",))
def unpool_grad(h, y, g, indices, *, sizes):
    flat = (*g.shape[:2], -1)
    elements = reshape.apply(h, shape=(*g.shape[:2], math.prod(sizes)))
    places = reshape.apply(indices, shape=(*g.shape[:2], math.prod(g.shape[2:])))
    return reshape.apply(gather.apply(elements, places, dim=len(flat) - 1), shape=tuple(g.shape)), None


# Sums


@op
def sum_pool(x, *, kernel, stride, padding):
    """The sum of every window, one dim after the other.

    Shapes: x (B, C, *spatial) -> (B, C, *out).
    """
    dilation = (1,) * len(kernel)
    counts = window_counts(x.shape[2:], kernel, stride, padding, dilation, "avg_pool")
    y = padded(widened(x), padding)
    for dim, (k, s, n) in enumerate(zip(kernel, stride, counts, strict=True), 2):
        first, *others = shifted(dim, k, s, n)
        total = y[first].copy()
        for part in others:
            total += y[part]
        y = total
    return y.astype(x.dtype, copy=False)


def shifted(dim: int, k: int, s: int, n: int) -> list[tuple]:
    """Indices of the 1st, 2nd, … k-th element of each of `n` windows, `s` apart along `dim`."""
    before = (slice(None),) * dim
    return [(*before, slice(t, t + (n - 1) * s + 1, s)) for t in range(k)]


@sum_pool.spec
def sum_pool_spec(x, *, kernel, stride, padding):
    dilation = (1,) * len(kernel)
    counts = window_counts(x.shape[2:], kernel, stride, padding, dilation, "avg_pool")
    return Spec((*x.shape[:2], *counts), x.dtype)


@sum_pool.grad(keeps=())
def sum_pool_grad(g, y, x, **window):
    return (spread_windows.apply(g, sizes=tuple(x.shape[2:]), **window),)


@op
def spread_windows(g, *, sizes, kernel, stride, padding):
    """Each g added to all elements of its window. The adjoint of `sum_pool`.

    Shapes: g (B, C, *out) -> (B, C, *sizes).
    """
    x = widened(g)
    for dim, (k, s, size, p) in enumerate(zip(kernel, stride, sizes, padding, strict=True), 2):
        wide = np.zeros((*x.shape[:dim], size + sum_of(p), *x.shape[dim + 1 :]), x.dtype)
        for part in shifted(dim, k, s, x.shape[dim]):
            wide[part] += x
        x = wide
    return unpadded(x, padding).astype(g.dtype, copy=False)


@spread_windows.spec
def spread_windows_spec(g, *, sizes, **window):
    return Spec((*g.shape[:2], *sizes), g.dtype)


@spread_windows.grad(keeps=())
def spread_windows_grad(h, y, g, *, sizes, **window):
    return (sum_pool.apply(h, **window),)
