"""The batch axis: along which dim each value of a graph holds the samples of a batch.

A proof rather than a guess. Rules say, op by op, where the samples lie in a result, one after the
other, if it is known where they lie in the operands; products and sums over that dim can be added
up a few samples at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..core.op import item
from .buffers import mask_and_key
from .ir import Graph, Symbol

EARLY, LATE, SUM = "early", "late", "sum"
State = int | str  # the dim that samples lie along; or EARLY, LATE, SUM
Rule = Callable[..., Any]
RULES: dict[str, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorator: `rule(value, states)` is the state of a result with an operand of samples.

    A list, of an op with several outputs; None where the op is not said of single samples.
    """

    def decorate(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return decorate


def dims_of(states: list) -> set[int]:
    return {s for s in states if isinstance(s, int)}


def elementwise(value: Symbol, states: list) -> State | None:
    found = {
        s + value.ndim - x.ndim
        for x, s in zip(value.operands, states, strict=True)
        if isinstance(s, int)
    }
    return found.pop() if len(found) == 1 else None


@rule("matmul")
def matmul(value: Symbol, states: list) -> State | None:
    a, b = value.operands
    da, db = states
    lead = math.prod(value.shape[:-2])
    if isinstance(da, int) and isinstance(db, int):
        if da == a.ndim - 1 and db == b.ndim - 2:
            return SUM if lead == 1 else None
        same = da - a.ndim == db - b.ndim and da < a.ndim - 2
        return da + value.ndim - a.ndim if same else None
    if isinstance(da, int):
        of_rows = da != a.ndim - 1 and math.prod(b.shape[:-2]) == 1
        return da + value.ndim - a.ndim if of_rows else None
    return value.ndim - 1 if db == b.ndim - 1 else None


@rule("sum", "amax", "amin", "prod")
def reduction(value: Symbol, states: list) -> State | None:
    (d,), dims = states, value.attrs["dim"]
    if d in dims:
        return SUM if value.op.name == "sum" else None
    return d if value.attrs["keepdim"] else d - sum(1 for x in dims if x < d)


@rule("reshape")
def reshape(value: Symbol, states: list) -> State | None:
    (d,), (x,) = states, value.operands
    new = next((i for i, n in enumerate(value.shape) if n != 1), 0)
    outermost = all(n == 1 for n in x.shape[:d])
    return new if outermost and x.shape[d] > 1 else None


@rule("permute")
def permute(value: Symbol, states: list) -> State | None:
    return value.attrs["dims"].index(states[0])


@rule("expand")
def expand(value: Symbol, states: list) -> State | None:
    return states[0] + value.ndim - value.operands[0].ndim


@rule("contiguous", "clone", "cast", "positive", "after")
def same(value: Symbol, states: list) -> State | None:
    return states[0]


@rule("view")
def index(value: Symbol, states: list) -> State | None:
    old = new = 0
    for part in value.attrs["index"]:
        if part is None:
            new += 1
            continue
        if old == states[0]:
            return new if part == (None, None, None) else None
        old, new = old + 1, new + (not isinstance(part, int))
    return new + states[0] - old


@rule("split")
def split(value: Symbol, states: list) -> list | None:
    return None if value.attrs["dim"] == states[0] else [states[0]] * len(value.shape)


@rule("unbind")
def unbind(value: Symbol, states: list) -> list | None:
    (d,), dim = states, value.attrs["dim"]
    return None if dim == d else [d - (dim < d)] * len(value.shape)


@rule("stack")
def stack(value: Symbol, states: list) -> State | None:
    d = states[0]
    return d + (value.attrs["dim"] <= d) if set(states) == {d} and isinstance(d, int) else None


@rule("cat")
def cat(value: Symbol, states: list) -> State | None:
    found = set(states)
    return states[0] if len(found) == 1 and states[0] != value.attrs["dim"] else None


@rule("layer_norm", "rms_norm")
def norm(value: Symbol, states: list) -> list | None:
    d, *weights = states
    inner = value.operands[0].ndim - len(value.attrs["normalized_shape"])
    of_rows = isinstance(d, int) and d < inner and not dims_of(weights)
    return [d] * len(value.shape) if of_rows else None


@rule("layer_norm_backward", "rms_norm_backward")
def norm_backward(value: Symbol, states: list) -> list | None:
    rows = states[:-1] if len(value.shape) > 1 else states
    d = states[0]
    inner = value.operands[0].ndim - len(value.attrs["normalized_shape"])
    if dims_of(rows) != {d} or d >= inner or SUM in states:
        return None
    return [d, *[SUM] * (len(value.shape) - 1)]


@rule("attention", "attention_backward")
def attention(value: Symbol, states: list) -> list | None:
    mask, key = mask_and_key(value)
    q, d = value.operands[0], states[0]
    of_samples = [s for x, s in zip(value.operands, states, strict=True) if x is not key]
    if mask is not None or (key is not None and EARLY not in states):
        return None  # a mask, which might be of single samples
    of_heads = set(of_samples) == {d} and isinstance(d, int) and d < q.ndim - 2
    return [d] * len(value.shape) if of_heads else None


@rule("cross_entropy")
def cross_entropy(value: Symbol, states: list) -> list | None:
    return [0, 0] if states == [0, 0] else None


@rule("cross_entropy_backward")
def cross_entropy_backward(value: Symbol, states: list) -> State | None:
    return 0 if states[1:] == [0, 0, 0] and states[0] in (0, EARLY) else None


@rule("embedding")
def embedding(value: Symbol, states: list) -> State | None:
    return states[1] if states[0] == EARLY else None


@rule("embedding_backward")
def embedding_backward(value: Symbol, states: list) -> State | None:
    return SUM if isinstance(states[0], int) and states[0] == states[1] else None


@rule("conv", "conv_input_grad")
def conv(value: Symbol, states: list) -> State | None:
    return 0 if states == [0, EARLY] else None


@rule("conv_weight_grad")
def conv_weight_grad(value: Symbol, states: list) -> State | None:
    return SUM if states == [0, 0] else None


@rule("sum_pool", "spread_windows", "unpool")
def pool(value: Symbol, states: list) -> State | None:
    return 0 if set(states) == {0} else None


@rule("max_pool")
def max_pool(value: Symbol, states: list) -> list | None:
    return [0, 0] if states == [0] else None


# ---- the proof


class Proof:
    """The state of every value, for the inputs that hold `B` samples each."""

    def __init__(self, graph: Graph, batched: set[Symbol], B: int):
        self.graph, self.B = graph, B
        self.states: dict[Symbol, Any] = {}
        for value in graph.values:
            self.states[value] = self.state(value, batched)

    def state(self, value: Symbol, batched: set[Symbol]) -> Any:
        if value.op is None:
            return 0 if value in batched else EARLY
        if value.op is item:
            of_node = self.states[value.inputs[0]]
            return of_node[value.attrs["index"]] if isinstance(of_node, list) else of_node
        states = [self.states[x] for x in value.operands]
        if LATE in states or SUM in states:
            return LATE
        if not dims_of(states):
            return EARLY
        elementwise_op = value.op.c is not None
        found_rule = elementwise if elementwise_op else RULES.get(value.op.name)
        found = found_rule(value, states) if found_rule else None
        if found in (None, SUM) and all(map(self.is_light, value.operands)):
            return EARLY
        if found is None or not self.is_sound(value, states, found):
            return LATE
        return found

    def is_light(self, value: Symbol) -> bool:
        """Whether it is a matter of integers that are given: which targets count, say."""
        if value.op is None:
            return value.dtype.kind in "biu"
        plain = value.op.c is not None or value.op.name in ("reshape", "cast", "expand")
        return plain and value.dtype.kind in "biu" and all(map(self.is_light, value.operands))

    def is_sound(self, value: Symbol, states: list, found: Any) -> bool:
        """Whether samples can be told apart in the result and in whole operands, and sums added.

        Accumulators are of float32: threads add theirs as such.
        """
        several = isinstance(value.dtype, tuple)
        shapes, dtypes = (value.shape, value.dtype) if several else ([value.shape], [value.dtype])
        states_found = found if isinstance(found, list) else [found]
        for shape, dtype, d in zip(shapes, dtypes, states_found, strict=True):
            if isinstance(d, int) and (d < 0 or shape[d] % self.B):
                return False
            if d == SUM and dtype.name != "float32":
                return False
        if isinstance(found, int) and (value.op.c is not None):
            for x, s in zip(value.operands, states, strict=True):
                at = found - (value.ndim - x.ndim)
                if s == EARLY and at >= 0 and x.shape[at] != 1 and not outermost(x, at):
                    return False
        return True


def outermost(value: Symbol, d: int) -> bool:
    """Whether dim d is the first that has several places, so that samples are contiguous."""
    return all(n == 1 for n in value.shape[:d])
