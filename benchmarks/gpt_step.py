"""A training step of minGPT's sizes: forward, backward, clip, AdamW; and its peak memory.

Both sides run the same model text, andon/models/gpt.py's meaning written once with the names the
two frameworks share: hand-written attention and GELU, as in minGPT.
"""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np

from .timing import alternate, show

SIZES = {  # layers, heads, width, batch, block
    "gpt-nano 16 × 128": (3, 3, 48, 16, 128),
    "gpt-mini 64 × 128": (6, 6, 192, 64, 128),
}
VOCAB = 65
TARGET = 1.0


def build(t, layers: int, heads: int, width: int, block: int, dropout: float = 0.0):
    """The model of minGPT in the names of framework `t`, its three dropouts with one p."""
    nn, F = t.nn, t.nn.functional

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.c_attn, self.c_proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
            mask = t.tril(t.ones(block, block)).view(1, 1, block, block)
            self.register_buffer("mask", mask)
            self.attn_dropout, self.resid_dropout = nn.Dropout(dropout), nn.Dropout(dropout)

        def forward(self, x):
            B, T, C = x.size()
            q, k, v = self.c_attn(x).split(width, dim=2)
            q, k, v = (z.view(B, T, heads, C // heads).transpose(1, 2) for z in (q, k, v))
            att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))  # (B, H, T, T)
            att = F.softmax(att.masked_fill(self.mask == 0, float("-inf")), dim=-1)
            y = self.attn_dropout(att) @ v
            y = self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))
            return self.resid_dropout(y)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.attn = Attention()
            self.c_fc, self.c_proj = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
            self.dropout = nn.Dropout(dropout)

        def forward(self, x):
            x = x + self.attn(self.ln_1(x))
            h = self.c_fc(self.ln_2(x))
            h = 0.5 * h * (1 + t.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * t.pow(h, 3.0))))
            return x + self.dropout(self.c_proj(h))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.wte, self.wpe = nn.Embedding(VOCAB, width), nn.Embedding(block, width)
            self.drop = nn.Dropout(dropout)
            self.h = nn.ModuleList([Block() for _ in range(layers)])
            self.ln_f = nn.LayerNorm(width)
            self.lm_head = nn.Linear(width, VOCAB, bias=False)

        def forward(self, idx, targets):
            x = self.drop(self.wte(idx) + self.wpe(t.arange(idx.size(1))))
            for block in self.h:
                x = block(x)
            logits = self.lm_head(self.ln_f(x))
            return F.cross_entropy(logits.view(-1, VOCAB), targets.view(-1))

    return Model()


def step_of(t, layers, heads, width, batch, block):
    """A function that takes one training step."""
    model = build(t, layers, heads, width, block)
    return train_step(t, lambda x, y: model(x, y), model, batch, block)


def train_step(t, loss_of, model, batch, block):
    optimizer = t.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1)
    rng = np.random.default_rng(0)
    x = t.tensor(rng.integers(0, VOCAB, (batch, block)))
    y = t.tensor(rng.integers(0, VOCAB, (batch, block)))

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        t.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def own_step(layers, heads, width, batch, block):
    """The same step of andon's own model, with its fused ops."""
    import andon
    from andon.models.gpt import GPT, GPTConfig

    model = GPT(GPTConfig(VOCAB, block, layers, heads, width, dropout=0.0))
    return train_step(andon, lambda x, y: model(x, y)[1], model, batch, block)


def flops(layers, heads, width, batch, block) -> float:
    """Multiply-adds of the matrix products of a step, forward and backward, times two."""
    per_token = 12 * layers * width**2 + VOCAB * width + 2 * layers * block * width
    return 6 * per_token * batch * block


def peak_memory(framework: str, name: str) -> float:
    """Peak MB beyond the imports of a process that takes three steps."""
    program = (
        f"import {framework} as t; t.nn; t.optim\n"
        "from benchmarks.gpt_step import SIZES, high_water, step_of\n"
        f"before = high_water(); step = step_of(t, *SIZES[{name!r}])\n"
        "for _ in range(3): step()\n"
        "print(high_water() - before)"
    )
    command = [sys.executable, "-c", program]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def high_water() -> float:
    """The most memory that this process has held, in MB. Linux's own count starts anew at exec."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def main() -> None:
    import torch

    import andon

    torch.set_num_threads(2)
    results = []
    for (name, sizes), rounds in zip(SIZES.items(), (15, 5), strict=True):
        theirs = step_of(torch, *sizes)
        floor = f"{flops(*sizes) / 1e9:.1f} GFLOP"
        ours = step_of(andon, *sizes)
        results.append(alternate(name, ours, theirs, rounds, 1, TARGET, floor))
        own = own_step(*sizes)
        results.append(alternate(f"{name}, models/gpt", own, theirs, rounds, 1, TARGET, floor))
    show("training step, eager", results)
    name = "gpt-mini 64 × 128"
    ours, theirs = peak_memory("andon", name), peak_memory("torch", name)
    print(f"peak memory of the {name} step: andon {ours:.0f} MB, torch {theirs:.0f} MB, "
          f"ratio {ours / theirs:.2f} (target ≤ 1)")  # fmt: skip
