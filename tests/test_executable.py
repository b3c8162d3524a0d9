"""Executable: arrays in and out, state in place, memory that is reused, threads, fork."""

from __future__ import annotations

import os
import threading
import warnings

import numpy as np
import pytest

import andon
from andon.codegen.translation_unit import translate
from andon.core.errors import AndonError, IndexingError
from andon.devices import compiler
from andon.engine import executable
from andon.engine.executable import Executable
from andon.engine.jit import trace
from andon.graph.ir import Graph
from andon.graph.lower import lower
from andon.graph.memory import size_in_bytes

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")


def graph_of(f, *arrays):
    return trace(f, *[andon.tensor(a) for a in arrays])


def ones(*shape):
    return np.ones(shape, np.float32)


def test_an_output_is_written_over_the_input_that_it_updates():
    x, w = ones(4), ones(4)
    run = Executable(graph_of(lambda x, w: (w + x, (x * w).sum()), x, w), updates={0: 1})
    new, total = run([x, w])
    assert new is w and w.tolist() == [2, 2, 2, 2] and total == 4
    assert run([x, w])[1] == 8


def test_an_update_waits_for_those_that_read_the_state():
    x, w = np.arange(6, dtype=np.float32).reshape(2, 3), ones(3, 2)
    run = Executable(graph_of(lambda x, w: (w * 2, x @ w, (w + 1).sum()), x, w), updates={0: 1})
    new, y, total = run([x, w])
    assert new is w and (w == 2).all()
    assert y.tolist() == [[3, 3], [12, 12]] and total == 12


def test_new_state_that_can_be_computed_early_waits_too():
    def step(w, x):
        gradient = x * w * x  # one loop with the new state
        y = x @ w
        return w - gradient, y

    w, x = ones(4, 4), ones(4, 4) * 2
    graph = graph_of(step, w, x)
    assert not translate(lower(graph), {0: 0}).plan.copies
    new, y = Executable(graph, updates={0: 0})([w, x])
    assert new is w and (w == -3).all() and (y == 8).all()


def test_what_new_state_is_made_of_is_not_kept_until_the_end():
    def step(x, *weights):
        gradients = []
        for w in weights:
            x = (x @ w).tanh()
            gradients.append(x.t() @ x)
        return [w - g for w, g in zip(weights, gradients, strict=True)]

    graph = graph_of(step, ones(64, 8), *[ones(8, 8)] * 8)
    plan = translate(lower(graph), {i: i + 1 for i in range(8)}).plan
    assert plan.size < 3 * ones(64, 8).nbytes + 8 * ones(8, 8).nbytes


def test_two_states_may_change_places():
    a, b = ones(3), ones(3) * 5
    x, y = graph_of(lambda a, b: a + b, a, b).inputs
    run = Executable(Graph([x, y], [y, x]), updates={0: 0, 1: 1})
    run([a, b])
    assert a.tolist() == [5, 5, 5] and b.tolist() == [1, 1, 1]


def test_arrays_that_c_cannot_read_as_they_lie_are_copied():
    f = graph_of(lambda x, w: (w + x, x * 2), ones(3, 4), ones(3, 4))
    run = Executable(f, updates={0: 1})
    x, w = np.arange(24, dtype=np.float32).reshape(4, 6)[:, ::2].T, ones(4, 3).T
    _, twice = run([x, w])
    assert (twice == x * 2).all() and (w == x + 1).all()


def test_an_array_that_overlaps_with_an_updated_one_is_read_first():
    f = graph_of(lambda x, w: (w + x,), ones(4), ones(4))
    run = Executable(f, updates={0: 1})
    memory = np.arange(5, dtype=np.float32)
    run([memory[:4], memory[1:]])
    assert memory.tolist() == [0, 1, 3, 5, 7]


def test_outputs_are_new_arrays():
    x = ones(3)
    graph = graph_of(lambda x: x * 1, x)
    run = Executable(Graph(graph.inputs, [*graph.inputs, *graph.inputs, *graph.outputs]))
    first, second = run([x]), run([x])
    assert len({id(y) for y in (x, *first, *second)}) == 7
    first[0][:] = 9
    assert x.tolist() == [1, 1, 1] and second[0].tolist() == [1, 1, 1]


def test_wrong_arrays_are_named():
    run = Executable(graph_of(lambda x: x + 1, ones(3)))
    for wrong in (ones(4), np.ones(3), [1, 2, 3]):
        with pytest.raises(AndonError, match="run: %x"):
            run([wrong])


def test_an_index_out_of_range_raises_and_leaves_the_state_alone():
    table, index, w = ones(5, 8), np.array([1, 2], np.int64), ones(8)

    def f(table, index, w):
        return w + andon.nn.functional.embedding(index, table).sum(0)

    run = Executable(graph_of(f, table, index, w), updates={0: 2})
    run([table, index, w])
    before = w.copy()
    with pytest.raises(IndexingError, match="embedding"):
        run([table, np.array([1, 7]), w])
    assert (w == before).all()
    with pytest.raises(ZeroDivisionError):
        Executable(graph_of(lambda a, b: a // b, index, index))([index, index * 0])


def test_an_index_out_of_range_leaves_state_alone_that_could_be_computed_before():
    def step(w, v, x, table, index):
        new = w - x * 2, v - x @ x * 2  # over w, and in the arena, to be copied over v
        return *new, table[index]

    given = [ones(4, 4), ones(4, 4), ones(4, 4), ones(9)]
    run = Executable(graph_of(step, *given, np.array([1, 2])), updates={0: 0, 1: 1})
    run([*given, np.array([1, 2])])
    assert (given[0] == -1).all() and (given[1] == -7).all()
    with pytest.raises(IndexingError, match="take: index"):
        run([*given, np.array([1, 9])])
    assert (given[0] == -1).all() and (given[1] == -7).all()


def values_that_live_together(unit):
    """Pairs of values in the arena whose lives overlap, but for one that takes another's place."""
    plan = unit.plan
    placed = [(v, p) for v, p in plan.places.items() if p.in_arena]
    for i, (a, at) in enumerate(placed):
        for b, there in placed[:i]:
            (a0, a1), (b0, b1) = plan.lives[a], plan.lives[b]
            if max(a0, b0) <= min(a1, b1) and not (a0 == b1 and at == there) and not (
                b0 == a1 and at == there
            ):  # fmt: skip
                yield (
                    (a, at.at, at.at + size_in_bytes(a)),
                    (b, there.at, there.at + size_in_bytes(b)),
                )


def deep(x):
    for _ in range(12):
        x = (x @ x.t()) @ x * 0.01 + x.sum(0)
    return x


def test_values_that_live_at_the_same_time_do_not_overlap():
    unit = translate(lower(graph_of(deep, ones(24, 40))))
    pairs = list(values_that_live_together(unit))
    assert pairs
    for (_, a0, a1), (_, b0, b1) in pairs:
        assert a1 <= b0 or b1 <= a0


def test_memory_is_used_again():
    sizes = [translate(lower(graph_of(deep, ones(24, n)))).plan.size for n in (40,)]
    one = 24 * 40 * 4
    assert sizes[0] < 8 * one


def test_calls_at_the_same_time_do_not_disturb_one_another():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 24, 40)).astype(np.float32)
    run = Executable(graph_of(deep, x[0]))
    wanted = [run([each])[0] for each in x]
    wrong = []

    def work(i):
        for _ in range(20):
            if not np.array_equal(run([x[i]])[0], wanted[i]):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_can_call():
    x = np.random.default_rng(0).standard_normal((400, 400)).astype(np.float32)
    run = Executable(graph_of(lambda x: (x @ x).tanh().sum(1), x))
    (wanted,) = run([x])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(run([x])[0], wanted) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_without_a_compiler_the_references_compute_with_one_warning(monkeypatch):
    monkeypatch.setattr(compiler, "available", lambda: False)
    monkeypatch.setattr(executable, "WARNED", [])
    x = ones(3)
    with pytest.warns(UserWarning, match="no C compiler"):
        run = Executable(graph_of(lambda x: (x + 1, x * 2), x), updates={0: 0})
    assert run([x])[0] is x and x.tolist() == [2, 2, 2]
    Executable(graph_of(lambda x: x + 1, x))  # without another warning


def test_ops_without_a_kernel_are_called_between_segments():
    x = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
    f = graph_of(lambda x: (andon.linalg.inv(x * 2) + 1).exp().cumsum(0) * 3, x)
    run = Executable(f)
    kinds = [type(step) is int for step in run.unit.steps]
    assert True in kinds and False in kinds
    np.testing.assert_allclose(run([x])[0], f.run(x)[0], rtol=1e-5)


def training_step(width=24, samples=32):
    """A step of a small network, and the state that it updates."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, 10, width)).astype(np.float32)
    y = rng.integers(0, 7, (samples, 10))
    model = andon.nn.Sequential(
        andon.nn.Linear(width, 40), andon.nn.GELU(), andon.nn.LayerNorm(40), andon.nn.Linear(40, 7)
    )
    optimizer = andon.optim.AdamW(model.parameters(), lr=0.01)

    def step(x, y):
        scores = model(x)
        loss = andon.nn.functional.cross_entropy(scores.reshape(-1, 7), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        andon.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
        return loss, scores

    return step, model, andon.tensor(x), andon.tensor(y)


def test_a_training_step_goes_through_its_samples_chunk_by_chunk():
    andon.manual_seed(0)
    step, model, x, y = training_step()
    jitted = andon.engine.jit.jit(step)
    found = [jitted(x, y)[0].item() for _ in range(4)]
    weights = [p.detach().numpy().copy() for p in model.parameters()]
    assert "run_step" in jitted.c_source(x, y)
    andon.manual_seed(0)
    step, model, x, y = training_step()
    wanted = [step(x, y)[0].item() for _ in range(4)]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    for have, parameter in zip(weights, model.parameters(), strict=True):
        np.testing.assert_allclose(have, parameter.detach().numpy(), rtol=1e-3, atol=2e-5)


class Dropping(andon.nn.Module):
    """A block whose weights, result and input are dropped; of its tokens, all or a part."""

    def __init__(self, width):
        super().__init__()
        self.qkv, self.out = andon.nn.Linear(width, 3 * width), andon.nn.Linear(width, 7)
        self.drop = andon.nn.Dropout(0.1)

    def forward(self, x):
        B, T, C = x.shape
        heads = self.qkv(self.drop(x)).view(B, T, 3, 2, C // 2).permute(2, 0, 3, 1, 4)
        q, k, v = heads.unbind(0)
        weights = self.drop((q @ k.mT * 0.3).softmax(-1))
        y = (weights @ v).transpose(1, 2).reshape(B, T, C)
        return self.out(x + self.drop(y))


@pytest.mark.parametrize("tokens", [16, 27])  # rows begin with a block of random numbers, or not
def test_the_samples_of_a_chunk_draw_what_they_do_in_the_whole_batch(tokens):
    rng = np.random.default_rng(0)
    x = andon.tensor(rng.standard_normal((16, tokens, 24)).astype(np.float32))
    y = andon.tensor(rng.integers(0, 7, (16, tokens)))

    def losses(transform):
        andon.manual_seed(0)
        model = Dropping(24)
        optimizer = andon.optim.SGD(model.parameters(), lr=0.1)

        def step(x, y):
            optimizer.zero_grad()
            loss = andon.nn.functional.cross_entropy(model(x).view(-1, 7), y.view(-1))
            loss.backward()
            optimizer.step()
            return loss

        made = transform(step)
        return [made(x, y).item() for _ in range(4)], made

    found, jitted = losses(andon.jit)
    source = jitted.c_source(x, y)
    assert "run_step" in source and "attention_backward_kernel" in source
    np.testing.assert_allclose(found, losses(lambda f: f)[0], rtol=2e-6)


def test_what_is_computed_of_samples_comes_back_whole():
    andon.manual_seed(0)
    step, _, x, y = training_step()
    scores = andon.engine.jit.jit(step)(x, y)[1].detach().numpy()
    andon.manual_seed(0)
    step, _, x, y = training_step()
    np.testing.assert_allclose(scores, step(x, y)[1].detach().numpy(), rtol=1e-4, atol=1e-5)


def test_an_error_after_the_samples_leaves_the_state_of_a_step_alone():
    layer, table = andon.nn.Linear(64, 64), andon.arange(10)
    optimizer = andon.optim.SGD(layer.parameters(), lr=0.1)

    @andon.jit
    def step(x, index):
        optimizer.zero_grad()
        layer(x).square().mean().backward()
        optimizer.step()
        return table[index]

    x = andon.ones(512, 64)
    step(x, andon.tensor([3]))
    before = layer.weight.detach().numpy().copy()
    assert "run_step" in step.c_source(x, andon.tensor([3]))
    with pytest.raises(IndexingError, match="take: index"):
        step(x, andon.tensor([10]))
    assert (layer.weight.detach().numpy() == before).all()


def test_a_step_that_mixes_its_samples_is_not_split():
    andon.manual_seed(0)
    norm = andon.nn.BatchNorm1d(6)
    layer = andon.nn.Linear(6, 6)
    optimizer = andon.optim.SGD([*norm.parameters(), *layer.parameters()], lr=0.1)

    def step(x):
        loss = layer(norm(x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss

    x = andon.tensor(np.random.default_rng(0).standard_normal((16, 6)).astype(np.float32))
    jitted = andon.engine.jit.jit(step)
    losses = [jitted(x).item() for _ in range(3)]
    assert losses[2] < losses[0] and "run_step" not in jitted.c_source(x)


def test_what_splits_the_columns_of_a_product_does_not_disturb_its_epilogue():
    """Heads are cut out of the columns after the bias was added in the product's registers."""
    graph = andon.parse("""
    graph(%x: float32[8, 32, 32], %w: float32[32, 96], %b: float32[96]):
      %h = matmul(%x, %w)
      %y = add(%h, %b)
      %r = reshape(%y, shape=(8, 32, 3, 2, 16))
      %p = permute(%r, dims=(2, 0, 3, 1, 4))
      %z = mul(%p, 2.0)
      return %p, %z
    """)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(x.shape).astype(np.float32) for x in graph.inputs]
    for found, expected in zip(Executable(graph)(arrays), graph.run(*arrays), strict=True):
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5)


VIEWS_OF_RESHAPES = {
    "a slice": lambda x: (x * 1.5).reshape(2, 6)[:, 1::2],
    "a slice of a vector": lambda x: (x + 1).reshape(12)[1::5],
    "a slice within a permutation": lambda x: (x + 1).t().reshape(2, 6)[:, ::3].t(),
    "a part of what is repeated": lambda x: x.unsqueeze(0).expand(2, 4, 3).reshape(24)[:19] * 2,
}


@pytest.mark.parametrize("name", VIEWS_OF_RESHAPES)
def test_a_view_sees_the_elements_of_a_reshape_that_no_index_looks_through(name):
    graph = trace(lambda x: (VIEWS_OF_RESHAPES[name](x), x + 1), andon.ones(4, 3))
    x = np.arange(12, dtype=np.float32).reshape(4, 3)
    for found, expected in zip(Executable(graph)([x]), graph.run(x), strict=True):
        np.testing.assert_array_equal(found, expected)


GRAPHS = {  # each gave something else once
    "a part under another shape": """
      %c: float32[24, 1, 5] = clamp_max(%x, 0.5)
      %s: float32[24, 1, 3], %t: float32[24, 1, 2] = split(%c, sizes=(3, 2), dim=2)
      %y: float32[2, 8, 3] = reshape(%t, shape=(2, 8, 3))""",
    "a diagonal beside the maximum of all": """
      %m: float32[24, 5] = reshape(%x, shape=(24, 5))
      %h: float32[5, 5] = view(%m, index=((0, 5, None),))
      %d: float32[5] = diagonal(%h, offset=0, dim1=0, dim2=1)
      %c: float32[5] = clamp_min(%d, -3)
      %a: float32[] = amax(%h, dim=(0, 1), keepdim=False)
      %y: float32[5] = add(%c, %a)""",
    "rows of a product in reverse": """
      %m: float32[24, 5] = reshape(%x, shape=(24, 5))
      %t: float32[5, 24] = permute(%m, dims=(1, 0))
      %p: float32[24, 24] = matmul(%m, %t)
      %q: float32[24, 24] = sqrt(%p)
      %y: float32[24, 24] = flip(%q, dims=(0,))""",
    "rows of a product in a part of others": """
      %s: float32[24, 1, 3], %t: float32[24, 1, 2] = split(%x, sizes=(3, 2), dim=2)
      %w: float32[2, 3] = view(%x, index=((0, 2, None), 0, (0, 3, None)))
      %y: float32[24, 1, 3] = matmul(%t, %w)""",
    "a number in the place of a part": """
      %r: float32[24, 1, 5] = roll(%x, shifts=(2,), dims=(0,))
      %s: float32[] = sum(%r, dim=(0, 1, 2), keepdim=False)
      %c: float32[] = clamp_max(%s, 8)
      %u: float32[1] = reshape(%c, shape=(1,))
      %p: float32[3] = cat(%u, %u, %u, dim=0)
      %y: float32[] = view(%p, index=(-1,))""",
    "what a loop makes, under another shape": """
      %e: float32[24, 1, 5] = exp(%x)
      %s: float32[24, 1] = sum(%e, dim=(2,), keepdim=False)
      %l: float32[24, 1] = log(%s)
      %r: float32[2, 12] = reshape(%l, shape=(2, 12))
      %p: float32[12, 2] = permute(%r, dims=(1, 0))
      %y: float32[12, 2] = mul(%p, 2)""",
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_gives_what_its_references_give(name):
    graph = andon.parse(f"graph(%x: float32[24, 1, 5]):{GRAPHS[name]}\n  return %y")
    x = np.random.default_rng(0).random((24, 1, 5), np.float32)
    for _ in range(2):
        (found,), (expected,) = Executable(graph)([x]), graph.run(x)
        np.testing.assert_allclose(found, expected, 1e-5, 1e-5)
