"""Rows for andon/ops/attention.py."""

import numpy as np

from andon.ops.random import random_kept
from cases import Case

SEEN = np.array([[True, False, True, True], [False, False, False, True], [True] * 4])
NONE_SEEN = np.array([[True, False, True, True], [False] * 4, [True] * 4])


def attend(t, *operands, **options):
    return t.nn.functional.scaled_dot_product_attention(*operands, **options)


def dropped(t, q, k, v, **options):
    """Attention that drops weights: torch's, written out, with what andon draws."""
    if t.__name__ == "andon":
        t.manual_seed(1)
        return attend(t, q, k, v, dropout_p=0.4, **options)
    scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5
    if options:
        scores = scores.masked_fill(~t.ones(scores.shape[-2:], dtype=t.bool).tril(), -np.inf)
    kept = random_kept.reference(np.array([1, 0]), p=0.4, shape=tuple(scores.shape))
    return t.softmax(scores, -1) * t.tensor(kept) / 0.6 @ v


QKV = [(2, 3, 3, 5), (2, 3, 4, 5), (2, 3, 4, 2)]

CASES = [
    Case("attention", attend, QKV, dtypes=("float64", "float32")),
    Case("attention in half precision", attend, QKV, dtypes=("float16", "bfloat16"), rtol=1e-2,
         grad=False),
    Case("attention scaled", lambda t, *x: attend(t, *x, scale=0.3), QKV),
    Case("attention of one head", attend, [(3, 5), (4, 5), (4, 2)]),
    Case("attention without queries", attend, [(2, 0, 5), (2, 4, 5), (2, 4, 2)]),
    Case("causal attention", lambda t, *x: attend(t, *x, is_causal=True), [(2, 6, 5)] * 3),
    Case("causal attention over several tiles", lambda t, *x: attend(t, *x, is_causal=True),
         [(2, 150, 4)] * 3, second=False),
    Case("causal attention with more keys", lambda t, *x: attend(t, *x, is_causal=True),
         [(3, 5), (7, 5), (7, 2)]),
    Case("causal attention with fewer keys", lambda t, *x: attend(t, *x, is_causal=True),
         [(130, 5), (7, 5), (7, 2)], second=False),
    Case("attention by a boolean mask", lambda t, q, k, v, m: attend(t, q, k, v, m),
         [*QKV, SEEN]),
    Case("attention of a query that sees nothing", lambda t, q, k, v, m: attend(t, q, k, v, m),
         [*QKV, NONE_SEEN]),
    Case("attention with a bias", lambda t, q, k, v, m: attend(t, q, k, v, m), [*QKV, (3, 4)]),
    Case("attention with a bias per head", lambda t, q, k, v, m: attend(t, q, k, v, m),
         [*QKV, (1, 3, 1, 4)]),
    Case("attention with shared heads", lambda t, *x: attend(t, *x, enable_gqa=True),
         [(2, 4, 3, 5), (2, 2, 4, 5), (2, 2, 4, 2)]),
    Case("attention that drops weights", dropped, QKV, dtypes=("float64", "float32")),
    Case("causal attention that drops weights", lambda t, *x: dropped(t, *x, is_causal=True),
         [(2, 7, 5)] * 3),
    Case("attention that drops weights of several tiles",
         lambda t, *x: dropped(t, *x, is_causal=True), [(3, 150, 4)] * 3, second=False),
    Case("attention that drops all weights", lambda t, *x: attend(t, *x, dropout_p=1.0), QKV,
         grad=False),
    Case("attention to keys that all samples share", attend, [(2, 3, 5), (1, 4, 5), (1, 4, 2)]),
]  # fmt: skip
