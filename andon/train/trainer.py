"""Trainer: the loop over batches, for any model that returns (outputs, loss).

    trainer = Trainer(model, dataset, TrainConfig(max_steps=1000))
    trainer.add_callback("on_batch_end", lambda t: print(t.step, t.loss))
    trainer.run()

With a `folder` it writes a log, and a checkpoint every `checkpoint_every` steps and at the end.
`resume()` continues from there bit for bit: which examples a step sees is a function of the seed
and the step alone.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.errors import FileFormatError, ShapeError, StateError
from ..data import DataLoader
from ..devices import compiler
from ..engine.jit import jit
from ..nn.utils import clip_grad_norm_
from ..optim import AdamW, Combined, Optimizer
from ..tensor.generator import Generator, default_generator
from . import checkpoint
from .log import Log

EVENTS = ("on_run_start", "on_batch_start", "on_batch_end", "on_checkpoint", "on_run_end")


@dataclass(frozen=True)
class TrainConfig:
    """How to train. With `compile`, a step is recorded and compiled where that can be done.

    A step takes `accumulate` batches of `batch_size` examples. The learning rate rises over
    `warmup_steps`, then falls along a cosine to `final_lr_ratio` of itself at `max_steps`.
    """

    max_steps: int = 1000
    batch_size: int = 64
    accumulate: int = 1
    learning_rate: float = 3e-4
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = 0.1
    grad_norm_clip: float | None = 1.0
    warmup_steps: int = 0
    final_lr_ratio: float = 1.0
    num_workers: int = 0
    seed: int = 0
    checkpoint_every: int | None = None
    compile: bool = True

    def __post_init__(self) -> None:
        for name in ("batch_size", "accumulate", "checkpoint_every"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ShapeError(f"TrainConfig: {name} must be positive: {value}")
        for name in ("seed", "max_steps"):
            if (value := getattr(self, name)) < 0:
                raise ShapeError(f"TrainConfig: {name} must be >= 0: {value}")

    def rate(self, step: int) -> float:
        """The learning rate of `step`, counted from 0."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        span = max(1, self.max_steps - self.warmup_steps)
        fraction = min(1.0, (step - self.warmup_steps) / span)
        falling = 0.5 * (1 + math.cos(math.pi * fraction))
        return self.learning_rate * (self.final_lr_ratio + (1 - self.final_lr_ratio) * falling)


class RandomBatches:
    """Batches of random examples, batch i being a function of the seed and i alone."""

    def __init__(self, examples: int, batch_size: int, seed: int, start: int, stop: int):
        self.examples, self.batch_size, self.seed = examples, batch_size, seed
        self.start, self.stop = start, stop
        if examples < 1:
            raise ShapeError("Trainer: the dataset has no examples")

    def __len__(self) -> int:
        return self.stop - self.start

    def __iter__(self) -> Iterator[list[int]]:
        for i in range(self.start, self.stop):
            rng = np.random.Generator(np.random.Philox(key=self.seed, counter=[0, 0, i, 1]))
            yield rng.integers(self.examples, size=self.batch_size).tolist()


class Trainer:
    """Trains `model` on `dataset`; callbacks may read `step`, `loss`, `seconds`, `tokens`."""

    def __init__(
        self,
        model: Any,
        dataset: Any,
        config: TrainConfig | None = None,
        optimizer: Optimizer | Combined | None = None,
        folder: Path | str | None = None,
    ):
        self.model, self.dataset = model, dataset
        self.config = config or TrainConfig()
        self.optimizer = optimizer or self.default_optimizer()
        self.folder = Path(folder) if folder is not None else None
        self.log = Log(self.folder)
        self.callbacks: dict[str, list[Callable]] = defaultdict(list)
        self.step = self.saved = 0  # steps done, and how many of them the last checkpoint has
        self.loss = self.grad_norm = math.nan
        self.seconds = 0.0  # of training, those before a resume included
        self.stopping = False
        compiled = self.config.compile and compiler.available()
        self.whole_step = jit(self.update, whole=False) if compiled else self.update

    def default_optimizer(self) -> Optimizer | Combined:
        """The model's own choice, or AdamW on everything."""
        c = self.config
        options: Any = {"betas": c.betas, "weight_decay": c.weight_decay}
        if hasattr(self.model, "configure_optimizers"):
            return self.model.configure_optimizers(c.learning_rate, **options)
        return AdamW(self.model.parameters(), lr=c.learning_rate, **options)

    def add_callback(self, event: str, callback: Callable[[Trainer], Any]) -> None:
        """Call `callback(trainer)` at `event`: one of `EVENTS`."""
        self.check_event(event)
        self.callbacks[event].append(callback)

    def set_callback(self, event: str, callback: Callable[[Trainer], Any]) -> None:
        """As `add_callback`, in place of those that were there."""
        self.check_event(event)
        self.callbacks[event] = [callback]

    def trigger_callbacks(self, event: str) -> None:
        for callback in self.callbacks[event]:
            callback(self)

    def check_event(self, event: str) -> None:
        if event not in EVENTS:
            raise StateError(f"Trainer: no such event; there are {', '.join(EVENTS)}: {event}")

    def stop(self) -> None:
        """End the run after the current step."""
        self.stopping = True

    def run(self) -> None:
        """Train up to `max_steps`, from wherever this trainer stands."""
        if self.step == 0 and self.folder is not None:
            self.claim(self.folder)
        self.stopping = False
        self.model.train()
        self.trigger_callbacks("on_run_start")
        batches = self.batches()
        try:
            while self.step < self.config.max_steps and not self.stopping:
                self.train_step(batches)
        finally:
            batches.close()
            self.log.flush()
        if self.folder and self.config.checkpoint_every and self.saved != self.step:
            self.save()
        self.trigger_callbacks("on_run_end")

    def claim(self, folder: Path) -> None:
        """Start in `folder`, which must not hold checkpoints of another run."""
        if checkpoint.found(folder):
            raise StateError(f"Trainer: there are checkpoints in the folder: resume(): {folder}")
        self.log.truncate(0)

    def batches(self) -> Any:
        """The batches of the steps still to come.

        The loader has a generator of its own: the default one belongs to the model's dropout.
        """
        c = self.config
        start, stop = self.step * c.accumulate, c.max_steps * c.accumulate
        order = RandomBatches(len(self.dataset), c.batch_size, c.seed, start, stop)
        generator = Generator().manual_seed(c.seed)
        return iter(DataLoader(
            self.dataset, batch_sampler=order, num_workers=c.num_workers, generator=generator
        ))  # fmt: skip

    def train_step(self, batches: Iterator[Any]) -> None:
        """One optimizer step, and what belongs to it."""
        started = time.perf_counter()
        self.trigger_callbacks("on_batch_start")
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.rate(self.step) * group.get("lr_scale", 1.0)
        several = [next(batches) for _ in range(self.config.accumulate)]
        losses, norm = self.whole_step(several, self.config.grad_norm_clip)
        self.loss = math.fsum(loss.item() for loss in losses)
        self.grad_norm = math.nan if norm is None else norm.item()
        self.step += 1
        self.seconds += time.perf_counter() - started
        self.log.write(step=self.step, loss=self.loss, grad_norm=self.grad_norm,
                       seconds=round(self.seconds, 3))  # fmt: skip
        self.trigger_callbacks("on_batch_end")
        every = self.config.checkpoint_every
        if self.folder and every and self.step % every == 0:
            self.save()

    def update(self, batches: list, limit: float | None) -> tuple[list, Any]:
        """Gradients of the batches, clipping to the norm `limit`, a step of the optimizer.

        Gives each batch's share of the loss, and the norm of the gradients if they are clipped.
        """
        self.optimizer.zero_grad(set_to_none=True)
        losses = [self.forward_backward(batch, len(batches)) for batch in batches]
        norm = None if limit is None else clip_grad_norm_(self.model.parameters(), limit)
        self.optimizer.step()
        return losses, norm

    def forward_backward(self, batch: Any, count: int) -> Any:
        """Add the gradients of one batch of `count`; its share of the step's loss."""
        _, loss = self.model(*batch)
        loss = loss / count if count > 1 else loss
        loss.backward()
        return loss.detach()

    def save(self) -> Path:
        """Write a checkpoint of this moment into the folder."""
        if self.folder is None:
            raise StateError("Trainer: to save checkpoints it must be given a folder")
        self.log.flush()
        state = {"random": default_generator.state(), "seconds": self.seconds}
        path = checkpoint.save(self.folder, self.step, self.model, self.optimizer, state)
        self.saved = self.step
        self.trigger_callbacks("on_checkpoint")
        return path

    def resume(self) -> None:
        """Continue from the folder's newest checkpoint, as if never stopped."""
        if self.folder is None:
            raise StateError("Trainer: to resume it must be given a folder")
        found = checkpoint.latest(self.folder)
        found.restore(self.model, self.optimizer)
        try:
            default_generator.load_state(found.state["random"])
            self.step, self.seconds = int(found.state["step"]), float(found.state["seconds"])
        except (KeyError, TypeError, ValueError, StateError) as error:
            raise FileFormatError(f"Trainer: no checkpoint of one: {found.path}: {error}") from None
        self.saved = self.step
        self.log.truncate(self.step)
