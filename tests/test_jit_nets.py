"""A jitted training step equals the eager one: every kind of model, over a hundred steps.

A row is a model, what it is fed, its loss, and how it is trained. In float32 the losses agree but
for rounding; in float64 all is equal to 1e-12: losses, parameters, and buffers.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import nets
import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon import nn, optim
from andon.amp import GradScaler, autocast
from andon.autograd.checkpoint import checkpoint
from andon.core.dtype import get_default_dtype
from andon.devices import compiler
from andon.func import functional_call, grad, grad_and_value, vmap
from andon.models.gpt import GPT, GPTConfig
from andon.nn.averaging import AveragedModel
from andon.nn.utils import parametrizations

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")

# ---- what models are fed: functions of a generator


def floats(*shape):
    return lambda rng: rng.standard_normal(shape).astype(get_default_dtype().numpy)


def integers(below, *shape, least=0):
    return lambda rng: rng.integers(least, below, shape)


def beginnings(rng):
    """Where four bags begin among 16 indices."""
    return np.array([0, *np.sort(rng.integers(1, 16, 3))])


LABELS, IMAGES, SEQUENCES = integers(3, 4), floats(4, 3, 8, 8), floats(4, 5, 6)
TEXTS = integers(11, 4, 6), integers(11, 4, 6)
VECTORS = floats(4, 6), LABELS

# ---- losses


def classify(model, *given):
    *xs, y = given
    return F.cross_entropy(model(*xs), y)


def next_token(model, x, y):
    return F.cross_entropy(model(x).flatten(0, 1), y.flatten())


def its_own(model, *xs):
    return model(*xs)


def of_gpt(model, x, y):
    return model(x, y)[1]


def translation(model, x, y):
    logits = model(x, y[:, :-1]).flatten(0, 1)
    return F.cross_entropy(logits, y[:, 1:].flatten(), label_smoothing=0.1)


def transcription(model, x, y, times, sizes):
    return F.ctc_loss(model(x).log_softmax(-1), y, times, sizes)


def reconstruction(model, x):
    return F.mse_loss(model(x), x)


def routed(model, x, y):
    return classify(model, x, y) + 0.01 * model.balance


# ---- ways to train: functions of a model and its loss that give a step


def sgd(model, **options):
    return optim.SGD(model.parameters(), 0.01, momentum=0.9, **options)


def plain(model, loss, optimizer=None):
    optimizer = optimizer or sgd(model)

    def step(*batch):
        optimizer.zero_grad()
        value = loss(model, *batch)
        value.backward()
        optimizer.step()
        return value

    return step


def by(optimizer):
    return lambda model, loss: plain(model, loss, optimizer(model))


def changed(change, *arguments):
    """Plainly, after something was done to the model."""

    def train(model, loss):
        change(model, *arguments)
        return plain(model, loss)

    return train


def clipped(model, loss):
    optimizer = sgd(model)

    def step(*batch):
        optimizer.zero_grad()
        loss(model, *batch).backward()
        norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        nn.utils.clip_grad_value_(model.parameters(), 0.2)
        largest = nn.utils.clip_grad_norm_(model.parameters(), 0.1, float("inf"))
        optimizer.step()
        return norm + largest

    return step


def accumulated(model, loss):
    """Over the halves of a batch, in one step."""
    optimizer = sgd(model)

    def step(*batch):
        optimizer.zero_grad()
        total = 0
        for part in zip(*(x.chunk(2) for x in batch), strict=True):
            value = loss(model, *part) / 2
            value.backward()
            total = total + value.detach()
        optimizer.step()
        return total

    return step


def accumulated_between(model, loss):
    """Over two steps, the optimizer being called by Python after every second."""
    optimizer, steps = sgd(model), iter(range(1000))

    def step(*batch):
        value = loss(model, *batch)
        value.backward()
        return value

    def between():
        if next(steps) % 2:
            optimizer.step()
            optimizer.zero_grad()

    step.between = between
    return step


def zeroed(model, loss):
    """Gradients that are set to zero and added to; they are None before the first step alone."""
    optimizer = sgd(model)

    def step(*batch):
        optimizer.zero_grad(set_to_none=False)
        value = loss(model, *batch)
        value.backward()
        optimizer.step()
        return value

    return step


def moving_average(model, loss):
    """EMA by hand, and SWA: the loss is that of all three."""
    optimizer = sgd(model)
    moving, mean = copy.deepcopy(model), AveragedModel(model)

    def step(*batch):
        optimizer.zero_grad()
        value = loss(model, *batch)
        value.backward()
        optimizer.step()
        mean.update_parameters(model)
        with andon.no_grad():
            for p, new in zip(moving.parameters(), model.parameters(), strict=True):
                p.mul_(0.9).add_(new, alpha=0.1)
        return value + loss(moving, *batch) + loss(mean, *batch)

    return step


def scheduled(model, loss):
    optimizer = sgd(model)
    schedule = optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 120)
    step = plain(model, loss, optimizer)

    def both(*batch):
        value = step(*batch)
        schedule.step()
        return value

    return both


def cast(model, loss):
    """Products in bfloat16."""

    def within(model, *batch):
        with autocast("cpu", dtype=andon.bfloat16):
            return loss(model, *batch)

    return plain(model, within)


def scaled(model, loss):
    """Steps whose gradients are not finite are left out; the scale falls, and grows again."""
    optimizer, scaler = sgd(model), GradScaler("cpu", init_scale=4.0, growth_interval=3)
    model.register_buffer("scale", scaler.factor)

    def step(x, y):
        optimizer.zero_grad()
        x = andon.where(x.amax() > 2.5, float("inf"), x)
        scaler.scale(loss(model, x, y)).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        return loss(model, x.clamp(-1, 1), y)

    return step


def checkpointed(model, loss):
    """The first layers again in the backward pass, with the same dropout."""
    first, last = nn.Sequential(model[:-1], nn.Dropout(0.3)), model[-1]
    return plain(model, lambda _, x, y: F.cross_entropy(last(checkpoint(first, x)), y))


def functional(model, loss):
    """The gradient of a function of the parameters."""
    names = [name for name, _ in model.named_parameters()]

    def step(*batch):
        parameters = dict(zip(names, model.parameters(), strict=True))
        of_parameters = grad_and_value(lambda p: F.cross_entropy(
            functional_call(model, p, batch[0]), batch[1]
        ))  # fmt: skip
        gradients, value = of_parameters(parameters)
        with andon.no_grad():
            for name, p in parameters.items():
                p -= 0.1 * gradients[name]
        return value

    return step


def per_sample(model, loss):
    """The mean of gradients that were clipped each for itself."""

    def of_one(parameters, x, y):
        return F.cross_entropy(functional_call(model, parameters, x[None]), y[None])

    def step(x, y):
        parameters = {name: p.detach() for name, p in model.named_parameters()}
        gradients = vmap(grad(of_one), (None, 0, 0))(parameters, x, y)
        with andon.no_grad():
            for name, p in model.named_parameters():
                p -= 0.1 * gradients[name].clamp(-0.1, 0.1).mean(0)
        return loss(model, x, y)

    return step


def meta(model, loss):
    """MAML: through a step of gradient descent."""

    def after_a_step(model, x, y):
        parameters = dict(model.named_parameters())
        inner = F.cross_entropy(functional_call(model, parameters, x[:2]), y[:2])
        gradients = andon.autograd.grad(inner, list(parameters.values()), create_graph=True)
        pairs = zip(parameters.items(), gradients, strict=True)
        moved = {name: p - 0.1 * g for (name, p), g in pairs}
        return F.cross_entropy(functional_call(model, moved, x[2:]), y[2:])

    return plain(model, after_a_step)


def adversarial(model, loss):
    """A generator against a discriminator whose slope is held at 1, each with its optimizer."""
    g, d = model.generator, model.discriminator
    of_g, of_d = (optim.SGD(part.parameters(), 0.01) for part in (g, d))
    judged = F.binary_cross_entropy_with_logits

    def step(real):
        one, zero = andon.ones(len(real), 1), andon.zeros(len(real), 1)
        fake, share = g(andon.randn(len(real), 3)), andon.rand(len(real), 1)
        between = (share * real + (1 - share) * fake.detach()).requires_grad_()
        (slope,) = andon.autograd.grad(d(between).sum(), between, create_graph=True)
        penalty = (slope.norm(dim=1) - 1).square().mean()
        of_d.zero_grad()
        loss_d = judged(d(real), one) + judged(d(fake.detach()), zero) + penalty
        loss_d.backward()
        of_d.step()
        of_g.zero_grad()
        loss_g = judged(d(fake), one)
        loss_g.backward()
        of_g.step()
        return loss_d + loss_g

    return step


def by_hand(model, loss):
    """Sharpness-aware: the gradient from a place nearby; hooks, noise and a penalty besides."""
    optimizer = sgd(model)
    model[0].weight.register_hook(lambda g: 0.5 * g)
    model[1].register_forward_hook(lambda module, xs, y: 2 * y)

    def step(x, y):
        optimizer.zero_grad()
        loss(model, x, y).backward()
        with andon.no_grad():
            norm = andon.stack([p.grad.norm() for p in model.parameters()]).norm()
            moves = [p.grad * (0.05 / (norm + 1e-12)) for p in model.parameters()]
            for p, move in zip(model.parameters(), moves, strict=True):
                p.add_(move)
        optimizer.zero_grad()
        penalty = sum(p.abs().sum() for p in model.parameters())
        value = loss(model, x + 0.1 * andon.randn(4, 6), y) + 1e-3 * penalty
        value.backward()
        with andon.no_grad():
            for p, move in zip(model.parameters(), moves, strict=True):
                p.sub_(move)
        optimizer.step()
        return value

    return step


def by_closure(model, loss):
    optimizer = sgd(model)

    def step(*batch):
        def closure():
            optimizer.zero_grad()
            value = loss(model, *batch)
            value.backward()
            return value

        return optimizer.step(closure)

    return step


def old_norms(model):
    nn.utils.weight_norm(model[0])
    nn.utils.spectral_norm(model[2])


def new_norms(model):
    parametrizations.weight_norm(model[0])
    parametrizations.spectral_norm(model[2])


# ---- the table


class Row(NamedTuple):
    build: Callable[[], nn.Module]
    inputs: tuple
    loss: Callable = classify
    train: Callable = plain
    recordings: int = 1


def gpt(**options):
    return lambda: GPT(GPTConfig(11, 8, 2, 2, 16, **options))


def chain(*layers):
    """Layers that are made anew for each run: (class, arguments…), or a class."""
    made = [x if isinstance(x, tuple) else (x,) for x in layers]
    return lambda: nn.Sequential(*(kind(*arguments) for kind, *arguments in made))


def encoder(**options):
    layer = partial(nn.TransformerEncoderLayer, 6, 2, 16, batch_first=True, **options)
    return lambda: nn.Sequential(layer(), nn.Flatten(), nn.Linear(30, 3))


def decoder(**options):
    layer = partial(nn.TransformerDecoderLayer, 6, 2, 16, batch_first=True, **options)
    return lambda: nn.TransformerDecoder(layer(), 2, nn.LayerNorm(6))


def drawn_to_one(model, x, memory):
    return (model(x, memory) - 1).square().mean()


def recurrent(kind, model=nets.Last, *, width=10, **options):
    options = {"num_layers": 2, "bidirectional": True, "dropout": 0.3, **options}
    return lambda: model(kind(6, 5, batch_first=True, **options), width)


mlp = chain((nn.Linear, 6, 8), nn.Tanh, (nn.Linear, 8, 3))
adamw = by(lambda model: model.configure_optimizers(1e-3))
ROWS: dict[str, Row] = {
    "GPT": Row(gpt(), TEXTS, of_gpt, adamw),
    "GPT with tied tables": Row(gpt(tied=True, dropout=0.0), TEXTS, of_gpt, adamw),
    "GPT by Muon": Row(gpt(tied=True), TEXTS, of_gpt, by(lambda model: model.configure_muon())),
    "minGPT": Row(nets.MinGPT, TEXTS, next_token),
    "Llama": Row(nets.Llama, TEXTS, next_token),
    "Mamba": Row(nets.Mamba, TEXTS, next_token),
    "Mamba at once": Row(partial(nets.Mamba, at_once=True), TEXTS, next_token),
    "transformer": Row(nets.Translator, (integers(9, 4, 5), integers(9, 4, 5)), translation),
    "encoder": Row(encoder(), (SEQUENCES, LABELS)),
    "encoder, norm first": Row(
        encoder(norm_first=True, activation="gelu"), (SEQUENCES, LABELS)
    ),
    "decoder": Row(decoder(), (SEQUENCES, floats(4, 3, 6)), drawn_to_one),
    "decoder, norm first": Row(
        decoder(norm_first=True), (SEQUENCES, floats(4, 3, 6)), drawn_to_one
    ),
    "attention with masks": Row(
        nets.Attentive, (floats(4, 5, 8), integers(6, 4, least=1), LABELS)
    ),
    "ViT": Row(nets.ViT, (IMAGES, LABELS)),
    "MLP-Mixer": Row(nets.Mixer, (IMAGES, LABELS)),
    "mixture of experts": Row(nets.Experts, VECTORS, routed),
    "embeddings": Row(nets.Tables, (integers(9, 4, 4), LABELS)),
    "bags": Row(nets.Bags, (integers(9, 4, 4), beginnings, LABELS)),
    "RNN": Row(recurrent(nn.RNN), (SEQUENCES, LABELS)),
    "GRU": Row(recurrent(nn.GRU), (SEQUENCES, LABELS)),
    "LSTM": Row(recurrent(nn.LSTM, width=6, proj_size=3), (SEQUENCES, LABELS)),
    "packed GRU": Row(recurrent(nn.GRU, nets.Packed), (SEQUENCES, LABELS)),
    "cells": Row(nets.Cells, (SEQUENCES, LABELS)),
    "ResNet": Row(nets.Residual, (IMAGES, LABELS)),
    "U-Net": Row(nets.UNet, (floats(4, 1, 8, 8),), reconstruction),
    "norms": Row(nets.Norms, (IMAGES, LABELS)),
    "convolutions": Row(
        chain(
            (nn.Conv2d, 3, 6, 3, 1, 1), (nn.BatchNorm2d, 6), nn.ReLU, (nn.MaxPool2d, 3, 2, 1),
            (nn.Conv2d, 6, 6, 3, 2, 1, 1, 6), (nn.Conv2d, 6, 8, 1, 1, 0, 1, 2), nn.ReLU,
            (nn.AvgPool2d, 2), (nn.Dropout2d, 0.2), nn.Flatten, (nn.Linear, 8, 3),
        ), (IMAGES, LABELS),
    ),
    "convolutions over time": Row(
        chain(
            (nn.Conv1d, 5, 8, 3, 1, "same", 2), (nn.BatchNorm1d, 8), nn.ReLU, (nn.MaxPool1d, 2),
            (nn.ConvTranspose1d, 8, 4, 3, 2), (nn.Dropout1d, 0.2), nn.Flatten, (nn.Linear, 28, 3),
        ), (SEQUENCES, LABELS),
    ),
    "convolutions of volumes": Row(
        chain((nn.Conv3d, 2, 3, 2), nn.ReLU, (nn.AvgPool3d, 2), nn.Flatten, (nn.Linear, 3, 3)),
        (floats(4, 2, 4, 4, 4), LABELS),
    ),
    "autoencoder": Row(
        chain(
            (nn.Conv2d, 3, 6, 3, 2, 1), nn.ReLU, (nn.Conv2d, 6, 4, 3, 2, 1), nn.ReLU,
            (nn.ConvTranspose2d, 4, 6, 3, 2, 1, 1), nn.ReLU, (nn.ConvTranspose2d, 6, 3, 4, 2, 1),
        ), (IMAGES,), reconstruction,
    ),
    "shapes of images": Row(
        chain(
            (nn.PixelUnshuffle, 2), (nn.ReflectionPad2d, 1), (nn.Conv2d, 12, 8, 3),
            (nn.ChannelShuffle, 2), (nn.PixelShuffle, 2), (nn.Upsample, None, 2.0, "bilinear"),
            (nn.LPPool2d, 2, 2), (nn.AdaptiveAvgPool2d, 3), nn.Flatten, (nn.Linear, 18, 3),
        ), (IMAGES, LABELS),
    ),
    "VAE": Row(nets.VAE, (floats(8, 12),), its_own),
    "GAN": Row(nets.GAN, (floats(6, 4),), None, adversarial),
    "activations": Row(nets.Activations, VECTORS),
    "losses": Row(nets.Losses, (*VECTORS, floats(4, 3), floats(4, 3)), its_own),
    "a loss without alignment": Row(
        chain((nn.Linear, 6, 4)),
        (floats(7, 3, 6), integers(4, 3, 3, least=1), integers(8, 3, least=5), integers(4, 3)),
        transcription,
    ),
    "dropouts": Row(
        chain((nn.Linear, 6, 8), nn.AlphaDropout, nn.SELU, (nn.FeatureAlphaDropout, 0.1),
              (nn.Linear, 8, 8), nn.Dropout, (nn.Linear, 8, 3)), VECTORS,
    ),
    "clipping": Row(mlp, VECTORS, train=clipped),
    "accumulation": Row(mlp, VECTORS, train=accumulated),
    "accumulation between steps": Row(mlp, VECTORS, train=accumulated_between, recordings=2),
    "gradients set to zero": Row(mlp, VECTORS, train=zeroed, recordings=2),
    "averages of weights": Row(mlp, VECTORS, train=moving_average),
    "a schedule": Row(mlp, VECTORS, train=scheduled),
    "mixed precision": Row(mlp, VECTORS, train=cast),
    "scaled losses": Row(mlp, VECTORS, train=scaled),
    "checkpoints": Row(mlp, VECTORS, train=checkpointed),
    "gradients of functions": Row(mlp, VECTORS, train=functional),
    "gradients per sample": Row(mlp, VECTORS, train=per_sample),
    "gradients of gradients": Row(mlp, VECTORS, train=meta),
    "sharpness": Row(mlp, VECTORS, train=by_hand),
    "a closure": Row(mlp, VECTORS, train=by_closure),
    "norms of weights": Row(mlp, VECTORS, train=changed(new_norms)),
    "norms of weights by hooks": Row(mlp, VECTORS, train=changed(old_norms)),
}  # fmt: skip

# ---- the tests

ROUNDED = {"mixed precision": 1e-2}  # losses in float32; sums of bfloat16 differ by their order
STEPS = 100
SLOW = {
    "GPT with tied tables", "encoder, norm first", "decoder, norm first", "Mamba at once",
    "packed GRU",
}  # fmt: skip


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    before = get_default_dtype()
    andon.set_default_dtype(getattr(andon, request.param))
    yield request.param
    andon.set_default_dtype(before)


def run(row, transform, steps=STEPS):
    """The losses, the state of the model after them, and what ran."""
    andon.manual_seed(0)
    model, rng = row.build(), np.random.default_rng(0)
    eager = row.train(model, row.loss)
    step, losses = transform(eager), []
    for _ in range(steps):
        losses.append(step(*(andon.tensor(draw(rng)) for draw in row.inputs)).item())
        getattr(eager, "between", bool)()
    return losses, model.state_dict(), step


def programs(step: Any) -> list:
    return [program for found in step.programs.values() for program in found]


def left_to_references(program: Any) -> list[str]:
    assert program.executable.c_source
    steps = program.executable.unit.steps
    return [each.node.op.name for each in steps if not isinstance(each, int)]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in ROWS]
)
def test_a_jitted_step_equals_the_eager_one(name, dtype):
    row = ROWS[name]
    wanted, state, _ = run(row, lambda step: step)
    found, jitted, step = run(row, andon.jit)
    assert len(programs(step)) == row.recordings
    if dtype == "float32":
        np.testing.assert_allclose(found, wanted, ROUNDED.get(name, 2e-5))
        assert [left_to_references(program) for program in programs(step)] == [[]] * row.recordings
        return
    np.testing.assert_allclose(found, wanted, 1e-12)
    for key, value in state.items():  # Adam makes steps of gradients that are but roundings of 0
        np.testing.assert_allclose(jitted[key].numpy(), value.numpy(), 1e-12, 1e-11, err_msg=key)
