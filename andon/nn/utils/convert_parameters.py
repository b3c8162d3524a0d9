"""Parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...core.errors import ShapeError
from ...ops.join import cat
from ...tensor.tensor import Tensor


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters end to end. Gradients flow through."""
    return cat([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Write a vector's elements into the parameters, in their order."""
    tensors = list(parameters)
    if vec.numel() != sum(p.numel() for p in tensors):
        raise ShapeError(
            f"vector_to_parameters: {vec.numel()} elements for parameters with "
            f"{sum(p.numel() for p in tensors)}"
        )
    start = 0
    for p in tensors:
        part = vec.array.reshape(-1)[start : start + p.numel()]
        np.copyto(p.array, part.reshape(p.array.shape), casting="unsafe")
        p.memory.touch()
        start += p.numel()
