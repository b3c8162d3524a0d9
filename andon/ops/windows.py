"""Windows: the overlapping pieces of a tensor, and their sum back to where they came from.

`unfold` and `im2col` copy out windows (the first as a view), `overlap_add` and `col2im` add
them up again: each pair is the other's adjoint. `torch.nn.functional` calls the second pair
`unfold` and `fold`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided as as_strided_array
from numpy.lib.stride_tricks import sliding_window_view

from ..core.errors import ShapeError
from ..core.op import op
from ..core.spec import Spec, normal_dim, sizes_from, spec_of
from .index import put_add
from .join import narrow
from .movement import reshape, squeeze, unsqueeze
from .sliding_window import (
    both_sides,
    padded,
    per_dim,
    taps,
    unpadded,
    window_counts,
    windows,
)


@op(view=True)
def unfold(x, *, dim, size, step):
    """Windows of `size` elements along `dim`, starting `step` apart: a view.

    Shapes: x (..., n, ...) -> (..., (n - size) // step + 1, ..., size).
    """
    if size == 0:  # which NumPy does not allow
        return np.empty((*unfolded(x, dim, size, step), 0), x.dtype)
    at_every_place = sliding_window_view(x, size, axis=dim, writeable=x.flags.writeable)
    return at_every_place[(*(slice(None),) * dim, slice(None, None, step))]


def unfolded(x, dim, size, step):
    """The shape of the windows of x, without their own dim."""
    return (*x.shape[:dim], (x.shape[dim] - size) // step + 1, *x.shape[dim + 1 :])


@unfold.signature
def unfold_call(x, dimension, size, step):
    if x.ndim == 0:  # PyTorch's result for it is a window of 1, or of 0
        return narrow(reshape.apply(x, shape=(1,)), 0, 0, size)
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
def overlap_add(x, *, dim, n, step):
    """The windows x added up where they lie along `dim` of size n. The adjoint of `unfold`."""
    *shape, size = x.shape
    count = shape[dim]
    shape[dim] = n
    y = np.zeros(shape, x.dtype)
    before = (slice(None),) * dim
    for i in range(size):
        y[(*before, slice(i, i + count * step, step))] += x[..., i]
    return y


@overlap_add.spec
def overlap_add_spec(x, *, dim, n, step):
    shape = x.shape[:-1]
    return Spec((*shape[:dim], n, *shape[dim + 1 :]), x.dtype)


@overlap_add.grad(keeps=())
def overlap_add_grad(g, y, x, *, dim, n, step):
    return (unfold.apply(g, dim=dim, size=x.shape[-1], step=step),)


@op(view=True)
def as_strided(x, *, size, stride, offset):
    """The elements offset + Σ i[d] stride[d] of x in row-major order, for each index i: a view.

    Raises: ShapeError where x is not contiguous or has no such element.
    """
    last = offset + sum(s * (n - 1) for s, n in zip(stride, size, strict=True))
    inside = min(offset, *stride, 0) == 0 and last < x.size
    if not x.flags.c_contiguous or not (inside or 0 in size):
        raise ShapeError(
            f"as_strided: elements {offset} to {last} of a contiguous tensor: {spec_of(x)}"
        )
    steps = tuple(s * x.itemsize for s in stride)
    return as_strided_array(x.reshape(-1)[offset:], size, steps, writeable=x.flags.writeable)


@as_strided.signature
def as_strided_call(x, size, stride, storage_offset=None):
    if len(size) != len(stride):
        raise ShapeError(f"as_strided: a stride per size expected: {list(size)}, {list(stride)}")
    size, stride = sizes_from((size,)), sizes_from((stride,))
    return as_strided.apply(x, size=size, stride=stride, offset=storage_offset or 0)


@as_strided.spec
def as_strided_spec(x, *, size, stride, offset):
    return Spec(size, x.dtype)


@as_strided.grad(keeps=())
def as_strided_grad(g, y, x, *, size, stride, offset):
    places = np.arange(math.prod(x.shape)).reshape(x.shape)
    places = as_strided.reference(places, size=size, stride=stride, offset=offset)
    flat = put_add.apply(g, places, dims=(0,), shape=(math.prod(x.shape),))
    return (reshape.apply(flat, shape=tuple(x.shape)),)


@op
def im2col(x, *, kernel_size, dilation, padding, stride):
    """The patches under a kernel, each flattened to a column (`F.unfold`).

    Shapes: x (B, C, H, W) -> (B, C kernel_h kernel_w, patches), where there are
    (size + 2 padding - dilation (kernel - 1) - 1) // stride + 1 patches per dim.
    """
    B, C = x.shape[:2]
    patches = windows(padded(x, both_sides(padding)), kernel_size, stride, dilation)
    return patches.reshape(B, C * math.prod(kernel_size), math.prod(patches.shape[4:]))


@im2col.signature
def im2col_call(x, kernel_size, dilation=1, padding=0, stride=1):
    attrs = patch_attrs(kernel_size, dilation, padding, stride)
    if x.ndim == 3:
        return squeeze(im2col.apply(unsqueeze(x, 0), **attrs), 0)
    if x.ndim != 4:
        raise ShapeError(f"unfold: (B, C, H, W) or (C, H, W) expected: {list(x.shape)}")
    return im2col.apply(x, **attrs)


def patch_attrs(kernel_size, dilation, padding, stride):
    """The four settings as pairs: a single number goes for both dims."""
    return {
        "kernel_size": per_dim(kernel_size, 2, "kernel_size"),
        "dilation": per_dim(dilation, 2, "dilation"),
        "padding": per_dim(padding, 2, "padding", least=0),
        "stride": per_dim(stride, 2, "stride"),
    }


def patch_counts(sizes, kernel_size, dilation, padding, stride):
    """How many patches there are per dim."""
    return window_counts(sizes, kernel_size, stride, both_sides(padding), dilation, "unfold")


@im2col.spec
def im2col_spec(x, *, kernel_size, **attrs):
    B, C, *sizes = x.shape
    patches = math.prod(patch_counts(sizes, kernel_size, **attrs))
    return Spec((B, C * math.prod(kernel_size), patches), x.dtype)


@im2col.grad(keeps=())
def im2col_grad(g, y, x, **attrs):
    return (col2im.apply(g, output_size=tuple(x.shape[2:]), **attrs),)


@op
def col2im(x, *, output_size, kernel_size, dilation, padding, stride):
    """Columns added up to the image whose patches they are (`F.fold`). The adjoint of `im2col`.

    Shapes: x (B, C kernel_h kernel_w, patches) -> (B, C, *output_size).
    """
    B, C = x.shape[0], x.shape[1] // math.prod(kernel_size)
    y = np.zeros((B, C, *(n + 2 * p for n, p in zip(output_size, padding, strict=True))), x.dtype)
    patches = windows(y, kernel_size, stride, dilation)
    columns = x.reshape(patches.shape)
    for tap in taps(patches):
        patches[tap] += columns[tap]
    return unpadded(y, both_sides(padding))


@col2im.signature
def col2im_call(x, output_size, kernel_size, dilation=1, padding=0, stride=1):
    attrs = patch_attrs(kernel_size, dilation, padding, stride)
    attrs["output_size"] = per_dim(output_size, 2, "output_size")
    if x.ndim == 2:
        return squeeze(col2im.apply(unsqueeze(x, 0), **attrs), 0)
    if x.ndim != 3:
        raise ShapeError(f"fold: (B, columns, patches) expected: {list(x.shape)}")
    return col2im.apply(x, **attrs)


@col2im.spec
def col2im_spec(x, *, output_size, kernel_size, **attrs):
    B, columns, patches = x.shape
    C, left = divmod(columns, math.prod(kernel_size))
    expected = math.prod(patch_counts(output_size, kernel_size, **attrs))
    if left or patches != expected:
        raise ShapeError(
            f"fold: columns of {list(kernel_size)} kernels in {expected} places expected: {x}"
        )
    return Spec((B, C, *output_size), x.dtype)


@col2im.grad(keeps=())
def col2im_grad(g, y, x, *, output_size, **attrs):
    return (im2col.apply(g, **attrs),)
