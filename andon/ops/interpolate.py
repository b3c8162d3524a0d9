"""Resizing images and other grids: nearest, linear, bilinear, bicubic, trilinear, area.

Every mode but "area", which is adaptive average pooling, is `resample` along one dim after the
other. Also here: pixel_shuffle, which trades channels for resolution.
"""

from __future__ import annotations

import math
from typing import Any

from ..core.errors import ArgumentError, ShapeError
from ..core.spec import Shape, spec_of
from .avg_pool import adaptive_means
from .movement import permute, reshape
from .resample import resample
from .sliding_window import per_dim

DIMS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
KINDS = {"nearest": "nearest", "nearest-exact": "nearest", "bicubic": "cubic",
         "linear": "linear", "bilinear": "linear", "trilinear": "linear"}  # fmt: skip
MODES = (*KINDS, "area")


def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """The input (B, C, *spatial) resized to `size`, or by `scale_factor`.

    `align_corners` says what the grids have in common: the centres of their corner elements, or
    (by default) the outer edges of these.
    """
    check_options(input, mode, align_corners, antialias)
    n = input.ndim - 2
    sizes, scales = target(input, n, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return adaptive_means(n, input, sizes)
    for dim, (out, scale) in enumerate(zip(sizes, scales, strict=True), 2):
        input = resize(input, dim, out, scale, mode, bool(align_corners))
    return input


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """An older name of `interpolate`."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def check_options(x, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode not in MODES:
        raise ArgumentError(f"interpolate: mode must be one of {', '.join(MODES)}: {mode!r}")
    if not 3 <= x.ndim <= 5 or x.ndim != DIMS.get(mode, x.ndim - 2) + 2:
        raise ShapeError(f"interpolate: {mode} needs an input of other dims: {spec_of(x)}")
    if align_corners is not None and mode not in DIMS:
        raise ArgumentError(f"interpolate: align_corners means nothing to mode {mode!r}")
    if antialias:
        raise ArgumentError("interpolate: antialias is not available")


def target(x, n: int, size: Any, scale_factor: Any, recompute: Any) -> tuple[Shape, list]:
    """The output sizes, and per dim the input step for one output step, or None for their ratio."""
    if (size is None) == (scale_factor is None):
        raise ArgumentError(f"interpolate: either size or scale_factor: {size}, {scale_factor}")
    if scale_factor is None:
        return per_dim(size, n, "interpolate: size"), [None] * n
    many = isinstance(scale_factor, (tuple, list))
    factors = tuple(scale_factor) if many else (scale_factor,) * n
    if len(factors) != n or min(factors) <= 0:
        raise ShapeError(f"interpolate: a scale_factor > 0, or {n} of them: {scale_factor}")
    sizes = tuple(math.floor(L * f) for L, f in zip(x.shape[2:], factors, strict=True))
    return (
        per_dim(sizes, n, "interpolate: size"),
        [None] * n if recompute else [1.0 / f for f in factors],
    )


def resize(x, dim: int, size: int, step: float | None, mode: str, align_corners: bool):
    """x with `size` elements along `dim`."""
    L = x.shape[dim]
    step = L / size if step is None else step
    if align_corners:
        step, start = ((L - 1) / (size - 1) if size > 1 else 0.0), 0.0
    elif mode.startswith("nearest"):
        start = 0.5 if mode == "nearest-exact" else 0.0
    else:
        start = 0.5 * step - 0.5
    kind = KINDS[mode]
    return resample.apply(x, dim=dim, size=size, step=step, start=start, kind=kind)


# Channels for resolution


def pixel_shuffle(input, upscale_factor):
    """(..., C r², H, W) -> (..., C, H r, W r): each group of r² channels becomes r × r pixels.

    Source: Shi et al., "Real-Time Single Image and Video Super-Resolution..." (2016).
    """
    r = upscale_factor
    *batch, C, H, W = image_shape("pixel_shuffle", input)
    if r < 1 or C % (r * r):
        raise ShapeError(f"pixel_shuffle: channels must divide by {r}²: {spec_of(input)}")
    x = reshape.apply(input, shape=(math.prod(batch), C // (r * r), r, r, H, W))
    x = permute.apply(x, dims=(0, 1, 4, 2, 5, 3))  # (B, C, H, r, W, r)
    return reshape.apply(x, shape=(*batch, C // (r * r), H * r, W * r))


def pixel_unshuffle(input, downscale_factor):
    """(..., C, H r, W r) -> (..., C r², H, W): the inverse of `pixel_shuffle`."""
    r = downscale_factor
    *batch, C, H, W = image_shape("pixel_unshuffle", input)
    if r < 1 or H % r or W % r:
        raise ShapeError(f"pixel_unshuffle: the sizes must divide by {r}: {spec_of(input)}")
    x = reshape.apply(input, shape=(math.prod(batch), C, H // r, r, W // r, r))
    x = permute.apply(x, dims=(0, 1, 3, 5, 2, 4))  # (B, C, r, r, H, W)
    return reshape.apply(x, shape=(*batch, C * r * r, H // r, W // r))


def channel_shuffle(input, groups):
    """(B, C, ...) with channel i of group j where channel j of group i was.

    Source: Zhang et al., "ShuffleNet" (2018).
    """
    B, C, *rest = input.shape
    if groups < 1 or C % groups:
        raise ShapeError(f"channel_shuffle: channels must divide by {groups}: {spec_of(input)}")
    x = reshape.apply(input, shape=(B, groups, C // groups, *rest))
    x = permute.apply(x, dims=(0, 2, 1, *range(3, x.ndim)))
    return reshape.apply(x, shape=(B, C, *rest))


def image_shape(name: str, x) -> Shape:
    if x.ndim < 3:
        raise ShapeError(f"{name}: an input of at least 3 dims expected: {spec_of(x)}")
    return tuple(x.shape)
