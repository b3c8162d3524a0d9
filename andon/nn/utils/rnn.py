"""Sequences of several lengths: padded to one, or packed without padding.

A PackedSequence holds the rows of all sequences by time: first the first element of each, longest
sequence first, then the second element of those that have one, and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...core.errors import ArgumentError, ShapeError
from ...ops.join import cat, stack
from ...tensor.creation import full, tensor
from ...tensor.tensor import Tensor


class PackedSequence(NamedTuple):
    """Rows by time; how many sequences reach each step; how to sort them and back."""

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


def rows(x: Tensor, dim: int, order: Tensor) -> Tensor:
    """x with dim `dim` in another order."""
    return x.index_select(dim, order)


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Stack sequences (Lᵢ, *) into (max L, B, *), or (B, max L, *) under `batch_first`."""
    if padding_side not in ("left", "right"):
        raise ArgumentError(
            f"pad_sequence: padding_side must be 'left' or 'right': {padding_side!r}"
        )
    if len(sequences) == 0:
        raise ShapeError("pad_sequence: expects at least one sequence: none given")
    longest, rest = max(len(s) for s in sequences), tuple(sequences[0].shape[1:])
    for s in sequences:
        if tuple(s.shape[1:]) != rest:
            raise ShapeError(
                f"pad_sequence: dims after the first must agree: {list(s.shape[1:])}, {list(rest)}"
            )
    padded = [padded_to(longest, s, padding_value, padding_side) for s in sequences]
    return stack(padded, 0 if batch_first else 1)


def padded_to(longest: int, s: Tensor, value: float, side: str) -> Tensor:
    if len(s) == longest:
        return s
    filler = full((longest - len(s), *s.shape[1:]), value, dtype=s.dtype)
    return cat([s, filler] if side == "right" else [filler, s], 0)


def unpad_sequence(padded: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """The sequences again: the inverse of `pad_sequence`."""
    x = padded if batch_first else padded.transpose(0, 1)
    return [x[i, :n] for i, n in enumerate(as_lengths(lengths, x.shape[1], "unpad_sequence"))]


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack (T, B, *), whose sequences have these lengths.

    Raises: ShapeError if `enforce_sorted` and the lengths are not in descending order.
    """
    x = input.transpose(0, 1) if batch_first else input  # (T, B, *)
    n = as_lengths(lengths, x.shape[0], "pack_padded_sequence")
    if len(n) != x.shape[1]:
        raise ShapeError(f"pack_padded_sequence: {len(n)} lengths for a batch of {x.shape[1]}")
    order = back = None
    if enforce_sorted:
        if sorted(n, reverse=True) != n:
            raise ShapeError(
                f"pack_padded_sequence: lengths must descend, or enforce_sorted be False: {n}"
            )
    else:
        by_length = np.argsort(-np.array(n), kind="stable")
        order, back = tensor(by_length), tensor(np.argsort(by_length))
        x, n = rows(x, 1, order), [n[i] for i in by_length]
    sizes = [sum(length > t for length in n) for t in range(n[0])]
    data = cat([x[t, :size] for t, size in enumerate(sizes)], 0)
    return PackedSequence(data, tensor(sizes), order, back)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(padded, lengths): the inverse of `pack_padded_sequence`."""
    sizes = sequence.batch_sizes.tolist()
    total = len(sizes) if total_length is None else total_length
    if total < len(sizes):
        raise ShapeError(
            f"pad_packed_sequence: total_length is below the longest: {total}, {len(sizes)}"
        )
    steps = [padded_to(sizes[0], s, padding_value, "right") for s in sequence.data.split(sizes)]
    empty = padded_to(sizes[0], sequence.data[:0], padding_value, "right")
    x = stack(steps + [empty] * (total - len(steps)), 0)  # (T, B, *)
    lengths = tensor([sum(size > i for size in sizes) for i in range(sizes[0])])
    if sequence.unsorted_indices is not None:
        x = rows(x, 1, sequence.unsorted_indices)
        lengths = rows(lengths, 0, sequence.unsorted_indices)
    return (x.transpose(0, 1) if batch_first else x), lengths


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (Lᵢ, *)."""
    lengths = [len(s) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed: PackedSequence) -> list[Tensor]:
    """The list of sequences again: the inverse of `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


def as_lengths(lengths: Any, longest: int, name: str) -> list[int]:
    """The lengths as ints between 1 and the longest possible."""
    found = lengths.tolist() if isinstance(lengths, Tensor) else [int(n) for n in lengths]
    if not found or not all(0 < n <= longest for n in found):
        raise ShapeError(f"{name}: lengths must be between 1 and {longest}: {found}")
    return found
