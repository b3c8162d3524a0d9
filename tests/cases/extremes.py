"""Rows for andon/ops/extremes.py."""

import numpy as np

from cases import Case

HALF = ("float64", "float32", "float16", "bfloat16")
INTS = np.array([[7, -7, 0], [-5, 3, -1]])
BOOLS = np.array([True, False, True])
EDGES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5])

CASES = [
    Case("abs", lambda t, x: t.abs(x), [(3, 4)], dtypes=HALF, second=False),
    Case("abs of integers", lambda t, x: abs(x), [INTS], grad=False),
    Case("sign", lambda t, x: t.sign(x), [(3, 4)], dtypes=HALF),
    Case("sign of integers", lambda t, x: t.sgn(x), [INTS], grad=False),
    Case("sign of booleans", lambda t, x: t.sign(x), [BOOLS], grad=False),
    Case("sign of NaN", lambda t, x: t.sign(x), [EDGES], grad=False, dtypes=HALF),
    Case("copysign", lambda t, a, b: t.copysign(a, b), [(3, 1), (4,)], dtypes=HALF),
    Case("copysign of integers", lambda t, x: t.copysign(x, -1), [INTS], grad=False),
    Case("heaviside", lambda t, x, v: t.heaviside(x, v), [EDGES, (1,)], grad=False, dtypes=HALF),
    Case("heaviside of integers", lambda t, x: t.heaviside(x, x + 5), [INTS], grad=False),
    Case("nan_to_num", lambda t, x: t.nan_to_num(x), [EDGES], grad=False, dtypes=HALF),
    Case("nan_to_num to given numbers", lambda t, x: t.nan_to_num(x, 1.0, 2.0, 3.0), [EDGES],
         grad=False, dtypes=HALF),
    Case("nan_to_num of finite numbers", lambda t, x: t.nan_to_num(x), [(3,)]),
    Case("nan_to_num of integers", lambda t, x: t.nan_to_num(x), [INTS], grad=False),
    Case("maximum", lambda t, a, b: t.maximum(a, b), [(3, 1), (4,)], dtypes=HALF),
    Case("maximum of NaN", lambda t, x: t.maximum(x, x * 0), [EDGES], grad=False, dtypes=HALF),
    Case("maximum of booleans", lambda t, x: t.maximum(x, ~x), [BOOLS], grad=False),
    Case("maximum of integers and floats", lambda t, i, x: t.maximum(i, x), [INTS, (3,)]),
    Case("minimum", lambda t, a, b: t.minimum(a, b), [(3, 1), (4,)], dtypes=HALF),
    Case("minimum of NaN", lambda t, x: t.minimum(x, x * 0), [EDGES], grad=False, dtypes=HALF),
    Case("fmax", lambda t, a, b: t.fmax(a, b), [(3, 1), (4,)]),
    Case("fmax ignores NaN", lambda t, x: t.fmax(x, 0 * x + 1), [EDGES], grad=False),
    Case("fmin", lambda t, a, b: t.fmin(a, b), [(3, 1), (4,)]),
    Case("fmin ignores NaN", lambda t, x: t.fmin(x, 0 * x + 1), [EDGES], grad=False),
    Case("clamp", lambda t, x: t.clamp(x, -0.5, 0.5), [(3, 4)], dtypes=HALF),
    Case("clamp below", lambda t, x: x.clamp(min=0.25), [(3, 4)], dtypes=HALF),
    Case("clamp above", lambda t, x: x.clip(max=0.25), [(3, 4)], dtypes=HALF),
    Case("clamp between tensors", lambda t, x, a, b: t.clamp(x, a, b), [(3, 4), (4,), (3, 1)]),
    Case("clamp of NaN", lambda t, x: t.clamp(x, -1, 1), [EDGES], grad=False, dtypes=HALF),
    Case("clamp with min > max", lambda t, x: t.clamp(x, 1, -1), [(3, 4)]),
    Case("clamp of integers", lambda t, x: t.clamp(x, -1, 2), [INTS], grad=False),
    Case("clamp of integers to a float", lambda t, x: t.clamp(x, 0.5), [INTS], grad=False),
    Case("clamp_min", lambda t, x: t.clamp_min(x, min=0.5), [(3, 4)]),
    Case("clamp_max", lambda t, x: t.clamp_max(x, 0.5), [(3, 4)]),
]  # fmt: skip
