"""Layers that learn their input's size, and the wrappers around whole models."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import andon
from andon import nn
from andon.core.errors import StateError
from andon.nn.averaging import (
    AveragedModel,
    get_ema_avg_fn,
    get_ema_multi_avg_fn,
    get_swa_multi_avg_fn,
    update_bn,
)
from andon.optim.lr_scheduler.anneal import SWALR


def lazy_net():
    return nn.Sequential(
        nn.LazyConv2d(4, kernel_size=3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(5)
    )


def test_a_lazy_layer_becomes_a_plain_one_at_its_first_input():
    net = lazy_net()
    assert repr(net[3]) == "LazyLinear(0, 5)"
    y = net(andon.randn(2, 3, 6, 6))
    assert y.shape == (2, 5)
    assert [type(layer) for layer in net] == [nn.Conv2d, nn.BatchNorm2d, nn.Flatten, nn.Linear]
    assert (net[0].in_channels, net[1].num_features, net[3].in_features) == (3, 4, 64)
    same = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 5),
    )
    assert list(net.state_dict()) == list(same.state_dict())


def test_a_lazy_layer_keeps_its_mode_and_its_hooks():
    net = nn.LazyBatchNorm1d().eval()
    seen = []
    net.register_forward_hook(lambda module, args, y: seen.append(type(module)))
    net(andon.randn(3, 2))
    assert net.training is False and seen == [nn.BatchNorm1d]


def test_parameters_that_are_not_there_yet_cannot_be_missed():
    net = lazy_net()
    for ask in (lambda: list(net.parameters()), net.state_dict, lambda: net[0]._apply(abs)):
        with pytest.raises(StateError, match=r"LazyConv2d: .* first input"):
            ask()
    with pytest.raises(AttributeError, match="LazyLinear: has no weight before its first input"):
        net[3].weight  # noqa: B018


def test_data_parallel_is_the_module_under_another_name():
    net = nn.DataParallel(nn.Linear(2, 3))
    x = andon.randn(4, 2)
    assert net(x).equal(net.module(x))
    assert list(net.state_dict()) == ["module.weight", "module.bias"]


# Averages of weights


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 3.0),  # of 2, 3 and 4
        ({"avg_fn": get_ema_avg_fn(0.9)}, 2 * 0.81 + 3 * 0.09 + 4 * 0.1),
        ({"multi_avg_fn": get_ema_multi_avg_fn(0.9)}, 2 * 0.81 + 3 * 0.09 + 4 * 0.1),
        ({"multi_avg_fn": get_swa_multi_avg_fn(), "use_buffers": True}, 3.0),
    ],
)
def test_an_averaged_model_holds_averages(options, expected):
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    averaged = AveragedModel(model, **options)
    for _ in range(3):
        with andon.no_grad():
            model.weight.add_(1)
        averaged.update_parameters(model)
    assert float(averaged.module.weight.detach()) == pytest.approx(expected)
    assert float(averaged(andon.ones(1)).detach()) == pytest.approx(expected)
    assert int(averaged.n_averaged) == 3


def test_update_bn_takes_the_statistics_of_one_pass():
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    ours, theirs = nn.BatchNorm1d(2), torch.nn.BatchNorm1d(2)
    ours(andon.tensor(x * 5))
    theirs(torch.tensor(x * 5))
    update_bn([(andon.tensor(x[:3]), 0), andon.tensor(x[3:] * 2)], ours)
    torch.optim.swa_utils.update_bn([(torch.tensor(x[:3]), 0), torch.tensor(x[3:] * 2)], theirs)
    np.testing.assert_allclose(ours.running_mean.numpy(), theirs.running_mean.numpy(), rtol=1e-6)
    np.testing.assert_allclose(ours.running_var.numpy(), theirs.running_var.numpy(), rtol=1e-5)
    assert ours.momentum == 0.1


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 3])
def test_the_rate_for_averaging_is_pytorchs(strategy, epochs):
    def rates(t, schedule):
        p = t.nn.Linear(1, 1)
        optimizer = t.optim.SGD(p.parameters(), lr=1.0)
        schedule = schedule(optimizer, 0.1, anneal_epochs=epochs, anneal_strategy=strategy)
        found = []
        for _ in range(6):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        return found

    assert rates(andon, SWALR) == pytest.approx(rates(torch, torch.optim.swa_utils.SWALR))
