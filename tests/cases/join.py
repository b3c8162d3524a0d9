"""Rows for andon/ops/join.py."""

import numpy as np

from cases import Case

NARROW = ("float64", "float32", "float16", "bfloat16")
INTS = np.arange(6, dtype=np.int64).reshape(2, 3)
BOOLS = np.array([[True, False, True]])

CASES = [
    Case("cat", lambda t, x, y: t.cat([x, y]), [(2, 3), (1, 3)], dtypes=NARROW),
    Case("cat along the last dim", lambda t, x, y: t.cat((x, y), dim=-1), [(2, 3), (2, 1)]),
    Case("cat in NumPy's words", lambda t, x, y: t.concatenate((x, y), axis=1), [(2, 3), (2, 1)]),
    Case("cat of one tensor twice", lambda t, x: t.concat([x, x * 2, x]), [(2, 3)]),
    Case("cat with nothing in it", lambda t, x, y: t.cat([x, y], 1), [(2, 3), (2, 0)]),
    Case("cat skips an empty vector", lambda t, x: t.cat([t.tensor([]), x]), [(2, 3)]),
    Case("cat promotes", lambda t, x, n: t.cat([n, x]), [(1, 3), INTS]),
    Case("cat promotes booleans", lambda t, b, n: t.cat([b, n]), [BOOLS, INTS], grad=False),
    Case("stack", lambda t, x, y: t.stack([x, y]), [(2, 3), (2, 3)], dtypes=NARROW),
    Case("stack at the end", lambda t, x, y: t.stack((x, y), dim=-1), [(2, 3), (2, 3)]),
    Case("stack of scalars", lambda t, x, y: t.stack([x, y, x]), [(), ()]),
    Case("stack promotes", lambda t, x, n: t.stack([x, n], 1), [(2, 3), INTS]),
    Case("split into equal parts", lambda t, x: x.split(2), [(5, 2)]),
    Case("split into sizes", lambda t, x: x.split(split_size=[1, 0, 3], dim=-1), [(2, 4)]),
    Case("split of nothing", lambda t, x: t.split(x, 2), [(0, 2)]),
    Case("one part of a split", lambda t, x: x.split([1, 2, 1], 1)[1], [(2, 4)]),
    Case("chunk", lambda t, x: x.chunk(3), [(7, 2)]),
    Case("chunk into fewer", lambda t, x: t.chunk(x, 4, dim=1), [(2, 5)]),
    Case("chunk of nothing", lambda t, x: x.chunk(3), [(0,)]),
    Case("tensor_split", lambda t, x: x.tensor_split(3), [(5,)]),
    Case("tensor_split at indices", lambda t, x: t.tensor_split(x, (1, -1, 9), 1), [(2, 5)]),
    Case("tensor_split at a tensor", lambda t, x: x.tensor_split(t.tensor([1, 3])), [(5,)]),
    Case("tensor_split out of order", lambda t, x: x.tensor_split((3, 1)), [(5,)]),
    Case("hsplit, vsplit", lambda t, x: (*x.hsplit(2), *t.vsplit(x, [1])), [(2, 4)]),
    Case("dsplit", lambda t, x: t.dsplit(x, 2), [(1, 2, 4)]),
    Case("unbind", lambda t, x: x.unbind(1), [(2, 3)]),
    Case("unbind of a vector", lambda t, x: t.unbind(x)[1], [(3,)]),
    Case("narrow", lambda t, x: x.narrow(1, 1, 2), [(2, 4)]),
    Case("narrow from the end", lambda t, x: t.narrow(x, 0, -2, 1), [(3, 2)]),
    Case("select", lambda t, x: x.select(1, -1), [(2, 4)]),
    Case("hstack of matrices", lambda t, x, y: t.hstack([x, y]), [(2, 3), (2, 1)]),
    Case("hstack of a scalar and a vector", lambda t, x, y: t.hstack([x, y]), [(), (3,)]),
    Case("column_stack", lambda t, x, y: t.column_stack([x, y]), [(2,), (2, 3)]),
    Case("vstack", lambda t, x, y: t.vstack([x, y]), [(3,), (2, 3)]),
    Case("dstack", lambda t, x, y: t.dstack([x, y]), [(3,), (1, 3)]),
    Case("dstack of matrices", lambda t, x, y: t.dstack([x, y]), [(2, 3), (2, 3, 2)]),
]
