"""Which worker of a DataLoader this process is, if it is one."""

from __future__ import annotations

from typing import Any, NamedTuple


class WorkerInfo(NamedTuple):
    """A worker's `id` (0 … num_workers - 1), its seed, and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """What this process is as a worker of a DataLoader; None in any other process."""
    return _here


def set_worker_info(info: WorkerInfo) -> None:
    """Make this process a worker."""
    global _here
    _here = info
