"""Static graphs: what a session computes, keeps, saves, and refuses."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest
import torch

import andon
from andon import static
from andon.core.errors import GraphError, MissingNameError, ShapeError, StateError

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def graph():
    with static.Graph().as_default() as graph:
        yield graph


def initialised():
    session = static.Session()
    session.run(static.global_variables_initializer())
    return session


def test_a_graph_is_defined_first_and_run_when_fed():
    x = static.placeholder("float32", [None, 2])
    w = static.Variable([[1.0], [2.0]])
    y = static.relu(x @ w - 4)
    session = initialised()
    assert session.run(y, {x: [[1, 1], [2, 2]]}).tolist() == [[0.0], [2.0]]
    assert session.run(y, {x: np.ones((1, 2))}).tolist() == [[0.0]]


def test_fetches_are_nested_and_any_value_can_be_fed():
    a = static.constant(2.0)
    b = a * 3
    c = b + a
    session = static.Session()
    assert session.run({"b": b, "both": [a, c]}) == {"b": 6.0, "both": [2.0, 8.0]}
    assert session.run(c, {b: 10.0}) == 12.0


def test_values_evaluate_themselves_in_the_open_session():
    x = static.constant([1.0, 2.0])
    with static.Session():
        assert x.sum().eval() == 3.0
    with pytest.raises(GraphError, match="no session"):
        x.eval()


def test_sessions_have_variables_of_their_own():
    count = static.Variable(0.0)
    more = count.assign_add(1.0)
    first, second = initialised(), initialised()
    assert [first.run(more), first.run(more), second.run(more)] == [1.0, 2.0, 1.0]
    assert [first.run(count), second.run(count)] == [2.0, 1.0]


def test_control_dependencies_run_first():
    x = static.Variable(1.0)
    change = x.assign(5.0)
    with static.control_dependencies([change]):
        y = x * 2
    assert initialised().run(y) == 10.0


def test_names_are_unique_and_scoped():
    with static.name_scope("layer"):
        a = static.constant(1.0, name="one")
        b = static.constant(1.0, name="one")
        c = static.add(a, b)
    assert [v.name for v in (a, b, c)] == ["layer/one", "layer/one_1", "layer/add"]
    assert static.Session().run("layer/add") == 2.0


def test_gradients_are_values():
    x = static.placeholder("float64", [])
    y = static.tanh(x) * x
    (slope,) = static.gradients(y, x)
    (curvature,) = static.gradients(y, [x], grad_ys=static.constant(2.0, "float64"))
    session = static.Session()
    given = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    (torch.tanh(given) * given).backward()
    assert session.run(slope, {x: 0.7}) == pytest.approx(given.grad.item(), rel=1e-12)
    assert session.run(curvature, {x: 0.7}) == pytest.approx(2 * given.grad.item(), rel=1e-12)


def test_the_gradient_does_not_depend_on_the_value():
    x = static.placeholder("float32", [])
    (slope,) = static.gradients(2 * x, x)
    assert static.Session().run(slope, {x: np.inf}) == 2.0


def test_a_step_of_a_session_goes_through_its_samples_chunk_by_chunk():
    """As a jitted one does: the same graph comes of both."""
    x, y = static.placeholder("float32", [None, 8, 16]), static.placeholder("int64", [None, 8])
    w = static.Variable(andon.ones(5, 16))
    loss = static.nn.cross_entropy((x @ w.t()).reshape(-1, 5), y.reshape(-1))
    train = static.train.GradientDescentOptimizer(0.1).minimize(loss)
    session = initialised()
    session.run(train, {x: np.ones((32, 8, 16)), y: np.ones((32, 8))})
    (program,) = session.fetches[(train,), (x, y)].run.programs.values()
    assert "run_step" in program[0].executable.c_source


RULES = {
    "sgd": (lambda: static.train.GradientDescentOptimizer(0.1),
            lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (lambda: static.train.MomentumOptimizer(0.1, 0.9, use_nesterov=True),
                 lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
def test_optimizers_take_the_steps_that_torch_takes(name):
    ours, theirs = RULES[name]
    x = static.placeholder("float64", [None, 2])
    w = static.Variable(np.array([[1.0], [-1.0]]))
    loss = ((x @ w) ** 2).mean()
    train = ours().minimize(loss)
    session = initialised()
    p = torch.tensor([[1.0], [-1.0]], dtype=torch.float64, requires_grad=True)
    optimizer = theirs([p])
    data = np.random.default_rng(0).standard_normal((8, 2))
    for _ in range(5):
        session.run(train, {x: data})
        optimizer.zero_grad()
        ((torch.tensor(data) @ p) ** 2).mean().backward()
        optimizer.step()
    np.testing.assert_allclose(session.run(w), p.detach().numpy(), rtol=1e-12)


def test_adam_learns_xor():
    x, y = static.placeholder("float32", [None, 2]), static.placeholder("float32", [None, 1])
    andon.manual_seed(0)
    w1, b1 = static.Variable(andon.randn(2, 8)), static.Variable(andon.zeros(8))
    w2, b2 = static.Variable(andon.randn(8, 1)), static.Variable(andon.zeros(1))
    logits = static.tanh(x @ w1 + b1) @ w2 + b2
    loss = static.nn.binary_cross_entropy_with_logits(logits, y)
    train = static.train.AdamOptimizer(0.1).minimize(loss)
    session = initialised()
    feed = {x: [[0, 0], [0, 1], [1, 0], [1, 1]], y: [[0], [1], [1], [0]]}
    for _ in range(100):
        session.run(train, feed)
    assert session.run(loss, feed) < 0.05


def test_tensorflows_names_are_understood():
    x = static.constant([[1.0, 2.0], [3.0, 4.0]])
    total = static.reduce_sum(x, axis=1, keepdims=True)
    assert static.Session().run(total).tolist() == [[3.0], [7.0]]
    assert static.Session().run(static.argmax(x, axis=1)).tolist() == [1, 1]


ROWS = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], np.float32)
LOG_SOFTMAX = ROWS - np.log(np.exp(ROWS).sum(1, keepdims=True))
TENSORFLOW = {
    "cast": (lambda x: static.cast(x > 0, static.float32), (ROWS > 0).astype(np.float32)),
    "identity": (static.identity, ROWS),
    "transpose": (static.transpose, ROWS.T),
    "transpose by perm": (lambda x: static.transpose(x, perm=[1, 0]), ROWS.T),
    "transpose of two": (lambda x: static.transpose(x, 0, 1), ROWS.T),
    "one_hot": (lambda x: static.one_hot(static.argmax(x, axis=1), 3), np.eye(3)[[0, 1]]),
    "add_n": (lambda x: static.add_n([x, x, x]), 3 * ROWS),
    "clip_by_value": (lambda x: static.clip_by_value(x, -1, 1), ROWS.clip(-1, 1)),
    "reduce_any": (lambda x: static.reduce_any(x < -1, axis=1), [True, False]),
    "bias_add": (lambda x: static.nn.bias_add(x, x[0]), ROWS + ROWS[0]),
    "l2_loss": (static.nn.l2_loss, (ROWS**2).sum() / 2),
    "sparse_softmax_cross_entropy_with_logits": (
        lambda x: static.nn.sparse_softmax_cross_entropy_with_logits(labels=[2, 1], logits=x),
        -LOG_SOFTMAX[[0, 1], [2, 1]],
    ),
    "softmax_cross_entropy_with_logits": (
        lambda x: static.nn.softmax_cross_entropy_with_logits(labels=x, logits=x),
        -(ROWS * LOG_SOFTMAX).sum(1),
    ),
    "sigmoid_cross_entropy_with_logits": (
        lambda x: static.nn.sigmoid_cross_entropy_with_logits(labels=x * 0 + 1, logits=x),
        np.log1p(np.exp(-ROWS)),
    ),
    "stop_gradient": (lambda x: static.gradients(x * static.stop_gradient(x), x)[0], ROWS),
    "clip_by_global_norm": (lambda x: static.clip_by_global_norm([x], 1.0)[0][0],
                            ROWS / np.linalg.norm(ROWS)),
}  # fmt: skip


@pytest.mark.parametrize("name", TENSORFLOW)
def test_functions_of_tensorflow(name):
    function, expected = TENSORFLOW[name]
    with static.Graph().as_default():
        x = static.placeholder(static.float32, [None, 3])
        found = static.Session().run(function(x), {x: ROWS})
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_draws_of_tensorflow_have_their_mean_and_deviation():
    with static.Graph().as_default(), static.Session() as session:
        normal, cut = (f([5000], stddev=0.1) for f in (static.random_normal,
                                                       static.truncated_normal))  # fmt: skip
        even = static.random_uniform([5000], 2.0, 4.0)
        normal, cut, even = session.run([normal, cut, even])
    assert abs(normal.std() - 0.1) < 0.01 and abs(even.mean() - 3) < 0.05
    assert np.abs(cut).max() < 0.2001 and abs(cut.std() - 0.088) < 0.01


def test_no_op_runs_after_what_it_depends_on():
    with static.Graph().as_default(), static.Session() as session:
        v, kept = static.Variable(1.0), static.Variable(5.0, trainable=False)
        with static.control_dependencies([static.assign_add(v, 2.0), static.assign_sub(kept, 1.0)]):
            train = static.no_op()
        session.run(static.global_variables_initializer())
        assert session.run(train) is None and session.run([v, kept]) == [3.0, 4.0]
        assert static.trainable_variables() == [v]


def test_variables_are_saved_and_restored(tmp_path):
    w = static.Variable([1.0, 2.0], name="w")
    session = initialised()
    session.run(w.assign([5.0, 6.0]))
    path = static.Saver().save(session, tmp_path / "model.safetensors")
    other = static.Session()
    static.Saver().restore(other, path)
    assert other.run(w).tolist() == [5.0, 6.0]


# What is refused


def test_a_placeholder_that_is_not_fed_is_named():
    x = static.placeholder("float32", [2], name="x")
    with pytest.raises(GraphError, match="not fed: x"):
        static.Session().run(x + 1)


def test_what_is_fed_must_fit():
    x = static.placeholder("float32", [None, 2], name="x")
    with pytest.raises(ShapeError, match="x has sizes"):
        static.Session().run(x + 1, {x: np.ones((2, 3))})


def test_a_variable_without_a_value_is_named():
    w = static.Variable(1.0, name="w")
    with pytest.raises(StateError, match="initializer: w"):
        static.Session().run(w)


def test_values_of_another_graph_are_refused():
    with static.Graph().as_default():
        x = static.constant(1.0)
    with pytest.raises(GraphError, match="not a value of this session's graph"):
        static.Session(static.Graph()).run(x)


def test_python_cannot_test_a_value():
    with pytest.raises(GraphError, match="truth"):
        bool(static.constant(1.0) > 0)


def test_a_name_that_andon_lacks_is_an_error():
    with pytest.raises(MissingNameError, match="no_such_function"):
        _ = static.no_such_function


def test_a_restored_file_must_have_all_variables(tmp_path):
    static.Variable(1.0, name="w")
    static.Saver().save(initialised(), tmp_path / "m.safetensors")
    static.Variable(1.0, name="v")
    with pytest.raises(StateError, match="v"):
        static.Saver().restore(static.Session(), tmp_path / "m.safetensors")


def test_miniflow_reaches_its_golden_number(capsys):
    runpy.run_path(str(ROOT / "examples" / "miniflow.py"), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "23.4166666667"
    assert float(lines[-1].split()[-1]) < 0.05
