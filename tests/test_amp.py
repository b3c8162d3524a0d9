"""Mixed precision, the scale of its losses, and the search for the origin of a NaN."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import andon
from andon import nn
from andon.amp import GradScaler, autocast
from andon.autograd import detect_anomaly, set_detect_anomaly
from andon.autograd.checkpoint import checkpoint
from andon.core.errors import DTypeError, GradientError, StateError


def numbers(*shape):
    return np.sin(np.arange(np.prod(shape)) * 1.7).reshape(shape).astype(np.float32)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_products_within_autocast_have_the_dtype_and_the_values_of_pytorch(dtype):
    def results(t, cast):
        a, b = t.tensor(numbers(4, 3)).requires_grad_(), t.tensor(numbers(3, 5))
        with cast("cpu", dtype=getattr(t, dtype)):
            y = a @ b
            z = t.nn.functional.linear(a, b.t())
            s = a + a
            loss = t.nn.functional.cross_entropy(z, t.tensor([0, 1, 2, 3]))
        loss.backward()
        return [y.float(), z.float(), loss, a.grad], [str(x.dtype)[-8:] for x in (y, z, s, loss)]

    ours, dtypes = results(andon, autocast)
    theirs, expected = results(torch, torch.autocast)
    assert dtypes == expected
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=2e-2, atol=1e-2)


def test_autocast_can_be_switched_off_within_and_ends_with_its_block():
    x = andon.ones(2, 2)
    with autocast("cpu"):
        assert (x @ x).dtype is andon.bfloat16
        with autocast("cpu", enabled=False):
            assert (x @ x).dtype is andon.float32
        assert (x @ x).dtype is andon.bfloat16
    assert (x @ x).dtype is andon.float32


def test_autocast_is_a_decorator_and_does_nothing_for_other_devices():
    x = andon.ones(2, 2)
    assert autocast("cpu")(lambda: x @ x)().dtype is andon.bfloat16
    with autocast("cuda"):
        assert (x @ x).dtype is andon.float32
    with pytest.raises(DTypeError, match="bfloat16 or float16 expected"):
        autocast("cpu", dtype=andon.int32)


def test_a_checkpoint_runs_again_as_it_ran_at_first():
    w = andon.tensor(numbers(3, 2), requires_grad=True)
    x = andon.tensor(numbers(4, 3))

    def gradient(run):
        w.grad = None
        with autocast("cpu"):
            y = run(lambda x: (x @ w).exp(), x)
        y.float().sum().backward()
        return w.grad.numpy()

    np.testing.assert_array_equal(gradient(checkpoint), gradient(lambda f, x: f(x)))


def trained(t, scaler):
    """Weights and scales over steps, the second of which overflows."""
    layer = t.nn.Linear(3, 1, bias=False)
    with t.no_grad():
        layer.weight.copy_(t.tensor(numbers(1, 3)))
    optimizer = t.optim.SGD(layer.parameters(), lr=0.1)
    found = []
    for i in range(5):
        optimizer.zero_grad()
        x = t.tensor(numbers(2, 3)) * (float("inf") if i == 1 else 1.0)
        scaler.scale(layer(x).sum()).backward()
        if i == 3:
            scaler.unscale_(optimizer)
            t.nn.utils.clip_grad_norm_(layer.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        found.append((layer.weight.tolist(), scaler.get_scale()))
    return found, scaler.state_dict()


def test_the_scaler_scales_skips_and_grows_as_pytorchs_does():
    options = {"init_scale": 8.0, "growth_interval": 2}
    ours, state = trained(andon, GradScaler("cpu", **options))
    theirs, expected = trained(torch, torch.amp.GradScaler("cpu", **options))
    for (w, scale), (v, other) in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(w, v, rtol=1e-6)
        assert scale == other
    assert state == expected
    other = GradScaler("cpu")
    other.load_state_dict(state)
    assert other.state_dict() == state


def test_a_scaler_for_another_device_is_off():
    scaler = GradScaler()
    assert not scaler.is_enabled() and scaler.get_scale() == 1.0 and scaler.state_dict() == {}
    loss = andon.ones(1)
    assert scaler.scale(loss) is loss


def test_gradients_are_unscaled_once():
    p = nn.Parameter(andon.ones(2))
    optimizer, scaler = andon.optim.SGD([p], lr=0.1), GradScaler("cpu")
    scaler.scale(p.sum()).backward()
    scaler.unscale_(optimizer)
    assert p.grad.tolist() == [1.0, 1.0]
    with pytest.raises(StateError, match="unscale_: was called already"):
        scaler.unscale_(optimizer)


# NaN


def test_anomaly_detection_names_the_op_whose_gradient_is_nan():
    x = andon.tensor([0.0, 1.0], requires_grad=True)
    with detect_anomaly(), pytest.raises(GradientError, match="SqrtBackward0 returned nan"):
        (x.sqrt() * 0).sum().backward()
    (x.sqrt() * 0).sum().backward()  # not watched
    assert bool(x.grad.isnan()[0])


def test_anomaly_detection_is_switched_on_and_off():
    x = andon.tensor([0.0], requires_grad=True)
    set_detect_anomaly(True)
    try:
        with pytest.raises(GradientError, match="nan"):
            andon.autograd.grad((x.sqrt() * 0).sum(), x, create_graph=True)
    finally:
        set_detect_anomaly(False)
    (g,) = andon.autograd.grad((x.sqrt() * 0).sum(), x)
    assert bool(g.isnan())
