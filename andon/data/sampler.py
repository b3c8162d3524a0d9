"""Samplers: in which order a loader takes examples, and how it cuts that order into batches.

Each pass over a sampler draws anew from its generator, or from the default one. What is drawn
is a permutation, or numbers as they are asked for: a sampler of 10¹⁰ draws costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import islice
from typing import Any, Generic, TypeVar

import numpy as np

from ..core.errors import ArgumentError, DTypeError, ShapeError
from ..ops.random import multinomial
from ..tensor import Tensor, tensor
from ..tensor.generator import Generator
from ..tensor.random import randint, randperm

T_co = TypeVar("T_co", covariant=True)
CHUNK = 1024  # how many numbers are drawn at once


class Sampler(Generic[T_co]):
    """What a loader takes indices from: a subclass defines `__iter__()`, perhaps `__len__()`."""

    def __init__(self, data_source: Sized | None = None):
        pass

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} does not define __iter__")


class SequentialSampler(Sampler[int]):
    """0, 1, …, len(data_source) - 1."""

    def __init__(self, data_source: Sized):
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Indices in random order, or drawn independently `num_samples` times with replacement.

    Without replacement, more samples than examples means one permutation after another.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Generator | None = None,
    ):
        self.data_source = data_source
        self.replacement = checked_flag(replacement, "RandomSampler: replacement")
        self.given = num_samples
        self.generator = generator
        checked_count(self.num_samples, "RandomSampler: num_samples")

    @property
    def num_samples(self) -> int:
        return len(self.data_source) if self.given is None else self.given

    def __iter__(self) -> Iterator[int]:
        return islice(self.endless(), self.num_samples)

    def endless(self) -> Iterator[int]:
        n, generator = len(self.data_source), own_generator(self.generator)
        while n:
            if self.replacement:
                yield from randint(0, n, (CHUNK,), generator=generator).tolist()
            else:
                yield from randperm(n, generator=generator).tolist()

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[Any]):
    """The given indices in random order."""

    def __init__(self, indices: Sequence[Any], generator: Generator | None = None):
        self.indices, self.generator = indices, generator

    def __iter__(self) -> Iterator[Any]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Index i with a probability in proportion to `weights[i]`."""

    def __init__(
        self,
        weights: Sequence[float] | Tensor,
        num_samples: int,
        replacement: bool = True,
        generator: Generator | None = None,
    ):
        self.num_samples = checked_count(num_samples, "WeightedRandomSampler: num_samples")
        self.replacement = checked_flag(replacement, "WeightedRandomSampler: replacement")
        self.weights = tensor(weights, dtype="float64")
        if self.weights.ndim != 1:
            shape = list(self.weights.shape)
            raise ShapeError(f"WeightedRandomSampler: weights must have one dim: {shape}")
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[Any]]):
    """Lists of `batch_size` indices of another sampler; the last may be shorter, or is dropped.

    >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool):
        self.sampler = sampler
        self.batch_size = checked_count(batch_size, "BatchSampler: batch_size")
        self.drop_last = checked_flag(drop_last, "BatchSampler: drop_last")

    def __iter__(self) -> Iterator[list[Any]]:
        indices = iter(self.sampler)
        while batch := list(islice(indices, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        return batch_count(len(self.sampler), self.batch_size, self.drop_last)  # type: ignore[arg-type]


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index, from `rank` on: the share of one process among several.

    All shares are of one length: the order is filled up from its start or, with `drop_last`, cut.
    It depends on the seed and the epoch alone: call `set_epoch(epoch)` before each epoch.
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ):
        if num_replicas is None or rank is None:
            raise ArgumentError("DistributedSampler: needs num_replicas and rank")
        if not 0 <= rank < num_replicas:
            raise ArgumentError(f"DistributedSampler: rank must be below {num_replicas}: {rank}")
        self.dataset, self.num_replicas, self.rank = dataset, num_replicas, rank
        self.shuffle, self.seed, self.drop_last = shuffle, seed, drop_last
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of this epoch."""
        self.epoch = epoch

    @property
    def num_samples(self) -> int:
        return batch_count(len(self.dataset), self.num_replicas, self.drop_last)

    @property
    def total_size(self) -> int:
        return self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        n = len(self.dataset)
        if self.shuffle:
            generator = Generator().manual_seed(self.seed + self.epoch)
            order = randperm(n, generator=generator).array
        else:
            order = np.arange(n)
        return iter(np.resize(order, self.total_size)[self.rank :: self.num_replicas].tolist())

    def __len__(self) -> int:
        return self.num_samples


def own_generator(generator: Generator | None) -> Generator:
    """`generator`, or one seeded from the default generator that nobody else will draw from.

    Draws between two chunks of indices (dropout in a model, say) must not change the order.
    """
    return generator or Generator().manual_seed(random_seed(None))


def random_seed(generator: Generator | None) -> int:
    """A number below 2⁶², one draw of `generator` or of the default one."""
    return int(randint(0, 2**62, (1,), generator=generator).item())


def batch_count(examples: int, batch_size: int, drop_last: bool) -> int:
    """How many batches there are."""
    full, rest = divmod(examples, batch_size)
    return full if drop_last or not rest else full + 1


def checked_count(value: Any, what: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ArgumentError(f"{what} must be a positive int: {value!r}")
    return value


def checked_flag(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise DTypeError(f"{what} must be a bool: {value!r}")
    return value
