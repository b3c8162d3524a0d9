"""Rows for andon/ops/reduce.py, moments.py, largest.py and vector_norm.py."""

import numpy as np

from cases import Case

NARROW = ("float64", "float32", "float16", "bfloat16")
INF = float("inf")
INTS = np.arange(12, dtype=np.int64).reshape(3, 4) - 4
BYTES = np.array([[200, 100], [3, 0]], np.uint8)
BOOLS = np.array([[True, False, True], [True, True, True]])
HOLES = np.array([[1.0, np.nan, 3.0], [np.nan, 5.0, -2.0]])
TIES = np.array([[1.0, 3.0, 3.0], [-2.0, -2.0, -2.0]])
ZEROS = np.array([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [1.5, -2.0, 4.0]])


def values(name, call, operands, **options):
    """A row without derivatives."""
    return Case(name, call, operands, grad=False, **options)


def holed(t, x):
    """x with NaNs in it."""
    return t.where(t.tensor(np.isnan(HOLES)), t.tensor(np.nan, dtype=x.dtype), x)


SUMS = [
    Case("sum of everything", lambda t, x: x.sum(), [(3, 4)], dtypes=NARROW),
    Case("sum along a dim", lambda t, x: t.sum(x, 1), [(2, 3, 4)], dtypes=NARROW),
    Case("sum along the last dim", lambda t, x: x.sum(-1), [(2, 3, 4)]),
    Case("sum along two dims, kept", lambda t, x: x.sum((0, -1), keepdim=True), [(2, 3, 4)]),
    Case("sum in NumPy's words", lambda t, x: x.sum(axis=1, keepdims=True), [(2, 3)]),
    Case("sum of no dims is of all", lambda t, x: x.sum(dim=()), [(2, 3)]),
    Case("sum of a scalar", lambda t, x: x.sum(), [()]),
    Case("sum of a scalar along a dim", lambda t, x: x.sum(-1), [()]),
    Case("sum of nothing is 0", lambda t, x: x.sum(1), [(2, 0)]),
    Case("sum to nothing", lambda t, x: x.sum(0), [(2, 0)]),
    Case("sum of a transpose", lambda t, x: x.transpose(0, 1).sum(0), [(3, 4)]),
    Case("large sum over leading dims", lambda t, x: x.sum((0, 1)), [(12, 20, 30)], second=False),
    Case("large sum over trailing dims", lambda t, x: x.sum((1, 2)), [(30, 12, 20)], second=False),
    Case("large sum, kept", lambda t, x: x.sum(0, keepdim=True), [(90, 70)], second=False),
    Case("sum in another dtype", lambda t, x: x.sum(0, dtype=t.float64), [(3, 2)]),
    values("sum of many halves", lambda t, x: (x / x).sum(), [(70, 50)], low=1, dtypes=NARROW),
    values("sum of integers", lambda t, x: x.sum(0), [INTS]),
    values("sum of bytes is wide", lambda t, x: x.sum(), [BYTES]),
    values("sum of booleans counts", lambda t, x: x.sum(1), [BOOLS]),
    Case("nansum leaves NaN out", lambda t, x: t.nansum(holed(t, x), 1), [(2, 3)]),
    values("nansum of integers", lambda t, x: t.nansum(x, axis=0), [INTS]),
    values("count_nonzero", lambda t, x: (t.count_nonzero(x), x.count_nonzero(1)), [INTS]),
    values("any along a dim", lambda t, x: (x.any(1), x.any(), t.any(x, 0, True)), [BOOLS]),
    values("all along a dim", lambda t, x: (x.all(1), x.all(), t.all(x, axis=0)), [BOOLS]),
    values("any and all of numbers", lambda t, x: (x.any((0, 1)), x.all()), [INTS]),
    values("any and all of NaN", lambda t, x: (x.any(), x.all(0)), [HOLES]),
    values("any and all of nothing", lambda t, x: (x.any(0), x.all(0)), [(0, 2)]),
    values("all over no dims", lambda t, x: x.all(dim=()), [BOOLS]),
]

PRODUCTS = [
    Case("prod of everything", lambda t, x: x.prod(), [(2, 3)], dtypes=NARROW),
    Case("prod along a dim", lambda t, x: x.prod(1), [(2, 5, 3)]),
    Case("prod along the last dim, kept", lambda t, x: t.prod(x, -1, keepdim=True), [(2, 4)]),
    Case("prod with zeros", lambda t, x: x.prod(1), [ZEROS]),
    Case("prod of everything with zeros", lambda t, x: x.prod(), [ZEROS]),
    Case("prod of a scalar", lambda t, x: x.prod(), [()], second=False),
    Case("prod of one element", lambda t, x: x.prod(0), [(1, 3)], second=False),
    values("prod of nothing is 1", lambda t, x: x.prod(1), [(2, 0)]),
    values("prod of integers", lambda t, x: x.prod(0), [INTS]),
    values("prod of booleans", lambda t, x: x.prod(1), [BOOLS]),
    values("prod in another dtype", lambda t, x: x.prod(0, dtype=t.float64), [INTS]),
]

MOMENTS = [
    Case("mean of everything", lambda t, x: x.mean(), [(3, 4)], dtypes=NARROW),
    Case("mean along dims", lambda t, x: x.mean((0, 2)), [(2, 3, 4)], dtypes=NARROW),
    Case("mean, kept", lambda t, x: t.mean(x, -1, True), [(2, 3)]),
    Case("mean of no dims is of all", lambda t, x: x.mean(dim=[]), [(2, 3)]),
    Case("mean of a scalar", lambda t, x: x.mean(), [()]),
    values("mean of nothing is NaN", lambda t, x: (x.mean(), x.mean(1)), [(2, 0)]),
    values("mean of halves", lambda t, x: (x * 5000).mean(), [(50, 50)], low=1, dtypes=NARROW),
    values("mean of integers as floats", lambda t, x: x.mean(dtype=t.float32), [INTS]),
    Case("nanmean leaves NaN out", lambda t, x: t.nanmean(holed(t, x), 1), [(2, 3)]),
    values("nanmean of NaN", lambda t, x: x.nanmean(), [HOLES * np.nan]),
    Case("var of everything", lambda t, x: x.var(), [(3, 4)], dtypes=NARROW),
    Case("var along a dim", lambda t, x: t.var(x, 1), [(2, 5)], dtypes=NARROW),
    Case("var, biased", lambda t, x: x.var(0, unbiased=False), [(4, 2)]),
    Case("var, biased, of everything", lambda t, x: x.var(False), [(4, 2)]),
    Case("var with a correction", lambda t, x: x.var((0, 1), correction=2), [(4, 2)]),
    Case("var, kept", lambda t, x: x.var(axis=1, keepdims=True), [(4, 2)]),
    Case("std of everything", lambda t, x: x.std(), [(3, 4)], dtypes=NARROW),
    Case("std along dims", lambda t, x: x.std((0, 2), correction=0), [(2, 3, 4)]),
    Case("std, kept", lambda t, x: t.std(x, 1, keepdim=True), [(2, 3)]),
    Case("std of a scalar", lambda t, x: x.std(correction=0) * 1, [()], grad=False),
    Case("var_mean", lambda t, x: t.var_mean(x, 1), [(2, 3)]),
    Case("std_mean", lambda t, x: t.std_mean(x, dim=0, correction=0), [(3, 2)]),
    Case("var_mean of everything", lambda t, x: t.var_mean(x, False), [(2, 3)]),
]

EXTREMES = [
    Case("max of everything", lambda t, x: x.max(), [(3, 4)], dtypes=NARROW),
    Case("max along a dim", lambda t, x: x.max(1), [(3, 4)], dtypes=NARROW),
    Case("max along the first dim, kept", lambda t, x: t.max(x, 0, keepdim=True), [(3, 4)]),
    Case("max in NumPy's words", lambda t, x: x.max(axis=-1), [(3, 4)]),
    Case("max of a scalar along a dim", lambda t, x: x.max(0), [()]),
    Case("max names its parts", lambda t, x: (x.max(0).values, x.min(0).indices), [(3, 4)]),
    Case("max of a pair", lambda t, a, b: (t.max(a, b), t.min(a, b)), [(3, 4), (4,)]),
    Case("min of everything", lambda t, x: x.min(), [(3, 4)], dtypes=NARROW),
    Case("min along a dim", lambda t, x: x.min(-1), [(3, 4)], dtypes=NARROW),
    values("max takes the first of ties", lambda t, x: (x.max(1), x.min(1)), [TIES]),
    values("max of NaN is NaN", lambda t, x: (x.max(), x.min(), x.max(1), x.min(1)), [HOLES]),
    values("max of integers", lambda t, x: (x.max(), x.max(0), x.min(1)), [INTS]),
    values("max of booleans", lambda t, x: (x.max(), x.min()), [BOOLS]),
    values("max to nothing", lambda t, x: x.max(1), [(0, 2)]),
    Case("amax along dims", lambda t, x: x.amax((0, 2)), [(2, 3, 4)], dtypes=NARROW),
    Case("amin of everything", lambda t, x: t.amin(x), [(2, 3)], dtypes=NARROW),
    Case("amax of a scalar", lambda t, x: x.amax(), [()]),
    Case("aminmax", lambda t, x: t.aminmax(x, dim=1, keepdim=True), [(2, 3)]),
    Case("aminmax names its parts", lambda t, x: x.aminmax().max, [(2, 3)]),
    values("argmax", lambda t, x: (x.argmax(), x.argmax(0), t.argmax(x, -1, True)), [(3, 4)]),
    values("argmin", lambda t, x: (x.argmin(), x.argmin(0), x.argmin(axis=1)), [(3, 4)]),
    values("argmax of everything, kept", lambda t, x: x.argmax(keepdim=True), [(3, 4)]),
    values("argmax of ties and NaN", lambda t, x, y: (x.argmax(1), y.argmax(1)), [TIES, HOLES]),
    values("argmax of a scalar", lambda t, x: (x.argmax(), x.argmax(0)), [()]),
    values("argmax of halves", lambda t, x: (x.argmax(1), x.argmin(0)), [(4, 5)], dtypes=NARROW),
    values("argmax to nothing", lambda t, x: x.argmax(1), [(0, 2)]),
    values("argmax of a transpose", lambda t, x: x.T.argmax(), [(3, 4)]),
]

NORMS = [
    Case("norm of everything", lambda t, x: x.norm(), [(3, 4)], dtypes=NARROW),
    Case("norm along a dim", lambda t, x: t.norm(x, dim=1), [(3, 4)]),
    Case("norm along two dims, kept", lambda t, x: x.norm("fro", (0, 1), True), [(3, 4)]),
    Case("norm of order 1", lambda t, x: x.norm(1, 0), [(3, 4)], second=False),
    Case("norm of order 3", lambda t, x: x.norm(3, 1), [(3, 4)]),
    Case("norm of order 1.5", lambda t, x: x.norm(1.5), [(3, 4)]),
    Case("norm of order 1/2", lambda t, x: x.norm(0.5, 1, keepdim=True), [(3, 4)]),
    Case("norm of order ∞", lambda t, x: x.norm(INF, 1), [(3, 4)], second=False),
    Case("norm of order -∞", lambda t, x: x.norm(-INF), [(3, 4)], second=False),
    values("norm of order 0 counts", lambda t, x: x.norm(0, 1), [ZEROS]),
    Case("norm of a scalar", lambda t, x: x.norm(), [()]),
    Case("norm of zeros in part", lambda t, x: x.norm(3, 1), [ZEROS], second=False),
    Case("norm in another dtype", lambda t, x: x.norm(dtype=t.float64), [(3,)]),
    Case("dist", lambda t, a, b: (t.dist(a, b), a.dist(b, 1)), [(2, 3), (3,)]),
]

LOGSUMEXP = [
    Case("logsumexp along a dim", lambda t, x: x.logsumexp(1), [(3, 4)], dtypes=NARROW),
    Case("logsumexp along dims, kept", lambda t, x: t.logsumexp(x, (0, 1), True), [(3, 4)]),
    Case(
        "logsumexp of large numbers", lambda t, x: (x * 1e4).logsumexp(-1), [(3, 4)], second=False
    ),
    Case("logsumexp of a scalar", lambda t, x: x.logsumexp(0), [()]),
    values("logsumexp of infinities", lambda t, x: (x / 0).logsumexp(0), [(1, 3)]),
    values("logsumexp of -∞", lambda t, x: (x.abs() / -0.0).logsumexp(1), [(2, 3)]),
    values("logsumexp of nothing is -∞", lambda t, x: x.logsumexp(1), [(2, 0)]),
    values("logsumexp of integers", lambda t, x: x.logsumexp(1), [INTS], rtol=1e-6),
]


CASES = SUMS + PRODUCTS + MOMENTS + EXTREMES + NORMS + LOGSUMEXP
