"""Ops whose kernels are written by hand: for each, how its function is called.

`call_of` gives the function of an op, or None where the reference has to do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..graph.fuse import Call, Grouping
from .loops import Function

Emitter = Callable[[Call, Grouping], list[Function] | None]
EMITTERS: dict[str, Emitter] = {}


def emits(*names: str) -> Callable[[Emitter], Emitter]:
    """Decorator: how ops of these names are called."""

    def decorate(emitter: Emitter) -> Emitter:
        EMITTERS.update(dict.fromkeys(names, emitter))
        return emitter

    return decorate


def call_of(kernel: Call, grouping: Grouping) -> list[Function] | None:
    """The functions of an op, or None: then its reference is called."""
    op: Any = kernel.node.op
    emitter = EMITTERS.get(op.name)
    return emitter(kernel, grouping) if emitter else None
