"""Rows for andon/ops/logic.py."""

import numpy as np

from cases import Case

HALF = ("float64", "float32", "float16", "bfloat16")
INTS = np.array([[6, -7, 0], [-5, 3, 2]])
FEW = np.array([6, 3, 2])
BOOLS = np.array([True, False, True])
OTHERS = np.array([[True], [False]])
EDGES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5])
ONE = 1
SHIFTS = np.array([0, 3, 70])


def call(name):
    return lambda t, *xs: getattr(t, name)(*xs)


def rows(name, *operands):
    return Case(f"{name} of {operands[0].dtype}", call(name), list(operands), grad=False)


CASES = [
    *[Case(name, call(name), [EDGES, np.array([[0.0], [1.5]])], grad=False, dtypes=HALF)
      for name in ("eq", "ne", "gt", "ge", "lt", "le", "greater", "less_equal", "not_equal")],
    *[rows(name, INTS, FEW) for name in ("eq", "ne", "gt", "ge", "lt", "le")],
    Case("comparison operators", lambda t, x: (x == 0, x != 0, x > 0, x >= 0, x < 0, x <= 0),
         [EDGES], grad=False),
    Case("comparison with a number on the left", lambda t, x: (x < ONE, x == ONE), [INTS],
         grad=False),
    Case("comparison of integers and floats", lambda t, i, x: i > x, [INTS, (3,)], grad=False),
    Case("comparison of 0-dim", lambda t, x: x > 0, [()], grad=False),
    Case("comparison of nothing", lambda t, x: x > 0, [(0, 2)], grad=False),
    Case("comparison of uint8 wraps numbers", lambda t, x: x < 300,
         [np.array([1, 50, 200], np.uint8)], grad=False),
    Case("where", lambda t, c, a, b: t.where(c, a, b), [BOOLS, (2, 3), (3,)], dtypes=HALF),
    Case("where between a tensor and a number", lambda t, c, a: t.where(c, a, 0.5),
         [BOOLS, (2, 3)], dtypes=HALF),
    Case("where between numbers", lambda t, c: (t.where(c, 1.0, 0.0), t.where(c, 1, 0)), [BOOLS],
         grad=False),
    Case("where between integers and floats", lambda t, c, a: t.where(c, a, 2.5), [BOOLS, FEW],
         grad=False),
    Case("where as a method", lambda t, a, c: a.where(c, 1.0), [(2, 3), BOOLS]),
    Case("where of many", lambda t, a: t.where(a > 0, a, 0.0), [(70, 70)]),
    Case("where alone", lambda t, c: t.where(c), [OTHERS], grad=False),
    *[Case(name, call(name), [EDGES], grad=False, dtypes=HALF)
      for name in ("isnan", "isinf", "isfinite", "isposinf", "isneginf", "isreal", "signbit")],
    *[rows(name, INTS) for name in ("isnan", "isinf", "isfinite", "signbit")],
    Case("isclose", lambda t, x: t.isclose(x, x + 1e-6), [EDGES], grad=False,
         dtypes=("float64",)),
    Case("isclose with NaNs equal", lambda t, x: t.isclose(x, x, equal_nan=True), [EDGES],
         grad=False),
    Case("isclose with tolerances", lambda t, x: t.isclose(x, x * 1.1, rtol=0.05, atol=0.1),
         [(20,)], grad=False),
    Case("isclose of integers", lambda t, x: t.isclose(x, x + 1, rtol=0.2), [INTS], grad=False),
    *[Case(name, call(name), [EDGES, np.array([[0], [2]])], grad=False, dtypes=HALF)
      for name in ("logical_and", "logical_or", "logical_xor")],
    Case("logical_not", call("logical_not"), [EDGES], grad=False, dtypes=HALF),
    *[rows(name, operand, *rest) for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
      for operand, *rest in ((INTS, FEW), (BOOLS, OTHERS))],
    rows("bitwise_not", INTS), rows("bitwise_not", BOOLS),
    rows("bitwise_left_shift", INTS, SHIFTS), rows("bitwise_right_shift", INTS, SHIFTS),
    Case("bitwise operators", lambda t, i: (i & 3, 3 | i, i ^ 1, ~i, i << 1, 1 << (i & 7), i >> 1),
         [INTS], grad=False),
    Case("mask operators", lambda t, a, b: ((a & b) | ~a, a ^ b, a & True), [BOOLS, OTHERS],
         grad=False),
]  # fmt: skip
