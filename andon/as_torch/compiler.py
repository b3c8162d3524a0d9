"""`torch.compiler` and `torch._dynamo`: andon runs Python as it is, with nothing to steer."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from .spellings import compile

__all__ = ["compile", "config", "disable", "is_compiling", "reset"]

config = SimpleNamespace()  # what is set has no effect


def disable(fn: Any = None, recursive: bool = True, **options: Any) -> Any:
    """The function itself."""
    return fn if callable(fn) else disable


allow_in_graph = assume_constant_result = disable


def optimize(*args: Any, **options: Any) -> Callable:
    """The decorator that `torch.compile` replaced."""
    return disable


def is_compiling() -> bool:
    return False


is_dynamo_compiling = is_exporting = is_compiling


def reset() -> None:
    """There are no compiled programs to forget."""


cudagraph_mark_step_begin = mark_step_begin = reset


def mark_dynamic(*args: Any, **options: Any) -> None:
    """Shapes are never assumed here."""


mark_static = maybe_mark_dynamic = set_stance = mark_dynamic
