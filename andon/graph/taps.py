"""Convolution and pooling in terms of views: for dtypes and numbers of dims that have no kernel.

A tap of a kernel sees, of a padded input, every stride-th element from its own place on: a view. So
a sum over windows is a sum of views, and the columns of a convolution are views side by side. The
adjoints are the same over an input with zeros between its elements.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np

from ..ops import linalg, logic
from ..ops.index import place, view
from ..ops.join import stack
from ..ops.max_pool import first_inside, positions
from ..ops.movement import permute, reshape
from ..ops.padding import constant_pad
from ..ops.reorder import flip

Sizes = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]


def tapped(
    x: Any, kernel: Sizes, stride: Sizes, padding: Padding, dilation: Sizes, fill: float = 0.0
) -> Iterator[Any]:
    """What each tap of a kernel sees of x (B, C, *spatial): (B, C, *out)."""
    x = constant_pad.apply(x, widths=((0, 0), (0, 0), *padding), value=fill)
    counts = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
    ]
    for tap in product(*map(range, kernel)):
        parts = [
            (t * d, t * d + s * (n - 1) + 1, s)
            for t, d, s, n in zip(tap, dilation, stride, counts, strict=True)
        ]
        yield view.apply(x, index=((None, None, None), (None, None, None), *parts))


def columns(x: Any, groups: int, kernel: Sizes, **window: Any) -> Any:
    """im2col: (B, C, *spatial) -> (B, groups, C / groups · kernel, out)."""
    y = stack.apply(*tapped(x, kernel, **window), dim=2)  # (B, C, kernel, *out)
    B, C, K, *out = y.shape
    return reshape.apply(y, shape=(B, groups, C // groups * K, math.prod(out)))


def conv(x: Any, w: Any, *, groups: int, **window: Any) -> Any:
    kernel = w.shape[2:]
    out = next(tapped(x, kernel, **window)).shape[2:]
    filters = w.shape[0]
    matrices = reshape.apply(w, shape=(1, groups, filters // groups, math.prod(w.shape[1:])))
    y = linalg.matmul.apply(matrices, columns(x, groups, kernel, **window))
    return reshape.apply(y, shape=(x.shape[0], filters, *out))


def conv_input_grad(g: Any, w: Any, *, sizes: Sizes, groups: int, **window: Any) -> Any:
    """A convolution of what is spread out, by the weight turned around."""
    around, window = spread(g, sizes, w.shape[2:], **window)
    filters, C, *kernel = w.shape
    turned = reshape.apply(w, shape=(groups, filters // groups, C, *kernel))
    turned = permute.apply(turned, dims=(0, 2, 1, *range(3, turned.ndim)))
    turned = reshape.apply(turned, shape=(groups * C, filters // groups, *kernel))
    turned = flip.apply(turned, dims=tuple(range(2, turned.ndim)))
    return conv(around, turned, groups=groups, **window)


def spread(
    g: Any, sizes: Sizes, kernel: Sizes, *, stride: Sizes, padding: Padding, dilation: Sizes
) -> tuple[Any, dict]:
    """g with zeros between its elements; and the windows over it that see what was spread."""
    shape = tuple((n - 1) * s + 1 for n, s in zip(g.shape[2:], stride, strict=True))
    if shape != tuple(g.shape[2:]):
        parts = tuple((0, n, s) for n, s in zip(shape, stride, strict=True))
        index = ((None, None, None), (None, None, None), *parts)
        g = place.apply(g, index=index, shape=(*g.shape[:2], *shape))
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    around = tuple(
        (r - before, size + before - n)
        for r, (before, _), size, n in zip(reach, padding, sizes, shape, strict=True)
    )
    ones = (1,) * len(kernel)
    return g, {"stride": ones, "padding": around, "dilation": dilation}


def conv_weight_grad(x: Any, g: Any, *, kernel: Sizes, groups: int, **window: Any) -> Any:
    """The columns of all samples side by side, times those of g."""
    seen = permute.apply(columns(x, groups, kernel, **window), dims=(1, 0, 3, 2))
    B, filters = g.shape[:2]
    P, K = seen.shape[2:]
    rows = reshape.apply(g, shape=(B, groups, filters // groups, P))
    rows = permute.apply(rows, dims=(1, 2, 0, 3))  # (groups, filters / groups, B, out)
    rows = reshape.apply(rows, shape=(groups, filters // groups, B * P))
    y = linalg.matmul.apply(rows, reshape.apply(seen, shape=(groups, B * P, K)))
    return reshape.apply(y, shape=(filters, x.shape[1] // groups, *kernel))


def sum_pool(x: Any, *, kernel: Sizes, stride: Sizes, padding: Padding) -> Any:
    first, *others = tapped(x, kernel, stride, padding, (1,) * len(kernel))
    for part in others:
        first = first + part
    return first


def spread_windows(g: Any, *, sizes: Sizes, kernel: Sizes, **window: Any) -> Any:
    ones = (1,) * len(kernel)
    g, window = spread(g, sizes, kernel, **window, dilation=ones)
    return sum_pool(g, kernel=kernel, stride=ones, padding=window["padding"])


def max_pool(x: Any, *, kernel: Sizes, **window: Any) -> Any:
    """Tap by tap: what is larger, or not a number, takes the place of what was."""
    all_taps = list(tapped(x, kernel, **window, fill=-math.inf))
    out, spatial = tuple(all_taps[0].shape[2:]), tuple(x.shape[2:])
    window = {"kernel": kernel, **window}
    y: Any = all_taps[0]
    chosen = np.broadcast_to(first_inside(out, **window), (1, 1, *out))
    at: Any = positions(chosen, spatial, **window)
    for number, seen in enumerate(all_taps):
        there = positions(np.full((1, 1, *out), number), spatial, **window)
        larger = logic.logical_or.apply(logic.gt.apply(seen, y), logic.ne.apply(seen, seen))
        y, at = logic.where.apply(larger, seen, y), logic.where.apply(larger, there, at)
    return y, at


RULES: dict[str, Callable] = {
    rule.__name__: rule
    for rule in (conv, conv_input_grad, conv_weight_grad, sum_pool, spread_windows, max_pool)
}
