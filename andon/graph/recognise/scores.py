"""Attention written out: softmax(mask(q kᵀ · scale)) v becomes one op, that keeps no scores.

By structure. From the product with v, the scores are peeled down to the product of q and k:
factors go into the scale, what is filled with -∞ is a boolean mask, what is added is an additive
one. A mask is causal where it is a constant, and triangular; otherwise it is data, and an operand.
Dropout of the weights is part of the op, which draws what they were drawn.

A query that may see no key gives NaN if it is written out, and 0 here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...core.spec import Shape
from ...ops.attention import attention
from ...ops.logic import logical_and, logical_not, where
from ...ops.movement import reshape, swap_last
from ..fold import elements
from ..ir import Graph, Symbol
from .match import Match, Search
from .replace import recognise

LOW = -1e4  # a score that is this low hides a key as -∞ does, unless all are as low


def recognise_attention(graph: Graph) -> Graph:
    """Attention written out, with or without masks, becomes one op."""
    return recognise(graph, attended)


@dataclass
class Mask:
    """Keys that are `seen` or, if not that, hidden; or what is added to the scores, `factor` times.

    fill  what hidden scores are set to
    """

    operand: Any
    kind: str  # "seen", "hidden" or "added"
    factor: float = 1.0
    fill: float = -math.inf

    def seen(self, x: Symbol) -> Symbol:
        return x if self.kind == "seen" else logical_not.apply(x)

    def added(self, x: Symbol) -> Symbol:
        if self.kind == "added":
            return x if self.factor == 1 else x * self.factor
        return where.apply(self.seen(x), 0.0, self.fill * self.factor)


@dataclass
class Scores:
    """q kᵀ · scale, and the masks over it, of the given shape; how their softmax is dropped.

    through  the values that were looked through to find that out
    """

    shape: Shape
    q: Any = None
    k: Any = None
    transposed: bool = False  # k is given as (..., D, S)
    scale: float = 1.0
    masks: list[Mask] = field(default_factory=list)
    key: Any = None
    drop: float = 0.0
    through: set[Symbol] = field(default_factory=set)

    def inside(self, x: Symbol) -> Symbol:
        """What x is made of, first of all."""
        self.through.add(x)
        return x.inputs[0]


def attended(value: Symbol, search: Search) -> Match | None:
    """softmax(scores) v, at the product with v."""
    if str(value.op) != "matmul" or len(value.inputs[1].shape) < 2:
        return None
    scores = Scores(())
    p = undropped(plain(value.inputs[0], scores), scores)
    scores.shape = p.shape
    if str(p.op) != "softmax" or p.attrs["dim"] != len(p.shape) - 1:
        return None
    found = peeled(scores.inside(p), scores)
    v = in_batch(value.inputs[1], scores)
    if found is None or not fit(found, v):
        return None
    masks = [m for m in found.masks if not is_causal(m, p.shape)]
    drawn = () if found.key is None else (found.key,)
    inputs = (found.q, found.k, v, *drawn, *(m.operand for m in masks))
    if any(x in found.through for x in inputs):  # gradients would not be told apart
        return None
    return Match(value, inputs, attending(found, masks, value.shape))


def attending(scores: Scores, masks: list[Mask], shape: Shape) -> Callable[..., Symbol]:
    """How to make the result, of the given shape, with the fused op."""
    causal = len(masks) < len(scores.masks)

    def make(q: Symbol, k: Symbol, v: Symbol, *operands: Symbol) -> Symbol:
        k = swap_last(k) if scores.transposed else k
        key, operands = (None, operands) if scores.key is None else (operands[0], operands[1:])
        attrs = {"scale": scores.scale, "causal": causal, "drop": scores.drop}
        y = attention.apply(q, k, v, combined(masks, operands), key, **attrs)[0]
        return y if y.shape == shape else reshape.apply(y, shape=shape)

    return make


def plain(x: Symbol, scores: Scores | None = None) -> Symbol:
    """x, looking through copies, casts, and what merges or splits batch dims."""
    while str(x.op) in ("cast", "clone", "contiguous") or keeps_matrices(x):
        x = x.inputs[0] if scores is None else scores.inside(x)
    return x


def undropped(x: Symbol, scores: Scores) -> Symbol:
    """x, looking through dropout."""
    if str(x.op) != "random_drop":
        return x
    scores.key, scores.drop = x.inputs[1], x.attrs["p"]
    return plain(scores.inside(x), scores)


def keeps_matrices(x: Symbol) -> bool:
    """Whether x is a reshape that leaves the last two dims alone, or a permutation of nothing."""
    if str(x.op) == "reshape":
        return len(x.shape) > 1 and x.inputs[0].shape[-2:] == x.shape[-2:]
    return str(x.op) == "permute" and x.attrs["dims"] == tuple(range(len(x.shape)))


def in_batch(x: Symbol, scores: Scores) -> Symbol:
    """x with the batch dims of the scores, if it had them before they were merged."""
    batch = scores.shape[:-2]
    while keeps_matrices(x) and (x.shape[:-2] != batch or str(x.op) == "permute"):
        x = scores.inside(x)
    return x


def peeled(x: Any, scores: Scores) -> Scores | None:
    """`scores` with what x, a masked and scaled product, says of them; None if x is none."""
    x = plain(x, scores) if isinstance(x, Symbol) else None
    peel = PEELS.get(str(x.op)) if x is not None else None
    if peel is None:
        return None
    scores.through.add(x)
    return peel(scores, x)


def number(x: Any) -> Any:
    """x, if it is a number or a constant of one element, as a number; else None."""
    if not isinstance(x, Symbol):
        return x
    return x.const.item() if x.const is not None and x.const.ndim == 0 else None


def peel_scale(scores: Scores, value: Symbol) -> Scores | None:
    x = without_factor(value, scores)
    return peeled(x, scores) if x is not value and scores.scale > 0 else None


def peel_choice(scores: Scores, value: Symbol) -> Scores | None:
    condition, a, b = value.inputs
    kind, x, fill = ("hidden", b, number(a)) if number(b) is None else ("seen", a, number(b))
    if fill is None or fill > LOW or value.shape != scores.shape:
        return None
    if not isinstance(condition, Symbol):
        return None
    scores.masks.append(Mask(condition, kind, scores.scale, float(fill)))
    return peeled(x, scores)


def peel_sum(scores: Scores, value: Symbol) -> Scores | None:
    for x, mask in (value.inputs, value.inputs[::-1]):
        if isinstance(mask, Symbol) and value.shape == scores.shape:
            masks = [*scores.masks, Mask(mask, "added", scores.scale)]
            found = peeled(x, replace(scores, masks=masks, through=set(scores.through)))
            if found is not None:
                return found
    return None


def peel_product(scores: Scores, value: Symbol) -> Scores:
    """q kᵀ, with factors of q and k."""
    q, k = (without_factor(in_batch(x, scores), scores) for x in value.inputs)
    ndim = len(k.shape)
    swapped = (*range(ndim - 2), ndim - 1, ndim - 2)
    scores.transposed = str(k.op) != "permute" or k.attrs["dims"] != swapped
    if not scores.transposed:
        k = without_factor(scores.inside(k), scores)
    scores.q, scores.k = in_batch(q, scores), k
    return scores


def without_factor(x: Symbol, scores: Scores) -> Symbol:
    """x without the number that it is multiplied or divided by, which goes into the scale."""
    if str(x.op) not in ("mul", "div"):
        return x
    a, b = x.inputs
    if number(b):
        scores.scale *= number(b) if str(x.op) == "mul" else 1 / number(b)
    elif number(a) and str(x.op) == "mul":
        scores.scale *= number(a)
        a = b
    else:
        return x
    scores.through.add(x)
    return a


PEELS: dict[str, Any] = {
    "mul": peel_scale,
    "div": peel_scale,
    "where": peel_choice,
    "add": peel_sum,
    "matmul": peel_product,
}


def fit(scores: Scores, v: Symbol) -> bool:
    """Whether the operands are what the op takes: of one dtype and with equal batch dims."""
    operands = (scores.q, scores.k, v)
    if any(len(x.shape) < 2 or x.shape[:-2] != scores.shape[:-2] for x in operands):
        return False
    return scores.q.dtype == scores.k.dtype == v.dtype


def is_causal(mask: Mask, shape: Shape) -> bool:
    """Whether a mask is known to hide what is later, and nothing else."""
    known = elements(mask.operand)
    if known is None or known.shape[-2:] != shape[-2:]:
        return False
    if mask.kind == "added":
        if not np.isin(known, (0, -np.inf)).all():
            return False
        seen = known == 0
    else:
        seen = known if mask.kind == "seen" else ~known
    return bool((seen == np.tri(shape[-2], shape[-1]).astype(bool)).all())


def combined(masks: list[Mask], operands: tuple[Symbol, ...]) -> Symbol | None:
    """The masks as one: boolean if all of them hide keys for good, or else to be added."""
    if not masks:
        return None
    found: Any = None
    for mask, x in zip(masks, operands, strict=True):
        if all(m.kind != "added" and m.fill == -math.inf for m in masks):
            found = mask.seen(x) if found is None else logical_and.apply(found, mask.seen(x))
        else:
            found = mask.added(x) if found is None else found + mask.added(x)
    return found
