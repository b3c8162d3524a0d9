"""Cross-entropy written out: the log-probability of a target, picked from log_softmax(x).

By structure. What is picked is -cross_entropy, whether by `gather` or by indexing with the
numbers of the rows.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops.cross_entropy import cross_entropy
from ...ops.logic import lt, where
from ...ops.movement import reshape
from ..fold import elements
from ..ir import Graph, Symbol
from .match import Match, Search
from .replace import recognise

IGNORED = -100  # no class has this number


def recognise_cross_entropy(graph: Graph) -> Graph:
    """The log-probabilities of targets become the negative of one op."""
    return recognise(graph, picked)


def picked(value: Symbol, search: Search) -> Match | None:
    """log_softmax(x)[n, target[n]] for every n."""
    logp, target = targets_of(value)
    rows = log_probabilities(logp) if logp is not None else None
    if rows is None or target is None:
        return None
    shape, (N, V) = value.shape, logp.shape
    wraps = str(value.op) == "take"  # negative indices count from the end

    def make(x: Symbol, target: Symbol) -> Symbol:
        x, target = (reshape.apply(y, shape=s) for y, s in ((x, (N, V)), (target, (N,))))
        index = where.apply(lt.apply(target, 0), target + V, target) if wraps else target
        loss = cross_entropy.apply(x, index, ignore_index=IGNORED)[0]
        return reshape.apply(-loss, shape=shape)

    return Match(value, (rows, target), make)


def targets_of(value: Symbol) -> tuple[Any, Any]:
    """What is picked from, (N, V), and which of each row; None where nothing is picked by row."""
    if str(value.op) == "gather" and value.attrs["dim"] == 1 and value.shape[1:] == (1,):
        logp, target = value.inputs
        return (logp, target) if target.shape[0] == logp.shape[0] else (None, None)
    if str(value.op) == "take" and value.attrs["dims"] == (0, 1):
        logp, rows, target = value.inputs
        numbers = np.arange(logp.shape[0])
        if target.shape == (len(numbers),) and len(logp.shape) == 2:
            known = elements(rows)
            if known is not None and np.array_equal(known, numbers):
                return logp, target
    return None, None


def log_probabilities(logp: Symbol) -> Symbol | None:
    """The x whose log_softmax over the last dim are the rows of `logp`."""
    V = logp.shape[-1]
    source = logp
    while str(source.op) == "reshape" and source.inputs[0].shape[-1:] == (V,):
        source = source.inputs[0]
    if str(source.op) != "log_softmax" or source.attrs["dim"] != len(source.shape) - 1:
        return None
    return source.inputs[0] if math.prod(source.shape) == math.prod(logp.shape) else None
