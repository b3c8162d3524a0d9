"""Schedules made of schedules: one after the other, or all at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from ...core.errors import ArgumentError, StateError
from ...core.op import each_call
from ..optimizer import Optimizer
from .schedule import LRScheduler


class ChainedScheduler(LRScheduler):
    """Several schedules that act one after the other at each step."""

    def __init__(self, schedulers: Sequence[LRScheduler], optimizer: Optimizer | None = None):
        if not schedulers:
            raise ArgumentError("ChainedScheduler: expects at least one schedule: none given")
        self.optimizer = schedulers[0].optimizer if optimizer is None else optimizer
        check_same_optimizer("ChainedScheduler", self.optimizer, schedulers)
        self._schedulers = list(schedulers)
        self._last_lr = self.lrs

    @each_call
    def step(self, epoch: int | None = None) -> None:
        for scheduler in self._schedulers:
            scheduler.step()
        self._last_lr = self.lrs

    def state_dict(self) -> dict[str, Any]:
        return states_of(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        load_states(self, state_dict)


class SequentialLR(LRScheduler):
    """One schedule until the first milestone, the next one until the second, and so on."""

    def __init__(
        self,
        optimizer: Optimizer,
        schedulers: Sequence[LRScheduler],
        milestones: Sequence[int],
        last_epoch: int = -1,
    ):
        if not schedulers or len(milestones) != len(schedulers) - 1:
            raise ArgumentError(
                f"SequentialLR: expects one milestone less than schedules: {len(milestones)}, "
                f"{len(schedulers)}"
            )
        check_same_optimizer("SequentialLR", optimizer, schedulers)
        self.optimizer, self._schedulers = optimizer, list(schedulers)
        self._milestones, self.last_epoch = list(milestones), last_epoch + 1
        for group in optimizer.param_groups:  # undo the first step of every schedule
            group["lr"] = group["initial_lr"]
        undo(self)
        first = self._schedulers[bisect_right(self._milestones, 0)]
        first.begin()
        self._last_lr = first.get_last_lr()

    @each_call
    def step(self, epoch: int | None = None) -> None:
        self.last_epoch += 1
        number = bisect_right(self._milestones, self.last_epoch)
        scheduler = self._schedulers[number]
        if number and self._milestones[number - 1] == self.last_epoch:
            scheduler.step(0)
        else:
            scheduler.step()
        self._last_lr = scheduler.get_last_lr()

    def state_dict(self) -> dict[str, Any]:
        return states_of(self)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        load_states(self, state_dict)


def undo(scheduler: Any) -> None:
    """Count one epoch less, in every schedule that this one is made of."""
    if not hasattr(scheduler, "_schedulers"):
        scheduler.last_epoch -= 1
    for part in getattr(scheduler, "_schedulers", ()):
        undo(part)


def check_same_optimizer(
    name: str, optimizer: Optimizer, schedulers: Sequence[LRScheduler]
) -> None:
    for i, scheduler in enumerate(schedulers):
        if scheduler.optimizer is not optimizer:
            raise StateError(f"{name}: schedule {i} belongs to another optimizer")


def states_of(scheduler: Any) -> dict[str, Any]:
    """The state of a schedule made of schedules."""
    hidden = ("optimizer", "_schedulers")
    own = {k: v for k, v in scheduler.__dict__.items() if k not in hidden}
    return {**own, "_schedulers": [part.state_dict() for part in scheduler._schedulers]}


def load_states(scheduler: Any, state_dict: dict[str, Any]) -> None:
    """Put back what `states_of` gave."""
    own = dict(state_dict)
    parts = own.pop("_schedulers")
    if len(parts) != len(scheduler._schedulers):
        raise StateError(
            f"load_state_dict: {len(parts)} schedules for {len(scheduler._schedulers)}"
        )
    scheduler.__dict__.update(own)
    for part, state in zip(scheduler._schedulers, parts, strict=True):
        part.load_state_dict(state)
