"""Checkpointing: compute again in the backward pass rather than keep.

The function is recorded as usual, and then what its nodes saved is dropped. The first of them
that a backward pass reaches runs the function once more and fills in the rest.

In a recorded program both runs are in one graph, where what is computed twice is computed once. So
the second run is given its arguments `after` the gradient that has arrived: another value, that is
not there earlier.

Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any
from weakref import ref

from ..core.errors import GradientError
from ..core.mode import enable_grad, mode
from ..core.op import Symbolic, clock, interpreters, using
from ..ops.movement import after
from .engine import Node, Tape, stale
from .function import FunctionOp


class Recompute:
    """In place of what a node saved: how to get it back."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict, random_state: Any):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.random_state = random_state
        plain = interpreters.run is interpreters.tensors
        self.interpreter = None if plain else interpreters.run  # in a block of mixed precision
        self.nodes: list[ref[Node]] = []  # weak: the nodes hold us
        self.path: list[tuple] = []

    def take_over(self, nodes: list[Node]) -> None:
        """Drop what `nodes` saved; their memories stay, to tell whether it could be had again."""
        self.nodes, self.path = [ref(node) for node in nodes], path_of(nodes)
        for node in nodes:
            if node.memories:
                node.saved = self

    def restore(self, g: Any) -> None:
        """Run the function again, now that the gradient `g` has arrived; give each node what its
        twin saved."""
        nodes: list[Any] = [weak() for weak in self.nodes]
        for node in nodes:
            if self.stands_in(node) and any(m.changed > node.stamp for m in node.memories):
                raise stale(node)
        twins = self.run_again(g)
        if path_of(twins) != self.path:
            raise GradientError("checkpoint: the function took another path when run again")
        inner = set()
        for node, twin in zip(nodes, twins, strict=True):
            if self.stands_in(node):
                node.saved, node.memories, node.stamp = twin.saved, twin.memories, twin.stamp
                if isinstance(node.saved, Recompute):
                    inner.add(node.saved)
                elif isinstance(node.op, FunctionOp):
                    node.saved[0].move_to(node)
        for checkpoint_within in inner:
            checkpoint_within.pass_on(dict(zip(twins, nodes, strict=True)))

    def stands_in(self, node: Any) -> bool:
        """Whether a node is alive, and not yet restored or freed."""
        return node is not None and node.saved is self

    def pass_on(self, node_of: dict[Any, Any]) -> None:
        """Restore other nodes than the twins that this was made for, which are about to die."""
        alive = [(weak, node_of.get(weak())) for weak in self.nodes]
        self.nodes = [weak if node is None else ref(node) for weak, node in alive]

    def run_again(self, g: Any) -> list[Node]:
        """The nodes of a second run, in which the same random numbers are drawn."""
        given = self.args, self.kwargs, self.random_state
        args, kwargs, random_state = delayed(given, g) if interpreters.recorder else given
        now, start = Tape.random_state(), next(clock)
        if random_state is not None:
            Tape.set_random_state(random_state)
        try:
            with enable_grad(), using(self.interpreter or interpreters.tensors):
                result = self.function(*args, **kwargs)
        finally:
            Tape.set_random_state(now)
        return made_since(start, result)


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), whose intermediate values are computed again for backward.

    The random state is put back for the second run, so that dropout drops the same. What is to be
    computed again in a recorded program must depend on the arguments, not on captured tensors.
    """
    if not mode.grad:
        return function(*args, **kwargs)
    random_state = Tape.random_state() if preserve_rng_state else None
    start = next(clock)
    result = function(*args, **kwargs)
    Recompute(function, args, kwargs, random_state).take_over(made_since(start, result))
    return result


def delayed(given: Any, g: Any) -> Any:
    """What was given, with every recorded tensor in it as it is after `g` has arrived."""
    if isinstance(g, list):  # the gradients of the outputs of an op with several
        g = next(part for part in g if part is not None)
    token = getattr(g, "array", g)

    def late(x: Any) -> Any:
        if type(x) is dict:
            return {name: late(part) for name, part in x.items()}
        if type(x) in (tuple, list):
            return type(x)(map(late, x))
        if not isinstance(getattr(x, "array", None), Symbolic):
            return x
        with using(interpreters.arrays):
            return Tape.tensor(after.apply(x.array, token), x.current())

    return late(given)


def made_since(start: int, result: Any) -> list[Node]:
    """The nodes that `result` rests on and that are younger than `start`, oldest first."""
    found: set[Any] = set()
    stack = [y.current() for y in tensors_in(result)]
    while stack:
        node = stack.pop()
        if node is None or node.op is None or node.order < start or node in found:
            continue
        found.add(node)
        stack.extend(node.inputs)
    return sorted(found, key=attrgetter("order"))


def path_of(nodes: list[Node]) -> list[tuple]:
    """What a run of the function did, to be compared with another run."""
    return [(node.op, node.shape) for node in nodes]


def tensors_in(result: Any) -> list:
    """The tensors in nested tuples, lists and dicts."""
    if hasattr(result, "current"):
        return [result]
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in tensors_in(part)]
    return []


def checkpoint_sequential(functions: Any, segments: int, input: Any, **options: Any) -> Any:
    """Run modules one after the other in `segments` parts, each checkpointed but the last."""
    layers = list(functions.children() if hasattr(functions, "children") else functions)
    size = max(1, len(layers) // segments)
    cuts = [layers[i * size : (i + 1) * size] for i in range(segments - 1)]

    def run(part: list) -> Callable:
        def through(x: Any) -> Any:
            for layer in part:
                x = layer(x)
            return x

        return through

    for part in cuts:
        input = checkpoint(run(part), input, **options)
    return run(layers[(segments - 1) * size :])(input)
