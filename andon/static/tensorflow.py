"""Functions of TensorFlow's that are not andon's under another name: what they make of tensors.

`static.one_hot(x, 10)` adds a value to the default graph, which is this function's when it is run.
"""

from __future__ import annotations

from functools import reduce
from operator import add
from typing import Any

import numpy as np

from ..core.dtype import dtype as dtype_of
from ..tensor import Tensor, as_tensor, rand, randn
from .define import StaticValue, deferred


def cast(x: Tensor, dtype: Any) -> Tensor:
    """x in another dtype."""
    return x.to(dtype_of(dtype))


def identity(x: Tensor) -> Tensor:
    """x as it is when this is run."""
    return as_tensor(x).clone()


def stop_gradient(x: Tensor) -> Tensor:
    """x, through which no gradient flows."""
    return x.detach()


def transpose(x: Tensor, *dims: Any, perm: Any = None) -> Tensor:
    """The dims in another order: all of them reversed, or as `perm` says; or two exchanged."""
    if len(dims) == 2:
        return x.transpose(*dims)
    order = perm if perm is not None else dims[0] if dims else range(x.ndim - 1, -1, -1)
    return x.permute(*order)


def one_hot(indices: Tensor, depth: int) -> Tensor:
    """A 1 at each index, and 0 elsewhere, along a new last dim, as float32."""
    return (as_tensor(indices)[..., None] == as_tensor(np.arange(depth))).float()


def add_n(inputs: list) -> Tensor:
    """The sum of several tensors."""
    return reduce(add, inputs)


def clip_by_value(t: Tensor, clip_value_min: Any, clip_value_max: Any) -> Tensor:
    """t with its elements brought into a range."""
    return t.clamp(clip_value_min, clip_value_max)


def random_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0) -> Tensor:
    """Draws from a normal distribution."""
    return randn(*shape) * stddev + mean


def random_uniform(shape: Any, minval: Any = 0.0, maxval: Any = 1.0) -> Tensor:
    """Draws from [minval, maxval)."""
    return rand(*shape) * (maxval - minval) + minval


def truncated_normal(shape: Any, mean: Any = 0.0, stddev: Any = 1.0) -> Tensor:
    """Draws from a normal distribution, none of them beyond two standard deviations."""
    within = 0.9544997361036416  # erf(√2)
    return ((rand(*shape) * 2 - 1) * within).erfinv() * (2**0.5 * stddev) + mean


def bias_add(value: Tensor, bias: Tensor) -> Tensor:
    """The sum, a bias for each place in the last dim."""
    return value + bias


def l2_loss(t: Tensor) -> Tensor:
    """½ Σ t²."""
    return (t * t).sum() / 2


def softmax_cross_entropy_with_logits(labels: Tensor, logits: Tensor) -> Tensor:
    """-Σ labels log softmax(logits), over the last dim."""
    return -(labels * logits.log_softmax(-1)).sum(-1)


def sparse_softmax_cross_entropy_with_logits(labels: Tensor, logits: Tensor) -> Tensor:
    """-log softmax(logits) at each label."""
    return -logits.log_softmax(-1).gather(-1, as_tensor(labels).long()[..., None])[..., 0]


def sigmoid_cross_entropy_with_logits(labels: Tensor, logits: Tensor) -> Tensor:
    """-labels log σ(logits) - (1 - labels) log(1 - σ(logits)), without overflow."""
    return logits.clamp(min=0) - logits * labels + (-logits.abs()).exp().log1p()


def clip_by_global_norm(t_list: list, clip_norm: Any) -> tuple[list[StaticValue], StaticValue]:
    """Values, scaled down together to a norm of at most `clip_norm`, and the norm they had."""
    norm = deferred(norm_of, (t_list,), {}, "global_norm")
    return [deferred(scaled_down, (t, norm, clip_norm), {}, "clipped") for t in t_list], norm


def norm_of(tensors: list) -> Tensor:
    return add_n([(t * t).sum() for t in tensors]).sqrt()


def scaled_down(t: Tensor, norm: Tensor, limit: Any) -> Tensor:
    return t * (limit / norm.clamp(min=limit))
