"""Compiled programs in every dtype: what the references compute, and nothing left to them.

Each row is a program; floats are recorded with their gradients, as a training step has them.
"""

from __future__ import annotations

import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon.devices import compiler
from andon.engine.executable import Executable
from andon.engine.jit import trace
from andon.graph.ir import Graph
from andon.graph.rewrite import run_passes
from andon.graph.simplify import SIMPLIFY

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")

TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}
HEADS = [(2, 2, 9, 8)] * 3
INDICES = np.array([[1, 4, 0, 2], [3, 3, 1, 0], [2, 2, 2, 4]])
CLASSES = np.array([0, 2, -100, 4])
SEEN = np.tri(9, dtype=bool)


def attend(*operands, **options):
    andon.manual_seed(1)
    return F.scaled_dot_product_attention(*operands, **options)


def drop(x):
    andon.manual_seed(1)
    return F.dropout(x, 0.3)


ROWS = {
    "attention": (attend, HEADS),
    "attention that drops": (lambda *x: attend(*x, dropout_p=0.2, is_causal=True), HEADS),
    "attention by a mask": (attend, [*HEADS, SEEN]),
    "attention with a bias": (attend, [*HEADS, (9, 9)]),
    "layer norm": (lambda x, w, b: F.layer_norm(x, (8,), w, b), [(5, 8), (8,), (8,)]),
    "RMS norm": (lambda x, w: F.rms_norm(x, (8,), w), [(5, 8), (8,)]),
    "norm of groups": (lambda x: F.group_norm(x, 2), [(2, 4, 3, 3)]),
    "batch norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        [(4, 3, 5), (3,), (3,)],
    ),
    "softmax": (lambda x: F.softmax(x, -1) + F.log_softmax(x, 0), [(4, 7)]),
    "cross-entropy": (F.cross_entropy, [(4, 5), CLASSES]),
    "label smoothing": (lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), [(4, 5), CLASSES]),
    "cross-entropy of some classes": (
        lambda x, y: F.cross_entropy(x[:, 1:6], y[::2]),
        [(2, 7), CLASSES],
    ),
    "embedding": (lambda w, i: F.embedding(i, w, padding_idx=2), [(5, 8), INDICES]),
    "a product": (lambda a, b: a @ b, [(4, 8), (8, 6)]),
    "products": (lambda a, b: a @ b, [(3, 4, 8), (3, 8, 6)]),
    "linear": (lambda x, w, b: F.gelu(F.linear(x, w, b)), [(4, 8), (6, 8), (6,)]),
    "linear of one row": (lambda x, w, b: F.linear(x, w, b), [(1, 8), (6, 8), (6,)]),
    "a matrix and a vector": (lambda a, b: a @ b, [(4, 8), (8,)]),
    "convolution": (
        lambda x, w, b: F.conv2d(x, w, b, stride=(2, 1), padding=1, groups=2),
        [(2, 4, 8, 7), (6, 2, 3, 3), (6,)],
    ),
    "convolution over time": (lambda x, w: F.conv1d(x, w, dilation=2), [(2, 3, 9), (4, 3, 3)]),
    "convolution of volumes": (
        lambda x, w: F.conv3d(x, w, stride=2, padding=1),
        [(2, 2, 4, 5, 4), (3, 2, 3, 3, 3)],
    ),
    "transposed convolution": (
        lambda x, w: F.conv_transpose2d(x, w, stride=2, output_padding=1),
        [(2, 3, 4, 4), (3, 4, 3, 3)],
    ),
    "max pool": (lambda x: F.max_pool2d(x, 3, 2, 1), [(2, 3, 7, 8)]),
    "average pool": (lambda x: F.avg_pool2d(x, 3, 2, 1), [(2, 3, 7, 8)]),
    "dropout": (drop, [(5, 40)]),
    "running sums": (lambda x: x.cumsum(-1) * x.argmax(1, True).to(x.dtype), [(4, 8)]),
    "borders": (lambda x: F.pad(x, (1, 2), value=3.0), [(4, 8)]),
    "larger images": (
        lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        [(2, 3, 4, 4)],
    ),
    "length": (lambda x: x.norm() + x.norm(dim=1).sum(), [(4, 8)]),
    "embedding by a column": (lambda w, i: F.embedding(i[:, 1], w[:, 2:]), [(5, 8), INDICES]),
    "gathered": (lambda x, i: x.gather(1, i), [(3, 8), INDICES]),
    "rows": (lambda x, i: x[i], [(5, 8), INDICES]),
    "scattered": (lambda x, i, s: x.scatter_add(1, i, s), [(3, 8), INDICES, (3, 4)]),
}


def with_gradients(f):
    """f, and the gradients of the sum of what it gives times weights."""

    def program(*given):
        *xs, weights = given
        y = f(*xs)
        leaves = [x for x in xs if x.requires_grad]
        return y.detach(), *andon.autograd.grad((y.float() * weights).sum(), leaves)

    return program


def operands(shapes, dtype):
    rng = np.random.default_rng(0)
    for x in shapes:
        if not isinstance(x, tuple):
            yield andon.tensor(x)
            continue
        array = rng.uniform(-2, 2, x).astype(np.float32)
        yield andon.tensor(array).to(getattr(andon, dtype)).requires_grad_()


def compiled(graph: Graph) -> Executable:
    """The graph, of which nothing may be left to the references."""
    executable = Executable(run_passes(graph, SIMPLIFY))
    left = [s.node.op.name for s in executable.unit.steps if not isinstance(s, int)]
    assert not left
    return executable


IN_FLOAT32 = {"attention with a bias", "convolution of volumes", "larger images", "length", "rows"}
IN_FLOAT32 |= {"cross-entropy of some classes", "embedding by a column"}
CASES = [
    (name, dtype)
    for name in ROWS
    for dtype in TOLERANCE
    if dtype != "float32" or name in IN_FLOAT32
]  # what else there is in float32, other tests have


@pytest.mark.parametrize(("name", "dtype"), CASES)
def test_programs_are_compiled_whole(name, dtype):
    f, shapes = ROWS[name]
    xs = list(operands(shapes, dtype))
    given = [*xs, andon.tensor(np.linspace(0.5, 1.5, f(*xs).numel())).float().view(f(*xs).shape)]
    graph = trace(with_gradients(f), *given)
    keys = [np.array([1, 0])] * (len(graph.inputs) - len(given))  # the generator's
    arrays = [*(x.detach().numpy() for x in given), *keys]
    wanted, found = graph.run(*arrays), compiled(graph)(arrays)
    for a, b in zip(wanted, found, strict=True):
        assert a.dtype == b.dtype
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        scale = max(np.abs(a).max(initial=0), 1)
        np.testing.assert_allclose(b, a, rtol=0, atol=TOLERANCE[dtype] * scale)


# Integers and booleans: all of them in one program for each dtype, exactly


def arithmetic(a, b):
    yield from (a + b, a - b, a * b, -a, a.abs(), a.square(), a.sign(), a**3, a * 2 - 1, 3 - a)
    yield from (a // b, a % b, andon.fmod(a, b), andon.div(a, b, rounding_mode="trunc"))
    yield from (a // -3 if a.dtype.is_signed else a // 3, a % 7, ~a, a & b, a | b, a ^ b)
    yield from (a << (b & 3), a >> (b & 7), a << 70, a >> 70, a.clamp(1, 5), a @ b.t())
    yield from (a.sum(1), a.sum(0), a.prod(1), a.cumsum(1), a.cumprod(0), a / b)


def of_truth(a, b):
    yield from (a + b, a * b, a & b, a | b, a ^ b, ~a, a + 3, a * 2, a**2, a.abs())
    yield from (a.sum(1), a.sum(0), a.cumsum(1), a.any(1), a.all(0))


def of_all(a, b, columns, rows):
    yield from (a < b, a >= b, a == b, andon.maximum(a, b), andon.minimum(a, b))
    yield from (andon.where(a > b, a, b), andon.logical_and(a, b), andon.logical_not(a))
    yield from (a.amax(1), a.amin(0), a.argmax(1), a.argmin(0), a.max(1)[0], a.cummax(1)[1])
    yield from (a.flip(1), a.roll(2, 1), a.tril(), andon.cat([a, b]), F.pad(a, (1, 2)))
    yield from (a.gather(1, columns), a[rows], a.scatter(1, columns, b), a.index_copy(0, rows, b))
    yield from (a.sort(1)[0], a.argsort(0, descending=True), a.topk(3, 1)[0], a.sum())
    for name in ("bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32"):
        yield a.to(getattr(andon, name))


def added(a, b, columns, rows):
    yield from (a.scatter_add(1, columns, b), a.index_add(0, rows, b))


def integers(dtype):
    """Two arrays: of every size, the extremes among them; and of what can be divided by."""
    rng = np.random.default_rng(0)
    if dtype == "bool":
        return rng.random((2, 6, 37)) < 0.5
    limits = np.iinfo(dtype)
    a, b = rng.integers(limits.min, limits.max, (2, 6, 37), dtype=dtype, endpoint=True)
    a[0, :5] = limits.min, limits.max, 0, 1, limits.max - 1
    b[b == 0] = 1
    b[1] = rng.integers(1, 5, 37)
    return a, b


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int16", "int32", "int64"])
def test_integers_are_what_the_references_have(dtype):
    rng = np.random.default_rng(1)
    columns, rows = rng.integers(0, 37, (6, 5)), rng.permutation(6)

    def program(a, b, columns, rows):
        first = of_truth if dtype == "bool" else arithmetic
        more = () if dtype == "bool" else added(a, b, columns, rows)
        return (*first(a, b), *of_all(a, b, columns, rows), *more)

    given = [*integers(dtype), columns, rows]
    graph = trace(program, *map(andon.tensor, given))
    with np.errstate(all="ignore"):
        wanted, found = graph.run(*given), compiled(graph)(given)
    for value, a, b in zip(graph.outputs, wanted, found, strict=True):
        assert a.dtype == b.dtype == value.dtype
        np.testing.assert_array_equal(b, a, err_msg=str(value.op))


@pytest.mark.parametrize("shape", [(1,), (16,), (17,), (300,), (3, 40, 2)])
@pytest.mark.parametrize("descending", [False, True])
def test_the_order_of_floats_is_stable_with_nan_as_the_largest(shape, descending):
    x = np.random.default_rng(0).integers(0, 9, shape).astype(np.float32)
    x[x == 4] = np.nan
    x[x == 5] = np.inf
    dim = 1 if len(shape) > 1 else 0
    graph = trace(lambda x: x.argsort(dim, descending=descending), andon.tensor(x))
    np.testing.assert_array_equal(compiled(graph)([x])[0], graph.run(x)[0])
    top = trace(lambda x: x.topk(min(5, shape[dim]), dim, descending)[0], andon.tensor(x))
    np.testing.assert_array_equal(compiled(top)([x])[0], top.run(x)[0])


def test_a_long_row_has_its_largest_elements_found():
    x = np.random.default_rng(0).standard_normal((2, 5000)).astype(np.float32)
    graph = trace(lambda x: x.topk(50, 1), andon.tensor(x))
    for a, b in zip(graph.run(x), compiled(graph)([x]), strict=True):
        np.testing.assert_array_equal(a, b)
