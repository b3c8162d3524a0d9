"""A character-level GPT: data set and loader, AdamW in two groups, clipping, greedy generation."""

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from waves import set_weights

TEXT = "the rain in spain stays mainly in the plain, they say; and the plane in the rain? "


@dataclass
class Config:
    vocab_size: int
    block_size: int = 16
    n_layer: int = 2
    n_head: int = 2
    n_embd: int = 24


class Characters(Dataset):
    """Each window of the text, and the same window one character later."""

    def __init__(self, text, block_size):
        self.chars = sorted(set(text))
        self.index = {c: i for i, c in enumerate(self.chars)}
        self.ids, self.block_size = [self.index[c] for c in text], block_size

    def __len__(self):
        return len(self.ids) - self.block_size

    def __getitem__(self, i):
        window = torch.tensor(self.ids[i : i + self.block_size + 1], dtype=torch.long)
        return window[:-1], window[1:]


class CausalSelfAttention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.n_head = config.n_head
        self.c_attn = nn.Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = nn.Linear(config.n_embd, config.n_embd)
        mask = torch.tril(torch.ones(config.block_size, config.block_size))
        self.register_buffer("mask", mask.view(1, 1, config.block_size, config.block_size))

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(x).split(C, dim=2)
        q, k, v = (z.view(B, T, self.n_head, C // self.n_head).transpose(1, 2) for z in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        y = F.softmax(scores, dim=-1) @ v
        return self.c_proj(y.transpose(1, 2).contiguous().view(B, T, C))


class Block(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(config.n_embd), nn.LayerNorm(config.n_embd)
        self.attn = CausalSelfAttention(config)
        self.mlp = nn.ModuleDict(
            dict(  # noqa: C408 (as programs have it)
                c_fc=nn.Linear(config.n_embd, 4 * config.n_embd),
                act=nn.GELU(approximate="tanh"),
                c_proj=nn.Linear(4 * config.n_embd, config.n_embd),
            )
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        m = self.mlp
        return x + m.c_proj(m.act(m.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.block_size = config.block_size
        self.wte = nn.Embedding(config.vocab_size, config.n_embd)
        self.wpe = nn.Embedding(config.block_size, config.n_embd)
        self.h = nn.ModuleList([Block(config) for _ in range(config.n_layer)])
        self.ln_f = nn.LayerNorm(config.n_embd)
        self.lm_head = nn.Linear(config.n_embd, config.vocab_size, bias=False)
        self.apply(self._init_weights)

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device).unsqueeze(0)
        x = self.wte(idx) + self.wpe(pos)
        for block in self.h:
            x = block(x)
        logits = self.lm_head(self.ln_f(x))
        loss = None
        if targets is not None:
            flat = logits.view(-1, logits.size(-1))
            loss = F.cross_entropy(flat, targets.view(-1), ignore_index=-1)
        return logits, loss

    def groups(self, weight_decay):
        decay, no_decay = set(), set()
        for mn, m in self.named_modules():
            for pn, _ in m.named_parameters(recurse=False):
                full = f"{mn}.{pn}" if mn else pn
                plain = pn.endswith("bias") or isinstance(m, (nn.LayerNorm, nn.Embedding))
                (no_decay if plain else decay).add(full)
        by_name = dict(self.named_parameters())
        return [
            {"params": [by_name[n] for n in sorted(decay)], "weight_decay": weight_decay},
            {"params": [by_name[n] for n in sorted(no_decay)], "weight_decay": 0.0},
        ]

    @torch.no_grad()
    def generate(self, idx, max_new_tokens):
        for _ in range(max_new_tokens):
            logits, _ = self(idx[:, -self.block_size :])
            _, best = torch.topk(F.softmax(logits[:, -1, :], dim=-1), k=1, dim=-1)
            idx = torch.cat((idx, best), dim=1)
        return idx


def main():
    data = Characters(TEXT, block_size=16)
    model = set_weights(GPT(Config(vocab_size=len(data.chars))), scale=0.1)
    optimizer = torch.optim.AdamW(model.groups(0.1), lr=3e-3, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda n: min(1.0, (n + 1) / 4))
    loader = DataLoader(data, batch_size=16, shuffle=False, drop_last=True)
    losses, norms, rates = [], [], []
    model.train()
    for _ in range(4):
        for x, y in loader:
            _, loss = model(x, y)
            model.zero_grad(set_to_none=True)
            loss.backward()
            norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            rates.append(optimizer.param_groups[0]["lr"])
    model.eval()
    prompt = torch.tensor([[data.index[c] for c in "the r"]])
    written = "".join(data.chars[i] for i in model.generate(prompt, 20)[0].tolist())
    return {
        "losses": losses,
        "norms": norms,
        "rates": rates,
        "written": written,
        "parameters": sum(p.numel() for p in model.parameters()),
        "learned": losses[-1] < losses[0] - 0.3,
        "bias": model.h[0].attn.c_proj.bias,
    }
