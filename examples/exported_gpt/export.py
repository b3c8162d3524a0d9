"""Export the training step of a GPT as C, and check that the C program trains as Python does.

    python examples/exported_gpt/export.py [TEXT] [--folder out] [--steps 50]

Writes step.c, step.h, step.weights and text.bin into the folder, builds them with `cc` and the
hundred lines of train.c, and runs the result: a program that trains on the text and needs nothing
else. The batches are drawn by the same few lines in both languages.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

import andon
from andon.data.datasets import shakespeare
from andon.models.gpt import GPT, GPTConfig
from andon.nn.utils import clip_grad_norm_
from andon.text import CharTokenizer

BATCH, BLOCK = 8, 32


def batches(tokens, steps):
    """Blocks that start where a linear congruential generator says, as in train.c."""
    state = 1
    for _ in range(steps):
        starts = []
        for _ in range(BATCH):
            state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
            starts.append((state >> 33) % (len(tokens) - BLOCK - 1))
        rows = np.stack([tokens[s : s + BLOCK + 1] for s in starts]).astype(np.int64)
        yield andon.tensor(rows[:, :-1]), andon.tensor(rows[:, 1:])


def make_step(vocabulary):
    """A jitted training step of a small GPT."""
    andon.manual_seed(0)
    model = GPT(GPTConfig(vocabulary, BLOCK, 2, 2, 32))
    optimizer = andon.optim.AdamW(model.parameters(), lr=3e-3)

    @andon.jit
    def step(x, y):
        optimizer.zero_grad()
        _, loss = model(x, y)
        loss.backward()
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return step


def build_and_run(folder, steps):
    """The losses of the C program."""
    here = Path(__file__).parent
    shutil.copy(here / "train.c", folder)
    compiler = os.environ.get("CC", "cc").split()
    command = [*compiler, "-O3", "-fwrapv", "-march=native", "train.c", "step.c", "-o", "train",
               "-lm", "-lpthread"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True)
    run = subprocess.run(
        ["./train", str(steps)], cwd=folder, check=True, capture_output=True, text=True
    )
    return [float(line.split()[-1]) for line in run.stdout.splitlines()]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", help="a text file; Shakespeare if none is given")
    parser.add_argument("--folder", default="exported")
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    text = Path(options.text).read_text(encoding="utf-8") if options.text else shakespeare()
    tokenizer = CharTokenizer(text)
    tokens = np.array(tokenizer.encode(text), np.uint8)
    folder = Path(options.folder)
    step = make_step(tokenizer.vocab_size)
    path = step.export_c(folder, *next(batches(tokens, 1)))
    tokens.tofile(folder / "text.bin")
    print(f"wrote {path}, {path.stat().st_size // 1024} KB")
    in_c = build_and_run(folder, options.steps)
    in_python = [step(x, y).item() for x, y in batches(tokens, options.steps)]
    for i in range(0, options.steps, max(1, options.steps // 5)):
        print(f"step {i}: {in_python[i]:.5f} in Python, {in_c[i]:.5f} in C")
    print(f"the largest difference is {np.abs(np.subtract(in_c, in_python)).max():.1e}")


if __name__ == "__main__":
    main()
