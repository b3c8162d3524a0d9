"""Training steps of every kind, written as people write them.

Each is a function of a model and its loss that gives a step, a function of a batch.
"""

from __future__ import annotations

import copy

import andon
import andon.nn.functional as F
from andon import nn, optim
from andon.amp import GradScaler, autocast
from andon.autograd.checkpoint import checkpoint
from andon.func import functional_call, grad, grad_and_value, vmap
from andon.nn.averaging import AveragedModel
from andon.nn.utils import parametrizations


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
