"""L-BFGS: a quasi-Newton method for losses that are computed without noise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..core.errors import ArgumentError, StateError
from .line_search import Point, strong_wolfe
from .optimizer import Optimizer, check_range, evaluate


class LBFGS(Optimizer):
    """Steps along d = -H g, H being an estimate of the inverse Hessian from the last steps:

        s = x' - x,  y = g' - g,  ρ = 1 / yᵀs
        H = (1 - ρ s yᵀ) H (1 - ρ y sᵀ) + ρ s sᵀ         starting from yᵀs / yᵀy

    H is never formed. `step` needs a closure, calls it about `max_eval` times at most, and makes
    up to `max_iter` steps, of length lr or found by `line_search_fn="strong_wolfe"`.
    Source: Nocedal & Wright 2006, Numerical optimization, algorithms 7.4 and 7.5.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ):
        check_range("LBFGS", lr=(lr, 0, np.inf))
        if line_search_fn not in (None, "strong_wolfe"):
            raise ArgumentError(
                f"LBFGS: line_search_fn must be None or 'strong_wolfe': {line_search_fn!r}"
            )
        defaults = {
            "lr": lr, "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change,
            "history_size": history_size, "line_search_fn": line_search_fn,
        }  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise StateError(f"LBFGS: expects one group: {len(self.param_groups)} given")

    def step(self, closure: Callable | None = None) -> Any:
        """Minimise the loss that `closure` computes; gives its value before the first step."""
        if closure is None:
            raise StateError("LBFGS: step needs a closure that computes the loss")
        group = self.param_groups[0]
        params, small = group["params"], group["tolerance_change"]
        state = self.state[params[0]]
        first, calls = evaluate(closure), 1
        now = Point(float(first), flat_gradient(params))
        for left in range(group["max_iter"] - 1, -1, -1):
            if np.abs(now.g).max() <= group["tolerance_grad"]:
                break
            d = direction(state, now.g, group["history_size"])
            if d @ now.g > -small:
                break
            before, t = now, first_length(state, now.g) * float(group["lr"])
            t, now, used = self.go(closure, d, before, t, left > 0, group["max_eval"] - calls)
            state.update(last_g=before.g, last_step=t * d)
            calls += used
            if np.abs(t * d).max() <= small or abs(now.loss - before.loss) < small:
                break
            if calls >= group["max_eval"]:
                break
        return first

    def go(
        self, closure: Callable, d: np.ndarray, here: Point, t: float, look: bool, max_calls: int
    ) -> tuple[float, Point, int]:
        """Go from `here` along d, as far as t or the line search says.

        Gives the length, the point there (or `here`, if there is no need to `look`), and how
        often the closure was called.
        """
        params = self.param_groups[0]["params"]
        x = flat_values(params)

        def at(t: float) -> Point:
            assign(params, x + t * d)
            return Point(float(evaluate(closure)), flat_gradient(params))

        if self.param_groups[0]["line_search_fn"] is None and look:
            return t, at(t), 1  # the closure may have moved the parameters: they stay there
        found = (t, here, 0)
        if self.param_groups[0]["line_search_fn"] is not None:
            found = strong_wolfe(at, here, d, t, max_calls=max_calls)
        assign(params, x + found[0] * d)
        return found


def direction(state: dict[str, Any], g: np.ndarray, history_size: int) -> np.ndarray:
    """-H g, once the last step is taken into H."""
    pairs = state.setdefault("pairs", [])
    if "last_g" in state:
        s, y = state["last_step"], g - state["last_g"]
        if y @ s > 1e-10:  # else H would no longer be positive definite
            pairs.append((s, y))
            del pairs[:-history_size]
    d, weights = -g, []
    for s, y in reversed(pairs):
        weight = (s @ d) / (y @ s)
        weights.append(weight)
        d = d - weight * y
    if pairs:
        s, y = pairs[-1]
        d = d * ((y @ s) / (y @ y))
    for (s, y), weight in zip(pairs, reversed(weights), strict=True):
        d = d + (weight - (y @ d) / (y @ s)) * s
    return d


def first_length(state: dict[str, Any], g: np.ndarray) -> float:
    """1, but less for the very first step, whose direction has no scale yet."""
    return 1.0 if "last_g" in state else min(1.0, 1 / float(np.abs(g).sum()))


def flat_values(params: Sequence[Any]) -> np.ndarray:
    """The parameters end to end."""
    return np.concatenate([p.array.ravel() for p in params])


def flat_gradient(params: Sequence[Any]) -> np.ndarray:
    """Their gradients end to end, zeros where there are none."""
    found = [np.zeros(p.array.shape) if p.grad is None else p.grad.array for p in params]
    return np.concatenate([g.ravel() for g, p in zip(found, params, strict=True)])


def assign(params: Sequence[Any], values: np.ndarray) -> None:
    """Write values given end to end into the parameters."""
    start = 0
    for p in params:
        end = start + p.array.size
        p.array[...] = values[start:end].reshape(p.array.shape)
        p.memory.touch()
        start = end
