"""Rows for andon/ops/linear.py."""

from cases import Case

CASES = [
    Case("linear", lambda t, x, w, b: t.nn.functional.linear(x, w, b), [(5, 3), (4, 3), (4,)]),
    Case("linear of a batch", lambda t, x, w, b: t.nn.functional.linear(x, w, b),
         [(2, 5, 3), (4, 3), (4,)], dtypes=("float64", "float32", "bfloat16")),
    Case("linear of a vector", lambda t, x, w, b: t.nn.functional.linear(x, w, b),
         [(3,), (4, 3), (4,)]),
    Case("linear without a bias", lambda t, x, w: t.nn.functional.linear(x, w), [(2, 3), (4, 3)]),
    Case("linear with one output as a vector", lambda t, x, w: t.nn.functional.linear(x, w),
         [(2, 3), (3,)]),
    Case("linear of no rows", lambda t, x, w, b: t.nn.functional.linear(x, w, b),
         [(0, 3), (4, 3), (4,)]),
    Case("bilinear", lambda t, x, y, w, b: t.nn.functional.bilinear(x, y, w, b),
         [(5, 3), (5, 2), (4, 3, 2), (4,)]),
]  # fmt: skip
