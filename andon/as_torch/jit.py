"""`torch.jit`: andon runs Python as it is, so that what was scripted or traced is the original."""

from __future__ import annotations

from typing import Any

from andon.nn import Module


def script(obj: Any = None, *args: Any, **options: Any) -> Any:
    """The function or module itself."""
    return obj if obj is not None else script


def trace(func: Any, example_inputs: Any = None, *args: Any, **options: Any) -> Any:
    """The function or module itself, which unlike a trace goes on to follow its branches."""
    return func


def ignore(fn: Any = None, **options: Any) -> Any:
    """The function itself."""
    return fn if callable(fn) else ignore


export = unused = ignore


def script_method(fn: Any) -> Any:
    """The method itself."""
    return fn


class ScriptModule(Module):
    """A module: what was to be compiled runs as it is."""


def is_scripting() -> bool:
    return False


is_tracing = is_scripting
