"""A schedule that waits until the metric stops improving."""

from __future__ import annotations

import math
from typing import Any

from ...core.errors import ArgumentError
from ...core.op import each_call
from ..optimizer import Optimizer
from .schedule import LRScheduler, one_each


class ReduceLROnPlateau(LRScheduler):
    """lr = lr · factor whenever the metric has not improved for more than `patience` epochs.

    To improve is to fall (or rise, mode "max") below the best by the threshold, relative or
    absolute. After a reduction, nothing is counted for `cooldown` epochs.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: Any = 0,
        eps: float = 1e-8,
    ):
        if factor >= 1:
            raise ArgumentError(f"ReduceLROnPlateau: factor must be below 1: {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ArgumentError(
                "ReduceLROnPlateau: mode must be 'min' or 'max', threshold_mode 'rel' or 'abs': "
                f"{mode!r}, {threshold_mode!r}"
            )
        self.mode, self.factor, self.patience, self.eps = mode, factor, patience, eps
        self.threshold, self.threshold_mode, self.cooldown = threshold, threshold_mode, cooldown
        self.optimizer, self.last_epoch = optimizer, 0
        self.min_lrs = one_each(min_lr, optimizer, "min_lr")
        self._last_lr = self.lrs
        self.best = math.inf if mode == "min" else -math.inf
        self.cooldown_counter = self.num_bad_epochs = 0

    @each_call
    def step(self, metrics: Any, epoch: int | None = None) -> None:
        """Take note of the metric of the epoch that ended."""
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        current = float(metrics)
        if self.is_better(current, self.best):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.in_cooldown:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            self.reduce()
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = self.lrs

    @property
    def in_cooldown(self) -> bool:
        return self.cooldown_counter > 0

    def is_better(self, current: float, best: float) -> bool:
        """Whether `current` is an improvement."""
        sign = 1 if self.mode == "min" else -1
        margin = abs(self.threshold * best) if self.threshold_mode == "rel" else self.threshold
        if math.isinf(best):
            return sign * current < sign * best
        return sign * current < sign * best - margin

    def reduce(self) -> None:
        """Lower the rates, unless it hardly makes a difference."""
        for group, least in zip(self.optimizer.param_groups, self.min_lrs, strict=True):
            lr = max(float(group["lr"]) * self.factor, least)
            if float(group["lr"]) - lr > self.eps:
                group["lr"] = lr
