"""conv.h, pool.h and batch_norm.h against the references of andon.ops, alone and in graphs."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, field

import numpy as np
import pytest
from c_kernels import TARGETS, assert_close, built, call, check_arm, guarded

import andon
from andon import ops
from andon.codegen.convolution import tile_rows, window_of
from andon.devices import compiler
from andon.engine.executable import Executable
from andon.engine.jit import trace
from andon.ops.avg_pool import spread_windows, sum_pool
from andon.ops.batch_norm import batch_norm, batch_norm_backward
from andon.ops.conv import conv, conv_input_grad, conv_weight_grad
from andon.ops.max_pool import max_pool, unpool
from andon.ops.sliding_window import window_counts


@dataclass(frozen=True)
class Case:
    """A convolution: batch, channels, sizes; channels out, kernel; and how windows lie."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    stride: tuple[int, ...] = (1, 1)
    padding: tuple = ((0, 0), (0, 0))
    dilation: tuple[int, ...] = (1, 1)
    groups: int = 1
    out: tuple[int, ...] = field(init=False)

    def __post_init__(self):
        counts = window_counts(
            self.x[2:], self.w[2:], self.stride, self.padding, self.dilation, "conv"
        )
        object.__setattr__(self, "out", counts)

    @property
    def options(self):
        names = ("stride", "padding", "dilation", "groups")
        return {name: getattr(self, name) for name in names}

    @property
    def g(self):
        return (self.x[0], self.w[0], *self.out)

    def arrays(self):
        rng = np.random.default_rng(len(self.x) + self.x[1] + self.w[0])
        shapes = (self.x, self.w, self.g)
        return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]

    def exact(self, x, w, g):
        """y and the gradients by x and w, in float64."""
        x, w, g = (a.astype(np.float64) for a in (x, w, g))
        return (
            conv.reference(x, w, **self.options),
            conv_input_grad.reference(g, w, sizes=self.x[2:], **self.options),
            conv_weight_grad.reference(x, g, kernel=self.w[2:], **self.options),
        )


SAME = ((1, 1), (1, 1))
CASES = [
    Case((2, 1, 28, 28), (16, 1, 3, 3), padding=SAME),
    Case((3, 5, 9, 7), (4, 5, 3, 2), padding=((0, 1), (2, 0))),
    Case((2, 3, 17, 19), (6, 3, 5, 5), stride=(2, 3), padding=((2, 2), (1, 2))),
    Case((1, 4, 15, 40), (3, 4, 3, 3), dilation=(2, 3), padding=((2, 2), (3, 3))),
    Case((2, 6, 10, 11), (9, 2, 3, 3), groups=3, padding=SAME, stride=(2, 1)),
    Case((2, 7, 12, 13), (7, 1, 3, 3), groups=7, padding=SAME),  # depthwise
    Case((2, 5, 16, 37), (5, 1, 3, 5), groups=5, stride=(2, 2), padding=((1, 0), (2, 2))),
    Case((2, 4, 6, 6), (8, 1, 1, 1), groups=4),  # two channels out of each one
    Case((2, 19, 6, 7), (21, 19, 1, 1)),  # the image is the matrix
    Case((2, 8, 9, 9), (4, 8, 1, 1), stride=(2, 2)),  # what no window reaches
    Case((2, 3, 8, 9), (4, 3, 3, 3), padding=((-1, 2), (1, -2))),  # parts are left out
    Case((1, 64, 37, 31), (5, 64, 3, 3), padding=SAME),  # in tiles, the last one smaller
    Case((2, 4, 20), (6, 4, 3), (2,), ((1, 1),), (1,)),  # over one dim
    Case((2, 3, 33), (3, 1, 4), (1,), ((0, 3),), (2,), groups=3),
    Case((4, 1, 5, 5), (1, 1, 5, 5)),  # one window
]
DRIVER = '#include "conv.h"\n#include "pool.h"\n#include "batch_norm.h"\n'


def driver_of(number, case):
    options = {**case.options, "kernel": case.w[2:]}
    channels, out = case.w[1], case.w[0] // case.groups
    rows = tile_rows(case.out[0] if len(case.out) > 1 else 1, np.prod(case.w[1:]) * case.out[-1])
    window = window_of(case.x[2:], case.out, options)
    shape = f"const conv_shape s = {{{window}, {channels}, {out}, {case.groups}, {rows}}};"
    images = case.x[0] * case.groups
    return f"""
long conv_{number}(const float *x, const float *w, const float *g, const float *bias, float *y,
                   float *gx, float *sums, float *gw, float *scratch)
{{
    {shape}
    if (!scratch) return conv_scratch(s);
    const long tiles = conv_is_depthwise(s) ? 1 : conv_tiles(s);
    const long size = s.groups * s.O * conv_depth(s);
    for (long part = 0; part < 2; part++) {{
        const long m0 = part ? s.groups : 0, m1 = part ? {images} : s.groups;
        conv_forward(s, m0 * tiles, m1 * tiles, x, w, bias, y, scratch);
        conv_input_grad(s, m0, m1, g, w, gx, scratch);
        conv_weight_grad(s, m0, m1, x, g, sums + size * part, scratch);
    }}
    conv_weight_total(s, 0, s.groups * conv_depth(s), 2, sums, gw);
    return 0;
}}
"""


ALONE = (4, 6, 8, 12)  # the cases that are built for all targets, which takes its time
CONV_DRIVER = DRIVER + "".join(driver_of(i, CASES[i]) for i in ALONE)


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    return built(CONV_DRIVER, request.param)


@pytest.mark.parametrize("number", ALONE)
def test_convolution(library, number):
    case, run = CASES[number], getattr(library, f"conv_{number}")
    x, w, g = case.arrays()
    y, gx, gw = guarded(*case.g), guarded(*case.x), guarded(*case.w)
    bias, sums = np.arange(case.w[0], dtype=np.float32), np.zeros((2, *case.w), np.float32)
    size = call(run, x, w, g, bias, y, gx, sums, gw, None, result=ctypes.c_long)
    memory = np.empty(size + 16, np.float32)
    scratch = memory[-memory.ctypes.data % 64 // 4 :]
    call(run, x, w, g, bias, y, gx, sums, gw, scratch)
    wanted = case.exact(x, w, g)
    columns = bias.reshape(-1, *(1 for _ in case.out))
    for got, exact in zip((y - columns, gx, gw), wanted, strict=True):
        assert_close(got, exact, 5e-6)


# ---- graphs: every op of a case is one of a graph's kernels


def compiled(f, *arrays):
    """What the compiled graph of f gives; nothing in it is left to a reference."""
    if not compiler.available():
        pytest.skip("there is no C compiler")
    run = Executable(trace(f, *map(andon.tensor, arrays)))
    assert all(isinstance(step, int) for step in run.unit.steps)
    return run(arrays)


@pytest.mark.parametrize("third", range(3))
def test_the_ops_of_a_graph_are_compiled(third):
    chosen = CASES[third::3]

    def f(*arrays):
        found = []
        for case, (x, w, g) in zip(chosen, batched(arrays), strict=True):
            found.append(conv.apply(x, w, **case.options))
            found.append(conv_input_grad.apply(g, w, sizes=case.x[2:], **case.options))
            found.append(conv_weight_grad.apply(x, g, kernel=case.w[2:], **case.options))
        return tuple(found)

    arrays = [a for case in chosen for a in case.arrays()]
    got = compiled(f, *arrays)
    exact = [y for case in chosen for y in case.exact(*case.arrays())]
    for a, b in zip(got, exact, strict=True):
        assert_close(a, b, 5e-6)


def batched(arrays):
    return zip(*(arrays[i::3] for i in range(3)), strict=True)


def test_what_does_not_lie_in_rows_is_copied_first():
    case = CASES[1]
    x, w, _ = case.arrays()
    got = compiled(
        lambda x, w: conv.apply(ops.permute(x, (0, 3, 1, 2)), w, **case.options),
        np.ascontiguousarray(x.transpose(0, 2, 3, 1)), w,
    )  # fmt: skip
    assert_close(got[0], case.exact(*case.arrays())[0], 5e-6)


POOLS = [  # shape, kernel, stride, padding, dilation
    ((2, 3, 8, 10), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((2, 3, 9, 41), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    ((1, 2, 12, 13), (2, 3), (1, 3), ((1, 0), (1, 2)), (2, 1)),
    ((2, 4, 33), (3,), (2,), ((1, 1),), (1,)),
]


@pytest.mark.parametrize("shape, kernel, stride, padding, dilation", POOLS)
def test_pools(shape, kernel, stride, padding, dilation):
    rng = np.random.default_rng(1)
    x = rng.integers(-4, 4, shape).astype(np.float32)  # with equal elements
    window = {"kernel": kernel, "stride": stride, "padding": padding}
    y, at = max_pool.reference(x, **window, dilation=dilation)
    g = rng.standard_normal(y.shape).astype(np.float32)
    inner = window_counts(shape[2:], kernel, stride, padding, (1,) * len(kernel), "pool")
    h = rng.standard_normal((*shape[:2], *inner)).astype(np.float32)

    def f(x, g, h):
        y, at = max_pool.apply(x, **window, dilation=dilation)
        back = unpool.apply(g, at, sizes=shape[2:], accumulate=True)
        put = unpool.apply(g, at, sizes=shape[2:], accumulate=False)
        spread = spread_windows.apply(h, sizes=shape[2:], **window)
        return y, at, back, put, sum_pool.apply(x, **window), spread

    got = compiled(f, x, g, h)
    assert (got[0] == y).all() and (got[1] == at).all()
    assert_close(got[2], unpool.reference(g, at, sizes=shape[2:], accumulate=True))
    assert (got[3] == unpool.reference(g, at, sizes=shape[2:], accumulate=False)).all()
    assert_close(got[4], sum_pool.reference(x, **window))
    assert_close(got[5], spread_windows.reference(h, sizes=shape[2:], **window))


def test_nan_and_infinity_in_a_maximum():
    x = np.full((1, 1, 4, 36), -np.inf, np.float32)
    x[0, 0, 0, 3] = x[0, 0, 1, 2] = x[0, 0, 2, 7] = np.nan
    x[0, 0, 3, 6], x[0, 0, 2, 20] = 5, np.inf
    window = {"kernel": (3, 3), "stride": (2, 2), "padding": SAME, "dilation": (1, 1)}
    got = compiled(lambda x: max_pool.apply(x, **window), x)
    for a, b in zip(got, max_pool.reference(x, **window), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_index_outside_of_a_plane_is_an_error():
    g, at = np.ones((1, 1, 2), np.float32), np.array([[[0, 5]]])
    graph = trace(lambda g, at: unpool.apply(g, at, sizes=(3,), accumulate=True),
                  andon.tensor(g), andon.tensor(at))  # fmt: skip
    with pytest.raises(andon.core.errors.IndexingError):
        Executable(graph)([g, at])


@pytest.mark.parametrize("shape", [(5, 3, 4, 7), (9, 37), (2, 4, 33), (64, 2, 1)])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm(shape, affine):
    rng = np.random.default_rng(2)
    x, g = (rng.standard_normal(shape) * 2 + 3).astype(np.float32), rng.standard_normal(shape)
    w, b = rng.standard_normal((2, shape[1])).astype(np.float32)
    g = g.astype(np.float32)

    def f(x, g, w, b):
        y, mean, var = batch_norm.apply(x, *((w, b) if affine else (None, None)), eps=1e-5)
        return (
            y,
            mean,
            var,
            *batch_norm_backward.apply(g, x, mean, var, w if affine else None, eps=1e-5),
        )

    got = compiled(f, x, g, w, b)
    x, g, w, b = (a.astype(np.float64) for a in (x, g, w, b))
    y, mean, var = batch_norm.reference(x, *((w, b) if affine else (None, None)), eps=1e-5)
    wanted = batch_norm_backward.reference(g, x, mean, var, w if affine else None, eps=1e-5)
    for a, exact in zip(got, (y, mean, var, *wanted), strict=True):
        assert_close(a, exact, 1e-5)


PLACES = [((None, (1, 7, 2), 3), (8, 5)), (((0, 3, 1), -1), (3, 4)), ((2,), (4, 3, 2)), ((), (3,))]


@pytest.mark.parametrize("index, shape", PLACES)
def test_a_part_in_zeros(index, shape):
    from andon.ops.index import place, view

    x = np.arange(1, 1 + np.prod(shape), dtype=np.float32).reshape(shape)
    g = np.ascontiguousarray(view.reference(x, index=index))
    (got,) = compiled(lambda g: place.apply(g, index=index, shape=shape), g)
    np.testing.assert_array_equal(got, place.reference(g, index=index, shape=shape))


def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER + driver_of(6, CASES[6]), tmp_path)
