"""Collating: how a list of examples becomes one batch.

`default_collate` stacks what can be stacked, part by part; `default_convert` makes tensors of
arrays and leaves everything else, for loaders that do not batch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from ..core.errors import DataError, DTypeError, ShapeError
from ..ops.join import stack
from ..tensor import Tensor, as_tensor, tensor
from .dataset import Rows


def default_collate(batch: Sequence[Any]) -> Any:
    """Examples to a batch: tensors, arrays and numbers are stacked along a new first dim.

    Mappings, named tuples and sequences are collated part by part, strings left as they are.
    The batch of tuples is a list; floats become float64, ints int64.

    >>> default_collate([(1, "a"), (2, "b")])
    [tensor([1, 2]), ('a', 'b')]
    """
    if isinstance(batch, Rows):
        return list(batch.columns)
    if not len(batch):
        raise DataError("default_collate: there are no examples")
    first = batch[0]
    if isinstance(first, (Tensor, np.ndarray)):
        return stacked(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, np.generic):
        return as_tensor(np.array(batch))
    if isinstance(first, (int, float)):
        return tensor(batch, dtype="float64" if isinstance(first, float) else None)
    if isinstance(first, Mapping):
        return collated_mapping(batch)
    if isinstance(first, Sequence):
        return collated_sequence(batch)
    raise unfit(first)


def stacked(batch: Sequence[Any]) -> Tensor:
    """Tensors or arrays along a new first dim; gradients flow through."""
    try:
        tensors = [as_tensor(x) for x in batch]
    except DTypeError:
        raise unfit(batch[0]) from None
    shapes = [x.array.shape for x in tensors]
    for i, shape in enumerate(shapes):
        if shape != shapes[0]:
            raise ShapeError(
                f"default_collate: examples must be of one shape: {list(shapes[0])}, "
                f"but {list(shape)} at {i}"
            )
    return stack(tensors)


def collated_mapping(batch: Sequence[Mapping]) -> Any:
    """A mapping of the first one's class, from each of its keys to the batch of the values."""
    first = batch[0]
    collated = {key: default_collate([example[key] for example in batch]) for key in first}
    return in_place_of(first, collated)


def collated_sequence(batch: Sequence[Sequence]) -> Any:
    """The batch of the first parts, of the second parts, …"""
    first = batch[0]
    lengths = [len(example) for example in batch]
    if len(set(lengths)) > 1:
        raise ShapeError(f"default_collate: examples must have one number of parts: {lengths}")
    parts = [default_collate(part) for part in zip(*batch, strict=True)]
    if isinstance(first, tuple):
        return type(first)(*parts) if hasattr(first, "_fields") else parts
    return sequence_like(first, parts)


def default_convert(data: Any) -> Any:
    """Arrays and NumPy's numbers inside `data` as tensors; everything else as it is."""
    if isinstance(data, (np.ndarray, np.generic)):
        is_text = data.dtype.kind in "SUO"
        return data if is_text else as_tensor(np.asarray(data))
    if isinstance(data, Mapping):
        return in_place_of(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple):
        parts = [default_convert(part) for part in data]
        return type(data)(*parts) if hasattr(data, "_fields") else parts
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return sequence_like(data, [default_convert(part) for part in data])
    return data


def in_place_of(model: Mapping, items: dict) -> Any:
    """A mapping like `model`, its other attributes included, with these items; or a dict."""
    if isinstance(model, MutableMapping):
        clone = attempt(copy.copy, model)
        if clone is not None:
            clone.update(items)
            return clone
    made = attempt(type(model), items)
    return items if made is None else made


def sequence_like(model: Sequence, parts: list) -> Any:
    """A sequence of the class of `model` with these parts; or a list."""
    made = attempt(type(model), parts)
    return parts if made is None else made


def attempt(make: Callable, given: Any) -> Any:
    """`make(given)`, or None where that class cannot be made so."""
    try:
        return make(given)
    except TypeError:
        return None


def unfit(example: Any) -> DTypeError:
    kind = type(example).__name__
    if isinstance(example, np.ndarray):
        kind = f"an array of {example.dtype}"
    return DTypeError(
        "default_collate: examples must be made of tensors, NumPy arrays, numbers, strings, "
        f"mappings or sequences: {kind}; for others, give the loader a collate_fn"
    )
