"""Layer norm and RMS norm: each row of the trailing dims, brought to one scale.

Each is an op with a backward op, a few passes over blocks of rows in cache. The further outputs
(mean, 1/σ) are what the backward pass needs of the forward. Higher derivatives go through the
composites, which say the same in plain arithmetic.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import finfo, float32
from ..core.errors import DTypeError, ShapeError
from ..core.op import op
from ..core.spec import Spec
from .blocking import as_matrix, blocks, widened
from .movement import cast
from .reduce import sum

# Layer norm


@op
def layer_norm(x, weight, bias, *, normalized_shape, eps):
    """(x - mean) / √(var + eps) · weight + bias, over the trailing dims `normalized_shape`.

    Gives the result, the mean and 1/√(var + eps); the latter two as float32 at least.
    Source: Ba, Kiros and Hinton, "Layer Normalization" (2016).
    """
    rows, weight, bias = row_operands("layer_norm", x, weight, bias, normalized_shape)
    R, C = rows.shape
    y, (mean, rstd) = np.empty_like(rows), np.empty((2, R, 1), rows.dtype)
    average = np.full((C, 1), 1 / max(C, 1), rows.dtype)
    for part in blocks(R, C):
        out = y[part]
        np.matmul(rows[part], average, out=mean[part])
        np.subtract(rows[part], mean[part], out=out)
        variance = np.einsum("ij,ij->i", out, out) / C
        rstd[part, 0] = 1 / np.sqrt(variance + eps)
        out *= rstd[part]
        affine(out, weight, bias)
    stats = stat_shape(x, normalized_shape)
    return y.reshape(x.shape).astype(x.dtype, copy=False), mean.reshape(stats), rstd.reshape(stats)


def row_operands(name, x, weight, bias, shape):
    """x as rows of the trailing dims `shape`, and the weights as vectors, if there are any."""
    check_trailing(name, x, weight, bias, shape)
    rows = as_matrix(x, math.prod(shape), math.prod(x.shape[: -len(shape)]))
    flat = [w if w is None else widened(w).reshape(-1) for w in (weight, bias)]
    return rows, *flat


def check_trailing(name, x, weight, bias, shape):
    n = len(shape)
    if n == 0 or tuple(x.shape[-n:]) != shape:
        raise ShapeError(
            f"{name}: the last dims must be the normalised ones: {list(x.shape)}, {list(shape)}"
        )
    for w in (weight, bias):
        if w is not None and tuple(w.shape) != shape:
            raise ShapeError(f"{name}: weights must have the normalised shape: {list(w.shape)}")
    if not as_dtype(x.dtype).is_floating_point:
        raise DTypeError(f"{name}: only floating dtypes: {as_dtype(x.dtype)}")


def affine(out, weight, bias):
    """out · weight + bias, in place, leaving out what is None."""
    if weight is not None:
        out *= weight
    if bias is not None:
        out += bias


def stat_shape(x, shape):
    """The shape of a row's statistics: x's, with size 1 in the normalised dims."""
    n = len(shape)
    return (*x.shape[: x.ndim - n], *(1,) * n)


def wide(dtype):
    """The dtype that statistics are kept in: float32 for narrower floats."""
    return float32 if dtype.itemsize < 4 else dtype


@layer_norm.spec
def layer_norm_spec(x, weight, bias, *, normalized_shape, eps):
    check_trailing("layer_norm", x, weight, bias, normalized_shape)
    stats = Spec(stat_shape(x, normalized_shape), wide(x.dtype))
    return x, stats, stats


@layer_norm.signature
def layer_norm_call(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    shape = as_shape(normalized_shape)
    if weight is None and bias is not None:
        return layer_norm.apply(x, None, None, normalized_shape=shape, eps=eps)[0] + bias
    return layer_norm.apply(x, weight, bias, normalized_shape=shape, eps=eps)[0]


def as_shape(given):
    return (given,) if isinstance(given, int) else tuple(given)


@layer_norm.grad
def layer_norm_grad(g, y, x, weight, bias, *, normalized_shape, eps):
    _, mean, rstd = y
    grads = layer_norm_backward.apply(
        g[0], x, mean, rstd, weight, normalized_shape=normalized_shape
    )
    return grads if weight is not None else (*grads, None, None)


@layer_norm.decompose
def layer_norm_composite(x, weight, bias, *, normalized_shape, eps):
    dtype = as_dtype(x.dtype)
    x = cast.apply(x, dtype=wide(dtype))
    dim = trailing(x, normalized_shape)
    mean = mean_of(x, dim)
    centred = x - mean
    rstd = (mean_of(centred * centred, dim) + eps) ** -0.5
    y = composite_affine(centred * rstd, weight, bias)
    return cast.apply(y, dtype=dtype), mean, rstd


def trailing(x, shape):
    return tuple(range(x.ndim - len(shape), x.ndim))


def mean_of(x, dim):
    """The mean over `dim`, kept as dims of size 1."""
    return sum.apply(x, dim=dim, keepdim=True) * (1 / max(math.prod(x.shape[d] for d in dim), 1))


def composite_affine(y, weight, bias):
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


@op
def layer_norm_backward(g, x, mean, rstd, weight, *, normalized_shape):
    """The gradients of layer_norm to x, weight and bias; to x alone if there is no weight.

    With x̂ = (x - mean) rstd and ĝ = g · weight: (ĝ - avg ĝ - x̂ avg(ĝ x̂)) rstd, Σ g x̂, Σ g.
    """
    rows, w, _ = row_operands("layer_norm", x, weight, None, normalized_shape)
    R, C = rows.shape
    g, gx = as_matrix(g, C, R), np.empty_like(rows)
    mean, rstd = mean.reshape(R, 1), rstd.reshape(R, 1)
    scale = np.ones(C, rows.dtype) if w is None else w
    gw, gb = np.zeros((2, C), rows.dtype)
    average = rows.dtype.type(1 / max(C, 1))
    for part in blocks(R, C):
        centred = rows[part] - mean[part]
        product, r = g[part] * centred, rstd[part]
        if w is not None:
            gw += r[:, 0] @ product
            gb += np.ones(len(r), g.dtype) @ g[part]
        centred *= (product @ scale)[:, None] * r**3 * average
        out = np.multiply(g[part], scale, out=gx[part])
        out -= (g[part] @ scale)[:, None] * average
        out *= r
        out -= centred
    return like_operands(gx, x, weight, gw, gb)


def like_operands(gx, x, weight, *sums):
    """Gradients in the shapes and dtypes of x and weight; (gx,) where there is no weight."""
    gx = gx.reshape(x.shape).astype(x.dtype, copy=False)
    if weight is None:
        return (gx,)
    return gx, *(s.reshape(weight.shape).astype(weight.dtype, copy=False) for s in sums)


@layer_norm_backward.spec
def layer_norm_backward_spec(g, x, mean, rstd, weight, *, normalized_shape):
    return (x,) if weight is None else (x, weight, weight)


# RMS norm


@op
def rms_norm(x, weight, *, normalized_shape, eps):
    """x / √(avg x² + eps) · weight, over the trailing dims `normalized_shape`.

    Gives the result and 1/√(avg x² + eps), the latter as float32 at least.
    Source: Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).
    """
    rows, weight, _ = row_operands("rms_norm", x, weight, None, normalized_shape)
    R, C = rows.shape
    y, rstd = np.empty_like(rows), np.empty((R, 1), rows.dtype)
    for part in blocks(R, C):
        square = np.einsum("ij,ij->i", rows[part], rows[part]) / C
        rstd[part, 0] = 1 / np.sqrt(square + eps)
        np.multiply(rows[part], rstd[part], out=y[part])
        affine(y[part], weight, None)
    y = y.reshape(x.shape).astype(x.dtype, copy=False)
    return y, rstd.reshape(stat_shape(x, normalized_shape))


@rms_norm.spec
def rms_norm_spec(x, weight, *, normalized_shape, eps):
    check_trailing("rms_norm", x, weight, None, normalized_shape)
    return x, Spec(stat_shape(x, normalized_shape), wide(x.dtype))


@rms_norm.signature
def rms_norm_call(x, normalized_shape, weight=None, eps=None):
    eps = finfo(x.dtype).eps if eps is None else eps
    return rms_norm.apply(x, weight, normalized_shape=as_shape(normalized_shape), eps=eps)[0]


@rms_norm.grad
def rms_norm_grad(g, y, x, weight, *, normalized_shape, eps):
    grads = rms_norm_backward.apply(g[0], x, y[1], weight, normalized_shape=normalized_shape)
    return grads if weight is not None else (*grads, None)


@rms_norm.decompose
def rms_norm_composite(x, weight, *, normalized_shape, eps):
    dtype = as_dtype(x.dtype)
    x = cast.apply(x, dtype=wide(dtype))
    rstd = (mean_of(x * x, trailing(x, normalized_shape)) + eps) ** -0.5
    return cast.apply(composite_affine(x * rstd, weight, None), dtype=dtype), rstd


@op
def rms_norm_backward(g, x, rstd, weight, *, normalized_shape):
    """The gradients of rms_norm to x and weight; to x alone if there is no weight.

    With x̂ = x rstd and ĝ = g · weight: (ĝ - x̂ avg(ĝ x̂)) rstd, Σ g x̂.
    """
    rows, w, _ = row_operands("rms_norm", x, weight, None, normalized_shape)
    R, C = rows.shape
    g, gx, rstd = as_matrix(g, C, R), np.empty_like(rows), rstd.reshape(R, 1)
    scale = np.ones(C, rows.dtype) if w is None else w
    gw, average = np.zeros(C, rows.dtype), rows.dtype.type(1 / max(C, 1))
    for part in blocks(R, C):
        product, r = g[part] * rows[part], rstd[part]
        if w is not None:
            gw += r[:, 0] @ product
        out = np.multiply(g[part], scale, out=gx[part])
        out *= r
        out -= rows[part] * ((product @ scale)[:, None] * r**3 * average)
    return like_operands(gx, x, weight, gw)


@rms_norm_backward.spec
def rms_norm_backward_spec(g, x, rstd, weight, *, normalized_shape):
    return (x,) if weight is None else (x, weight)
