"""Rows for andon/ops/index.py: reading and writing by position."""

import numpy as np

from cases import Case

ROWS = np.array([2, 0, 2])
GRID = np.array([[0, 1], [2, 1]])
MASK = np.array([[True, False, True], [False, False, True]])


def assigned(t, x, value, index):
    """A copy of x with `value` assigned at `index`."""
    y = x.clone()
    y[index] = value
    return y


CASES = [
    Case("as_strided", lambda t, x: x.as_strided((2, 2), (1, 2), 1), [(2, 3)]),
    Case("as_strided in windows", lambda t, x: t.as_strided(x * 1, (4, 3), (1, 1)), [(6,)]),
    Case("as_strided to nothing", lambda t, x: x.as_strided((0, 2), (1, 1)), [(3,)]),
    Case("index an int and a slice", lambda t, x: x[1, ::2], [(3, 5)]),
    Case("index a single element", lambda t, x: x[1, -2] * 2.0, [(3, 5)]),
    Case("index None and dots", lambda t, x: x[None, ..., 1:], [(2, 3, 4)]),
    Case("index nothing", lambda t, x: x[...] * x[()], [(3,)]),
    Case("index an empty slice", lambda t, x: x[2:2], [(3, 2)]),
    Case("index a list", lambda t, x: x[[2, 0, 2]], [(3, 5)]),
    Case("index a tensor", lambda t, x, i: x[i], [(3, 5), ROWS]),
    Case("index a tensor of two dims", lambda t, x, i: x[i], [(3, 5), GRID]),
    Case("index a tensor in the last dim", lambda t, x, i: x[:, i], [(2, 3), GRID]),
    Case("index two tensors side by side", lambda t, x, i: x[:, i, i], [(2, 3, 3), ROWS]),
    Case("index two tensors apart", lambda t, x, i: x[i, :, i], [(3, 2, 3), ROWS]),
    Case("index tensors that broadcast", lambda t, x, i, j: x[i, j], [(3, 3), GRID, ROWS[:2]]),
    Case("index negative positions", lambda t, x: x[[-1, -3]], [(3, 2)]),
    Case("index a mask", lambda t, x, m: x[m], [(2, 3), MASK]),
    Case("index a mask of the first dim", lambda t, x: x[[True, False, True]], [(3, 2)]),
    Case("index a mask and an int", lambda t, x, m: x[:, m[0], 1], [(2, 3, 2), MASK]),
    Case("index true", lambda t, x: x[True], [(2, 3)]),
    Case("index false", lambda t, x: x[False], [(2, 3)]),
    Case("index float16", lambda t, x: x[[1, 1]], [(3, 2)], dtypes=("float16", "bfloat16")),
    Case("index ints", lambda t, x: x[[1, 0]], [np.arange(6).reshape(3, 2)], grad=False),
    Case("index rows of many columns", lambda t, x, i: x[i] * x[i], [(3, 9), ROWS]),
    Case("index columns of many rows", lambda t, x, i: x[:, i] ** 2, [(9, 3), ROWS]),
    Case("index without positions", lambda t, x: x[[]], [(3, 2)]),
    Case("assign a slice", lambda t, x, v: assigned(t, x, v * v, slice(1, None)), [(3, 2), (2,)]),
    Case("assign a number", lambda t, x: assigned(t, x * x, 3.0, (slice(None), 0)), [(3, 2)]),
    Case("assign at a list", lambda t, x, v: assigned(t, x, v * v, [2, 0]), [(3, 4), (2, 4)]),
    Case("assign at a mask", lambda t, x, m: assigned(t, x * x, 0.5, m), [(2, 3), MASK]),
    Case("assign with leading ones", lambda t, x, v: assigned(t, x, v, 1), [(3, 2), (1, 1, 2)]),
    Case(
        "assign at tensors and slices",
        lambda t, x, v, i: assigned(t, x, v * v, (slice(1), slice(None), i)),
        [(2, 3, 4), (3, 2), ROWS[:2]],
    ),
    Case(
        "assign a sum to a part of itself",
        lambda t, x: assigned(t, x, x[0] + x[1], 1),
        [(2, 3)],
    ),
]
