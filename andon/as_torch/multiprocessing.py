"""`torch.multiprocessing`: Python's own, and `spawn`. Tensors are copied, not shared."""

# ruff: noqa: F403 (this module has the names of another)

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing import *
from typing import Any

from andon.core.errors import StateError

__all__ = [*multiprocessing.__all__, "spawn", "start_processes"]


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> list | None:
    """Run fn(i, *args) in `nprocs` processes; unless `join`, they are returned running."""
    context: Any = multiprocessing.get_context(start_method)
    started = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for process in started:
        process.start()
    if not join:
        return started
    for i, process in enumerate(started):
        process.join()
        if process.exitcode:
            raise StateError(f"spawn: process {i} failed: exit code {process.exitcode}")
    return None


spawn = start_processes


def set_sharing_strategy(strategy: str) -> None:
    """Tensors are copied from process to process, whatever is chosen."""


def get_sharing_strategy() -> str:
    return "file_descriptor"
