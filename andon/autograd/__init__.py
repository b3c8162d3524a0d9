"""Automatic differentiation: `grad`, `backward`, gradient modes, and what is built on them.

    grad(y, x)             dy/dx as new tensors; create_graph=True for higher derivatives
    backward(y)            the same, added to the `.grad` of the leaves
    Function               an operation with a gradient of your own
    functional             jvp, vjp, jacobian, hessian
    checkpoint             compute again in the backward pass rather than keep
    gradcheck              compare a gradient with finite differences

All of it rests on the passes of `engine`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..core.errors import DTypeError, GradientError, ShapeError
from ..core.mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .engine import Node, Tape, add_to_grad, run_backward

__all__ = [
    "Node",
    "backward",
    "enable_grad",
    "grad",
    "inference_mode",
    "is_grad_enabled",
    "no_grad",
    "set_grad_enabled",
]


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add d tensors / d leaf to the `.grad` of every leaf, or of those in `inputs` only."""
    outputs, seeds = roots_and_seeds(tensors, grad_tensors, "backward")
    nodes = [node_of(y, "backward") for y in outputs]
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run_backward(nodes, seeds, (), keep, create_graph)
        return
    targets = as_list(inputs)
    found = grad(outputs, targets, seeds, keep, create_graph, allow_unused=True)
    for x, g in zip(targets, found, strict=True):
        if g is not None and x.grad is not None and not create_graph:
            add_to_grad(x, g.array)
        elif g is not None:
            x.grad = g if x.grad is None else x.grad + g


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """d outputs / d each of `inputs`, as a tuple of tensors; no `.grad` is touched.

    An input that the outputs do not depend on raises, gives None under `allow_unused`, or
    zeros under `materialize_grads`. `only_inputs` is accepted, and always so.
    """
    ys, seeds = roots_and_seeds(outputs, grad_outputs, "grad")
    xs = as_list(inputs)
    targets = [node_of(x, "grad") for x in xs]
    if not targets or is_grads_batched:
        raise GradientError("grad: needs at least one input, and no batch of gradients")
    if None in targets:
        raise GradientError(f"grad: input {targets.index(None)} does not require a gradient")
    keep = create_graph if retain_graph is None else retain_graph
    roots = [node_of(y, "grad") for y in ys]
    found = run_backward(roots, seeds, targets, keep, create_graph)
    return tuple(
        finish(found.get(node), x, i, create_graph, allow_unused, materialize_grads)
        for i, (node, x) in enumerate(zip(targets, xs, strict=True))
    )


def finish(g: Any, x: Any, i: int, create_graph: bool, allow_unused: Any, zeros: bool) -> Any:
    """A gradient as the caller of `grad` gets it."""
    if g is not None:
        return g if create_graph else Tape.tensor(g.copy())
    if zeros:
        return Tape.tensor(np.zeros_like(x.array))
    if not allow_unused:
        raise GradientError(
            f"grad: the outputs do not depend on input {i}: pass allow_unused=True to get None"
        )
    return None


def roots_and_seeds(outputs: Any, given: Any, name: str) -> tuple[list, list]:
    """What to differentiate, each with its incoming gradient: 1 for a single element."""
    ys = as_list(outputs)
    gs = as_list(given) if given is not None else [None] * len(ys)
    if len(gs) != len(ys):
        raise GradientError(f"{name}: {len(ys)} outputs but {len(gs)} gradients for them")
    return ys, [seed(y, g, name) for y, g in zip(ys, gs, strict=True)]


def seed(y: Any, g: Any, name: str) -> Any:
    if node_of(y, name) is None:
        raise GradientError(
            f"{name}: this tensor does not require a gradient, or was made within no_grad(): "
            f"{y.spec}"
        )
    if g is None:
        if y.numel() != 1:
            raise GradientError(f"{name}: only a scalar has a gradient of its own: {y.spec}")
        return Tape.tensor(np.ones(y.array.shape, y.array.dtype))
    if not hasattr(g, "array"):
        raise DTypeError(f"{name}: the gradient given must be a tensor: {type(g).__name__}")
    if tuple(g.shape) != tuple(y.shape):
        raise ShapeError(f"{name}: the gradient given does not fit: {g.spec} for {y.spec}")
    return g


def node_of(x: Any, name: str) -> Any:
    """The node of a tensor, with what was changed in place since taken into account."""
    if not hasattr(x, "current"):
        raise DTypeError(f"{name}: expects tensors: {type(x).__name__}")
    return x.current()


def as_list(given: Any) -> list:
    return [given] if hasattr(given, "ndim") or not isinstance(given, Iterable) else list(given)


from . import functional  # noqa: E402 (they rest on `grad`)
from .anomaly import detect_anomaly, set_detect_anomaly  # noqa: E402
from .checkpoint import checkpoint  # noqa: E402
from .function import Function, once_differentiable  # noqa: E402
from .gradcheck import gradcheck, gradgradcheck  # noqa: E402
