"""Every optimizer and every schedule against PyTorch's, step by step."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import andon
from andon import nn, optim
from andon.core.errors import DTypeError, GradientError, ShapeError, StateError
from andon.optim import lr_scheduler
from andon.optim.blocks import BLOCK, sweep

SHAPES = [(3, 4), (5,), (), (2, 0)]
STEPS = 12


def parameters(t, shapes=SHAPES, dtype="float64", seed=0):
    """The same parameters in framework `t`."""
    rng = np.random.default_rng(seed)
    kind = andon.nn.Parameter if t is andon else torch.nn.Parameter
    values = [np.asarray(rng.standard_normal(shape)) for shape in shapes]
    return [kind(t.tensor(value).to(getattr(t, dtype))) for value in values]


def set_gradients(t, params, step, skip=()):
    """The same gradients in framework `t`; those in `skip` are None."""
    rng = np.random.default_rng(100 + step)
    for i, p in enumerate(params):
        g = np.asarray(rng.standard_normal(tuple(p.shape)))
        p.grad = None if i in skip else t.tensor(g).to(p.dtype)


def values(params):
    return [p.detach().float().numpy().astype(np.float64) if str(p.dtype).endswith("16")
            else p.detach().numpy() for p in params]  # fmt: skip


def run(t, optimizer, params, steps=STEPS, start=0, skip=lambda step: ()):
    for step in range(start, start + steps):
        set_gradients(t, params, step, skip(step))
        optimizer.step()
    return values(params)


def assert_all_close(ours, theirs, rtol=1e-9, atol=1e-12):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.2, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1}),
    ("Adam", {"lr": 0.1, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.0, "maximize": True, "foreach": True}),
    ("RMSprop", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.7, "weight_decay": 0.1, "maximize": True}),
    ("RMSprop", {"lr": 0.1, "centered": True}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.1, "momentum": 0.9, "centered": True, "eps": 1e-2}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "maximize": True}),
    ("Adadelta", {"lr": 1.0}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {"lr": 0.1}),
    ("Adamax", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1, "maximize": True}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"lr": 0.1}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_steps_are_those_of_pytorch(name, options):
    results = []
    for t in (andon, torch):
        params = parameters(t)
        results.append(run(t, getattr(t.optim, name)(params, **options), params))
    assert_all_close(*results)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_parameters_without_gradients_wait(name, options):
    def skip(step):
        return (step % 3,)

    results = []
    for t in (andon, torch):
        params = parameters(t)
        results.append(run(t, getattr(t.optim, name)(params, **options), params, skip=skip))
    assert_all_close(*results)


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_state_dicts_go_to_pytorch_and_come_back(name, options):
    ours, theirs = parameters(andon), parameters(torch)
    a = getattr(optim, name)(ours, **options)
    b = getattr(torch.optim, name)(theirs, **options)
    run(andon, a, ours)
    run(torch, b, theirs)
    given, back = to_torch(a.state_dict()), to_andon(b.state_dict())
    for number, state in b.state_dict()["state"].items():
        assert set(given["state"][number]) == set(state)
    b.load_state_dict(given)
    a.load_state_dict(back)
    assert_all_close(run(andon, a, ours, start=50), run(torch, b, theirs, start=50))


def to_torch(state_dict):
    return converted(state_dict, lambda x: isinstance(x, andon.Tensor), torch)


def to_andon(state_dict):
    return converted(state_dict, lambda x: isinstance(x, torch.Tensor), andon)


def converted(value, is_tensor, t):
    if is_tensor(value):
        return t.tensor(value.detach().numpy())
    if isinstance(value, dict):
        return {k: converted(v, is_tensor, t) for k, v in value.items()}
    return value


@pytest.mark.parametrize("name", ["SGD", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Lion"])
def test_half_precision_parameters_move_as_their_floats_do(name):
    for dtype in ("bfloat16", "float16", "float32"):
        params, exact = parameters(andon, dtype=dtype), parameters(andon)
        moved = run(andon, getattr(optim, name)(params, lr=0.02), params, steps=3)
        wanted = run(andon, getattr(optim, name)(exact, lr=0.02), exact, steps=3)
        assert all(p.dtype is getattr(andon, dtype) for p in params)
        assert_all_close(moved, wanted, rtol=0.1, atol=0.1)


def test_lion_follows_its_formula():
    (p,) = parameters(andon, [(4, 3)])
    opt = optim.Lion([p], lr=0.1, betas=(0.9, 0.99), weight_decay=0.2)
    x, m = p.detach().numpy().copy(), np.zeros((4, 3))
    for step in range(STEPS):
        set_gradients(andon, [p], step)
        g = p.grad.numpy()
        opt.step()
        x = x * (1 - 0.1 * 0.2) - 0.1 * np.sign(0.9 * m + 0.1 * g)
        m = 0.99 * m + 0.01 * g
        np.testing.assert_allclose(p.detach().numpy(), x, rtol=1e-12)


@pytest.mark.parametrize("shape", [(4, 6), (6, 4)])
@pytest.mark.parametrize("options", [{}, {"nesterov": False}, {"adjust_lr_fn": "match_rms_adamw"}])
def test_muon_moves_as_pytorchs_does_in_half_precision(shape, options):
    results = []
    for t in (andon, torch):
        params = parameters(t, [shape], dtype="float32")
        results.append(run(t, t.optim.Muon(params, lr=0.02, **options), params))
    assert_all_close(*results, rtol=0.03, atol=0.01)


def test_muon_brings_singular_values_near_one():
    (p,) = parameters(andon, [(8, 5)])
    before = p.detach().numpy().copy()
    opt = optim.Muon([p], lr=1.0, weight_decay=0.0, momentum=0.0, ns_steps=10)
    set_gradients(andon, [p], 0)
    opt.step()
    change = (before - p.detach().numpy()) / np.sqrt(8 / 5)
    assert np.abs(np.linalg.svd(change, compute_uv=False) - 1).max() < 0.35


def rosenbrock(t, x):
    return ((1 - x[:-1]) ** 2 + 100 * (x[1:] - x[:-1] ** 2) ** 2).sum()


def minimise(t, steps, **options):
    x = parameters(t, [(4,)])[0]
    opt = t.optim.LBFGS([x], **options)

    def closure():
        opt.zero_grad()
        loss = rosenbrock(t, x)
        loss.backward()
        return loss

    return [float(opt.step(closure).detach()) for _ in range(steps)], x.detach().numpy()


def test_lbfgs_without_line_search_moves_as_pytorchs_does():
    options = {"lr": 0.05, "max_iter": 4, "history_size": 3}
    (losses, x), (theirs, y) = minimise(andon, 6, **options), minimise(torch, 6, **options)
    np.testing.assert_allclose(losses, theirs, rtol=1e-8)
    np.testing.assert_allclose(x, y, rtol=1e-8)


def test_lbfgs_with_strong_wolfe_finds_the_minimum():
    losses, x = minimise(andon, 10, line_search_fn="strong_wolfe")
    assert losses[-1] < 1e-10
    np.testing.assert_allclose(x, 1, atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"lr": 0.3, "max_iter": 7}, {"max_eval": 6}], ids=str)
def test_lbfgs_with_strong_wolfe_moves_as_pytorchs_does(options):
    options = {"line_search_fn": "strong_wolfe", **options}
    (losses, x), (theirs, y) = minimise(andon, 4, **options), minimise(torch, 4, **options)
    np.testing.assert_allclose(losses, theirs, rtol=1e-6)
    np.testing.assert_allclose(x, y, rtol=1e-6)


def test_groups_have_hyperparameters_of_their_own():
    results = []
    for t in (andon, torch):
        params = parameters(t)
        groups = [{"params": params[:1], "lr": 0.5}, {"params": params[1:], "weight_decay": 0.1}]
        results.append(run(t, t.optim.AdamW(groups, lr=0.01), params))
    assert_all_close(*results)


def test_a_group_can_be_added_later():
    results = []
    for t in (andon, torch):
        params = parameters(t)
        opt = t.optim.SGD(params[:2], lr=0.1, momentum=0.9)
        run(t, opt, params)
        opt.add_param_group({"params": params[2], "lr": 0.01})
        results.append(run(t, opt, params, start=STEPS))
    assert_all_close(*results)


def test_named_parameters_keep_their_names():
    net = nn.Linear(2, 3)
    opt = optim.SGD(net.named_parameters(), lr=0.1)
    assert opt.param_groups[0]["param_names"] == ["weight", "bias"]
    assert opt.param_groups[0]["params"][0] is net.weight


def test_large_parameters_are_updated_in_blocks():
    results = []
    for t in (andon, torch):
        params = parameters(t, [(BLOCK + 7, 2), (3,), (5000,)])
        results.append(run(t, t.optim.AdamW(params, lr=0.1, weight_decay=0.1), params, steps=3))
    assert_all_close(*results)


def test_a_parameter_that_is_not_contiguous_is_updated_where_it_is():
    array = np.ones((70, 80), np.float32)
    p = nn.Parameter(andon.from_numpy(array.T))
    p.grad = andon.ones(80, 70)
    optim.SGD([p], lr=0.5).step()
    assert (array == 0.5).all()


def test_sweep_hands_the_rule_every_element_once():
    rows = [(np.zeros(n), np.ones(n)) for n in (3, 5000, 0, 2 * BLOCK + 1, 1, 4000)]

    def rule(p, g):
        assert len(p) == len(g) <= BLOCK
        p += g

    sweep(rule, rows)
    assert all((p == 1).all() for p, _ in rows)


def test_the_gradient_is_left_as_it_was():
    for name, options in OPTIMIZERS:
        params = parameters(andon, [(3,), (70, 80)])
        opt = getattr(optim, name)(params, **options)
        set_gradients(andon, params, 0)
        before = [p.grad.numpy().copy() for p in params]
        opt.step()
        assert_all_close([p.grad.numpy() for p in params], before, rtol=0)


def test_a_step_is_noticed_by_backward():
    p = nn.Parameter(andon.tensor([2.0]))
    loss = (p * p).sum()
    p.grad = andon.tensor([1.0])
    optim.SGD([p], lr=0.1).step()
    with pytest.raises(GradientError, match="in-place"):
        loss.backward()


def test_the_closure_is_called_with_gradients_enabled():
    p = nn.Parameter(andon.tensor([3.0]))
    opt = optim.SGD([p], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with andon.no_grad():
        assert float(opt.step(closure)) == 9
    assert float(p) == pytest.approx(3 - 0.1 * 6)


def test_zero_grad_forgets_or_zeroes():
    p = nn.Parameter(andon.ones(2))
    opt = optim.SGD([p], lr=0.1)
    p.grad = andon.ones(2)
    opt.zero_grad(set_to_none=False)
    assert p.grad.tolist() == [0, 0]
    opt.zero_grad()
    assert p.grad is None


def test_hooks_run_around_a_step():
    p, seen = nn.Parameter(andon.ones(1)), []
    opt = optim.SGD([p], lr=0.1)
    opt.register_step_pre_hook(lambda *given: seen.append("before"))
    handle = opt.register_step_post_hook(lambda *given: seen.append("after"))
    opt.step()
    handle.remove()
    opt.step()
    assert seen == ["before", "after", "before"]


def test_an_optimizer_can_be_copied_and_pickled():
    params = parameters(andon)
    opt = optim.AdamW(params, lr=0.1)
    run(andon, opt, params)
    for other in (copy.deepcopy(opt), pickle.loads(pickle.dumps(opt))):
        (group,) = other.param_groups
        assert group["lr"] == 0.1
        assert group["params"][0] is not params[0]
        assert set(map(id, other.state)) == set(map(id, group["params"]))


def test_repr_lists_the_hyperparameters():
    text = repr(optim.SGD([nn.Parameter(andon.ones(1))], lr=0.25))
    theirs = repr(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.25))
    assert text.splitlines()[:2] == theirs.splitlines()[:2] == ["SGD (", "Parameter Group 0"]
    assert "    lr: 0.25" in text.splitlines()


def test_default_hyperparameters_are_those_of_pytorch():
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam",
                 "RAdam", "Muon", "LBFGS"):  # fmt: skip
        ours = getattr(optim, name)(parameters(andon, [(2, 2)])).param_groups[0]
        theirs = getattr(torch.optim, name)(parameters(torch, [(2, 2)])).param_groups[0]
        shared = set(ours) & set(theirs) - {"params"}
        assert {k: ours[k] for k in shared} == {k: theirs[k] for k in shared}
        assert set(theirs) <= set(ours)


# Wrong use


def test_wrong_parameters_are_told():
    p = nn.Parameter(andon.ones(2))
    with pytest.raises(ValueError, match="no parameters"):
        optim.SGD([], lr=0.1)
    with pytest.raises(DTypeError, match="a single one"):
        optim.SGD(p, lr=0.1)
    with pytest.raises(DTypeError, match="expects tensors: int"):
        optim.SGD([3], lr=0.1)
    with pytest.raises(GradientError, match="only leaves"):
        optim.SGD([p * 2], lr=0.1)
    with pytest.raises(StateError, match="more than one group"):
        optim.SGD([{"params": [p]}, {"params": [p]}], lr=0.1)
    with pytest.raises(DTypeError, match="a set"):
        optim.SGD([{"params": {p}}], lr=0.1)
    with pytest.raises(ShapeError, match="only matrices"):
        optim.Muon([p])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("SGD", {"lr": -1}, "lr must be >= 0: -1"),
        ("SGD", {"lr": float("nan")}, "lr must be"),
        ("SGD", {"nesterov": True}, "nesterov needs"),
        ("Adam", {"betas": (1.0, 0.9)}, r"beta1 must be in \[0, 1\)"),
        ("AdamW", {"eps": -1}, "AdamW: eps"),
        ("RMSprop", {"momentum": -1}, "momentum"),
        ("Adadelta", {"rho": 1.5}, "rho"),
        ("LBFGS", {"line_search_fn": "golden"}, "line_search_fn"),
    ],
)
def test_wrong_hyperparameters_are_told(name, options, message):
    with pytest.raises(ValueError, match=message):
        getattr(optim, name)([nn.Parameter(andon.ones(1))], **options)


def test_an_unknown_argument_is_told():
    with pytest.raises(TypeError, match="unknown arguments"):
        optim.SGD([nn.Parameter(andon.ones(1))], lr=0.1, momentun=0.9)


def test_a_gradient_of_another_shape_is_told():
    p = nn.Parameter(andon.ones(2))
    p.grad = andon.ones(2)
    p.data = andon.ones(3)
    with pytest.raises(ShapeError, match="does not fit"):
        optim.SGD([p], lr=0.1).step()


def test_a_foreign_state_dict_is_told():
    params = parameters(andon)
    opt = optim.SGD(params, lr=0.1, momentum=0.9)
    other = optim.SGD(params[:2], lr=0.1, momentum=0.9)
    with pytest.raises(StateError, match="groups of sizes"):
        opt.load_state_dict(other.state_dict())
    with pytest.raises(StateError, match="expects a dict"):
        opt.load_state_dict({"state": {}})
    stray = opt.state_dict()
    stray["state"][77] = {}
    with pytest.raises(StateError, match="77"):
        opt.load_state_dict(stray)
    misfit = opt.state_dict()
    misfit["state"] = {0: {"momentum_buffer": andon.zeros(4, 3)}}
    with pytest.raises(StateError, match="momentum_buffer does not fit"):
        opt.load_state_dict(misfit)


def test_lbfgs_needs_a_closure():
    with pytest.raises(StateError, match="closure"):
        optim.LBFGS([nn.Parameter(andon.ones(1))]).step()


# Schedules


def halve(epoch):
    return 0.5


def rise(epoch):
    return 1 + epoch


SCHEDULES = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 2, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5], "gamma": 0.5}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.25, "total_iters": 6}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 6}),
    ("PolynomialLR", {"total_iters": 7, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingLR", {"T_max": 30}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.02}),
    ("LambdaLR", {"lr_lambda": rise}),
    ("LambdaLR", {"lr_lambda": [rise, halve]}),
    ("MultiplicativeLR", {"lr_lambda": halve}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": [0.5, 1.0], "step_size_up": 3, "step_size_down": 5,
                  "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 4, "mode": "exp_range",
                  "gamma": 0.9}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20}),
    ("OneCycleLR", {"max_lr": [0.5, 0.3], "epochs": 4, "steps_per_epoch": 5, "three_phase": True}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 20, "anneal_strategy": "linear"}),
]  # fmt: skip


def optimizer_of(t, name="SGD"):
    params = parameters(t, [(1,), (1,)])
    options = {"momentum": 0.9} if name == "SGD" else {}
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.3}]
    return getattr(t.optim, name)(groups, lr=0.1, **options)


def course(t, make, steps=18, name="SGD", **step):
    """Rates, and momenta, before each step of a schedule."""
    opt = optimizer_of(t, name)
    schedule = make(t.optim.lr_scheduler, opt)
    seen = []
    for _ in range(steps):
        momenta = [g.get("momentum", g.get("betas", (0,))) for g in opt.param_groups]
        momenta = [m[0] if isinstance(m, tuple) else m for m in momenta]
        assert schedule.get_last_lr() == [g["lr"] for g in opt.param_groups]
        seen.append([*schedule.get_last_lr(), *momenta])
        opt.step()
        schedule.step(**step)
    return np.array(seen)


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_schedules_are_those_of_pytorch(name, options, optimizer):
    def make(module, opt):
        return getattr(module, name)(opt, **options)

    ours, theirs = course(andon, make, name=optimizer), course(torch, make, name=optimizer)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_chained_schedules_multiply():
    def make(module, opt):
        parts = [module.ConstantLR(opt, 0.1, 3), module.ExponentialLR(opt, 0.9),
                 module.LinearLR(opt, 0.5, 1.0, 4)]  # fmt: skip
        return module.ChainedScheduler(parts)

    np.testing.assert_allclose(course(andon, make), course(torch, make), rtol=1e-9)


def test_sequential_schedules_take_turns():
    def make(module, opt):
        parts = [module.LinearLR(opt, 0.1, 1.0, 4), module.CosineAnnealingLR(opt, 8),
                 module.ConstantLR(opt, 0.2, 2)]  # fmt: skip
        return module.SequentialLR(opt, parts, [4, 12])

    np.testing.assert_allclose(course(andon, make), course(torch, make), rtol=1e-9)


def test_a_plateau_lowers_the_rate():
    metrics = [5, 4, 4, 4, 4, 3, 3.5, 3.5, 3.5, 3.5, 3.5, 3.5, float("nan"), 1, 1, 1, 1, 1]
    for options in (
        {"patience": 2},
        {"patience": 1, "mode": "max", "factor": 0.5, "cooldown": 2},
        {"patience": 0, "threshold": 0.5, "threshold_mode": "abs", "min_lr": [0.001, 0.02]},
    ):
        seen = []
        for t in (andon, torch):
            opt = optimizer_of(t)
            schedule = t.optim.lr_scheduler.ReduceLROnPlateau(opt, **options)
            course = []
            for metric in metrics:
                schedule.step(metric)
                course.append([g["lr"] for g in opt.param_groups])
            seen.append(course)
        np.testing.assert_allclose(*seen, rtol=1e-12)


def test_warm_restarts_take_fractions_of_epochs():
    rates = []
    for t in (andon, torch):
        opt = optimizer_of(t)
        schedule = t.optim.lr_scheduler.CosineAnnealingWarmRestarts(opt, 3)
        seen = []
        for i in range(20):
            schedule.step(i / 3)
            seen.append(schedule.get_last_lr())
        rates.append(seen)
    np.testing.assert_allclose(*rates, rtol=1e-12)


@pytest.mark.parametrize(("name", "options"), SCHEDULES)
def test_a_schedule_goes_on_from_its_state_dict(name, options):
    first, second = optimizer_of(andon), optimizer_of(andon)
    a = getattr(lr_scheduler, name)(first, **options)
    for _ in range(5):
        a.step()
    b = getattr(lr_scheduler, name)(second, **options)
    b.load_state_dict(copy.deepcopy(a.state_dict()))
    second.load_state_dict(first.state_dict())
    for _ in range(4):
        a.step()
        b.step()
        assert a.get_last_lr() == b.get_last_lr()


def test_a_sequence_of_schedules_goes_on_from_its_state_dict():
    made = []
    for _ in range(2):
        opt = optimizer_of(andon)
        parts = [lr_scheduler.LinearLR(opt, 0.1), lr_scheduler.StepLR(opt, 2)]
        made.append((opt, lr_scheduler.SequentialLR(opt, parts, [3])))
    (first, a), (second, b) = made
    for _ in range(4):
        a.step()
    b.load_state_dict(copy.deepcopy(a.state_dict()))
    second.load_state_dict(first.state_dict())
    for _ in range(4):
        a.step()
        b.step()
        assert a.get_last_lr() == b.get_last_lr()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda opt: lr_scheduler.LinearLR(opt, 0.0), "start_factor"),
        (lambda opt: lr_scheduler.ConstantLR(opt, 2.0), "factor"),
        (lambda opt: lr_scheduler.OneCycleLR(opt, 0.1), "total_steps"),
        (lambda opt: lr_scheduler.CyclicLR(opt, 0.1, 1.0, mode="square"), "mode"),
        (lambda opt: lr_scheduler.LambdaLR(opt, [halve]), "one value or 2"),
        (lambda opt: lr_scheduler.ReduceLROnPlateau(opt, factor=1.5), "factor"),
        (lambda opt: lr_scheduler.ReduceLROnPlateau(opt, mode="best"), "mode"),
        (lambda opt: lr_scheduler.SequentialLR(opt, [], []), "milestone"),
        (lambda opt: lr_scheduler.ChainedScheduler([]), "at least one"),
        (lambda opt: lr_scheduler.CosineAnnealingWarmRestarts(opt, 0), "T_0"),
    ],
)
def test_wrong_schedules_are_told(make, message):
    with pytest.raises(ValueError, match=message):
        make(optimizer_of(andon))


def test_schedules_need_an_optimizer_and_resuming_an_initial_rate():
    with pytest.raises(DTypeError, match="expects an Optimizer"):
        lr_scheduler.StepLR(3, 2)
    with pytest.raises(StateError, match="initial_lr"):
        lr_scheduler.StepLR(optimizer_of(andon), 2, last_epoch=4)
    first = lr_scheduler.StepLR(optimizer_of(andon), 2)
    with pytest.raises(StateError, match="another optimizer"):
        lr_scheduler.SequentialLR(optimizer_of(andon), [first], [])


def test_one_cycle_ends():
    schedule = lr_scheduler.OneCycleLR(optimizer_of(andon), 0.1, total_steps=3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="3 steps"):
        schedule.step()


def stepped_adamw() -> tuple[andon.optim.AdamW, andon.Tensor]:
    w = andon.ones(2, 2, requires_grad=True)
    optimizer = andon.optim.AdamW([w])
    w.sum().backward()
    optimizer.step()
    return optimizer, w


DAMAGED = {
    "groups that are none": lambda state: state.update(param_groups=1.5),
    "a group without parameters": lambda state: state["param_groups"][0].pop("params"),
    "a state that is none": lambda state: state.update(state=None),
    "a parameter's state that is none": lambda state: state["state"].update({0: 3}),
    "a moment that is missing": lambda state: state["state"][0].pop("exp_avg"),
    "a moment that is a number": lambda state: state["state"][0].update(exp_avg=1.0),
    "a moment that would broadcast": lambda state: state["state"][0].update(exp_avg=andon.ones(2)),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_state_is_an_error_that_changes_nothing(damage):
    optimizer, w = stepped_adamw()
    state = copy.deepcopy(optimizer.state_dict())
    damage(state)
    with pytest.raises(StateError, match=r"^load_state_dict: "):
        optimizer.load_state_dict(state)
    assert optimizer.state[w]["step"].item() == 1
    optimizer.step()


def test_steps_that_are_numbers_are_those_of_older_pytorch():
    optimizer, w = stepped_adamw()
    state = copy.deepcopy(optimizer.state_dict())
    state["state"][0]["step"] = 7
    optimizer.load_state_dict(state)
    optimizer.step()
    assert optimizer.state[w]["step"].item() == 8


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "RMSprop"])
def test_a_parameter_that_is_given_twice_is_updated_twice_as_in_pytorch(name):
    found = []
    for kit in (andon, torch):
        p, q = (kit.nn.Parameter(kit.tensor([1.0, -2.0])) for _ in range(2))
        with pytest.warns(UserWarning, match="twice|duplicate"):
            optimizer = getattr(kit.optim, name)([p, q, p], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            ((p * p).sum() + (q * q).sum()).backward()
            optimizer.step()
        found.append(p.tolist() + q.tolist())
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-7)
