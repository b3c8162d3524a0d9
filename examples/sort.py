"""Teach a GPT to sort: `python examples/sort.py`.

A problem of length 6 over 3 digits is the sequence 0 0 2 1 0 1 | 0 0 0 1 1 2: the list, then the
list in order. The loss counts only the second half. After half a minute all lists come out right,
also those that were held out.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from rich.console import Console

import andon
from andon.data import Dataset
from andon.models.gpt import GPT, GPTConfig
from andon.train import TrainConfig, Trainer


class SortDataset(Dataset):
    """Lists of `length` digits below `values`, a quarter of all lists held out for the test."""

    def __init__(self, length: int = 6, values: int = 3, held_out: bool = False):
        every = np.indices((values,) * length).reshape(length, -1).T  # (values**length, length)
        order = np.random.default_rng(0).permutation(len(every))
        cut = max(1, len(every) // 4)
        self.lists = every[order[:cut] if held_out else order[cut:]]
        self.length = length

    def __len__(self) -> int:
        return len(self.lists)

    def __getitem__(self, i: int):
        given = self.lists[i]
        row = np.concatenate([given, np.sort(given)])
        target = row[1:].copy()
        target[: self.length - 1] = -1
        return andon.tensor(row[:-1]), andon.tensor(target)


def accuracy(model: GPT, data: SortDataset) -> float:
    """The share of lists that come out in order, of a thousand at most."""
    lists = data.lists[:1000]
    model.eval()
    made = model.generate(andon.tensor(lists), data.length)[:, data.length :].numpy()
    model.train()
    return float((made == np.sort(lists, axis=1)).all(axis=1).mean())


def main(
    length: Annotated[int, typer.Option(min=1, max=8)] = 6,
    values: Annotated[int, typer.Option(min=2, max=5)] = 3,
    steps: Annotated[int, typer.Option(min=1)] = 1000,
    seed: int = 0,
) -> None:
    """Train, and test on the lists that were held out."""
    console = Console()
    andon.manual_seed(seed)
    train, test = SortDataset(length, values), SortDataset(length, values, held_out=True)
    model = GPT(GPTConfig.preset("gpt-nano", values, 2 * length - 1, dropout=0.0))
    config = TrainConfig(
        max_steps=steps, batch_size=64, learning_rate=2e-3, final_lr_ratio=0.1, seed=seed
    )
    trainer = Trainer(model, train, config)

    def report(trainer: Trainer) -> None:
        if trainer.step % 100 == 0:
            console.print(f"step {trainer.step}: loss {trainer.loss:.4f}")

    trainer.add_callback("on_batch_end", report)
    trainer.run()
    console.print(f"train {accuracy(model, train):.2%}, held out {accuracy(model, test):.2%}")


if __name__ == "__main__":
    typer.run(main)
