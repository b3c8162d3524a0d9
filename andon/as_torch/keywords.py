"""PyTorch's names for the operands of functions: what is `x` here, programs may call `input`.

Ops see to that themselves (`core/op.py`). The composites are plain functions; their parameters
are renamed here, for programs that say `import torch`. A wrapper would do the same, but would
make every call slower for the sake of a few.
"""

from __future__ import annotations

from types import FunctionType
from typing import Any

from andon.core.op import OPERANDS

NAMES = {ours: name for name, known in OPERANDS.items() for ours in known}


def rename_operands(namespace: dict[str, Any]) -> None:
    """Give the leading parameters of the functions in a namespace PyTorch's names."""
    for function in list(namespace.values()):
        while isinstance(function, FunctionType) and function.__module__.startswith("andon."):
            rename(function)
            function = getattr(function, "__wrapped__", None)


def rename(function: FunctionType) -> None:
    """Rename the first two parameters: `x` or `a` to `input`, `b` to `other`."""
    code = function.__code__
    own = code.co_varnames[: min(2, code.co_argcount)]
    new = {name: NAMES[name] for name in own if name in NAMES}
    if new and not set(new.values()) & {*code.co_varnames, *code.co_freevars}:
        function.__code__ = code.replace(
            co_varnames=tuple(new.get(name, name) for name in code.co_varnames),
            co_cellvars=tuple(new.get(name, name) for name in code.co_cellvars),
        )
