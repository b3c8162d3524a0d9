"""Invent names: `python examples/names.py` learns from 5,000 and prints 20 new ones.

Each name is a sequence of characters that starts and ends with `.`; what follows the end in a
block does not count in the loss.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
import typer
from rich.console import Console

import andon
from andon.data import TensorDataset
from andon.data.datasets import names as load_names
from andon.models.gpt import GPT, GPTConfig
from andon.text import CharTokenizer
from andon.train import TrainConfig, Trainer


def dataset(names: list[str], tokenizer: CharTokenizer, block: int) -> TensorDataset:
    """A row per name: x = . e m m a, y = e m m a . and -1 from there on."""
    x = np.zeros((len(names), block), np.int64)
    y = np.full((len(names), block), -1)
    for row, name in enumerate(names):
        tokens = tokenizer.encode(f".{name}.")
        x[row, : len(tokens) - 1] = tokens[:-1]
        y[row, : len(tokens) - 1] = tokens[1:]
    return TensorDataset(andon.tensor(x), andon.tensor(y))


def invent(model: GPT, tokenizer: CharTokenizer, count: int, block: int) -> list[str]:
    """Sample `count` names, each up to its closing `.`."""
    model.eval()
    start = andon.tensor([tokenizer.encode(".")] * count)
    rows = model.generate(start, block - 1, do_sample=True)
    model.train()
    return [tokenizer.decode(row[1:].tolist()).split(".")[0] for row in rows]


def main(steps: Annotated[int, typer.Option(min=1)] = 1000, seed: int = 0) -> None:
    """Train on the given names of a census, then invent some."""
    console = Console()
    andon.manual_seed(seed)
    names = load_names()
    tokenizer = CharTokenizer("." + "".join(names))
    block = max(map(len, names)) + 1
    model = GPT(GPTConfig(tokenizer.vocab_size, block, n_layer=3, n_head=4, n_embd=64, dropout=0.1))
    config = TrainConfig(
        max_steps=steps, batch_size=64, learning_rate=3e-3, warmup_steps=50, final_lr_ratio=0.1,
        seed=seed,
    )  # fmt: skip
    trainer = Trainer(model, dataset(names, tokenizer, block), config)

    def report(trainer: Trainer) -> None:
        if trainer.step % 100 == 0:
            console.print(f"step {trainer.step}: loss {trainer.loss:.3f}")

    trainer.add_callback("on_batch_end", report)
    trainer.run()
    known = set(names)
    for name in invent(model, tokenizer, 20, block):
        console.print(f"{name}{'' if name not in known else '   (a real one)'}")


if __name__ == "__main__":
    typer.run(main)
