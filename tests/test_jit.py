"""jit: what a recorded program does is what the function does, state and gradients included."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon import nn
from andon.core.errors import GraphError


def train_step(model, optimizer, scheduler=None, clip=None, loss_of=F.mse_loss):
    def step(x, y):
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        return loss

    return step


def two_runs(make, batches):
    """The losses and the model after the same steps, eager and jitted."""
    found = []
    for transform in (lambda f: f, andon.jit):
        andon.manual_seed(0)
        model, step = make()
        step = transform(step)
        losses = [step(*batch).item() for batch in batches]
        found.append((losses, model))
    return found


def check_two_runs(make, batches, tolerance=1e-12):
    (eager, a), (jitted, b) = two_runs(make, batches)
    np.testing.assert_allclose(jitted, eager, rtol=tolerance)
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        np.testing.assert_allclose(y.numpy(), x.numpy(), tolerance, tolerance, err_msg=name)


def regression(sizes, count=8):
    andon.manual_seed(1)
    return [(andon.randn(*sizes[0]).double(), andon.randn(*sizes[1]).double())
            for _ in range(count)]  # fmt: skip


def mlp():
    layers = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Dropout(0.25), nn.Linear(8, 2))
    return layers.double()


OPTIMIZERS = {
    "sgd": lambda p: andon.optim.SGD(p, lr=0.1),
    "momentum": lambda p: andon.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "dampened": lambda p: andon.optim.SGD(p, lr=0.1, momentum=0.9, dampening=0.5),
    "adam": lambda p: andon.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: andon.optim.AdamW(p, lr=0.01),
    "rmsprop": lambda p: andon.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "adagrad": lambda p: andon.optim.Adagrad(p, lr=0.1),
    "adadelta": lambda p: andon.optim.Adadelta(p),
    "adamax": lambda p: andon.optim.Adamax(p),
    "nadam": lambda p: andon.optim.NAdam(p),
    "lion": lambda p: andon.optim.Lion(p, lr=0.01),
    "radam": lambda p: andon.optim.RAdam(p, lr=0.01),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_training_step_is_one_program_with_every_optimizer(name):
    def make():
        model = mlp()
        return model, train_step(model, OPTIMIZERS[name](model.parameters()), clip=0.5)

    rounded = 1e-6 if name == "nadam" else 1e-12  # it keeps a product in float32
    check_two_runs(make, regression([(6, 4), (6, 2)]), rounded)


def test_muon_trains_matrices():
    def make():
        model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Linear(8, 2, bias=False)).double()
        return model, train_step(model, andon.optim.Muon(model.parameters(), lr=0.02))

    check_two_runs(make, regression([(6, 4), (6, 2)]), 1e-9)


def test_schedules_move_the_rate_of_a_recorded_step():
    schedulers = []

    def make():
        model = mlp()
        optimizer = andon.optim.AdamW(model.parameters(), lr=0.1)
        schedulers.append(andon.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=4))
        return model, train_step(model, optimizer, schedulers[-1])

    check_two_runs(make, regression([(6, 4), (6, 2)]))
    assert schedulers[0].get_last_lr() == schedulers[1].get_last_lr()


def test_the_rate_is_read_at_every_call():
    weight = nn.Parameter(andon.ones(2))
    optimizer = andon.optim.SGD([weight], lr=1.0)

    @andon.jit
    def step():
        optimizer.zero_grad()
        weight.sum().backward()
        optimizer.step()

    step()
    optimizer.param_groups[0]["lr"] = 0.5
    step()
    assert weight.tolist() == [-0.5, -0.5]
    assert len(step.programs) == 1


def test_batch_norm_keeps_its_statistics():
    def make():
        model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)).double()
        return model, train_step(model, andon.optim.SGD(model.parameters(), lr=0.1))

    check_two_runs(make, regression([(6, 4), (6, 2)]))


def test_a_convolutional_net_and_an_lstm_train():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.lstm = nn.Conv2d(1, 3, 3, padding=1), nn.LSTM(12, 5, batch_first=True)
            self.head = nn.Linear(5, 2)

        def forward(self, x):
            x = F.max_pool2d(self.conv(x).relu(), 2)  # (B, 3, 4, 4)
            y, _ = self.lstm(x.permute(0, 2, 1, 3).flatten(2))
            return self.head(y[:, -1])

    def make():
        model = Net().double()
        return model, train_step(model, andon.optim.Adam(model.parameters()))

    check_two_runs(make, regression([(2, 1, 8, 8), (2, 2)]))


def test_gradients_stay_in_grad():
    weight = nn.Parameter(andon.ones(3))

    @andon.jit
    def accumulate(x):
        (weight * x).sum().backward()

    x = andon.tensor([1.0, 2.0, 3.0])
    accumulate(x)
    accumulate(x)
    accumulate(x)
    assert weight.grad.tolist() == [3.0, 6.0, 9.0]


def test_random_numbers_go_on_as_they_do_eagerly():
    def draws():
        return andon.rand(3), andon.randn(2)

    andon.manual_seed(3)
    expected = [[t.tolist() for t in draws()] for _ in range(3)]
    jitted = andon.jit(draws)
    andon.manual_seed(3)
    assert [[t.tolist() for t in jitted()] for _ in range(3)] == expected


# Arguments and results


def test_arguments_and_results_are_nested_containers():
    @andon.jit
    def f(pair, *, scale):
        return {"sum": pair["a"] + pair["b"], "all": [pair["a"] * scale, None, "text"]}

    found = f({"a": andon.ones(2), "b": andon.ones(2)}, scale=3)
    assert found["sum"].tolist() == [2.0, 2.0]
    assert found["all"][0].tolist() == [3.0, 3.0]
    assert found["all"][1:] == [None, "text"]


def test_new_specs_and_new_numbers_are_recorded_anew(capfd, monkeypatch):
    monkeypatch.setenv("ANDON_LOG", "trace")

    @andon.jit
    def f(x, n):
        return x * n

    assert f(andon.ones(2), 2).tolist() == [2.0, 2.0]
    assert f(andon.ones(2), 3).tolist() == [3.0, 3.0]
    assert f(andon.ones(1), 3).tolist() == [3.0]
    assert f(andon.ones(1), 3).tolist() == [3.0]
    assert len(f.programs) == 3
    said = capfd.readouterr().err.splitlines()
    assert said == [
        "jit: recording f: the first call",
        "jit: recording f: argument 1 is 3, was 2",
        "jit: recording f: argument 0 is float32[1], was float32[2]",
    ]


def test_an_argument_is_changed_in_place_as_without_jit():
    @andon.jit
    def f(x):
        x[0] = 5.0
        x.mul_(2)
        return x

    x = andon.ones(3)
    assert f(x) is x
    assert x.tolist() == [10.0, 2.0, 2.0]


def test_a_view_of_a_captured_tensor_is_written_through():
    table = andon.zeros(2, 3)

    @andon.jit
    def f(row):
        table[1].copy_(row)
        table.t()[0].add_(1)
        return table.sum()

    assert f(andon.ones(3)).item() == 5.0
    assert table.tolist() == [[1.0, 0.0, 0.0], [2.0, 1.0, 1.0]]


def test_what_is_returned_unchanged_is_the_tensor_itself():
    weight = nn.Parameter(andon.ones(2))
    f = andon.jit(lambda x: (x, weight, x + 1))
    x = andon.zeros(2)
    first, second, third = f(x)
    assert first is x and second is weight and third.tolist() == [1.0, 1.0]


def test_a_mask_assigned_at_is_recorded_as_a_choice():
    @andon.jit
    def f(x):
        x = x.clone()
        x[x < 0] = 0.0
        return x

    assert f(andon.tensor([-1.0, 2.0])).tolist() == [0.0, 2.0]


def test_training_and_evaluation_are_two_programs():
    model = andon.jit(nn.Sequential(nn.Dropout(0.5)))
    x = andon.ones(100)
    assert (model(x) == 0).any()
    assert (model.eval()(x) == 1).all()
    assert (model.train()(x) == 0).any()


def test_a_mask_that_is_changed_is_noticed():
    mask = andon.ones(2, 2)
    f = andon.jit(lambda x: (x * mask).sum())
    assert [f(andon.ones(2, 2)).item() for _ in range(3)] == [4.0, 4.0, 4.0]
    assert len(next(iter(f.programs.values()))) == 1
    mask[0, 0] = 0.0
    assert f(andon.ones(2, 2)).item() == 3.0


CHANGED_UNSEEN = {
    "its array": lambda mask: mask.numpy(),
    "an array of a view of it": lambda mask: mask.t().numpy(),
    "its data": lambda mask: mask.data,
    "a DLPack consumer": np.from_dlpack,
}


@pytest.mark.parametrize("name", CHANGED_UNSEEN)
def test_a_mask_that_others_change_is_noticed(name):
    mask = andon.ones(2, 2)
    f = andon.jit(lambda x: (x * mask).sum())
    assert f(andon.ones(2, 2)).item() == 4.0
    CHANGED_UNSEEN[name](mask)[0, 0] = 0.0
    assert f(andon.ones(2, 2)).item() == 3.0


def test_a_mask_on_the_memory_of_an_array_is_read_anew():
    shared = np.ones((2, 2), np.float32)
    mask = andon.from_numpy(shared)
    f = andon.jit(lambda x: (x * mask).sum())
    assert f(andon.ones(2, 2)).item() == 4.0
    shared[1] = 0
    assert f(andon.ones(2, 2)).item() == 2.0


def test_why_a_recording_no_longer_holds_is_said(capfd, monkeypatch):
    monkeypatch.setenv("ANDON_LOG", "trace")
    model = andon.jit(nn.Sequential(nn.Dropout(0.5)))
    model(andon.ones(2))
    model.eval()(andon.ones(2))
    assert "the training mode of Sequential has changed" in capfd.readouterr().err


# Within eager programs


def test_a_jitted_function_takes_part_in_eager_differentiation():
    w = andon.randn(4, 2, dtype=andon.float64, requires_grad=True)
    x = andon.randn(3, 4, dtype=andon.float64, requires_grad=True)

    def f(x):
        return (x @ w).tanh(), x.sum()

    grads = []
    for g in (f, andon.jit(f)):
        y, s = g(x * 2)
        loss = (y * y).sum() + s
        grads.append(andon.autograd.grad(loss, [x, w]))
    for a, b in zip(*grads, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


def test_a_jitted_module_is_trained_by_an_eager_loop():
    def run(transform):
        andon.manual_seed(0)
        model = mlp()
        used = transform(model)
        optimizer = andon.optim.AdamW(model.parameters(), lr=0.01)
        losses = []
        for x, y in regression([(6, 4), (6, 2)]):
            optimizer.zero_grad()
            loss = F.mse_loss(used(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    np.testing.assert_allclose(run(andon.jit), run(lambda model: model), rtol=1e-12)


def test_a_second_derivative_is_taken_inside():
    x = andon.tensor([1.0, 2.0], requires_grad=True)
    f = andon.jit(lambda x: (x**3).sum())
    (g,) = andon.autograd.grad(f(x), x, create_graph=False)
    assert g.tolist() == [3.0, 12.0]
    with pytest.raises(GraphError.__mro__[1], match="differentiate inside"):
        andon.autograd.grad(f(x), x, create_graph=True)

    @andon.jit
    def second(x):
        (g,) = andon.autograd.grad((x**3).sum(), x, create_graph=True)
        return andon.autograd.grad(g.sum(), x)[0]

    assert second(x).tolist() == [6.0, 12.0]


def test_checkpointed_parts_and_functions_of_ones_own_are_recorded():
    class Double(andon.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 + 0 * x

    w = andon.ones(2, requires_grad=True)

    @andon.jit
    def f(x):
        y = andon.autograd.checkpoint(lambda x: (x * w).exp(), x, use_reentrant=False)
        Double.apply(y).sum().backward()
        return y

    f(andon.tensor([0.0, 1.0]))
    np.testing.assert_allclose(w.grad.numpy(), [0.0, 2 * np.e], rtol=1e-6)


# What cannot be recorded

FORBIDDEN = {
    "a branch": lambda x: x if x.sum() > 0 else -x,
    "a number": lambda x: x * x.sum().item(),
    "printing": lambda x: print(x),
    "an array": lambda x: np.asarray(x.detach()),
    "a loop over a size that depends on data": lambda x: x[x > 0],
    "a list": lambda x: x.tolist(),
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_needs_the_elements_is_an_error(name):
    with pytest.raises(GraphError, match="recorded"):
        andon.jit(FORBIDDEN[name])(andon.ones(2))


def test_a_tensor_that_is_kept_is_an_error_with_its_line():
    kept = []

    @andon.jit
    def f(x):
        y = x + 1
        kept.append(y)
        return y * 2

    with pytest.raises(GraphError, match=r"kept by Python.*test_jit\.py"):
        f(andon.ones(2))


def test_after_an_error_tensors_have_their_elements():
    w = andon.ones(2, requires_grad=True)

    @andon.jit
    def f(x):
        (w * x).sum().backward()
        return float(x.sum())

    with pytest.raises(GraphError):
        f(andon.ones(2))
    assert w.tolist() == [1.0, 1.0] and w.grad is None
    assert (w * 2).tolist() == [2.0, 2.0]


def test_what_changes_at_every_call_is_an_error_at_last():
    f = andon.jit(lambda x, n: x * n)
    with pytest.raises(GraphError, match="should be a tensor"):
        for n in range(100):
            f(andon.ones(1), n)


def test_threads_may_call_one_function():
    weight = andon.ones(4, requires_grad=True)
    f = andon.jit(lambda x: (x * weight).sum())
    wrong = []

    def work(n):
        for _ in range(20):
            if f(andon.full((4,), float(n))).item() != 4.0 * n:
                wrong.append(n)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []


SCALE = 2.0


def test_a_captured_variable_that_is_bound_anew_is_noticed():
    mask, factor = andon.tensor([1.0, 0.0]), 3

    @andon.jit
    def f(x):
        return x * mask * factor * SCALE

    x = andon.ones(2)
    assert f(x).tolist() == [6, 0]
    mask = andon.tensor([0.0, 1.0])
    assert f(x).tolist() == [0, 6]
    factor = 5
    assert f(x).tolist() == [0, 10]
    assert sum(map(len, f.programs.values())) == 3


def test_a_global_that_is_bound_anew_is_noticed(monkeypatch):
    f = andon.jit(lambda x: x * SCALE)
    assert f(andon.ones(1)).item() == 2
    monkeypatch.setitem(globals(), "SCALE", 4.0)
    assert f(andon.ones(1)).item() == 4


def test_a_variable_that_the_function_itself_binds_is_an_error():
    count = 0

    @andon.jit
    def f(x):
        nonlocal count
        count += 1
        return x + 1

    with pytest.raises(GraphError, match="f assigns to 'count' of an enclosing scope"):
        f(andon.ones(2))
