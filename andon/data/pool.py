"""The loader's side of its worker processes: starting, asking, hearing and ending them.

A `WorkerPool` is the processes with a socket to each; `WorkerBatches` iterates over the batches
of one epoch that a pool fetches.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
import sys
import time
import warnings
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import cycle, islice
from multiprocessing.connection import wait
from typing import Any

from ..core.errors import DataError
from .fetcher import Fetcher
from .message import pack, receive, send
from .worker import GRACE, Job, run
from .worker_info import WorkerInfo

LOOK = 1.0  # seconds between two looks at whether the workers still live


class WorkerPool:
    """Worker processes that fetch batches. They end with `stop()`, at the latest with the pool."""

    def __init__(
        self,
        count: int,
        dataset: Any,
        fetcher: Callable[[], Fetcher],
        init: Callable[[int], Any] | None,
        seed: int,
        context: Any,
    ):
        self.processes: list[Any] = []
        self.sockets: list[socket.socket] = []
        self.epoch = 0
        self.stop = weakref.finalize(self, end, self.processes, self.sockets, os.getpid())
        try:
            for i in range(count):
                info = WorkerInfo(i, count, seed + i, dataset)
                self.start(start_context(context), Job(info, fetcher, init))
        except BaseException:
            self.stop()
            raise

    def start(self, context: Any, job: Job) -> None:
        ours, theirs = socket.socketpair()
        self.sockets.append(ours)
        process = context.Process(
            target=run, args=(job, theirs), name=f"DataLoader-{job.info.id}", daemon=True
        )
        with theirs, warnings.catch_warnings():
            # Python warns of fork in a process with threads, such as those of a BLAS at rest
            warnings.simplefilter("ignore", DeprecationWarning)
            try:
                process.start()
            except (pickle.PicklingError, AttributeError, TypeError) as error:
                what = "what workers are given must be picklable where they are not forked"
                raise DataError(f"DataLoader: {what}: {error}") from error
        self.processes.append(process)

    @property
    def alive(self) -> bool:
        return self.stop.alive

    def send(self, worker: int, task: tuple) -> None:
        """Give a task to a worker. Raises: DataError if it is dead."""
        self.check_alive()
        frames = pack(task)
        try:
            send(self.sockets[worker], frames)
        except OSError:
            raise self.lost(worker) from None
        except BaseException:  # an interrupt within a message: the rest would be misread
            self.stop()
            raise

    def receive(self, seconds: float) -> list[tuple]:
        """One reply from each worker that has sent some, after waiting for at most `seconds`."""
        self.check_alive()
        try:
            ready = wait(self.sockets, seconds)
            return [self.reply_from(self.sockets.index(found)) for found in ready]  # type: ignore[arg-type]
        except BaseException:
            self.stop()
            raise

    def reply_from(self, worker: int) -> tuple:
        try:
            return worker, *receive(self.sockets[worker])
        except (EOFError, OSError):
            raise self.lost(worker) from None

    def check_alive(self) -> None:
        if not self.alive:
            raise DataError("DataLoader: the worker processes have been stopped")

    def check_processes(self) -> None:
        """Raises: DataError if one has died; its socket tells that first, but not always."""
        for worker, process in enumerate(self.processes):
            if process.exitcode is not None:
                raise self.lost(worker)

    def lost(self, worker: int) -> DataError:
        """Stop the pool; the error that says how this worker died."""
        process = self.processes[worker]
        process.join(GRACE)
        pid, code = process.pid, process.exitcode
        self.stop()
        if code is None:
            return DataError(f"DataLoader: worker {worker} (pid {pid}) closed its connection")
        reason = ""
        if code < 0:
            name = signal.Signals(-code).name
            reason = f", {name}" + (": out of memory, perhaps" if name == "SIGKILL" else "")
        return DataError(f"DataLoader: worker {worker} (pid {pid}) died: exit code {code}{reason}")


def start_context(given: Any) -> Any:
    """How processes start: as asked for, else by fork on Linux, where anything can be a dataset."""
    if given is None or isinstance(given, str):
        return multiprocessing.get_context(given or ("fork" if sys.platform == "linux" else None))
    return given


def end(processes: list[Any], sockets: list[socket.socket], owner: int) -> None:
    """Close the connections, and end whatever process has not ended of itself soon after."""
    if os.getpid() != owner:  # the copy of a pool in a forked process
        return
    for connection in sockets:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)  # reaches the worker whoever holds a copy
        connection.close()
    deadline = time.monotonic() + GRACE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
    for process in processes:
        if process.is_alive():
            process.terminate()
            process.join(GRACE)
        if process.is_alive():
            process.kill()
            process.join()


class WorkerBatches:
    """The batches of one epoch. `requests` says what to fetch, and is asked only as needed.

    Each task has a ticket, numbered in the order of the requests. Tasks go to the workers in
    turn, so that each run gives the same batch to the same worker, with its random numbers. With
    `in_order` false, they go to whoever has fewest, and the first batch to arrive comes first.
    """

    def __init__(
        self,
        pool: WorkerPool,
        requests: Iterator[Any],
        prefetch: int,
        timeout: float,
        in_order: bool,
        persistent: bool,
    ):
        self.pool, self.requests, self.prefetch = pool, requests, prefetch
        self.timeout, self.in_order, self.persistent = timeout, in_order, persistent
        pool.epoch += 1
        self.epoch = pool.epoch
        self.active = list(range(len(pool.processes)))  # those with a stream to go on with
        self.turns = cycle(self.active.copy())
        self.sent = 0
        self.waiting: dict[int, int] = {}  # from the tickets sent to the workers that have them
        self.arrived: dict[int, tuple[str, Any]] = {}
        self.due = 0  # the ticket that comes next, in order
        self.hand_out()

    def __iter__(self) -> WorkerBatches:
        return self

    def __next__(self) -> Any:
        while self.waiting or self.arrived:
            kind, value = self.arrived.pop(self.next_ticket())
            self.hand_out()
            if kind == "failure":
                raise value.exception()
            if kind == "batch":
                return value
        self.close()
        raise StopIteration

    def close(self) -> None:
        """End the iteration, and the workers unless they are persistent."""
        self.requests = iter(())
        self.waiting.clear()
        self.arrived.clear()
        if not self.persistent:
            self.pool.stop()

    def hand_out(self) -> None:
        """Keep `prefetch` batches per worker under way or waiting to be taken."""
        room = self.prefetch * len(self.active) - len(self.waiting) - len(self.arrived)
        for request in islice(self.requests, max(0, room)):
            worker = self.choose()
            self.pool.send(worker, (self.epoch, self.sent, request))
            self.waiting[self.sent] = worker
            self.sent += 1

    def choose(self) -> int:
        """The worker to give the next task to."""
        if not self.in_order:
            load = list(self.waiting.values())
            return min(self.active, key=load.count)
        return next(worker for worker in self.turns if worker in self.active)

    def next_ticket(self) -> int:
        """The ticket of the batch to hand over, once it is here."""
        deadline = time.monotonic() + self.timeout if self.timeout else None
        self.hear(0.0)
        while True:
            if self.in_order and self.due in self.arrived:
                self.due += 1
                return self.due - 1
            if not self.in_order and self.arrived:
                return next(iter(self.arrived))
            left = LOOK if deadline is None else min(LOOK, deadline - time.monotonic())
            if left <= 0:
                raise DataError(f"DataLoader: no batch within the timeout: {self.timeout} seconds")
            if not self.hear(left):
                self.pool.check_processes()

    def hear(self, seconds: float) -> bool:
        """Take in what the workers have sent; whether there was anything."""
        if self.epoch != self.pool.epoch:
            raise DataError("DataLoader: a later iteration has taken over the persistent workers")
        replies = self.pool.receive(seconds)
        for worker, epoch, ticket, kind, value in replies:
            if epoch != self.epoch:  # of an iteration that was given up
                continue
            del self.waiting[ticket]
            self.arrived[ticket] = (kind, value)
            if kind == "exhausted" and worker in self.active:
                self.active.remove(worker)
        return bool(replies)
