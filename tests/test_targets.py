"""The same text built for several processors: what runs here computes what the references do."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon import nn
from andon.devices import compiler
from andon.devices.headers import expanded
from andon.engine import executable

pytestmark = pytest.mark.skipif(compiler.zig_of_wheel() is None, reason="only zig names targets")
TARGETS = {  # its processor, the floats in a vector, and what a processor must have to run it
    "sse2": ("x86_64", 4, {"sse2"}),
    "avx2": ("x86_64_v3", 8, {"avx2", "fma", "bmi2", "f16c"}),
    "avx512": ("x86_64_v4", 16, {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}),
}
LANES = '#include "vector.h"\nint lanes(void) { return LANES; }\n'


def instruction_sets() -> set[str]:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(errors="replace") if cpuinfo.exists() else ""
    lines = [line for line in text.splitlines() if line.startswith("flags")]
    return set(lines[0].split()) if lines else set()


class Net(nn.Module):
    """A little of everything: (B, 3, 8, 12) images and (B, 6) tokens to (B, 6, 7) scores."""

    def __init__(self):
        super().__init__()
        self.conv, self.batch = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.inner, self.norm, self.rms = nn.Linear(32, 40), nn.LayerNorm(40), nn.RMSNorm(40)
        self.tokens, self.drop = nn.Embedding(11, 40), nn.Dropout(0.2)
        self.qkv, self.out = nn.Linear(40, 120, bias=False), nn.Linear(40, 7)

    def forward(self, x, t):
        h = F.max_pool2d(F.gelu(self.batch(self.conv(x))), 2)  # (B, 8, 4, 6)
        h = self.inner(h.permute(0, 3, 1, 2).reshape(x.shape[0], -1, 32))
        h = self.drop(self.norm(h)) + self.tokens(t)
        B, L, C = h.shape
        q, k, v = self.qkv(h).view(B, L, 3, 4, C // 4).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        h = h + F.silu(self.rms(y.transpose(1, 2).reshape(B, L, C)))
        return self.out(F.gelu(h, approximate="tanh"))


def steps(transform):
    """What three steps of training return, and the weights after them."""
    andon.manual_seed(0)
    model, rng = Net(), np.random.default_rng(0)
    optimizer = andon.optim.AdamW(model.parameters(), lr=0.01)

    def step(x, t, y):
        optimizer.zero_grad()
        scores = model(x, t)
        loss = F.cross_entropy(scores.reshape(-1, 7), y.reshape(-1))
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss, scores.softmax(-1), scores.argmax(-1)

    x = andon.tensor(rng.standard_normal((8, 3, 8, 12)).astype(np.float32))
    t, y = (andon.tensor(rng.integers(0, most, (8, 6))) for most in (11, 7))
    step = transform(step)
    results = [result.detach().numpy() for _ in range(3) for result in step(x, t, y)]
    return results + [value.numpy() for value in model.state_dict().values()]


def of_all_dtypes(a, i, j, b):
    """Elementwise, along rows and along columns; 16-bit floats, integers and booleans."""
    halves = a.half() * 1.5 + a.half().exp().sum(-1, keepdim=True)
    brain = (a.bfloat16() @ a.bfloat16().t()).float()
    whole = (i // j, i % j, (i & j) | (i ^ 5), (i << 1) >> 2, i.to(andon.int8) * j.to(andon.int8),
             i.to(andon.uint8) + 200, a.to(andon.int32), i.sum(), i.amax(0))  # fmt: skip
    rows = (a.softmax(1), a.log_softmax(1), a.amax(1), a.argmin(1), a.var(1), a.sort(1)[0],
            a.cumsum(1), a.flip(1), a.prod(1))  # fmt: skip
    columns = (a.sum(0), a.std(0), a.double().cumsum(0), a.mT.contiguous(), a.argmax(0))
    each = (a.sin(), a.atan2(a + 1), a.sigmoid(), a.erf(), a.expm1(), a.abs().pow(0.3), a.round(),
            a.fmod(0.3), andon.where(b, a, -a), b & (a > 0), a.clamp(-0.5, 0.5))  # fmt: skip
    return halves.float(), brain, *whole, *rows, *columns, *each


def operands():
    rng, shape = np.random.default_rng(1), (37, 45)
    a, b = rng.standard_normal(shape).astype(np.float32), rng.random(shape) < 0.5
    i, j = rng.integers(-90, 90, shape), rng.integers(1, 9, shape)
    return [andon.tensor(x) for x in (a, i, j, b)]


@pytest.fixture(scope="module")
def expected():
    return steps(lambda f: f), [y.numpy() for y in of_all_dtypes(*operands())]


@pytest.mark.parametrize("target", TARGETS)
def test_a_build_for_a_target_computes_what_the_references_do(target, expected, monkeypatch):
    processor, lanes, needed = TARGETS[target]
    if not needed <= instruction_sets():
        pytest.skip(f"{target} does not run here")
    flags = ("-fwrapv", f"-mcpu={processor}")
    assert compiler.load(LANES, flags=flags).lanes() == lanes
    monkeypatch.setattr(executable, "FLAGS", flags)
    monkeypatch.setattr(executable.compilation_cache, "key_of", lambda *given: None)
    for found, right in zip(steps(andon.jit), expected[0], strict=True):
        np.testing.assert_allclose(found, right, rtol=2e-3, atol=5e-4)
    results = andon.jit(of_all_dtypes)(*operands())
    for n, (found, right) in enumerate(zip(results, expected[1], strict=True)):
        close = 5e-3 if n < 2 else 2e-5  # those of 16 bits
        assert found.numpy().dtype == right.dtype
        np.testing.assert_allclose(found.numpy(), right, close, close, err_msg=str(n))


OTHERS = {
    "aarch64": ["-target", "aarch64-linux-gnu"],
    **{name: ["-target", "x86_64-linux-gnu", f"-mcpu={TARGETS[name][0]}"] for name in TARGETS},
}


@pytest.mark.parametrize("target", OTHERS)
def test_the_same_text_compiles_for_every_machine(target, tmp_path):
    model = nn.Sequential(nn.Linear(24, 40), nn.GELU(), nn.LayerNorm(40), nn.Softmax(-1))
    optimizer = andon.optim.AdamW(model.parameters())

    @andon.jit
    def step(x, q):
        optimizer.zero_grad()
        y = F.scaled_dot_product_attention(q, q, q, is_causal=True)
        loss = model(x).square().mean() + y.sum() * 0
        loss.backward()
        optimizer.step()
        return loss, y

    text = tmp_path / "step.c"
    text.write_text(expanded(step.c_source(andon.rand(16, 24), andon.rand(2, 3, 20, 8))))
    flags = ["-O1", "-fPIC", "-std=gnu11", "-fno-sanitize=all", "-fwrapv", "-g0"]
    command = [compiler.zig_of_wheel(), "cc", "-c", *flags, *OTHERS[target], str(text)]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "step.o")], capture_output=True, text=True
    )
    assert done.returncode == 0 and "error" not in done.stderr, done.stderr
