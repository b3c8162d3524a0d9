"""GPT: the decoder-only transformer, to train, to sample from, and to load real weights into.

    x = wte[idx] + wpe[0 .. T-1]
    x = x + attention(layer_norm(x))      per block: mix over time
    x = x + mlp(layer_norm(x))                       mix over channels
    logits = lm_head(layer_norm(x))

B batch, T time, C model width, H heads, D head size, V vocabulary. Parameter names are those of
GPT-2, so checkpoints of other code load.

Source: Radford et al., Language Models are Unsupervised Multitask Learners, 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import andon
from andon import Tensor, nn, optim
from andon.core.errors import ArgumentError, ShapeError
from andon.importers import gpt2
from andon.nn import functional as F

PRESETS = {  # n_layer, n_head, n_embd
    "openai-gpt": (12, 12, 768),  # 117M parameters
    "gpt2": (12, 12, 768),  # 124M
    "gpt2-medium": (24, 16, 1024),  # 350M
    "gpt2-large": (36, 20, 1280),  # 774M
    "gpt2-xl": (48, 25, 1600),  # 1558M
    "gopher-44m": (8, 16, 512),
    "gpt-mini": (6, 6, 192),
    "gpt-micro": (4, 4, 128),
    "gpt-nano": (3, 3, 48),
}


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a GPT. `tied` shares the matrix of wte with lm_head, as GPT-2 does."""

    vocab_size: int
    block_size: int
    n_layer: int
    n_head: int
    n_embd: int
    dropout: float = 0.1
    tied: bool = False

    def __post_init__(self) -> None:
        if min(self.vocab_size, self.block_size, self.n_layer, self.n_head, self.n_embd) < 1:
            raise ShapeError(f"GPT: sizes must be positive: {self}")
        if self.n_embd % self.n_head:
            raise ShapeError(f"GPT: n_head {self.n_head} does not divide n_embd {self.n_embd}")

    @classmethod
    def preset(cls, name: str, vocab_size: int, block_size: int, **options: Any) -> GPTConfig:
        """The sizes that `name` stands for.

        >>> GPTConfig.preset("gpt-nano", vocab_size=65, block_size=128).n_embd
        48
        """
        if name not in PRESETS:
            raise ArgumentError(
                f"GPT: no preset of that name; there are {', '.join(PRESETS)}: {name}"
            )
        return cls(vocab_size, block_size, *PRESETS[name], **options)


Cache = list[tuple[Tensor, Tensor]]  # per block: keys and values (B, H, S, D) of all S so far


class CausalSelfAttention(nn.Module):
    """softmax(q kᵀ / √D) v for each of H heads, where no time sees a later one."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        C = config.n_embd
        self.c_attn = nn.Linear(C, 3 * C)
        self.c_proj = nn.Linear(C, C)
        self.resid_dropout = nn.Dropout(config.dropout)
        self.n_head, self.dropout = config.n_head, config.dropout

    def forward(self, x: Tensor, cache: Cache | None = None, layer: int = 0) -> Tensor:
        B, T, C = x.shape
        H, D = self.n_head, C // self.n_head
        qkv = self.c_attn(x).view(B, T, 3, H, D).permute(2, 0, 3, 1, 4)  # (3, B, H, T, D)
        q, k, v = qkv.unbind(0)
        if cache is not None:
            k, v = remember(cache, layer, k, v)  # (B, H, S, D)
        S = k.shape[2]
        mask = andon.ones(T, S, dtype=andon.bool).tril(S - T) if 1 < T < S else None
        p = self.dropout if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, mask, dropout_p=p, is_causal=T == S)
        y = y.transpose(1, 2).reshape(B, T, C)  # heads side by side again
        return self.resid_dropout(self.c_proj(y))


def remember(cache: Cache, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Append the keys and values of the new times to those of block `layer`."""
    if layer == len(cache):
        cache.append((k, v))
    else:
        past_k, past_v = cache[layer]
        cache[layer] = (andon.cat([past_k, k], dim=2), andon.cat([past_v, v], dim=2))
    return cache[layer]


class MLP(nn.Module):
    """W2 gelu(W1 x): four times as wide in between."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        C = config.n_embd
        self.c_fc = nn.Linear(C, 4 * C)
        self.c_proj = nn.Linear(4 * C, C)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.c_proj(F.gelu(self.c_fc(x), approximate="tanh")))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.ln_1 = nn.LayerNorm(config.n_embd)
        self.attn = CausalSelfAttention(config)
        self.ln_2 = nn.LayerNorm(config.n_embd)
        self.mlp = MLP(config)

    def forward(self, x: Tensor, cache: Cache | None = None, layer: int = 0) -> Tensor:
        x = x + self.attn(self.ln_1(x), cache, layer)
        return x + self.mlp(self.ln_2(x))


class GPT(nn.Module):
    """A GPT language model.

    >>> model = GPT(GPTConfig.preset("gpt-nano", vocab_size=65, block_size=32))
    >>> logits, loss = model(andon.zeros(2, 8, dtype=andon.int64))
    >>> logits.shape
    andon.Size([2, 8, 65])
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.config = config
        self.transformer = nn.ModuleDict(
            {
                "wte": nn.Embedding(config.vocab_size, config.n_embd),
                "wpe": nn.Embedding(config.block_size, config.n_embd),
                "drop": nn.Dropout(config.dropout),
                "h": nn.ModuleList([Block(config) for _ in range(config.n_layer)]),
                "ln_f": nn.LayerNorm(config.n_embd),
            }
        )
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        if config.tied:
            self.lm_head.weight = self.transformer["wte"].weight
        self.apply(init_weights)
        std = 0.02 / math.sqrt(2 * config.n_layer)  # 2 n_layer branches add up in the residual
        for name, p in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(p, std=std)

    def forward(
        self, idx: Tensor, targets: Tensor | None = None, cache: Cache | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """The logits of each next token, and the mean cross-entropy if `targets` are given.

        Shapes: idx, targets (B, T) -> logits (B, T, V). Targets of -1 do not count.
        With a `cache` (a list, empty at first) idx holds only the times not seen yet.
        """
        if idx.ndim != 2:
            raise ShapeError(f"GPT: tokens of shape (B, T) expected: {idx.spec}")
        T = idx.shape[1]
        past = cache[0][0].shape[2] if cache else 0
        if past + T > self.config.block_size:
            raise ShapeError(
                f"GPT: {past + T} tokens do not fit the block size: {self.config.block_size}"
            )
        positions = andon.arange(past, past + T)
        x = self.transformer["wte"](idx) + self.transformer["wpe"](positions)  # (B, T, C)
        x = self.transformer["drop"](x)
        for layer, block in enumerate(self.transformer["h"]):
            x = block(x, cache, layer)
        logits = self.lm_head(self.transformer["ln_f"](x))  # (B, T, V)
        if targets is None:
            return logits, None
        V = logits.shape[-1]
        return logits, F.cross_entropy(logits.view(-1, V), targets.view(-1), ignore_index=-1)

    def configure_optimizers(
        self,
        learning_rate: float = 3e-4,
        betas: tuple[float, float] = (0.9, 0.95),
        weight_decay: float = 0.1,
    ) -> optim.AdamW:
        """AdamW that decays the matrices of Linear layers and nothing else."""
        linear = {id(m.weight) for m in self.modules() if isinstance(m, nn.Linear)}
        linear -= {id(m.weight) for m in self.modules() if isinstance(m, nn.Embedding)}  # if tied
        decayed = [p for p in self.parameters() if id(p) in linear]
        others = [p for p in self.parameters() if id(p) not in linear]
        groups = [
            {"params": decayed, "weight_decay": weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        return optim.AdamW(groups, lr=learning_rate, betas=betas)

    def configure_muon(self, learning_rate: float = 0.02, scale: float = 0.3) -> optim.Combined:
        """Muon for the matrices of the blocks; AdamW, at `scale` times the rate, for the rest.

        In small models this takes a third of the steps that AdamW alone does.
        """
        matrices = [p for p in self.transformer["h"].parameters() if p.ndim == 2]
        chosen = {id(p) for p in matrices}
        others = [p for p in self.parameters() if id(p) not in chosen]
        adamw = optim.AdamW(others, learning_rate * scale, betas=(0.9, 0.95), weight_decay=0.0)
        adamw.param_groups[0]["lr_scale"] = scale  # for schedules: the rate as a share of Muon's
        return optim.Combined(optim.Muon(matrices, learning_rate, weight_decay=0.0), adamw)

    @andon.no_grad()
    def generate(
        self,
        idx: Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        do_sample: bool = False,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: Any = None,
    ) -> Tensor:
        """`idx` (B, T) followed by `max_new_tokens` tokens: the likeliest, or sampled ones."""
        for next_token in self.stream(
            idx, max_new_tokens, temperature, do_sample, top_k, top_p, generator
        ):
            idx = andon.cat([idx, next_token], dim=1)
        return idx

    def stream(
        self,
        idx: Tensor,
        max_new_tokens: int,
        temperature: float = 1.0,
        do_sample: bool = False,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: Any = None,
    ) -> Iterator[Tensor]:
        """As `generate`, one (B, 1) token at a time.

        Keys and values are cached until the block is full. Then the window slides: every
        position changes, and each token costs a pass over the whole block.
        """
        if idx.ndim != 2 or idx.shape[1] == 0:
            raise ShapeError(f"generate: a prompt of shape (B, T), T > 0 expected: {idx.spec}")
        if not temperature > 0:
            raise ShapeError(f"generate: the temperature must be positive: {temperature}")
        size = self.config.block_size
        cache: Cache = []
        window = new = idx[:, -size:]
        for _ in range(max_new_tokens):
            with andon.no_grad():
                logits, _ = self(new, cache=cache)
                logits = restrict(logits[:, -1] / temperature, top_k, top_p)  # (B, V)
                token = choose(logits, do_sample, generator)
            yield token
            window = andon.cat([window, token], dim=1)
            if window.shape[1] > size:
                window = new = window[:, -size:]
                cache = []
            else:
                new = token

    @classmethod
    def from_pretrained(cls, directory: str | Path, dropout: float = 0.0) -> GPT:
        """A model from a folder of Hugging Face's GPT-2: config.json and model.safetensors.

        Raises: FileFormatError if a file is missing, damaged, or of another kind of model.
        """
        sizes, weights = gpt2.load(directory)
        model = cls(GPTConfig(**sizes, dropout=dropout))
        model.load_state_dict(weights)
        return model


def init_weights(module: nn.Module) -> None:
    """N(0, 0.02²) for matrices, 0 for biases, 1 for the scales of norms."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def restrict(logits: Tensor, top_k: int | None, top_p: float | None) -> Tensor:
    """The logits with all but the `top_k` largest, or the nucleus of `top_p`, at -inf.

    Source of top_p: Holtzman et al., The Curious Case of Neural Text Degeneration, 2020.
    """
    if top_k is not None:
        if top_k < 1:
            raise ShapeError(f"generate: top_k must be positive: {top_k}")
        smallest = andon.topk(logits, min(top_k, logits.shape[-1])).values[:, [-1]]
        logits = logits.masked_fill(logits < smallest, -math.inf)
    if top_p is not None:
        if not 0 < top_p <= 1:
            raise ShapeError(f"generate: top_p must lie in (0, 1]: {top_p}")
        ordered, places = andon.sort(logits, dim=-1, descending=True)
        probs = F.softmax(ordered, dim=-1)
        before = probs.cumsum(-1) - probs  # what the likelier tokens have taken already
        dropped = andon.zeros_like(before, dtype=andon.bool).scatter(-1, places, before >= top_p)
        logits = logits.masked_fill(dropped, -math.inf)
    return logits


def choose(logits: Tensor, do_sample: bool, generator: Any) -> Tensor:
    """One token per row, (B, 1)."""
    if not do_sample:
        return logits.argmax(dim=-1, keepdim=True)
    return andon.multinomial(F.softmax(logits, dim=-1), num_samples=1, generator=generator)
