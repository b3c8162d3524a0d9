"""Language-modelling data: every window of a long text, with the tokens that follow it.

`CharDataset` numbers the characters of a text; `TokenDataset` takes tokens from any tokenizer,
in memory or in a memory-mapped file.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.errors import DataError, DTypeError
from ..tensor import Tensor, from_numpy
from .dataset import Dataset, Rows, checked_index


class TokenDataset(Dataset[tuple[Tensor, Tensor]]):
    """Example i is (x, y): tokens i … i + block_size - 1, and for each of them the next one.

    Shapes: x and y int64 (block_size,). There are len(tokens) - block_size examples.
    """

    def __init__(self, tokens: Any, block_size: int, tokenizer: Any = None):
        self.tokens = checked_tokens(tokens)
        if not isinstance(block_size, int) or block_size < 1:
            raise DataError(f"TokenDataset: block_size must be a positive int: {block_size}")
        if len(self.tokens) <= block_size:
            raise DataError(
                f"TokenDataset: a block of {block_size} and the token after it need more than "
                f"{len(self.tokens)} tokens"
            )
        self.block_size, self.tokenizer = block_size, tokenizer

    @functools.cached_property
    def vocab_size(self) -> int:
        """The tokenizer's; without one, the highest token plus one."""
        if self.tokenizer is not None:
            return self.tokenizer.vocab_size
        return int(self.tokens.max()) + 1

    def get_vocab_size(self) -> int:
        return self.vocab_size

    def get_block_size(self) -> int:
        return self.block_size

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        start = checked_index(index, len(self), type(self).__name__)
        x = self.tokens[start : start + self.block_size]
        y = self.tokens[start + 1 : start + 1 + self.block_size]
        return from_numpy(x.astype(np.int64)), from_numpy(y.astype(np.int64))

    def __getitems__(self, indices: Sequence[int]) -> Rows:
        starts = [checked_index(i, len(self), type(self).__name__) for i in indices]
        windows = self.tokens[np.add.outer(starts, np.arange(self.block_size + 1))]  # (B, T + 1)
        x, y = windows[:, :-1].astype(np.int64), windows[:, 1:].astype(np.int64)
        return Rows(from_numpy(x), from_numpy(y))

    def __len__(self) -> int:
        return len(self.tokens) - self.block_size


class CharDataset(TokenDataset):
    """As `TokenDataset`, a token per character; `tokenizer` turns tokens back into text.

    >>> dataset = CharDataset("hello", block_size=3)
    >>> x, y = dataset[1]
    >>> dataset.tokenizer.decode(x.tolist()), dataset.tokenizer.decode(y.tolist())
    ('ell', 'llo')
    """

    def __init__(self, text: str, block_size: int):
        from ..text import CharTokenizer

        tokenizer = CharTokenizer(text)
        tokens = numbered(text, tokenizer.characters)
        super().__init__(tokens, block_size, tokenizer)


def numbered(text: str, characters: str) -> np.ndarray:
    """For each character of `text` its place in `characters`, in the smallest dtype that fits."""
    place = np.zeros(1 + max(map(ord, characters), default=0), smallest_dtype(len(characters)))
    place[code_points(characters)] = np.arange(len(characters))
    return place[code_points(text)]


def code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def smallest_dtype(size: int) -> np.dtype:
    """The smallest unsigned dtype for 0 … size - 1."""
    return np.min_scalar_type(max(0, size - 1))


def checked_tokens(tokens: Any) -> np.ndarray:
    """`tokens` as an array of integers >= 0, as compact as it was, or more so."""
    array = tokens.array if isinstance(tokens, Tensor) else tokens
    if not isinstance(array, np.ndarray):
        array = np.array(array)
        if array.dtype.kind == "i" and array.size and array.min() >= 0:
            array = array.astype(smallest_dtype(int(array.max()) + 1))
    if array.ndim != 1 or (array.dtype.kind not in "iu" and array.size):
        raise DTypeError(
            f"TokenDataset: tokens must be integers with one dim: {array.dtype} {array.shape}"
        )
    if array.dtype.kind == "i" and array.size and array.min() < 0:
        raise DataError(f"TokenDataset: tokens must be >= 0: {array.min()}")
    return array
