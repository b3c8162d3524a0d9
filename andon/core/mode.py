"""Gradient mode: whether what is computed now is recorded for a backward pass. Per thread."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from typing import Any


class Mode(threading.local):
    grad = True
    inference = False


mode = Mode()


class Switch:
    """A grad mode that is entered by `with`, or put on a function as a decorator."""

    grad = False
    inference: bool | None = None  # None: as it is

    def __new__(cls, function: Any = None) -> Any:
        if callable(function):
            return cls()(function)  # `@no_grad` as well as `@no_grad()`
        return super().__new__(cls)

    def __init__(self) -> None:
        self.before: list[tuple[bool, bool]] = []

    def __enter__(self) -> None:
        self.before.append((mode.grad, mode.inference))
        mode.grad = self.grad
        if self.inference is not None:
            mode.inference = self.inference

    def __exit__(self, *error: Any) -> None:
        mode.grad, mode.inference = self.before.pop()

    def __call__(self, function: Callable) -> Callable:
        switch = self.again
        if inspect.isgeneratorfunction(function):
            return steps_within(switch, function)

        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with switch():
                return function(*args, **kwargs)

        return within

    def again(self) -> Switch:
        """Another switch to the same mode, since a decorated function may call itself."""
        return type(self)()


def steps_within(switch: Callable, function: Callable) -> Callable:
    """A generator function that runs in the mode, while the code between its steps does not."""

    @functools.wraps(function)
    def generator(*args: Any, **kwargs: Any) -> Iterator:
        running, sent = function(*args, **kwargs), None
        try:
            while True:
                with switch():
                    item = running.send(sent)
                sent = yield item
        except StopIteration as stop:
            return stop.value
        finally:
            running.close()

    return generator


class no_grad(Switch):
    """Nothing is recorded within: results need no gradient."""


class enable_grad(Switch):
    """What is computed within is recorded, also inside `no_grad`."""

    grad = True


class inference_mode(Switch):
    """As `no_grad`: andon has no cheaper mode to offer. `inference_mode(False)` records."""

    def __init__(self, mode: bool = True):
        super().__init__()
        self.inference = bool(mode)
        self.grad = not mode

    def again(self) -> Switch:
        return inference_mode(bool(self.inference))


class set_grad_enabled(Switch):
    """Record for a backward pass, or do not: a context manager, a decorator, or a call."""

    def __init__(self, mode: bool):
        super().__init__()
        self.grad = bool(mode)
        super().__enter__()  # acts at once, as PyTorch's does when called as a function

    def __enter__(self) -> None:
        mode.grad = self.grad

    def __call__(self, function: Callable) -> Callable:
        self.__exit__()
        return super().__call__(function)

    def again(self) -> Switch:
        return set_grad_enabled(self.grad)


def is_grad_enabled() -> bool:
    """Whether what is computed now is recorded."""
    return mode.grad


def is_inference_mode_enabled() -> bool:
    """Whether an `inference_mode` block is in force."""
    return mode.inference
