"""Graphs as C: compiled equals the reference, for every row of the op table and for fused chains.

Many graphs are compiled as one, whose inputs and outputs are theirs: one C file per family.
"""

from __future__ import annotations

import importlib
import pkgutil

import cases
import numpy as np
import pytest

import andon
from andon.codegen.translation_unit import translate
from andon.core.errors import AndonError
from andon.devices import compiler
from andon.engine.executable import Executable
from andon.engine.jit import trace
from andon.graph.ir import Graph
from andon.graph.lower import lower

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")

FAMILIES = [module.name for module in pkgutil.iter_modules(cases.__path__)]
TOLERANCE = {"float64": 1e-9, "float32": 3e-5, "float16": 5e-3, "bfloat16": 4e-2}
KNOWN = {"pow of booleans to a number"}  # the shape rule says bool, the reference int64


def outputs(result) -> list:
    if isinstance(result, (tuple, list)):
        return [t for part in result for t in outputs(part)]
    return [result]


def recorded(case, dtype):
    """The graph of a row and its arrays, or None where it depends on the data."""
    tensors = [andon.tensor(a) for a in case.arrays()]
    tensors = [x.to(getattr(andon, dtype)) if x.is_floating_point() else x for x in tensors]
    try:
        graph = trace(lambda *xs: tuple(outputs(case.call(andon, *xs))), *tensors)
    except AndonError:
        return None
    arrays = [x.array for x in tensors]
    empty = any(0 in np.shape(v.shape) or 0 in v.shape for v in graph.values if v.op is None)
    return None if len(graph.inputs) != len(arrays) or empty else (graph, arrays)


def check_together(rows, tolerance):
    """Compile graphs as one; each gives what its reference gives."""
    rows = [(name, lower(graph), graph, arrays) for name, graph, arrays in rows]
    rows = [row for row in rows if not any(0 in np.atleast_1d(v.shape) for v in row[1].inputs)]
    whole = Graph(
        [x for _, _, graph, _ in rows for x in graph.inputs],
        [y for _, _, graph, _ in rows for y in graph.outputs],
    )
    given = [np.require(x, None, "C") for *_, arrays in rows for x in arrays]
    found = iter(Executable(whole)(given))
    for name, _, graph, arrays in rows:
        for wanted in graph.run(*arrays):
            have = next(found)
            assert (have.shape, have.dtype) == (wanted.shape, wanted.dtype), name
            rtol = max(tolerance, TOLERANCE.get(wanted.dtype.name, 0))
            have, wanted = have.astype(np.float64), wanted.astype(np.float64)
            np.testing.assert_allclose(have, wanted, rtol=rtol, atol=rtol / 10, err_msg=name)


def is_empty(graph) -> bool:
    shapes = [s for v in graph.values for s in (v.shape if type(v.dtype) is tuple else (v.shape,))]
    return any(0 in shape for shape in shapes)


def rows_of(family, dtype):
    found = []
    for case in importlib.import_module(f"cases.{family}").CASES:
        row = recorded(case, dtype) if case.name not in KNOWN else None
        if row is not None and not is_empty(row[0]) and dtype in ("float32", *case.dtypes):
            found.append((case.name, *row))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_every_row_of_the_table_is_what_its_reference_is(family):
    rows = rows_of(family, "float32")
    if rows:
        check_together(rows, TOLERANCE["float32"])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["elementwise", "arithmetic", "reduce", "norm", "softmax"])
@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_other_dtypes_too(family, dtype):
    rows = rows_of(family, dtype)
    if rows:
        check_together(rows, TOLERANCE[dtype])


def traced(f, *arrays):
    return f.__name__, trace(f, *[andon.tensor(a) for a in arrays]), list(arrays)


def chain_of_everything(x, y):
    h = (x * 2 + y).tanh()
    h = h.transpose(0, 1).reshape(-1)
    return h.relu() - h, (h > 0).sum(), andon.where(h > 0.1, h, -1.0)


def softmax_by_hand(x, y):
    e = (x - x.amax(-1, keepdim=True)).exp()
    return e / e.sum(-1, keepdim=True)


def softmax_of_columns(x, y):
    e = (x - x.amax(0, keepdim=True)).exp()
    return e / e.sum(0, keepdim=True)


def layer_norm_by_hand(x, y):
    centred = x - x.mean(-1, keepdim=True)
    return centred * (centred.square().mean(-1, keepdim=True) + 1e-5).rsqrt() * y[0] + y[1]


def sums_of_every_kind(x, y):
    return x.sum(), x.sum(0), x.sum(1), (x * y).mean(), x.amin(1), x.prod(0), (x > 0).any(1)


def a_mask_for_two_sweeps(x, y):
    e = x.exp()
    seen = e > 1.1
    total = andon.where(seen, e, 0.0).sum(-1, keepdim=True)
    return andon.where(seen, total, y)


def names_that_mean_something_in_c(x, y):
    vf = x + y
    vi_sum = vf.exp()
    vi = vi_sum.sum(-1, keepdim=True)
    INFINITY = vi_sum / vi
    vi_all = INFINITY + vi
    vf_at = vi_all * vf
    return vf, vf_at, vf_at.amax(-1)


def rows_read_backwards(x, y):
    return x.flip(0) + y.flip(1), x[1::2, 3:], x[:, ::3].exp(), x.t() @ y


def parts_put_together(x, y):
    a, b = x.split((5, x.shape[1] - 5), 1)
    return andon.cat([a.exp(), b * 2, y], 1), andon.stack([x, y.neg()], 1)


def windows_of_rows(x, y):
    return x.unfold(1, 4, 2).sum(-1), x.unfold(0, 3, 1) * 2, x.diagonal(1) + 1


FUNCTIONS = [
    chain_of_everything, softmax_by_hand, softmax_of_columns, layer_norm_by_hand,
    sums_of_every_kind, a_mask_for_two_sweeps, rows_read_backwards, parts_put_together,
    windows_of_rows, names_that_mean_something_in_c,
]  # fmt: skip


def test_fused_chains_are_what_their_parts_are():
    rng = np.random.default_rng(0)
    rows = [
        traced(f, *rng.standard_normal((2, *shape)).astype(np.float32))
        for f in FUNCTIONS
        for shape in ((7, 70), (33, 48), (130, 257))
    ]
    check_together(rows, 1e-4)


def test_reductions_of_every_set_of_dims():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 5, 4, 17)).astype(np.float32)
    large = rng.standard_normal((40, 30, 50)).astype(np.float32)
    rows = []
    for array in (x, large):
        for dims in range(1, 1 << array.ndim):
            dim = tuple(d for d in range(array.ndim) if dims >> d & 1)
            rows.append(
                traced(lambda x, dim=dim: (x.sum(dim), x.amax(dim), x.exp().mean(dim)), array)
            )
    check_together(rows, 1e-4)


def test_nan_stays_in_extremes():
    x = np.array([[1, np.nan, 3] * 11, [4, 5, 6] * 11], np.float32)
    check_together(
        [
            traced(lambda x: (x.amax(1), x.amin(0), x.amax(), andon.maximum(x, x * 0 + 2)), x),
            traced(lambda x: (x.clamp(2, 4), x.relu(), x.clamp(max=4)), x),
        ],
        1e-6,
    )


def test_integers_wrap_and_divide_as_the_references_do():
    rng = np.random.default_rng(2)
    rows = []
    for dtype in (np.uint8, np.int8, np.int16, np.int32, np.int64):
        low = 0 if dtype is np.uint8 else -100
        x, y = rng.integers(low, 100, (2, 50)).astype(dtype)
        y[y == 0] = 3

        def compute(x, y):
            return x * y + x, x // y, x % y, andon.fmod(x, y), x.div(y, rounding_mode="trunc"), -x

        def more(x, y):
            return x.abs().sum(), x.sum(), (x & y) | 1, x ^ y, ~x, x < y, x.float() / 3, x.bool()

        rows += [traced(compute, x, y), traced(more, x, y)]
    check_together(rows, 1e-6)


def test_equal_kernels_of_two_layers_are_one_function():
    def layers(x):
        for _ in range(4):
            x = (x @ x).tanh() * 2
        return x

    graph = trace(layers, andon.ones(32, 32))
    source = translate(lower(graph)).source
    assert source.count("NOINLINE void tanh_mul_loop") <= 1
    assert source.count("NOINLINE void matmul_kernel") <= 1


def test_values_that_are_only_views_get_no_memory():
    graph = trace(lambda x: x.reshape(4, 6).t().reshape(24)[::2] * 2, andon.ones(24))
    assert translate(lower(graph)).plan.size == 0


def test_an_optimizers_step_is_one_loop_though_it_reads_each_array_apart():
    def step(p, g, m, v, lr, t):
        m, v = m + (g - m) * 0.1, v * 0.99 + g * g * 0.01
        p = p * (1 - lr * 0.1)
        return p - lr / (1 - 0.9**t) * m / (v.sqrt() + 1e-8), m, v

    arrays = [andon.ones(64, 48) for _ in range(4)]
    graph = trace(step, *arrays, andon.tensor(0.1), andon.tensor(2.0))
    kernels = translate(lower(graph)).kernels
    assert [kernel.members[0].ndim for kernel in kernels] == [0] * (len(kernels) - 1) + [2]


def test_loops_that_wait_for_each_other_stay_apart():
    def between(x, y):
        left, right = x * 2, y * 3
        below = (left.sum(dim=1, keepdim=True) + right.t()).amax(dim=0)
        return right + below[:, None].tanh() - left

    graph = trace(between, andon.randn(20, 20), andon.randn(20, 20))
    arrays = [np.random.default_rng(i).standard_normal((20, 20), np.float32) for i in range(2)]
    np.testing.assert_allclose(Executable(graph)(arrays)[0], graph.run(*arrays)[0], rtol=1e-5)


def test_what_memory_must_bring_is_fetched_ahead_and_what_caches_hold_is_not():
    for rows, fetched in ((4096, 2), (64, 0)):
        graph = trace(lambda x: x.softmax(dim=-1), andon.ones(rows, 256))
        assert translate(lower(graph)).source.count("__builtin_prefetch(") == fetched
