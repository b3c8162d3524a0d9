"""Every row of the op table, in every way there is to check it."""

from __future__ import annotations

import importlib
import pkgutil

import cases
import numpy as np
import pytest
import torch
from cases import Case

import andon
from andon.core.errors import GraphError
from andon.core.op import Op, interpreters, run_on_arrays, using
from andon.core.spec import spec_of

CASES: list[Case] = [
    case
    for module in pkgutil.iter_modules(cases.__path__)
    for case in importlib.import_module(f"cases.{module.name}").CASES
]
GRADIENT = [case for case in CASES if case.grad]
SECOND = [case for case in GRADIENT if case.second]
TOLERANCE = {"float64": 1e-8, "float32": 2e-5, "float16": 2e-3, "bfloat16": 2e-2}


def ids(case: Case) -> str:
    return case.name


def outputs(result) -> list:
    """The tensors among the results of a call."""
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in outputs(part)]
    return [result]


def operands(t, arrays, dtype="float64", grad=False):
    """Arrays as tensors of framework `t`; floats in `dtype`."""
    made = []
    for a in arrays:
        x = t.tensor(a)
        if a.dtype.kind == "f":
            x = x.to(getattr(t, dtype)).requires_grad_(grad)
        made.append(x)
    return made


def to_numpy(x) -> np.ndarray:
    x = x.detach()
    if str(x.dtype).endswith(("bfloat16", "float16")):
        x = x.float()
    return x.numpy()


def weighted(t, result, weights):
    """A scalar that depends on every floating output differently."""
    total = 0.0
    for y, w in zip(outputs(result), weights, strict=True):
        if y.dtype.is_floating_point and y.requires_grad:
            total = total + (y * t.tensor(w)).sum()
    return total


def weights_for(result, seed=1) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(tuple(y.shape)) for y in outputs(result)]


def gradients(t, case, arrays, weights, second=False):
    """d (weighted sum) / d floats; or of a weighted sum of those gradients."""
    xs = operands(t, arrays, grad=True)
    leaves = [x for x in xs if x.requires_grad]
    loss = weighted(t, case.call(t, *xs), weights)
    grads = t.autograd.grad(loss, leaves, create_graph=second, allow_unused=True)
    if not second:
        return grads
    rng = np.random.default_rng(2)
    total = 0.0
    for g in grads:
        if g is not None and g.requires_grad:
            total = total + (g * t.tensor(rng.standard_normal(tuple(g.shape)))).sum()
        elif g is not None:
            rng.standard_normal(tuple(g.shape))
    if not hasattr(total, "requires_grad") or not total.requires_grad:
        return [None] * len(leaves)
    return t.autograd.grad(total, leaves, allow_unused=True)


def assert_gradients_equal(ours, theirs, rtol, name):
    for a, b in zip(ours, theirs, strict=True):
        a = np.zeros(()) if a is None else to_numpy(a)
        b = np.zeros(()) if b is None else to_numpy(b)
        np.testing.assert_allclose(*np.broadcast_arrays(a, b), rtol=rtol, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_value_is_that_of_pytorch(case):
    for dtype in case.dtypes:
        arrays = case.arrays()
        ours = outputs(case.call(andon, *operands(andon, arrays, dtype)))
        theirs = outputs(case.call(torch, *operands(torch, arrays, dtype)))
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert tuple(a.shape) == tuple(b.shape)
            assert str(a.dtype).split(".")[1] == str(b.dtype).split(".")[1]
            rtol = max(TOLERANCE[dtype], case.rtol)
            atol = TOLERANCE[dtype] * 0.1
            np.testing.assert_allclose(to_numpy(a), to_numpy(b), rtol=rtol, atol=atol)


@pytest.mark.parametrize("case", GRADIENT, ids=ids)
def test_gradient_is_that_of_pytorch(case):
    arrays = case.arrays()
    weights = weights_for(case.call(torch, *operands(torch, arrays)))
    ours = gradients(andon, case, arrays, weights)
    theirs = gradients(torch, case, arrays, weights)
    assert_gradients_equal(ours, theirs, max(case.rtol, 1e-7), case.name)


@pytest.mark.parametrize("case", SECOND, ids=ids)
def test_second_derivative_is_that_of_pytorch(case):
    arrays = case.arrays()
    weights = weights_for(case.call(torch, *operands(torch, arrays)))
    ours = gradients(andon, case, arrays, weights, second=True)
    theirs = gradients(torch, case, arrays, weights, second=True)
    assert_gradients_equal(ours, theirs, max(case.rtol, 1e-6), case.name)


@pytest.mark.parametrize("case", GRADIENT, ids=ids)
def test_gradient_agrees_with_central_difference(case):
    """Along a random direction v: (f(x + εv) - f(x - εv)) / 2ε = ∇f · v."""
    arrays, eps = case.arrays(), 1e-6
    rng = np.random.default_rng(3)
    weights = weights_for(case.call(torch, *operands(torch, arrays)))
    directions = [rng.standard_normal(a.shape) if a.dtype.kind == "f" else None for a in arrays]

    def value(sign):
        moved = [
            a if v is None else a + sign * eps * v for a, v in zip(arrays, directions, strict=True)
        ]
        return float(weighted(andon, case.call(andon, *operands(andon, moved, grad=True)), weights))

    grads = iter(gradients(andon, case, arrays, weights))
    exact = 0.0
    for v in directions:
        if v is not None and (g := next(grads)) is not None:
            exact += float((g.numpy() * v).sum())
    numeric = (value(+1) - value(-1)) / (2 * eps)
    np.testing.assert_allclose(exact, numeric, rtol=2e-4, atol=1e-5)


class Spy:
    """An interpreter that passes on to the one in force and checks every op it sees."""

    def __init__(self, inner=None):
        self.inner, self.seen = inner or interpreters.run, set()

    def __call__(self, op, inputs, attrs):
        result = self.inner(op, inputs, attrs)
        self.seen.add(op.name)
        hash(tuple(sorted(attrs)))
        hash(tuple(attrs.values()))
        specs = [spec_of(x) if x is not None else None for x in inputs]
        try:
            inferred = op.infer(*specs, **attrs)
        except GraphError:  # the shape depends on the data, and the rule says so
            return result
        actual = [spec_of(y) for y in result] if isinstance(result, tuple) else spec_of(result)
        inferred = list(inferred) if isinstance(actual, list) else inferred
        assert inferred == actual, f"{op}: inferred {inferred}, was {actual}"
        return result


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_shape_rule_tells_the_spec_of_the_result(case):
    spy = Spy()
    with using(spy):
        case.call(andon, *operands(andon, case.arrays(), "float32", grad=case.grad))


def every_op() -> dict[str, Op]:
    from andon import ops

    found = {}
    for module in pkgutil.iter_modules(ops.__path__):
        for value in vars(importlib.import_module(f"andon.ops.{module.name}")).values():
            if isinstance(value, Op):
                found[value.name] = value
    return found


def test_every_op_has_a_row_a_doc_and_a_shape_rule(monkeypatch):
    spy, backward = Spy(), Spy(run_on_arrays)
    monkeypatch.setattr(interpreters, "arrays", backward)  # where backward ops show up
    with using(spy):
        for case in CASES:
            if case.grad:  # first and second derivatives, since adjoint ops show up there only
                arrays = case.arrays()
                xs = operands(andon, arrays)
                weights = weights_for(case.call(andon, *xs))
                gradients(andon, case, arrays, weights, second=case.second)
                with using(spy):
                    xs = operands(andon, arrays, grad=True)
                    loss = weighted(andon, case.call(andon, *xs), weights)
                    leaves = [x for x in xs if x.requires_grad]
                    loss.backward(retain_graph=True)
                    andon.autograd.grad(loss, leaves, create_graph=True, allow_unused=True)
            else:
                case.call(andon, *operands(andon, case.arrays()))
    ops = every_op()
    assert set(ops) - spy.seen - backward.seen == set(), "ops without a row in tests/cases"
    assert [name for name, op in ops.items() if not op.__doc__] == []
    assert [name for name, op in ops.items() if op.infer is None] == []


def test_a_composite_comes_with_every_input_kept():
    """Higher derivatives go through the composite, which reads all the inputs."""
    for op in every_op().values():
        if op.composite is not None and op.vjp is not None:
            kept = {abs(slot) for slot in op.keeps}
            assert set(range(1, len(op.operands) + 1)) <= kept, op
