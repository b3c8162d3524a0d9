"""Generators: where random draws get their keys, and the default generator of the process.

`andon.manual_seed(1)` makes a program repeatable. A generator is two numbers, a seed and an
offset, so that its state can be saved in a checkpoint and restored.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd.engine import Tape
from ..core.dtype import int64
from ..core.errors import ArgumentError, DTypeError, ShapeError, StateError
from ..ops.random import Default, words
from .device import Device, available
from .tensor import Tensor, wrap


class Generator:
    """A source of keys: each draw gets the seed and the next offset.

    Streams of different seeds, and of different offsets, are independent. `spawn(i)` derives
    the generator of worker number i.
    """

    def __init__(self, device: Any = None):
        self.device: Device = available(device)
        self.key = wrap(np.zeros(2, np.int64))
        self.seed()

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from `seed`: any int that fits 64 bits, signed or not."""
        self.key.become(wrap(np.array([signed(seed), 0])))
        return self

    def seed(self) -> int:
        """Start anew from a seed that the operating system gives; returns it."""
        seed = int.from_bytes(os.urandom(8), "little") >> 1
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed of the last start."""
        return int(self.key.array[0]) % 2**64

    def draw(self) -> Tensor:
        """The key of the next draw."""
        key = self.key.clone()
        self.key.become(key + STEP)
        return key

    def get_state(self) -> Tensor:
        """Seed and offset, as int64[2]."""
        return wrap(self.key.elements().copy())

    def set_state(self, state: Tensor) -> Generator:
        """Continue from a state that `get_state` gave."""
        if not isinstance(state, Tensor) or state.dtype is not int64 or tuple(state.shape) != (2,):
            raise StateError("set_state: a generator's state is int64[2], seed and offset: "
                             f"{getattr(state, 'spec', state)}")  # fmt: skip
        self.key.become(state)
        return self

    def state(self) -> dict[str, int]:
        """Seed and offset, as JSON can hold them."""
        seed, offset = self.key.array.tolist()
        return {"seed": seed, "offset": offset}

    def load_state(self, state: dict[str, int]) -> Generator:
        """Continue from a state that `state` gave."""
        try:
            key = np.array([state["seed"], state["offset"]], np.int64)
        except (KeyError, TypeError, ValueError, OverflowError):
            raise StateError(f"load_state: needs the ints seed and offset: {state}") from None
        return self.set_state(wrap(key))

    def clone_state(self) -> Generator:
        """Another generator that will draw the same."""
        return Generator(self.device).set_state(self.key)

    def spawn(self, index: int) -> Generator:
        """Generator number `index` derived from this one's seed: independent of it and others."""
        if index < 0:
            raise ArgumentError(f"spawn: index must be >= 0: {index}")
        seed = self.key.array[0]
        derived = words(np.array([seed, -1 - index]), 1)[0]  # offsets that no draw gets to
        return Generator(self.device).manual_seed(int(derived))

    def __getstate__(self) -> dict[str, int]:
        return self.state()

    def __setstate__(self, state: dict[str, int]) -> None:
        self.__init__()  # type: ignore[misc]
        self.load_state(state)

    def __repr__(self) -> str:
        seed, offset = self.key.array.tolist()
        return f"Generator(seed={seed % 2**64}, offset={offset})"


STEP = wrap(np.array([0, 1]))  # from one key to the next


def signed(seed: int) -> int:
    """A 64-bit seed as the int64 of the same bits."""
    try:
        seed = seed.__index__()
    except AttributeError:
        raise DTypeError(f"manual_seed: a seed is an int: {seed!r}") from None
    if not -(2**63) <= seed < 2**64:
        raise ShapeError(f"manual_seed: a seed has 64 bits: {seed}")
    return seed - 2**64 if seed >= 2**63 else seed


default_generator = Default.generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Make every draw from now on a function of `seed`."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Seed the default generator from the operating system; returns the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default generator."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Let the default generator continue from a state that `get_rng_state` gave."""
    default_generator.set_state(new_state)


Tape.random_state = staticmethod(get_rng_state)
Tape.set_random_state = staticmethod(set_rng_state)


@contextmanager
def fork_rng(devices: Any = None, enabled: bool = True) -> Iterator[None]:
    """What is drawn within leaves the default generator as it was before."""
    before = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(before)
