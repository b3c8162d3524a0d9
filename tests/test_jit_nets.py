"""Jitted training steps of nets in float32: what runs eagerly, by kernels alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon import nn
from andon.devices import compiler

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")


def cnn():
    """Strides, groups, a depthwise layer, both kinds of pooling, batch norm."""
    first = nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
    second = nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6), nn.Conv2d(6, 8, 1, groups=2)
    last = nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(8 * 2 * 2, 3)
    return nn.Sequential(*first, *second, *last)


def plain_cnn():
    conv = nn.Conv2d(1, 4, 5, padding=2), nn.GELU(), nn.MaxPool2d(2)
    return nn.Sequential(*conv, nn.Flatten(), nn.Linear(4 * 64, 3))


def over_time():
    """A convolution over one dim, then batch norm of vectors."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv1d(16, 5, 3, padding=1), nn.BatchNorm1d(5)
            self.head = nn.Linear(5, 3)

        def forward(self, x):
            y = F.max_pool1d(self.conv(x.squeeze(1)), 4).mean(-1)
            return self.head(self.norm(y).relu())

    return Net()


def recurrent(kind):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer, self.head = kind(16, 20, batch_first=True), nn.Linear(20, 3)

        def forward(self, x):
            y, _ = self.layer(x.squeeze(1))
            return self.head(y[:, -1])

    return Net


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(256, 40), nn.ReLU(), nn.Linear(40, 3))


def transposed():
    """Up again: the gradient of a convolution as a layer."""
    down, up = nn.Conv2d(1, 4, 4, stride=4), nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1)
    return nn.Sequential(down, nn.Tanh(), up, nn.Flatten(), nn.Linear(2 * 7 * 7, 3))


NETS = {
    "cnn": cnn,
    "plain_cnn": plain_cnn,
    "over_time": over_time,
    "lstm": recurrent(nn.LSTM),
    "gru": recurrent(nn.GRU),
    "mlp": mlp,
    "transposed": transposed,
}


def run(build, transform, steps=4):
    """The losses of some steps, the model after them, and what ran them."""
    andon.manual_seed(0)
    model = build()
    optimizer = andon.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    made = transform(step)
    rng = np.random.default_rng(0)
    x = andon.tensor(rng.standard_normal((6, 1, 16, 16)).astype(np.float32))
    y = andon.tensor(rng.integers(0, 3, 6))
    return [made(x, y).item() for _ in range(steps)], model.state_dict(), made


@pytest.mark.parametrize("name", NETS)
def test_a_net_trains_as_it_does_eagerly(name):
    losses, eager, _ = run(NETS[name], lambda step: step)
    same, jitted, step = run(NETS[name], andon.jit)
    np.testing.assert_allclose(same, losses, rtol=2e-5)
    for key, value in eager.items():
        np.testing.assert_allclose(jitted[key].numpy(), value.numpy(), 2e-4, 2e-5, err_msg=key)
    (program,) = next(iter(step.programs.values()))
    left = [s.node.op.name for s in program.executable.unit.steps if not isinstance(s, int)]
    assert not left


class Tokens(nn.Module):
    """minGPT with its default dropouts of 0.1, its attention written out: two blocks."""

    def __init__(self, V=11, C=16, H=2, T=12, layers=2):
        super().__init__()
        self.wte, self.wpe, self.drop = nn.Embedding(V, C), nn.Embedding(T, C), nn.Dropout(0.1)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({
                "ln_1": nn.LayerNorm(C), "c_attn": nn.Linear(C, 3 * C), "c_proj": nn.Linear(C, C),
                "ln_2": nn.LayerNorm(C), "up": nn.Linear(C, 4 * C), "down": nn.Linear(4 * C, C),
            })
            for _ in range(layers)
        )  # fmt: skip
        self.ln_f, self.head, self.H = nn.LayerNorm(C), nn.Linear(C, V, bias=False), H
        self.register_buffer("mask", andon.tril(andon.ones(T, T)).view(1, 1, T, T))

    def attend(self, block, x):
        B, T, C = x.shape
        heads = block["c_attn"](x).split(C, dim=2)
        q, k, v = (z.view(B, T, self.H, C // self.H).transpose(1, 2) for z in heads)
        att = (q @ k.transpose(-2, -1)) * (k.size(-1) ** -0.5)
        att = F.softmax(att.masked_fill(self.mask == 0, float("-inf")), dim=-1)
        y = self.drop(att) @ v
        return self.drop(block["c_proj"](y.transpose(1, 2).contiguous().view(B, T, C)))

    def forward(self, idx):
        x = self.drop(self.wte(idx) + self.wpe(andon.arange(idx.shape[1])))
        for block in self.blocks:
            x = x + self.attend(block, block["ln_1"](x))
            x = x + self.drop(block["down"](F.gelu(block["up"](block["ln_2"](x)))))
        return self.head(self.ln_f(x))


def hundred_losses(transform):
    andon.manual_seed(0)
    model = Tokens()
    optimizer = andon.optim.AdamW(model.parameters(), lr=1e-3)

    def step(x, y):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).view(-1, 11), y.view(-1))
        loss.backward()
        optimizer.step()
        return loss

    made, rng = transform(step), np.random.default_rng(0)
    tokens = [andon.tensor(rng.integers(0, 11, (32, 12))) for _ in range(101)]
    return [made(x, y).item() for x, y in pairwise(tokens)], made


def test_a_gpt_with_dropout_trains_for_100_steps_as_it_does_eagerly():
    losses, step = hundred_losses(andon.jit)
    np.testing.assert_allclose(losses, hundred_losses(lambda step: step)[0], rtol=2e-5)
    (program,) = next(iter(step.programs.values()))
    source = program.executable.c_source
    assert "attention_backward_kernel" in source and "softmax" not in source
    assert "run_step" in source  # some samples at a time


def test_the_steps_of_a_recurrence_share_their_kernels():
    _, _, step = run(recurrent(nn.LSTM), andon.jit, 1)
    (program,) = next(iter(step.programs.values()))
    source = program.executable.c_source
    assert len(program.executable.unit.kernels) > 80
    assert source.count("NOINLINE") < 40
