"""Connectionist temporal classification: the loss of a sequence without its alignment.

A path names a class or the blank at each step; it spells a target when repeats are merged and
blanks dropped. The loss is -log of the probability of all paths that spell it, summed by a
recursion over the target with a blank between each two labels.
Source: Graves et al. 2006, Connectionist temporal classification, section 4.1.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.dtype import int64
from ..core.errors import ArgumentError, ShapeError
from ..core.op import known_elements
from .extremes import clamp_max, clamp_min
from .gather_scatter import gather
from .index import getitem
from .join import cat, narrow, stack
from .logic import eq, gt, lt, ne, where
from .moments import mean
from .movement import cast, expand, reshape, unsqueeze
from .reduce import logsumexp, sum
from .scan import cumsum, shift

NEVER = -1e30  # log of a probability of 0, such that differences are still numbers


def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction="mean",
    zero_infinity=False,
):
    """-log Σ P(path) over the paths that spell the target.

    Shapes: log_probs (T, B, classes) or (T, classes); targets (B, S), or all in one vector;
    lengths (B,) or of one number -> (B,) or (). "mean" divides each loss by its target's length
    first.
    """
    single = log_probs.ndim == 2
    if single:
        log_probs = unsqueeze(log_probs, 1)
    T, B, _ = log_probs.shape
    inputs, sizes = lengths(input_lengths, B), lengths(target_lengths, B)
    targets = as_tensor(targets)
    check_lengths(inputs, sizes, T, targets)
    labels, skippable = extended(targets, sizes, blank)
    loss = -log_likelihood(log_probs, labels, skippable, inputs, sizes)
    loss = where(lt(loss, -NEVER / 2), loss, 0.0 if zero_infinity else math.inf)
    return reduced(loss, sizes, reduction, single)


def reduced(loss, sizes, reduction, single):
    if reduction == "mean":
        return mean(loss / cast_like(clamp_min(sizes, 1), loss))
    if reduction == "sum":
        return sum(loss)
    if reduction != "none":
        raise ArgumentError(f"ctc_loss: reduction must be mean, sum or none: {reduction!r}")
    return getitem(loss, 0) if single else loss


def cast_like(x, y):
    return cast.apply(x, dtype=y.dtype)


def lengths(given, B):
    """B lengths as a tensor, from a tensor or a sequence."""
    found = as_tensor(given)
    found = reshape.apply(found, shape=(math.prod(found.shape),))
    if tuple(found.shape) != (B,) or as_dtype(found.dtype).category != 1:
        raise ShapeError(
            f"ctc_loss: a length for each of {B} sequences expected: {list(found.shape)}"
        )
    return found


def as_tensor(given):
    return given if hasattr(given, "dtype") else np.asarray(given)


def known(x):
    """The elements of a tensor; None while a program is recorded that will compute them."""
    found = known_elements(x)
    return None if found is None else np.asarray(found)


def check_lengths(inputs, sizes, T, targets):
    inputs, sizes = known(inputs), known(sizes)
    if inputs is not None and inputs.size and (inputs.max() > T or inputs.min() < 0):
        raise ShapeError(f"ctc_loss: input lengths of at most {T} expected: {inputs.tolist()}")
    if sizes is not None and sizes.size:
        longest = sizes.sum() if targets.ndim == 1 else sizes.max()
        if longest > targets.shape[-1] or sizes.min() < 0:
            raise ShapeError(
                f"ctc_loss: targets of lengths {sizes.tolist()} expected: {list(targets.shape)}"
            )


def extended(targets, sizes, blank):
    """The targets as rows with blanks around each label; and where two steps may be one.

    A blank can be skipped between two labels that differ.
    Shapes: (B, 2 S + 1), S being the length of the longest target, or of all if it is not known.
    """
    found = known(sizes)
    B, S = sizes.shape[0], targets.shape[-1] if found is None else found.max(initial=0)
    steps, at = np.arange(S), np.arange(2 * S + 1)
    if targets.ndim == 1:  # one after the other
        places = unsqueeze(cumsum(sizes, 0) - sizes, 1) + steps
        rows = getitem(targets, clamp_max(places, max(targets.shape[0] - 1, 0)))
    else:
        rows = narrow(targets, 1, 0, S)
    rows = where(lt(steps, unsqueeze(sizes, 1)), rows, blank)
    rows = cat([cast.apply(rows, dtype=int64), np.full((B, 1), blank)], 1)  # (B, S + 1)
    labels = where(at % 2 == 1, getitem(rows, (slice(None), at // 2)), blank)
    differ = ne(labels, blank) & ne(labels, shift(labels, 1, 2, blank))
    return labels, differ & (at >= 2)


def log_likelihood(log_probs, labels, skippable, inputs, sizes):
    """log Σ P(path), by alpha[t, s]: log of the probability to be at label s at step t.

    Shapes: log_probs (T, B, classes), labels (B, L) -> (B,).
    """
    T, B, _ = log_probs.shape
    L = labels.shape[1]
    at, last = np.arange(L), 2 * unsqueeze(sizes, 1)
    scores = gather.apply(log_probs, expand.apply(labels, shape=(T, B, L)), dim=2)  # (T, B, L)
    begins = lt(at, 1) | (lt(at, 2) & gt(last, 0))
    alpha = where(begins, getitem(scores, 0), NEVER)
    for t in range(1, T):
        steps = [
            alpha,
            shift(alpha, 1, 1, NEVER),
            where(skippable, shift(alpha, 1, 2, NEVER), NEVER),
        ]
        grown = clamp_min(logsumexp(stack(steps, 0), 0) + getitem(scores, t), NEVER)
        alpha = where(unsqueeze(gt(inputs, t), 1), grown, alpha)
    ends = eq(last, at) | eq(last - 1, at)
    return logsumexp(where(ends, alpha, NEVER), 1)
