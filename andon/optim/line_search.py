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

    If none is found in `max_calls`, the best length seen.
    Source: Nocedal & Wright 2006, Numerical optimization, algorithms 3.5 and 3.6.
    """
    origin = Trial(0.0, start, float(start.g @ d))

    def steep(trial: Trial) -> bool:  # the loss has not come down enough
        return not trial.loss <= origin.loss + c1 * trial.t * origin.slope

    def flat(trial: Trial) -> bool:
        return abs(trial.slope) <= -c2 * origin.slope

    low, high, calls = origin, None, 0
    while calls < max_calls:
        point = at(t)
        trial, calls = Trial(t, point, float(point.g @ d)), calls + 1
        if steep(trial) or (trial.loss >= low.loss and low is not origin):
            high = trial
        elif flat(trial):
            return t, point, calls
        else:
            if trial.slope * ((high.t if high else math.inf) - low.t) >= 0:
                high = low  # a minimum lies between
            low = trial
        if high is None:
            t = 2 * t
        elif abs(high.t - low.t) * np.abs(d).max() < 1e-9:
            break
        else:
            t = between(low, high)
    return low.t, low.point, calls


def between(a: Trial, b: Trial) -> float:
    """Where the cubic through both ends has its minimum, kept away from the ends."""
    width = b.t - a.t
    bend = a.slope + b.slope - 3 * (b.loss - a.loss) / width
    root = bend * bend - a.slope * b.slope
    t = a.t + width / 2
    if root >= 0 and math.isfinite(root):
        twist = math.copysign(math.sqrt(root), width)
        bottom = b.slope - a.slope + 2 * twist
        if bottom:
            t = b.t - width * (b.slope + twist - bend) / bottom
    least, most = sorted((a.t + 0.1 * width, b.t - 0.1 * width))
    return min(max(t, least), most)
