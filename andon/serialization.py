"""`save` and `load`: tensors in plain containers, in PyTorch's zip format, both ways."""

from __future__ import annotations

from typing import Any

import numpy as np

from .core.dtype import OF_NUMPY
from .tensor import Tensor
from .tensor.tensor import wrap


def save(obj: Any, f: Any, **ignored: Any) -> None:
    """Write tensors in dicts, lists and tuples to a path or a binary file.

    Only data is written: a Module is saved by its `state_dict()`.
    """
    from .importers import torch_checkpoint

    torch_checkpoint.save(obj, f, array_of=array_of)


def load(
    f: Any,
    map_location: Any = None,
    pickle_module: Any = None,
    *,
    weights_only: bool = True,
    mmap: bool | None = None,
    **ignored: Any,
) -> Any:
    """Read what `save` or PyTorch wrote. Nothing but tensors and plain containers is made of it.

    Raises: FileFormatError, by name, for a file that asks for anything else.
    """
    from .importers import torch_checkpoint

    return with_dtypes(torch_checkpoint.load(f, mmap=bool(mmap), tensor=wrap), set())


def with_dtypes(value: Any, seen: set[int]) -> Any:
    """`value` with andon's dtypes in the place of NumPy's, which the reader of files gives."""
    if isinstance(value, np.dtype):
        return OF_NUMPY.get(value, value)
    if isinstance(value, tuple):
        return tuple(with_dtypes(x, seen) for x in value)
    if isinstance(value, (dict, list)) and id(value) not in seen:
        seen.add(id(value))
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            value[key] = with_dtypes(value[key], seen)
    return value


def array_of(obj: Any) -> np.ndarray | None:
    return obj.detach().numpy() if isinstance(obj, Tensor) else None
