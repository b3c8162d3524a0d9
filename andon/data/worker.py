"""Worker processes of a DataLoader: what happens inside one of them.

A worker gets tasks (which examples to fetch) through a socket and answers each in turn, with a
batch, a failure, or that its stream is exhausted. It ends when the loader closes the socket, and
also when the loader's process is gone, however that ended.
"""

from __future__ import annotations

import os
import pickle
import queue
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import DataError
from ..tensor.generator import manual_seed
from .fetcher import Exhausted, Fetcher
from .message import pack, receive, send
from .worker_info import WorkerInfo, set_worker_info

if TYPE_CHECKING:
    from socket import socket

GRACE = 1.0  # seconds that a worker has to finish what it is doing when it should end
LOOK = 1.0  # seconds between two looks at whether the loader's process still lives


@dataclass(frozen=True)
class Job:
    """What a worker must know before its first task."""

    info: WorkerInfo
    fetcher: Callable[[], Fetcher]
    init: Callable[[int], Any] | None


class Failure:
    """An exception on its way to another process: itself if it can travel, and what it says."""

    def __init__(self, error: Exception, worker: int):
        self.worker = worker
        self.summary = traceback.format_exception_only(error)[-1].strip()
        self.traceback = "".join(traceback.format_exception(error))
        self.pickled = travelling(error)

    def exception(self) -> Exception:
        """The exception to raise, with the worker's traceback as a note."""
        error: Exception = DataError(f"DataLoader: worker {self.worker} failed: {self.summary}")
        if self.pickled is not None:
            with suppress(Exception):
                error = pickle.loads(self.pickled)
        error.add_note(f"In worker {self.worker} of the DataLoader:\n{self.traceback}")
        return error


def travelling(error: Exception) -> bytes | None:
    """The exception pickled, or None if it would not come out of that the same."""
    with suppress(Exception):
        pickled = pickle.dumps(error)
        twin = pickle.loads(pickled)
        if type(twin) is type(error) and str(twin) == str(error):
            return pickled
    return None


def run(job: Job, socket: socket) -> None:
    """The life of a worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the loader's business
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    tasks: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=listen, args=(socket, tasks), daemon=True).start()
    failure = prepare(job)
    with suppress(BrokenPipeError, ConnectionResetError):  # the loader has gone
        answer(job, socket, tasks, failure)


def listen(socket: socket, tasks: queue.SimpleQueue) -> None:
    """Queue the tasks that arrive; when no more can come, end the worker, soon at the latest.

    The parent's number is looked at because the end of a process does not always close its
    sockets: workers started later by fork hold copies of them.
    """
    from multiprocessing import parent_process
    from multiprocessing.connection import wait

    parent, sentinel = os.getppid(), parent_process().sentinel  # type: ignore[union-attr]
    with suppress(EOFError, OSError):
        while os.getppid() == parent:
            ready = wait([socket, sentinel], LOOK)
            if sentinel in ready:
                break
            if ready:
                tasks.put(receive(socket))
    tasks.put(None)
    time.sleep(GRACE)
    os._exit(1)


def prepare(job: Job) -> Failure | None:
    """Seed every source of random numbers, then let the user's own set-up run."""
    set_worker_info(job.info)
    manual_seed(job.info.seed)
    random.seed(job.info.seed)
    np.random.seed(job.info.seed % 2**32)
    try:
        if job.init is not None:
            job.init(job.info.id)
    except Exception as error:
        return Failure(error, job.info.id)
    return None


def answer(job: Job, socket: socket, tasks: queue.SimpleQueue, failure: Failure | None) -> None:
    """Answer task after task; a new epoch starts the dataset's stream anew."""
    current, fetch = None, None
    for epoch, ticket, request in iter(tasks.get, None):
        try:
            if failure is None and epoch != current:
                current, fetch = epoch, job.fetcher()
            reply = ("failure", failure) if fetch is None else ("batch", fetch(request))
            frames = pack((epoch, ticket, *reply))
        except Exhausted:
            frames = pack((epoch, ticket, "exhausted", None))
        except Exception as error:
            frames = pack((epoch, ticket, "failure", Failure(error, job.info.id)))
        send(socket, frames)
