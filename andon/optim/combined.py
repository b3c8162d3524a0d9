"""Several optimizers as one: Muon for the matrices of a model, AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.errors import StateError
from .optimizer import Optimizer


class Combined:
    """What a training loop expects of an optimizer, done by each of `optimizers` in turn.

    `param_groups` are those of all of them, so a schedule reaches every one.
    """

    def __init__(self, *optimizers: Optimizer):
        self.optimizers = optimizers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for optimizer in self.optimizers for group in optimizer.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none)

    def step(self, closure: Callable | None = None) -> Any:
        """A step of each; a closure is called once, before."""
        loss = closure() if closure is not None else None
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        return {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        states = state.get("optimizers", [])
        if len(states) != len(self.optimizers):
            raise StateError(
                f"Combined: a state of {len(self.optimizers)} optimizers expected: {len(states)}"
            )
        for optimizer, own in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(own)
