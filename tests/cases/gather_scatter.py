"""Rows for andon/ops/gather_scatter.py."""

import numpy as np

from cases import Case

COLUMNS = np.array([[0, 2, 2], [1, 0, 2]])  # for a (2, 3) along dim 1
ROWS = np.array([[1, 0, 1], [0, 0, 1]])  # for a (2, 3) along dim 0
FEW = np.array([[1, 1]])
PICK = np.array([2, 0])
MASK = np.array([[True, False, True], [False, True, True]])
REDUCTIONS = ("sum", "mean", "prod", "amax", "amin")
WITH_ZEROS = np.array([[0.0, 0.0, 1.5], [2.0, 0.0, -1.0]])


def reduced(reduce, include_self):
    def call(t, x, index, src):
        return x.scatter_reduce(1, index, src, reduce, include_self=include_self)

    return call


CASES = [
    Case("gather along the last dim", lambda t, x, i: x.gather(1, i), [(2, 3), COLUMNS]),
    Case("gather along the first dim", lambda t, x, i: t.gather(x, 0, i), [(2, 3), ROWS]),
    Case("gather with a smaller index", lambda t, x, i: x.gather(0, i), [(3, 4), FEW]),
    Case("gather from a negative dim", lambda t, x, i: x.gather(-1, i), [(2, 3), COLUMNS]),
    Case("gather a single element", lambda t, x, i: x.gather(0, i), [(), np.array(0)]),
    Case("gather a row of a single element", lambda t, x, i: x.gather(0, i),
         [(), np.array([0, 0])]),
    Case("gather nothing", lambda t, x, i: x.gather(1, i), [(2, 3), np.zeros((2, 0), np.int64)]),
    Case("gather squared", lambda t, x, i: x.gather(1, i) ** 2, [(2, 3), COLUMNS]),
    Case("scatter a tensor", lambda t, x, i, s: x.scatter(0, i, s), [(3, 4), FEW, (1, 2)]),
    Case("scatter a larger tensor", lambda t, x, i, s: x.scatter(0, i, s), [(3, 4), FEW, (2, 3)],
         grad=False),
    Case("scatter a number", lambda t, x, i: (x * x).scatter(1, i, 2.5), [(2, 3), COLUMNS]),
    Case("scatter a value", lambda t, x, i: x.scatter(1, i, value=1.0), [(2, 3), COLUMNS]),
    Case("scatter to a single element", lambda t, x, i, s: x.scatter(0, i, s),
         [(), np.array(0), ()]),
    Case("scatter with addition", lambda t, x, i: x.scatter(1, i, 2.0, reduce="add"),
         [(2, 3), COLUMNS], grad=False),
    Case("scatter with multiplication", lambda t, x, i: x.scatter(1, i, 2.0, reduce="multiply"),
         [(2, 3), COLUMNS], grad=False),
    Case("scatter_add", lambda t, x, i, s: x.scatter_add(1, i, s), [(2, 3), COLUMNS, (2, 3)]),
    Case("scatter_add of squares", lambda t, x, i, s: t.scatter_add(x, 0, i, s * s),
         [(2, 3), ROWS, (2, 3)]),
    Case("scatter_add of a larger tensor", lambda t, x, i, s: t.scatter_add(x, 0, i, s),
         [(2, 3), ROWS, (3, 4)], grad=False),
    Case("scatter_add to a single element", lambda t, x, i, s: x.scatter_add(0, i, s),
         [(), np.array(0), ()]),
    Case("scatter_add of float16", lambda t, x, i, s: x.scatter_add(1, i, s),
         [(2, 3), COLUMNS, (2, 3)], dtypes=("float16", "bfloat16")),
    *[
        Case(f"scatter_reduce {reduce}{'' if self else ' without self'}", reduced(reduce, self),
             [(2, 3), COLUMNS, (2, 3)], second=reduce not in ("amax", "amin"))
        for reduce in REDUCTIONS
        for self in (True, False)
    ],
    *[
        Case(f"scatter_reduce {reduce} of ints{'' if self else ' without self'}",
             reduced(reduce, self),
             [np.array([[5, -7, 3], [2, 9, 4]]), COLUMNS, np.array([[-2, 7, 4], [1, 8, 6]])],
             grad=False)
        for reduce in REDUCTIONS
        for self in (True, False)
    ],
    Case("scatter_reduce prod with zeros", reduced("prod", True), [(2, 3), COLUMNS, WITH_ZEROS],
         second=False),
    Case("scatter_reduce prod onto zeros", reduced("prod", True), [WITH_ZEROS, COLUMNS, (2, 3)],
         second=False),
    Case("scatter_reduce amax of ties",
         lambda t, x, i: (x * 0).scatter_reduce(1, i, x * 0 + 1.0, "amax") * x,
         [(2, 3), COLUMNS]),
    Case("index_select", lambda t, x, i: x.index_select(1, i), [(2, 3), PICK]),
    Case("index_select a single index", lambda t, x, i: t.index_select(x, 0, i),
         [(3, 2), np.array(1)]),
    Case("index_add", lambda t, x, i, s: x.index_add(1, i, s * s), [(2, 3), PICK, (2, 2)]),
    Case("index_add twice at one place", lambda t, x, i, s: x.index_add(0, i, s, alpha=2),
         [(3, 9), np.array([1, 1]), (2, 9)]),
    Case("index_copy", lambda t, x, i, s: x.index_copy(0, i, s * s), [(3, 4), PICK, (2, 4)]),
    Case("index_fill", lambda t, x, i: (x * x).index_fill(1, i, 0.5), [(2, 3), PICK]),
    Case("index_fill with a tensor", lambda t, x, i, v: x.index_fill(0, i, v), [(3, 2), PICK, ()]),
    Case("index_put", lambda t, x, i, j, v: x.index_put((i, j), v * v),
         [(3, 4), PICK, np.array([1, 3]), (2,)]),
    Case("index_put accumulates", lambda t, x, i, v: x.index_put((i,), v, accumulate=True),
         [(3, 9), np.array([1, 1]), (2, 9)]),
    Case("index_put accumulates a row", lambda t, x, i, v: x.index_put((i,), v, accumulate=True),
         [(3, 9), np.array([1, 1]), (9,)]),
    Case("index_put at a mask", lambda t, x, m, v: x.index_put((m,), v), [(2, 3), MASK, ()]),
    Case("take", lambda t, x, i: x.take(i), [(2, 3), np.array([[5, 0], [1, 5]])]),
    Case("take from behind", lambda t, x, i: t.take(x, i), [(2, 3), np.array([-1, -6])]),
    Case("take_along_dim", lambda t, x, i: t.take_along_dim(x, i, 1),
         [(2, 3), np.array([[2], [0]])]),
    Case("take_along_dim broadcasts", lambda t, x, i: x.take_along_dim(i, 1),
         [(2, 3), np.array([[2, 0]])]),
    Case("take_along_dim of all", lambda t, x, i: x.take_along_dim(i), [(2, 3), PICK]),
    Case("put", lambda t, x, i, s: x.put(i, s), [(2, 3), np.array([4, -6]), (2,)]),
    Case("put adding up", lambda t, x, i, s: t.put(x, i, s, accumulate=True),
         [(2, 3), np.array([[1, 4], [4, 0]]), (4,)]),
    Case("select_scatter", lambda t, x, s: x.select_scatter(s, 1, -1), [(2, 3, 4), (2, 4)]),
    Case("slice_scatter", lambda t, x, s: t.slice_scatter(x, s, 1, 0, 4, 2), [(2, 5), (2, 2)]),
    Case("diagonal_scatter", lambda t, x, s: x.diagonal_scatter(s, -1), [(3, 4), (2,)]),
    Case("diagonal_scatter in other dims",
         lambda t, x, s: t.diagonal_scatter(x, s, 1, 0, 2), [(3, 2, 4), (2, 3)]),
    Case("masked_fill", lambda t, x, m: (x * x).masked_fill(m, 0.5), [(2, 3), MASK]),
    Case("masked_fill broadcasts", lambda t, x, m: t.masked_fill(x, m, -1.0),
         [(2, 2, 3), MASK[:1]]),
    Case("masked_fill with a tensor", lambda t, x, m, v: x.masked_fill(m, v), [(2, 3), MASK, ()]),
    Case("masked_select", lambda t, x, m: x.masked_select(m) ** 2, [(2, 3), MASK]),
    Case("masked_select broadcasts", lambda t, x, m: t.masked_select(x, m), [(2, 1), MASK]),
    Case("masked_scatter", lambda t, x, m, s: x.masked_scatter(m, s * s), [(2, 3), MASK, (5,)]),
    Case("nonzero", lambda t, x: t.nonzero(x), [np.array([[0, 1], [2, 0]])], grad=False),
    Case("nonzero of floats", lambda t, x: x.nonzero(), [WITH_ZEROS], grad=False),
    Case("nonzero of a number", lambda t, x: x.nonzero(), [np.array(3)], grad=False),
    Case("nonzero of zero", lambda t, x: x.nonzero(), [np.array(0)], grad=False),
    Case("nonzero as a tuple", lambda t, x: x.nonzero(as_tuple=True), [MASK], grad=False),
    Case("argwhere", lambda t, x: t.argwhere(x), [MASK], grad=False),
    Case("where without values", lambda t, x: t.where(x), [MASK], grad=False),
]  # fmt: skip
