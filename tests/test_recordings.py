"""Recordings: when one holds, what it refuses, and what other threads and forks see of it."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import random
import sys
import threading
import warnings
import weakref
from types import SimpleNamespace

import numpy as np
import pytest

import andon
from andon import nn
from andon.core.errors import ArgumentError, GraphError


def count(jitted):
    return sum(map(len, jitted.programs.values()))


# Arguments that share memory


def add_and_double(a, b):
    return a.add_(b), b * 2


def test_one_array_given_twice_is_another_recording():
    f = andon.jit(add_and_double)
    for _ in range(2):  # in either order
        x, a, b = andon.ones(2), andon.ones(2), andon.full((2,), 5.0)
        assert [y.tolist() for y in f(x, x)] == [[2, 2], [4, 4]]
        assert [y.tolist() for y in f(a, b)] == [[6, 6], [10, 10]]
    assert count(f) == 2


def test_an_argument_may_be_a_tensor_of_the_state():
    w, other = andon.ones(2), andon.full((2,), 7.0)
    f = andon.jit(lambda x: (w.add_(1), x * 2))
    for given, expected in ((w, [4, 4]), (other, [14, 14]), (w, [8, 8]), (other, [14, 14])):
        assert f(given)[1].tolist() == expected
    assert w.tolist() == [5, 5] and count(f) == 2


def test_arguments_that_overlap_cannot_be_changed():
    memory = andon.arange(6.0)
    with pytest.raises(GraphError, match=r"same memory.*%a and %b"):
        andon.jit(add_and_double)(memory[:4], memory[2:])
    shared = np.zeros(6, np.float32)
    a, b = andon.from_numpy(shared[:4]), andon.from_numpy(shared[2:])
    with pytest.raises(GraphError, match="same memory"):
        andon.jit(lambda: (a.add_(1), b * 2))()
    f = andon.jit(add_and_double)
    assert f(memory[::2], memory[1::2])[0].tolist() == [1, 5, 9]  # side by side


def test_a_backward_pass_leaves_the_gradient_at_the_argument_of_the_call():
    f = andon.jit(lambda x: (x * x).sum().backward())
    tensors = [andon.full((2,), float(n), requires_grad=True) for n in range(1, 4)]
    for x in (*tensors, tensors[0]):
        f(x)
    assert [x.grad[0].item() for x in tensors] == [4.0, 4.0, 6.0]


def test_a_change_of_an_argument_is_noticed_by_the_tape():
    x, w = andon.ones(2), andon.ones(2, requires_grad=True)
    y = (w * x).sum()
    andon.jit(lambda x: x.add_(1))(x)
    with pytest.raises(RuntimeError, match="changed"):
        y.backward()


# Numbers, modules and modes


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.scale = nn.Linear(2, 2), 2.0
        self.config, self.more = SimpleNamespace(shift=0.0), {}

    def forward(self, x):
        return self.inner(x) * self.scaled() + self.config.shift + self.more.get("shift", 0)

    def scaled(self):
        return self.scale


CHANGES = {
    "a number": lambda module: setattr(module, "scale", 3.0),
    "a number in an object": lambda module: setattr(module.config, "shift", 1.0),
    "a number of its own": lambda module: module.more.update(shift=1.0),
    "a part": lambda module: setattr(module, "inner", nn.Linear(2, 2)),
    "a hook": lambda module: module.inner.register_forward_hook(lambda m, x, y: y + 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_module_that_is_changed_is_recorded_anew(name):
    module, x = Scaled(), andon.ones(2)
    f = andon.jit(lambda x: module(x))
    for _ in range(2):
        np.testing.assert_allclose(f(x).tolist(), module(x).tolist(), rtol=1e-6)
    assert count(f) == 1
    CHANGES[name](module)
    np.testing.assert_allclose(f(x).tolist(), module(x).tolist(), rtol=1e-6)


def test_what_is_read_of_captured_objects_and_dicts_is_looked_at():
    config, sizes = SimpleNamespace(scale=2.0, epoch=0), {"shift": 1.0}
    f = andon.jit(lambda x: x * config.scale + sizes["shift"])
    for config.epoch in range(5):  # not read, as the second recording shows
        assert f(andon.ones(1)).item() == 3
    assert count(f) == 2
    config.scale = 3.0
    assert f(andon.ones(1)).item() == 4
    sizes["shift"] = 5.0
    assert f(andon.ones(1)).item() == 8
    config.scale = andon.full((1,), 2.0)
    assert f(andon.ones(1)).item() == 7
    config.scale = andon.full((1,), 4.0)
    assert f(andon.ones(1)).item() == 9
    del sizes["shift"]
    with pytest.raises(KeyError):
        f(andon.ones(1))


def test_what_a_program_keeps_beside_a_method_does_not_matter():
    class Loop:
        def __init__(self):
            self.scale, self.step, self.losses, self.batches = 2.0, 0, {"last": 0.0}, iter("abc")

        def scaled(self, x):
            return x * self.scale

        def named(self, x, name):
            return x * getattr(self, name)

    loop, x = Loop(), andon.ones(1)
    f, g = andon.jit(loop.scaled), andon.jit(loop.named)
    for loop.step in range(5):
        loop.losses["last"] = f(x).item()
    loop.scale = 3.0
    assert f(x).item() == 3 and count(f) == 2
    assert g(x, "scale").item() == 3
    with pytest.raises(GraphError, match="iterator"):  # which may be read by such a name
        g(x, "scale")


def test_a_global_with_the_name_of_a_method_is_none_of_it():
    names = {"andon": andon}
    exec("def f(x): return x.t().sum()", names)
    f = andon.jit(names["f"])
    for names["t"] in range(3):
        f(andon.ones(2, 2))
    assert count(f) == 1


def test_numbers_that_print_differently_are_different_arguments():
    f = andon.jit(lambda x, n: x / n)
    assert [f(andon.ones(1), n).item() for n in (0.0, -0.0)] == [np.inf, -np.inf]
    for _ in range(3):
        f(andon.ones(1), float("nan"))
    assert count(f) == 3


def test_autocast_is_part_of_a_recording():
    f, x = andon.jit(lambda x: x @ x), andon.ones(2, 2)
    assert f(x).dtype is andon.float32
    with andon.amp.autocast("cpu", dtype=andon.bfloat16):
        assert f(x).dtype is andon.bfloat16
    assert f(x).dtype is andon.float32


# What is refused


def swallow(x):
    try:
        return x if x.sum() > 0 else -x
    except RuntimeError:
        return -x


REFUSED = {
    "an error that is caught": (swallow, "elements of a tensor"),
    "random": (lambda x: x * random.random(), "random numbers"),
    "NumPy's random": (lambda x: x * float(np.random.rand()), "random numbers"),
    "a generator": (lambda x: (x * i for i in range(2)), "only once"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_recording_would_repeat_wrongly_is_an_error(name):
    function, message = REFUSED[name]
    with pytest.raises(GraphError, match=message):
        andon.jit(function)(andon.ones(2))


def test_arguments_that_cannot_be_told_apart_are_named():
    with pytest.raises(ArgumentError, match=r"argument 1 is neither a tensor nor .* set"):
        andon.jit(lambda x, names: x)(andon.ones(2), {"a"})


def test_arrays_of_numpy_are_changed_as_they_are_eagerly():
    def f(x):
        array = x.numpy()
        array[0] = 7
        array += 1
        return x * 1

    assert andon.jit(f)(andon.ones(2)).tolist() == f(andon.ones(2)).tolist() == [8, 2]


# Memory, copies


def test_nothing_keeps_what_was_given():
    f = andon.jit(lambda x: (x * x).sum())
    for needs in (False, True):
        x = andon.ones(4, requires_grad=needs)
        seen = weakref.ref(x.numpy() if not needs else x)
        f(x), f(x)
        del x
        gc.collect()
        assert seen() is None


def test_a_jitted_module_goes_when_nobody_has_it():
    module = andon.jit(nn.Linear(2, 2))
    module(andon.ones(2))
    seen = weakref.ref(module)
    del module
    gc.collect()
    assert seen() is None


@andon.jit
def decorated(x):
    return x + 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_jitted_module_is_copied_with_weights_of_its_own(copied):
    module, x = andon.jit(nn.Linear(2, 2)), andon.ones(2)
    before = module(x).tolist()
    other = copied(module)
    other.weight.data.zero_()
    assert other(x).tolist() == other.bias.tolist() and module(x).tolist() == before
    assert copied(decorated) is decorated


# Threads and forks


@pytest.fixture
def often():
    """Threads take turns often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def test_a_recording_does_not_disturb_calls_of_other_threads(often):
    module, x = nn.Linear(3, 3), andon.ones(2, 3)
    f, g = andon.jit(lambda x: module(x).tanh()), andon.jit(lambda x: module(x).exp())
    expected = {h: h(x).tolist() for h in (f, g)}
    done, wrong = threading.Event(), []

    def work(h):
        try:
            while not done.is_set():
                wrong.extend([h] * (h(x).tolist() != expected[h]))
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(h,)) for h in (f, g)]
    for thread in threads:
        thread.start()
    for size in range(3, 12):
        f(andon.ones(size, 3))
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_threads_that_call_for_the_first_time_record_once():
    f, results = andon.jit(lambda x: x.exp() * 3), []
    ready = threading.Barrier(4)
    work = lambda: (ready.wait(), results.append(f(andon.ones(1)).item()))  # noqa: E731
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 1 and len(results) == 4 and count(f) == 1


def test_a_tensor_that_another_thread_records_says_so():
    weight, inside, over = andon.ones(2), threading.Event(), threading.Event()

    def f(x):
        y = x * weight
        inside.set()
        over.wait()
        return y

    thread = threading.Thread(target=andon.jit(f), args=(andon.ones(2),))
    thread.start()
    inside.wait()
    with pytest.raises(GraphError, match="another thread"):
        weight.add_(1)
    over.set()
    thread.join()
    assert weight.add_(1).tolist() == [2, 2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_that_is_forked_during_a_recording_finds_everything_whole():
    weight, inside, over = andon.ones(2), threading.Event(), threading.Event()

    def f(x):
        y = (x * weight).exp()
        inside.set()
        over.wait()
        return y

    jitted = andon.jit(f)
    thread = threading.Thread(target=jitted, args=(andon.ones(2),))
    thread.start()
    inside.wait()
    threading.Timer(0.05, over.set).start()  # while the fork waits
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        found = weight.tolist() == [1, 1] and jitted(andon.zeros(2)).tolist() == [1, 1]
        os._exit(0 if found else 1)
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
