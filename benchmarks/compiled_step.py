"""A compiled training step of minGPT's sizes: `andon.jit` beside `torch.compile`.

The same model text as `gpt_step`, the same step: forward, backward, clip, AdamW; without dropout,
and with minGPT's default of 0.1 in all three places. The floor is the multiply-adds of the matrix
products at the speed that torch reaches on a large one. Then: the first
call, with and without the disk cache, each in a new process; the peak memory beside eager torch;
and what a call costs besides its work.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import timeit

import numpy as np

from .gpt_step import SIZES, VOCAB, build, flops
from .timing import alternate, human, seconds, show

TARGETS = (0.35, 0.72)
DROPOUT = 0.1  # minGPT's default
ROUNDS = ((15, 10), (5, 1))  # rounds, and calls of a round that are timed


def step_and_model(t, layers, heads, width, batch, block, dropout=0.0):
    """A function that takes one compiled training step in framework `t`, its model, the batch."""
    model = build(t, layers, heads, width, block, dropout)
    optimizer = t.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1)
    rng = np.random.default_rng(0)
    x = t.tensor(rng.integers(0, VOCAB, (batch, block)))
    y = t.tensor(rng.integers(0, VOCAB, (batch, block)))
    whole = t.__name__ == "andon"  # torch.compile takes the model; its optimizer is eager
    called = model if whole else t.compile(model)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = called(x, y)
        loss.backward()
        t.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    run = t.jit(step) if whole else step
    return (lambda: run().item()), model, x, y


def compiled_step(t, *sizes):
    return step_and_model(t, *sizes)[0]


def matmul_speed() -> float:
    """Multiply-adds per second, times two, of torch on a large product."""
    import torch

    a = torch.randn(1024, 1024)
    return 2 * 1024**3 / min(seconds(lambda: a @ a, 3) for _ in range(5))


def first_call(name: str, folder: str) -> float:
    """Seconds that the first step takes beyond the second, in a new process.

    Its cache is in `folder`.
    """
    program = (
        "import andon, time; andon.nn; andon.optim\n"
        "from benchmarks.compiled_step import SIZES, compiled_step\n"
        f"step = compiled_step(andon, *SIZES[{name!r}])\n"
        "times = [time.perf_counter()]\n"
        "for _ in range(2): step(); times.append(time.perf_counter())\n"
        "print(2 * times[1] - times[0] - times[2])"
    )
    environment = os.environ | {"ANDON_CACHE": folder}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


def peak_memory(call: str, name: str) -> float:
    """Peak MB beyond the imports of a process that takes three steps."""
    program = (
        "import andon, torch; andon.nn; andon.optim\n"
        "from benchmarks.compiled_step import SIZES, compiled_step\n"
        "from benchmarks.gpt_step import high_water, step_of\n"
        f"before = high_water(); step = {call}, *SIZES[{name!r}])\n"
        "for _ in range(3): step()\n"
        "print(high_water() - before)"
    )
    command = [sys.executable, "-c", program]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def overhead() -> float:
    """Seconds of a call of a jitted function of two small tensors."""
    import andon

    f = andon.jit(lambda x, y: (x * y + 1).tanh())
    x = andon.ones(8)
    f(x, x)
    return min(timeit.repeat(lambda: f(x, x), number=5000, repeat=5)) / 5000


def main() -> None:
    import torch

    import andon

    torch.set_num_threads(2)
    speed = matmul_speed()
    results = []
    for (name, sizes), target, (rounds, repeats) in zip(
        SIZES.items(), TARGETS, ROUNDS, strict=True
    ):
        floor = f"{human(flops(*sizes) / speed)} at {speed / 1e9:.0f} GFLOP/s"
        for dropout in (0.0, DROPOUT):
            ours, theirs = (compiled_step(t, *sizes, dropout) for t in (andon, torch))
            row = f"{name}, dropout {dropout}" if dropout else name
            results.append(alternate(row, ours, theirs, rounds, repeats, target, floor, 2))
    show("training step, compiled", results, "torch.compile")
    name = "gpt-mini 64 × 128"
    with tempfile.TemporaryDirectory() as folder:
        cold, warm = first_call(name, folder), first_call(name, folder)
    print(f"the first call of the {name} step takes {cold:.2f} s more than others (target ≤ 3 s), "
          f"from the disk cache {warm:.2f} s (target ≤ 0.3 s)")  # fmt: skip
    ours, theirs = peak_memory("compiled_step(andon", name), peak_memory("step_of(torch", name)
    print(f"peak memory of the {name} step: andon {ours:.0f} MB, torch eager {theirs:.0f} MB, "
          f"ratio {ours / theirs:.2f} (target ≤ 0.25)")  # fmt: skip
    print(f"a jitted call of small tensors: {overhead() * 1e6:.1f} µs (target < 8 µs)")
