"""A state space model with a selective scan, written with einops."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import einsum, rearrange, reduce, repeat
from einops.layers.torch import Rearrange
from waves import set_weights, wave


class RMSNorm(nn.Module):
    def __init__(self, width, eps=1e-5):
        super().__init__()
        self.eps, self.weight = eps, nn.Parameter(torch.ones(width))

    def forward(self, x):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.weight


class SelectiveBlock(nn.Module):
    def __init__(self, width=8, inner=12, state=4, rank=2, kernel=3):
        super().__init__()
        self.rank, self.state = rank, state
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, kernel, groups=inner, padding=kernel - 1)
        self.x_proj = nn.Linear(inner, rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        A = repeat(torch.arange(1, state + 1, dtype=torch.float32), "n -> d n", d=inner)
        self.A_log = nn.Parameter(torch.log(A))
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = nn.Linear(inner, width, bias=False)
        self.to_channels = Rearrange("b l d -> b d l")

    def forward(self, x):
        length = x.shape[1]
        x, gate = self.in_proj(x).chunk(2, dim=-1)
        x = rearrange(self.conv(self.to_channels(x))[..., :length], "b d l -> b l d")
        y = self.scan(F.silu(x))
        return self.out_proj(y * F.silu(gate))

    def scan(self, u):
        A = -torch.exp(self.A_log.float())
        delta, B, C = self.x_proj(u).split([self.rank, self.state, self.state], dim=-1)
        delta = F.softplus(self.dt_proj(delta))
        dA = torch.exp(einsum(delta, A, "b l d, d n -> b l d n"))
        dBu = einsum(delta, B, u, "b l d, b l n, b l d -> b l d n")
        h = torch.zeros(u.shape[0], u.shape[2], self.state, device=dA.device)
        ys = []
        for i in range(u.shape[1]):
            h = dA[:, i] * h + dBu[:, i]
            ys.append(einsum(h, C[:, i, :], "b d n, b n -> b d"))
        return torch.stack(ys, dim=1) + u * self.D


class Mamba(nn.Module):
    def __init__(self, vocab=11, width=8, layers=2):
        super().__init__()
        self.embedding = nn.Embedding(vocab, width)
        self.layers = nn.ModuleList(
            nn.ModuleDict({"norm": RMSNorm(width), "mixer": SelectiveBlock(width)})
            for _ in range(layers)
        )
        self.norm_f = RMSNorm(width)
        self.lm_head = nn.Linear(width, vocab, bias=False)
        self.lm_head.weight = self.embedding.weight

    def forward(self, ids):
        x = self.embedding(ids)
        for layer in self.layers:
            x = x + layer["mixer"](layer["norm"](x))
        return self.lm_head(self.norm_f(x))


def main():
    model = set_weights(Mamba())
    ids = torch.arange(2 * 9).mul(7).remainder(11).view(2, 9)
    logits = model(ids)
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.9)
    losses = []
    for _ in range(4):
        out = rearrange(model(ids)[:, :-1], "b l v -> (b l) v")
        loss = F.cross_entropy(out, rearrange(ids[:, 1:], "b l -> (b l)"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    pooled = reduce(wave(2, 3, 4, 4), "b c (h 2) (w 2) -> b c h w", "max")
    return {
        "logits": logits,
        "losses": losses,
        "pooled": pooled,
        "A": model.layers[1]["mixer"].A_log,
        "names": [name for name, _ in model.named_parameters()],
    }
