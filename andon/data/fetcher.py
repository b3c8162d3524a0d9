"""Fetchers: from what a sampler yields to a batch, in whichever process a loader works.

A map-style dataset is asked for the examples at the given indices; a stream for its next ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ..core.errors import DataError
from .collate import default_collate
from .dataset import IterableDataset, examples_at


class Exhausted(Exception):
    """The stream has no further batch."""


class Fetcher:
    """A function from a request to a batch; it raises Exhausted where there is none."""

    def __call__(self, request: Any) -> Any:
        try:
            return self.fetch(request)
        except StopIteration as error:  # would look like the end of the data further up
            raise DataError("DataLoader: fetching a batch raised StopIteration") from error

    def fetch(self, request: Any) -> Any:
        raise NotImplementedError


class MapFetcher(Fetcher):
    """The request is a list of indices, or a single one where the loader does not batch."""

    def __init__(self, dataset: Any, collate: Callable, batched: bool):
        self.dataset, self.collate, self.batched = dataset, collate, batched

    def fetch(self, request: Any) -> Any:
        if not self.batched:
            return self.collate(self.dataset[request])
        examples = examples_at(self.dataset, request)
        if self.collate is default_collate:
            return default_collate(examples)
        return self.collate(list(examples))


class StreamFetcher(Fetcher):
    """The request is the number of examples, or None for a single one that is not batched."""

    def __init__(self, dataset: Any, collate: Callable, drop_last: bool):
        self.stream: Iterator = iter(dataset)
        self.collate, self.drop_last = collate, drop_last

    def fetch(self, request: int | None) -> Any:
        size = request or 1
        examples = list(islice(self.stream, size))
        if not examples or (self.drop_last and len(examples) < size):
            raise Exhausted
        return self.collate(examples[0] if request is None else examples)


def fetcher(dataset: Any, collate: Callable, batched: bool, drop_last: bool) -> Fetcher:
    """The fetcher for this kind of dataset; a stream starts from its beginning."""
    if isinstance(dataset, IterableDataset):
        return StreamFetcher(dataset, collate, drop_last)
    return MapFetcher(dataset, collate, batched)
