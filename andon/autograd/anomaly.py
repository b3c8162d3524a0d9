"""Anomaly detection: a backward pass that stops at the first NaN and says which op it is from."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.errors import GradientError
from .engine import Node, Pass, Tape, TensorPass


class Watch:
    """The part of a pass that looks at every gradient."""

    def differentiate(self, node: Node, g: Any) -> None:
        self.at = node
        super().differentiate(node, g)  # type: ignore[misc]

    def add(self, x: Any, g: Any) -> None:
        node = getattr(self, "at", None)
        array = np.asarray(getattr(g, "array", g))
        if node is not None and np.isnan(array).any():
            raise GradientError(f"backward: {node.name()} returned nan values: its result is "
                                f"{node.spec}")  # fmt: skip
        super().add(x, g)  # type: ignore[misc]


class WatchedPass(Watch, Pass):
    """A backward pass that raises at a NaN."""


class WatchedTensorPass(Watch, TensorPass):
    """As WatchedPass, recorded."""


class set_detect_anomaly:
    """Look for NaN in all backward passes from now on, or within a block, or no longer."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self.before = Tape.passes
        Tape.passes = (WatchedPass, WatchedTensorPass) if mode and check_nan else (Pass, TensorPass)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        Tape.passes = self.before


class detect_anomaly(set_detect_anomaly):
    """A block in which backward passes stop at the first NaN."""

    def __init__(self, check_nan: bool = True):
        super().__init__(True, check_nan)
