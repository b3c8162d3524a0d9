"""Random numbers of Python and NumPy: a recording would use those of its first call for ever."""

from __future__ import annotations

import random
import sys
from typing import Any

from ..core.errors import GraphError


class Draws:
    """The states that the global generators of Python and of NumPy had when this was made."""

    def __init__(self) -> None:
        self.python = random.getstate()
        self.numpy: Any = sys.modules.get("numpy.random")  # it is imported when first used
        self.state = self.numpy and self.numpy.get_state()

    def check(self, function: str) -> None:
        """Raise if numbers were drawn since."""
        drawn = self.numpy is not None and text(self.numpy.get_state()) != text(self.state)
        if drawn or random.getstate() != self.python:
            raise GraphError(
                f"jit: {function} draws random numbers from Python or NumPy, which happens only "
                "while it is recorded: draw them with andon.rand, or pass them in"
            )

    def put_back(self) -> None:
        """Have the same numbers drawn again."""
        random.setstate(self.python)
        if self.numpy is not None:
            self.numpy.set_state(self.state)


def text(state: Any) -> tuple:
    """A state of NumPy's generator as one that can be compared."""
    _, key, *rest = state
    return key.tobytes(), *rest
