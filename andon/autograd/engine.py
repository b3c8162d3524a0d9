"""The engine of reverse-mode differentiation: the tape, and the pass that walks it.

The tape is Nodes: Values that also hold what their gradient rule reads. A pass takes them from
the youngest to the oldest, hands each its gradient, and sums what the rules return. The rules
are written with ops and operators, so they run on plain arrays (the usual backward pass: nothing
is wrapped or recorded) and on tensors (`create_graph=True`, hence derivatives of any order).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any
from weakref import ref

import numpy as np

from ..core.dtype import dtype
from ..core.errors import GradientError
from ..core.memory import Memory
from ..core.mode import mode
from ..core.op import Op, Symbolic, Value, ancestors, clock, interpreters, item, using
from ..core.spec import Spec
from ..ops.movement import sum_to


class Node(Value):
    """A Value on the eager tape.

    saved     what the gradient rules read, by slot (0 is the result, 1.. the inputs): arrays
              and numbers, and Specs where a rule does not read the elements; None once freed
    memories  the memories of the saved arrays, to see whether one was changed since
    stamp     the time of recording, on the clock of in-place changes
    hooks     functions that see, and may replace, the gradient that arrives here; or None
    tensor    a weak reference to the tensor whose `.grad` receives it: a leaf, or one that
              `retain_grad` was called on
    """

    saved: Any = ()  # class attributes, since most nodes have none of these
    memories: Sequence[Memory] = ()
    hooks: list[Callable] | None = None
    tensor: ref | None = None

    def __init__(self, op: Op | None, inputs: tuple, attrs: dict, shape: tuple, dtype: Any):
        self.op, self.inputs, self.attrs = op, inputs, attrs
        self.shape, self.dtype = shape, dtype
        self.order = next(clock)  # spelled out, not super().__init__: this is the hot path
        self.stamp = Memory.time

    @property
    def next_functions(self) -> tuple:
        """PyTorch's view of the tape: pairs of an input's node and its output number."""
        return tuple((x, 0) for x in self.inputs)

    def name(self) -> str:
        """What PyTorch would call it: `MulBackward0`, or `AccumulateGrad` for a leaf."""
        if self.op is None:
            return "AccumulateGrad"
        source: Any = self.inputs[0] if self.op is item else self
        words = source.op.name.split("_")
        return "".join(word[:1].upper() + word[1:] for word in words) + "Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def saved_by(node: Node, g: Any) -> Any:
    """What `node` saved, or an error if it was freed or changed in place since.

    g  the gradient that has arrived there
    """
    while hasattr(node.saved, "restore"):  # a checkpoint, perhaps within another
        node.saved.restore(g)
    if node.saved is None:
        raise GradientError(
            f"backward: {node.op} was already differentiated and its values were freed: "
            "pass retain_graph=True to the first backward"
        )
    for memory in node.memories:
        if memory.changed > node.stamp:
            raise stale(node)
    return node.saved


def stale(node: Node) -> GradientError:
    """What to raise if a value that `node` saved was changed in place since."""
    return GradientError(
        f"backward: {node.op} needs a value that an in-place operation has changed since: "
        f"its result is {describe(node)}"
    )


def describe(node: Node) -> str:
    """The spec of a node, for error messages; a tuple of them where it has several outputs."""
    if isinstance(node.dtype, tuple):
        return ", ".join(map(str, node.shape))
    return str(Spec(node.shape, dtype(node.dtype)))


class Pass:
    """One backward pass, over plain arrays.

    Without `targets` the gradients go to the `.grad` of the leaves. With them, they are left in
    `grads`, and only what lies between is visited.
    """

    create_graph = False

    def __init__(self, targets: Iterable[Value] = (), free: bool = True):
        self.grads: dict[Value, Any] = {}
        self.owned: set[Value] = set()  # whose sum is an array of ours, to be added to in place
        self.pending: list[tuple[int, Any]] = []  # a heap of those in `grads`, youngest first
        self.targets = set(targets)
        self.wanted: set[Value] = set()  # if there are targets, what leads to them
        self.free = free

    def run(self, roots: Sequence[Value], seeds: Sequence[Any], stop: Iterable = ()) -> dict:
        """Differentiate `roots`, whose own gradients are `seeds`. Does not go beyond `stop`.

        Takes the youngest value that has a gradient: all that used it are younger, and done.
        """
        if self.targets:
            self.wanted = leads_to(self.targets, ancestors(roots, stop))
        for root, seed in zip(roots, seeds, strict=True):
            self.add(root, seed)
        grads, pending, targets = self.grads, self.pending, self.targets
        while pending:
            _, node = heappop(pending)
            g = grads.pop(node)
            if node.hooks is not None:
                g = self.call_hooks(node, g)
            if targets and node in targets:
                grads[node] = g
            if node.op is None:
                self.arrive(node, g)
            elif not stop or node not in stop:
                self.differentiate(node, g)
        return grads

    def differentiate(self, node: Node, g: Any) -> None:
        """Send `g` on to the inputs of `node`, by its op's rule."""
        op: Any = node.op
        if op is item:
            self.add_item(node.inputs[0], node.attrs["index"], g)
        elif op.partials:
            slots = self.slots(node, g) if node.saved != () else ()
            for x, (rule, reads) in zip(node.inputs, op.partials):  # noqa: B905 (hot)
                if x is not None and rule is not None:
                    gx = rule(g, *[slots[i] for i in reads]) if reads else rule(g)
                    self.add(x, gx)
        else:
            for x, gx in zip(node.inputs, self.joint(node, g), strict=True):
                if x is not None and gx is not None:
                    self.add(x, gx)
        if self.free and node.memories:
            node.saved = None

    def joint(self, node: Node, g: Any) -> Sequence:
        """The gradients of all inputs, by a rule that gives them together."""
        op: Any = node.op
        y, *inputs = self.slots(node, g)
        if op.needs:
            wanted = tuple(self.is_wanted(x) for x in node.inputs)
            return op.vjp(g, y, *inputs, needs=wanted, **node.attrs)
        return op.vjp(g, y, *inputs, **node.attrs)

    def is_wanted(self, x: Value | None) -> bool:
        return x is not None and (not self.targets or x in self.wanted)

    slots = staticmethod(saved_by)

    def add_item(self, parent: Value, index: int, g: Any) -> None:
        """A gradient for one output of an op with several."""
        outputs = self.grads.get(parent)
        if outputs is None:
            outputs = self.first(parent, [None] * len(parent.shape))
        outputs[index] = g if outputs[index] is None else outputs[index] + g

    def add(self, x: Value, g: Any) -> None:
        """Add `g` to the gradient of `x`, summed over what broadcasting had repeated."""
        if g.shape != x.shape or g.dtype is not x.dtype:
            g = sum_to.apply(as_array(g), shape=x.shape, dtype=dtype(x.dtype))
        before = self.grads.get(x)
        if before is None:  # as `first`, spelled out: this is the hot path
            if not self.targets or x in self.wanted:
                self.grads[x] = g
                heappush(self.pending, (-x.order, x))
        elif x in self.owned:
            before += g
        else:
            self.grads[x] = before + g
            if x.shape and interpreters.recorder is None:
                self.owned.add(x)

    def first(self, x: Value, g: Any) -> Any:
        """The first gradient to arrive at x, which is thereby to be visited."""
        if not self.targets or x in self.wanted:
            self.grads[x] = g
            heappush(self.pending, (-x.order, x))
        return g

    def call_hooks(self, node: Node, g: Any) -> Any:
        with using(interpreters.tensors):  # hooks are given tensors, and compute with them
            return through_hooks(node, Tape.tensor(copied(g))).array

    def arrive(self, leaf: Node, g: Any) -> None:
        """Add to the leaf's `.grad`, which must not share memory with any other gradient.

        It is laid out in memory as the leaf is, so that `p.grad.view(-1)` goes where `p.view(-1)`
        does.
        """
        tensor = leaf.tensor() if leaf.tensor is not None else None
        if tensor is None or self.targets:
            return
        if tensor.grad is not None:
            add_to_grad(tensor, g)
            return
        alone = type(g) is np.ndarray and g.base is None and sys.getrefcount(g) <= ALONE
        ordered = tensor.array.flags.c_contiguous
        alone = alone and (g.flags.c_contiguous or not ordered)
        tensor.grad = Tape.tensor(g if alone else copied(g, "C" if ordered else "K"))


def as_array(g: Any) -> Any:
    """A gradient that may be a number of NumPy's as an array."""
    return np.asarray(g) if isinstance(g, np.generic) else g


def copied(g: Any, order: Any = "K") -> Any:
    """The elements of a gradient in memory of their own."""
    return g.copy() if isinstance(g, Symbolic) else np.array(g, order=order)


class TensorPass(Pass):
    """A backward pass that is recorded itself, so that it can be differentiated again."""

    create_graph = True

    def slots(self, node: Node, g: Any) -> Any:
        """The saved arrays as tensors again, each with its node."""
        nodes = (node, *node.inputs)
        saved = saved_by(node, g)
        if isinstance(saved, dict):
            return {i: self.revive(x, nodes[i]) for i, x in saved.items()}
        return [self.revive(x, nodes[i]) for i, x in enumerate(saved)]

    def revive(self, x: Any, node: Node | None) -> Any:
        if isinstance(x, (np.ndarray, Symbolic)):
            return Tape.tensor(x, node)
        if isinstance(x, list):  # the outputs of an op with several
            return [None if a is None else Tape.tensor(a) for a in x]
        return x

    def joint(self, node: Node, g: Any) -> Sequence:
        """By the composite where there is one: the op's own rule may end in a bare kernel."""
        op: Any = node.op
        if op.composite is None:
            return super().joint(node, g)
        inputs = self.slots(node, g)[1:]
        outputs = op.composite(*inputs, **node.attrs)
        pairs = zip(outputs, g, strict=True) if isinstance(g, list) else [(outputs, g)]
        pairs = [(y.node, gy) for y, gy in pairs if gy is not None and y.node is not None]
        wanted = {x for x in node.inputs if x is not None}
        inner = TensorPass(wanted, free=False)
        grads = inner.run([y for y, _ in pairs], [gy for _, gy in pairs], stop=wanted)
        return [grads.get(x) for x in node.inputs]

    def add(self, x: Value, g: Any) -> None:
        if isinstance(g, (np.ndarray, np.generic, Symbolic)):
            g = Tape.tensor(as_array(g))
        if tuple(g.shape) != x.shape or g.dtype.numpy != x.dtype:
            g = sum_to(g, shape=x.shape, dtype=dtype(x.dtype))
        before = self.grads.get(x)
        if before is None:
            self.first(x, g)
        else:
            self.grads[x] = before + g

    def call_hooks(self, node: Node, g: Any) -> Any:
        return through_hooks(node, g)

    def arrive(self, leaf: Node, g: Any) -> None:
        tensor = leaf.tensor() if leaf.tensor is not None else None
        if tensor is not None and not self.targets:
            tensor.grad = g if tensor.grad is None else tensor.grad + g


def through_hooks(node: Node, g: Any) -> Any:
    """`g` after the hooks of `node`, the last of which is `retain_grad`, have seen it."""
    for hook in list(node.hooks or ()):
        replaced = hook(g)
        if replaced is not None:
            if not hasattr(replaced, "array") or tuple(replaced.shape) != tuple(g.shape):
                given = getattr(replaced, "spec", type(replaced).__name__)
                raise GradientError(f"hook: must return a gradient like {g.spec}: {given}")
            g = replaced
    tensor = node.tensor() if node.op is not None and node.tensor is not None else None
    if tensor is not None:
        tensor.grad = g if tensor.grad is None else tensor.grad + g
    return g


def add_to_grad(tensor: Any, g: Any) -> None:
    """Add the array `g` to the elements of `tensor.grad`, which is not None."""
    total = tensor.grad.elements()
    total += g
    tensor.grad.memory.touch()


def references(g: Any) -> int:
    """What `getrefcount` says of an argument; it differs between versions of Python."""
    return sys.getrefcount(g)


def references_of_one() -> int:
    """What `references` says of an array that nobody holds but the function calling it."""
    g = np.empty(1)
    return references(g)


ALONE = references_of_one()


class Tape:
    """What differentiation needs of tensors, which rest on it."""

    tensor: Callable[..., Any]  # (array, node=None) -> Tensor; installed by `tensor`
    random_state: Callable[[], Any]  # the state of the default generator, to be put back by
    set_random_state: Callable[[Any], None]
    passes: tuple[type[Pass], type[Pass]] = (Pass, TensorPass)  # or those that look for NaN


def leads_to(targets: set[Value], nodes: Sequence[Value]) -> set[Value]:
    """Those of `nodes` (youngest first) that a target is an ancestor of, targets included."""
    wanted = set(targets)
    for node in reversed(nodes):
        if any(x in wanted for x in node.inputs):
            wanted.add(node)
    return wanted


def run_backward(
    roots: Sequence[Node],
    seeds: Sequence[Any],
    targets: Iterable[Node] = (),
    retain_graph: bool = False,
    create_graph: bool = False,
) -> dict:
    """Differentiate `roots` with the incoming gradients `seeds` (tensors).

    Without `targets` the gradients are added to the `.grad` of the leaves; with them, they are
    returned by node, as arrays, or as tensors under `create_graph`.
    """
    before = mode.grad
    mode.grad = create_graph
    free = not (retain_graph or create_graph)
    try:
        if create_graph:
            return Tape.passes[1](targets, free).run(roots, seeds)
        with using(interpreters.arrays):
            return Tape.passes[0](targets, free).run(roots, [seed.array for seed in seeds])
    finally:
        mode.grad = before
