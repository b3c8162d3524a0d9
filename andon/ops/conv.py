"""Convolution and its transpose, over any number of spatial dims.

y = conv(x, w) is linear in x and linear in w. `conv_input_grad` is its adjoint in x (which is
what is called a transposed convolution) and `conv_weight_grad` its adjoint in w. The gradients of
each are the other two, so derivatives of every order close over the three.

All of them see the windows of x as the columns of a matrix (im2col), and multiply that with the
weight by BLAS, a few samples at a time, so that the columns stay in cache.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..core.errors import ArgumentError, DTypeError, ShapeError
from ..core.op import op
from ..core.spec import Shape, Spec, spec_of
from .blocking import widened
from .movement import reshape
from .sliding_window import (
    Padding,
    batched,
    both_sides,
    check_spatial,
    like_input,
    padded,
    per_dim,
    taps,
    unpadded,
    window_counts,
    windows,
)

COLUMNS_BYTES = 1 << 20  # about half an L2 cache


@op
def conv(x, w, *, stride, padding, dilation, groups):
    """y[b, o, p] = Σ_(c, k) w[o, c, k] x[b, c, p stride + k dilation - before].

    With `groups`, the channels fall into that many groups, each convolved by itself.

    Shapes: x (B, C, *spatial), w (O, C / groups, *kernel) -> (B, O, *out).
    Raises: ShapeError if the channels do not match, or no window fits.
    """
    spec = conv_spec(spec_of(x), spec_of(w), stride, padding, dilation, groups)
    narrow, x, w = x.dtype, widened(x), widened(w)
    view = windows(padded(x, padding), w.shape[2:], stride, dilation)
    w = as_matrices(w, groups)
    y = np.empty((len(x), groups, w.shape[1], math.prod(spec.shape[2:])), x.dtype)
    for part in parts(view):
        np.matmul(w, columns(view[part], groups), out=y[part])
    return y.reshape(spec.shape).astype(narrow, copy=False)


@op
def conv_input_grad(g, w, *, sizes, stride, padding, dilation, groups):
    """x[b, c, p stride + k dilation - before] = Σ_(o, k) w[o, c, k] g[b, o, p].

    Shapes: g (B, O, *out), w (O, C / groups, *kernel) -> (B, C, *sizes).
    """
    spec = conv_input_grad_spec(spec_of(g), spec_of(w), sizes, stride, padding, dilation, groups)
    if set(stride) == {1} and g.shape[1] <= 2 * spec.shape[1]:
        around = full_padding(w.shape[2:], padding, dilation)
        options = {"stride": stride, "padding": around, "dilation": dilation, "groups": groups}
        return conv.reference(g, turned(w, groups), **options)
    narrow, g, w = g.dtype, widened(g), widened(w)
    shape = (*spec.shape[:2], *(n + sum(p) for n, p in zip(sizes, padding, strict=True)))
    x = np.zeros(shape, g.dtype)
    view = windows(x, w.shape[2:], stride, dilation)
    w = as_matrices(w, groups).swapaxes(1, 2)
    g = g.reshape(len(g), groups, w.shape[2], math.prod(g.shape[2:]))
    for part in parts(view):
        add_columns(view[part], w @ g[part])
    return unpadded(x, padding).astype(narrow, copy=False)


@op
def conv_weight_grad(x, g, *, kernel, stride, padding, dilation, groups):
    """w[o, c, k] = Σ_(b, p) g[b, o, p] x[b, c, p stride + k dilation - before].

    Shapes: x (B, C, *spatial), g (B, O, *out) -> (O, C / groups, *kernel).
    """
    spec = conv_weight_grad_spec(spec_of(x), spec_of(g), kernel, stride, padding, dilation, groups)
    narrow, x, g = x.dtype, widened(x), widened(g)
    view = windows(padded(x, padding), kernel, stride, dilation)
    w = np.zeros((groups, spec.shape[0] // groups, math.prod(spec.shape[1:])), x.dtype)
    for part in parts(view):
        w += long_rows(g[part], groups) @ long_columns(view[part], groups).swapaxes(1, 2)
    return w.reshape(spec.shape).astype(narrow, copy=False)


# Columns


def as_matrices(w: np.ndarray, groups: int) -> np.ndarray:
    """The weight as a matrix per group. Shapes: -> (groups, O / groups, C / groups · kernel)."""
    return w.reshape(groups, len(w) // groups, math.prod(w.shape[1:]))


def parts(view: np.ndarray) -> Iterator[slice]:
    """Ranges of samples whose columns together have about COLUMNS_BYTES."""
    per_sample = view.itemsize * math.prod(view.shape[1:])
    step = max(1, COLUMNS_BYTES // max(per_sample, 1))
    for start in range(0, len(view), step):
        yield slice(start, start + step)


def columns(view: np.ndarray, groups: int) -> np.ndarray:
    """im2col. Shapes: (B, C, *kernel, *out) -> (B, groups, C / groups · kernel, out)."""
    B, C = view.shape[:2]
    n = view.ndim // 2 - 1
    height = C // groups * math.prod(view.shape[2 : 2 + n])
    return view.reshape(B, groups, height, math.prod(view.shape[2 + n :]))


def long_columns(view: np.ndarray, groups: int) -> np.ndarray:
    """im2col of all samples in one matrix: -> (groups, C / groups · kernel, B · out)."""
    B, C = view.shape[:2]
    n = view.ndim // 2 - 1
    height = C // groups * math.prod(view.shape[2 : 2 + n])
    return np.moveaxis(view, 0, n + 1).reshape(groups, height, B * math.prod(view.shape[2 + n :]))


def long_rows(g: np.ndarray, groups: int) -> np.ndarray:
    """The channels of all samples in one matrix: (B, O, *out) -> (groups, O / groups, B · out)."""
    height = g.shape[1] // groups
    return np.swapaxes(g, 0, 1).reshape(groups, height, len(g) * math.prod(g.shape[2:]))


def add_columns(view: np.ndarray, columns: np.ndarray) -> None:
    """col2im: add columns to the windows they stand for; these overlap, those of a tap do not."""
    columns = columns.reshape(view.shape)
    for tap in taps(view):
        view[tap] += columns[tap]


# With stride 1, the adjoint of a convolution is a convolution too


def turned(w: np.ndarray, groups: int) -> np.ndarray:
    """w with its two channel dims swapped, group by group, and every kernel reversed."""
    per_group, C, *kernel = len(w) // groups, *w.shape[1:]
    w = np.flip(w, tuple(range(2, w.ndim))).reshape(groups, per_group, C, *kernel)
    return np.ascontiguousarray(w.swapaxes(1, 2)).reshape(groups * C, per_group, *kernel)


def full_padding(kernel: Shape, padding: Padding, dilation: Shape) -> Padding:
    """The padding under which the turned kernel reaches whatever the kernel has read."""
    reach = (d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
    return tuple((r - p[0], r - p[1]) for r, p in zip(reach, padding, strict=True))


# Shapes


@conv.spec
def conv_spec(x, w, stride, padding, dilation, groups):
    check_operands("conv", x, w)
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        raise ShapeError(
            f"conv: {x.shape[1]} channels in {groups} groups do not fit the weight: {x} and {w}"
        )
    out = window_counts(x.shape[2:], w.shape[2:], stride, padding, dilation, "conv")
    return Spec((x.shape[0], w.shape[0], *out), x.dtype)


@conv_input_grad.spec
def conv_input_grad_spec(g, w, sizes, stride, padding, dilation, groups):
    check_operands("conv_transpose", g, w)
    if g.shape[1] != w.shape[0] or w.shape[0] % groups:
        raise ShapeError(
            f"conv_transpose: {g.shape[1]} channels in {groups} groups do not fit the weight: "
            f"{g} and {w}"
        )
    out = window_counts(sizes, w.shape[2:], stride, padding, dilation, "conv_transpose")
    if out != g.shape[2:]:
        raise ShapeError(f"conv_transpose: {list(sizes)} have {list(out)} windows: {g}")
    return Spec((g.shape[0], w.shape[1] * groups, *sizes), g.dtype)


@conv_weight_grad.spec
def conv_weight_grad_spec(x, g, kernel, stride, padding, dilation, groups):
    out = window_counts(x.shape[2:], kernel, stride, padding, dilation, "conv_weight_grad")
    if out != g.shape[2:] or x.shape[0] != g.shape[0]:
        raise ShapeError(f"conv_weight_grad: the input and the gradient differ: {x} and {g}")
    return Spec((g.shape[1], x.shape[1] // groups, *kernel), x.dtype)


def check_operands(name, x, w):
    if x.dtype is not w.dtype:
        raise DTypeError(f"{name}: operands of one dtype expected: {x} and {w}")
    if x.ndim != w.ndim:
        raise ShapeError(f"{name}: the input and the weight have different dims: {x} and {w}")


# Gradients: each by the other two


@conv.grad(keeps=("x", "w"))
def conv_grad(g, y, x, w, needs, **geometry):
    sizes, kernel = tuple(x.shape[2:]), tuple(w.shape[2:])
    return (
        conv_input_grad.apply(g, w, sizes=sizes, **geometry) if needs[0] else None,
        conv_weight_grad.apply(x, g, kernel=kernel, **geometry) if needs[1] else None,
    )


@conv_input_grad.grad(keeps=("g", "w"))
def conv_input_grad_grad(h, y, g, w, needs, *, sizes, **geometry):
    kernel = tuple(w.shape[2:])
    return (
        conv.apply(h, w, **geometry) if needs[0] else None,
        conv_weight_grad.apply(h, g, kernel=kernel, **geometry) if needs[1] else None,
    )


@conv_weight_grad.grad(keeps=("x", "g"))
def conv_weight_grad_grad(h, y, x, g, needs, *, kernel, **geometry):
    sizes = tuple(x.shape[2:])
    return (
        conv_input_grad.apply(g, h, sizes=sizes, **geometry) if needs[0] else None,
        conv.apply(x, h, **geometry) if needs[1] else None,
    )


# What people write


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution of (B, C, L), or (C, L), with a weight (O, C / groups, K).

    `padding` is a number of zeros on both sides, "same" (the output has the input's size), or
    "valid" (none).
    """
    return convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution of (B, C, H, W), or (C, H, W), with a weight (O, C / groups, KH, KW)."""
    return convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """Convolution of (B, C, D, H, W), or (C, D, H, W); weight (O, C / groups, KD, KH, KW)."""
    return convolve(3, input, weight, bias, stride, padding, dilation, groups)


def convolve(n, x, w, bias, stride, padding, dilation, groups):
    """`conv` over `n` spatial dims, with options in PyTorch's spelling."""
    name = f"conv{n}d"
    check_spatial(name, n, x)
    stride = per_dim(stride, n, f"{name}: stride")
    dilation = per_dim(dilation, n, f"{name}: dilation")
    geometry = {
        "stride": stride,
        "padding": pairs(padding, tuple(w.shape[2:]), stride, dilation, name),
        "dilation": dilation,
        "groups": check_groups(name, groups),
    }
    return like_input(with_bias(conv.apply(batched(x, n), w, **geometry), bias), x, n)


def pairs(padding, kernel, stride, dilation, name):
    """`padding` as a pair per dim; "same" puts the odd element after, as PyTorch does."""
    if padding == "valid":
        return both_sides((0,) * len(kernel))
    if padding == "same":
        if set(stride) != {1}:
            raise ShapeError(f'{name}: padding="same" needs stride 1: {stride}')
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        return tuple((t // 2, t - t // 2) for t in total)
    if isinstance(padding, str):
        raise ArgumentError(f'{name}: padding must be ints, "same" or "valid": {padding!r}')
    return both_sides(per_dim(padding, len(kernel), f"{name}: padding", least=0))


def conv_transpose1d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Transposed convolution of (B, C, L) with a weight (C, O / groups, K): the adjoint of conv1d.

    Its size is (L - 1) stride - 2 padding + dilation (K - 1) + output_padding + 1.
    """
    return convolve_transposed(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose2d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Transposed convolution of (B, C, H, W) with a weight (C, O / groups, KH, KW)."""
    return convolve_transposed(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def conv_transpose3d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """Transposed convolution of (B, C, D, H, W) with a weight (C, O / groups, KD, KH, KW)."""
    return convolve_transposed(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def convolve_transposed(n, x, w, bias, stride, padding, output_padding, groups, dilation):
    """`conv_input_grad` over `n` spatial dims, with options in PyTorch's spelling."""
    name = f"conv_transpose{n}d"
    check_spatial(name, n, x)
    stride = per_dim(stride, n, f"{name}: stride")
    dilation = per_dim(dilation, n, f"{name}: dilation")
    before = per_dim(padding, n, f"{name}: padding", least=0)
    extra = per_dim(output_padding, n, f"{name}: output_padding", least=0)
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation, strict=True)):
        raise ShapeError(
            f"{name}: output_padding must be less than stride or dilation: {list(extra)}"
        )
    padding = tuple((p, p - e) for p, e in zip(before, extra, strict=True))
    sizes = tuple(
        (L - 1) * s + d * (k - 1) + 1 - sum(p)
        for L, s, d, k, p in zip(x.shape[-n:], stride, dilation, w.shape[2:], padding, strict=True)
    )
    if min(sizes) < 1:
        raise ShapeError(f"{name}: the padding leaves nothing: sizes {list(sizes)}")
    geometry = {"sizes": sizes, "stride": stride, "padding": padding, "dilation": dilation}
    geometry["groups"] = check_groups(name, groups)
    y = conv_input_grad.apply(batched(x, n), w, **geometry)
    return like_input(with_bias(y, bias), x, n)


def check_groups(name, groups):
    if not isinstance(groups, int) or groups < 1:
        raise ShapeError(f"{name}: groups must be an int >= 1: {groups!r}")
    return groups


def with_bias(y, bias):
    """y (B, O, *out) + bias (O,)."""
    if bias is None:
        return y
    if tuple(bias.shape) != (y.shape[1],):
        raise ShapeError(
            f"conv: the bias must have {y.shape[1]} elements, one per channel: {spec_of(bias)}"
        )
    return y + reshape.apply(bias, shape=(y.shape[1], *(1 for _ in y.shape[2:])))
