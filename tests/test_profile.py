"""Profiles: what they count, what a profiled call changes, and the trace."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import andon
from andon import nn
from andon.codegen.timed import Timed
from andon.core.errors import IndexingError
from andon.devices import compiler, threads
from andon.engine import executable
from andon.engine import profile as profiles
from andon.engine.executable import Executable
from andon.engine.profile import Profile
from andon.engine.roofline import Roofline, roofline
from andon.engine.timing import Event, Run
from andon.graph.cost import Cost

FILE = Path(__file__).name


@pytest.fixture(autouse=True)
def known_roofline(request, monkeypatch):
    """Most tests need not measure the machine."""
    if "measured" not in request.node.name:
        monkeypatch.setattr(profiles, "roofline", lambda threads: Roofline(1e9, 1e9))


def training_step(batch=32):
    """A step, its model and its arguments. It is split along a batch that is large enough."""
    andon.manual_seed(0)
    rng = np.random.default_rng(0)
    x = andon.tensor(rng.standard_normal((batch, 10, 24)).astype(np.float32))
    y = andon.tensor(rng.integers(0, 7, (batch, 10)))
    layers = [nn.Linear(24, 40), nn.GELU(), nn.LayerNorm(40), nn.Linear(40, 7), nn.Dropout(0.1)]
    model = nn.Sequential(*layers)
    optimizer = andon.optim.AdamW(model.parameters(), lr=0.01)
    schedule = andon.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

    def step(x, y):
        loss = nn.functional.cross_entropy(model(x).reshape(-1, 7), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        return loss

    return andon.jit(step), model, x, y


def test_a_profile_counts_the_calls_of_each_kernel():
    step, _, x, y = training_step()
    found = step.profile(x, y)
    assert "run_step" in step.c_source(x, y)
    products = [row for row in found.rows if row.name.startswith("matmul")]
    chunks = max(row.calls for row in products)
    assert len(products) == 5 and all(row.calls == chunks > 1 for row in products)
    assert all(row.seconds > 0 for row in products)
    first = next(row for row in products if "gelu" in row.name)
    # the product, its bias, GELU and the GELU's own argument
    assert first.cost.flops == (2 * 24 + 2) * 320 * 40
    assert first.lines[0][0] == __file__ and first.values


@pytest.mark.parametrize("batch", (32, 2))
def test_a_profiled_step_updates_once(batch):
    """Weights, moments, the schedule, the numbers drawn: batch-parallel, and op by op."""
    step, model, x, y = training_step(batch)
    losses = [step(x, y).item() for _ in range(3)]
    weights = [p.detach().numpy().copy() for p in model.parameters()]
    assert ("run_step" in step.c_source(x, y)) == (batch == 32)
    step, model, x, y = training_step(batch)
    assert step(x, y).item() == losses[0]
    step.profile(x, y)
    assert step(x, y).item() == losses[2]
    for p, expected in zip(model.parameters(), weights, strict=True):
        np.testing.assert_array_equal(p.detach().numpy(), expected)


def test_the_first_call_may_be_the_profiled_one():
    step, _, x, y = training_step()
    losses = [step(x, y).item() for _ in range(2)]
    step, _, x, y = training_step()
    step.profile(x, y)
    assert step(x, y).item() == losses[1]


def test_ops_that_python_computes_are_in_it():
    x = andon.randn(6, 6)
    found = andon.profile(lambda x: andon.linalg.inv(x * 2).exp(), x)
    names = {row.name for row in found.rows}
    assert "inv" in names and any("exp" in name for name in names)


def test_without_a_compiler_each_op_is_timed(monkeypatch):
    monkeypatch.setattr(compiler, "available", lambda: False)
    monkeypatch.setattr(executable, "WARNED", [True])
    x, w = np.ones((4, 3), np.float32), np.ones((3, 5), np.float32)
    graph = andon.trace(lambda x, w: (w + 1, (x @ w).exp()), andon.tensor(x), andon.tensor(w))
    found = Executable(graph, {0: 1}).profile([x, w])
    costs = {row.name: row.cost.flops for row in found.rows}
    assert costs == {"add": 15, "matmul": 2 * 4 * 5 * 3, "exp": 20}
    assert (w == 2).all() and found.threads == 1


def test_a_function_that_is_differentiated_later_shows_its_forward_pass():
    w = andon.randn(16, 16, requires_grad=True)
    f = andon.jit(lambda x: (x @ w).tanh().sum())
    x = andon.randn(8, 16)
    assert sum(row.cost.flops for row in f.profile(x).rows) == 2 * 8 * 16 * 16 + 2 * 8 * 16
    f(x).backward()
    assert w.grad is not None


def test_what_a_failing_call_would_update_is_left_alone():
    table, w = andon.randn(5, 8), andon.zeros(8)

    @andon.jit
    def f(index):
        w.add_(nn.functional.embedding(index, table).sum(0))

    with pytest.raises(IndexingError):
        f.profile(andon.tensor([1, 7]))
    assert w.tolist() == [0.0] * 8


def test_graphs_modules_and_functions_are_profiled():
    x, model = andon.ones(4, 8), nn.Linear(8, 2)
    wanted = 2 * 4 * 2 * 8 + 4 * 2
    with andon.no_grad():
        graph = andon.trace(lambda x: model(x), x)
    for found in (
        andon.profile(model, x),
        andon.profile(andon.jit(model), x),
        andon.profile(lambda x: model(x), x),
        andon.profile(graph, x, *model.parameters()),
    ):
        assert found.cost.flops == wanted


def test_other_files_know_nothing_of_clocks():
    step, _, x, y = training_step()
    step.profile(x, y)
    assert "TIMED" not in step.c_source(x, y) and "profile" not in step.c_source(x, y)


# ---- what is shown


def by_hand():
    """Two threads share a product; one of them adds up what comes of it."""
    calls = [
        Timed("matmul_kernel", ("h",), (("/home/m.py", 3),), 2, Cost(1000, 300, 100)),
        Timed("sum_loop", ("total",), (), 1, Cost(50, 100, 4)),
    ]
    events = [Event(0, 0, 100, 2100), Event(0, 1, 100, 4100), Event(1, 0, 5000, 6000)]
    return Profile("step", Run(calls, 0, 10000, events), 2)


def test_a_kernel_takes_the_mean_of_its_threads():
    product, total = by_hand().rows
    assert (product.calls, product.cost) == (2, Cost(2000, 600, 200))
    assert product.seconds == pytest.approx(3e-6) and total.seconds == pytest.approx(1e-6)


def test_the_roof_is_what_takes_longer():
    found = by_hand()
    product, total = found.rows  # at 1 GFLOP/s and 1 GB/s
    assert found.share_of_roof(product) == pytest.approx(2000 / 3000)
    assert found.share_of_roof(total) == pytest.approx(104 / 1000)


def test_the_table():
    assert [" ".join(line.split()) for line in str(by_hand()).splitlines()] == [
        "step: 10 µs, 2 threads; the roof, as measured: 1 GFLOP/s, 1.0 GB/s",
        "kernel calls time share FLOP bytes GFLOP/s GB/s of roof line values",
        "matmul_kernel 2 3 µs 30% 2 k 800 0.7 0.3 67% m.py:3 h",
        "sum_loop 1 1 µs 10% 50 104 0.1 0.1 10% total",
        "between kernels 6 µs 60%",
    ]


def test_a_trace_has_a_track_for_each_thread(tmp_path):
    step, _, x, y = training_step()
    found = step.profile(x, y)
    events = json.loads(found.save_trace(tmp_path / "step.json").read_text())["traceEvents"]
    calls = [e for e in events if e["ph"] == "X"]
    named = {e["tid"] for e in events if e["ph"] == "M"}
    assert {e["tid"] for e in calls} == named <= set(range(threads.count()))
    assert len(calls) >= sum(row.calls for row in found.rows)
    for e in calls:
        assert 0 <= e["ts"] <= e["ts"] + e["dur"] <= found.seconds * 1e6 + 1
    product = next(e for e in calls if "gelu" in e["name"])
    assert FILE in product["args"]["line"] and product["args"]["flops"] > 0


def test_the_roofline_is_measured_once():
    found = roofline(threads.count())
    assert found.flops > 1e8 and found.bytes > 1e8 and roofline(threads.count()) is found
