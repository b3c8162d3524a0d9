"""Rows for andon/ops/sorting.py, order_statistics.py and counting.py."""

import numpy as np

from cases import Case

NARROW = ("float64", "float32", "float16", "bfloat16")
INTS = np.array([[3, 1, 3, 2, 1], [0, 0, -1, 5, 0]])
BOOLS = np.array([True, False, True])
HOLES = np.array([[1.0, np.nan, 3.0, -np.inf], [np.inf, 5.0, np.nan, np.nan]])
SORTED = np.array([1.0, 3.0, 3.0, 5.0])
ROWS = np.array([[1, 3, 5], [2, 4, 6]])
RUNS = np.array([[1, 1, 2], [1, 1, 2], [3, 1, 2], [1, 1, 2]])


def values(name, call, operands, **options):
    """A row without derivatives."""
    return Case(name, call, operands, grad=False, **options)


CASES = [
    Case("sort", lambda t, x: x.sort(), [(3, 4)], dtypes=NARROW),
    Case("sort along the first dim", lambda t, x: t.sort(x, dim=0, descending=True), [(3, 4)]),
    Case("sort names its parts", lambda t, x: x.sort(axis=0).values, [(3, 4)]),
    Case("sort of a scalar", lambda t, x: x.sort(), [()]),
    Case("sort of nothing", lambda t, x: x.sort(0), [(0, 2)]),
    Case("msort", lambda t, x: t.msort(x), [(3, 4)]),
    values("stable sort", lambda t, x: t.sort(x, stable=True), [INTS]),
    values("stable sort down", lambda t, x: t.sort(x, stable=True, descending=True), [INTS]),
    values("sort of NaN", lambda t, x: (*x.sort(), *x.sort(descending=True)), [HOLES[:1]]),
    values("sort of booleans", lambda t, x: x.sort(), [BOOLS]),
    values("argsort", lambda t, x: (x.argsort(), t.argsort(x, 0, descending=True)), [(3, 4)]),
    Case("topk", lambda t, x: x.topk(2), [(3, 5)], dtypes=NARROW),
    Case("topk smallest", lambda t, x: t.topk(x, 3, dim=0, largest=False), [(5, 2)]),
    Case("topk of all", lambda t, x: x.topk(k=4, dim=-1), [(2, 4)]),
    Case("topk of none", lambda t, x: x.topk(0), [(2, 4)]),
    Case("topk of a scalar", lambda t, x: x.topk(1), [()]),
    Case("topk unsorted", lambda t, x: x.topk(3, sorted=False).values.sum(), [(5,)]),
    values("topk of NaN", lambda t, x: (x.topk(2), x.topk(2, largest=False)), [HOLES[0]]),
    Case("kthvalue", lambda t, x: x.kthvalue(2), [(3, 4)], dtypes=NARROW),
    Case("kthvalue along a dim, kept", lambda t, x: t.kthvalue(x, 3, 0, True), [(3, 4)]),
    Case("median along a dim", lambda t, x: x.median(1), [(3, 4)], dtypes=NARROW),
    Case("median along a dim, kept", lambda t, x: t.median(x, dim=0, keepdim=True), [(5, 2)]),
    Case("median of everything", lambda t, x: x.median(), [(3, 3)]),
    Case("median of a scalar", lambda t, x: x.median(0), [()]),
    values("median with NaN", lambda t, x: (x.median(), *x[:1].median(1)), [HOLES]),
    values("median of integers", lambda t, x: x.median(), [INTS]),
    values("median of nothing", lambda t, x: x.median(), [(0,)]),
    Case("nanmedian", lambda t, x: x.nanmedian(1), [(3, 4)]),
    values("nanmedian with NaN", lambda t, x: (x.nanmedian(), x.nanmedian(1)), [HOLES]),
    Case("quantile", lambda t, x: x.quantile(0.3), [(3, 4)]),
    Case("quantile along a dim, kept", lambda t, x: t.quantile(x, 0.5, 1, True), [(3, 5)]),
    Case(
        "quantiles",
        lambda t, x: x.quantile(t.tensor([0.0, 0.25, 1.0], dtype=x.dtype), dim=0),
        [(5, 2)],
    ),
    Case(
        "quantiles between elements",
        lambda t, x: tuple(
            t.quantile(x, 0.4, interpolation=name)
            for name in ("lower", "higher", "nearest", "midpoint")
        ),
        [(6,)],
    ),
    values(
        "quantile with NaN",
        lambda t, x: (x.quantile(0.5, dim=1), t.nanquantile(x, 0.25, dim=1), x.nanquantile(1.0)),
        [np.array([[1.0, np.nan, 3.0], [2.0, 5.0, 4.0], [np.nan] * 3])],
    ),
    values("isin", lambda t, x, y: (t.isin(x, y), t.isin(x, y, invert=True)), [INTS, INTS[0, :2]]),
    values("mode", lambda t, x: (x.mode(), t.mode(x, 0, True).values), [INTS]),
    Case("mode has a gradient", lambda t, x: x.mode(1).values, [(3, 1)]),
    values("searchsorted", lambda t, b, x: t.searchsorted(b, x), [SORTED, SORTED[::-1] - 1]),
    values(
        "searchsorted to the right", lambda t, b, x: t.searchsorted(b, x, right=True), [SORTED] * 2
    ),
    values(
        "searchsorted by side", lambda t, b, x: t.searchsorted(b, x, side="right"), [SORTED] * 2
    ),
    values("searchsorted of a number", lambda t, b: t.searchsorted(b, 4, out_int32=True), [SORTED]),
    values("searchsorted by rows", lambda t, b, x: t.searchsorted(b, x), [ROWS, ROWS[::-1] + 1]),
    values(
        "searchsorted with a sorter",
        lambda t, b, x: t.searchsorted(b.flip(0), x, sorter=b.argsort(stable=True).flip(0)),
        [SORTED, SORTED],
    ),
    values(
        "bucketize",
        lambda t, b, x: (t.bucketize(x, b), t.bucketize(x, b, right=True)),
        [SORTED, INTS * 1.0],
    ),
    values("unique", lambda t, x: x.unique(), [INTS]),
    values("unique with everything", lambda t, x: t.unique(x, True, True, True), [INTS]),
    values("unique along a dim", lambda t, x: x.unique(dim=0, return_counts=True), [RUNS]),
    values("unique along another dim", lambda t, x: x.unique(dim=1, return_inverse=True), [RUNS]),
    values("unique of NaN", lambda t, x: x.unique(), [HOLES]),
    values(
        "unique of floats",
        lambda t, x: (x * 0).unique(return_inverse=True),
        [(2, 3)],
        dtypes=NARROW,
    ),
    values("unique of nothing", lambda t, x: x.unique(), [(0,)]),
    values(
        "unique_consecutive",
        lambda t, x: t.unique_consecutive(x, return_inverse=True, return_counts=True),
        [RUNS],
    ),
    values(
        "unique_consecutive along a dim",
        lambda t, x: x.unique_consecutive(True, True, dim=0),
        [RUNS],
    ),
    values("unique_consecutive of nothing", lambda t, x: x.unique_consecutive(), [(0,)]),
    values("bincount", lambda t, x: t.bincount(x.flatten() + 1, minlength=9), [INTS]),
    values("bincount with weights", lambda t, x, w: t.bincount(x, w), [INTS[0], (5,)]),
    values("histc", lambda t, x: (x.histc(4), t.histc(x, bins=3, min=-1, max=1)), [(40,)]),
    values("histogram", lambda t, x: t.histogram(x, 4), [(40,)]),
    values("histogram of a range", lambda t, x: x.histogram(5, range=(-1, 1)), [(40,)]),
    values("histogram, dense", lambda t, x: t.histogram(x, bins=3, density=True), [(9, 2)]),
    values(
        "histogram of edges and weights",
        lambda t, x, e, w: t.histogram(x, e.to(x.dtype), weight=w),
        [(20,), SORTED - 3 + np.arange(4) * 0.1, (20,)],
    ),
    values("histc of equal elements", lambda t, x: (x * 0).histc(3), [(4,)]),
    values(
        "repeats per element",
        lambda t, x, n: t.repeat_interleave(x, n, 1),
        [(2, 5), np.array([2, 0, 1, 1, 3])],
    ),
    Case(
        "repeats of slices",
        lambda t, x, n: x.repeat_interleave(n, dim=0),
        [(2, 3), np.array([2, 3])],
    ),
    values("repeats alone", lambda t, n: t.repeat_interleave(n), [np.array([2, 0, 3])]),
]
