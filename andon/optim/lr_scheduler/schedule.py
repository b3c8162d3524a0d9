"""LRScheduler: what every schedule does, and how one is counted, set, saved and restored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError, DTypeError, StateError
from ...core.op import each_call
from ..optimizer import Optimizer


class LRScheduler:
    """The base of all schedules: a subclass defines `get_lr`, the rates at `last_epoch`."""

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1):
        if not isinstance(optimizer, Optimizer):
            raise DTypeError(
                f"{type(self).__name__}: expects an Optimizer: {type(optimizer).__name__}"
            )
        self.optimizer, self.last_epoch = optimizer, last_epoch
        for group in optimizer.param_groups:
            if last_epoch == -1:
                group.setdefault("initial_lr", float(group["lr"]))
            elif "initial_lr" not in group:
                raise StateError(
                    f"{type(self).__name__}: to resume at {last_epoch}, every group must have "
                    "an initial_lr"
                )
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.begin()

    def begin(self) -> None:
        """Set the rates for the first epoch."""
        self.step()

    def get_lr(self) -> list[float]:
        """The rate of each group at `last_epoch`."""
        raise NotImplementedError(f"LRScheduler: {type(self).__name__} does not define get_lr")

    def get_last_lr(self) -> list[float]:
        """The rates that were set last."""
        return self._last_lr

    @each_call
    def step(self, epoch: int | None = None) -> None:
        """Go on to the next epoch, or to `epoch`, and set the rates."""
        if epoch is None:
            self.last_epoch += 1
            lrs = self.get_lr()
        else:
            self.last_epoch = epoch
            lrs = self.closed_form()
        self.set_lrs(lrs)

    def closed_form(self) -> list[float]:
        """The rates at `last_epoch` from the initial ones alone, where there is a formula."""
        return self.get_lr()

    def set_lrs(self, lrs: Sequence[float]) -> None:
        for group, lr in zip(self.optimizer.param_groups, lrs, strict=True):
            group["lr"] = lr
        self._last_lr = [float(lr) for lr in lrs]

    @property
    def lrs(self) -> list[float]:
        """The present rates."""
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def times(self, factor: float) -> list[float]:
        """The present rates, multiplied."""
        return [lr * factor for lr in self.lrs]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer."""
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a `state_dict`."""
        self.__dict__.update(state_dict)


def one_each(given: Any, optimizer: Optimizer, name: str) -> list:
    """A value for each group, from one for all or a sequence."""
    groups = len(optimizer.param_groups)
    if not isinstance(given, (list, tuple)):
        return [given] * groups
    if len(given) != groups:
        raise ArgumentError(f"{name}: expects one value or {groups}: {len(given)}")
    return list(given)
