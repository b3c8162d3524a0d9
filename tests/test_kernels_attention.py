"""attention.h against the references of andon.ops, in all the layouts of heads."""

import ctypes
import itertools
import math

import numpy as np
import pytest
from c_kernels import GUARD, TARGETS, aligned, as_argument, assert_close, built, check_arm, guarded

from andon.ops.attention import attention, attention_backward
from andon.ops.random import least_kept

DROP = 0.3

DRIVER = """
#include "attention.h"
long forward_scratch(attention_shape *a) { return attention_forward_scratch(*a); }
long backward_scratch(attention_shape *a) { return attention_backward_scratch(*a); }
static random_stream drawn(int64_t *key)
{
    return (random_stream){key, key ? (uint64_t)key[2] : 0};
}
void forward(attention_shape *a, long first, long last, float *q, float *k, float *v, void *mask,
             int64_t *key, float *y, float *lse, float *scratch)
{
    attention_forward(*a, first, last, q, k, v, mask, drawn(key), y, lse, scratch);
}
void backward(attention_shape *a, long first, long last, float *q, float *k, float *v, void *mask,
              int64_t *key, float *y, float *lse, float *g, float *dq, float *dk, float *dv,
              float *scratch)
{
    attention_backward(*a, first, last, q, k, v, mask, drawn(key), y, lse, g, dq, dk, dv, scratch);
}

/* sizes that the compiler knows: 3 heads of 16, side by side in (B, 40, 3 * 48) and (B, 40, 48) */
#define BESIDE {40 * 144, 16, 144}
#define ALONE {40 * 48, 16, 48}
static const attention_shape FUSED = {.H = 3, .T = 40, .S = 40, .D = 16, .E = 16, .scale = 0.25f,
                                .causal = 1, .q = BESIDE, .k = BESIDE, .v = BESIDE, .dq = BESIDE,
                                .dk = BESIDE, .dv = BESIDE, .y = ALONE, .g = ALONE};
void fused_forward(long first, long last, float *qkv, float *y, float *lse, float *scratch)
{
    attention_forward(FUSED, first, last, qkv, qkv + 48, qkv + 96, 0, drawn(0), y, lse, scratch);
}
void fused_backward(long first, long last, float *qkv, float *y, float *lse, float *g, float *dqkv,
                    float *scratch)
{
    attention_backward(FUSED, first, last, qkv, qkv + 48, qkv + 96, 0, drawn(0), y, lse, g, dqkv,
                       dqkv + 48, dqkv + 96, scratch);
}
long fused_scratch(void) { return attention_backward_scratch(FUSED); }
"""


class Strides(ctypes.Structure):
    _fields_ = [(name, ctypes.c_long) for name in ("batch", "head", "row")]


class Shape(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_long) for name in "HTSDE"),
        ("scale", ctypes.c_float),
        ("causal", ctypes.c_int),
        *((name, Strides) for name in ("q", "k", "v", "y", "g", "dq", "dk", "dv")),
        ("mask_kind", ctypes.c_int),
        ("mask", Strides),
        ("mask_key", ctypes.c_long),
        ("drop", ctypes.c_int),
        ("least_kept", ctypes.c_uint16),
        ("kept_scale", ctypes.c_float),
    ]


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    library = built(DRIVER, request.param)
    for name in ("forward_scratch", "backward_scratch", "fused_scratch"):
        getattr(library, name).restype = ctypes.c_long
    return library


def strides_of(x):
    return Strides(*(stride // x.itemsize for stride in x.strides[:3]))


def shape_of(q, k, v, mask, causal, results):
    (_, H, T, D), S, E = q.shape, k.shape[2], v.shape[3]
    shape = Shape(H, T, S, D, E, scale=D**-0.5, causal=causal)
    for name, x in {"q": q, "k": k, "v": v, **results}.items():
        setattr(shape, name, strides_of(x))
    if mask is not None:
        shape.mask_kind = 1 if mask.dtype == bool else 2
        shape.mask = strides_of(mask)
        shape.mask_key = mask.strides[3] // mask.itemsize
    return shape


def run(library, q, k, v, g, mask=None, causal=0, key=None):
    """y, lse, dq, dk, dv of the kernels; the results lie as (B, T, H, D)."""
    (B, H, T, _), E = q.shape, v.shape[3]
    y, dq, dk, dv = (
        rows_first(B, H, *size) for size in ((T, E), q.shape[2:], k.shape[2:], v.shape[2:])
    )
    lse = guarded(B, H, T)
    shape = shape_of(q, k, v, mask, causal, {"y": y, "g": g, "dq": dq, "dk": dk, "dv": dv})
    if key is not None:
        shape.drop, shape.least_kept, shape.kept_scale = 1, least_kept(DROP), 1 / (1 - DROP)
    by = ctypes.byref(shape)
    scratch = [aligned(n(by)) for n in (library.forward_scratch, library.backward_scratch)]
    for s in scratch:
        s[:] = np.nan
    for first, last in ((0, 1), (1, B * H)):
        given = [first, last, q, k, v, mask, key]
        library.forward(by, *map(as_argument, [*given, y, lse, scratch[0]]))
        library.backward(by, *map(as_argument, [*given, y, lse, g, dq, dk, dv, scratch[1]]))
    return y, lse, dq, dk, dv


def rows_first(B, H, rows, columns):
    """An array (B, H, rows, columns) that lies in memory as (B, rows, H, columns)."""
    return guarded(B, rows, H, columns).transpose(0, 2, 1, 3)


def reference(q, k, v, g, mask=None, causal=0, key=None):
    q, k, v, g = (x.astype(np.float64) for x in (q, k, v, g))
    if mask is not None and mask.dtype != bool:
        mask = mask.astype(np.float64)
    options = {"scale": q.shape[-1] ** -0.5, "causal": bool(causal), "drop": DROP}
    y, lse = attention.reference(q, k, v, mask, key, **options)
    grads = attention_backward.reference(g, q, k, v, mask, key, y, lse, to_mask=False, **options)
    return y, lse, *grads


def example(T, S, D, E, B=2, H=2, seed=0):
    """q, k and v side by side in one buffer, as a fused projection leaves them; and g."""
    rng = np.random.default_rng(seed)
    g = rng.standard_normal((B, T, H, E)).astype(np.float32).transpose(0, 2, 1, 3)
    if T == S and D == E:
        fused = rng.standard_normal((B, T, 3, H, D)).astype(np.float32)
        return *(fused[:, :, i].transpose(0, 2, 1, 3) for i in range(3)), g
    q, k, v = (
        rng.standard_normal((B, H, *size)).astype(np.float32) for size in ((T, D), (S, D), (S, E))
    )
    return q, k, v, g


def check(library, operands, mask=None, causal=0, tolerance=5e-6, key=None):
    with np.errstate(all="ignore"):
        wanted = reference(*operands, mask, causal, key)
    for got, exact in zip(run(library, *operands, mask, causal, key), wanted, strict=True):
        assert_close(got, exact, tolerance, least=1)


SIZES = [
    (1, 1, 8, 8), (1, 200, 16, 16), (2, 3, 8, 12), (4, 3000, 65, 130), (7, 7, 9, 9),
    (8, 8, 16, 16), (31, 33, 16, 8), (32, 32, 32, 32), (33, 31, 20, 24), (64, 64, 64, 64),
    (65, 129, 33, 17), (128, 128, 48, 48), (130, 130, 128, 128), (100, 300, 64, 64),
    (300, 100, 16, 16),
]  # fmt: skip


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("T, S, D, E", SIZES)
def test_queries_keys_and_heads_of_every_size(library, T, S, D, E, causal):
    check(library, example(T, S, D, E), causal=causal)


KEYS = [[5, 7, 0], [-3, 2**40, 48], [2**62, -1, 13]]  # the last within a block


@pytest.mark.parametrize("causal", [0, 1])
@pytest.mark.parametrize("T, S, D, E", [*SIZES, (16, 48, 8, 8), (96, 320, 16, 16)])
def test_dropout_draws_what_the_reference_does(library, T, S, D, E, causal):
    key = np.array(KEYS[(T + causal) % 3])
    check(library, example(T, S, D, E), causal=causal, key=key)


@pytest.mark.parametrize("T", [3, 40])
def test_dropout_with_a_mask(library, T):
    key = np.array(KEYS[2])
    check(library, example(T, 50, 16, 16), next(masks(T, 50)), tolerance=1e-5, key=key)


def masks(T, S):
    """Masks of each kind that broadcast, as views with strides of 0, and one that is transposed."""
    rng = np.random.default_rng(1)
    seen = rng.random((2, 2, T, S)) < 0.6
    added = rng.standard_normal((2, 2, S, T)).astype(np.float32).transpose(0, 1, 3, 2)
    added = np.where(rng.random(added.shape) < 0.2, np.float32(-np.inf), added)
    for mask in (seen, seen[:1, :1], seen[:, :1, :1], added, added[:1], added[:, :, :, :1]):
        yield np.broadcast_to(mask, (2, 2, T, S))
    yield rng.standard_normal((2, 2, S, T)).astype(np.float32).transpose(0, 1, 3, 2)


@pytest.mark.parametrize("T, S", [(3, 50), (5, 9), (40, 37), (64, 150)])
@pytest.mark.parametrize("which", range(7))
def test_masks(library, T, S, which):
    mask = next(itertools.islice(masks(T, S), which, None))
    check(library, example(T, S, 16, 16), mask, tolerance=1e-5)


def test_a_mask_and_causal_together(library):
    check(library, example(40, 40, 16, 16), next(masks(40, 40)), 1)


@pytest.mark.parametrize("kind", [bool, np.float32])
@pytest.mark.parametrize("T", [4, 40])
def test_a_query_that_sees_no_key_gives_0(library, kind, T):
    seen = np.ones((2, 2, T, 170), bool)
    seen[:, :, 3] = seen[0, 1] = False
    seen[1, 0, 2, :169] = False  # sees the last key alone
    mask = seen if kind is bool else np.where(seen, np.float32(0), np.float32(-np.inf))
    operands = example(T, 170, 16, 16)
    check(library, operands, mask)
    y, lse, dq, dk, dv = run(library, *operands, mask)
    for x in (y[:, :, 3], lse[:, :, 3], dq[:, :, 3], y[0, 1], dk[0, 1], dv[0, 1]):
        assert (x == 0).all()


def test_the_lowest_finite_mask_hides_but_leaves_a_row_its_mean(library):
    """As a mask of `finfo.min` does: next to others a key is hidden; where all are, they share."""
    q, k, v, g = example(20, 24, 16, 16)
    mask = np.zeros((2, 2, 20, 24), np.float32)
    mask[..., 12:] = mask[:, :, 7] = np.finfo(np.float32).min
    y, _, *grads = run(library, q, k, v, g, mask)
    exact = reference(q, k, v, g, mask)[0]
    rest = np.arange(20) != 7
    assert_close(y[:, :, rest], exact[:, :, rest])
    assert_close(y[:, :, 7], v.mean(axis=2))
    assert all(np.isfinite(x).all() for x in grads)


@pytest.mark.parametrize("size", [30.0, 1e4])
def test_large_scores(library, size):
    """Beyond what exp can hold; float32 keeps few digits of them, so against float32."""
    q, k, v, g = example(50, 50, 16, 16)
    y, lse, *_ = run(library, q * np.float32(size), k, v, g, None, 1)
    exact, exact_lse, *_ = reference(q * np.float32(size), k, v, g, None, 1)
    assert_close(lse, exact_lse, 1e-6)
    assert_close(y, exact, size * 1e-4 if size < 100 else 0.5)
    assert np.isfinite(y).all()


@pytest.mark.parametrize("T", [4, 20])
def test_what_is_not_a_number_stays_in_its_head(library, T):
    q, k, v, g = example(T, 20, 16, 16)
    q[0, 0, 3, 2] = np.nan
    k[1, 1, 5, 0] = np.inf
    y = run(library, q, k, v, g)[0]
    assert np.isnan(y[0, 0, 3]).all() and np.isnan(y[1, 1]).any()
    assert np.isfinite(y[0, 0, :3]).all() and np.isfinite(y[0, 1]).all()


@pytest.mark.parametrize("T", [1, 5])
def test_without_keys_all_is_0(library, T):
    q, k, v, g = example(T, 3, 8, 8)
    y, lse, dq, *_ = run(library, q, k[:, :, :0], v[:, :, :0], g)
    assert (y == 0).all() and (lse == 0).all() and (dq == 0).all()


def test_heads_inside_a_fused_buffer(library):
    rng = np.random.default_rng(3)
    qkv = rng.standard_normal((2, 40, 144)).astype(np.float32)
    g, y, dqkv = (
        rng.standard_normal((2, 40, 48)).astype(np.float32),
        guarded(2, 40, 48),
        guarded(2, 40, 144),
    )
    lse, scratch = guarded(2, 3, 40), aligned(library.fused_scratch())
    for first, last in ((0, 4), (4, 6)):
        library.fused_forward(*map(as_argument, (first, last, qkv, y, lse, scratch)))
        library.fused_backward(*map(as_argument, (first, last, qkv, y, lse, g, dqkv, scratch)))
    heads = [x.reshape(2, 40, 3, 16).transpose(0, 2, 1, 3) for x in np.split(qkv, 3, axis=2)]
    wanted = reference(*heads, g.reshape(2, 40, 3, 16).transpose(0, 2, 1, 3), None, 1)
    got = [x.reshape(2, 40, 3, 16).transpose(0, 2, 1, 3) for x in (y, *np.split(dqkv, 3, axis=2))]
    for mine, exact in zip(got, (wanted[0], *wanted[2:]), strict=True):
        assert_close(mine, exact, 5e-6)
    assert_close(lse, wanted[1])


def test_only_the_given_heads_are_written(library):
    q, k, v, g = example(20, 20, 16, 16)
    y = rows_first(2, 2, 20, 16)
    lse = guarded(2, 2, 20)
    shape = shape_of(q, k, v, None, 0, {"y": y})
    scratch = aligned(library.forward_scratch(ctypes.byref(shape)))
    given = (2, 3, q, k, v, None, None, y, lse, scratch)
    library.forward(ctypes.byref(shape), *map(as_argument, given))
    assert (y[0] == GUARD).all() and (y[1, 1] == GUARD).all() and (lse[1, 1] == GUARD).all()
    assert math.isclose(np.abs(y[1, 0] - reference(q, k, v, g)[0][1, 0]).max(), 0, abs_tol=1e-5)


def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER, tmp_path)
