"""Windows: the overlapping pieces of a tensor, and their sum back to where they came from.

`unfold` and `im2col` copy out windows (the first as a view), `overlap_add` and `col2im` add
them up again: each pair is the other's adjoint. `torch.nn.functional` calls the second pair
`unfold` and `fold`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..core.errors import ShapeError
from ..core.op import op
from ..core.spec import Spec, normal_dim
from .movement import reshape


@op(view=True)
def unfold(x, *, dim, size, step):
    """Windows of `size` elements along `dim`, starting `step` apart: a view.

    Shapes: x (..., n, ...) -> (..., (n - size) // step + 1, ..., size).
    """
    if size == 0:  # which NumPy does not allow
        return np.empty((*unfolded(x, dim, size, step), 0), x.dtype)
    windows = sliding_window_view(x, size, axis=dim, writeable=x.flags.writeable)
    return windows[(*(slice(None),) * dim, slice(None, None, step))]


def unfolded(x, dim, size, step):
    """The shape of the windows of x, without their own dim."""
    return (*x.shape[:dim], (x.shape[dim] - size) // step + 1, *x.shape[dim + 1 :])


@unfold.signature
def unfold_call(x, dimension, size, step):
    if x.ndim == 0:
        x = reshape.apply(x, shape=(1,))
    dim = normal_dim(dimension, x.ndim, "unfold")
    if step <= 0 or size < 0:
        raise ShapeError(f"unfold: size >= 0 and step > 0 expected: {size}, {step}")
    return unfold.apply(x, dim=dim, size=size, step=step)


@unfold.spec
def unfold_spec(x, *, dim, size, step):
    if size > x.shape[dim]:
        raise ShapeError(f"unfold: windows of {size} do not fit dim {dim}: {x}")
    return Spec((*unfolded(x, dim, size, step), size), x.dtype)


@unfold.grad(keeps=())
def unfold_grad(g, y, x, *, dim, size, step):
    return (overlap_add.apply(g, dim=dim, n=x.shape[dim], step=step),)


@op
def overlap_add(windows, *, dim, n, step):
    """Windows added up where they lie along `dim` of size n. The adjoint of `unfold`."""
    *shape, size = windows.shape
    count = shape[dim]
    shape[dim] = n
    y = np.zeros(shape, windows.dtype)
    before = (slice(None),) * dim
    for i in range(size):
        y[(*before, slice(i, i + count * step, step))] += windows[..., i]
    return y


@overlap_add.spec
def overlap_add_spec(windows, *, dim, n, step):
    shape = windows.shape[:-1]
    return Spec((*shape[:dim], n, *shape[dim + 1 :]), windows.dtype)


@overlap_add.grad(keeps=())
def overlap_add_grad(g, y, windows, *, dim, n, step):
    return (unfold.apply(g, dim=dim, size=windows.shape[-1], step=step),)


@op
def im2col(x, *, kernel_size, dilation, padding, stride):
    """The patches under a kernel, each flattened to a column (`F.unfold`).

    Shapes: x (B, C, H, W) -> (B, C kernel_h kernel_w, patches), where there are
    (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1 patches per dim.
    """
    B, C = x.shape[:2]
    counts = patch_counts(x.shape[2:], kernel_size, dilation, padding, stride)
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    columns = np.empty((B, C, *kernel_size, *counts), x.dtype)
    for i, j, rows, cols in kernel_places(kernel_size, dilation, stride, counts):
        columns[:, :, i, j] = x[:, :, rows, cols]
    return columns.reshape(B, C * math.prod(kernel_size), math.prod(counts))


def patch_counts(sizes, kernel_size, dilation, padding, stride):
    """How many places a kernel has along each dim."""
    counts = tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, d, p, s in zip(sizes, kernel_size, dilation, padding, stride, strict=True)
    )
    if min(counts) <= 0:
        raise ShapeError(f"unfold: a kernel of {list(kernel_size)} does not fit {list(sizes)}")
    return counts


def kernel_places(kernel_size, dilation, stride, counts):
    """For each element (i, j) of a kernel, the slices of the image that it passes over."""
    for i in range(kernel_size[0]):
        for j in range(kernel_size[1]):
            starts = i * dilation[0], j * dilation[1]
            rows, cols = (
                slice(a, a + s * n, s) for a, s, n in zip(starts, stride, counts, strict=True)
            )
            yield i, j, rows, cols


@im2col.signature
def im2col_call(x, kernel_size, dilation=1, padding=0, stride=1):
    attrs = window_attrs(kernel_size, dilation, padding, stride)
    if x.ndim == 3:
        return im2col.apply(reshape(x, 1, *x.shape), **attrs).squeeze(0)
    if x.ndim != 4:
        raise ShapeError(f"unfold: (B, C, H, W) or (C, H, W) expected: {list(x.shape)}")
    return im2col.apply(x, **attrs)


def window_attrs(kernel_size, dilation, padding, stride):
    """The four settings as pairs: a single number goes for both dims."""
    given = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding, "stride": stride}
    pairs = {
        name: tuple(n) if isinstance(n, (tuple, list)) else (n, n) for name, n in given.items()
    }
    for name, pair in pairs.items():
        if len(pair) != 2 or min(pair) < (name != "padding"):
            raise ShapeError(f"unfold: {name} must be a positive number or two: {given[name]}")
    return pairs


@im2col.spec
def im2col_spec(x, *, kernel_size, **windows):
    B, C, *sizes = x.shape
    counts = patch_counts(sizes, kernel_size, **windows)
    return Spec((B, C * math.prod(kernel_size), math.prod(counts)), x.dtype)


@im2col.grad(keeps=())
def im2col_grad(g, y, x, **windows):
    return (col2im.apply(g, output_size=tuple(x.shape[2:]), **windows),)


@op
def col2im(x, *, output_size, kernel_size, dilation, padding, stride):
    """Columns added up to the image whose patches they are (`F.fold`). The adjoint of `im2col`.

    Shapes: x (B, C kernel_h kernel_w, patches) -> (B, C, *output_size).
    """
    counts = patch_counts(output_size, kernel_size, dilation, padding, stride)
    B, C = x.shape[0], x.shape[1] // math.prod(kernel_size)
    columns = x.reshape(B, C, *kernel_size, *counts)
    (H, W), (p, q) = output_size, padding
    y = np.zeros((B, C, H + 2 * p, W + 2 * q), x.dtype)
    for i, j, rows, cols in kernel_places(kernel_size, dilation, stride, counts):
        y[:, :, rows, cols] += columns[:, :, i, j]
    return y[:, :, p : p + H, q : q + W].copy()


@col2im.signature
def col2im_call(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    attrs = window_attrs(kernel_size, dilation, padding, stride)
    size = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * 2
    if x.ndim == 2:
        return col2im.apply(reshape(x, 1, *x.shape), output_size=size, **attrs).squeeze(0)
    if x.ndim != 3:
        raise ShapeError(f"fold: (B, columns, patches) expected: {list(x.shape)}")
    return col2im.apply(x, output_size=size, **attrs)


@col2im.spec
def col2im_spec(x, *, output_size, kernel_size, **windows):
    B, columns, patches = x.shape
    counts = patch_counts(output_size, kernel_size, **windows)
    if columns % math.prod(kernel_size) or patches != math.prod(counts):
        raise ShapeError(
            f"fold: {x} is not the columns of {list(output_size)}: {list(kernel_size)} kernels "
            f"have {math.prod(counts)} places there"
        )
    return Spec((B, columns // math.prod(kernel_size), *output_size), x.dtype)


@col2im.grad(keeps=())
def col2im_grad(g, y, x, *, output_size, **windows):
    return (im2col.apply(g, **windows),)
