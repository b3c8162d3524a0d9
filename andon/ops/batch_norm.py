"""Batch norm, and the norms of instances and groups: a scale for each channel.

In training, batch norm goes by the statistics of the batch and moves the running ones toward
them; afterwards it goes by those, and is a multiplication and an addition.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.errors import DTypeError, ShapeError
from ..core.mode import no_grad
from ..core.op import op
from ..core.spec import Spec
from .blocking import widened
from .join import narrow
from .movement import cast, reshape
from .norm import affine, composite_affine, layer_norm, mean_of, wide
from .padding import pad


@op
def batch_norm(x, weight, bias, *, eps):
    """(x - mean) / √(var + eps) · weight + bias, over all dims but the channels.

    Gives the result, and the mean and (biased) variance of each channel.
    Shapes: x (N, C, ...), weight and bias (C,) -> (N, C, ...), (C,), (C,).
    Source: Ioffe and Szegedy, "Batch Normalization" (2015).
    """
    check_channels("batch_norm", x, weight, bias)
    planes = as_planes(x)
    count = max(planes.shape[0] * planes.shape[2], 1)
    mean = planes.sum(axis=(0, 2)) / planes.dtype.type(count)
    y = planes - mean[:, None]
    variance = np.einsum("ncl,ncl->c", y, y) / planes.dtype.type(count)
    y *= (1 / np.sqrt(variance + eps))[:, None]
    affine(y, *(w if w is None else w[:, None] for w in (weight, bias)))
    return y.reshape(x.shape).astype(x.dtype, copy=False), mean, variance


def as_planes(x):
    """x as (N, C, L), no narrower than float32."""
    N, C = x.shape[:2]
    return widened(x).reshape(N, C, math.prod(x.shape[2:]))


def check_channels(name, x, *vectors):
    if x.ndim < 2:
        raise ShapeError(f"{name}: needs a batch and a channel dim: {list(x.shape)}")
    if not as_dtype(x.dtype).is_floating_point:
        raise DTypeError(f"{name}: only floating dtypes: {as_dtype(x.dtype)}")
    for v in vectors:
        if v is not None and tuple(v.shape) != (x.shape[1],):
            raise ShapeError(
                f"{name}: {x.shape[1]} channels need vectors of that size: {list(v.shape)}"
            )


@batch_norm.spec
def batch_norm_spec(x, weight, bias, *, eps):
    check_channels("batch_norm", x, weight, bias)
    stats = Spec((x.shape[1],), wide(x.dtype))
    return x, stats, stats


@batch_norm.signature
def batch_norm_call(
    x, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    check_channels("batch_norm", x, running_mean, running_var)
    if not training:
        return batch_norm_inference(x, running_mean, running_var, weight, bias, eps)
    count = math.prod(x.shape) // max(x.shape[1], 1)
    if count == 1:
        raise ShapeError(f"batch_norm: training needs several values per channel: {list(x.shape)}")
    y, mean, variance = batch_norm_trained(x, weight, bias, eps)
    with no_grad():
        move(running_mean, mean, momentum)
        move(running_var, variance * (count / max(count - 1, 1)), momentum)
    return y


def batch_norm_trained(x, weight, bias, eps):
    """By the statistics of the batch, which are given as well."""
    if weight is None and bias is not None:
        y, mean, variance = batch_norm.apply(x, None, None, eps=eps)
        return y + per_channel(bias, x), mean, variance
    return batch_norm.apply(x, weight, bias, eps=eps)


def move(running, value, momentum):
    """running ← (1 - momentum) running + momentum value, in place."""
    if running is not None:
        running.become(running * (1 - momentum) + value * momentum)


def batch_norm_inference(x, mean, variance, weight, bias, eps):
    """By statistics gathered before: one multiplication and one addition per element."""
    if mean is None or variance is None:
        raise ShapeError("batch_norm: running statistics are needed when not training: None")
    scale = (variance + eps) ** -0.5
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    y = x * per_channel(scale, x) + per_channel(shift, x)
    return cast.apply(y, dtype=as_dtype(x.dtype)) if y.dtype is not x.dtype else y


def per_channel(v, x):
    """The vector v (C,) as (C, 1, ...), to be broadcast over x (N, C, ...)."""
    return reshape.apply(v, shape=(v.shape[0], *(1,) * (x.ndim - 2)))


@batch_norm.grad
def batch_norm_grad(g, y, x, weight, bias, *, eps):
    gx, gw, gb = batch_norm_backward.apply(g[0], x, y[1], y[2], weight, eps=eps)
    return (gx, gw, gb) if weight is not None else (gx, None, None)


@batch_norm.decompose
def batch_norm_composite(x, weight, bias, *, eps):
    dtype, C = as_dtype(x.dtype), x.shape[1]
    x = cast.apply(x, dtype=wide(dtype))
    dim = (0, *range(2, x.ndim))
    mean = mean_of(x, dim)
    centred = x - mean
    variance = mean_of(centred * centred, dim)
    vectors = [v if v is None else per_channel(v, x) for v in (weight, bias)]
    y = composite_affine(centred * (variance + eps) ** -0.5, *vectors)
    mean, variance = reshape.apply(mean, shape=(C,)), reshape.apply(variance, shape=(C,))
    return cast.apply(y, dtype=dtype), mean, variance


@op
def batch_norm_backward(g, x, mean, variance, weight, *, eps):
    """The gradients of batch_norm to x, weight and bias.

    With x̂ = (x - mean) / √(var + eps): (g - avg g - x̂ avg(g x̂)) weight / √(var + eps), Σ g x̂, Σ g.
    """
    planes, gx = as_planes(x), np.array(as_planes(g))
    count = max(planes.shape[0] * planes.shape[2], 1)
    rstd = 1 / np.sqrt(variance + eps)
    xhat = planes - mean[:, None]
    xhat *= rstd[:, None]
    gw, gb = np.einsum("ncl,ncl->c", gx, xhat), gx.sum(axis=(0, 2))
    xhat *= (gw / count)[:, None]
    gx -= xhat
    gx -= (gb / count)[:, None]
    gx *= (rstd if weight is None else rstd * weight)[:, None]
    dtype = (rstd if weight is None else weight).dtype
    gx = gx.reshape(x.shape).astype(x.dtype, copy=False)
    return gx, gw.astype(dtype, copy=False), gb.astype(dtype, copy=False)


@batch_norm_backward.spec
def batch_norm_backward_spec(g, x, mean, variance, weight, *, eps):
    vector = Spec((x.shape[1],), (mean if weight is None else weight).dtype)
    return x, vector, vector


# Norms of groups and instances


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    """Layer norm of each of `num_groups` groups of channels, then weight and bias per channel.

    Shapes: x (N, C, ...), weight and bias (C,).
    Source: Wu and He, "Group Normalization" (2018).
    """
    check_channels("group_norm", x, weight, bias)
    N, C = x.shape[:2]
    if num_groups < 1 or C % num_groups:
        raise ShapeError(f"group_norm: {C} channels do not divide into {num_groups} groups")
    size = math.prod(x.shape[1:]) // num_groups
    rows = reshape.apply(x, shape=(N, num_groups, size))
    y = layer_norm.apply(rows, None, None, normalized_shape=(size,), eps=eps)[0]
    y = reshape.apply(y, shape=tuple(x.shape))
    return composite_affine(y, *(v if v is None else per_channel(v, x) for v in (weight, bias)))


def instance_norm(
    x,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """Batch norm of each sample by itself: the statistics of each channel of each sample.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance Normalization" (2016).
    """
    check_channels("instance_norm", x, running_mean, running_var, weight, bias)
    if not use_input_stats:
        return batch_norm_inference(x, running_mean, running_var, weight, bias, eps)
    N, C = x.shape[:2]
    size = math.prod(x.shape[2:])
    if size == 1:
        raise ShapeError(f"instance_norm: needs several values per channel: {list(x.shape)}")
    rows = reshape.apply(x, shape=(1, N * C, size))
    y, mean, variance = batch_norm.apply(rows, None, None, eps=eps)
    with no_grad():
        unbiased = variance * (size / max(size - 1, 1))
        for running, value in ((running_mean, mean), (running_var, unbiased)):
            move(running, mean_of(reshape.apply(value, shape=(N, C)), (0,))[0], momentum)
    y = reshape.apply(y, shape=tuple(x.shape))
    return composite_affine(y, *(v if v is None else per_channel(v, x) for v in (weight, bias)))


def local_response_norm(x, size, alpha=1e-4, beta=0.75, k=1.0):
    """x / (k + α / size · Σ x²)^β, the sum over `size` neighbouring channels.

    Source: Krizhevsky, Sutskever and Hinton, "ImageNet Classification" (2012).
    """
    if x.ndim < 3 or size < 1:
        raise ShapeError(
            f"local_response_norm: expects (N, C, L, ...) and size >= 1: {list(x.shape)}, {size}"
        )
    C, others = x.shape[1], (0, 0) * (x.ndim - 2)
    squares = pad(x * x, (*others, size // 2, (size - 1) // 2))
    total = narrow(squares, 1, 0, C)
    for i in range(1, size):
        total = total + narrow(squares, 1, i, C)
    return x / (total * (alpha / size) + k) ** beta
