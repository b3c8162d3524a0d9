"""Padding: borders of a constant, of reflections, of repeated edges, or wrapped around."""

from __future__ import annotations

import numpy as np

from ..core.errors import ArgumentError, ShapeError
from ..core.op import op
from ..core.spec import Spec
from .join import cat, narrow
from .movement import expand
from .reorder import flip


@op
def constant_pad(x, *, widths, value):
    """x with widths[i] = (before, after) elements of `value` added along dim i.

    A negative width takes elements away, so this op is its own adjoint.
    """
    shape = tuple(n + sum(pair) for n, pair in zip(x.shape, widths, strict=True))
    y = np.full(shape, value, x.dtype)
    inside = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape, widths, strict=True))
    kept = tuple(
        slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, widths, strict=True)
    )
    y[inside] = x[kept]
    return y


@constant_pad.spec
def constant_pad_spec(x, *, widths, value):
    shape = tuple(n + before + after for n, (before, after) in zip(x.shape, widths, strict=True))
    if min(shape, default=0) < 0:
        raise ShapeError(f"pad: more is taken away than there is: {x}, {widths}")
    return Spec(shape, x.dtype)


@constant_pad.grad(keeps=())
def constant_pad_grad(g, y, x, *, widths, value):
    back = tuple((-before, -after) for before, after in widths)
    return (constant_pad.apply(g, widths=back, value=0),)


def pad(x, pad, mode="constant", value=None):
    """x with borders; `pad` is (before, after) for the last dim, then for the one before it, …

    Modes: constant (`value`, 0 by default), reflect (without repeating the edge), replicate
    (the edge repeated), circular (the other end). Negative widths take elements away.
    """
    widths = pad_widths(x, tuple(pad))
    if mode == "constant":
        return constant_pad.apply(x, widths=widths, value=0 if value is None else value)
    if mode not in BORDERS:
        raise ArgumentError(f"pad: mode must be constant, {', '.join(BORDERS)}: {mode!r}")
    wrapped = mode == "circular"  # it goes around what is left; the others see what goes
    x = cropped(x, widths) if wrapped else x
    for dim, (before, after) in enumerate(widths):
        if before > 0 or after > 0:
            x = with_borders(x, dim, max(before, 0), max(after, 0), mode)
    return x if wrapped else cropped(x, widths)


def cropped(x, widths):
    """x without what the negative ones of `widths` take away."""
    crops = tuple((min(before, 0), min(after, 0)) for before, after in widths)
    if not any(map(any, crops)):
        return x
    return constant_pad.apply(x, widths=crops, value=0)


def pad_widths(x, pad):
    """PyTorch's flat list, last dim first, as a (before, after) pair for every dim."""
    if len(pad) % 2 or len(pad) > 2 * x.ndim:
        raise ShapeError(f"pad: a pair for each of at most {x.ndim} dims: {list(pad)}")
    pairs = [(int(pad[i]), int(pad[i + 1])) for i in range(0, len(pad), 2)]
    return ((0, 0),) * (x.ndim - len(pairs)) + tuple(reversed(pairs))


def with_borders(x, dim, before, after, mode):
    """x between the two borders that `mode` makes of it along `dim`."""
    n, largest = x.shape[dim], max(before, after)
    if largest > {"reflect": n - 1, "replicate": largest * n, "circular": n}[mode]:
        raise ShapeError(f"pad: {mode} borders of {before} and {after} do not fit size {n}")
    first, last = BORDERS[mode](x, dim, before, after)
    return cat([border for border in (first, x, last) if border is not None], dim)


def reflect(x, dim, before, after):
    n = x.shape[dim]
    first, last = narrow(x, dim, 1, before), narrow(x, dim, n - 1 - after, after)
    return flip.apply(first, dims=(dim,)), flip.apply(last, dims=(dim,))


def replicate(x, dim, before, after):
    def repeated(start, times):
        shape = (*x.shape[:dim], times, *x.shape[dim + 1 :])
        return expand.apply(narrow(x, dim, start, 1), shape=shape)

    return repeated(0, before), repeated(x.shape[dim] - 1, after)


def circular(x, dim, before, after):
    n = x.shape[dim]
    return narrow(x, dim, n - before, before), narrow(x, dim, 0, after)


BORDERS = {"reflect": reflect, "replicate": replicate, "circular": circular}
