"""Max pooling: the largest element of every window, over any number of spatial dims.

`max_pool` also tells where its maxima were, which is all that its gradient needs: `unpool` puts
each gradient back there. Adaptive pooling chooses the windows so that the output has a given size.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.dtype import int64
from ..core.errors import DTypeError, IndexingError, ShapeError
from ..core.op import op
from ..core.spec import Spec, spec_of
from .gather_scatter import gather
from .movement import reshape
from .sliding_window import (
    adaptive_sizes,
    adaptive_window,
    batched,
    check_spatial,
    like_input,
    padded,
    per_dim,
    pool_window,
    taps,
    window_counts,
    windows,
)


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
    chosen = np.empty(y.shape, np.min_scalar_type(len(all_taps)))
    chosen[...] = first_inside(y.shape[2:], kernel, stride, padding, dilation)
    for number, tap in enumerate(all_taps):
        choose(chosen, number, view[tap] > y)
        np.maximum(y, view[tap], out=y)
    if x.dtype.kind in "fV" and np.isnan(y).any():  # NaN, which > did not see
        for number, tap in enumerate(all_taps):
            choose(chosen, number, np.isnan(view[tap]))
    return y, positions(chosen, x.shape[2:], kernel, stride, padding, dilation)


def choose(chosen: np.ndarray, number: int, where: np.ndarray) -> None:
    """Set `chosen` to a number larger than any before it, without a branch per element."""
    np.maximum(chosen, where * chosen.dtype.type(number), out=chosen)


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
    return (unpool.apply(g[0], y[1], sizes=tuple(x.shape[2:]), accumulate=True),)


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
        elements = x[:, :, *window]
        elements = elements.reshape(*x.shape[:2], math.prod(elements.shape[2:]))
        best = elements.argmax(-1, keepdims=True)
        y[:, :, *cell] = np.take_along_axis(elements, best, -1)[..., 0]
        indices[:, :, *cell] = numbers[window].reshape(-1)[best[..., 0]]
    return y, indices


@adaptive_max_pool.spec
def adaptive_max_pool_spec(x, *, out):
    if 0 in x.shape[1:]:
        raise ShapeError(f"adaptive_max_pool: there is nothing to take the maximum of: {x}")
    shape = (*x.shape[:2], *out)
    return Spec(shape, x.dtype), Spec(shape, int64)


@adaptive_max_pool.grad(keeps=("y",))
def adaptive_max_pool_grad(g, y, x, *, out):
    return (unpool.apply(g[0], y[1], sizes=tuple(x.shape[2:]), accumulate=True),)


@op
def unpool(g, indices, *, sizes, accumulate):
    """Zeros, with each g where `indices` says in the flattened spatial dims. Where an index
    repeats, the values add up if `accumulate`, and otherwise the last stays.

    Shapes: g and indices (B, C, *out) -> (B, C, *sizes).
    """
    unpool_spec(spec_of(g), spec_of(indices), sizes=sizes)
    B, C = g.shape[:2]
    length = math.prod(sizes)
    if indices.size and not 0 <= indices.min() <= indices.max() < length:
        raise IndexingError(f"max_unpool: an index is outside of the sizes: {list(sizes)}")
    y = np.zeros(B * C * length, g.dtype)
    rows = np.arange(B * C).reshape(B, C, 1) * length
    at = (indices.reshape(B, C, math.prod(g.shape[2:])) + rows).reshape(-1)
    if accumulate:
        np.add.at(y, at, g.reshape(-1))
    else:
        y[at] = g.reshape(-1)
    return y.reshape(B, C, *sizes)


@unpool.spec
def unpool_spec(g, indices, *, sizes, **attrs):
    if g.shape != indices.shape:
        raise ShapeError(f"max_unpool: an index per element expected: {g} and {indices}")
    if indices.dtype is not int64:
        raise DTypeError(f"max_unpool: int64 indices expected: {indices}")
    return Spec((*g.shape[:2], *sizes), g.dtype)


@unpool.grad(keeps=("indices",))
def unpool_grad(h, y, g, indices, *, sizes, **attrs):
    B, C, *out = g.shape
    elements = reshape.apply(h, shape=(B, C, math.prod(sizes)))
    places = reshape.apply(indices, shape=(B, C, math.prod(out)))
    return reshape.apply(gather.apply(elements, places, dim=2), shape=(B, C, *out)), None


# What people write


def max_pool1d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The maximum of every window of (B, C, L), or (C, L); with `return_indices`, also its place.

    The stride is the kernel size unless given. `ceil_mode` also keeps the last windows, which
    start inside the input but end beyond it.
    """
    return maxima(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The maximum of every window of (B, C, H, W), or (C, H, W). See `max_pool1d`."""
    return maxima(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool3d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """The maximum of every window of (B, C, D, H, W), or (C, D, H, W). See `max_pool1d`."""
    return maxima(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def maxima(n, x, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    """`max_pool` over `n` spatial dims, with options in PyTorch's spelling."""
    name = f"max_pool{n}d"
    window = pool_window(name, n, x, kernel_size, stride, padding, dilation, ceil_mode)
    values, indices = max_pool.apply(batched(x, n), **window)
    if return_indices:
        return like_input(values, x, n), like_input(indices, x, n)
    return like_input(values, x, n)


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """The maxima of `output_size` even windows of (B, C, L), or (C, L)."""
    return adaptive_maxima(1, input, output_size, return_indices)


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """The maxima of a grid of even windows of (B, C, H, W); None keeps a dim's size."""
    return adaptive_maxima(2, input, output_size, return_indices)


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """The maxima of a grid of even windows of (B, C, D, H, W); None keeps a dim's size."""
    return adaptive_maxima(3, input, output_size, return_indices)


def adaptive_maxima(n, x, output_size, return_indices):
    out = adaptive_sizes(f"adaptive_max_pool{n}d", n, x, output_size)
    values, indices = adaptive_max_pool.apply(batched(x, n), out=out)
    if return_indices:
        return like_input(values, x, n), like_input(indices, x, n)
    return like_input(values, x, n)


def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros, with the maxima of `max_pool1d` where its indices say.

    The size is that whose windows the maxima are, unless `output_size` is given.
    """
    return unpool_maxima(1, input, indices, kernel_size, stride, padding, output_size)


def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros, with the maxima of `max_pool2d` where its indices say."""
    return unpool_maxima(2, input, indices, kernel_size, stride, padding, output_size)


def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """Zeros, with the maxima of `max_pool3d` where its indices say."""
    return unpool_maxima(3, input, indices, kernel_size, stride, padding, output_size)


def unpool_maxima(n, x, indices, kernel_size, stride, padding, output_size):
    name = f"max_unpool{n}d"
    check_spatial(name, n, x)
    kernel = per_dim(kernel_size, n, f"{name}: kernel_size")
    strides = kernel if stride is None else per_dim(stride, n, f"{name}: stride")
    pads = per_dim(padding, n, f"{name}: padding", least=0)
    if output_size is None:
        shape = zip(x.shape[-n:], strides, pads, kernel, strict=True)
        sizes = tuple((L - 1) * s - 2 * p + k for L, s, p, k in shape)
    else:
        sizes = tuple(output_size)[-n:]
    y = unpool.apply(batched(x, n), batched(indices, n), sizes=sizes, accumulate=False)
    return like_input(y, x, n)
