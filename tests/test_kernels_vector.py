"""vector.h and vector_math.h: every function over all magnitudes, and what the operators lack."""

import math

import numpy as np
import pytest
from c_kernels import TARGETS, built, call, check_arm

FUNCTIONS = ["exp", "exp2", "expm1", "log", "log1p", "sigmoid", "tanh", "silu", "gelu_tanh", "erf"]
FUNCTIONS += ["sin", "cos", "sqrt", "abs"]
DRIVER = """
#include "vector_math.h"
#define MAP(V, SCALAR, N, name)                                                                \\
    void V##_##name##_of(const SCALAR *x, SCALAR *y, long count)                               \\
    {                                                                                          \\
        for (long i = 0; i < count; i += N)                                                    \\
            V##_store_part(y + i, V##_##name(V##_load_part(x + i, count - i, 0)), count - i);  \\
    }
#define BOTH(name) MAP(vf, float, LANES, name) MAP(vd, double, VD_LANES, name)
int lanes(void) { return LANES; }

#define OPERATIONS(V, SCALAR, N)                                                               \\
    void V##_lanes_of(const SCALAR *x, SCALAR *y)                                              \\
    {                                                                                          \\
        V v = V##_load(x);                                                                     \\
        y[0] = V##_sum_lanes(v), y[1] = V##_max_lanes(v), y[2] = V##_min_lanes(v);             \\
    }                                                                                          \\
    void V##_copy_part(const SCALAR *x, SCALAR *y, long n, SCALAR *filled)                     \\
    {                                                                                          \\
        V##_store_part(y, V##_load_part(x, n, 0), n);                                          \\
        V##_store(filled, V##_load_part(x, n, 7));                                             \\
    }                                                                                          \\
    void V##_transpose_of(SCALAR *x)                                                           \\
    {                                                                                          \\
        V rows[N];                                                                             \\
        for (int i = 0; i < N; i++) rows[i] = V##_load(x + i * N);                             \\
        V##_transpose(rows);                                                                   \\
        for (int i = 0; i < N; i++) V##_store(x + i * N, rows[i]);                             \\
    }                                                                                          \\
    void V##_extremes(const SCALAR *x, const SCALAR *y, SCALAR *low, SCALAR *high)             \\
    {                                                                                          \\
        V##_store(low, V##_min(V##_load(x), V##_load(y)));                                     \\
        V##_store(high, V##_max(V##_load(x), V##_load(y)));                                    \\
    }
OPERATIONS(vf, float, LANES)
OPERATIONS(vd, double, VD_LANES)

void double_and_back(const float *x, float *y)
{
    vf v = vf_load(x);
    vf_store(y, vf_from_vd(vd_from_low(v) * 2, vd_from_high(v) * 2));
}
void to_bfloat16(const float *x, uint16_t *y, long count)
{
    for (long i = 0; i < count; i += LANES)
        vf_store_bfloat16_part(y + i, vf_load_part(x + i, count - i, 0), count - i);
}
void from_bfloat16(const uint16_t *x, float *y, long count)
{
    for (long i = 0; i < count; i += LANES)
        vf_store_part(y + i, vf_load_bfloat16_part(x + i, count - i), count - i);
}
#ifdef __FLT16_MANT_DIG__
void to_float16(const float *x, uint16_t *y, long count)
{
    for (long i = 0; i < count; i += LANES)
        vf_store_float16_part(y + i, vf_load_part(x + i, count - i, 0), count - i);
}
void from_float16(const uint16_t *x, float *y, long count)
{
    for (long i = 0; i < count; i += LANES)
        vf_store_part(y + i, vf_load_float16_part(x + i, count - i), count - i);
}
#endif
"""
DRIVER += "\n".join(f"BOTH({name})" for name in FUNCTIONS)


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    return built(DRIVER, request.param)


# ---- functions

EDGES = [0.0, np.inf, np.nan, 1.0, 0.5, 1e-45, 1.1754944e-38, 3.4028235e38, 2.4061767e38, 88.72283]
EDGES += [88.8, 87.4, 103.9, 104.1, 126.0, 127.99999, 128.0, 149.0, 149.9, 150.1, 0.55, 0.92, 4.0]
EDGES += [0.70710677, 0.34657359, 2.0**24, 2.0**-24, 99999.99, 100001.0, 1e10, math.pi / 2, math.pi]


def samples() -> np.ndarray:
    """Edges, every 10,007th float of all, and denser where the functions bend."""
    bits = np.arange(0, 2**32, 10_007, dtype=np.uint64).astype(np.uint32)
    lines = [np.linspace(-s, s, 60_001) for s in (1.5, 20, 160, 1e5)]
    edges = np.array(EDGES + [-x for x in EDGES])
    with np.errstate(all="ignore"):
        return np.concatenate([bits.view(np.float32), *lines, edges]).astype(np.float32)


def sigmoid(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


def gelu_tanh(x):
    return x * sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


EXACT = {
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "gelu_tanh": gelu_tanh,
    "erf": np.vectorize(math.erf, otypes=[float]),
}
MOST_UNITS = {"sqrt": 0.5, "abs": 0, "sigmoid": 2.3, "gelu_tanh": 2.5}  # else 2


def units_off(got, exact) -> np.ndarray:
    """The error in units of the last place of a float32; infinite where only one is a number."""
    rounded = exact.astype(np.float32)
    unit = np.maximum(np.spacing(np.minimum(np.abs(rounded), np.float32(3e38))), 2.0**-149)
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    off = np.where(same, 0, np.abs(got - exact) / unit.astype(np.float64))
    return np.where(np.isnan(off), np.inf, off)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float_function_is_right_to_two_units(library, name):
    x = samples()
    with np.errstate(all="ignore"):
        exact = EXACT.get(name, getattr(np, name, None))(x.astype(np.float64))
        got = np.empty_like(x)
        call(getattr(library, f"vf_{name}_of"), x, got, x.size)
        off = units_off(got, exact)
    if name in ("silu", "gelu_tanh"):  # below, what is left is next to nothing
        below = (x < -1) & (x > -1e4)
        assert np.abs(got[below] - exact[below]).max() < 1.2e-7
        x, off = x[~(x < -1)], off[~(x < -1)]
    worst = off.argmax()
    assert off[worst] <= MOST_UNITS.get(name, 2), f"{name}({x[worst]!r}): {off[worst]} units"


@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh", "erf", "sin", "sqrt"])
def test_odd_function_keeps_the_sign_of_zero(library, name):
    zero = np.array([-0.0], np.float32)
    call(getattr(library, f"vf_{name}_of"), zero, zero, 1)
    assert zero[0] == 0 and np.signbit(zero[0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_double_function_is_libms(library, name):
    x = np.concatenate([np.linspace(-30, 30, 4001), EDGES, [-e for e in EDGES]])
    with np.errstate(all="ignore"):
        exact = EXACT.get(name, getattr(np, name, None))(x)
    got = np.empty_like(x)
    call(getattr(library, f"vd_{name}_of"), x, got, x.size)
    np.testing.assert_allclose(got, exact, rtol=1e-13, atol=1e-15)


# ---- lanes


@pytest.mark.parametrize(("V", "dtype"), [("vf", np.float32), ("vd", np.float64)])
def test_lanes(library, V, dtype):
    N = library.lanes() * 4 // np.dtype(dtype).itemsize
    x = np.random.default_rng(0).permutation(N).astype(dtype) - 3
    y = np.empty(3, dtype)
    call(getattr(library, f"{V}_lanes_of"), x, y)
    np.testing.assert_array_equal(y, [x.sum(), x.max(), x.min()])
    for n in range(N + 2):  # more than all lanes is all
        y, filled = np.full(N + 2, -1, dtype), np.empty(N, dtype)
        call(getattr(library, f"{V}_copy_part"), x, y, n, filled)
        k = min(n, N)
        np.testing.assert_array_equal(y, [*x[:k], *[-1] * (N + 2 - k)])
        np.testing.assert_array_equal(filled, [*x[:k], *[7] * (N - k)])
    square = np.arange(N * N, dtype=dtype).reshape(N, N)
    turned = square.copy()
    call(getattr(library, f"{V}_transpose_of"), turned)
    np.testing.assert_array_equal(turned, square.T)


@pytest.mark.parametrize(("V", "dtype"), [("vf", np.float32), ("vd", np.float64)])
def test_extremes_keep_the_nan_of_their_first_operand(library, V, dtype):
    N = library.lanes()
    x, y = np.zeros(N, dtype), np.ones(N, dtype)
    x[0] = y[1] = np.nan
    low, high = np.empty(N, dtype), np.empty(N, dtype)
    call(getattr(library, f"{V}_extremes"), x, y, low, high)
    np.testing.assert_array_equal(low[:2], [np.nan, 0])
    np.testing.assert_array_equal(high[:2], [np.nan, 0])


# ---- conversions


def test_doubles_and_back(library):
    x = np.arange(library.lanes(), dtype=np.float32)
    y = np.empty_like(x)
    call(library.double_and_back, x, y)
    np.testing.assert_array_equal(y, 2 * x)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_half_precision_rounds_to_nearest_even(library, name):
    import ml_dtypes

    if not hasattr(library, f"to_{name}"):
        pytest.skip("this compiler has no _Float16")
    dtype = {"bfloat16": ml_dtypes.bfloat16, "float16": np.float16}[name]
    every = np.arange(2**16, dtype=np.uint16)
    wide = np.empty(every.size, np.float32)
    call(getattr(library, f"from_{name}"), every, wide, every.size)
    np.testing.assert_array_equal(wide, every.view(dtype).astype(np.float32))

    with np.errstate(all="ignore"):
        finite = wide[np.isfinite(wide)]
        halfway = (finite[:-1].astype(np.float64) + finite[1:]).astype(np.float32) / 2
        x = np.concatenate([wide, halfway, samples()])
        wanted = x.astype(dtype)
    got = np.empty(x.size, np.uint16)
    call(getattr(library, f"to_{name}"), x, got, x.size)
    nan = np.isnan(x)
    np.testing.assert_array_equal(got[~nan], wanted.view(np.uint16)[~nan])
    assert np.isnan(got.view(dtype)[nan].astype(np.float32)).all()


def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER, tmp_path)
