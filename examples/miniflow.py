"""MiniFlow: a tiny define-then-run network library, on andon's static graphs.

Nodes are wired first; values flow when `forward_and_backward` is called. What each node computes
is one line. The gradients are not written here: a session differentiates the graph.

    python examples/miniflow.py
"""

from __future__ import annotations

from functools import cache

import numpy as np

from andon import static


class Node:
    """A value in the network: `value` and `gradients` are there after a pass."""

    def __init__(self, *inbound_nodes):
        self.inbound_nodes, self.outbound_nodes = list(inbound_nodes), []
        for node in inbound_nodes:
            node.outbound_nodes.append(self)
        self.value, self.gradients = None, {}
        self.symbol = self.define(*(node.symbol for node in inbound_nodes))


class Input(Node):
    """What the network is fed with."""

    def define(self):
        return static.placeholder("float64")


class Linear(Node):
    """X W + b."""

    def define(self, X, W, b):
        return X @ W + b


class Sigmoid(Node):
    """1 / (1 + e⁻ˣ)."""

    def define(self, x):
        return x.sigmoid()


class MSE(Node):
    """The mean of (y - a)²."""

    def define(self, y, a):
        return ((y.reshape(-1, 1) - a.reshape(-1, 1)) ** 2).mean()


def topological_sort(feed_dict):
    """The nodes that the inputs lead to, each after those it reads; inputs get their values."""
    for node, value in feed_dict.items():
        node.value = value
    waiting = {}
    ready, ordered = list(feed_dict), []
    while ready:
        node = ready.pop()
        ordered.append(node)
        for after in node.outbound_nodes:
            waiting.setdefault(after, len(after.inbound_nodes))
            waiting[after] -= 1
            if waiting[after] == 0:
                ready.append(after)
    return ordered


@cache
def network_of(*nodes):
    """A session for a network, its inputs, and what is fetched: made once."""
    inputs = [node for node in nodes if isinstance(node, Input)]
    gradients = static.gradients(nodes[-1].symbol, [x.symbol for x in inputs])
    return static.Session(), inputs, [[node.symbol for node in nodes], gradients]


def forward_and_backward(nodes):
    """Give every node its value, and every input the gradient of the last node."""
    session, inputs, fetches = network_of(*nodes)
    values, gradients = session.run(fetches, {node.symbol: node.value for node in inputs})
    for node, value in zip(nodes, values, strict=True):
        node.value = value
    for node, gradient in zip(inputs, gradients, strict=True):
        node.gradients = {node: gradient}


def sgd_update(trainables, learning_rate=1e-2):
    """Take a step down the gradients."""
    for node in trainables:
        node.value = node.value - learning_rate * node.gradients[node]


def main():
    y, a = Input(), Input()
    cost = MSE(y, a)
    graph = topological_sort({y: np.array([1, 2, 3]), a: np.array([4.5, 5, 10])})
    forward_and_backward(graph)
    print(f"{cost.value:.10f}")  # 23.4166666667

    rng = np.random.default_rng(0)
    X, target = rng.standard_normal((64, 3)), rng.uniform(0.2, 0.8, 64)
    X_, y_ = Input(), Input()
    W1, b1, W2, b2 = Input(), Input(), Input(), Input()
    hidden = Sigmoid(Linear(X_, W1, b1))
    cost = MSE(y_, Linear(hidden, W2, b2))
    feed = {X_: X, y_: target, W1: rng.standard_normal((3, 8)), b1: np.zeros(8),
            W2: rng.standard_normal((8, 1)), b2: np.zeros(1)}  # fmt: skip
    graph = topological_sort(feed)
    for epoch in range(101):
        forward_and_backward(graph)
        sgd_update([W1, b1, W2, b2], 0.1)
        if epoch % 20 == 0:
            print(f"epoch {epoch}: {cost.value:.4f}")


if __name__ == "__main__":
    main()
