"""DataLoader: batches of a dataset, fetched here or by worker processes.

    for x, y in DataLoader(dataset, batch_size=32, shuffle=True, num_workers=2):
        ...

A sampler says which examples, a fetcher gets them, a collate function makes them one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any

from ..core.errors import ArgumentError
from ..tensor.generator import Generator
from .collate import default_collate, default_convert
from .dataset import IterableDataset
from .fetcher import Exhausted, Fetcher, fetcher
from .sampler import BatchSampler, RandomSampler, SequentialSampler, batch_count, random_seed

FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader:
    """Iterates over a dataset in batches; each iteration is one epoch.

    `batch_size=None` switches batching off: examples come one by one. Options mean what they
    mean in PyTorch; `pin_memory` is accepted and changes nothing.

    Workers: with `num_workers` > 0 processes fetch `prefetch_factor` batches each ahead of time.
    Worker i seeds andon, `random` and NumPy with a seed drawn from `generator`, plus i. An
    exception in a worker is raised here, its traceback as a note; a worker that dies is a
    DataError. Breaking off an iteration ends its workers.

    Raises: ArgumentError for options that contradict each other.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable | None = None,
        batch_sampler: Iterable | None = None,
        num_workers: int = 0,
        collate_fn: Callable | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ):
        check_worker_options(
            num_workers, timeout, multiprocessing_context, prefetch_factor, persistent_workers
        )
        check_sampling_options(dataset, batch_size, shuffle, sampler, batch_sampler, drop_last)
        self.dataset, self.generator = dataset, generator
        self.num_workers, self.timeout, self.in_order = num_workers, timeout, in_order
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.worker_init_fn, self.multiprocessing_context = worker_init_fn, multiprocessing_context
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.batch_size = None if batch_sampler is not None else batch_size
        self.drop_last = drop_last
        self.sampler = self.sampler_for(shuffle) if sampler is None else sampler
        self.batch_sampler = batch_sampler
        if self.batch_size is not None and self.sampler is not None:
            self.batch_sampler = BatchSampler(self.sampler, self.batch_size, drop_last)
        self.batched = self.batch_size is not None or batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if self.batched else default_convert)
        self.pool: Any = None  # of persistent workers
        self.complete = True

    def sampler_for(self, shuffle: bool | None) -> Iterable | None:
        """The order of a map-style dataset; a stream has its own."""
        if isinstance(self.dataset, IterableDataset):
            return None
        if shuffle:
            return RandomSampler(self.dataset, generator=self.generator)
        return SequentialSampler(self.dataset)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and hasattr(self, "complete"):
            raise ArgumentError(f"DataLoader: {name} cannot be set once the loader is made")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        seed = random_seed(self.generator)  # also without workers: the same draws either way
        if self.num_workers == 0:
            return Batches(self.requests(), self.new_fetcher()())
        return self.worker_batches(seed)

    def __len__(self) -> int:
        """How many batches an epoch has, where that is known."""
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]
        if self.sampler is not None:
            return len(self.sampler)  # type: ignore[arg-type]
        examples = len(self.dataset)
        return batch_count(examples, self.batch_size or 1, self.drop_last)

    def requests(self) -> Iterator[Any]:
        """What to fetch, batch by batch: indices, or how many examples of a stream."""
        if self.batch_sampler is not None:
            return iter(self.batch_sampler)
        if self.sampler is not None:
            return iter(self.sampler)
        return repeat(self.batch_size)

    def new_fetcher(self) -> Callable[[], Fetcher]:
        return partial(fetcher, self.dataset, self.collate_fn, self.batched, self.drop_last)

    def worker_batches(self, seed: int) -> Iterator[Any]:
        from .pool import WorkerBatches, WorkerPool

        pool = self.pool
        if pool is None or not pool.alive:
            pool = WorkerPool(
                self.num_workers,
                self.dataset,
                self.new_fetcher(),
                self.worker_init_fn,
                seed,
                self.multiprocessing_context,
            )
        if self.persistent_workers:
            self.pool = pool
        return WorkerBatches(
            pool,
            self.requests(),
            self.prefetch_factor or 1,
            self.timeout,
            self.in_order,
            self.persistent_workers,
        )


class Batches:
    """The batches of one epoch, fetched in this process when asked for."""

    def __init__(self, requests: Iterator[Any], fetch: Fetcher):
        self.requests, self.fetch = requests, fetch

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Any:
        try:
            return self.fetch(next(self.requests))
        except Exhausted:
            self.close()
            raise StopIteration from None

    def close(self) -> None:
        """End the iteration."""
        self.requests = iter(())


def check_worker_options(
    num_workers: int, timeout: float, context: Any, prefetch: int | None, persistent: bool
) -> None:
    if num_workers < 0:
        raise ArgumentError(f"DataLoader: num_workers must be >= 0: {num_workers}")
    if timeout < 0:
        raise ArgumentError(f"DataLoader: timeout must be >= 0: {timeout}")
    if prefetch is not None and prefetch < 1:
        raise ArgumentError(f"DataLoader: prefetch_factor must be >= 1: {prefetch}")
    given = {
        "prefetch_factor": prefetch is not None,
        "persistent_workers": persistent,
        "multiprocessing_context": context is not None,
    }
    if num_workers == 0 and any(given.values()):
        names = ", ".join(name for name in given if given[name])
        raise ArgumentError(f"DataLoader: without workers (num_workers=0) there can be no {names}")
    if isinstance(context, str):
        from multiprocessing import get_all_start_methods

        if context not in get_all_start_methods():
            known = ", ".join(get_all_start_methods())
            raise ArgumentError(
                f"DataLoader: multiprocessing_context must be one of {known}: {context!r}"
            )


def check_sampling_options(
    dataset: Any,
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Any,
    batch_sampler: Any,
    drop_last: bool,
) -> None:
    if isinstance(dataset, IterableDataset):
        if shuffle or sampler is not None or batch_sampler is not None:
            raise ArgumentError(
                "DataLoader: an IterableDataset has an order of its own: it can be given no "
                "shuffle, sampler or batch_sampler"
            )
    elif sampler is not None and shuffle:
        raise ArgumentError("DataLoader: sampler and shuffle both say the order: give one")
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ArgumentError(
            "DataLoader: batch_sampler says it all: give no batch_size, shuffle, sampler or "
            "drop_last with it"
        )
    if batch_size is None and drop_last:
        raise ArgumentError(
            "DataLoader: without batches (batch_size=None) there is no last to drop"
        )
    if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
        raise ArgumentError(f"DataLoader: batch_size must be a positive int: {batch_size!r}")
