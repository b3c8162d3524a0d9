"""The scalar engine: every slope against central differences, and the traps of backward."""

import doctest
import gc
import math
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from andon import scalar
from andon.scalar import MLP, Layer, Neuron, Value, topological_order

ROOT = Path(__file__).parent.parent

UNARY = {
    "neg": lambda x: -x,
    "square": lambda x: x**2,
    "inverse": lambda x: x**-1,
    "root": lambda x: x**0.5,
    "exponential of 2": lambda x: 2**x,
    "x to the x": lambda x: x**x,
    "relu": lambda x: x.relu(),
    "exp": lambda x: x.exp(),
    "log": lambda x: x.log(),
    "tanh": lambda x: x.tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "reflected add and sub": lambda x: 3 - (2 + x),
    "reflected mul and div": lambda x: (3 / x) * (2 * x + 1),
    "used several times": lambda x: (x + 3) + (x * 3) - x / (x + 1),
}
BINARY = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "**": lambda x, y: x**y,
}


@pytest.mark.parametrize("f", UNARY.values(), ids=UNARY)
@given(at=st.floats(0.2, 3))
def test_the_slope_is_the_limit_of_differences(f, at):
    x = Value(at)
    f(x).backward()
    h = 1e-5
    difference = (f(Value(at + h)).data - f(Value(at - h)).data) / (2 * h)
    assert x.grad == pytest.approx(difference, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("f", BINARY.values(), ids=BINARY)
@given(a=st.floats(0.2, 3), b=st.floats(-3, 3).filter(lambda b: abs(b) > 0.1))
def test_both_slopes_agree_with_pytorch(f, a, b):
    x, y = Value(a), Value(b)
    z = f(x, y)
    z.backward()
    tx, ty = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (a, b))
    tz = f(tx, ty)
    tz.backward()
    expected = [tz.item(), tx.grad.item(), ty.grad.item()]
    assert [z.data, x.grad, y.grad] == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_an_expression_of_every_operator_has_known_gradients():
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    f = (c - d) ** 2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert [round(v, 4) for v in (g.data, a.grad, b.grad)] == [24.7041, 138.8338, 645.5773]


def test_a_value_used_twice_receives_both_contributions():
    a = Value(1.0)
    b = a + a
    c = b + b
    c.backward()
    assert (a.grad, b.grad) == (4, 2)
    x = Value(3.0)
    (x * x).backward()
    assert x.grad == 6
    x = Value(5.0)
    ((x + 3) + (x * 3)).backward()
    assert x.grad == 4


def test_calling_backward_twice_doubles_leaves_and_nothing_else():
    x = Value(3.0)
    h = x * x
    y = h * h + h
    y.backward()
    once = x.grad, h.grad, y.grad
    y.backward()
    assert (x.grad, h.grad, y.grad) == (2 * once[0], once[1], once[2])


def test_two_results_over_one_inner_value_add_up_in_the_leaf():
    x = Value(2.0)
    h = x * x
    (3 * h).backward()
    h.exp().backward()
    assert x.grad == pytest.approx(3 * 4 + math.exp(4) * 4)


def test_a_leaf_is_its_own_derivative_each_time():
    x = Value(7.0)
    x.backward()
    x.backward()
    assert x.grad == 2


def test_gradients_use_the_data_of_the_forward_pass():
    x = Value(3.0)
    y = x * x
    x.data = 100.0
    y.backward()
    assert x.grad == 6


def test_a_chain_of_100000_values_is_differentiated_and_deleted():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.backward()
    assert x.grad == 1
    del y
    gc.collect()
    x.data = 2.0  # the interpreter is still there


def test_a_wide_ladder_of_shared_values_is_walked_once_per_value():
    y = x = Value(1.0)
    for _ in range(200):  # 2**200 paths
        y = (y + y) * 0.5
    assert len(topological_order(y)) == 1 + 3 * 200
    y.backward()
    assert x.grad == 1


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=40))
def test_inputs_come_before_what_is_made_of_them(pairs):
    values = [Value(1.0)]
    for i, j in pairs:
        values.append(values[i % len(values)] + values[j % len(values)])
    order = topological_order(values[-1])
    place = {v: i for i, v in enumerate(order)}
    assert len(place) == len(order) and order[-1] is values[-1]
    assert all(place[x] < place[y] for y in order for x in y._prev)


@pytest.mark.parametrize("at", [-1000.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0])
def test_sigmoid_and_tanh_are_safe_far_from_zero(at):
    for name in ("sigmoid", "tanh"):
        x = Value(at)
        y = getattr(x, name)()
        y.backward()
        t = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        ty = getattr(t, name)()
        ty.backward()
        assert [y.data, x.grad] == pytest.approx([ty.item(), t.grad.item()], rel=1e-9, abs=1e-15)


def test_the_slope_of_sigmoid_does_not_cancel_to_zero():
    x = Value(40.0)
    x.sigmoid().backward()
    assert x.grad == pytest.approx(math.exp(-40), rel=1e-9)


@pytest.mark.parametrize("n", [0, 0.5, 1, 2, 3])
def test_powers_of_zero_have_the_slopes_of_pytorch(n):
    x, e = Value(0.0), Value(n)
    (x**n).backward()
    t = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    (t**n).backward()
    assert x.grad == t.grad.item()
    (Value(0.0) ** e).backward()
    assert e.grad == 0


def test_a_negative_base_has_a_slope_but_its_exponent_has_none():
    x, n = Value(-2.0), Value(3.0)
    (x**n).backward()
    assert x.grad == 12 and math.isnan(n.grad)


def test_tiny_and_huge_powers_overflow_to_infinity_only_in_the_slope():
    x = Value(1e-200)
    y = x**-1
    y.backward()
    assert y.data == 1e200 and x.grad == -math.inf
    x = Value(1e-200)
    (x**2).backward()
    assert x.grad == 2e-200


@pytest.mark.parametrize(
    ("error", "f"),
    [
        (ZeroDivisionError, lambda: Value(1) / Value(0)),
        (ZeroDivisionError, lambda: 1 / Value(0)),
        (ValueError, lambda: Value(0).log()),
        (ValueError, lambda: Value(-8) ** (1 / 3)),
        (ValueError, lambda: Value(0) ** -1),
        (OverflowError, lambda: Value(1000).exp()),
        (TypeError, lambda: Value(1) + None),
        (TypeError, lambda: Value(1j)),
        (TypeError, lambda: Value([1.0, 2.0])),
    ],
)
def test_what_has_no_real_value_raises_where_it_happens(error, f):
    with pytest.raises(error):
        f()


def test_relu_passes_nan_on():
    assert math.isnan(Value(math.nan).relu().data)


def test_inputs_without_slopes_are_an_error_rather_than_a_lost_gradient():
    a = Value(1.0)
    y = Value(2.0, (a,), "mine")
    with pytest.raises(ValueError, match=r"backward: .*'mine' has 1 inputs, 0 slopes"):
        (y * 2).backward()


def test_a_value_prints_its_data_and_grad():
    x = Value(-4)
    assert repr(x) == "Value(data=-4.0, grad=0)"
    (x * 2).backward()
    assert repr(x) == "Value(data=-4.0, grad=2.0)"


def test_a_network_prints_its_layers():
    expected = "MLP of [Layer of [ReLUNeuron(2), ReLUNeuron(2)], Layer of [LinearNeuron(2)]]"
    assert repr(MLP(2, [2, 1])) == expected


def test_a_network_agrees_with_pytorch():
    random.seed(0)
    model, x = MLP(3, [4, 4, 2]), [0.5, -1.0, 2.0]
    out = model(x)
    (out[0] * out[1]).backward()
    h, weights = torch.tensor(x, dtype=torch.float64), []
    for i, layer in enumerate(model.layers):
        rows = [[p.data for p in neuron.parameters()] for neuron in layer.neurons]
        w = torch.tensor(rows, dtype=torch.float64, requires_grad=True)
        weights.append(w)
        h = w[:, :-1] @ h + w[:, -1]
        h = h.relu() if i < 2 else h
    h.prod().backward()
    expected = torch.cat([w.grad.flatten() for w in weights]).tolist()
    assert [p.grad for p in model.parameters()] == pytest.approx(expected, abs=1e-12)


def test_zero_grad_resets_every_parameter():
    model = MLP(2, [3, 1])
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())


def test_a_layer_of_one_neuron_can_feed_the_next():
    y = MLP(2, [1, 3, 1])([1.0, -1.0])
    assert isinstance(y, Value)
    assert isinstance(Layer(2, 1)([1.0, 2.0]), Value)


def test_a_neuron_refuses_the_wrong_number_of_inputs():
    with pytest.raises(ValueError, match="Neuron: takes 2 inputs: given 3"):
        Neuron(2)([1.0, 2.0, 3.0])


def test_the_two_moons_are_told_apart():
    command = [sys.executable, ROOT / "examples/moons.py", "--points=12", "--steps=40", "--seed=0"]
    env = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "12 points, 337 parameters"
    assert done.stdout.splitlines()[-1].endswith("accuracy 100%")


def test_the_engine_imports_nothing_but_the_standard_library():
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1]);"
        "assert not {'numpy', 'andon'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, scalar.__file__], check=True)


def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(scalar)
    assert result.attempted > 5 and result.failed == 0
