"""Differentiation: the tape, what it keeps and frees, hooks, Functions, checkpoints."""

from __future__ import annotations

import gc
import threading
import traceback
import weakref

import numpy as np
import pytest
import torch

import andon
from andon.autograd import Function, functional, grad, gradcheck, gradgradcheck
from andon.autograd.checkpoint import checkpoint, checkpoint_sequential
from andon.autograd.function import once_differentiable
from andon.core.errors import DTypeError, GradientError, ShapeError


def leaf(*numbers, dtype=andon.float64):
    return andon.tensor(numbers or [1.0, 2.0, 3.0], dtype=dtype, requires_grad=True)


# The tape


def test_the_derivative_of_a_square():
    x = andon.tensor(3.0, requires_grad=True)
    (x * x).backward()
    assert x.grad.item() == 6


def test_a_value_used_twice_gets_both_gradients():
    a = leaf()
    b = a + a
    c = b + b
    c.sum().backward()
    assert a.grad.tolist() == [4, 4, 4]


def test_a_ladder_of_diamonds_is_walked_once_per_node():
    x = andon.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(60):  # 2^60 paths
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_gradients_arrive_before_a_node_passes_them_on():
    x = leaf(2.0)
    a = x * 3
    b = a * a
    c = b * a + a
    c.backward()
    assert x.grad.tolist() == [3 * 3 * 36 + 3]


def test_a_chain_of_a_hundred_thousand_ops_is_differentiated_and_freed():
    x = andon.tensor([1.0], requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    alive = weakref.ref(y.grad_fn)
    y.backward()
    assert x.grad.item() == 1
    del y
    assert alive() is None


def test_a_deep_chain_that_nobody_differentiates_is_freed_too():
    y = andon.tensor([1.0], requires_grad=True)
    for _ in range(50_000):
        y = y.exp().log()
    alive = weakref.ref(y.grad_fn)
    del y
    assert alive() is None


def test_gradients_of_broadcast_operands_are_summed():
    a, b = andon.ones(3, 1, requires_grad=True), andon.ones(4, requires_grad=True)
    (a * b * 2).sum().backward()
    assert a.grad.tolist() == [[8]] * 3 and b.grad.tolist() == [6] * 4


def test_a_gradient_has_the_dtype_of_its_tensor():
    a = andon.ones(2, dtype=andon.float32, requires_grad=True)
    b = andon.ones(2, dtype=andon.float64, requires_grad=True)
    (a * b).sum().backward()
    assert a.grad.dtype is andon.float32 and b.grad.dtype is andon.float64


def test_gradients_add_up_over_backward_calls_in_the_same_tensor():
    x = leaf()
    (x * x).sum().backward()
    first = x.grad
    (x * x).sum().backward()
    assert x.grad is first and first.tolist() == [4, 8, 12]


def test_a_leaf_is_its_own_gradient_of_one():
    x = andon.tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1


def test_what_needs_no_gradient_gets_none():
    x, y = leaf(), andon.ones(3, dtype=andon.float64)
    (x * y).sum().backward()
    assert y.grad is None and not y.requires_grad and y.grad_fn is None


# Errors


def test_a_second_backward_raises_and_says_what_to_do():
    x = leaf()
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GradientError, match=r"backward: mul was already .*retain_graph=True"):
        y.backward()


def test_retain_graph_allows_a_second_backward():
    x = leaf()
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 8, 12]


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda x: (x * 2).backward(), GradientError, r"only a scalar .*float64\[3\]"),
        (lambda x: x.detach().sum().backward(), GradientError, "does not require a gradient"),
        (lambda x: (x * 2).backward(andon.ones(2)), ShapeError, "gradient given does not fit"),
        (lambda x: (x * 2).backward([1.0, 2.0, 3.0]), GradientError, "1 outputs but 3 gradients"),
        (lambda x: (x * 2).backward(np.ones(3)), DTypeError, "must be a tensor: ndarray"),
        (lambda x: grad(x.sum(), leaf()), GradientError, "do not depend on input 0"),
        (lambda x: grad(x.sum(), andon.ones(3)), GradientError, "input 0 does not require"),
        (lambda x: grad(x.sum(), []), GradientError, "at least one input"),
        (lambda x: grad(x.sum(), 3), DTypeError, "grad: expects tensors: int"),
        (lambda x: grad(3.0, x), DTypeError, "grad: expects tensors: float"),
        (lambda x: x.sum().backward(inputs=[]), GradientError, "at least one input"),
        (lambda x: x.long().requires_grad_(), GradientError, r"only floats .*int64\[3\]"),
        (lambda x: andon.tensor([1], requires_grad=True), GradientError, "only floats"),
        (lambda x: (x * 2).requires_grad_(False), GradientError, "only leaves"),
        (lambda x: x.numpy(), GradientError, r"use detach\(\).numpy"),
        (lambda x: x.detach().register_hook(print), GradientError, "register_hook: "),
        (lambda x: x.detach().retain_grad(), GradientError, "retain_grad: "),
        (lambda x: setattr(x, "grad", andon.ones(2)), ShapeError, "grad: does not fit"),
        (lambda x: setattr(x, "grad", 1.0), DTypeError, "grad: must be a tensor or None"),
    ],
)
def test_what_cannot_be_differentiated_raises(act, error, says):
    with pytest.raises(error, match=says):
        act(leaf())


def test_the_last_frame_of_the_users_code_is_where_it_went_wrong():
    x = leaf()
    y = x * x
    y.detach()
    x.detach().zero_()
    try:
        y.sum().backward()  # here
    except GradientError as error:
        frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == __file__]
    assert own[-1].line == "y.sum().backward()  # here"


# grad, and higher derivatives


def test_grad_returns_gradients_and_touches_no_leaf():
    x, w = leaf(), leaf()
    gx, gw = grad((x * w).sum(), (x, w))
    assert gx.tolist() == w.tolist() and gw.tolist() == x.tolist()
    assert x.grad is None and w.grad is None


def test_grad_accepts_anything_iterable_as_inputs():
    x, w = leaf(), leaf()
    assert len(grad((x * w).sum(), iter([x, w]))) == 2


def test_grad_of_what_lies_between_and_of_itself():
    x = leaf()
    y = x * x
    z = (y * 3).sum()
    gy, gx, gz = grad(z, (y, x, z))
    assert gy.tolist() == [3, 3, 3] and gx.tolist() == [6, 12, 18] and gz.item() == 1


def test_an_unused_input_gives_none_or_zeros():
    x, unused = leaf(), leaf()
    assert grad(x.sum(), (x, unused), allow_unused=True)[1] is None
    zeros = grad(x.sum(), (x, unused), materialize_grads=True)[1]
    assert zeros.tolist() == [0, 0, 0]


def test_materialized_zeros_are_zeros_even_where_the_input_is_infinite():
    x, unused = leaf(), leaf(float("inf"), float("nan"))
    assert grad(x.sum(), unused, materialize_grads=True)[0].tolist() == [0, 0]


def test_grad_outputs_weigh_the_outputs():
    x = leaf()
    (g,) = grad(x * x, x, grad_outputs=andon.tensor([1.0, 10.0, 100.0], dtype=andon.float64))
    assert g.tolist() == [2, 40, 600]
    (g,) = grad([x.sum(), (x * x).sum()], x, grad_outputs=[None, andon.tensor(2.0)])
    assert g.tolist() == [5, 9, 13]


def test_backward_with_inputs_fills_only_those():
    x, w = leaf(), leaf()
    (x * w).sum().backward(inputs=[x])
    first = x.grad
    (x * w).sum().backward(inputs=x)
    assert x.grad is first and x.grad.tolist() == [2, 4, 6] and w.grad is None


def test_third_derivatives():
    x = leaf(2.0, 3.0)
    y = (x**4).sum()
    for expected in ([32, 108], [48, 108], [48, 72]):
        (g,) = grad(y, x, create_graph=True)
        np.testing.assert_allclose(g.detach().numpy(), expected)
        y = g.sum()


def test_backward_with_create_graph_leaves_a_gradient_that_can_be_differentiated():
    x = leaf(2.0)
    (x**3).sum().backward(create_graph=True)
    assert x.grad.tolist() == [12] and x.grad.requires_grad
    (g,) = grad(x.grad.sum(), x)
    assert g.tolist() == [12]


def test_a_gradient_penalty_agrees_with_pytorch():
    def penalty(t):
        rng = np.random.default_rng(0)
        w = t.tensor(rng.standard_normal((3, 4)), requires_grad=True)
        x = t.tensor(rng.standard_normal((5, 3)), requires_grad=True)
        y = (x @ w).tanh().sum()
        (g,) = t.autograd.grad(y, x, create_graph=True)
        ((g * g).sum(1) - 1).pow(2).sum().backward()
        return w.grad.numpy()

    np.testing.assert_allclose(penalty(andon), penalty(torch), rtol=1e-9)


# Aliasing and memory


def test_no_two_gradients_share_memory():
    a, b, c = leaf(), leaf(), leaf()
    seed = andon.ones(3, dtype=andon.float64)
    (a + b + c).backward(seed)
    for g in (a.grad, b.grad, c.grad, seed):
        others = [h for h in (a.grad, b.grad, c.grad, seed) if h is not g]
        g.add_(1)
        assert not any(np.shares_memory(g.numpy(), h.numpy()) for h in others)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x.sum(),
        lambda x: x.reshape(3, 1).sum(),
        lambda x: x.expand(4, 3).sum(),
        lambda x: x[None].sum() + x.sum(),
        lambda x: x.t().clone().sum(),
        lambda x: x * 1 + x.detach(),
    ],
)
def test_a_gradient_belongs_to_its_leaf_alone(f):
    """Changing one in place must not change another, nor a later backward."""
    x, w = leaf(), leaf()
    y = f(x) + f(w)
    y = y if y.ndim == 0 else y.sum()
    y.backward(retain_graph=True)
    expected = w.grad.tolist()
    x.grad.mul_(100)
    assert w.grad.tolist() == expected
    w.grad = None
    y.backward()
    assert w.grad.tolist() == expected


def test_the_gradient_given_by_grad_is_not_the_one_that_is_passed_on():
    x = leaf()
    y = x + 0
    gy, gx = grad(y, (y, x), andon.ones(3, dtype=andon.float64))
    gy.mul_(5)
    assert gx.tolist() == [1, 1, 1]


def watched(tensor):
    """A weak reference to the array of a tensor."""
    return weakref.ref(tensor.array)


def test_an_array_that_no_rule_reads_is_freed_at_once():
    x = leaf()
    a = x * 2  # neither the rule of mul nor that of exp reads it
    e = a.exp()
    b = e + 1
    y = b.sum()
    array_a, array_e, array_b = watched(a), watched(e), watched(b)
    del a, e, b
    assert array_a() is None and array_b() is None
    assert array_e() is not None  # exp reads its result
    y.backward()
    assert array_e() is None  # freed by the backward pass
    assert x.grad is not None


def test_only_the_operand_whose_partner_needs_a_gradient_is_kept():
    x, constant = leaf(), andon.ones(3, dtype=andon.float64)
    a = x + 1
    y = a * constant  # d a needs the constant, nobody needs a
    array = watched(a)
    del a
    assert array() is None and y.requires_grad


def test_nothing_is_kept_within_no_grad():
    x = leaf()
    with andon.no_grad():
        a = x.exp()
        y = a * a
    array = watched(a)
    del a
    assert array() is None and not y.requires_grad


def test_a_training_loop_leaves_nothing_for_the_garbage_collector():
    w = andon.ones(8, 8, requires_grad=True)
    x = andon.ones(4, 8)
    gc.collect()
    gc.disable()
    try:
        for _ in range(50):
            h = x @ w
            h = h.relu() + h[:, :1] * h.sum()
            h[0] = 1.0
            h = Exp.apply(Cube.apply(h * 0.01)) + SinCos.apply(h)[0]
            h.retain_grad()
            loss = checkpoint(lambda h: (h * h).exp().mean(), h * 0.01)
            w.grad = None
            loss.backward()
        del h, loss
        assert gc.collect() == 0
    finally:
        gc.enable()


# Hooks


def test_a_hook_sees_the_gradient_and_may_replace_it():
    x = leaf()
    y = x * 2
    seen = []
    y.register_hook(seen.append)
    y.register_hook(lambda g: g * 10)
    y.register_hook(seen.append)
    y.sum().backward()
    assert [g.tolist() for g in seen] == [[1, 1, 1], [10, 10, 10]]
    assert x.grad.tolist() == [20, 20, 20]


def test_a_hook_on_a_leaf_sees_the_whole_gradient_once():
    x = leaf()
    seen = []
    x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2 + x * 3).sum().backward()
    assert seen == [[5, 5, 5]]


def test_a_hook_can_be_removed():
    x = leaf()
    handle = x.register_hook(lambda g: g * 0)
    with x.register_hook(lambda g: g * 7):
        pass
    handle.remove()
    handle.remove()
    x.sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_hooks_run_in_grad_and_in_higher_derivatives():
    x = leaf(3.0)
    x.register_hook(lambda g: g * 2)
    (g,) = grad((x * x).sum(), x, create_graph=True)
    assert g.tolist() == [12]
    (gg,) = grad(g.sum(), x)
    assert gg.tolist() == [8]


def test_a_hook_must_return_a_gradient_of_the_same_shape():
    for wrong in (lambda g: g.sum(), lambda g: 3.0):
        x = leaf()
        x.register_hook(wrong)
        with pytest.raises(GradientError, match="hook: must return a gradient like"):
            x.sum().backward()


def test_retain_grad_keeps_what_the_hooks_left():
    x = leaf()
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    assert y.retains_grad and not x.retains_grad
    y.sum().backward(retain_graph=True)
    assert y.grad.tolist() == [10, 10, 10]
    y.sum().backward()
    assert y.grad.tolist() == [20, 20, 20]


# Modes


def test_no_grad_is_a_context_a_decorator_and_nests():
    x = leaf()
    with andon.no_grad():
        assert not (x * 2).requires_grad
        with andon.enable_grad():
            assert (x * 2).requires_grad
        assert not andon.is_grad_enabled()
    assert andon.is_grad_enabled()

    @andon.no_grad()
    def called(x):
        return x * 2

    @andon.no_grad
    def bare(x):
        return bare(x) if x.ndim == 0 else x * 2

    assert not called(x).requires_grad and not bare(x).requires_grad
    assert called.__name__ == "called"


def test_no_grad_is_left_by_an_exception():
    with pytest.raises(KeyError), andon.no_grad():
        raise KeyError
    assert andon.is_grad_enabled()


def test_a_generator_is_within_the_mode_and_its_caller_is_not():
    @andon.no_grad()
    def steps(x):
        got = yield x * 2
        yield got * 2
        return "done"

    x = leaf()
    running = steps(x)
    assert not next(running).requires_grad
    assert andon.is_grad_enabled()
    assert not running.send(x).requires_grad
    with pytest.raises(StopIteration, match="done"):
        next(running)


def test_set_grad_enabled_is_a_context_a_call_and_a_decorator():
    with andon.set_grad_enabled(False):
        assert not andon.is_grad_enabled()
        with andon.set_grad_enabled(True):
            assert andon.is_grad_enabled()
    assert andon.is_grad_enabled()
    andon.set_grad_enabled(False)
    assert not andon.is_grad_enabled()
    andon.set_grad_enabled(True)

    @andon.set_grad_enabled(False)
    def f():
        return andon.is_grad_enabled()

    assert not f() and andon.is_grad_enabled()


def test_inference_mode_can_be_switched_on_and_off():
    x = leaf()
    with andon.inference_mode():
        assert not (x * 2).requires_grad
        with andon.inference_mode(False):
            assert (x * 2).requires_grad
    assert andon.inference_mode()(lambda: andon.is_grad_enabled())() is False


def test_the_mode_is_each_threads_own():
    with andon.no_grad():
        seen = []
        thread = threading.Thread(target=lambda: seen.append(andon.is_grad_enabled()))
        thread.start()
        thread.join()
        assert seen == [True] and not andon.is_grad_enabled()


# Function


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 3 * x * x * g


class Exp(Function):
    """With its result saved, and `setup_context`."""

    @staticmethod
    def forward(x):
        return x.exp()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class SinCos(Function):
    """Two outputs, each saved for the gradient of the other."""

    @staticmethod
    def forward(ctx, x):
        s, c = x.sin(), x.cos()
        ctx.save_for_backward(s, c)
        return s, c

    @staticmethod
    def backward(ctx, gs, gc):
        s, c = ctx.saved_tensors
        return gs * c - gc * s


@pytest.mark.parametrize("f", [Cube.apply, Exp.apply, SinCos.apply])
def test_a_function_passes_both_gradient_checks(f):
    x = leaf(0.3, -0.7)
    assert gradcheck(f, x)
    assert gradgradcheck(f, x)


def test_second_derivatives_go_through_an_output_that_was_dropped():
    x = leaf(0.3)
    (g,) = grad(SinCos.apply(x)[0].sum(), x, create_graph=True)
    (gg,) = grad(g.sum(), x)
    np.testing.assert_allclose(gg.numpy(), -np.sin([0.3]))


def test_a_function_shows_its_name_and_frees_what_it_saved():
    x = leaf()
    a = x * 1
    y = Cube.apply(a)
    assert repr(y.grad_fn) == "<CubeBackward0>"
    array = watched(a)
    del a
    assert array() is not None
    y.sum().backward()
    assert array() is None
    with pytest.raises(GradientError, match="Cube was already differentiated"):
        y.sum().backward()


def test_a_function_without_a_gradient_wanted_leaves_no_trace():
    y = Cube.apply(andon.ones(2))
    assert not y.requires_grad
    with andon.no_grad():
        assert not Cube.apply(leaf()).requires_grad


def test_needs_input_grad_and_none_for_an_input():
    class Scale(Function):
        @staticmethod
        def forward(ctx, x, factor, w):
            ctx.factor = factor
            assert ctx.needs_input_grad == (True, False, False)
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None, None

    x = leaf()
    Scale.apply(x, 5.0, andon.ones(3)).sum().backward()
    assert x.grad.tolist() == [5, 5, 5]


def test_a_non_differentiable_output_requires_no_gradient():
    class SortFirst(Function):
        @staticmethod
        def forward(ctx, x):
            y, rank = x * 2, x * 0
            ctx.mark_non_differentiable(rank)
            return y, rank

        @staticmethod
        def backward(ctx, gy, grank):
            assert grank.tolist() == [0, 0, 0]
            return gy * 2

    x = leaf()
    y, rank = SortFirst.apply(x)
    assert y.requires_grad and not rank.requires_grad
    y.sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


@pytest.mark.parametrize("materialize", [True, False])
def test_missing_gradients_are_zeros_or_none(materialize):
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, a, b):
            seen.append(b if b is None else b.tolist())
            return a

    x = leaf()
    Two.apply(x)[0].sum().backward()
    assert seen == [[0, 0, 0] if materialize else None]


def test_an_input_returned_as_it_is_gets_a_place_of_its_own():
    class Identity(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 3

    x = leaf()
    y = Identity.apply(x)
    assert y is not x and x.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == [3, 3, 3]


def test_an_input_changed_in_place_takes_on_the_history():
    class Double(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = leaf()
    y = x * 1
    assert Double.apply(y) is y
    y.sum().backward()
    assert y.tolist() == [2, 4, 6] and x.grad.tolist() == [2, 2, 2]
    with pytest.raises(GradientError, match="a leaf that requires a gradient"):
        Double.apply(leaf())


def backward_returning(*grads):
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return grads

    return Wrong


@pytest.mark.parametrize(
    ("grads", "says"),
    [
        ((andon.ones(3),), "one gradient per input expected: 1 for 2 inputs"),
        ((andon.ones(3),) * 3, "one gradient per input expected: 3 for 2 inputs"),
        ((andon.ones(2), None), r"does not fit float64\[3\]: float32\[2\]"),
        ((2.0, None), "not a tensor: float"),
    ],
)
def test_a_wrong_backward_raises(grads, says):
    with pytest.raises(GradientError, match=says):
        backward_returning(*grads).apply(leaf(), leaf()).sum().backward()


def test_nones_beyond_the_inputs_are_forgiven():
    x = leaf()
    one = andon.ones(3)
    backward_returning(one, one, None).apply(x, leaf()).sum().backward()
    assert x.grad.tolist() == [1, 1, 1]


def test_a_saved_tensor_changed_in_place_raises():
    a = leaf() * 1
    y = Cube.apply(a)
    a.add_(1)
    with pytest.raises(GradientError, match="Cube needs a value that an in-place"):
        y.sum().backward()


def test_a_once_differentiable_function_says_so_when_differentiated_twice():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    x = leaf(3.0)
    assert grad(Square.apply(x).sum(), x)[0].tolist() == [6]
    (g,) = grad(Square.apply(x).sum(), x, create_graph=True)
    with pytest.raises(GradientError, match="once_differentiable"):
        g.sum().backward()


# Products with Jacobians


def two_to_two(t):
    return lambda x, y: ((x * y).exp(), x.sum() * y * y)


FUNCTIONALS = {
    "jacobian": lambda t, F, x, y: F.jacobian(two_to_two(t), (x, y)),
    "jacobian of one": lambda t, F, x, y: F.jacobian(lambda x: x.exp() * y, x),
    "vjp": lambda t, F, x, y: F.vjp(two_to_two(t), (x, y), (y, x)),
    "vjp of a scalar": lambda t, F, x, y: F.vjp(lambda x: (x * x).sum(), x),
    "jvp": lambda t, F, x, y: F.jvp(two_to_two(t), (x, y), (y, x)),
    "hessian": lambda t, F, x, y: F.hessian(lambda x, y: (x * x * y).exp().sum(), (x, y)),
    "hessian of one": lambda t, F, x, y: F.hessian(lambda x: (x * x * x).sum(), x),
    "hvp": lambda t, F, x, y: F.hvp(lambda x: (x * x * x).sum(), x, y),
    "vhp": lambda t, F, x, y: F.vhp(lambda x, y: (x * x * y).sum(), (x, y), (y, x)),
    "hessian of a linear function": lambda t, F, x, y: F.hessian(lambda x: (x * y).sum(), x),
    "vjp of a constant": lambda t, F, x, y: F.vjp(lambda x: y * 2, x, y),
    "jvp of a constant": lambda t, F, x, y: F.jvp(lambda x: y * 2, x, y),
    "jacobian of a constant": lambda t, F, x, y: F.jacobian(lambda x: y * 2, x),
    "jacobian of part": lambda t, F, x, y: F.jacobian(lambda x, y: x * 2, (x, y)),
}


def arrays_in(result) -> list:
    if isinstance(result, tuple):
        return [a for part in result for a in arrays_in(part)]
    return [result.numpy()]


@pytest.mark.parametrize("name", FUNCTIONALS)
def test_a_functional_gives_what_pytorch_gives(name):
    x, y = np.array([0.5, -1.0]), np.array([2.0, 0.3])
    ours = FUNCTIONALS[name](andon, functional, andon.tensor(x), andon.tensor(y))
    theirs = FUNCTIONALS[name](torch, torch.autograd.functional, torch.tensor(x), torch.tensor(y))
    for a, b in zip(arrays_in(ours), arrays_in(theirs), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=1e-9)


def test_strict_functionals_refuse_what_does_not_depend():
    x = leaf()
    with pytest.raises(GradientError):
        functional.vjp(lambda x: andon.ones(3), x, andon.ones(3), strict=True)
    with pytest.raises(GradientError):
        functional.jacobian(lambda x, y: x * 2, (x, x), strict=True)


def test_a_jacobian_can_be_differentiated_itself():
    x = leaf(2.0, 3.0)
    jacobian = functional.jacobian(lambda x: x**3, x, create_graph=True)
    (g,) = grad(jacobian.sum(), x)
    assert g.tolist() == [12, 18]


# Checkpoint


def block(x, w):
    return (x @ w).tanh().exp() * x


def checkpoint_gradients(run):
    rng = np.random.default_rng(0)
    x = andon.tensor(rng.standard_normal((3, 3)), requires_grad=True)
    w = andon.tensor(rng.standard_normal((3, 3)), requires_grad=True)
    y = x
    for _ in range(3):
        y = run(y, w)
    y.sum().backward()
    return x.grad.numpy(), w.grad.numpy()


def nested(x, w):
    return checkpoint(lambda x, w: checkpoint(block, x, w) + checkpoint(block, x * 2, w), x, w)


def twice(x, w):
    return block(x, w) + block(x * 2, w)


@pytest.mark.parametrize(
    ("plain", "saving"),
    [
        (block, lambda x, w: checkpoint(block, x, w)),
        (block, lambda x, w: checkpoint(lambda x: block(x, w), x)),  # w is captured
        (block, lambda x, w: checkpoint(block, x=x, w=w)),
        (twice, nested),
        (lambda x, w: Cube.apply(x) @ w, lambda x, w: checkpoint(lambda x: Cube.apply(x) @ w, x)),
    ],
)
def test_a_checkpoint_changes_no_gradient(plain, saving):
    for ours, expected in zip(
        checkpoint_gradients(saving), checkpoint_gradients(plain), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


def arrays_kept(y) -> int:
    """How many arrays the tape of y holds."""
    kept, stack, seen = set(), [y.grad_fn], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        stack.extend(node.inputs)
        saved = node.saved.values() if isinstance(node.saved, dict) else node.saved
        if not hasattr(node.saved, "restore"):
            kept |= {id(a) for a in saved if isinstance(a, np.ndarray)}
    return len(kept)


@pytest.mark.parametrize("run", [block, nested])
def test_a_checkpoint_keeps_no_arrays(run):
    x, w = andon.ones(3, 3, requires_grad=True), andon.ones(3, 3, requires_grad=True)
    assert arrays_kept(block(x, w)) > 2
    assert arrays_kept(checkpoint(run, x, w)) == 0


def test_the_arrays_within_a_checkpoint_are_freed():
    arrays = []

    def f(x):
        y = x.exp()
        arrays.append(watched(y))
        return y * y

    x = leaf()
    z = checkpoint(f, x)
    assert arrays[0]() is None
    z.sum().backward()
    assert len(arrays) == 2 and arrays[1]() is None


def test_a_checkpoint_draws_the_same_random_numbers_again():
    masks = []

    def f(x):
        mask = (andon.rand(100) < 0.5).double()
        masks.append(mask.tolist())
        return x * mask

    x = andon.ones(100, dtype=andon.float64, requires_grad=True)
    y = checkpoint(f, x)
    after = andon.rand(3).tolist()
    y.sum().backward()
    assert masks[0] == masks[1] and x.grad.tolist() == masks[0]
    assert andon.rand(3).tolist() != after


def test_a_checkpoint_has_higher_derivatives():
    x = leaf(0.3, 0.5)
    assert gradgradcheck(lambda x: checkpoint(lambda x: (x.exp() * x).sin(), x), x)
    assert gradgradcheck(lambda x: checkpoint(lambda x: Exp.apply(Cube.apply(x)), x), x)
    assert gradgradcheck(lambda x: checkpoint(lambda x: checkpoint(SinCos.apply, x)[0] * x, x), x)


def test_grad_goes_through_a_checkpoint_to_a_captured_tensor():
    x, w = leaf(), leaf()
    y = checkpoint(lambda x: (x * w).exp(), x)
    gx, gw = grad(y.sum(), (x, w))
    expected = (x * w).exp().detach().numpy()
    np.testing.assert_allclose(gx.numpy(), expected * w.tolist())
    np.testing.assert_allclose(gw.numpy(), expected * x.tolist())


def test_a_checkpoint_that_takes_another_path_the_second_time_raises():
    calls = []

    def f(x):
        calls.append(1)
        return x * x if len(calls) == 1 else x.exp()

    y = checkpoint(f, leaf())
    with pytest.raises(GradientError, match="checkpoint: the function took another path"):
        y.sum().backward()


def test_a_checkpoint_notices_that_its_input_was_changed_since():
    a = leaf() * 1
    y = checkpoint(lambda a: a * a, a)
    a.add_(1)
    with pytest.raises(GradientError, match="mul needs a value that an in-place"):
        y.sum().backward()


def test_a_checkpoint_is_freed_by_its_backward_unless_retained():
    x = leaf()
    y = checkpoint(lambda x: x * x, x)
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    assert x.grad.tolist() == [4, 8, 12]
    with pytest.raises(GradientError, match="already differentiated"):
        y.sum().backward()


def test_a_sequence_is_checkpointed_in_segments():
    x = leaf()
    layers = [lambda x: x * 2, lambda x: x.exp(), lambda x: x * x, lambda x: x + 1]
    y = checkpoint_sequential(layers, 2, x)
    y.sum().backward()
    z = leaf()
    ((z * 2).exp() ** 2 + 1).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy())


# The gradient check


def test_the_gradient_check_finds_a_wrong_gradient():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x):
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g

    x = leaf()
    assert gradcheck(lambda x: x * x, x)
    with pytest.raises(GradientError, match=r"gradcheck: output 0, input 0: .*off by up to"):
        gradcheck(Wrong.apply, x)
    assert gradcheck(Wrong.apply, x, raise_exception=False) is False


def test_the_second_gradient_check_finds_a_wrong_second_derivative():
    class Half(Function):
        """Right once; but its gradient is cut off from the tape."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0].detach() * g

    x = leaf()
    assert gradcheck(Half.apply, x)
    with pytest.raises(GradientError):
        gradgradcheck(lambda x: Half.apply(x) + x**3, x)


def test_the_gradient_check_skips_outputs_without_gradient():
    assert gradcheck(lambda x: (x.detach(), (x > 0), x * 3), leaf())
    with pytest.raises(GradientError, match="no input"):
        gradcheck(lambda x: x, andon.ones(3))


def test_the_gradient_of_a_leaf_lies_in_memory_as_the_leaf_does():
    w, x = andon.randn(4, 3, requires_grad=True), andon.randn(5, 4)
    for loss in (lambda: w.t() @ x.t(), lambda: andon.einsum("ab,cb->ac", w.t(), x)):
        w.grad = None
        loss().sum().backward()
        assert w.grad.stride() == w.stride() and w.grad.view(-1).shape == (12,)
