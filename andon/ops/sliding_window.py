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
from ..core.spec import Shape, spec_of
from .movement import reshape

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


# Options in PyTorch's spelling


def check_spatial(name: str, n: int, x: Any) -> None:
    """Raise unless x has `n` spatial dims behind its channels, and perhaps a batch in front."""
    if x.ndim not in (n + 1, n + 2):
        raise ShapeError(f"{name}: an input of {n + 1} or {n + 2} dims expected: {spec_of(x)}")


def pool_window(name, n, x, kernel_size, stride, padding, dilation, ceil_mode):
    """The options of a pooling function, normalised, as the attributes of an op."""
    check_spatial(name, n, x)
    kernel = per_dim(kernel_size, n, f"{name}: kernel_size")
    given = kernel if stride is None or stride == [] else stride
    stride = per_dim(given, n, f"{name}: stride")
    dilation = per_dim(dilation, n, f"{name}: dilation")
    pads = per_dim(padding, n, f"{name}: padding", least=0)
    if any(2 * p > d * (k - 1) + 1 for p, k, d in zip(pads, kernel, dilation, strict=True)):
        raise ShapeError(
            f"{name}: the padding may be half of the kernel at most: {list(pads)} and "
            f"{list(kernel)}"
        )
    pairs = both_sides(pads)
    if ceil_mode:
        sizes = zip(x.shape[-n:], kernel, stride, pads, dilation, strict=True)
        pairs = tuple((pad, ceil_padding(L, k, s, pad, d)) for L, k, s, pad, d in sizes)
    return {"kernel": kernel, "stride": stride, "padding": pairs, "dilation": dilation}


def ceil_padding(L: int, k: int, s: int, pad: int, d: int) -> int:
    """The padding after, under which the last window that starts inside the input ends exactly."""
    reach = d * (k - 1) + 1
    count = -((reach - L - 2 * pad) // s) + 1
    if (count - 1) * s >= L + pad:
        count -= 1
    return (count - 1) * s + reach - L - pad


def batched(x, n):
    """x with a batch dim, for `n` spatial dims."""
    return reshape.apply(x, shape=(1, *x.shape)) if x.ndim == n + 1 else x


def like_input(y, x, n):
    """The result without the batch dim, if x came without."""
    return reshape.apply(y, shape=tuple(y.shape[1:])) if x.ndim == n + 1 else y


def adaptive_sizes(name: str, n: int, x: Any, output_size: Any) -> Shape:
    """The output size of an adaptive pooling function; None keeps a dim's size."""
    check_spatial(name, n, x)
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * n
    if len(given) == n:
        given = [L if size is None else size for size, L in zip(given, x.shape[-n:], strict=True)]
    return per_dim(given, n, f"{name}: output_size")


def adaptive_window(i: int, n: int, size: int) -> tuple[int, int]:
    """Where window `i` of `n` over `size` elements starts and stops. They may overlap by one."""
    return i * size // n, -((i + 1) * -size // n)
