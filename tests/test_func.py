"""Transformations of functions, beside PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import andon
from andon import func, nn
from andon.core.errors import MissingNameError, ShapeError

X = np.linspace(-1, 2, 6, dtype=np.float32)


def both(run):
    """`run(t, t.func)` under both frameworks, as arrays."""
    return [flat(run(t, t.func)) for t in (andon, torch)]


def flat(result):
    if isinstance(result, dict):
        result = list(result.values())
    if isinstance(result, (tuple, list)):
        return [x for part in result for x in flat(part)]
    return [result.detach().numpy()]


CALLS = {
    "grad": lambda t, f: f.grad(lambda x: (x**3).sum())(t.tensor(X)),
    "grad twice": lambda t, f: f.grad(f.grad(lambda x: x**3))(t.tensor(2.0)),
    "grad of several": lambda t, f: f.grad(lambda x, y: (x * y).sum(), argnums=(0, 1))(
        t.tensor(X), t.tensor(X + 1)
    ),
    "grad of a dict": lambda t, f: f.grad(lambda p, x: (p["w"] * x).sum() + p["b"])(
        {"w": t.tensor(X), "b": t.tensor(1.0)}, t.tensor(X)
    ),
    "grad with aux": lambda t, f: f.grad(lambda x: ((x**2).sum(), x + 1), has_aux=True)(
        t.tensor(X)
    ),
    "grad_and_value": lambda t, f: f.grad_and_value(lambda x: x.exp().sum())(t.tensor(X)),
    "vmap": lambda t, f: f.vmap(lambda x, y: x @ y)(t.tensor(X).view(3, 2), t.tensor(X).view(3, 2)),
    "vmap over other dims": lambda t, f: f.vmap(
        lambda x, y: (x + y, x.sum()), in_dims=(1, None), out_dims=(1, 0)
    )(t.tensor(X).view(2, 3), t.tensor([1.0, 2.0])),
    "gradients per sample": lambda t, f: f.vmap(
        f.grad(lambda p, x: (p["w"] * x).sum() ** 2), in_dims=(None, 0)
    )({"w": t.tensor([1.0, 2.0])}, t.tensor(X).view(3, 2)),
    "vjp": lambda t, f: [
        f.vjp(lambda x, y: (x @ y).sin(), t.tensor(X), t.tensor(X + 1))[0],
        *f.vjp(lambda x, y: (x * y).sin(), t.tensor(X), t.tensor(X + 1))[1](t.tensor(X)),
    ],
    "jvp": lambda t, f: f.jvp(lambda x: x.exp() * x, (t.tensor(X),), (t.tensor(X + 1),)),
    "jacrev": lambda t, f: f.jacrev(lambda x: t.stack([x.sin().sum(), x.prod()]))(t.tensor(X)),
    "jacfwd": lambda t, f: f.jacfwd(lambda x: x**2)(t.tensor(X)),
    "hessian": lambda t, f: f.hessian(lambda x: (x**3).sum() + x[0] * x[1])(t.tensor(X)),
}


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # PyTorch's own
@pytest.mark.parametrize("name", CALLS)
def test_a_transformation_is_that_of_pytorch(name):
    ours, theirs = both(CALLS[name])
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_a_gradient_is_off_the_tape_unless_something_else_is_on_it():
    x = andon.tensor(2.0)
    assert not func.grad(lambda t: t**2)(x).requires_grad
    w = andon.tensor(3.0, requires_grad=True)
    g = func.grad(lambda t: w * t**2)(x)
    g.backward()
    assert float(w.grad) == 4.0
    with andon.no_grad():
        assert not func.grad(lambda t: w * t**2)(x).requires_grad


def test_functional_call_uses_other_parameters_for_one_call():
    layer = nn.Sequential(nn.Linear(2, 2))
    before = layer[0].weight
    zeros = {name: andon.zeros_like(p) for name, p in layer.named_parameters()}
    y = func.functional_call(layer, zeros, (andon.ones(1, 2),))
    assert y.tolist() == [[0.0, 0.0]]
    assert layer[0].weight is before
    assert func.functional_call(layer, (zeros, {}), andon.ones(1, 2)).tolist() == y.tolist()
    with pytest.raises(MissingNameError, match=r"functional_call: the module has no '0.scale'"):
        func.functional_call(layer, {"0.scale": zeros["0.bias"]}, andon.ones(1, 2))


def test_an_ensemble_is_computed_over_stacked_parameters():
    models = [nn.Linear(2, 3) for _ in range(4)]
    parameters, buffers = func.stack_module_state(models)
    assert parameters["weight"].shape == (4, 3, 2) and buffers == {}
    x = andon.ones(5, 2)

    def one(parameters, x):
        return func.functional_call(models[0], parameters, (x,))

    y = func.vmap(one, in_dims=(0, None))(parameters, x)
    assert y.allclose(andon.stack([model(x) for model in models]))
    y.sum().backward()
    assert parameters["bias"].grad.tolist() == [[5.0] * 3] * 4


def test_batches_of_different_sizes_are_refused():
    with pytest.raises(ShapeError, match="vmap: one size of batches"):
        func.vmap(lambda x, y: x + y)(andon.ones(2), andon.ones(3))
    with pytest.raises(ShapeError, match="vmap: a dim per argument"):
        func.vmap(lambda x: x, in_dims=(0, 0))(andon.ones(2))
