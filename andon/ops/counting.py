"""Counting equal elements: unique values, how often each is there, and histograms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..core.dtype import DType, bool_, float32, float64
from ..core.dtype import dtype as as_dtype
from ..core.errors import DTypeError, ShapeError, UnknownSizeError
from ..core.op import op
from ..core.spec import Spec, normal_dim, spec_of
from .sorting import sortable


@op
def unique_values(x, *, dim):
    """The different elements of x in order, where in it each of x is, and how often.

    With a dim: the different slices along it. No NaN equals another.
    Shapes: x (...) -> (count,), x's shape, (count,): the sizes depend on the data.
    """
    found, inverse, counts = np.unique(
        sortable(x), return_inverse=True, return_counts=True, axis=dim, equal_nan=False
    )
    shape = x.shape if dim is None else x.shape[dim]
    return found.astype(x.dtype), inverse.reshape(shape), counts


@op
def runs(x, *, dim):
    """The first of each run of equal elements, the run that each is in, and its length.

    Without a dim, of x in row-major order; with one, of its slices along `dim`.
    """
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    differ = rows[1:] != rows[:-1]
    if differ.ndim > 1:
        differ = differ.any(axis=tuple(range(1, differ.ndim)))
    starts = np.flatnonzero(np.concatenate([np.ones(len(rows[:1]), bool), differ]))
    lengths = np.diff(starts, append=len(rows))
    run = np.repeat(np.arange(len(starts)), lengths)
    first = rows[starts] if dim is None else np.moveaxis(rows[starts], 0, dim)
    return first, run.reshape(x.shape) if dim is None else run, lengths


@unique_values.spec
@runs.spec
def unique_spec(x, *, dim):
    raise UnknownSizeError(f"unique: the size of the result depends on the data: {x}")


def unique(x, sorted=True, return_inverse=False, return_counts=False, dim=None):
    """The different elements of x (or slices along `dim`), sorted whether asked for or not.

    Also, if wanted: which of them each element of x is, and how often each is there.
    """
    return wanted_parts(unique_values, "unique", x, return_inverse, return_counts, dim)


def unique_consecutive(x, return_inverse=False, return_counts=False, dim=None):
    """x with each run of equal elements (or slices along `dim`) cut down to one."""
    return wanted_parts(runs, "unique_consecutive", x, return_inverse, return_counts, dim)


def wanted_parts(op, name, x, return_inverse, return_counts, dim):
    dim = None if dim is None else normal_dim(dim, x.ndim, name)
    found, inverse, counts = op.apply(x, dim=dim)
    parts = (found, *[inverse] * return_inverse, *[counts] * return_counts)
    return parts if len(parts) > 1 else found


@op
def isin(elements, test_elements, *, invert):
    """Whether each of `elements` is one of `test_elements`; or is not, if `invert`."""
    operands = (sortable(np.asarray(x)) for x in (elements, test_elements))
    return np.isin(*operands, invert=invert)


@isin.signature
def isin_call(elements, test_elements, *, assume_unique=False, invert=False):
    return isin.apply(elements, test_elements, invert=invert)


@isin.spec
def isin_spec(elements, test_elements, *, invert):
    return Spec(elements.shape, bool_)


@op
def bincount(x, weights, *, minlength):
    """How often each number 0, 1, … is in x; or the sum of the weights where it is.

    Shapes: x (N,), weights (N,) or None -> (max x + 1,) at least: it depends on the data.
    """
    if x.dtype.kind not in "iu" or x.ndim != 1 or (x.size and x.min() < 0) or minlength < 0:
        raise DTypeError(f"bincount: a vector of integers >= 0 expected: {spec_of(x)}")
    if weights is None:
        return np.bincount(x, minlength=minlength)
    if weights.shape != x.shape:
        raise ShapeError(f"bincount: a weight for each expected: {weights.shape} for {x.shape}")
    return np.bincount(x, weights, minlength).astype(sum_dtype(weights).numpy)


def sum_dtype(weights) -> DType:
    return float32 if as_dtype(weights.dtype) is float32 else float64


@bincount.signature
def bincount_call(x, weights=None, minlength=0):
    return bincount.apply(x, weights, minlength=minlength)


@bincount.spec
def bincount_spec(x, weights, *, minlength):
    raise UnknownSizeError(f"bincount: the size of the result depends on the data: {x}")


@op
def histc(x, *, bins, low, high):
    """How many elements are in each of `bins` equal parts of [low, high]; others do not count.

    If low = high they are the least and the greatest element.
    """
    if x.dtype.kind not in "fV":
        raise DTypeError(f"histc: floats expected: {x.dtype}")
    values = sortable(x).reshape(-1)
    if low == high and values.size:
        low, high = float(values.min()), float(values.max())
    if low == high:
        low, high = low - 1, high + 1
    if not (np.isfinite(low) and np.isfinite(high) and low < high) or bins < 1:
        raise ShapeError(f"histc: bins > 0 and a finite range expected: {bins}, [{low}, {high}]")
    return np.histogram(values[np.isfinite(values)], bins, (low, high))[0].astype(x.dtype)


@histc.signature
def histc_call(x, bins=100, min=0, max=0):
    return histc.apply(x, bins=bins, low=min, high=max)


@histc.spec
def histc_spec(x, *, bins, low, high):
    return Spec((bins,), x.dtype)


class Histogram(NamedTuple):
    hist: object
    bin_edges: object


@op
def histogram(x, edges, weight, *, bins, limits, density):
    """How many elements (or what weight) lie between each two edges, and the edges.

    Shapes: x (...), edges (bins + 1,) or None, weight like x or None -> (bins,), (bins + 1,).
    """
    values, given = sortable(x).reshape(-1), bins if edges is None else sortable(edges)
    if weight is not None:
        weight = sortable(weight).reshape(-1)
    try:
        found = np.histogram(values, given, limits, weights=weight, density=density)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"histogram: {error}: {spec_of(x)}") from None
    return tuple(part.astype(x.dtype) for part in found)


@histogram.signature
def histogram_call(x, bins=100, *, range=None, weight=None, density=False):
    if not as_dtype(x.dtype).is_floating_point:
        raise DTypeError(f"histogram: floats expected: {spec_of(x)}")
    limits = None if range is None else (float(range[0]), float(range[1]))
    edges, count = (None, bins) if isinstance(bins, int) else (bins, bins.shape[0] - 1)
    found = histogram.apply(x, edges, weight, bins=count, limits=limits, density=density)
    return Histogram(*found)


@histogram.spec
def histogram_spec(x, edges, weight, *, bins, limits, density):
    return Spec((bins,), x.dtype), Spec((bins + 1,), x.dtype)
