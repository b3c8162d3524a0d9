"""Threads: modes, interpreters and backward passes of one do not reach into another."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import andon
from andon.core.mode import mode


def train(seed: int, steps: int = 30) -> np.ndarray:
    """Weights after some steps of gradient descent: the same for the same seed, in any thread."""
    rng = np.random.default_rng(seed)
    w = andon.tensor(rng.standard_normal((8, 8)), requires_grad=True)
    x = andon.tensor(rng.standard_normal((4, 8)))
    for _ in range(steps):
        w.grad = None
        h = (x @ w).tanh() * 1.5
        h[0] = h[1] * 2.0
        h.register_hook(lambda g: g * 0.5)
        andon.autograd.checkpoint(lambda h: (h * h).exp().mean(), h).backward()
        with andon.no_grad():
            w -= w.grad * 0.1
    return w.detach().numpy()


def test_backward_passes_at_once_give_what_they_give_alone():
    alone = [train(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(train, range(4)))
    for a, b in zip(alone, together, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_mode_is_entered_by_one_thread_only():
    inside, seen = threading.Barrier(2), {}

    def within(name: str, switch) -> None:
        with switch():
            inside.wait()
            seen[name] = (mode.grad, mode.inference)
            inside.wait()

    threads = [
        threading.Thread(target=within, args=("without", andon.no_grad)),
        threading.Thread(target=within, args=("with", andon.enable_grad)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"without": (False, False), "with": (True, False)}
    assert andon.is_grad_enabled()


def test_one_graph_may_be_differentiated_by_another_thread():
    x = andon.ones(3, requires_grad=True)
    y = (x * x).sum()
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    assert x.grad.tolist() == [2, 2, 2]


def test_an_error_in_a_thread_leaves_its_modes_as_they_were():
    states = []

    def fail() -> None:
        x = andon.ones(3, requires_grad=True)
        x.register_hook(lambda g: 1 / 0)
        try:
            x.sum().backward()
        except ZeroDivisionError:
            states.append((mode.grad, (x * 2).requires_grad))

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert states == [(True, True)]
