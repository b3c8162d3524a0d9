"""Function: an operation with a gradient of your own.

    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    y = Cube.apply(x)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from ..core.errors import GradientError
from ..core.memory import Memory
from ..core.mode import mode, no_grad
from ..core.op import Interpreters, Op, using
from .engine import Node, Tape, item


class Context:
    """What `forward` leaves for `backward`: saved tensors, and any attribute you set."""

    def __init__(self, needs: tuple[bool, ...]):
        self.needs_input_grad = needs
        self.saved: list[tuple] = []
        self.silent: set[int] = set()
        self.materialize = True
        self.outputs: list[tuple[np.ndarray, Any]] = []  # arrays, and weak refs to their nodes

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None); a later in-place change to one is noticed."""
        self.saved = [
            (None, None, None) if t is None else (t.array, t.memory, t.current()) for t in tensors
        ]
        self.stamp = Memory.time

    @property
    def saved_tensors(self) -> tuple:
        return tuple(self.revive(*entry) for entry in self.saved)

    def revive(self, array: Any, memory: Any, node: Any) -> Any:
        """A saved tensor again, with its place on the tape."""
        if array is None:
            return None
        if memory.changed > self.stamp:
            raise GradientError("Function: a saved tensor was changed in place since forward")
        if node is None:
            made = [weak() for output, weak in self.outputs if output is array]
            node = made[0] if made else None
        return Tape.tensor(array, node)

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """These outputs need no gradient."""
        self.silent = {id(t.array) for t in tensors}

    def mark_dirty(self, *tensors: Any) -> None:
        """These inputs were changed in place."""
        for t in tensors:
            t.memory.touch()

    def set_materialize_grads(self, value: bool) -> None:
        """Whether an output without a gradient is given zeros, or None."""
        self.materialize = value


class FunctionOp(Op):
    """The op of one application: its gradient rule is the user's `backward`."""

    def __init__(self, function: type[Function], ctx: Context, like: list):
        super().__init__(lambda: None)
        self.name, self.function, self.ctx = function.__name__, function, ctx
        self.like = [(y.shape, y.array.dtype) for y in like]
        self.vjp = self.backward

    def backward(self, g: Any, *slots: Any) -> list:
        """Call the user's rule with tensors, whatever the pass runs on."""
        gs = list(g) if isinstance(g, list) else [g]
        tensors = [self.incoming(g, i) for i, g in enumerate(gs)]
        with using(Interpreters.default):
            found = self.function.backward(self.ctx, *tensors)
        grads = list(found) if isinstance(found, (tuple, list)) else [found]
        wanted = len(self.ctx.needs_input_grad)
        if len(grads) > wanted and all(g is None for g in grads[wanted:]):
            grads = grads[:wanted]
        if len(grads) != wanted:
            raise GradientError(
                f"{self.name}.backward: one gradient per input expected: "
                f"{len(grads)} for {wanted} inputs"
            )
        plain = not mode.grad
        return [g.array if plain and hasattr(g, "array") else g for g in grads]

    def incoming(self, g: Any, i: int) -> Any:
        if g is None:
            return Tape.tensor(np.zeros(*self.like[i])) if self.ctx.materialize else None
        return g if hasattr(g, "array") else Tape.tensor(np.asarray(g))


class Function:
    """Subclass, define static `forward(ctx, ...)` and `backward(ctx, *grads)`, call `apply`.

    Or define `forward(...)` without ctx and `setup_context(ctx, inputs, output)`.
    """

    setup_context: Callable | None = None

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise GradientError("Function: a subclass must define a static forward")

    @staticmethod
    def backward(ctx: Context, *grads: Any) -> Any:
        raise GradientError("Function: a subclass must define a static backward")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, recorded as one node whose gradient is `backward`."""
        nodes = tuple(x.current() if hasattr(x, "array") else None for x in args)
        ctx = Context(tuple(node is not None for node in nodes))
        recorded = mode.grad and any(ctx.needs_input_grad)
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        several = isinstance(result, (tuple, list))
        outputs = [fresh(y, args) for y in (result if several else (result,))]
        if recorded:
            attach(cls, ctx, nodes, outputs, several)
        return tuple(outputs) if several else outputs[0]


def fresh(y: Any, inputs: tuple) -> Any:
    """An output that is no input: the tape may not run in circles."""
    return y.detach() if any(y is x for x in inputs) else y


def attach(cls: type, ctx: Context, nodes: tuple, outputs: list, several: bool) -> None:
    """Give the outputs their nodes."""
    tensors = [y for y in outputs if hasattr(y, "array")]
    op = FunctionOp(cls, ctx, tensors)
    shapes = tuple(y.array.shape for y in tensors)
    dtypes = tuple(y.array.dtype for y in tensors)
    whole = Node(op, nodes, {}, shapes if several else shapes[0], dtypes if several else dtypes[0])
    whole.saved = (None,) * (1 + len(nodes))
    for i, y in enumerate(tensors):
        if id(y.array) in ctx.silent or y.array.dtype.kind not in "fV":
            continue
        y.base = None
        y.node = Node(item, (whole,), {"index": i}, *whole_of(y)) if several else whole
        ctx.outputs.append((y.array, ref(y.node)))


def whole_of(y: Any) -> tuple:
    return y.array.shape, y.array.dtype


def once_differentiable(backward: Callable) -> Callable:
    """Decorator for a `backward` whose result is not to be differentiated again."""

    def without_grad(ctx: Context, *grads: Any) -> Any:
        with no_grad():
            return backward(ctx, *grads)

    return without_grad
