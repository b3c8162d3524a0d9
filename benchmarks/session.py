"""A session's training step beside the jitted one: an MLP with Adam and a CNN with SGD.

Both end in the same graph, so the session should be as fast, although it is fed arrays and looks
up what is fetched. The same shapes, and the same optimizer, as in `nets`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import andon
from andon import static

from .nets import BATCH, CLASSES, SIDE, cnn, mlp, step_of
from .timing import alternate, show

TARGET = 1.05


def session_step(net: Callable, optimizer: Any) -> Callable[[], float]:
    """A function that takes one training step in a session."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((BATCH, 1, SIDE, SIDE)).astype(np.float32)
    labels = rng.integers(0, CLASSES, BATCH)
    with static.Graph().as_default() as graph:
        x = static.placeholder("float32", [None, 1, SIDE, SIDE])
        y = static.placeholder("int64", [None])
        loss = static.nn.cross_entropy(net(x), y)
        train = optimizer.minimize(loss)
        session = static.Session(graph)
        session.run(static.global_variables_initializer())
    return lambda: session.run([loss, train], {x: images, y: labels})[0]


def weight(*shape: int) -> static.Variable:
    return static.Variable(andon.randn(*shape) / np.prod(shape[1:]) ** 0.5)


def dense(x: Any, outputs: int, inputs: int) -> Any:
    return static.nn.linear(x, weight(outputs, inputs), static.Variable(andon.zeros(outputs)))


def static_mlp(x: Any) -> Any:
    h = static.relu(dense(x.reshape(-1, SIDE * SIDE), 256, SIDE * SIDE))
    return dense(static.relu(dense(h, 128, 256)), CLASSES, 128)


def static_cnn(x: Any) -> Any:
    for channels, inputs in ((16, 1), (32, 16)):
        bias = static.Variable(andon.zeros(channels))
        x = static.nn.conv2d(x, weight(channels, inputs, 3, 3), bias, padding=1)
        x = static.nn.max_pool2d(static.relu(x), 2)
    return dense(x.reshape(-1, 32 * 7 * 7), CLASSES, 32 * 7 * 7)


def main() -> None:
    adam, descent = static.train.AdamOptimizer, static.train.GradientDescentOptimizer
    results = []
    for name, net, twin, optimizer, repeats in (
        ("mlp, Adam", static_mlp, mlp, adam, 50),
        ("cnn, SGD", static_cnn, cnn, descent, 10),
    ):
        ours = session_step(net, optimizer(1e-3))
        jitted = step_of(andon, twin, name.split(", ")[1], andon.jit)
        results.append(alternate(name, ours, jitted, 21, repeats, TARGET, between=3))
    show("training step: a session beside jit", results, "jitted")
