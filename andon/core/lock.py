"""Locks and fork(): a child has none of the threads that held its parent's locks."""

from __future__ import annotations

import os
import threading
import weakref


class Lock:
    """A re-entrant lock that a forked child finds free, unless it was the forking thread's own."""

    def __init__(self) -> None:
        self.inner = threading.RLock()
        locks.add(self)

    def __enter__(self) -> None:
        self.inner.acquire()

    def __exit__(self, *error: object) -> None:
        self.inner.release()


locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def free_in_child() -> None:
    for lock in locks:
        if not lock.inner._is_owned():  # type: ignore[attr-defined]
            lock.inner = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=free_in_child)
