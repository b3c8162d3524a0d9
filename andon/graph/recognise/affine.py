"""Affine maps written out: the weight and the bias of a norm, and x Wᵀ + b."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ...core.op import item
from ...ops.linear import linear
from ...ops.movement import swap_last
from ...ops.norm import layer_norm, rms_norm
from ..ir import Graph, Symbol
from .match import Match, Search
from .replace import recognise


def recognise_norm_weights(graph: Graph) -> Graph:
    """What a norm is multiplied by, and what is added then, become its weight and bias."""
    return recognise(recognise(graph, weighted_norm), biased_norm)


def weighted_norm(value: Symbol, search: Search) -> Match | None:
    """norm(x) · w."""
    for y, w in pairs(value, "mul"):
        norm = norm_of(y)
        if norm is not None and norm.inputs[1] is None and fits(w, norm) and w is not y:
            absent = norm.inputs[2:]  # the bias, of a layer norm
            return Match(value, (norm.inputs[0], w), normalising(norm, *absent))
    return None


def normalising(norm: Symbol, *absent: None) -> Callable[..., Any]:
    """How to make the same norm with weights."""
    op: Any = norm.op
    return lambda *operands: op.apply(*operands, *absent, **norm.attrs)[0]


def biased_norm(value: Symbol, search: Search) -> Match | None:
    """layer_norm(x, w) + b."""
    for y, b in pairs(value, "add"):
        norm = norm_of(y)
        if norm is not None and norm.op is layer_norm and fits(b, norm) and b is not y:
            x, w, before = norm.inputs
            if w is not None and before is None:
                return Match(value, (x, w, b), normalising(norm))
    return None


def pairs(value: Symbol, name: str) -> Iterator[tuple[Any, Any]]:
    """The operands of a sum or a product, in both orders."""
    if str(value.op) == name:
        a, b = value.inputs
        yield a, b
        yield b, a


def norm_of(y: Any) -> Symbol | None:
    """The norm that y is the result of."""
    if isinstance(y, Symbol) and y.op is item and y.attrs["index"] == 0:
        return y.inputs[0] if y.inputs[0].op in (layer_norm, rms_norm) else None
    return None


def fits(w: Any, norm: Symbol) -> bool:
    """Whether w has the shape of the norm's weights."""
    shape = norm.attrs["normalized_shape"]
    return isinstance(w, Symbol) and w.shape == shape and w.dtype == norm.dtype[0]


def recognise_linear(graph: Graph) -> Graph:
    """A product with a matrix, plus a bias, becomes `linear`."""
    return recognise(graph, affine)


def affine(value: Symbol, search: Search) -> Match | None:
    """x Wᵀ + b, for a b of one dim. The backward pass of the product stays as it is."""
    for y, b in pairs(value, "add"):
        if not isinstance(y, Symbol) or str(y.op) != "matmul" or not isinstance(b, Symbol):
            continue
        x, w = y.inputs
        if len(w.shape) == 2 and b.shape == w.shape[1:] and b.dtype == x.dtype:
            if str(w.op) == "permute":
                return Match(value, (x, w.inputs[0], b), lambda *xs: linear.apply(*xs))
            return Match(value, (x, w, b), lambda x, w, b: linear.apply(x, swap_last(w), b))
    return None
