"""`torch.amp`: mixed precision, which andon does not need on the CPU; its parts do nothing."""

from __future__ import annotations

from typing import Any


class autocast:
    """A block, or a decorator, in which nothing is cast."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def __call__(self, function: Any) -> Any:
        return function


class GradScaler:
    """A scale of 1: losses and gradients pass through as they are."""

    def __init__(self, *args: Any, **kwargs: Any):
        pass

    def scale(self, loss: Any) -> Any:
        return loss

    def unscale_(self, optimizer: Any) -> None:
        pass

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale: Any = None) -> None:
        pass

    def get_scale(self) -> float:
        return 1.0

    def is_enabled(self) -> bool:
        return False

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass
