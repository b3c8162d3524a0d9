"""Rows for andon/ops/softmax.py."""

import numpy as np

from cases import Case

ALL = ("float64", "float32", "float16", "bfloat16")
MASKED = np.array([[0.5, -np.inf, 1.0], [2.0, -1.0, -np.inf], [-np.inf, 0.0, -np.inf]])
SPREAD = np.array([[100.0, 99.0, 98.0], [-100.0, -101.0, -99.0], [0.0, 1e3, -1e3]])

CASES = [
    Case("softmax over rows", lambda t, x: t.softmax(x, -1), [(3, 5)], dtypes=ALL),
    Case("softmax over columns", lambda t, x: t.softmax(x, 0), [(3, 5)], dtypes=ALL),
    Case("softmax over a middle dim", lambda t, x: x.softmax(dim=1), [(2, 3, 4)]),
    Case("softmax of rows far apart", lambda t, x: t.softmax(x, 1), [SPREAD]),
    Case("softmax of masked scores", lambda t, x: t.softmax(x, -1), [MASKED], grad=False),
    Case("softmax of nothing but -inf is nan", lambda t, x: t.softmax(x, 0),
         [np.full(3, -np.inf)], grad=False),
    Case("softmax without dims", lambda t, x: t.softmax(x, 0), [()]),
    Case("softmax of no rows", lambda t, x: t.softmax(x, 1), [(0, 3)]),
    Case("softmax of empty rows", lambda t, x: t.softmax(x, 1), [(3, 0)]),
    Case("softmax of a transposed view", lambda t, x: t.softmax(x.transpose(0, 1), 1), [(4, 3)]),
    Case("softmax over more rows than a block", lambda t, x: t.softmax(x, 1), [(700, 101)]),
    Case("softmax in another dtype", lambda t, x: t.softmax(x, 0, dtype=t.float64),
         [np.arange(4)], grad=False),
    Case("softmin", lambda t, x: t.nn.functional.softmin(x, 1), [(3, 4)]),
    Case("log_softmax over rows", lambda t, x: t.log_softmax(x, -1), [(3, 5)], dtypes=ALL),
    Case("log_softmax over columns", lambda t, x: x.log_softmax(0), [(3, 5)]),
    Case("log_softmax of rows far apart", lambda t, x: t.log_softmax(x, 1), [SPREAD]),
    Case("log_softmax of masked scores", lambda t, x: t.log_softmax(x, -1), [MASKED],
         grad=False),
    Case("log_softmax without dims", lambda t, x: t.log_softmax(x, 0), [()]),
]  # fmt: skip
