"""Rows for andon/ops/elementwise.py."""

import numpy as np

from cases import Case

HALF = ("float64", "float32", "float16", "bfloat16")
INTS = np.array([[0, 1, 2], [3, 4, 5]])

DOMAINS = {
    "square": (-2, 2), "sqrt": (0.2, 4), "rsqrt": (0.2, 4), "reciprocal": (0.3, 3),
    "exp": (-2, 2), "exp2": (-2, 2), "expm1": (-2, 2),
    "log": (0.2, 4), "log2": (0.2, 4), "log10": (0.2, 4), "log1p": (-0.7, 3),
    "sin": (-4, 4), "cos": (-4, 4), "tan": (-1.2, 1.2),
    "asin": (-0.9, 0.9), "acos": (-0.9, 0.9), "atan": (-3, 3),
    "sinh": (-2, 2), "cosh": (-2, 2), "tanh": (-2, 2),
    "asinh": (-3, 3), "acosh": (1.2, 4), "atanh": (-0.9, 0.9),
    "deg2rad": (-180, 180), "rad2deg": (-3, 3), "sigmoid": (-4, 4), "frac": (-3, 3),
}  # fmt: skip
STEPS = ("floor", "ceil", "trunc", "round")


def call(name):
    return lambda t, x: getattr(t, name)(x)


CASES = [
    *[Case(f"{name}", call(name), [(3, 4)], *range_, dtypes=HALF)
      for name, range_ in DOMAINS.items()],
    *[Case(f"{name} of 0-dim", call(name), [()], *range_) for name, range_ in DOMAINS.items()],
    *[Case(f"{name} of integers", call(name), [INTS], grad=False, rtol=1e-6)
      for name in DOMAINS if name != "frac"],
    *[Case(f"{name} is flat", call(name), [(3, 4)], -3, 3, dtypes=HALF) for name in STEPS],
    *[Case(f"{name} of integers", call(name), [INTS], grad=False) for name in STEPS],
    Case("square of booleans", call("square"), [np.array([True, False])], grad=False),
    Case("exp of booleans", call("exp"), [np.array([True, False])], grad=False, rtol=1e-6),
    Case("exp of nothing", call("exp"), [(0, 3)]),
    Case("exp of a transposed operand", lambda t, x: x.transpose(0, 1).exp(), [(3, 4)]),
    Case("sigmoid of a strided operand", lambda t, x: x[:, ::2].sigmoid(), [(3, 4)]),
    Case("fix is trunc", lambda t, x: t.fix(x), [(3,)], -3, 3),
    Case("round to even", lambda t, x: t.round(x), [np.array([0.5, 1.5, 2.5, -0.5, -1.5])],
         grad=False),
    Case("round to decimals", lambda t, x: t.round(x, decimals=2), [(3, 4)],
         dtypes=("float64", "float32")),
    Case("round to hundreds", lambda t, x: t.round(x, decimals=-2), [(3, 4)], -999, 999,
         dtypes=("float64", "float32")),
]  # fmt: skip
