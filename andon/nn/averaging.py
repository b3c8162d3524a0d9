"""Averages of a model's weights over training: their mean (SWA) or a moving one (EMA).

PyTorch keeps these under `torch.optim.swa_utils`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

from ..core.errors import ArgumentError
from ..core.mode import no_grad
from ..ops.logic import where
from ..tensor.creation import tensor
from ..tensor.tensor import Tensor
from .module import Module
from .norm import BatchNorm


class AveragedModel(Module):
    """A copy of `model` whose parameters are averages; `update_parameters` takes in the next.

    `avg_fn(average, parameter, count)` gives the new average, the mean of all by default;
    `multi_avg_fn` changes a list of averages in place. Buffers are averaged too if `use_buffers`,
    else copied.
    Source: Izmailov et al. 2018, Averaging weights leads to wider optima.
    """

    def __init__(
        self,
        model: Module,
        device: Any = None,
        avg_fn: Callable | None = None,
        multi_avg_fn: Callable | None = None,
        use_buffers: bool = False,
    ):
        super().__init__()
        self.module = copy.deepcopy(model)
        self.register_buffer("n_averaged", tensor(0, device=device))
        self.avg_fn = avg_fn or get_swa_avg_fn()
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def averaged(self, model: Module) -> list[Tensor]:
        buffers = model.buffers() if self.use_buffers else ()
        return [x.detach() for x in chain(model.parameters(), buffers)]

    @no_grad()
    def update_parameters(self, model: Module) -> None:
        """Take the present parameters of `model` into the averages."""
        averages, news = self.averaged(self.module), self.averaged(model)
        first = self.n_averaged == 0  # whose average nobody uses
        if self.multi_avg_fn is not None:
            self.multi_avg_fn(averages, news, self.n_averaged)
        for average, new in zip(averages, news, strict=True):
            if self.multi_avg_fn is None:
                average.copy_(where(first, new, self.avg_fn(average, new, self.n_averaged)))
            else:
                average.copy_(where(first, new, average))
        if not self.use_buffers:
            for own, new in zip(self.module.buffers(), model.buffers(), strict=True):
                own.copy_(new)
        self.n_averaged.add_(1)


def get_swa_avg_fn() -> Callable:
    """The mean of all: average + (parameter - average) / (count + 1)."""
    return lambda average, new, count: average + (new - average) / (count + 1)


def get_ema_avg_fn(decay: float = 0.999) -> Callable:
    """The moving average: decay · average + (1 - decay) · parameter."""
    if not 0 <= decay <= 1:
        raise ArgumentError(f"get_ema_avg_fn: decay must be between 0 and 1: {decay}")
    return lambda average, new, count: average * decay + new * (1 - decay)


def get_swa_multi_avg_fn() -> Callable:
    """`get_swa_avg_fn` for lists, in place."""
    return over_lists(get_swa_avg_fn())


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable:
    """`get_ema_avg_fn` for lists, in place."""
    return over_lists(get_ema_avg_fn(decay))


def over_lists(avg_fn: Callable) -> Callable:
    @no_grad()
    def update(averages: list[Tensor], news: list[Tensor], count: Any) -> None:
        for average, new in zip(averages, news, strict=True):
            average.copy_(avg_fn(average, new, count))

    return update


@no_grad()
def update_bn(loader: Iterable, model: Module, device: Any = None) -> None:
    """Make the statistics of all batch norms those of one pass over `loader`.

    From a batch that is a list or a tuple, the model is given the first part.
    """
    norms = [m for m in model.modules() if isinstance(m, BatchNorm)]
    if not norms:
        return
    momenta, training = [norm.momentum for norm in norms], model.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    model.train()
    for batch in loader:
        x = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(x if device is None else x.to(device))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    model.train(training)
