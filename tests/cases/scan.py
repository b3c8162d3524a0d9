"""Rows for andon/ops/scan.py."""

import numpy as np

from cases import Case

NARROW = ("float64", "float32", "float16", "bfloat16")
INTS = np.arange(6, dtype=np.int32).reshape(2, 3) - 2
BOOLS = np.array([[True, False, True], [True, True, True]])
TIES = np.array([[1.0, 1.0, 3.0, 0.5, 3.0], [2.0, np.nan, 5.0, np.nan, 1.0]])
ZEROS = np.array([[2.0, 0.0, 3.0, 1.5], [0.0, 0.0, 5.0, -1.0], [1.5, -2.0, 4.0, 0.0]])
GAPS = np.array([[-np.inf, -np.inf, 1.0, 2.0], [0.5, -np.inf, 1000.0, 2.0]])


def values(name, call, operands, **options):
    """A row without derivatives."""
    return Case(name, call, operands, grad=False, **options)


CASES = [
    Case("cumsum", lambda t, x: x.cumsum(0), [(3, 4)], dtypes=NARROW),
    Case("cumsum along the last dim", lambda t, x: t.cumsum(x, axis=-1), [(3, 4)]),
    Case("cumsum of a scalar", lambda t, x: x.cumsum(0), [()]),
    Case("cumsum of nothing", lambda t, x: x.cumsum(1), [(2, 0)]),
    Case("cumsum in another dtype", lambda t, x: x.cumsum(0, dtype=t.float64), [(3,)]),
    values(
        "cumsum of integers and booleans", lambda t, x, b: (x.cumsum(1), b.cumsum(0)), [INTS, BOOLS]
    ),
    Case("cumprod", lambda t, x: x.cumprod(1), [(3, 4)], dtypes=NARROW),
    Case("cumprod along the first dim", lambda t, x: t.cumprod(x, dim=0), [(3, 4)]),
    Case("cumprod with zeros", lambda t, x: x.cumprod(1), [ZEROS]),
    Case("cumprod of a scalar", lambda t, x: x.cumprod(-1), [()]),
    values("cumprod of integers", lambda t, x: x.cumprod(1), [INTS]),
    Case("cummax", lambda t, x: x.cummax(1), [(3, 5)], dtypes=NARROW),
    Case("cummin", lambda t, x: t.cummin(x, 0), [(5, 3)], dtypes=NARROW),
    Case("cummax of a scalar", lambda t, x: x.cummax(0), [()]),
    values("cummax of ties and NaN", lambda t, x: (x.cummax(1), x.cummin(1)), [TIES]),
    values("cummax of integers", lambda t, x: (x.cummax(0), x.cummin(1)), [INTS]),
    Case("logcumsumexp", lambda t, x: x.logcumsumexp(1), [(3, 4)], dtypes=("float64", "float32")),
    Case("logcumsumexp, far apart", lambda t, x: (x * 300).logcumsumexp(0), [(4, 2)], second=False),
    Case("logcumsumexp of a scalar", lambda t, x: t.logcumsumexp(x, 0), [()]),
    values("logcumsumexp of -∞", lambda t, x: x.logcumsumexp(1), [GAPS]),
    Case("diff", lambda t, x: x.diff(), [(2, 4)]),
    Case("diff twice along a dim", lambda t, x: t.diff(x, n=2, dim=0), [(4, 2)]),
    Case("diff with ends", lambda t, x, a: t.diff(x, prepend=a, append=a), [(2, 3), (2, 1)]),
    values("diff to nothing", lambda t, x: x.diff(n=5), [(2, 3)]),
    values("diff of booleans", lambda t, x: x.diff(dim=1), [BOOLS]),
]
