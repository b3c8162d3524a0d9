"""`andon train gpt`: a character GPT on a text, with a live progress line and samples.

The run's folder holds everything needed to go on: `run.json` (the settings and the vocabulary),
`checkpoints/`, `log.jsonl` and `loss.png`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

import andon
from andon.core.errors import ArgumentError, DataError, FileFormatError, StateError
from andon.core.files import replacing
from andon.data import TokenDataset, default_collate
from andon.data.datasets import shakespeare
from andon.data.text import numbered
from andon.models.gpt import GPT, GPTConfig
from andon.text import CharTokenizer
from andon.train import TrainConfig, Trainer
from andon.train.checkpoint import found

OPTIMIZERS: dict[str, Callable[[GPT, float], Any]] = {
    "muon": GPT.configure_muon,
    "adamw": GPT.configure_optimizers,
}
HELD_OUT = 0.05  # the share of the text that is not trained on


@dataclass(frozen=True)
class Settings:
    """The options of a run, as they are kept in `run.json`."""

    data: str
    steps: int
    batch_size: int
    block_size: int
    layers: int
    heads: int
    width: int
    model: str | None
    dropout: float
    optimizer: str
    learning_rate: float
    seed: int
    every: int
    compile: bool = True
    sha256: str = ""  # of the text: a run that goes on must find the same one

    def gpt(self, vocab_size: int) -> GPTConfig:
        if self.model is not None:
            return GPTConfig.preset(self.model, vocab_size, self.block_size, dropout=self.dropout)
        return GPTConfig(
            vocab_size, self.block_size, self.layers, self.heads, self.width, self.dropout
        )

    def check(self, vocab_size: int) -> None:
        """Raise if no run can have these settings."""
        self.gpt(vocab_size)
        self.training()
        if self.optimizer not in OPTIMIZERS:
            raise ArgumentError(f"no optimizer of that name: {self.optimizer}")

    def training(self) -> TrainConfig:
        return TrainConfig(
            max_steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warmup_steps=min(100, self.steps // 10),
            final_lr_ratio=0.05,
            seed=self.seed,
            checkpoint_every=self.every,
            compile=self.compile,
        )


def start_run(settings: Settings, folder: Path | None) -> None:
    """Begin a run in a new folder and train it to the end."""
    text = read_text(settings.data)
    data = settings.data if settings.data == "shakespeare" else str(Path(settings.data).resolve())
    settings = replace(settings, data=data, sha256=sha256(text))
    chosen = folder or Path("runs") / time.strftime("gpt-%Y%m%d-%H%M%S")
    check_free(chosen)
    run = Run(settings, chosen, text)
    chosen.mkdir(parents=True, exist_ok=True)
    record = {"settings": asdict(settings), "tokenizer": run.tokenizer.to_dict()}
    with replacing(chosen / "run.json", "w") as file:
        json.dump(record, file, indent=1)
    if folder is None:
        point_latest(chosen)
    run.train()


def check_free(folder: Path) -> None:
    """Raise if the folder holds a run, or anything that a run would write over."""
    if (folder / "run.json").exists():
        raise StateError(f"train: this folder holds a run already: pass --resume {folder}")
    for name in ("checkpoints", "log.jsonl", "loss.png"):
        if (folder / name).exists():
            raise StateError(f"train: a run writes {name}, and there is one already: {folder}")


def continue_run(folder: Path) -> None:
    """Go on with the run in `folder` from its newest checkpoint, or from the start."""
    settings, tokenizer = read_run(folder)
    text = read_text(settings.data)
    if sha256(text) != settings.sha256:
        raise DataError(f"train: the text has changed since the run began: {settings.data}")
    run = Run(settings, folder, text)
    if run.tokenizer.characters != tokenizer.characters:
        raise FileFormatError(f"run: another vocabulary than the text's in run.json: {folder}")
    if found(folder):
        run.trainer.resume()
    run.console.print(f"resuming at step {run.trainer.step} of {settings.steps}")
    run.train()


def read_run(folder: Path) -> tuple[Settings, CharTokenizer]:
    """The settings and the tokenizer of a run."""
    try:
        record = json.loads((folder / "run.json").read_text())
        settings = Settings(**record["settings"])
        for name, kind in get_type_hints(Settings).items():
            if not isinstance(getattr(settings, name), kind):
                raise TypeError(f"{name} is no {kind}")
        tokenizer = CharTokenizer.from_dict(record["tokenizer"])
        settings.check(tokenizer.vocab_size)
        return settings, tokenizer
    except OSError:
        raise StateError(f"run: not a folder that `andon train` wrote: {folder}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(f"run: unreadable run.json: {folder}: {error}") from None


def read_text(data: str) -> str:
    """The text to train on: a registry package's, or a file's."""
    if data == "shakespeare":
        return shakespeare()
    try:
        return Path(data).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"train: cannot read the text: {data}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FileFormatError(f"train: the text is not UTF-8: {data}: {error}") from None


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def opening(tokenizer: CharTokenizer) -> str:
    """What a text begins after when there is no prompt: a line break, if the text has any."""
    return "\n" if "\n" in tokenizer.ids else tokenizer.characters[0]


def point_latest(folder: Path) -> None:
    """Make `runs/latest` lead to this run, where links are possible."""
    link = folder.parent / "latest"
    fresh = folder.parent / f".latest-{os.getpid()}"
    try:
        fresh.symlink_to(folder.name)
        os.replace(fresh, link)
    except OSError:
        fresh.unlink(missing_ok=True)


@contextmanager
def stopping_on_interrupt(trainer: Trainer) -> Iterator[None]:
    """The first Ctrl-C ends the run after its current step, the second one at once."""

    def stop(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        trainer.stop()

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Run:
    """A training run on screen: the trainer, and what is shown of it."""

    def __init__(self, settings: Settings, folder: Path, text: str):
        block = settings.block_size
        cut = min(int(len(text) * (1 - HELD_OUT)), len(text) - block - 1)
        if cut <= block:
            raise DataError(f"train: too short a text for blocks of {block}: {len(text)}")
        self.settings, self.folder = settings, folder
        self.console = Console(highlight=False, markup=False, soft_wrap=True)
        self.tokenizer = CharTokenizer(text)
        tokens = numbered(text, self.tokenizer.characters)
        self.held_out = TokenDataset(tokens[cut:], block)
        andon.manual_seed(settings.seed)
        self.model = GPT(settings.gpt(self.tokenizer.vocab_size))
        optimizer = OPTIMIZERS[settings.optimizer](self.model, settings.learning_rate)
        data = TokenDataset(tokens[:cut], block)
        self.trainer = Trainer(self.model, data, settings.training(), optimizer, folder)
        self.trainer.add_callback("on_batch_end", self.show_progress)
        self.trainer.add_callback("on_batch_end", self.show_sample)
        self.recent: deque[float] = deque(maxlen=20)
        self.progress = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("{task.fields[rate]} tokens/s"),
            TimeRemainingColumn(compact=True),
            TextColumn("left"),
            console=self.console,
        )

    def train(self) -> None:
        """Train to the end, or until Ctrl-C; either way the picture is drawn."""
        size = sum(p.numel() for p in self.model.parameters())
        self.console.print(f"{size:,} parameters, run in {self.folder}")
        step, steps = self.trainer.step, self.settings.steps
        self.task = self.progress.add_task("", total=steps, completed=step, loss="-", rate="-")
        stoppable = stopping_on_interrupt(self.trainer)
        try:
            with self.progress, suppress(KeyboardInterrupt), stoppable:
                self.trainer.run()
        finally:
            self.draw_curve()
        if self.trainer.saved < steps:
            self.console.print(f"stopped; go on with: andon train gpt --resume {self.folder}")
            raise SystemExit(130)
        self.console.print(f"done; more text with: andon generate {self.folder}")

    def check_finite(self, *numbers: float) -> None:
        """Raise if training has diverged, before a checkpoint is written of what it left."""
        if not all(map(math.isfinite, numbers)):
            raise StateError(
                f"train: diverged at step {self.trainer.step}, earlier checkpoints are whole; try "
                f"a smaller --learning-rate: {self.settings.learning_rate}"
            )

    def show_progress(self, trainer: Trainer) -> None:
        self.check_finite(trainer.loss, trainer.grad_norm)
        self.recent.append(trainer.loss)
        tokens = trainer.step * self.settings.batch_size * self.settings.block_size
        self.progress.update(
            self.task,
            completed=trainer.step,
            loss=f"{sum(self.recent) / len(self.recent):.3f}",
            rate=f"{tokens / max(trainer.seconds, 1e-9):,.0f}",
        )

    def show_sample(self, trainer: Trainer) -> None:
        """Before each checkpoint: the loss on held-out text, and what the model writes by now.

        A generator of its own keeps the run's random numbers as they would be unwatched.
        """
        if trainer.step % self.settings.every and trainer.step < self.settings.steps:
            return
        self.model.eval()
        val_loss = self.held_out_loss()
        self.check_finite(val_loss)
        trainer.log.write(step=trainer.step, val_loss=val_loss)
        prompt = andon.tensor([self.tokenizer.encode(opening(self.tokenizer))])
        generator = andon.Generator().manual_seed(trainer.step)
        tokens = self.model.generate(
            prompt, 200, temperature=0.8, do_sample=True, top_p=0.95, generator=generator
        )
        self.model.train()
        text = self.tokenizer.decode(tokens[0, 1:].tolist()).strip()
        self.console.rule(f"step {trainer.step}: held-out loss {val_loss:.3f}", align="left")
        self.console.print(Text(f"{text}\n", style="dim"))

    @andon.no_grad()
    def held_out_loss(self, batches: int = 4) -> float:
        """The mean loss of evenly spread blocks of the held-out text."""
        size = self.settings.batch_size
        places = np.linspace(0, len(self.held_out) - 1, batches * size, dtype=int)
        losses = []
        for part in places.reshape(batches, size).tolist():
            x, y = default_collate([self.held_out[i] for i in part])
            losses.append(self.model(x, y)[1].item())
        return sum(losses) / len(losses)

    def draw_curve(self) -> None:
        """Write loss.png, if matplotlib is installed and the disk has room."""
        try:
            self.trainer.log.plot(self.folder / "loss.png")
        except ImportError:
            self.console.print("no loss.png: install matplotlib (pip install 'andon[plot]')")
        except OSError as error:
            self.console.print(f"no loss.png: {error}")
