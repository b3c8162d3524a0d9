"""Average pooling: sums of windows over their counts, over any number of spatial dims.

`sum_pool` is linear, and `spread_windows` is its adjoint, so each is the other's gradient.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.errors import DivisionError
from ..core.op import op
from ..core.spec import Spec
from .arithmetic import pow
from .blocking import widened
from .join import narrow, stack
from .moments import mean
from .movement import reshape
from .sliding_window import (
    adaptive_sizes,
    adaptive_window,
    batched,
    like_input,
    padded,
    per_dim,
    pool_window,
    unpadded,
    window_counts,
)


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
        wide = np.zeros((*x.shape[:dim], size + p[0] + p[1], *x.shape[dim + 1 :]), x.dtype)
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


# What people write


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of every window of (B, C, L), or (C, L)."""
    return means(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """The mean of every window of (B, C, H, W), or (C, H, W).

    Padding counts as zeros, unless `count_include_pad` is false: then it does not count at all.
    `divisor_override` is what the sums are divided by instead of the number of elements.
    """
    return means(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def avg_pool3d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """The mean of every window of (B, C, D, H, W), or (C, D, H, W). See `avg_pool2d`."""
    return means(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def means(n, x, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override=None):
    """Window sums over counts, for `n` spatial dims, with options in PyTorch's spelling."""
    name = f"avg_pool{n}d"
    window = pool_window(name, n, x, kernel_size, stride, padding, 1, ceil_mode)
    window.pop("dilation")
    sums = sum_pool.apply(batched(x, n), **window)
    if divisor_override is not None:
        if divisor_override == 0:
            raise DivisionError(f"{name}: divisor_override must not be 0: {divisor_override}")
        return like_input(sums / float(divisor_override), x, n)
    limits = per_dim(padding, n, name, least=0) if count_include_pad else (0,) * n
    counts = window_sizes(tuple(x.shape[-n:]), tuple(sums.shape[2:]), limits, **window)
    same = counts.min() == counts.max()
    divisor = float(counts.flat[0]) if same else counts.astype(as_dtype(x.dtype).numpy)
    return like_input(sums / divisor, x, n)


def window_sizes(sizes, out, limits, *, kernel, stride, padding):
    """How many elements each window has within the input and `limits` around it."""
    counts = np.ones(())
    for L, n, limit, k, s, (before, _) in zip(
        sizes, out, limits, kernel, stride, padding, strict=True
    ):
        start = np.arange(n) * s - before
        inside = np.minimum(start + k, L + limit) - np.maximum(start, -limit)
        counts = counts[..., None] * inside
    return counts


def adaptive_avg_pool1d(input, output_size):
    """The means of `output_size` even windows of (B, C, L), or (C, L)."""
    return adaptive_means(1, input, output_size)


def adaptive_avg_pool2d(input, output_size):
    """The means of a grid of even windows of (B, C, H, W); None keeps a dim's size."""
    return adaptive_means(2, input, output_size)


def adaptive_avg_pool3d(input, output_size):
    """The means of a grid of even windows of (B, C, D, H, W); None keeps a dim's size."""
    return adaptive_means(3, input, output_size)


def adaptive_means(n, x, output_size):
    """A mean over a window is a mean of means, one dim after the other."""
    out = adaptive_sizes(f"adaptive_avg_pool{n}d", n, x, output_size)
    for dim, size in enumerate(out, x.ndim - n):
        x = adaptive_mean(x, dim, size)
    return x


def adaptive_mean(x, dim, n):
    """The means of `n` even windows along `dim`."""
    size = x.shape[dim]
    if size % n == 0:
        x = reshape.apply(x, shape=(*x.shape[:dim], n, size // n, *x.shape[dim + 1 :]))
        return mean(x, dim + 1)
    edges = [adaptive_window(i, n, size) for i in range(n)]
    return stack([mean(narrow(x, dim, start, stop - start), dim) for start, stop in edges], dim)


def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(Σ x^p)^(1/p) over every window of (B, C, L), or (C, L), where p is `norm_type`."""
    return power_means(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(Σ x^p)^(1/p) over every window of (B, C, H, W), or (C, H, W)."""
    return power_means(2, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """(Σ x^p)^(1/p) over every window of (B, C, D, H, W), or (C, D, H, W)."""
    return power_means(3, input, norm_type, kernel_size, stride, ceil_mode)


def power_means(n, x, p, kernel_size, stride, ceil_mode):
    average = means(n, pow(x, p), kernel_size, stride, 0, ceil_mode, True)
    elements = math.prod(per_dim(kernel_size, n, f"lp_pool{n}d: kernel_size"))
    return pow(average * elements, 1.0 / p)
