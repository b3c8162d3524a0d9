"""Checkpoints in recorded programs: the same numbers, and less memory."""

from __future__ import annotations

import math

import numpy as np
import pytest

import andon
from andon import nn
from andon.autograd.checkpoint import checkpoint, checkpoint_sequential
from andon.codegen.translation_unit import translate
from andon.devices import compiler
from andon.engine.executable import Executable
from andon.graph import parse
from andon.graph.lower import lower
from andon.graph.rewrite import run_passes
from andon.graph.simplify import SIMPLIFY
from andon.nn import functional as F

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")

WIDTH, TIME, DROP = 16, 32, 0.1
SCHEDULES = {"op by op": 3, "samples in parallel": 16}  # the sizes of the batch


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)), with dropout, and a bias for each time."""

    def __init__(self):
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.mixed = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x, bias):
        B, T, C = x.shape
        heads = self.qkv(self.before(x) + bias).view(B, T, 3, 2, C // 2).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(*heads.unbind(0), is_causal=True, dropout_p=DROP)
        x = x + F.dropout(self.mixed(y.transpose(1, 2).reshape(B, T, C)), DROP)
        return x + F.dropout(self.down(F.gelu(self.up(self.between(x)))), DROP)


def kept(block, x, bias):
    return block(x, bias)


def of_keywords(block, x, bias):
    return checkpoint(lambda given: block(given["x"], *given["more"]), {"x": x, "more": (bias,)})


def within_another(block, x, bias):
    return checkpoint(lambda x, bias: checkpoint(block, x, bias), x, bias)


WAYS = {
    "kept": kept,
    "reentrant": lambda block, *given: checkpoint(block, *given, use_reentrant=True),
    "not reentrant": lambda block, *given: checkpoint(block, *given, use_reentrant=False),
    "by keyword": lambda block, x, bias: checkpoint(block, x=x, bias=bias),
    "in a dict": of_keywords,
    "within another": within_another,
}


def trained(way, transform, batch, depth=6, steps=3):
    """The losses and the last weights of a few steps, and what made them."""
    andon.manual_seed(0)
    blocks = nn.ModuleList([Block() for _ in range(depth)])
    bias = nn.Parameter(andon.randn(TIME, WIDTH))
    weights = [*blocks.parameters(), bias]
    optimizer = andon.optim.SGD(weights, lr=0.1)

    def step(x):
        optimizer.zero_grad()
        for block in blocks:
            x = WAYS[way](block, x, bias)
        loss = x.square().mean()
        loss.backward()
        optimizer.step()
        return loss

    step = transform(step)
    losses = [step(andon.randn(batch, TIME, WIDTH)).item() for _ in range(steps)]
    return losses, [w.detach().numpy() for w in weights], step


def peak(step) -> int:
    """The bytes of the arena that a step needs, with one thread."""
    ((program,),) = step.programs.values()
    unit = program.executable.unit
    return unit.plan.size + unit.per_thread


def is_split(step) -> bool:
    ((program,),) = step.programs.values()
    return program.executable.unit.per_thread > 0


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_stack_of_checkpointed_blocks_needs_much_less_memory(schedule):
    _, _, plain = trained("kept", andon.jit, SCHEDULES[schedule], steps=1)
    _, _, saving = trained("reentrant", andon.jit, SCHEDULES[schedule], steps=1)
    assert is_split(plain) == is_split(saving) == (schedule == "samples in parallel")
    assert peak(saving) < 0.6 * peak(plain)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_checkpoints_do_not_change_what_is_learned(way, schedule):
    batch = SCHEDULES[schedule]
    losses, weights, _ = trained("kept", lambda step: step, batch, depth=3)
    found, learned, step = trained(way, andon.jit, batch, depth=3)
    np.testing.assert_allclose(found, losses, rtol=1e-5)
    for ours, expected in zip(learned, weights, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)
    assert is_split(step) == (batch > 3)


def test_each_way_to_checkpoint_saves_memory():
    most = peak(trained("kept", andon.jit, 3, steps=1)[2])
    for way in sorted(WAYS.keys() - {"kept"}):
        assert peak(trained(way, andon.jit, 3, steps=1)[2]) < 0.6 * most, way


def test_a_sequence_in_segments_needs_less_memory():
    def made(segments):
        andon.manual_seed(0)
        layers = nn.Sequential(*[nn.Sequential(nn.Tanh(), nn.Linear(8, 8)) for _ in range(16)])

        @andon.jit
        def step(x):
            y = checkpoint_sequential(layers, segments, x) if segments else layers(x)
            y.square().sum().backward()
            return y

        step(andon.randn(100, 8))
        return peak(step), [w.grad.numpy() for w in layers.parameters()]

    (most, wanted), (least, found) = made(0), made(8)
    assert least < 0.6 * most
    for ours, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-6)


def test_what_a_later_backward_pass_keeps_are_the_arguments():
    def kept_by(run):
        andon.manual_seed(0)
        blocks, bias = [Block() for _ in range(3)], andon.randn(TIME, WIDTH)

        @andon.jit
        def net(x):
            for block in blocks:
                x = run(block, x, bias)
            return x

        x = andon.randn(3, TIME, WIDTH, requires_grad=True)
        net(x).square().sum().backward()
        ((program,),) = net.programs.values()
        made = [y for y in program.executable.graph.outputs if y.op is not None]
        return sum(math.prod(y.shape) for y in made), x.grad.numpy()

    (most, wanted), (least, found) = kept_by(WAYS["kept"]), kept_by(WAYS["reentrant"])
    assert least < 0.2 * most
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_loss_is_computed_again_though_its_gradient_is_known_from_the_start():
    def gradients(transform, run):
        andon.manual_seed(0)
        layers, bias = nn.Sequential(nn.Linear(64, 64), nn.Tanh()), nn.Parameter(andon.ones(64))
        weights = [*layers.parameters(), bias]
        optimizer = andon.optim.SGD(weights, lr=1e-3)

        def step(x):
            optimizer.zero_grad()
            loss = run(lambda x, bias: (layers(x) + bias).sin().sum(), x, bias)
            loss.backward()
            optimizer.step()
            return loss

        step = transform(step)
        step(andon.randn(512, 64))
        return [w.detach().numpy() for w in weights], step

    wanted, _ = gradients(lambda step: step, lambda f, *given: f(*given))
    found, step = gradients(andon.jit, checkpoint)
    assert is_split(step)
    for ours, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


def test_a_checkpoint_has_higher_derivatives_in_a_recording():
    def second(run):
        @andon.jit
        def f(x):
            (g,) = andon.autograd.grad(
                run(lambda x: (x.exp() * x).sin(), x).sum(), x, create_graph=True
            )
            return andon.autograd.grad(g.square().sum(), x)[0]

        return f(andon.tensor([0.3, 0.5], requires_grad=True)).numpy()

    np.testing.assert_allclose(second(checkpoint), second(lambda f, x: f(x)), rtol=1e-5)


@pytest.mark.parametrize("transform", [andon.jit, lambda f: f])
def test_the_second_run_is_in_the_precision_of_the_first(transform):
    x, w = andon.randn(8, 16), andon.randn(16, 16)

    def gradient(run):
        def f(x, w):
            with andon.amp.autocast("cpu"):
                y = run(lambda x: (x @ w).tanh(), x)
            return andon.autograd.grad(y.float().square().sum(), w)[0]

        return transform(f)(x, w.detach().requires_grad_()).numpy()

    wanted = gradient(lambda f, x: f(x))
    np.testing.assert_allclose(gradient(checkpoint), wanted, rtol=1e-2, atol=1e-3)


def test_outputs_of_several_are_computed_again():
    @andon.jit
    def f(x, w):
        y, z = checkpoint(lambda x: andon.linalg.qr(x @ w), x)
        return andon.autograd.grad((y * z.sin()).sum(), w)[0]

    x, w = andon.eye(3) + 1, andon.eye(3).requires_grad_()
    y, z = andon.linalg.qr(x @ w)
    (wanted,) = andon.autograd.grad((y * z.sin()).sum(), w)
    np.testing.assert_allclose(f(x, w).numpy(), wanted.numpy(), rtol=1e-4, atol=1e-5)


# In graphs

TWICE = """\
graph twice(%x: float32[8, 8]):
  %exp: float32[8, 8] = exp(%x)
  %y: float32[8, 8] = mul(%exp, 2)
  %h: float32[8, 8] = matmul(%y, %y)
  %late: float32[8, 8] = after(%x, %h)
  %again: float32[8, 8] = exp(%late)
  %gx: float32[8, 8] = mul(%h, %again)
  return %y, %gx"""


def test_what_is_computed_after_something_stays_so():
    graph = parse(TWICE)
    assert str(graph) == TWICE
    names = [value.op.name for value in lower(run_passes(graph, SIMPLIFY)).nodes]
    assert names.count("exp") == 2 and names.count("after") == 1


def test_after_is_computed_by_no_kernel_and_awaits_its_token():
    graph = parse(TWICE)
    kernels = [[m.op.name for m in kernel.members] for kernel in translate(graph).kernels]
    assert kernels == [["exp", "mul"], ["matmul"], ["exp", "mul"]]
    x = np.linspace(-1, 1, 64, dtype=np.float32).reshape(8, 8)
    for ours, expected in zip(Executable(graph)([x]), graph.run(x), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)


def test_what_is_joined_late_does_not_lie_in_the_whole_from_early_on():
    lines = (
        "graph(%x: float32[8, 8]):",
        "  %early: float32[8, 8] = exp(%x)",
        "  %h: float32[8, 8] = matmul(%early, %early)",
        "  %part: float32[8, 8] = {}",
        "  %whole: float32[16, 8] = cat(%part, %h, dim=0)",
        "  return %whole",
    )

    def values_with_a_home(part):
        homes = translate(parse("\n".join(lines).format(part))).buffers.homes
        return {value.op.name for value in homes}

    assert "exp" in values_with_a_home("positive(%early)")
    assert "exp" not in values_with_a_home("after(%early, %h)")
