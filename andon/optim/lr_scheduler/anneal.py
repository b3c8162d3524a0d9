"""SWALR: the rate at which weights that are to be averaged are learned."""

from __future__ import annotations

import math

from ...core.errors import ArgumentError
from ..optimizer import Optimizer
from .schedule import LRScheduler, one_each


class SWALR(LRScheduler):
    """The rate goes from where it is to `swa_lr` in `anneal_epochs`, by a cosine or linearly."""

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float | list[float],
        anneal_epochs: int = 10,
        anneal_strategy: str = "cos",
        last_epoch: int = -1,
    ):
        if anneal_strategy not in ("cos", "linear") or anneal_epochs < 0:
            raise ArgumentError(
                f"SWALR: anneal_strategy cos or linear, anneal_epochs >= 0: "
                f"{anneal_strategy!r}, {anneal_epochs}"
            )
        rates = one_each(swa_lr, optimizer, "SWALR")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        super().__init__(optimizer, last_epoch)

    def share(self, epoch: int) -> float:
        """How much of the way has been gone at `epoch`."""
        t = max(0.0, min(1.0, epoch / max(1, self.anneal_epochs)))
        return t if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        epoch = max(1, self.last_epoch) if self.anneal_epochs == 0 else self.last_epoch
        before, now = self.share(epoch - 1), self.share(epoch)
        rates = []
        for group in self.optimizer.param_groups:
            lr, goal = float(group["lr"]), group["swa_lr"]
            start = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates
