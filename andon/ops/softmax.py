"""Softmax and its logarithm along a dim.

Every kernel works on rows, a block at a time; the gradient rules read the result alone, which
is what makes softmax cheap to differentiate.
"""

from __future__ import annotations

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import float64
from ..core.errors import DTypeError
from ..core.mode import no_grad
from ..core.op import op
from ..core.spec import normal_dim
from .blocking import along, blocks
from .elementwise import exp, log, log1p
from .extremes import clamp_min
from .gather_scatter import scatter
from .index import zeros
from .largest import argmax
from .movement import cast
from .random import key_from, random_uniform
from .reduce import sum


@op
def softmax(x, *, dim):
    """exp x / Σ exp x along `dim`. A slice that is all -∞ gives NaN."""
    return along(softmax_rows, floating_dim(x, dim, "softmax"), x)


def softmax_rows(x):
    y = np.empty_like(x)
    for part in blocks(*x.shape):
        _, total = exp_rows(x[part], y[part])
        y[part] *= np.reciprocal(total)[:, None]
    return y


def exp_rows(x, out):
    """out = exp(x - shift), no element above 1: gives the shift, and the sums of the rows.

    One shift for all rows is faster by half than one for each. Where it leaves a row with a sum
    so small that digits are lost, or with none, each row is shifted by its own largest element.
    """
    shift = x.max()
    total = sum_of_exp(x, shift, out)
    if not total.min() > 1e-9:
        shift = x.max(axis=1)
        total = sum_of_exp(x, shift[:, None], out)
    return shift, total


def sum_of_exp(x, shift, out):
    np.subtract(x, shift, out=out)
    np.exp(out, out=out)
    return out @ np.ones(x.shape[1], x.dtype)


def floating_dim(x, dim, name):
    """`dim`, provided that x holds floats."""
    if not as_dtype(x.dtype).is_floating_point:
        raise DTypeError(f"{name}: only floating dtypes: {as_dtype(x.dtype)}")
    return dim


def same_as_first(x, *others, dim):
    """The shape rule of all ops here: the result has the spec of the first operand."""
    floating_dim(x, dim, "softmax")
    return x


softmax.spec(same_as_first)


@softmax.signature
def softmax_call(x, dim=None, dtype=None):
    return softmax.apply(prepared(x, dtype), dim=dim_along(x, dim, "softmax"))


def dim_along(x, dim, name):
    """`dim` from the front. Where None is given, PyTorch's old choice: 1, or 0 of 1 or 3 dims."""
    if dim is None:
        dim = 0 if x.ndim in (0, 1, 3) else 1
    return normal_dim(dim, x.ndim, name)


def prepared(x, dtype):
    """x cast to `dtype`, if one is given."""
    return x if dtype is None else cast.apply(x, dtype=as_dtype(dtype))


@softmax.grad(keeps=("y",))
def softmax_grad(g, y, x, *, dim):
    return (softmax_backward.apply(g, y, dim=dim),)


@op
def softmax_backward(g, p, *, dim):
    """p (g - Σ g p): the gradient of softmax, given its result p."""
    return along(softmax_backward_rows, dim, g, p)


def softmax_backward_rows(g, p):
    gx = np.empty_like(g)
    for part in blocks(*g.shape):
        inner = np.einsum("ij,ij->i", g[part], p[part])
        np.subtract(g[part], inner[:, None], out=gx[part])
        gx[part] *= p[part]
    return gx


softmax_backward.spec(same_as_first)


@softmax_backward.grad(keeps=("g", "p"))
def softmax_backward_grad(h, y, g, p, *, dim):
    inner = sum(g * p, dim, True)
    outer = sum(h * p, dim, True)
    return softmax_backward.apply(h, p, dim=dim), h * (g - inner) - g * outer


@op
def log_softmax(x, *, dim):
    """x - log Σ exp x along `dim`: the logarithm of softmax, without its overflow."""
    return along(log_softmax_rows, floating_dim(x, dim, "log_softmax"), x)


def log_softmax_rows(x):
    y = np.empty_like(x)
    for part in blocks(*x.shape):
        shift, total = exp_rows(x[part], y[part])
        np.subtract(x[part], (shift + np.log(total))[:, None], out=y[part])
    return y


log_softmax.spec(same_as_first)


@log_softmax.signature
def log_softmax_call(x, dim=None, dtype=None):
    return log_softmax.apply(prepared(x, dtype), dim=dim_along(x, dim, "log_softmax"))


@log_softmax.grad(keeps=("y",))
def log_softmax_grad(g, y, x, *, dim):
    return (log_softmax_backward.apply(g, y, dim=dim),)


@op
def log_softmax_backward(g, logp, *, dim):
    """g - exp(logp) Σ g: the gradient of log_softmax, given its result."""
    return along(log_softmax_backward_rows, dim, g, logp)


def log_softmax_backward_rows(g, logp):
    gx = np.empty_like(g)
    for part in blocks(*g.shape):
        np.exp(logp[part], out=gx[part])
        gx[part] *= -g[part].sum(axis=1, keepdims=True)
        gx[part] += g[part]
    return gx


log_softmax_backward.spec(same_as_first)


@log_softmax_backward.grad(keeps=("g", "logp"))
def log_softmax_backward_grad(h, y, g, logp, *, dim):
    p = exp(logp)
    outer = sum(h * p, dim, True)
    return h - outer, -h * p * sum(g, dim, True)


def softmin(x, dim=None, dtype=None):
    """softmax(-x): the smallest element gets the largest share."""
    return softmax(-x, dim, dtype)


def gumbel_softmax(logits, tau=1.0, hard=False, eps=1e-10, dim=-1, *, generator=None):
    """softmax((logits + G) / τ), G = -log E with E exponential: a soft draw of an index.

    `hard` gives the one-hot vector of the largest element, with the gradient of the soft one.
    Source: Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax" (2016).
    """
    u = random_uniform.apply(key_from(generator), shape=tuple(logits.shape), dtype=float64)
    gumbel = cast.apply(-log(clamp_min(-log1p(-u), 1e-300)), dtype=as_dtype(logits.dtype))
    soft = softmax((logits + gumbel) / tau, dim)
    if not hard:
        return soft
    with no_grad():
        largest = argmax(soft, dim, keepdim=True)
        change = scatter(zeros(soft, soft.shape), dim, largest, value=1.0) - soft
    return soft + change
