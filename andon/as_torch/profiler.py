"""`torch.profiler`: only the labels that programs give to their parts."""

from __future__ import annotations

from contextlib import ContextDecorator
from typing import Any

from .absent import absent_names

NAMES = "profile schedule tensorboard_trace_handler ProfilerActivity ProfilerAction"
globals().update(
    absent_names(
        "torch.profiler", NAMES, "andon.profile shows what the kernels of a compiled function take"
    )
)


class record_function(ContextDecorator):
    """A name for a block, for profilers to show; andon's work needs none."""

    def __init__(self, name: str, args: Any = None):
        self.name = name

    def __enter__(self) -> record_function:
        return self

    def __exit__(self, *error: Any) -> None:
        pass
