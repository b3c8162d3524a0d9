"""Datasets: where examples come from, by index or as a stream, and ways to combine them.

A map-style dataset has `__getitem__` and `__len__`; an `IterableDataset` has `__iter__`. One
that can fetch many examples faster than one by one has `__getitems__(indices)` as well.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from ..core.errors import DTypeError, IndexingError, ShapeError
from ..tensor import Tensor
from ..tensor.generator import Generator
from ..tensor.random import randperm

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """Examples by index: a subclass defines `__getitem__(index)` and `__len__()`."""

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Examples as a stream: a subclass defines `__iter__()`.

    Each worker process iterates over a copy of its own; `get_worker_info()` tells it which part
    of the stream is its share.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__")

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Example i is `(tensors[0][i], tensors[1][i], …)`.

    >>> import andon
    >>> TensorDataset(andon.tensor([1.0, 2.0]), andon.tensor([0, 1]))[1]
    (tensor(2.), tensor(1))
    """

    def __init__(self, *tensors: Tensor):
        if not tensors:
            raise ShapeError("TensorDataset: needs at least one tensor")
        sizes = [t.shape[0] if t.ndim else None for t in tensors]
        if None in sizes or len(set(sizes)) > 1:
            shapes = ", ".join(str(list(t.shape)) for t in tensors)
            raise ShapeError(f"TensorDataset: tensors must agree in their first size: {shapes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(t[index] for t in self.tensors)

    def __getitems__(self, indices: Sequence[int]) -> Rows:
        return Rows(*(t[list(indices)] for t in self.tensors))

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


class Rows(Sequence):
    """Examples whose parts are the rows of shared tensors: a batch that is collated already.

    It reads as a sequence of tuples; `default_collate` takes its `columns` as they are.
    """

    def __init__(self, *columns: Tensor):
        self.columns = columns

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return tuple(column[index] for column in self.columns)

    def __len__(self) -> int:
        return self.columns[0].shape[0]


def examples_at(dataset: Any, indices: Sequence[Any]) -> Sequence[Any]:
    """The examples at `indices`, fetched together where the dataset knows how.

    A class that overrides `__getitem__` but inherits `__getitems__` is asked one by one: the
    inherited method knows nothing of the override.
    """
    for cls in type(dataset).__mro__:
        if "__getitems__" in vars(cls):
            return dataset.__getitems__(indices)
        if "__getitem__" in vars(cls):
            break
    return [dataset[index] for index in indices]


# ---- datasets made of datasets


class Subset(Dataset[T_co]):
    """Example i is `dataset[indices[i]]`."""

    def __init__(self, dataset: Any, indices: Sequence[int]):
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> Sequence[T_co]:
        return examples_at(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """The examples of several map-style datasets, one dataset after the other."""

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        if not self.datasets:
            raise ShapeError("ConcatDataset: needs at least one dataset")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise DTypeError("ConcatDataset: an IterableDataset has no indices: use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(map(len, self.datasets)))

    def __getitem__(self, index: Any) -> T_co:
        i = checked_index(index, len(self), "ConcatDataset")
        which = bisect.bisect_right(self.cumulative_sizes, i)
        start = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][i - start]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T_co]):
    """The streams of several IterableDatasets, one after the other."""

    def __init__(self, datasets: Iterable[Any]):
        self.datasets = list(datasets)
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                kind = type(dataset).__name__
                raise DTypeError(f"ChainDataset: chains IterableDatasets only: {kind}")

    def __iter__(self) -> Iterator[T_co]:
        return itertools.chain.from_iterable(self.datasets)

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)


class StackDataset(Dataset[Any]):
    """Example i is the tuple, or the dict, of the i-th examples of datasets of one length."""

    def __init__(self, *args: Any, **kwargs: Any):
        if bool(args) == bool(kwargs):
            raise ShapeError("StackDataset: needs datasets, either positional or by keyword")
        self.datasets: Any = kwargs if kwargs else args
        lengths = [len(dataset) for dataset in (args or kwargs.values())]
        if len(set(lengths)) > 1:
            raise ShapeError(f"StackDataset: datasets must be of one length: {lengths}")
        self.length = lengths[0]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __len__(self) -> int:
        return self.length


def checked_index(index: Any, length: int, name: str) -> int:
    """`index` counted from the start. Raises: IndexingError if there is no such example."""
    i = operator.index(index)
    if not -length <= i < length:
        raise IndexingError(f"{name}: index out of range for {length} examples: {i}")
    return i + length if i < 0 else i


# ---- splitting


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset]:
    """Disjoint random subsets of the given lengths, or fractions that add up to 1.

    What rounding leaves over goes to the first subsets, one example each.

    >>> [len(part) for part in random_split(range(10), [0.5, 0.25, 0.25])]
    [6, 2, 2]
    """
    total = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = sizes_of_fractions(lengths, total)
    else:
        sizes = [int(length) for length in lengths if length == length // 1]
    if sum(sizes) != total or len(sizes) != len(lengths) or min(sizes, default=0) < 0:
        raise ShapeError(f"random_split: lengths must add up to {total}: {list(lengths)}")
    order = randperm(total, generator=generator).tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def sizes_of_fractions(fractions: Sequence[float], total: int) -> list[int]:
    """How many of `total` each fraction is, all of them dealt out."""
    if not all(0 <= fraction <= 1 for fraction in fractions):
        raise ShapeError(f"random_split: fractions must be between 0 and 1: {list(fractions)}")
    sizes = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(sizes)):
        sizes[i % len(sizes)] += 1
    for i, size in enumerate(sizes):
        if size == 0:
            warnings.warn(f"random_split: part {i} has no examples", stacklevel=3)
    return sizes
