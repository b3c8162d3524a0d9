"""A character GPT on any text: `python examples/chargpt.py input.txt`.

What `andon train gpt` does, in a page: no progress bar, no checkpoints.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

import andon
from andon.data import CharDataset
from andon.models.gpt import GPT, GPTConfig
from andon.train import TrainConfig, Trainer


def main(
    text: Annotated[Path, typer.Argument(help="the text to learn", exists=True)],
    model: Annotated[str, typer.Option(help="a preset")] = "gpt-micro",
    block_size: Annotated[int, typer.Option(min=1)] = 64,
    steps: Annotated[int, typer.Option(min=1)] = 500,
    prompt: str = "O God, O God!",
    seed: int = 3407,
) -> None:
    """Train on the text, with a sample now and then."""
    console = Console()
    andon.manual_seed(seed)
    data = CharDataset(text.read_text(encoding="utf-8"), block_size)
    gpt = GPT(GPTConfig.preset(model, data.vocab_size, block_size, dropout=0.0))
    config = TrainConfig(
        max_steps=steps, batch_size=32, learning_rate=3e-3, warmup_steps=50, final_lr_ratio=0.1,
        seed=seed,
    )  # fmt: skip
    trainer = Trainer(gpt, data, config)
    known = data.tokenizer.characters
    start = "".join(c for c in prompt if c in known) or known[0]

    def sample(trainer: Trainer) -> None:
        if trainer.step % 100:
            return
        gpt.eval()
        idx = andon.tensor([data.tokenizer.encode(start)])
        made = gpt.generate(idx, 200, do_sample=True, top_k=10)[0]
        gpt.train()
        console.rule(f"step {trainer.step}: loss {trainer.loss:.3f}")
        console.print(data.tokenizer.decode(made.tolist()), markup=False)

    trainer.add_callback("on_batch_end", sample)
    trainer.run()


if __name__ == "__main__":
    typer.run(main)
