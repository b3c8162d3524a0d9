"""Eager ops on large arrays: compiled kernels give what references do, and run when they should."""

from __future__ import annotations

import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon.core.errors import CompileError, IndexingError
from andon.core.op import registry
from andon.devices import compiler
from andon.engine import op_graph, op_kernels
from andon.engine.op_kernels import IN_BACKWARD, OFFERED, OpKernel

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")

RNG = np.random.default_rng(0)
ROWS = (256, 260)  # more than LARGE elements


def floats(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def leaf(*shape):
    return andon.tensor(floats(*shape), requires_grad=True)


def heads(*shape):
    """(B, H, T, D) as models have it: a view of (B, T, H, D)."""
    B, H, T, D = shape
    return leaf(B, T, H, D).transpose(1, 2)


PROGRAMS = {
    "linear": lambda: F.linear(leaf(*ROWS), leaf(70, 260), leaf(70)),
    "matmul": lambda: heads(2, 3, 70, 160) @ heads(2, 3, 50, 160).mT,
    "where": lambda: leaf(3, *ROWS).masked_fill(andon.tensor(floats(*ROWS) > 0), -np.inf).exp(),
    "layer_norm": lambda: F.layer_norm(leaf(*ROWS), (260,), leaf(260), leaf(260)),
    "rms_norm": lambda: F.rms_norm(leaf(*ROWS), (260,), leaf(260)),
    "batch_norm": lambda: F.batch_norm(leaf(16, 8, 23, 23), None, None, leaf(8), leaf(8), True),
    "softmax": lambda: leaf(*ROWS).softmax(-1),
    "log_softmax": lambda: leaf(*ROWS).log_softmax(0),
    "cross_entropy": lambda: F.cross_entropy(leaf(*ROWS), andon.tensor(np.arange(256) % 260)),
    "attention": lambda: F.scaled_dot_product_attention(
        heads(2, 3, 70, 160), heads(2, 3, 70, 160), heads(2, 3, 70, 160), is_causal=True
    ),
    "gelu_tanh": lambda: F.gelu(leaf(*ROWS), approximate="tanh"),
    "gelu_erf": lambda: F.gelu(leaf(*ROWS).t()),
    "silu": lambda: F.silu(leaf(*ROWS)),
    "conv": lambda: F.conv2d(leaf(8, 4, 46, 46), leaf(6, 4, 3, 3), leaf(6), padding=1),
    "max_pool": lambda: F.max_pool2d(leaf(8, 16, 46, 46), 2),
    "embedding_backward": lambda: F.embedding(
        andon.tensor(np.arange(1024).reshape(4, 256) % 50), leaf(50, 70)
    ),
}
ALONE = {"matmul", "where", "embedding_backward"}  # whose rules apply no op but themselves


def gradients(program, seed=0):
    """The result of a program, and the gradients of its leaves."""
    global RNG
    RNG = np.random.default_rng(seed)
    y = program()
    leaves = [n.tensor() for n in andon.core.op.ancestors([y.node]) if n.op is None]
    (y * andon.tensor(floats(*y.shape))).sum().backward()
    return [y.detach().numpy(), *(x.grad.numpy() for x in leaves if x is not None)]


@pytest.fixture
def calls(monkeypatch):
    """The names of the ops that compiled graphs have computed."""
    found = set()
    real = op_graph.compiled

    def compiled(op, *rest):
        run = real(op, *rest)
        return run and (lambda arrays: (found.add(op.name), run(arrays))[1])

    monkeypatch.setattr(op_graph, "compiled", compiled)
    for each in registry.values():
        if isinstance(each.kernel, OpKernel):
            monkeypatch.setattr(each.kernel, "known", {})
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_compiled_kernel_gives_what_the_reference_does(name, calls, monkeypatch):
    found = gradients(PROGRAMS[name])
    assert name in calls and (len(calls) > 1 or name in ALONE)
    monkeypatch.setattr(op_kernels, "LARGE", 1 << 30)
    for a, b in zip(found, gradients(PROGRAMS[name]), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)


def test_every_op_with_an_offer_has_it():
    PROGRAMS["attention"]()
    kernels = {op.name for op in registry.values() if isinstance(op.kernel, OpKernel)}
    assert kernels == OFFERED | IN_BACKWARD


def test_sums_are_compiled_where_they_are_gradients(calls):
    x, mask = leaf(*ROWS), andon.tensor(floats(*ROWS) > 0)
    y = F.linear(x, leaf(70, 260), leaf(70)) + leaf(70)
    assert mask.sum() and x.detach().sum() and not calls & IN_BACKWARD
    y.backward(andon.tensor(floats(256, 70)))
    assert not calls & IN_BACKWARD  # of fewer elements
    (x + leaf(260)).backward(andon.tensor(floats(*ROWS)))
    F.linear(leaf(256, 70), leaf(260, 70), leaf(260)).backward(andon.tensor(floats(*ROWS)))
    assert calls >= IN_BACKWARD


def test_what_is_small_or_does_not_train_stays_with_the_reference(calls):
    andon.tensor(floats(8, 8)).softmax(-1)
    with andon.no_grad():
        andon.tensor(floats(*ROWS)).softmax(-1)
    andon.tensor(floats(*ROWS).astype(np.float64)).softmax(-1)
    assert not calls


def test_shapes_that_do_not_come_again_are_not_compiled_for_ever(calls, monkeypatch):
    monkeypatch.setattr(op_kernels, "MOST", 2)
    for rows in range(256, 260):
        andon.tensor(floats(rows, 260)).softmax(-1)
    assert len(registry["softmax"].kernel.known) == 2


def test_a_compiler_that_fails_leaves_the_reference_and_is_told_of_once(calls, monkeypatch):
    def broken(graph):
        raise CompileError("build: broken")

    monkeypatch.setattr(op_graph, "Executable", broken)
    x = andon.tensor(floats(*ROWS))
    with pytest.warns(UserWarning, match="softmax: NumPy computes it.*build: broken"):
        first = x.softmax(-1)
    np.testing.assert_array_equal(x.softmax(-1).numpy(), first.numpy())


def test_without_a_compiler_nothing_is_said(calls, monkeypatch):
    monkeypatch.setattr(compiler, "available", lambda: False)
    x = andon.tensor(floats(*ROWS))
    assert x.softmax(-1).shape == ROWS and not calls


def test_wrong_operands_are_explained_as_ever(calls):
    with pytest.raises(IndexingError, match="cross_entropy"):
        F.cross_entropy(leaf(*ROWS), andon.tensor(np.full(256, 260)))
