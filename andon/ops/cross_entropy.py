"""Cross-entropy over classes, from scores or from log-probabilities.

`cross_entropy` is an op: one pass over a block of rows gives log Σ exp, and the backward pass is
one more. Targets are class indices, or probabilities of the classes.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.errors import ArgumentError, DTypeError, IndexingError, ShapeError
from ..core.op import op
from ..core.spec import Spec
from .blocking import as_matrix, blocks
from .gather_scatter import gather
from .keywords import old_reductions
from .logic import eq, ne, where
from .loss import check_same_shape, reduced
from .movement import permute, reshape
from .norm import wide
from .reduce import sum
from .softmax import exp_rows, log_softmax


@op
def cross_entropy(x, target, *, ignore_index):
    """log Σ exp x - x[target] for each row; 0 where the target is `ignore_index`.

    Gives the losses, and for the backward pass log Σ exp x of each row.
    Shapes: x (N, V), target (N,) of class indices -> (N,), (N,).
    Raises: IndexingError for a target that is no class.
    """
    check_classes("cross_entropy", x, target)
    rows, ignored = as_matrix(x, x.shape[1]), target == ignore_index
    index = class_indices("cross_entropy", target, ignored, x.shape[1])
    lse = np.empty(len(rows), rows.dtype)
    for part in blocks(*rows.shape):
        shift, total = exp_rows(rows[part], np.empty_like(rows[part]))
        np.add(shift, np.log(total), out=lse[part])
    loss = lse - rows[np.arange(len(rows)), index]
    loss[ignored] = 0
    return loss.astype(x.dtype, copy=False), lse


def check_classes(name, x, target):
    if x.ndim != 2 or tuple(target.shape) != (x.shape[0],):
        raise ShapeError(
            f"{name}: expects (N, V) and N class indices: {list(x.shape)}, {list(target.shape)}"
        )
    if as_dtype(target.dtype).category != 1:
        raise DTypeError(f"{name}: class indices are integers: {as_dtype(target.dtype)}")
    if not as_dtype(x.dtype).is_floating_point:
        raise DTypeError(f"{name}: only floating dtypes: {as_dtype(x.dtype)}")


def class_indices(name, target, ignored, V):
    """The targets, with 0 for those that are ignored, all of them in range."""
    index = np.where(ignored, 0, target)
    wrong = (index < 0) | (index >= V)
    if wrong[~ignored].any():
        raise IndexingError(f"{name}: not one of {V} classes: {target[wrong & ~ignored][0]}")
    return index


@cross_entropy.spec
def cross_entropy_spec(x, target, *, ignore_index):
    check_classes("cross_entropy", x, target)
    return Spec(target.shape, x.dtype), Spec(target.shape, wide(x.dtype))


@cross_entropy.grad
def cross_entropy_grad(g, y, x, target, *, ignore_index):
    return cross_entropy_backward.apply(g[0], x, target, y[1], ignore_index=ignore_index), None


@cross_entropy.decompose
def cross_entropy_composite(x, target, *, ignore_index):
    y = log_softmax.apply(x, dim=1)
    loss = -chosen(y, target, ignore_index)
    return loss, chosen(x, target, ignore_index) + loss


def chosen(x, target, ignore_index):
    """x[n, target[n]]; 0 where the target is `ignore_index`."""
    ignored = eq(target, ignore_index)
    index = reshape.apply(where(ignored, 0, target), shape=(x.shape[0], 1))
    found = reshape.apply(gather.apply(x, index, dim=1), shape=(x.shape[0],))
    return where(ignored, 0.0, found)


@op
def cross_entropy_backward(g, x, target, lse, *, ignore_index):
    """(softmax(x) - onehot(target)) g, row by row, from lse = log Σ exp x."""
    rows, ignored = as_matrix(x, x.shape[1]), target == ignore_index
    index, gx = np.where(ignored, 0, target), np.empty_like(rows)
    g = np.where(ignored, 0, g).astype(rows.dtype)
    for part in blocks(*rows.shape):
        out = gx[part]
        np.subtract(rows[part], lse[part, None], out=out)
        np.exp(out, out=out)
        out[np.arange(len(out)), index[part]] -= 1
        out *= g[part, None]
    return gx.astype(x.dtype, copy=False)


@cross_entropy_backward.spec
def cross_entropy_backward_spec(g, x, target, lse, *, ignore_index):
    return x


@cross_entropy.signature
@old_reductions(3, "size_average", "ignore_index", "reduce", "reduction", "label_smoothing")
def cross_entropy_call(
    input, target, weight=None, *, ignore_index=-100, reduction="mean", label_smoothing=0.0
):
    if not 0 <= label_smoothing <= 1:
        raise ArgumentError(f"cross_entropy: label_smoothing is not in [0, 1]: {label_smoothing}")
    if as_dtype(target.dtype).is_floating_point:
        return cross_entropy_of_probabilities(input, target, weight, reduction, label_smoothing)
    rows, flat = classes_last("cross_entropy", input, target)
    if label_smoothing:
        y = log_softmax.apply(rows, dim=1)
        loss = nll_rows(y, flat, weight, ignore_index) * (1 - label_smoothing)
        smooth = smooth_rows(y, flat, weight, ignore_index)
        loss = loss + smooth * (label_smoothing / rows.shape[1])
    else:
        loss = cross_entropy.apply(rows, flat, ignore_index=ignore_index)[0]
        loss = weighted(loss, flat, weight, ignore_index)
    return class_reduced(loss, target, flat, weight, ignore_index, reduction, "cross_entropy")


def classes_last(name, x, target):
    """Scores (N, V, ...) or (V,) as rows (M, V), with the M targets."""
    wanted = tuple(x.shape[:1] + x.shape[2:]) if x.ndim > 1 else ()
    if x.ndim == 0 or tuple(target.shape) != wanted:
        raise ShapeError(
            f"{name}: scores {list(x.shape)} need targets {list(wanted)}: {list(target.shape)}"
        )
    V = x.shape[1] if x.ndim > 1 else x.shape[0]
    if x.ndim > 2:
        x = permute.apply(x, dims=(0, *range(2, x.ndim), 1))
    M = math.prod(wanted)
    flat = target if target.ndim == 1 else reshape.apply(target, shape=(M,))
    return (x if x.ndim == 2 else reshape.apply(x, shape=(M, V))), flat


def weighted(loss, target, weight, ignore_index):
    """loss · weight[target], where there are weights of the classes."""
    return loss if weight is None else loss * class_weights(weight, target, ignore_index)


def class_weights(weight, target, ignore_index):
    """weight[target]; 0 where the target is `ignore_index`."""
    kept = ne(target, ignore_index)
    return where(kept, weight[where(kept, target, 0)], 0.0)


def nll_rows(y, target, weight, ignore_index):
    """-weight[target] y[target] for each row of log-probabilities y."""
    check_classes("nll_loss", y, target)
    return weighted(-chosen(y, target, ignore_index), target, weight, ignore_index)


def smooth_rows(y, target, weight, ignore_index):
    """-Σ weight · y over all classes, for each row that is not ignored."""
    total = -sum.apply(y if weight is None else y * weight, dim=(1,), keepdim=False)
    return where(eq(target, ignore_index), 0.0, total)


def class_reduced(loss, target, flat, weight, ignore_index, reduction, name):
    """Losses of classes: their mean is over the weights of the targets that count."""
    if reduction == "none":
        return reshape.apply(loss, shape=tuple(target.shape))
    if reduction != "mean":
        return reduced(loss, reduction, name)
    if weight is None:
        count = sum(ne(flat, ignore_index))
    else:
        count = sum(class_weights(weight, flat, ignore_index))
    return sum(loss) / count


def cross_entropy_of_probabilities(x, target, weight, reduction, label_smoothing):
    """-Σ weight · target · log softmax(x) over the classes, which are dim 1 (or the only dim)."""
    check_same_shape("cross_entropy", x, target)
    dim = 1 if x.ndim > 1 else 0
    V = x.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / V
    y = log_softmax.apply(x, dim=dim) * target
    if weight is not None:
        y = y * reshape.apply(weight, shape=(V, *(1,) * max(x.ndim - 2, 0)))
    loss = -sum.apply(y, dim=(dim,), keepdim=False)
    if reduction == "mean":
        return sum(loss) / (math.prod(x.shape) // max(V, 1))
    return reduced(loss, reduction, "cross_entropy")


@old_reductions(3, "size_average", "ignore_index", "reduce", "reduction")
def nll_loss(input, target, weight=None, *, ignore_index=-100, reduction="mean"):
    """-weight[target] input[target]: cross-entropy of log-probabilities.

    Shapes: input (N, V, ...), target (N, ...); or (V,), ().
    """
    rows, flat = classes_last("nll_loss", input, target)
    loss = nll_rows(rows, flat, weight, ignore_index)
    return class_reduced(loss, target, flat, weight, ignore_index, reduction, "nll_loss")
