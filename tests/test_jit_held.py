"""What Python holds while a function is recorded: numbers, tensors in objects, known elements."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest

import andon
from andon import nn
from andon.core.errors import GraphError
from andon.optim import SGD, Adam, Optimizer


def recordings(f) -> int:
    return sum(map(len, f.programs.values()))


class Decaying(Optimizer):
    """SGD with momentum, and a rate of lr / t, t being a number in the state."""

    def __init__(self, params, lr=0.5, counts=True):
        super().__init__(params, {"lr": lr})
        self.counts = counts

    def step(self, closure=None):
        with andon.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    state = self.state[p]
                    if not state:
                        state["step"], state["momentum"] = 0, andon.zeros_like(p)
                    if self.counts:
                        state["step"] += 1
                    state["momentum"].mul_(0.9).add_(p.grad)
                    p.add_(state["momentum"], alpha=-group["lr"] / max(state["step"], 1))


def trained(jitted, counts):
    w = andon.ones(3, requires_grad=True)
    optimizer = Decaying([w], counts=counts)

    def step(x):
        optimizer.zero_grad()
        loss = ((w - x) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    run = andon.jit(step, whole=False) if jitted else step
    losses = []
    for i in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 / (1 + i // 2)
        losses.append(run(andon.arange(3.0)).item())
    return losses


def test_an_optimizer_that_counts_in_python_runs_eagerly():
    with pytest.warns(UserWarning, match=r"changes what Python holds at every call.*step"):
        found = trained(True, counts=True)
    assert found == pytest.approx(trained(False, counts=True))


def test_an_optimizer_that_keeps_tensors_is_recorded_and_its_rate_may_change():
    assert trained(True, counts=False) == pytest.approx(trained(False, counts=False))


class Cooling(nn.Module):
    def __init__(self):
        super().__init__()
        self.temperature, self.calls = 1.0, 0
        self.register_buffer("lowest", andon.zeros(()))
        self.hidden = andon.zeros(2)

    def count(self, x):
        self.calls += 1
        return x * self.calls

    def lower(self, x):
        self.lowest = andon.minimum(self.lowest, x.min())
        return x - self.lowest

    def forward(self, x):
        self.hidden = (self.hidden + x).detach()
        return self.hidden / self.temperature


def test_a_number_that_every_call_changes_is_an_error_and_stays_what_it_was():
    module = Cooling()
    f = andon.jit(module.count)
    assert f(andon.ones(2)).tolist() == [1, 1]
    with pytest.raises(GraphError, match=r"every call.*calls"):
        f(andon.ones(2))
    assert module.calls == 1


def test_an_attribute_that_is_set_between_calls_is_noticed():
    module = Cooling()
    f = andon.jit(lambda x: module(x))
    assert f(andon.ones(2)).tolist() == [1, 1]
    module.temperature = 0.5
    assert f(andon.ones(2)).tolist() == [4, 4]
    assert f(andon.ones(2)).tolist() == [6, 6]
    assert recordings(f) == 2


def test_a_tensor_put_in_the_place_of_another_is_put_there_by_every_call():
    module = Cooling()
    first = module.hidden
    f = andon.jit(lambda x: module(x))
    f(andon.ones(2))
    second = module.hidden
    f(andon.ones(2))
    assert first.tolist() == [0, 0] and second.tolist() == [1, 1]
    assert module.hidden.tolist() == [2, 2]
    module.hidden = andon.full((2,), 10.0)
    assert f(andon.ones(2)).tolist() == [11, 11]
    assert recordings(f) == 1


def test_a_buffer_that_is_assigned_is_new_after_every_call():
    module = Cooling()
    f = andon.jit(lambda x: module.lower(x))
    for low in (-1.0, 3.0, -2.0):
        f(andon.full((2,), low))
    assert module.lowest.item() == -2 and list(module.state_dict()) == ["lowest"]


def test_what_was_set_before_a_recording_failed_is_taken_back():
    module = Cooling()

    def f(x):
        y = module(x)
        return y if y.sum() > 0 else x

    with pytest.warns(UserWarning, match="runs eagerly"):
        assert andon.jit(f, whole=False)(andon.ones(2)).tolist() == [1, 1]
    assert module.hidden.tolist() == [1, 1]


def test_data_that_is_assigned_is_what_the_tensor_has_after_every_call():
    w = andon.ones(2, requires_grad=True)

    @andon.jit
    def f(x):
        before = w.data.clone()
        w.data.add_(x)
        y = w * 2
        w.data = before + 0.5
        return y.detach()

    assert f(andon.ones(2)).tolist() == [4, 4] and w.tolist() == [1.5, 1.5]
    assert f(andon.ones(2)).tolist() == [5, 5] and w.tolist() == [2, 2]


def test_a_jitted_step_of_an_optimizer_reads_the_gradients_there_are_now():
    w = andon.ones(2, requires_grad=True)
    optimizer = SGD([w], lr=1.0)
    step = andon.jit(lambda: optimizer.step())
    for factor in (1.0, 2.0, 3.0):
        optimizer.zero_grad()
        (w.sum() * factor).backward()
        step()
    assert w.tolist() == [-5, -5] and recordings(step) == 1


def test_a_tensor_made_within_may_gather_a_gradient():
    w = andon.tensor([1.0, 2.0], requires_grad=True)

    @andon.jit
    def penalty(x):
        w.grad = None
        point = (x * 0.5).requires_grad_()
        (slope,) = andon.autograd.grad((w * point**2).sum(), point, create_graph=True)
        loss = (slope.norm() - 1) ** 2
        loss.backward()
        return loss

    found = [(penalty(x).item(), w.grad.tolist()) for x in andon.tensor([[1.0, 2.0], [0.5, 1.0]])]
    expected = [(penalty.function(x).item(), w.grad.tolist())
                for x in andon.tensor([[1.0, 2.0], [0.5, 1.0]])]  # fmt: skip
    for (a, b), (c, d) in zip(found, expected, strict=True):
        assert a == pytest.approx(c) and b == pytest.approx(d)


# Elements that are known


def test_elements_of_constants_and_of_what_is_captured_are_known():
    mask, group, times = andon.tensor([True, False, True]), andon.tensor([0, 1, 1]), andon.tensor(2)

    @andon.jit
    def f(x):
        y = x[mask]
        for _ in range(int(times)):
            y = y + 1
        return y, x.outer(x)[~andon.eye(3).bool()], andon.bincount(group, minlength=4)

    x = andon.tensor([1.0, 2.0, 3.0])
    y, others, counts = f(x)
    assert y.tolist() == [3, 5] and counts.tolist() == [1, 2, 0, 0]
    assert others.tolist() == [2, 3, 2, 6, 3, 6]
    mask[1], group[0] = True, 3
    y, _, counts = f(x)
    assert y.tolist() == [3, 4, 5] and counts.tolist() == [0, 2, 0, 1]
    f(x)
    assert recordings(f) == 2


def test_a_least_squares_solution_is_recorded():
    A, b = andon.arange(12.0).square().reshape(4, 3).sin(), andon.arange(8.0).reshape(4, 2).cos()
    expected, found = andon.linalg.lstsq(A, b), andon.jit(andon.linalg.lstsq)(A, b)
    for x, y in zip(expected, found, strict=True):
        assert x.shape == y.shape and x.allclose(y, atol=1e-5)


def test_a_flag_that_is_set_once_is_read_again():
    flag, w = andon.tensor(False), andon.zeros(2)

    @andon.jit
    def f(x):
        if not flag:
            w.copy_(x)
            flag.fill_(True)
        return w * 2

    assert f(andon.ones(2)).tolist() == [2, 2]
    assert f(andon.zeros(2)).tolist() == [2, 2]


def test_elements_that_every_call_changes_are_not_known():
    count = andon.tensor(0)

    @andon.jit
    def f(x):
        count.add_(1) if count.item() % 2 == 0 else None
        return x

    with pytest.raises(GraphError, match="every call changes"):
        f(andon.ones(2))
    assert count.item() == 0


def test_draws_and_parameters_are_not_known():
    w = andon.ones(2, requires_grad=True)
    for f in (lambda: andon.rand(3).tolist(), lambda: w.tolist()):
        with pytest.raises(GraphError, match="not known"):
            andon.jit(f)()


def test_a_captured_tensor_within_a_list_of_numbers_is_read_when_it_changes():
    scale = andon.tensor(2.0)
    f = andon.jit(lambda x: x * andon.tensor([scale, 1.0]))
    assert f(andon.ones(2)).tolist() == [2, 1]
    scale.fill_(3)
    assert f(andon.ones(2)).tolist() == [3, 1]


class Doubling(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.factor = nn.Linear(1, 1, bias=False), 2.0
        nn.init.ones_(self.inner.weight)

    def forward(self, x):
        return self.inner(x) * (self.factor if self.training else 1.0)


def test_a_jitted_module_has_the_attributes_of_its_module():
    module = Doubling()
    jitted = andon.jit(module)
    x = andon.ones(1, 1)
    assert isinstance(jitted, Doubling) and jitted(x).item() == 2
    module.eval()
    assert jitted(x).item() == 1
    jitted.train()
    jitted.factor = 5.0
    assert module.training and module(x).item() == jitted(x).item() == 5
    module.inner = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.inner.weight, 3.0)
    assert jitted(x).item() == 15
    twin = copy.deepcopy(jitted)
    twin.factor = 1.0
    assert twin(x).item() == 3 and jitted(x).item() == 15


def test_parameters_that_are_frozen_no_longer_are_trained():
    module = Doubling()
    module.inner.weight.requires_grad_(False)
    other = andon.ones(1, requires_grad=True)
    optimizer = SGD([other], lr=0.1)

    @andon.jit
    def step(x):
        optimizer.zero_grad()
        (module(x) + other).sum().backward()
        optimizer.step()

    step(andon.ones(1, 1))
    module.inner.weight.requires_grad_()
    optimizer.add_param_group({"params": [module.inner.weight], "lr": 1.0})
    step(andon.ones(1, 1))
    assert module.inner.weight.item() == -1 and other.item() == pytest.approx(0.8)


def test_a_weight_that_a_hook_computes_is_recorded():
    def gradients(jitted):
        layer = nn.Linear(2, 2, bias=False)
        with andon.no_grad():
            layer.weight.copy_(andon.tensor([[1.0, 2.0], [3.0, 5.0]]))
        layer = nn.utils.spectral_norm(layer)
        layer.weight_u.copy_(andon.tensor([1.0, 0.0]))

        def step(x):
            layer.weight_orig.grad = None
            layer(x).square().sum().backward()

        run = andon.jit(step) if jitted else step
        for _ in range(3):
            run(andon.ones(1, 2))
        return layer.weight_orig.grad.flatten().tolist()

    assert gradients(True) == pytest.approx(gradients(False), rel=1e-4)


def test_a_mode_that_the_function_sets_is_set_by_every_call():
    module = Doubling()

    @andon.jit
    def evaluate(x):
        module.eval()
        return module(x)

    for _ in range(3):
        module.train()
        assert evaluate(andon.ones(1, 1)).item() == 1 and not module.training
    assert recordings(evaluate) == 1


@pytest.mark.parametrize("draw", [random.random, np.random.rand])
def test_random_numbers_of_python_are_an_error_and_are_drawn_again(draw):
    draw()
    random.seed(0), np.random.seed(0)
    expected = draw()
    random.seed(0), np.random.seed(0)

    def f(x):
        return x * draw()

    with pytest.warns(UserWarning, match="draws random numbers"):
        found = andon.jit(f, whole=False)(andon.ones(1))
    assert found.item() == pytest.approx(expected)


def test_what_takes_from_an_iterator_runs_eagerly():
    rows = iter(andon.arange(4.0))
    f = andon.jit(lambda: next(rows) * 2, whole=False)
    assert f().item() == 0
    with pytest.warns(UserWarning, match="takes from an iterator"):
        assert f().item() == 2
    assert [f().item(), f().item()] == [4, 6]


def test_a_jitted_loss_may_be_scaled_before_its_gradient_is_taken():
    w = andon.tensor([1.0, 2.0], requires_grad=True)
    loss = andon.jit(lambda x: (w * x).sum())
    (loss(andon.ones(2)) / 4).backward()
    assert w.grad.tolist() == [0.25, 0.25]


def test_an_optimizer_whose_state_is_cleared_starts_anew():
    def losses(jitted):
        w = andon.tensor([1.0, -2.0], requires_grad=True)
        optimizer = Adam([w], lr=0.1)

        def step():
            optimizer.zero_grad()
            loss = (w**2).sum()
            loss.backward()
            optimizer.step()
            return loss

        run = andon.jit(step) if jitted else step
        found = [run().item() for _ in range(3)]
        optimizer.state.clear()
        return found + [run().item() for _ in range(3)]

    assert losses(True) == pytest.approx(losses(False))


def test_a_tensor_in_a_dict_may_be_taken_away_between_calls():
    state = {"h": None}

    @andon.jit
    def f(x):
        state["h"] = x if state["h"] is None else state["h"] + x
        state["h"] = state["h"] * 1.0
        return state["h"]

    x = andon.ones(2)
    assert [f(x).tolist()[0] for _ in range(3)] == [1, 2, 3]
    for _ in range(3):
        state["h"] = None
        assert [f(x).tolist()[0] for _ in range(3)] == [1, 2, 3]
    assert state["h"].tolist() == [3, 3] and recordings(f) == 2
