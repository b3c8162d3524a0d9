"""Schedules beside recorded steps: they move what the step reads, and nothing is recorded again."""

from __future__ import annotations

import numpy as np
import pytest

import andon
from andon import optim
from andon.optim import lr_scheduler as schedules

SCHEDULES = {
    "lambda": lambda o: schedules.LambdaLR(o, lambda t: 1 / (1 + t)),
    "multiplicative": lambda o: schedules.MultiplicativeLR(o, lambda t: 0.9),
    "steps": lambda o: schedules.StepLR(o, 3),
    "milestones": lambda o: schedules.MultiStepLR(o, [2, 5]),
    "constant": lambda o: schedules.ConstantLR(o, total_iters=3),
    "linear": lambda o: schedules.LinearLR(o, total_iters=4),
    "exponential": lambda o: schedules.ExponentialLR(o, 0.8),
    "polynomial": lambda o: schedules.PolynomialLR(o, 6, 2.0),
    "cosine": lambda o: schedules.CosineAnnealingLR(o, 5),
    "restarts": lambda o: schedules.CosineAnnealingWarmRestarts(o, 3),
    "cycles": lambda o: schedules.CyclicLR(o, 0.001, 0.1, 3),
    "one cycle": lambda o: schedules.OneCycleLR(o, 0.1, 10),
    "one cycle in three": lambda o: schedules.OneCycleLR(o, 0.1, 10, three_phase=True),
    "rates alone": lambda o: schedules.OneCycleLR(o, 0.1, 10, cycle_momentum=False),
    "in turn": lambda o: schedules.SequentialLR(
        o, [schedules.ConstantLR(o, 0.1), schedules.ExponentialLR(o, 0.9)], [4]
    ),
    "at once": lambda o: schedules.ChainedScheduler(
        [schedules.ConstantLR(o, 0.1, 3), schedules.ExponentialLR(o, 0.9)]
    ),
}
OPTIMIZERS = {
    "sgd": lambda p: optim.SGD(p, 0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "rmsprop": lambda p: optim.RMSprop(p, 0.01, momentum=0.5),
    "adam": lambda p: optim.Adam(p, 0.01, amsgrad=True),
    "adamw": lambda p: optim.AdamW(p, 0.01),
    "adamax": lambda p: optim.Adamax(p, 0.01),
    "nadam": lambda p: optim.NAdam(p, 0.01),
    "radam": lambda p: optim.RAdam(p, 0.01),
    "lion": lambda p: optim.Lion(p, 0.01),
    "muon": lambda p: optim.Muon(p, 0.01),
    "adagrad": lambda p: optim.Adagrad(p, 0.1),
    "adadelta": lambda p: optim.Adadelta(p, 1.0),
}
PAIRS = [("adamw", name) for name in SCHEDULES] + [("sgd", "cycles"), ("rmsprop", "cycles")]
PAIRS += [(name, "one cycle") for name in OPTIMIZERS if name not in ("adagrad", "adadelta")]
PAIRS += [("adagrad", "cosine"), ("adadelta", "rates alone")]


def run(optimizer, schedule, transform):
    """The weights after each of ten steps, and what ran them."""
    weight = andon.nn.Parameter(andon.linspace(-1, 1, 6, dtype=andon.float64).reshape(2, 3))
    optimizer = OPTIMIZERS[optimizer]([weight])
    scheduler = SCHEDULES[schedule](optimizer)

    def step(x):
        optimizer.zero_grad()
        loss = ((weight * x).sin() + weight).square().sum()
        loss.backward()
        optimizer.step()
        scheduler.step()

    step = transform(step)
    weights = []
    for t in range(10):
        step(andon.full((3,), 1 + t / 8, dtype=andon.float64))
        weights.append(weight.detach().numpy().copy())
    return np.array(weights), step


@pytest.mark.parametrize(("optimizer", "schedule"), dict.fromkeys(PAIRS))
def test_a_step_is_recorded_once_with_any_schedule(optimizer, schedule):
    wanted, _ = run(optimizer, schedule, lambda step: step)
    found, step = run(optimizer, schedule, andon.jit)
    rounded = 1e-6 if optimizer == "nadam" else 1e-12  # it keeps a product in float32
    np.testing.assert_allclose(found, wanted, rounded, rounded)
    assert [len(programs) for programs in step.programs.values()] == [1]


def test_a_plateau_is_noticed_between_steps():
    weight = andon.nn.Parameter(andon.ones(2))
    optimizer = optim.SGD([weight], 1.0)
    scheduler = schedules.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)

    @andon.jit
    def step():
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()

    for _ in range(3):
        step()
        scheduler.step(1.0)
    assert weight.tolist() == [1 - 1 - 1 - 0.5] * 2
    assert [len(programs) for programs in step.programs.values()] == [1]


def test_momentum_that_is_cycled_to_nothing_is_none():
    def run(transform):
        weight = andon.nn.Parameter(andon.ones(2, dtype=andon.float64))
        optimizer = optim.SGD([weight], 0.1, momentum=0.9)
        scheduler = schedules.CyclicLR(optimizer, 0.1, 0.2, 2, base_momentum=0.0, max_momentum=0.9)

        def step():
            optimizer.zero_grad()
            weight.square().sum().backward()
            optimizer.step()
            scheduler.step()

        step = transform(step)
        for _ in range(9):
            step()
        return weight.detach().numpy()

    np.testing.assert_allclose(run(andon.jit), run(lambda step: step), 1e-12)
