"""Calculus on samples: slopes and areas of functions that are known at some points only."""

from __future__ import annotations

from ..core.errors import ShapeError
from ..core.spec import normal_dim, normal_dims
from .join import cat, narrow
from .movement import reshape
from .reduce import sum
from .scan import cumsum, diff


def trapezoid(y, x=None, *, dx=1.0, dim=-1):
    """∫ y dx along `dim`: Σ (y[i] + y[i+1]) / 2 · (x[i+1] - x[i]).

    x holds the points, one for each along `dim` or in the shape of y; or `dx` is their distance.
    """
    return sum(trapezoids(y, x, dx, dim), dim)


def cumulative_trapezoid(y, x=None, *, dx=1.0, dim=-1):
    """The areas of `trapezoid` from the first point up to each of the others."""
    return cumsum(trapezoids(y, x, dx, dim), dim)


def trapezoids(y, x, dx, dim):
    """The area between each two neighbours along `dim`."""
    dim = normal_dim(dim, y.ndim, "trapezoid")
    if x is not None:
        dx = along(diff(x), dim, y) if x.ndim == 1 else diff(x, dim=dim)
    n = max(y.shape[dim] - 1, 0)
    later = narrow(y, dim, y.shape[dim] - n, n)
    return (narrow(y, dim, 0, n) + later) * 0.5 * dx


def along(x, dim, like):
    """A vector as something that broadcasts along `dim` of `like`."""
    return reshape.apply(x, shape=(-1, *(1,) * (like.ndim - 1 - dim)))


def gradient(x, *, spacing=1.0, dim=None, edge_order=1):
    """The slopes of x along each dim of `dim`, of second order within and `edge_order` at the ends.

    `spacing` is the distance of neighbours, for all dims or for each; or a vector of their
    places for each.
    """
    dims = normal_dims(dim, x.ndim, "gradient")
    per_dim = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(dims)
    if len(per_dim) != len(dims) or edge_order not in (1, 2):
        raise ShapeError(
            f"gradient: a spacing per dim and edge_order 1 or 2: {len(per_dim)}, {edge_order}"
        )
    return tuple(slope(x, d, h, edge_order) for d, h in zip(dims, per_dim, strict=True))


def slope(x, dim, spacing, edge_order):
    """∂x along one dim."""
    n = x.shape[dim]
    if n <= edge_order:
        raise ShapeError(f"gradient: {edge_order + 1} points or more expected along {dim}: {n}")
    h = spacing
    if getattr(spacing, "ndim", 0):
        h = along(diff(spacing), dim, x)
    steps = [part(h, dim, i, n - 2) for i in (0, 1)]
    rises = diff(x, dim=dim)
    before, after = (part(rises, dim, i, n - 2) for i in (0, 1))
    ratio = steps[0] / steps[1]
    inner = (after * ratio + before / ratio) / (steps[0] + steps[1])
    first = edge(rises, h, dim, 0, 1, edge_order)
    last = edge(rises, h, dim, n - 2, n - 3, edge_order)
    return cat([first, inner, last], dim)


def part(h, dim, start, length):
    """`length` of the steps h along `dim`; a number stands for all of them."""
    return narrow(h, dim, start, length) if getattr(h, "ndim", 0) else h


def edge(rises, h, dim, at, inward, order):
    """The slope at an end: of the last step, or of the parabola through the last two."""
    step, slope_there = part(h, dim, at, 1), narrow(rises, dim, at, 1) / part(h, dim, at, 1)
    if order == 1:
        return slope_there
    other = part(h, dim, inward, 1)
    slope_inward = narrow(rises, dim, inward, 1) / other
    return slope_there + (slope_there - slope_inward) * (step / (step + other))
