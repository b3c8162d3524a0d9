"""A jitted training step equals the eager one: every kind of model, over a hundred steps.

A row is a model, what it is fed, its loss, and how it is trained. In float32 the losses agree but
for rounding; in float64 all is equal to 1e-12: losses, parameters, and buffers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import nets
import numpy as np
import pytest
import steps

import andon
import andon.nn.functional as F
from andon import nn
from andon.core.dtype import get_default_dtype
from andon.devices import compiler
from andon.models.gpt import GPT, GPTConfig

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
LONG_TEXTS = integers(11, 32, 12), integers(11, 32, 12)
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


# ---- the table


class Row(NamedTuple):
    build: Callable[[], nn.Module]
    inputs: tuple
    loss: Callable = classify
    train: Callable = steps.plain
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
adamw = steps.by(lambda model: model.configure_optimizers(1e-3))
muon = steps.by(lambda model: model.configure_muon())
ROWS: dict[str, Row] = {
    "GPT": Row(gpt(), TEXTS, of_gpt, adamw),
    "GPT with tied tables": Row(gpt(tied=True, dropout=0.0), TEXTS, of_gpt, adamw),
    "GPT by Muon": Row(gpt(tied=True), TEXTS, of_gpt, muon),
    "minGPT": Row(nets.MinGPT, LONG_TEXTS, next_token),
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
    "U-Net": Row(nets.UNet, (floats(2, 1, 8, 8),), reconstruction),
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
    "GAN": Row(nets.GAN, (floats(6, 4),), None, steps.adversarial),
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
    "clipping": Row(mlp, VECTORS, train=steps.clipped),
    "accumulation": Row(mlp, VECTORS, train=steps.accumulated),
    "accumulation between steps": Row(mlp, VECTORS, train=steps.accumulated_between, recordings=2),
    "gradients set to zero": Row(mlp, VECTORS, train=steps.zeroed, recordings=2),
    "averages of weights": Row(mlp, VECTORS, train=steps.moving_average),
    "a schedule": Row(mlp, VECTORS, train=steps.scheduled),
    "mixed precision": Row(mlp, VECTORS, train=steps.cast),
    "scaled losses": Row(mlp, VECTORS, train=steps.scaled),
    "checkpoints": Row(mlp, VECTORS, train=steps.checkpointed),
    "gradients of functions": Row(mlp, VECTORS, train=steps.functional),
    "gradients per sample": Row(mlp, VECTORS, train=steps.per_sample),
    "gradients of gradients": Row(mlp, VECTORS, train=steps.meta),
    "sharpness": Row(mlp, VECTORS, train=steps.by_hand),
    "a closure": Row(mlp, VECTORS, train=steps.by_closure),
    "norms of weights": Row(mlp, VECTORS, train=steps.changed(steps.new_norms)),
    "norms of weights by hooks": Row(mlp, VECTORS, train=steps.changed(steps.old_norms)),
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


def run(row, transform, count=STEPS):
    """The losses, the state of the model after them, and what ran."""
    andon.manual_seed(0)
    model, rng = row.build(), np.random.default_rng(0)
    eager = row.train(model, row.loss)
    step, losses = transform(eager), []
    for _ in range(count):
        losses.append(step(*(andon.tensor(draw(rng)) for draw in row.inputs)).item())
        getattr(eager, "between", bool)()
    return losses, model.state_dict(), step


def programs(step: Any) -> list:
    return [program for found in step.programs.values() for program in found]


def left_to_references(program: Any) -> list[str]:
    assert program.executable.c_source
    kernels = program.executable.unit.steps
    return [each.node.op.name for each in kernels if not isinstance(each, int)]


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


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ROWS if ROWS[name].train is steps.plain])
def test_a_jitted_module_in_an_eager_loop_equals_the_eager_one(name):
    def trained(transform):
        def train(model, loss):
            model = transform(model)
            return steps.plain(model, loss)

        return run(ROWS[name]._replace(train=train), lambda step: step, 10)

    (wanted, *_), (found, *_) = trained(lambda model: model), trained(andon.jit)
    np.testing.assert_allclose(found, wanted, 2e-5)


def only_program(row):
    (program,) = programs(run(row, andon.jit, 1)[2])
    return program.executable


def test_a_gpt_with_dropout_has_its_attention_recognised_and_takes_some_samples_at_a_time():
    source = only_program(ROWS["minGPT"]).c_source
    assert "attention_backward_kernel" in source and "softmax" not in source
    assert "run_step" in source


def test_the_steps_of_a_recurrence_share_their_kernels():
    layer = recurrent(nn.LSTM, width=5, num_layers=1, bidirectional=False, dropout=0.0)
    program = only_program(Row(layer, (floats(6, 16, 6), integers(3, 6))))
    assert len(program.unit.kernels) > 80
    assert program.c_source.count("NOINLINE") < 40
