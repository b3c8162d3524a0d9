"""Connectionist temporal classification: the loss of a sequence without its alignment.

A path names a class or the blank at each step; it spells a target when repeats are merged and
blanks dropped. The loss is -log of the probability of all paths that spell it, summed by a
recursion over the target with a blank between each two labels.
Source: Graves et al. 2006, Connectionist temporal classification, section 4.1.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.errors import ArgumentError, ShapeError
from .extremes import clamp_min
from .gather_scatter import gather
from .index import getitem
from .join import stack
from .logic import lt, where
from .moments import mean
from .movement import cast, expand, unsqueeze
from .reduce import logsumexp, sum
from .scan import shift

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
    labels, skippable = extended(np.asarray(targets), sizes, blank)
    if inputs.size and (inputs.max() > T or inputs.min() < 0):
        raise ShapeError(f"ctc_loss: input lengths of at most {T} expected: {inputs.tolist()}")
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
    """B lengths as an array, from a tensor or a sequence."""
    found = np.asarray(given).reshape(-1)
    if found.shape != (B,) or found.dtype.kind not in "iu":
        raise ShapeError(f"ctc_loss: a length for each of {B} sequences expected: {found.shape}")
    return found


def extended(targets, sizes, blank):
    """The targets as rows with blanks around each label; and where two steps may be one.

    A blank can be skipped between two labels that differ.
    """
    B, S = len(sizes), max(sizes.max(initial=0), 0)
    rows = np.full((B, S), blank)
    starts = np.concatenate([[0], np.cumsum(sizes)]) if targets.ndim == 1 else None
    for b, size in enumerate(sizes):
        row = targets[starts[b] : starts[b] + size] if starts is not None else targets[b, :size]
        if len(row) != size:
            raise ShapeError(f"ctc_loss: a target of length {size} expected: {targets.shape}")
        rows[b, :size] = row
    labels = np.full((B, 2 * S + 1), blank)
    labels[:, 1::2] = rows
    skippable = np.zeros(labels.shape, bool)
    skippable[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    return labels, skippable


def log_likelihood(log_probs, labels, skippable, inputs, sizes):
    """log Σ P(path), by alpha[t, s]: log of the probability to be at label s at step t.

    Shapes: log_probs (T, B, classes), labels (B, L) -> (B,).
    """
    T, B, _ = log_probs.shape
    L = labels.shape[1]
    index = expand.apply(labels, shape=(T, B, L))
    at = gather.apply(log_probs, np.ascontiguousarray(index), dim=2)  # (T, B, L)
    begins = (np.arange(L) == 0) | ((np.arange(L) == 1) & (sizes[:, None] > 0))
    alpha = where(begins, getitem(at, 0), NEVER)
    for t in range(1, T):
        steps = [
            alpha,
            shift(alpha, 1, 1, NEVER),
            where(skippable, shift(alpha, 1, 2, NEVER), NEVER),
        ]
        grown = clamp_min(logsumexp(stack(steps, 0), 0) + getitem(at, t), NEVER)
        alpha = where((t < inputs)[:, None], grown, alpha)
    ends = np.arange(L) == 2 * sizes[:, None]
    ends |= np.arange(L) == 2 * sizes[:, None] - 1
    return logsumexp(where(ends, alpha, NEVER), 1)
