"""Losses of numbers, probabilities, rankings and distances. Those of classes: cross_entropy.py.

Each is a plain function of ops, and takes `reduction`: "none" for one number per element or
row, "mean", or "sum".
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..core.errors import DataError, ShapeError
from ..core.mode import no_grad
from ..core.op import elementwise
from .arithmetic import abs, equal, greater, greater_equal, less, log, maximum, not_equal, where
from .distance import pairwise_distance
from .elementwise import exp, log1p, sigmoid
from .gather_scatter import gather
from .movement import reshape
from .reduce import mean, sum


def reduced(loss, reduction, name):
    """`loss` as `reduction` asks for it."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"{name}: reduction must be 'none', 'mean' or 'sum': {reduction!r}")


def check_same_shape(name, x, target):
    if tuple(x.shape) != tuple(target.shape):
        raise ShapeError(
            f"{name}: prediction and target differ: {list(x.shape)} and {list(target.shape)}"
        )


def difference(name, x, target):
    """x - target. They may broadcast, as PyTorch's do; that is seldom what was meant."""
    if tuple(x.shape) != tuple(target.shape):
        shapes = f"{list(x.shape)} and {list(target.shape)}"
        warnings.warn(f"{name}: prediction and target broadcast: {shapes}", stacklevel=3)
    return x - target


# Differences


def mse_loss(x, target, *, weight=None, reduction="mean"):
    """(x - target)²."""
    d = difference("mse_loss", x, target)
    return reduced(d * d if weight is None else d * d * weight, reduction, "mse_loss")


def l1_loss(x, target, *, weight=None, reduction="mean"):
    """|x - target|."""
    d = abs(difference("l1_loss", x, target))
    return reduced(d if weight is None else d * weight, reduction, "l1_loss")


def smooth_l1_loss(x, target, *, reduction="mean", beta=1.0):
    """d² / 2β where d = |x - target| is below β, else d - β/2."""
    if beta < 0:
        raise ValueError(f"smooth_l1_loss: beta must be >= 0: {beta}")
    d = abs(difference("smooth_l1_loss", x, target))
    loss = where(less(d, beta), d * d * (0.5 / beta), d - 0.5 * beta) if beta else d
    return reduced(loss, reduction, "smooth_l1_loss")


def huber_loss(x, target, *, reduction="mean", delta=1.0, weight=None):
    """d² / 2 where d = |x - target| is at most δ, else δ (d - δ/2)."""
    if delta <= 0:
        raise ValueError(f"huber_loss: delta must be > 0: {delta}")
    d = abs(difference("huber_loss", x, target))
    loss = where(greater(d, delta), (d - 0.5 * delta) * delta, d * d * 0.5)
    return reduced(loss if weight is None else loss * weight, reduction, "huber_loss")


# Probabilities


@elementwise(
    grad=(
        lambda g, p, t: g * (p - t) / maximum((1 - p) * p, 1e-12),
        lambda g, p: g * (maximum(log1p(-p), -100.0) - maximum(log(p), -100.0)),
    )
)
def cross_entropy_of_probability(p, t):
    """-t log p - (1 - t) log(1 - p), each logarithm held at -100 or above."""
    if np.size(p) and not (np.min(p) >= 0 and np.max(p) <= 1):
        raise DataError("binary_cross_entropy: probabilities must be in [0, 1]: there are others")
    yes, no = np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)
    return -(t * (yes - no) + no)


def binary_cross_entropy(x, target, weight=None, *, reduction="mean"):
    """-target log x - (1 - target) log(1 - x), for probabilities x."""
    check_same_shape("binary_cross_entropy", x, target)
    loss = cross_entropy_of_probability(x, target)
    return reduced(loss if weight is None else loss * weight, reduction, "binary_cross_entropy")


@elementwise(grad=(lambda g, x, t: g * (sigmoid(x) - t), lambda g, x: -g * x))
def cross_entropy_of_logit(x, t):
    """-t log σ(x) - (1 - t) log(1 - σ(x)), as max(x, 0) - x t + log(1 + exp(-|x|))."""
    return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))


def binary_cross_entropy_with_logits(
    x, target, weight=None, *, reduction="mean", pos_weight=None
):
    """-w target log σ(x) - (1 - target) log(1 - σ(x)), w being `pos_weight`."""
    name = "binary_cross_entropy_with_logits"
    check_same_shape(name, x, target)
    loss = cross_entropy_of_logit(x, target)
    if pos_weight is not None:
        loss = loss + (pos_weight - 1) * target * cross_entropy_of_logit(x, 1.0)
    return reduced(loss if weight is None else loss * weight, reduction, name)


def multilabel_soft_margin_loss(x, target, weight=None, *, reduction="mean"):
    """The mean over classes of -target log σ(x) - (1 - target) log(1 - σ(x))."""
    check_same_shape("multilabel_soft_margin_loss", x, target)
    loss = cross_entropy_of_logit(x, target)
    loss = mean(loss if weight is None else loss * weight, -1)
    return reduced(loss, reduction, "multilabel_soft_margin_loss")


def kl_div(x, target, *, reduction="mean", log_target=False):
    """target (log target - x), for log-probabilities x. "batchmean" is the true divergence."""
    if log_target:
        loss = exp(target) * (target - x)
    else:
        positive = greater(target, 0)
        loss = where(positive, target * (log(where(positive, target, 1.0)) - x), 0.0)
    if reduction == "batchmean":
        return sum(loss) / x.shape[0] if x.ndim else sum(loss)
    return reduced(loss, reduction, "kl_div")


def poisson_nll_loss(
    x, target, log_input=True, *, full=False, eps=1e-8, reduction="mean"
):
    """λ - target log λ, for a rate λ = exp x, or x if not `log_input`.

    `full` adds Stirling's approximation of log(target!), where the target is above 1.
    """
    loss = exp(x) - target * x if log_input else x - target * log(x + eps)
    if full:
        many = where(greater(target, 1), target, 1.0)
        stirling = many * log(many) - many + 0.5 * log(many * (2 * math.pi))
        loss = loss + where(greater(target, 1), stirling, 0.0)
    return reduced(loss, reduction, "poisson_nll_loss")


def gaussian_nll_loss(x, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log var + (x - target)² / var) / 2, var held at `eps` or above. `full` adds log(2π) / 2.

    Shapes: var as x, or with size 1 in, or without, the last dim; or a number.
    """
    if isinstance(var, (int, float)):
        var = x * 0 + var
    if var.ndim == x.ndim - 1 and tuple(var.shape) == tuple(x.shape[:-1]):
        var = reshape.apply(var, shape=(*var.shape, 1))
    elif tuple(var.shape) not in (tuple(x.shape), (*x.shape[:-1], 1)):
        raise ShapeError(f"gaussian_nll_loss: var {list(var.shape)} does not fit {list(x.shape)}")
    with no_grad():  # so that a variance below eps still has a gradient
        lift = maximum(eps - var, 0.0)
    var = var + lift
    d = x - target
    loss = (log(var) + d * d / var) * 0.5
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction, "gaussian_nll_loss")


# Margins and rankings


def at_least_zero(x):
    """max(x, 0), whose gradient at 0 is 1."""
    return where(less(x, 0), 0.0, x)


def hinge_embedding_loss(x, target, margin=1.0, *, reduction="mean"):
    """x where the target is 1, max(0, margin - x) where it is -1."""
    apart = where(equal(target, 1), 0.0, at_least_zero(margin - x))
    together = where(equal(target, -1), 0.0, x)
    return reduced(apart + together, reduction, "hinge_embedding_loss")


def soft_margin_loss(x, target, *, reduction="mean"):
    """log(1 + exp(-target x))."""
    check_same_shape("soft_margin_loss", x, target)
    return reduced(cross_entropy_of_logit(x * target, 1.0), reduction, "soft_margin_loss")


def margin_ranking_loss(x1, x2, target, margin=0.0, *, reduction="mean"):
    """max(0, margin - target (x1 - x2)): x1 is to be the larger where the target is 1."""
    if not x1.ndim == x2.ndim == target.ndim:
        raise ShapeError(
            "margin_ranking_loss: all must have as many dims: "
            f"{list(x1.shape)}, {list(x2.shape)} and {list(target.shape)}"
        )
    loss = at_least_zero(margin - target * (x1 - x2))
    return reduced(loss, reduction, "margin_ranking_loss")


def cosine_embedding_loss(x1, x2, target, margin=0.0, *, reduction="mean"):
    """1 - cos(x1, x2) where the target is 1, max(0, cos - margin) where it is -1.

    Shapes: x1, x2 (N, D), target (N,); or (D,), ().
    """
    if x1.ndim not in (1, 2) or target.ndim != x1.ndim - 1:
        raise ShapeError(
            "cosine_embedding_loss: expects (N, D), (N, D), (N,) or (D,), (D,), (): "
            f"{list(x1.shape)}, {list(x2.shape)}, {list(target.shape)}"
        )
    eps = 1e-12
    squares = (sum(x1 * x1, -1) + eps) * (sum(x2 * x2, -1) + eps)
    cosine = sum(x1 * x2, -1) * squares**-0.5
    loss = where(equal(target, 1), 1 - cosine, 0.0)
    loss = loss + where(equal(target, -1), at_least_zero(cosine - margin), 0.0)
    return reduced(loss, reduction, "cosine_embedding_loss")


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, *, reduction="mean"
):
    """max(0, margin + |anchor - positive| - |anchor - negative|), by the p-norm.

    `swap` takes the negative's distance to the positive where that is smaller.
    """
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be > 0: {margin}")
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        across = pairwise_distance(positive, negative, p, eps)
        far = where(less(across, far), across, far)
    return reduced(at_least_zero(margin + near - far), reduction, "triplet_margin_loss")


def multi_margin_loss(x, target, p=1, margin=1.0, weight=None, *, reduction="mean"):
    """The mean over classes j of weight[t] max(0, margin - x[t] + x[j])^p, j ≠ t = target.

    Shapes: x (N, V), target (N,); or (V,), ().
    """
    if x.ndim == 1 and target.ndim == 0:
        x, target = reshape.apply(x, shape=(1, -1)), reshape.apply(target, shape=(1,))
        loss = multi_margin_loss(x, target, p, margin, weight, reduction="none")
        return reshape.apply(loss, shape=())
    if x.ndim != 2 or tuple(target.shape) != (x.shape[0],):
        raise ShapeError(
            f"multi_margin_loss: expects (N, V) and (N,): {list(x.shape)}, {list(target.shape)}"
        )
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: p must be 1 or 2: {p}")
    N, V = x.shape
    right = gather.apply(x, reshape.apply(target, shape=(N, 1)), dim=1)
    loss = at_least_zero(margin - right + x) ** p
    if weight is not None:
        loss = loss * reshape.apply(weight[target], shape=(N, 1))
    own = margin**p if weight is None else weight[target] * margin**p
    loss = (sum(loss, 1) - own) / V
    return reduced(loss, reduction, "multi_margin_loss")
