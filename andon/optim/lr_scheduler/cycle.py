"""Schedules that go up and down: warm restarts, triangular cycles, the one-cycle policy."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from typing import Any

from ...core.errors import ArgumentError
from ...core.op import each_call
from ..optimizer import Group, Optimizer
from .schedule import LRScheduler, one_each


class CosineAnnealingWarmRestarts(LRScheduler):
    """Cosine annealing over T_0 epochs, then over T_0 T_mult from the start again, and so on.

    `step` takes fractions of epochs too.
    Source: Loshchilov & Hutter 2017, SGDR, eq. 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_0: int,
        T_mult: int = 1,
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ):
        if T_0 <= 0 or not isinstance(T_0, int) or T_mult < 1 or not isinstance(T_mult, int):
            raise ArgumentError(
                f"CosineAnnealingWarmRestarts: T_0 and T_mult must be ints > 0: {T_0}, {T_mult}"
            )
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        self.T_i: int = T_0
        self.T_cur: float = last_epoch
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        height = (1 + math.cos(math.pi * self.T_cur / self.T_i)) / 2
        return [self.eta_min + (base - self.eta_min) * height for base in self.base_lrs]

    @each_call
    def step(self, epoch: float | None = None) -> None:
        if epoch is None:
            epoch = self.last_epoch + 1
        if epoch < 0:
            raise ArgumentError(f"CosineAnnealingWarmRestarts: epoch must be >= 0: {epoch}")
        self.T_cur, self.T_i = epoch, self.T_0  # epochs since the last restart, and between
        while self.T_cur >= self.T_i:
            self.T_cur -= self.T_i
            self.T_i *= self.T_mult
        self.last_epoch = math.floor(epoch)
        self.set_lrs(self.get_lr())


class CyclicLR(LRScheduler):
    """Triangles between base_lr and max_lr, the momentum moving the other way:

        x = position in the cycle, rising from 0 to 1 and falling again
        lr = base + (max - base) x s        s = 1, or 1 / 2^(cycle - 1) under "triangular2",
                                            or γ^epoch under "exp_range", or `scale_fn`

    Source: Smith 2017, Cyclical learning rates for training neural networks.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: Any,
        max_lr: Any,
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.8,
        max_momentum: Any = 0.9,
        last_epoch: int = -1,
    ):
        if mode not in ("triangular", "triangular2", "exp_range") and scale_fn is None:
            raise ArgumentError(f"CyclicLR: not a mode, and there is no scale_fn: {mode!r}")
        self.max_lrs = one_each(max_lr, optimizer, "max_lr")
        self.total_size = float(step_size_up + (step_size_down or step_size_up))
        self.step_ratio = step_size_up / self.total_size
        self.mode, self.gamma = mode, gamma
        self.scale_fn, self.scale_mode = scale_fn, scale_mode
        self.cycle_momentum = cycle_momentum
        base_lrs = one_each(base_lr, optimizer, "base_lr")
        if last_epoch == -1:
            for group, lr in zip(optimizer.param_groups, base_lrs, strict=True):
                group["lr"] = group["initial_lr"] = lr
        if cycle_momentum:
            take_momentum("CyclicLR", optimizer)
            self.base_momentums = one_each(base_momentum, optimizer, "base_momentum")
            self.max_momentums = one_each(max_momentum, optimizer, "max_momentum")
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale(self, cycle: int) -> float:
        """How high this cycle, or this epoch, reaches."""
        if self.scale_fn is not None:
            return self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.mode == "triangular2":
            return 1 / 2 ** (cycle - 1)
        return self.gamma**self.last_epoch if self.mode == "exp_range" else 1.0

    def get_lr(self) -> list[float]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1 + self.last_epoch / self.total_size - cycle
        rising = x <= self.step_ratio
        x = x / self.step_ratio if rising else (x - 1) / (self.step_ratio - 1)
        height = x * self.scale(cycle)
        if self.cycle_momentum:
            pairs = zip(self.base_momentums, self.max_momentums, strict=True)
            momentums = [top - (top - base) * height for base, top in pairs]
            for group, momentum in zip(self.optimizer.param_groups, momentums, strict=True):
                set_momentum(group, momentum)
        pairs = zip(self.base_lrs, self.max_lrs, strict=True)
        return [base + (top - base) * height for base, top in pairs]

    def state_dict(self) -> dict[str, Any]:
        """All but the optimizer and the scale function, which is not data."""
        return {k: v for k, v in super().state_dict().items() if k != "scale_fn"}


class OneCycleLR(LRScheduler):
    """Up from max_lr / div_factor to max_lr, then down to a final_div_factor-th of the start.

    The momentum moves the other way. With `three_phase`, down to where it began first.
    Source: Smith & Topin 2019, Super-convergence.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: Any,
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: Any = 0.85,
        max_momentum: Any = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
        last_epoch: int = -1,
    ):
        if total_steps is None and epochs is not None and steps_per_epoch is not None:
            total_steps = epochs * steps_per_epoch
        if not isinstance(total_steps, int) or total_steps <= 0:
            raise ArgumentError(
                "OneCycleLR: expects total_steps, or epochs and steps_per_epoch, as ints > 0: "
                f"{total_steps}, {epochs}, {steps_per_epoch}"
            )
        if not 0 <= pct_start <= 1 or anneal_strategy not in ("cos", "linear"):
            raise ArgumentError(
                "OneCycleLR: pct_start must be in [0, 1], anneal_strategy 'cos' or 'linear': "
                f"{pct_start}, {anneal_strategy!r}"
            )
        self.total_steps, self.anneal_strategy = total_steps, anneal_strategy
        self.phases = phases(pct_start * total_steps, total_steps, three_phase)
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            take_momentum("OneCycleLR", optimizer)
        if last_epoch == -1:
            limits = [
                one_each(given, optimizer, "max_lr, base_momentum or max_momentum")
                for given in (max_lr, base_momentum, max_momentum)
            ]
            for group, top, low, high in zip(optimizer.param_groups, *limits, strict=True):
                start = top / div_factor
                group.update(initial_lr=start, max_lr=top, min_lr=start / final_div_factor)
                if cycle_momentum:
                    group.update(base_momentum=low, max_momentum=high)
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch > self.total_steps:
            raise ArgumentError(
                f"OneCycleLR: step {self.last_epoch} of a schedule of {self.total_steps} steps"
            )
        ends = [end for end, _, _ in self.phases]
        number = min(bisect_left(ends, self.last_epoch), len(ends) - 1)
        end, lr, momentum = self.phases[number]
        start = ends[number - 1] if number else 0.0
        done = (self.last_epoch - start) / (end - start)
        groups = self.optimizer.param_groups
        if self.cycle_momentum:
            for group in groups:
                set_momentum(group, self.anneal(group[momentum[0]], group[momentum[1]], done))
        return [self.anneal(group[lr[0]], group[lr[1]], done) for group in groups]

    def anneal(self, start: float, end: float, done: float) -> float:
        """From `start` to `end`, along a cosine or a line."""
        if self.anneal_strategy == "linear":
            return start + (end - start) * done
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2


def phases(rise: float, total: int, three: bool) -> list[tuple]:
    """(last step, from and to which rate, from and to which momentum) of each phase."""
    up = (rise - 1, ("initial_lr", "max_lr"), ("max_momentum", "base_momentum"))
    if three:
        return [
            up,
            (2 * rise - 2, ("max_lr", "initial_lr"), ("base_momentum", "max_momentum")),
            (total - 1, ("initial_lr", "min_lr"), ("max_momentum", "max_momentum")),
        ]
    return [up, (total - 1, ("max_lr", "min_lr"), ("base_momentum", "max_momentum"))]


def take_momentum(name: str, optimizer: Optimizer) -> None:
    """Say that the momentum of an optimizer moves; it must have one."""
    if not {"momentum", "betas"} & set(optimizer.defaults):
        raise ArgumentError(
            f"{name}: {type(optimizer).__name__} has no momentum: pass cycle_momentum=False"
        )
    optimizer.cycles_momentum = True


def set_momentum(group: Group, momentum: float) -> None:
    """Set the momentum of a group, or the first beta, which is the same thing."""
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    else:
        group["momentum"] = momentum
