"""Splitting a training step along its batch: what is computed of each sample, and what of all.

It is known where the samples are in each value (`graph/batch_axis.py`). Then

    before   depends on no sample: runs once
    chunk    runs for a few samples at a time, by one thread, whose cache holds what it computes;
             sums over the batch are added to accumulators
    after    takes the sums, and what else it needs: clipping, the optimizer

are three graphs. `split_batch` gives them, or None where the batch is not what the work is about.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..core.dtype import int64
from ..core.op import Op, item
from ..core.spec import Spec
from ..ops.arithmetic import add
from ..ops.movement import after
from ..ops.random import random_kept
from .algebra import made_by
from .batch_axis import EARLY, LATE, SUM, Proof, outermost
from .buffers import mask_and_key
from .cost import multiplications
from .ir import Graph, Symbol, placeholder
from .record import emit, output
from .rewrite import extract, remade
from .views import source

ENOUGH = 0.9  # of the multiplications must be within the chunks
ROWS = 64  # of a product in a chunk: fewer do not pay for reading its weights
FEWEST = 4  # chunks that are shared among threads


class Read(NamedTuple):
    """A value that an input of a chunk is: whole, or only its samples.

    draws  if not 0, the value is the key of a draw, and the input that of the chunk's part of it,
           of so many elements
    """

    value: Symbol
    sliced: bool = False
    draws: int = 0


@dataclass
class Split:
    """The three graphs, and how their values hang together.

    samples   of a chunk
    chunks    how many there are
    reads     for each input of `chunk`, the value it is
    sums      the values that accumulators hold in the end: the first updates of `chunk`
    stacked   values of single samples that `after` reads, each chunk's in its place
    early     the outputs of `before`
    """

    before: Graph
    chunk: Graph
    after: Graph
    samples: int
    chunks: int
    reads: list[Read]
    sums: list[Symbol]
    stacked: list[Symbol]
    early: list[Symbol] = field(default_factory=list)


def split_batch(graph: Graph, updates: Mapping[int, int]) -> Split | None:
    """The graph as three, if its work is on samples of a batch and their sums."""
    state = set(updates.values())
    free = [x for i, x in enumerate(graph.inputs) if i not in state and x.ndim > 0]
    if not free or not state:
        return None
    B = free[0].shape[0]
    batched = {x for x in free if x.shape[0] == B}
    if B < 4:
        return None
    proof = Proof(graph, batched, B)
    changed = not_awaiting(graph, proof.states)
    if changed is not graph:
        graph, proof = changed, Proof(changed, batched, B)
    work = {v: multiplications(v) for v in graph.values}
    in_chunks = sum(n for v, n in work.items() if proof.states[v] not in (EARLY, LATE))
    if in_chunks < ENOUGH * sum(work.values()) or not in_chunks:
        return None
    samples = samples_of_chunk(graph, proof)
    return Splitter(graph, proof, samples).split() if B // samples >= FEWEST else None


def not_awaiting(graph: Graph, states: dict[Symbol, Any]) -> Graph:
    """What depends on no sample is computed before all of them, and not `after` anything."""

    def make(value: Symbol, moved: Symbol, new: dict[Symbol, Any]) -> Symbol:
        early = value.op is after and states[value] == EARLY
        return new[value.inputs[0]] if early else moved

    return remade(graph, make)


def samples_of_chunk(graph: Graph, proof: Proof) -> int:
    """As many as give the largest product enough rows: a chunk reads all weights anew."""
    B, samples = proof.B, 2 if proof.B % 2 == 0 and proof.B >= 16 else 1
    of_rows = [v for v in graph.values if isinstance(proof.states[v], int) and multiplications(v)]
    largest = max(of_rows, key=multiplications, default=None)
    rows = ROWS
    if largest is not None:  # of a convolution, the positions
        of_matrix = made_by(largest, "matmul")
        rows = math.prod(largest.shape[:-1]) // B if of_matrix else math.prod(largest.shape[2:])
    while samples * rows < ROWS and B % (2 * samples) == 0:
        samples *= 2
    return samples


class Splitter:
    """Builds the three graphs."""

    def __init__(self, graph: Graph, proof: Proof, samples: int):
        self.graph, self.states, self.B = graph, proof.states, proof.B
        self.samples = samples
        self.reads: list[Read] = []
        self.inputs: list[Symbol] = []
        self.new: dict[Symbol, Any] = {}
        self.given: dict[Read, Symbol] = {}

    def split(self) -> Split | None:
        needed = self.needed_later()
        sums = [v for v in needed if self.states[v] == SUM]
        stacked = [v for v in needed if isinstance(self.states[v], int) and v.op is not None]
        if any(not outermost(v, self.states[v]) for v in stacked):
            return None
        for value in self.graph.values:
            state = self.states[value]
            if value.op is not None and state not in (EARLY, LATE):
                self.new[value] = self.rebuilt(value)
        outputs: list[Symbol] = []
        for value in sums:
            total = placeholder(value.spec, f"{value.name or 'sum'}_total")
            self.read_as(total, Read(value))
            outputs.append(emit(add, (total, self.new[value]), {}, value.line))
        outputs += [self.new[v] for v in stacked]
        early = list(
            dict.fromkeys(x for x, *_ in self.reads if self.states[x] == EARLY and x.op is not None)
        )
        name = self.graph.name
        return Split(
            extract(self.graph.inputs, early, f"{name}_before"),
            Graph(self.inputs, outputs, f"{name}_chunk"),
            extract([*self.graph.inputs, *sums, *stacked], self.graph.outputs, name),
            self.samples, self.B // self.samples, self.reads, sums, stacked, early,
        )  # fmt: skip

    def needed_later(self) -> list[Symbol]:
        """The values of chunks that outputs are, or late ops read."""
        found: dict[Symbol, None] = {}
        for value in self.graph.values:
            if self.states[value] == LATE:
                found |= dict.fromkeys(x for x in value.operands if self.is_of_chunks(x))
        found |= dict.fromkeys(y for y in self.graph.outputs if self.is_of_chunks(y))
        return list(found)

    def is_of_chunks(self, value: Symbol) -> bool:
        return value.op is not None and self.states[value] not in (EARLY, LATE)

    # ---- the graph of a chunk

    def rebuilt(self, value: Symbol) -> Any:
        """A value with the samples of one chunk alone."""
        if value.op is item:
            return output(self.new[value.inputs[0]], value.attrs["index"])
        state = self.states[value]
        inputs = tuple(self.operand(x, value) if isinstance(x, Symbol) else x for x in value.inputs)
        attrs = dict(value.attrs)
        if "shape" in attrs and isinstance(state, int):
            attrs["shape"] = self.cut(attrs["shape"], state)
        op: Op = value.op
        made = emit(op, inputs, attrs, value.line)
        made.name = value.name
        return made

    def operand(self, x: Symbol, user: Symbol) -> Symbol:
        """What `user` reads: a value of the chunk; a whole one, or the chunk's part of it."""
        if x in self.new:
            return self.new[x]
        d = self.sliced_dim(x, user)
        if self.states[x] == EARLY and (made := self.made_here(x, user, d)) is not None:
            return made
        shape = x.shape if d is None else self.cut(x.shape, d)
        return self.given_as(x, Read(x, d is not None), Spec(shape, x.spec.dtype))

    def given_as(self, x: Symbol, read: Read, spec: Spec) -> Symbol:
        """An input of the chunk, the same for all who read it so."""
        if read not in self.given:
            self.given[read] = self.read_as(placeholder(spec, x.name), read)
        return self.given[read]

    def made_here(self, x: Symbol, user: Symbol, d: int | None) -> Symbol | None:
        """A whole value, or the chunk's part of it, if that is made within the chunk."""
        if user.op.name in ("attention", "attention_backward") and x is mask_and_key(user)[1]:
            q, k = user.inputs[:2] if len(user.inputs) == 5 else user.inputs[1:3]
            return self.key_of_chunk(x, math.prod(q.shape[:-1]) * k.shape[-2])
        if x.op is random_kept and d is not None and outermost(x, d):
            return self.drawn(x, d)
        return self.view_of_whole(x, user, d)

    def drawn(self, x: Symbol, d: int) -> Symbol:
        """What dropout keeps of the samples of the chunk: it need not be kept until then."""
        if x not in self.new:
            key = self.key_of_chunk(x.inputs[0], math.prod(x.shape))
            attrs = x.attrs | {"shape": self.cut(x.shape, d)}
            self.new[x] = emit(random_kept, (key,), attrs, x.line)
        return self.new[x]

    def key_of_chunk(self, key: Symbol, size: int) -> Symbol:
        """The key of the chunk's part of a draw of `size` elements."""
        read = Read(key, draws=size * self.samples // self.B)
        return self.given_as(key, read, Spec((3,), int64))

    def view_of_whole(self, x: Symbol, user: Symbol, d: int | None) -> Symbol | None:
        """A view of a whole value is made within the chunk, which costs nothing."""
        op: Any = x.op
        base = source(x)
        if base is None or op is item or (d is not None and op.name != "expand"):
            return None
        attrs = dict(x.attrs)
        if d is not None:
            at = d - (x.ndim - base.ndim)
            if at >= 0 and base.shape[at] != 1:
                return None
            attrs["shape"] = self.cut(attrs["shape"], d)
        return emit(op, (self.operand(base, x),), attrs, x.line)

    def sliced_dim(self, x: Symbol, user: Symbol) -> int | None:
        """The dim of a whole operand that holds the samples, if it has one."""
        if isinstance(self.states[x], int):
            return self.states[x]
        state = self.states[user]
        if user.op.c is not None and isinstance(state, int):
            at = state - (user.ndim - x.ndim)
            return at if at >= 0 and x.shape[at] != 1 else None
        of_loss = user.op.name == "cross_entropy_backward" and x is user.inputs[0]
        return 0 if of_loss else None

    def read_as(self, symbol: Symbol, read: Read) -> Symbol:
        self.inputs.append(symbol)
        self.reads.append(read)
        return symbol

    def cut(self, shape: tuple[int, ...], d: int) -> tuple[int, ...]:
        return tuple(n * self.samples // self.B if i == d else n for i, n in enumerate(shape))
