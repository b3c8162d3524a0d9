"""Sampling an image (or volume) at the points of a grid, as spatial transformers do.

A composite: the neighbours of each point are gathered, and weighted by how near they are. So
gradients flow to the image through the gather, and to the grid through the weights.

Source: Jaderberg et al., "Spatial Transformer Networks" (2015), section 3.
"""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import int64
from ..core.errors import ArgumentError, ShapeError
from ..core.spec import spec_of
from .arithmetic import remainder
from .elementwise import floor, round
from .extremes import abs, clamp
from .gather_scatter import gather
from .join import select
from .linalg import matmul
from .logic import ge, le, where
from .movement import cast, expand, reshape, swap_last


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """The input at the points of `grid`, which holds x, y (and z) from -1 to 1.

    Modes: bilinear (trilinear for volumes), nearest. Points outside see zeros, the border, or a
    reflection. ±1 are the outer edges of the corner elements, with `align_corners` their centres.

    Shapes: input (B, C, H, W), grid (B, h, w, 2) -> (B, C, h, w); for volumes one dim more.
    """
    check_grid(input, grid, mode, padding_mode)
    n = input.ndim - 2
    sizes = tuple(input.shape[2:])
    points = [  # x comes first in the grid, and last among the dims
        position(select(grid, -1, n - 1 - d), size, padding_mode, bool(align_corners))
        for d, size in enumerate(sizes)
    ]
    if mode == "nearest":
        return pick(input, [round(p) for p in points])
    low = [floor(p) for p in points]
    y = None
    for corner in product((0, 1), repeat=n):
        at = [p + c for p, c in zip(low, corner, strict=True)]
        part = pick(input, at) * corner_weight(points, at)
        y = part if y is None else y + part
    return y


def check_grid(x, grid, mode: str, padding_mode: str) -> None:
    if mode not in ("bilinear", "nearest"):
        raise ArgumentError(f"grid_sample: mode must be bilinear or nearest: {mode!r}")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ArgumentError(
            f"grid_sample: padding_mode must be zeros, border or reflection: {padding_mode!r}"
        )
    fits = x.ndim in (4, 5) and grid.ndim == x.ndim and grid.shape[-1] == x.ndim - 2
    if not fits or grid.shape[0] != x.shape[0] or 0 in x.shape[2:]:
        raise ShapeError(
            f"grid_sample: (B, C, H, W) and (B, h, w, 2), or a dim more of each, expected: "
            f"{spec_of(x)} and {spec_of(grid)}"
        )


def position(at, size: int, padding_mode: str, align_corners: bool):
    """Coordinates from -1 to 1 as positions among `size` elements."""
    at = (at + 1) * ((size - 1) / 2) if align_corners else ((at + 1) * size - 1) * 0.5
    if padding_mode == "zeros":
        return at
    if padding_mode == "reflection":
        first, last = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
        at = reflected(at, first, last)
    return clamp(at, 0, size - 1)


def reflected(at, first: float, last: float):
    """Positions folded at both ends until they lie between them."""
    span = last - first
    if span == 0:
        return at * 0.0
    return span - abs(remainder(abs(at - first), 2 * span) - span) + first


def pick(x, at: list):
    """x at whole positions, a tensor per spatial dim; 0 at positions outside of x."""
    B, C, *sizes = x.shape
    index: Any = 0
    inside: Any = True
    for p, size in zip(at, sizes, strict=True):
        inside = ge(p, 0) & le(p, size - 1) & inside
        index = index * size + cast.apply(clamp(p, 0, size - 1), dtype=int64)
    B, *out = index.shape
    count, length = math.prod(out), math.prod(sizes)
    index = expand.apply(reshape.apply(index, shape=(B, 1, count)), shape=(B, C, count))
    elements = gather.apply(reshape.apply(x, shape=(B, C, length)), index, dim=2)
    elements = reshape.apply(elements, shape=(B, C, *out))
    return where(reshape.apply(inside, shape=(B, 1, *out)), elements, 0.0)


def corner_weight(points: list, corner: list):
    """Π (1 - distance) per dim, of points from a corner. Shapes: (B, *out) -> (B, 1, *out)."""
    weight: Any = 1.0
    for p, q in zip(points, corner, strict=True):
        weight = (1 - abs(p - q)) * weight
    return reshape.apply(weight, shape=(weight.shape[0], 1, *weight.shape[1:]))


def affine_grid(theta, size, align_corners=False):
    """The grid that `grid_sample` needs to see an image of `size` through the affine maps theta.

    Shapes: theta (B, 2, 3), size (B, C, H, W) -> (B, H, W, 2); (B, 3, 4) for volumes.
    """
    n = len(size) - 2
    if n not in (2, 3) or tuple(theta.shape) != (size[0], n, n + 1):
        raise ShapeError(
            f"affine_grid: theta (B, 2, 3) and (B, C, H, W), or (B, 3, 4) and (B, C, D, H, W), "
            f"expected: {spec_of(theta)} and {list(size)}"
        )
    B, _, *sizes = size
    axes = [np.linspace(-1, 1, L) if L > 1 else np.zeros(L) for L in sizes]
    if not align_corners:
        axes = [axis * (L - 1) / L for axis, L in zip(axes, sizes, strict=True)]
    grids = np.meshgrid(*axes, indexing="ij")
    points = np.stack([*reversed(grids), np.ones(sizes)], -1).reshape(-1, n + 1)
    points = points.astype(as_dtype(theta.dtype).numpy)
    y = matmul.apply(points, swap_last(theta))
    return reshape.apply(y, shape=(B, *sizes, n))
