"""Rows for andon/ops/arithmetic.py."""

from cases import Case

CASES = [
    Case("add broadcasts a row", lambda t, a, b: a + b, [(3, 4), (4,)]),
    Case("mul broadcasts both ways", lambda t, a, b: a * b, [(3, 1), (1, 4)]),
]
