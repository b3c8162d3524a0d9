"""Products with the Jacobian, and the Jacobian and the Hessian themselves.

Functions take tensors and give tensors; one tensor may stand for a tuple of one throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.errors import ShapeError
from ..core.mode import enable_grad
from . import grad
from .engine import Tape


def leaves(inputs: Any, create_graph: bool = False) -> tuple:
    """Inputs to differentiate with respect to: new leaves, or the given ones on the tape."""
    given = as_tuple(inputs)
    if create_graph:
        return tuple(x if x.requires_grad else x.detach().requires_grad_() for x in given)
    return tuple(x.detach().clone().requires_grad_() for x in given)


def as_tuple(x: Any) -> tuple:
    return tuple(x) if isinstance(x, (tuple, list)) else (x,)


def like(given: Any, results: tuple) -> Any:
    """`results` as a tuple where what was given was one."""
    return results if isinstance(given, (tuple, list)) else results[0]


def gradients(ys: tuple, xs: tuple, gs: tuple, strict: bool, **options: Any) -> tuple:
    """Σ g·∂y/∂x for each x; zeros where no y depends on it, unless `strict`, which raises."""
    pairs = [(y, g) for y, g in zip(ys, gs, strict=True) if y.requires_grad]
    if not pairs and not strict:
        return tuple(filled(x, 0) for x in xs)
    ys, gs = zip(*pairs, strict=True) if pairs else (ys, gs)
    return grad(ys, xs, gs, materialize_grads=not strict, **options)


def filled(x: Any, number: float) -> Any:
    """A tensor like x in which every element is `number`."""
    return Tape.tensor(np.full_like(x.array, number))


def vjp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """(f(x), vᵀ J): what a backward pass computes. `v` may be left out where f is a scalar."""
    with enable_grad():
        xs = leaves(inputs, create_graph)
        ys = func(*xs)
        vs = (None,) * len(as_tuple(ys)) if v is None else as_tuple(v)
        grads = gradients(as_tuple(ys), xs, vs, strict, create_graph=create_graph)
    return detached(ys, create_graph), like(inputs, grads)


def jvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """(f(x), J v), by two backward passes: u ↦ uᵀJ is linear, and its own gradient is J v."""
    with enable_grad():
        xs = leaves(inputs, create_graph)
        ys = func(*xs)
        us = tuple(filled(y, 0).requires_grad_() for y in as_tuple(ys))
        vs = as_tuple(v) if v is not None else tuple(filled(x, 1) for x in xs)
        grads = gradients(as_tuple(ys), xs, us, strict, create_graph=True)
        tangents = gradients(grads, us, vs, strict, create_graph=create_graph)
    return detached(ys, create_graph), like(ys, tangents)


def detached(ys: Any, keep: bool) -> Any:
    """Results as the functions here return them: on the tape only under `create_graph`."""
    return ys if keep else like(ys, tuple(y.detach() for y in as_tuple(ys)))


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
        rows = tuple(like(inputs, rows_of(y, xs, strict, create_graph)) for y in as_tuple(ys))
    return like(ys, rows)


def rows_of(y: Any, xs: tuple, strict: bool, create_graph: bool) -> tuple:
    """The Jacobians of one output with respect to each input, a backward pass per element."""
    from ..ops import stack

    flat = y.reshape(-1)
    per_element = [
        gradients((y,), xs, (None,), strict, retain_graph=True, create_graph=create_graph)
        for y in flat
    ]
    if not per_element:
        return tuple(Tape.tensor(np.zeros((*y.shape, *x.shape), x.array.dtype)) for x in xs)
    return tuple(
        stack([row[j] for row in per_element]).reshape(*y.shape, *x.shape) for j, x in enumerate(xs)
    )


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
) -> Any:
    """H[i, j] = ∂²y / ∂x_i ∂x_j of a function with a scalar result."""
    return jacobian(gradient_of(func, inputs, strict), inputs, create_graph, strict)


def gradient_of(func: Callable, inputs: Any, strict: bool) -> Callable:
    """The function x ↦ ∇f(x), which can be differentiated again."""

    def gradient(*xs: Any) -> Any:
        y = func(*xs)
        if y.numel() != 1:
            raise ShapeError(f"gradient: the function must give a single number: {y.spec}")
        return like(inputs, gradients((y,), xs, (None,), strict, create_graph=True))

    return gradient


def hvp(
    func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple:
    """(f(x), H v). H is symmetric, so this is vᵀ H, the product that a backward pass gives."""
    with enable_grad():
        y = func(*leaves(inputs, create_graph))
    _, product = vjp(gradient_of(func, inputs, strict), inputs, v, create_graph, strict)
    return detached(y, create_graph), product


vhp = hvp
