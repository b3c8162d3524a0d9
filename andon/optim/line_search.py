"""How far to go along a direction: the strong Wolfe conditions.

With φ(t) = loss(x + t d), a length t is good enough when the loss has come down in proportion,
φ(t) <= φ(0) + c₁ t φ'(0), and the slope has flattened, |φ'(t)| <= c₂ |φ'(0)|.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Point(NamedTuple):
    """The loss at some place, and its gradient there."""

    loss: float
    g: np.ndarray


class Trial(NamedTuple):
    """A length, what was found there, and the slope along the direction."""

    t: float
    point: Point
    slope: float

    @property
    def loss(self) -> float:
        return self.point.loss


def strong_wolfe(
    at: Callable[[float], Point],
    start: Point,
    d: np.ndarray,
    t: float,
    c1: float = 1e-4,
    c2: float = 0.9,
    max_calls: int = 25,
) -> tuple[float, Point, int]:
    """A length that meets the conditions, the point there, and how often `at` was called.

    If none is found in about `max_calls`, the best length seen. Each length that is tried is the
    one that PyTorch tries, so that a minimisation takes the same path.
    Source: Nocedal & Wright 2006, Numerical optimization, algorithms 3.5 and 3.6, with the
    interpolation and the safeguards of Schmidt's minFunc.
    """
    origin = Trial(0.0, start, float(start.g @ d))

    def look(t: float) -> Trial:
        point = at(t)
        return Trial(t, point, float(point.g @ d))

    def steep(trial: Trial) -> bool:  # the loss has not come down enough
        return not trial.loss <= origin.loss + c1 * trial.t * origin.slope

    def flat(trial: Trial) -> bool:
        return abs(trial.slope) <= -c2 * origin.slope

    last, trial, calls = origin, look(t), 1
    while calls <= max_calls:
        if steep(trial) or (calls > 2 and trial.loss >= last.loss):
            break
        if flat(trial):
            return trial.t, trial.point, calls
        if trial.slope >= 0:
            break
        t, step = trial.t, trial.t - last.t
        last, trial = trial, look(cubic_minimum(last, trial, t + 0.01 * step, 10 * t))
        calls += 1
    else:
        last = origin
    return zoom(look, steep, flat, last, trial, calls, max_calls, float(np.abs(d).max()))


def zoom(
    look: Callable[[float], Trial],
    steep: Callable[[Trial], bool],
    flat: Callable[[Trial], bool],
    a: Trial,
    b: Trial,
    calls: int,
    max_calls: int,
    scale: float,
) -> tuple[float, Point, int]:
    """Narrow the bracket between a and b until a length in it meets the conditions."""
    low, high = (a, b) if a.loss <= b.loss else (b, a)
    stuck = False
    while calls <= max_calls and abs(high.t - low.t) * scale >= 1e-9:
        t, stuck = trial_length(low, high, stuck)
        trial, calls = look(t), calls + 1
        if steep(trial) or trial.loss >= low.loss:
            low, high = (low, trial) if low.loss <= trial.loss else (trial, low)
        elif flat(trial):
            return trial.t, trial.point, calls
        else:
            if trial.slope * (high.t - low.t) >= 0:
                high = low
            low = trial
    return low.t, low.point, calls


def trial_length(a: Trial, b: Trial, stuck: bool) -> tuple[float, bool]:
    """The cubic's minimum; but away from the ends, when it comes close to one once too often.

    Also whether it came close now.
    """
    least, most = sorted((a.t, b.t))
    t = cubic_minimum(a, b, least, most)
    margin = 0.1 * (most - least)
    if min(most - t, t - least) >= margin:
        return t, False
    if stuck or t >= most or t <= least:
        return (most - margin if most - t < t - least else least + margin), False
    return t, True


def cubic_minimum(a: Trial, b: Trial, least: float, most: float) -> float:
    """Where the cubic through a and b has its minimum, within bounds; or halfway between those."""
    a, b = (a, b) if a.t <= b.t else (b, a)
    width = b.t - a.t
    bend = a.slope + b.slope - 3 * (b.loss - a.loss) / width
    root = bend * bend - a.slope * b.slope
    if not 0 <= root < math.inf:
        return (least + most) / 2
    twist = math.sqrt(root)
    bottom = b.slope - a.slope + 2 * twist
    if not bottom:
        return (least + most) / 2
    return min(max(b.t - width * (b.slope + twist - bend) / bottom, least), most)
