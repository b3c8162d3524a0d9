"""`andon generate`: sample from a model that `andon train` wrote, token by token."""

from __future__ import annotations

import sys
from pathlib import Path

import andon
from andon.models.gpt import GPT
from andon.train import latest

from .train_gpt import opening, read_run


def generate(
    run: Path,
    prompt: str,
    tokens: int,
    temperature: float,
    top_k: int | None,
    top_p: float,
    do_sample: bool,
    seed: int | None,
) -> None:
    """Print the prompt and what the newest checkpoint of `run` makes of it."""
    settings, tokenizer = read_run(run)
    model = GPT(settings.gpt(tokenizer.vocab_size))
    latest(run).restore(model)
    model.eval()
    generator = andon.Generator()
    if seed is not None:
        generator.manual_seed(seed)
    else:
        generator.seed()
    idx = andon.tensor([tokenizer.encode(prompt or opening(tokenizer))])
    sys.stdout.write(prompt)
    stream = model.stream(idx, tokens, temperature, do_sample, top_k, top_p, generator)
    for token in stream:
        sys.stdout.write(tokenizer.decode([token.item()]))
        sys.stdout.flush()
    sys.stdout.write("\n")
