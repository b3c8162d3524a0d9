"""Gradient mode: whether what is computed now is recorded for a backward pass. Per thread."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any


class Mode(threading.local):
    grad = True
    inference = False


mode = Mode()


class set_grad_enabled:
    """Record for a backward pass, or do not: a context manager, a decorator, or a call."""

    def __init__(self, enabled: bool):
        self.enabled = enabled
        self.before = mode.grad
        mode.grad = enabled  # acts at once, as PyTorch's does when called as a function

    def __enter__(self) -> None:
        mode.grad = self.enabled

    def __exit__(self, *error: Any) -> None:
        mode.grad = self.before


class Switch:
    """A grad mode that is entered by `with`, or put on a function as a decorator."""

    grad = False
    inference = False

    def __new__(cls, function: Callable | None = None) -> Any:
        self = super().__new__(cls)
        return self if function is None else self(function)  # `@no_grad` and `@no_grad()`

    def __init__(self, function: Callable | None = None):
        self.before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self.before.append((mode.grad, mode.inference))
        mode.grad, mode.inference = self.grad, self.inference

    def __exit__(self, *error: Any) -> None:
        mode.grad, mode.inference = self.before.pop()

    def __call__(self, function: Callable) -> Callable:
        switch = type(self)

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with switch():
                return function(*args, **kwargs)

        return within


class no_grad(Switch):
    """Nothing is recorded within: results need no gradient."""


class enable_grad(Switch):
    """What is computed within is recorded, also inside `no_grad`."""

    grad = True


class inference_mode(Switch):
    """As `no_grad`; andon has no cheaper mode to offer."""

    inference = True


def is_grad_enabled() -> bool:
    """Whether what is computed now is recorded."""
    return mode.grad


def is_inference_mode_enabled() -> bool:
    """Whether an `inference_mode` block is in force."""
    return mode.inference
