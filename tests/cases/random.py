"""Rows for andon/ops/random.py: what of it PyTorch agrees on, and every op once."""

import numpy as np

from andon.ops.random import random_kept
from cases import Case


def f(t):
    return t.nn.functional


def ours(draw):
    """A case whose value is that of the draw in andon, and zeros of its shape times the draw."""

    def call(t, x):
        if t.__name__ == "andon":
            t.manual_seed(1)
            return draw(t, x) * 0
        return x * 0

    return call


CASES = [
    Case("dropout of nothing", lambda t, x: f(t).dropout(x, 0.0), [(3, 4)]),
    Case("dropout of everything", lambda t, x: f(t).dropout(x, 1.0), [(3, 4)]),
    Case("dropout when not training", lambda t, x: f(t).dropout(x, 0.5, training=False), [(3, 4)]),
    Case("dropout", ours(lambda t, x: f(t).dropout(x, 0.5)), [(3, 4)],
         dtypes=("float64", "float32", "float16", "bfloat16")),
    Case("what dropout keeps", ours(lambda t, x: random_kept.apply(
        t.tensor([1, 0]), p=0.5, shape=(3, 4)) * x), [(3, 4)]),
    Case("dropout of channels", ours(lambda t, x: f(t).dropout2d(x, 0.5)), [(3, 4, 2, 2)]),
    Case("alpha_dropout", ours(lambda t, x: f(t).alpha_dropout(x, 0.5, True)), [(3, 4)]),
    Case("bernoulli of 0 and 1", lambda t, x: t.bernoulli(x), [np.array([0.0, 1.0, 1.0])],
         grad=False),
    Case("multinomial of one choice", lambda t, x: t.multinomial(x, 1),
         [np.array([[0.0, 2.0], [1.0, 0.0]])], grad=False),
    Case("multinomial of all choices",
         lambda t, x: t.sort(t.multinomial(x, 3, replacement=False))[0],
         [np.array([1.0, 2.0, 3.0])], grad=False),
    Case("poisson of rate 0", lambda t, x: t.poisson(x), [np.zeros((2, 3))], grad=False),
    Case("random draws", ours(lambda t, x: t.randn(3, 4) + t.rand(3, 4) + t.randint(9, (3, 4))),
         [(3, 4)], dtypes=("float32",), grad=False),
    Case("randperm in order", lambda t, x: t.sort(t.randperm(x.shape[0]))[0], [(5,)], grad=False),
]  # fmt: skip
