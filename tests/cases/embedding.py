"""Rows for andon/ops/embedding.py."""

import numpy as np

from cases import Case

INDICES = np.array([[0, 3, 3], [1, 0, 3]])
OFFSETS = np.array([0, 2, 2, 5])


def f(t):
    return t.nn.functional


CASES = [
    Case("embedding", lambda t, i, w: f(t).embedding(i, w), [INDICES, (5, 4)],
         dtypes=("float64", "float32", "float16", "bfloat16")),
    Case("embedding with padding", lambda t, i, w: f(t).embedding(i, w, padding_idx=-1),
         [INDICES, (5, 4)]),
    Case("embedding of one index", lambda t, i, w: f(t).embedding(i, w), [np.array(2), (5, 4)]),
    Case("embedding of no indices", lambda t, i, w: f(t).embedding(i, w),
         [np.zeros((0, 2), np.int64), (5, 4)]),
    Case("embedding squared", lambda t, i, w: f(t).embedding(i, w) ** 2, [INDICES, (5, 4)]),
    Case("embedding by small integers", lambda t, i, w: f(t).embedding(i, w),
         [INDICES.astype(np.int32), (5, 4)]),
    Case("embedding_bag", lambda t, i, w: f(t).embedding_bag(i, w), [INDICES, (5, 4)],
         second=False),
    Case("embedding_bag with offsets", lambda t, i, o, w: f(t).embedding_bag(i, w, o, mode="sum"),
         [INDICES.reshape(-1), OFFSETS, (5, 4)], second=False),
    Case("embedding_bag averages", lambda t, i, o, w: f(t).embedding_bag(i, w, o, padding_idx=3),
         [INDICES.reshape(-1), OFFSETS, (5, 4)], second=False),
    Case("embedding_bag weighted",
         lambda t, i, w, s: f(t).embedding_bag(i, w, mode="sum", per_sample_weights=s),
         [INDICES, (5, 4), (2, 3)], second=False),
    Case("embedding_bag largest", lambda t, i, w: f(t).embedding_bag(i, w, mode="max"),
         [INDICES, (5, 4)], second=False),
    Case("embedding_bag largest with offsets",
         lambda t, i, o, w: f(t).embedding_bag(i, w, o, mode="max"),
         [INDICES.reshape(-1), OFFSETS, (5, 4)], second=False),
    Case("one_hot", lambda t, i: f(t).one_hot(i), [INDICES], grad=False),
    Case("one_hot of given width", lambda t, i: f(t).one_hot(i, 6), [INDICES], grad=False),
]  # fmt: skip
