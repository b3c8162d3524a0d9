"""Function: an operation with a gradient of your own.

A subclass says how to compute it and how to differentiate it, and is called by `apply`:

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
from ..core.mode import mode, no_grad
from ..core.op import Op, interpreters, item, using
from ..core.spec import Spec, spec_of
from .engine import Node, Tape, as_array


class Context:
    """What `forward` leaves for `backward`: saved tensors, and any attribute you set."""

    def __init__(self, needs: tuple[bool, ...]):
        self.needs_input_grad = needs
        self._to_save: tuple = ()
        self._silent: tuple = ()
        self._dirty: tuple = ()
        self._materialize = True
        self._node: ref | None = None
        self._outputs: list[Spec | None] = []

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None); a later in-place change to one is noticed."""
        self._to_save = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """These outputs need no gradient."""
        self._silent = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """These inputs were changed in place, and are returned."""
        self._dirty = tensors
        for t in tensors:
            t.memory.touch()

    def set_materialize_grads(self, value: bool) -> None:
        """Whether an output without a gradient is given zeros, or None."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple:
        """The tensors given to `save_for_backward`, each in its place on the tape."""
        if self._node is None:
            return self._to_save
        return tuple(t if t is None else self.revived(*t) for t in self._to_save)

    def seal(self, node: Node, outputs: list) -> None:
        """Exchange tensors for arrays with nodes: the tape must not point in a circle."""
        self.move_to(node)
        self._outputs = [spec_of(y) if is_tensor(y) else None for y in outputs]
        self._to_save = tuple(t if t is None else sealed(t, outputs) for t in self._to_save)
        self._silent = self._dirty = ()

    def move_to(self, node: Node) -> None:
        """Be the context of `node`, whose outputs are saved here or lead to what is."""
        self._node = ref(node)

    def revived(self, array: np.ndarray, node: Node | None, place: int | None) -> Any:
        """A saved tensor: one with a node, or output number `place` of our own."""
        whole = None if self._node is None else self._node()
        if place is not None and whole is not None:
            node = whole
            if isinstance(whole.dtype, tuple):
                spec = whole.shape[place], whole.dtype[place]
                node = Node(item, (whole,), {"index": place}, *spec)
        return Tape.tensor(array, node)

    def incoming(self, g: Any, i: int) -> Any:
        """The gradient of output number `i` as a tensor, or None."""
        spec = self._outputs[i]
        if g is None and self._materialize and spec is not None:
            g = np.zeros(spec.shape, spec.dtype.numpy)
        return g if g is None or is_tensor(g) else Tape.tensor(as_array(g))


def is_tensor(x: Any) -> bool:
    return hasattr(x, "array")


def sealed(t: Any, outputs: list) -> tuple:
    """The array of a tensor, and its node or, if it is an output, which one."""
    for i, y in enumerate(outputs):
        if is_tensor(y) and y.array is t.array and y.dtype.is_floating_point:
            return t.array, None, i
    return t.array, t.current(), None


class FunctionOp(Op):
    """The op of a Function: its gradient rule is the user's `backward`.

    Its nodes save the Context in the slot of the result.
    """

    def __init__(self, function: type[Function]):
        super().__init__(lambda: None)
        self.name, self.function = function.__name__, function
        self.vjp, self.differentiable = self.backward, True

    def backward(self, g: Any, ctx: Context, *inputs: Any) -> list:
        """Call the user's rule with tensors, whatever the pass runs on."""
        gs = g if isinstance(g, list) else [g]
        tensors = [ctx.incoming(g, i) for i, g in enumerate(gs)]
        with using(interpreters.tensors):
            found = self.function.backward(ctx, *tensors)
        grads = list(found) if isinstance(found, (tuple, list)) else [found]
        while len(grads) > len(inputs) and grads[-1] is None:
            grads.pop()
        if len(grads) != len(inputs):
            raise GradientError(
                f"{self.name}.backward: one gradient per input expected: "
                f"{len(grads)} for {len(inputs)} inputs"
            )
        for g, x in zip(grads, inputs, strict=True):
            self.check(g, x)
        plain = not mode.grad
        return [g.array if plain and g is not None else g for g in grads]

    def check(self, g: Any, x: Spec | None) -> None:
        """A gradient must have the shape of its input, or one that broadcasting made of it."""
        if g is None or x is None:
            return
        if not is_tensor(g):
            raise GradientError(f"{self.name}.backward: not a tensor: {type(g).__name__}")
        pairs = zip(reversed(x.shape), reversed(tuple(g.shape)), strict=False)
        if g.ndim < x.ndim or any(n not in (1, m) for n, m in pairs):
            raise GradientError(f"{self.name}.backward: does not fit {x}: {g.spec}")


class Function:
    """Subclass, define static `forward(ctx, ...)` and `backward(ctx, *grads)`, call `apply`.

    Or define `forward(...)` without ctx and `setup_context(ctx, inputs, output)`.
    """

    op: FunctionOp
    setup_context: Callable | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.op = FunctionOp(cls)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        raise GradientError("Function: a subclass must define a static forward")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        raise GradientError("Function: a subclass must define a static backward")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward`, recorded as one node whose gradient is `backward`."""
        nodes = tuple(x.current() if is_tensor(x) else None for x in args)
        specs = [spec_of(x) if is_tensor(x) else None for x in args]
        ctx = Context(tuple(node is not None for node in nodes))
        recorded = mode.grad and any(ctx.needs_input_grad)
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        several = isinstance(result, (tuple, list))
        outputs = [fresh(y, args, ctx) for y in (result if several else (result,))]
        if recorded and outputs:
            attach(cls.op, ctx, nodes, specs, outputs, several)
        return tuple(outputs) if several else outputs[0]


def fresh(y: Any, inputs: tuple, ctx: Context) -> Any:
    """An output that is no input, unless changed in place: the tape may not run in circles."""
    given = any(y is x for x in inputs) and not any(y is x for x in ctx._dirty)
    return y.detach() if given and is_tensor(y) else y


def attach(
    op: FunctionOp, ctx: Context, nodes: tuple, specs: list, outputs: list, several: bool
) -> None:
    """Give the outputs their nodes."""
    for t in ctx._dirty:
        t.check_history()
    parts = [(y.array.shape, y.array.dtype) if is_tensor(y) else ((), None) for y in outputs]
    shape, dtype = zip(*parts, strict=True) if several else parts[0]
    whole = Node(op, nodes, {}, shape, dtype)
    whole.memories = [t.memory for t in ctx._to_save if t is not None]
    silent = [t.array for t in ctx._silent]
    ctx.seal(whole, outputs)
    whole.saved = (ctx, *specs)
    for i, y in enumerate(outputs):
        if is_tensor(y) and y.array.dtype.kind in "fV" and not any(y.array is a for a in silent):
            y.base = None
            y.node = Node(item, (whole,), {"index": i}, *parts[i]) if several else whole


def once_differentiable(backward: Callable) -> Callable:
    """Decorator for a `backward` whose result cannot be differentiated: trying to raises."""

    def without_grad(ctx: Any, *grads: Any) -> Any:
        with no_grad():
            found = backward(ctx, *grads)
        if not mode.grad:
            return found
        parts = found if isinstance(found, tuple) else (found,)
        return tuple(g if g is None else End.apply(g.detach().requires_grad_()) for g in parts)

    return without_grad


class End(Function):
    """The identity, beyond which no gradient goes."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        raise GradientError("backward: a once_differentiable Function was differentiated twice")
