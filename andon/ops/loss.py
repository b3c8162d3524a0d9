"""Losses of numbers, probabilities, rankings and distances. Those of classes: cross_entropy.py.

Each is a plain function of ops, and takes `reduction`: "none" for one number per element or
row, "mean", or "sum".
"""

from __future__ import annotations

import math
import warnings

import numpy as np

from ..core.dtype import int64
from ..core.errors import ArgumentError, DataError, ShapeError
from ..core.mode import no_grad
from ..core.op import elementwise
from .distance import pairwise_distance
from .elementwise import exp, log, log1p, sigmoid
from .embedding import one_hot
from .extremes import abs, clamp_min, maximum, minimum
from .gather_scatter import gather
from .keywords import old_reductions
from .logic import eq, ge, gt, lt, where
from .moments import mean
from .movement import cast, reshape
from .reduce import sum
from .scan import cumprod


def reduced(loss, reduction, name):
    """`loss` as `reduction` asks for it."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ArgumentError(f"{name}: reduction must be 'none', 'mean' or 'sum': {reduction!r}")


def check_same_shape(name, x, target):
    if tuple(x.shape) != tuple(target.shape):
        raise ShapeError(
            f"{name}: prediction and target differ: {list(x.shape)} and {list(target.shape)}"
        )


def difference(name, x, target):
    """x - target. They may broadcast, as PyTorch's do; that is seldom what was meant."""
    if tuple(x.shape) != tuple(target.shape):
        shapes = f"{list(x.shape)} and {list(target.shape)}"
        warnings.warn(f"{name}: prediction and target broadcast: {shapes}", stacklevel=4)
    return x - target


# Differences


@old_reductions(2, "size_average", "reduce", "reduction", "weight")
def mse_loss(input, target, *, weight=None, reduction="mean"):
    """(input - target)²."""
    d = difference("mse_loss", input, target)
    return reduced(d * d if weight is None else d * d * weight, reduction, "mse_loss")


@old_reductions(2, "size_average", "reduce", "reduction", "weight")
def l1_loss(input, target, *, weight=None, reduction="mean"):
    """|input - target|."""
    d = abs(difference("l1_loss", input, target))
    return reduced(d if weight is None else d * weight, reduction, "l1_loss")


@old_reductions(2, "size_average", "reduce", "reduction", "beta")
def smooth_l1_loss(input, target, *, reduction="mean", beta=1.0):
    """d² / 2β where d = |input - target| is below β, else d - β/2."""
    if beta < 0:
        raise ArgumentError(f"smooth_l1_loss: beta must be >= 0: {beta}")
    d = abs(difference("smooth_l1_loss", input, target))
    loss = where(lt(d, beta), d * d * (0.5 / beta), d - 0.5 * beta) if beta else d
    return reduced(loss, reduction, "smooth_l1_loss")


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """d² / 2 where d = |input - target| is at most δ, else δ (d - δ/2)."""
    if delta <= 0:
        raise ArgumentError(f"huber_loss: delta must be > 0: {delta}")
    d = abs(difference("huber_loss", input, target))
    loss = where(gt(d, delta), (d - 0.5 * delta) * delta, d * d * 0.5)
    return reduced(loss if weight is None else loss * weight, reduction, "huber_loss")


# Probabilities


@elementwise(
    c="(-({1} * fmax(log({0}), -100) + (1 - {1}) * fmax(log1p(-{0}), -100)))",
    grad=(
        lambda g, p, t: g * (p - t) / maximum((1 - p) * p, 1e-12),
        lambda g, p: g * (maximum(log1p(-p), -100.0) - maximum(log(p), -100.0)),
    ),
)
def cross_entropy_of_probability(p, t):
    """-t log p - (1 - t) log(1 - p), each logarithm held at -100 or above."""
    if np.size(p) and not (np.min(p) >= 0 and np.max(p) <= 1):
        raise DataError("binary_cross_entropy: probabilities must be in [0, 1]: there are others")
    yes, no = np.maximum(np.log(p), -100), np.maximum(np.log1p(-p), -100)
    return -(t * (yes - no) + no)


@old_reductions(3)
def binary_cross_entropy(input, target, weight=None, *, reduction="mean"):
    """-target log input - (1 - target) log(1 - input), for probabilities input."""
    check_same_shape("binary_cross_entropy", input, target)
    loss = cross_entropy_of_probability(input, target)
    return reduced(loss if weight is None else loss * weight, reduction, "binary_cross_entropy")


@elementwise(
    c="(fmax({0}, 0) - {0} * {1} + log1p(exp(-fabs({0}))))",
    grad=(lambda g, x, t: g * (sigmoid(x) - t), lambda g, x: -g * x),
)
def cross_entropy_of_logit(x, t):
    """-t log σ(x) - (1 - t) log(1 - σ(x)), as max(x, 0) - x t + log(1 + exp(-|x|))."""
    return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))


@old_reductions(3, "size_average", "reduce", "reduction", "pos_weight")
def binary_cross_entropy_with_logits(
    input, target, weight=None, *, reduction="mean", pos_weight=None
):
    """-w target log σ(input) - (1 - target) log(1 - σ(input)), w being `pos_weight`."""
    name = "binary_cross_entropy_with_logits"
    check_same_shape(name, input, target)
    loss = cross_entropy_of_logit(input, target)
    if pos_weight is not None:
        loss = loss + (pos_weight - 1) * target * cross_entropy_of_logit(input, 1.0)
    return reduced(loss if weight is None else loss * weight, reduction, name)


@old_reductions(3)
def multilabel_soft_margin_loss(input, target, weight=None, *, reduction="mean"):
    """The mean over classes of -target log σ(input) - (1 - target) log(1 - σ(input))."""
    check_same_shape("multilabel_soft_margin_loss", input, target)
    loss = cross_entropy_of_logit(input, target)
    loss = mean(loss if weight is None else loss * weight, -1)
    return reduced(loss, reduction, "multilabel_soft_margin_loss")


@old_reductions(2, "size_average", "reduce", "reduction", "log_target")
def kl_div(input, target, *, reduction="mean", log_target=False):
    """target (log target - input), for log-probabilities. "batchmean" is the true divergence."""
    if log_target:
        loss = exp(target) * (target - input)
    else:
        positive = gt(target, 0)
        rest = where(lt(target, 0), math.nan, 0.0)  # no target may be negative
        loss = where(positive, target * (log(where(positive, target, 1.0)) - input), rest)
    if reduction == "batchmean":
        return sum(loss) / input.shape[0] if input.ndim else sum(loss)
    return reduced(loss, reduction, "kl_div")


@old_reductions(4, "size_average", "eps", "reduce", "reduction")
def poisson_nll_loss(input, target, log_input=True, full=False, *, eps=1e-8, reduction="mean"):
    """λ - target log λ, for a rate λ = exp input, or input if not `log_input`.

    `full` adds Stirling's approximation of log(target!), where the target is above 1.
    """
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        many = where(gt(target, 1), target, 1.0)
        stirling = many * log(many) - many + 0.5 * log(many * (2 * math.pi))
        loss = loss + where(gt(target, 1), stirling, 0.0)
    return reduced(loss, reduction, "poisson_nll_loss")


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """(log var + (input - target)² / var) / 2, var held at `eps` or above. `full` adds log(2π) / 2.

    Shapes: var as input, or with size 1 in, or without, the last dim; or a number.
    """
    if isinstance(var, (int, float)):
        var = input * 0 + var
    if var.ndim == input.ndim - 1 and tuple(var.shape) == tuple(input.shape[:-1]):
        var = reshape.apply(var, shape=(*var.shape, 1))
    elif tuple(var.shape) not in (tuple(input.shape), (*input.shape[:-1], 1)):
        raise ShapeError(
            f"gaussian_nll_loss: var {list(var.shape)} does not fit {list(input.shape)}"
        )
    with no_grad():  # so that a variance below eps still has a gradient
        lift = maximum(eps - var, 0.0)
    var = var + lift
    d = input - target
    loss = (log(var) + d * d / var) * 0.5
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction, "gaussian_nll_loss")


# Margins and rankings


@old_reductions(3)
def hinge_embedding_loss(input, target, margin=1.0, *, reduction="mean"):
    """input where the target is 1, max(0, margin - input) where it is -1."""
    apart = where(eq(target, 1), 0.0, clamp_min(margin - input, 0))
    together = where(eq(target, -1), 0.0, input)
    return reduced(apart + together, reduction, "hinge_embedding_loss")


@old_reductions(2)
def soft_margin_loss(input, target, *, reduction="mean"):
    """log(1 + exp(-target input))."""
    check_same_shape("soft_margin_loss", input, target)
    return reduced(cross_entropy_of_logit(input * target, 1.0), reduction, "soft_margin_loss")


@old_reductions(4)
def margin_ranking_loss(input1, input2, target, margin=0.0, *, reduction="mean"):
    """max(0, margin - target (input1 - input2)): a target of 1 wants input1 to be the larger."""
    if not input1.ndim == input2.ndim == target.ndim:
        raise ShapeError(
            "margin_ranking_loss: all must have as many dims: "
            f"{list(input1.shape)}, {list(input2.shape)} and {list(target.shape)}"
        )
    loss = clamp_min(margin - target * (input1 - input2), 0)
    return reduced(loss, reduction, "margin_ranking_loss")


@old_reductions(4)
def cosine_embedding_loss(input1, input2, target, margin=0.0, *, reduction="mean"):
    """1 - cos(input1, input2) where the target is 1, max(0, cos - margin) where it is -1.

    Shapes: input1, input2 (N, D), target (N,); or (D,), ().
    """
    if input1.ndim not in (1, 2) or target.ndim != input1.ndim - 1:
        raise ShapeError(
            "cosine_embedding_loss: expects (N, D), (N, D), (N,) or (D,), (D,), (): "
            f"{list(input1.shape)}, {list(input2.shape)}, {list(target.shape)}"
        )
    eps = 1e-12
    squares = (sum(input1 * input1, -1) + eps) * (sum(input2 * input2, -1) + eps)
    cosine = sum(input1 * input2, -1) * squares**-0.5
    loss = where(eq(target, 1), 1 - cosine, 0.0)
    loss = loss + where(eq(target, -1), clamp_min(cosine - margin, 0), 0.0)
    return reduced(loss, reduction, "cosine_embedding_loss")


@old_reductions(7)
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, *, reduction="mean"
):
    """max(0, margin + |anchor - positive| - |anchor - negative|), by the p-norm.

    `swap` takes the negative's distance to the positive where that is smaller.
    """
    if margin <= 0:
        raise ArgumentError(f"triplet_margin_loss: margin must be > 0: {margin}")
    return triplet_margin_with_distance_loss(
        anchor,
        positive,
        negative,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
        margin=margin,
        swap=swap,
        reduction=reduction,
    )


@old_reductions(5)
def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, *, reduction="mean"):
    """The mean over classes j of weight[t] max(0, margin - input[t] + input[j])^p, j ≠ t = target.

    Shapes: input (N, V), target (N,); or (V,), ().
    """
    if input.ndim == 1 and target.ndim == 0:
        input, target = reshape.apply(input, shape=(1, -1)), reshape.apply(target, shape=(1,))
        loss = multi_margin_loss(input, target, p, margin, weight, reduction="none")
        return reshape.apply(loss, shape=())
    if input.ndim != 2 or tuple(target.shape) != (input.shape[0],):
        raise ShapeError(
            f"multi_margin_loss: expects (N, V) and (N,): {list(input.shape)}, {list(target.shape)}"
        )
    if p not in (1, 2):
        raise ArgumentError(f"multi_margin_loss: p must be 1 or 2: {p}")
    N, V = input.shape
    right = gather.apply(input, reshape.apply(target, shape=(N, 1)), dim=1)
    loss = clamp_min(margin - right + input, 0) ** p
    if weight is not None:
        loss = loss * reshape.apply(weight[target], shape=(N, 1))
    own = margin**p if weight is None else weight[target] * margin**p
    loss = (sum(loss, 1) - own) / V
    return reduced(loss, reduction, "multi_margin_loss")


@old_reductions(2)
def multilabel_margin_loss(input, target, *, reduction="mean"):
    """Σ max(0, 1 - (x[t] - x[j])) / V over the classes t of a row and the others j.

    Shapes: input (N, V), target (N, V): each row lists its classes, then -1; or (V,), (V,).
    """
    check_same_shape("multilabel_margin_loss", input, target)
    if input.ndim == 1:
        rows = [reshape.apply(x, shape=(1, *x.shape)) for x in (input, target)]
        loss = multilabel_margin_loss(*rows, reduction="none")
        return reduced(reshape.apply(loss, shape=()), reduction, "multilabel_margin_loss")
    N, V = input.shape
    listed = cumprod(cast.apply(ge(target, 0), dtype=int64), 1)
    index = target * listed
    own = sum(one_hot(index, V) * reshape.apply(listed, shape=(N, V, 1)), 1)
    pairs = reshape.apply(listed, shape=(N, V, 1)) * reshape.apply(eq(own, 0), shape=(N, 1, V))
    right = reshape.apply(gather.apply(input, index, dim=1), shape=(N, V, 1))
    margins = clamp_min(1 - right + reshape.apply(input, shape=(N, 1, V)), 0)
    loss = sum.apply(margins * pairs, dim=(1, 2), keepdim=False) / V
    return reduced(loss, reduction, "multilabel_margin_loss")


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """As `triplet_margin_loss`, by a distance of your own."""
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    loss = clamp_min(margin + near - far, 0)
    return reduced(loss, reduction, "triplet_margin_with_distance_loss")
