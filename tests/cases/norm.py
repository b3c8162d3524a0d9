"""Rows for andon/ops/norm.py, batch_norm.py and distance.py."""

import numpy as np

from cases import Case

ALL = ("float64", "float32", "float16", "bfloat16")
FAR = np.random.default_rng(0).normal(1e3, 1.0, (4, 8))


def f(t):
    return t.nn.functional


def batch_norm_in_training(t, x, w, b):
    """The result and the running statistics that it leaves behind."""
    mean, var = t.zeros(x.shape[1], dtype=x.dtype), t.ones(x.shape[1], dtype=x.dtype)
    y = f(t).batch_norm(x, mean, var, w, b, training=True, momentum=0.3, eps=1e-3)
    return y, mean, var


def instance_norm_in_training(t, x, w, b):
    mean, var = t.zeros(x.shape[1], dtype=x.dtype), t.ones(x.shape[1], dtype=x.dtype)
    y = f(t).instance_norm(x, mean, var, w, b, use_input_stats=True, momentum=0.3)
    return y, mean, var


CASES = [
    Case("layer_norm", lambda t, x, w, b: t.layer_norm(x, (5,), w, b), [(3, 5), (5,), (5,)],
         dtypes=ALL),
    Case("layer_norm over two dims", lambda t, x, w, b: t.layer_norm(x, (3, 4), w, b, 1e-3),
         [(2, 3, 4), (3, 4), (3, 4)]),
    Case("layer_norm without weights", lambda t, x: t.layer_norm(x, [6]), [(2, 2, 6)]),
    Case("layer_norm without a bias", lambda t, x, w: t.layer_norm(x, [6], w), [(2, 6), (6,)]),
    Case("layer_norm with a bias alone", lambda t, x, b: t.layer_norm(x, [6], None, b),
         [(2, 6), (6,)], second=False),
    Case("layer_norm of one row", lambda t, x: t.layer_norm(x, (6,)), [(6,)]),
    Case("layer_norm of no rows", lambda t, x, w: t.layer_norm(x, (6,), w), [(0, 6), (6,)]),
    Case("layer_norm far from zero", lambda t, x: t.layer_norm(x, (8,)), [FAR],
         dtypes=("float64",)),
    Case("layer_norm of a view", lambda t, x, w: t.layer_norm(x.transpose(0, 1), (3,), w),
         [(3, 5), (3,)]),
    Case("layer_norm over more rows than a block", lambda t, x, w: t.layer_norm(x, (300,), w),
         [(500, 300), (300,)], second=False, rtol=1e-7),
    Case("rms_norm", lambda t, x, w: t.rms_norm(x, (5,), w), [(3, 5), (5,)],
         dtypes=("float64", "float32", "float16")),
    Case("rms_norm without a weight", lambda t, x: t.rms_norm(x, (3, 4), eps=1e-3), [(2, 3, 4)]),
    Case("batch_norm in training", batch_norm_in_training, [(4, 3, 5), (3,), (3,)],
         dtypes=("float64", "float32")),
    Case("batch_norm of images", batch_norm_in_training, [(2, 3, 4, 2), (3,), (3,)]),
    Case("batch_norm of vectors", batch_norm_in_training, [(6, 3), (3,), (3,)]),
    Case("batch_norm without weights",
         lambda t, x: f(t).batch_norm(x, None, None, training=True), [(4, 3)]),
    Case("batch_norm in half precision",
         lambda t, x: f(t).batch_norm(x, None, None, training=True), [(8, 3, 2)], dtypes=ALL),
    Case("batch_norm afterwards",
         lambda t, x, w, b: f(t).batch_norm(x, t.arange(3).to(x), t.arange(1, 4).to(x), w, b),
         [(4, 3, 2), (3,), (3,)], dtypes=ALL),
    Case("group_norm", lambda t, x, w, b: t.group_norm(x, 2, w, b), [(3, 4, 5), (4,), (4,)]),
    Case("group_norm without weights", lambda t, x: t.group_norm(x, 3, eps=1e-2), [(2, 6)]),
    Case("instance_norm", instance_norm_in_training, [(2, 3, 5), (3,), (3,)]),
    Case("instance_norm without weights", lambda t, x: f(t).instance_norm(x), [(2, 3, 4, 2)]),
    Case("local_response_norm", lambda t, x: f(t).local_response_norm(x, 3, 0.1, 0.75, 2.0),
         [(2, 5, 3)]),
    Case("local_response_norm of an even size", lambda t, x: f(t).local_response_norm(x, 4),
         [(2, 5, 3, 2)]),
    Case("normalize", lambda t, x: f(t).normalize(x), [(3, 4)]),
    Case("normalize by the 1-norm", lambda t, x: f(t).normalize(x, 1.0, 0), [(3, 4)]),
    Case("normalize zeros", lambda t, x: f(t).normalize(x, dim=0), [np.zeros(3)], second=False,
         grad=False),
    Case("cdist", lambda t, a, b: t.cdist(a, b), [(3, 4), (2, 4)], rtol=1e-6,
         second=False),
    Case("cdist by the 1-norm", lambda t, a, b: t.cdist(a, b, p=1), [(2, 3, 4), (2, 2, 4)],
         second=False),
    Case("pdist", lambda t, a: t.pdist(a), [(4, 3)], second=False),
    Case("cosine_similarity", lambda t, a, b: t.cosine_similarity(a, b), [(3, 4), (3, 4)]),
    Case("cosine_similarity broadcasts", lambda t, a, b: t.cosine_similarity(a, b, -1),
         [(3, 1, 4), (2, 4)]),
    Case("pairwise_distance", lambda t, a, b: f(t).pairwise_distance(a, b), [(3, 4), (3, 4)]),
    Case("pairwise_distance by the 1-norm",
         lambda t, a, b: f(t).pairwise_distance(a, b, 1.0, keepdim=True), [(3, 4), (3, 4)],
         second=False),
]  # fmt: skip
