"""Products with the Jacobian, and the Jacobian and the Hessian themselves.

Functions take tensors and give tensors; one tensor may stand for a tuple of one throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.mode import enable_grad
from . import grad
from .engine import Tape


def leaves(inputs: Any, create_graph: bool = False) -> tuple:
    """Inputs to differentiate with respect to: new leaves, or the given ones on the tape."""
    given = inputs if isinstance(inputs, tuple) else (inputs,)
    if create_graph:
        return tuple(x if x.requires_grad else x.detach().requires_grad_() for x in given)
    return tuple(x.detach().clone().requires_grad_() for x in given)


def as_tuple(x: Any) -> tuple:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def like(inputs: Any, results: tuple) -> Any:
    """`results` as a tuple where the inputs were one."""
    return results if isinstance(inputs, tuple) else results[0]


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """(f(x), vᵀ J): what a backward pass computes."""
    with enable_grad():
        xs = leaves(inputs, create_graph)
        y = func(*xs)
        grads = grad(y, xs, v, create_graph=create_graph, materialize_grads=True)
    return detached(y, create_graph), like(inputs, grads)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """(f(x), J v), by two backward passes: u ↦ uᵀJ is linear, and its own gradient is J v."""
    with enable_grad():
        xs = leaves(inputs, create_graph)
        ys = func(*xs)
        outputs = as_tuple(ys)
        us = tuple((y.detach() * 0).requires_grad_() for y in outputs)
        vs = as_tuple(v) if v is not None else tuple(x.detach() * 0 + 1 for x in xs)
        grads = grad(outputs, xs, us, create_graph=True, materialize_grads=True)
        linear = [(g, w) for g, w in zip(grads, vs, strict=True) if g.requires_grad]
        if linear:
            gs, ws = zip(*linear, strict=True)
            tangents = grad(gs, us, ws, create_graph=create_graph, materialize_grads=True)
        else:
            tangents = tuple(u.detach() for u in us)
    return detached(ys, create_graph), like(ys, tangents)


def detached(y: Any, keep: bool) -> Any:
    if keep:
        return y
    return tuple(part.detach() for part in y) if isinstance(y, tuple) else y.detach()


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """J[i, j] = ∂y_i / ∂x_j, of shape (*y.shape, *x.shape); nested tuples for several."""
    with enable_grad():
        xs = leaves(inputs, create_graph)
        ys = func(*xs)
        rows = tuple(like(inputs, rows_of(y, xs, create_graph)) for y in as_tuple(ys))
    return rows if isinstance(ys, tuple) else rows[0]


def rows_of(y: Any, xs: tuple, create_graph: bool) -> tuple:
    """The Jacobians of one output with respect to each input, a backward pass per element."""
    from ..ops import stack

    flat = y.reshape(-1)
    per_element = [
        grad(flat[i], xs, retain_graph=True, create_graph=create_graph, materialize_grads=True)
        for i in range(flat.shape[0])
    ]
    if not per_element:
        return tuple(Tape.tensor(np.zeros((*y.shape, *x.shape), x.array.dtype)) for x in xs)
    return tuple(
        stack([row[j] for row in per_element]).reshape(*y.shape, *x.shape)
        for j, x in enumerate(xs)
    )


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
) -> Any:
    """H[i, j] = ∂²y / ∂x_i ∂x_j of a function with a scalar result."""

    def gradient(*xs: Any) -> Any:
        return like(inputs, jacobian_of_scalar(func, xs))

    return jacobian(gradient, inputs, create_graph)


def jacobian_of_scalar(func: Callable, xs: tuple) -> tuple:
    return grad(func(*xs), xs, create_graph=True, materialize_grads=True)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False) -> tuple:
    """(f(x), H v)."""
    y, _ = vjp(func, inputs)

    def gradient(*xs: Any) -> Any:
        return like(inputs, jacobian_of_scalar(func, xs))

    return y, vjp(gradient, inputs, v, create_graph)[1]  # H is symmetric: H v = vᵀ H


vhp = hvp
