"""Checkpointing: compute again in the backward pass rather than keep.

The function is recorded as usual, and then what its nodes saved is dropped. The first of them
that a backward pass reaches runs the function once more and fills in the rest.

Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import GradientError
from ..core.mode import enable_grad, mode
from ..core.op import Interpreters, Value, ancestors, clock, using
from .engine import Node, Tape


class Recompute:
    """In place of what a node saved: how to get it back."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict, random_state: Any):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.random_state = random_state
        self.nodes: list[Node] = []

    def restore(self) -> None:
        """Run the function again and give each node what its twin saved."""
        now = Tape.random_state()
        Tape.set_random_state(self.random_state)
        start = next(clock)
        try:
            with enable_grad(), using(Interpreters.default):
                result = self.function(*self.args, **self.kwargs)
        finally:
            Tape.set_random_state(now)
        twins = made_since(start, result)
        if [n.op for n in twins] != [n.op for n in self.nodes]:
            raise GradientError("checkpoint: the function took another path when run again")
        for node, twin in zip(self.nodes, twins, strict=True):
            node.saved, node.memories, node.stamp = twin.saved, twin.memories, twin.stamp


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args, **kwargs), whose intermediate values are computed again for backward.

    The random state is put back for the second run, so that dropout drops the same.
    """
    if not mode.grad:
        return function(*args, **kwargs)
    again = Recompute(function, args, kwargs, Tape.random_state())
    start = next(clock)
    result = function(*args, **kwargs)
    again.nodes = made_since(start, result)
    for node in again.nodes:
        if node.memories:
            node.saved, node.memories = again, ()
    return result


def made_since(start: int, result: Any) -> list[Node]:
    """The nodes that `result` rests on and that are younger than `start`, oldest first."""
    roots = [y.current() for y in tensors_in(result)]
    roots = [node for node in roots if node is not None]
    old: list[Value] = []
    nodes = [n for n in ancestors(roots, old) if n.order > start and n.op is not None]
    return nodes[::-1]  # type: ignore[return-value]


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
