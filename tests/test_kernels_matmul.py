"""matmul.h against NumPy in float64: sizes, transposes, strides, splits, epilogues, targets."""

import ctypes
from dataclasses import dataclass

import numpy as np
import pytest
from c_kernels import TARGETS, built, check_arm

PREAMBLE = """
#include "matmul.h"
#define MATMUL_DOUBLE
#include "matmul.h"

/* y = x + bias + residual, and what was there before both. */
typedef struct { const void *bias, *residual; void *before; long N; } sums;

#define EPILOGUE(V, REAL, SUFFIX)                                                              \\
    INLINE V add_##SUFFIX(const void *context, V x, long m, long n, long count)                \\
    {                                                                                          \\
        const sums *s = context;                                                               \\
        V##_store_part((REAL *)s->before + m * s->N + n, x, count);                            \\
        V y = x + V##_load_part((const REAL *)s->bias + n, count, 0);                          \\
        return y + V##_load_part((const REAL *)s->residual + m * s->N + n, count, 0);          \\
    }
EPILOGUE(vf, float, f32)
EPILOGUE(vd, double, f64)
"""
CASE = """
void {name}(const {real} *a, const {real} *b, {real} *c, {real} *packed, {real} *scratch,
            long parts, const sums *context)
{{
    const matmul_shape s = {{{M}, {N}, {K}, {lda}, {ldb}, {ldc},
                            {trans_a}, {trans_b}, {accumulate}}};
    if ({prepack})
        for (long part = 0; part < parts; part++) matmul_pack_{t}(s, b, packed, part, parts);
    for (long part = 0; part < parts; part++) {{
        matmul_range range = matmul_part_{t}(s, part, parts);
        if ({prepack}) matmul_packed_{t}(s, range, a, packed, c, {epilogue}_{t}, context);
        else matmul_{t}(s, range, a, b, c, scratch, {epilogue}_{t}, context);
    }}
}}
"""


@dataclass(frozen=True)
class Case:
    """A product that is compiled with its sizes as constants. `pad` widens every stored row."""

    M: int
    N: int
    K: int
    trans: str = "nn"
    accumulate: int = 0
    epilogue: str = "matmul_plain"
    prepack: int = 0
    pad: int = 0
    t: str = "f32"

    @property
    def name(self):
        flags = f"{'_add' * self.accumulate}{'_packed' * self.prepack}_pad{self.pad}"
        return f"{self.t}_{self.M}x{self.N}x{self.K}_{self.trans}_{self.epilogue}{flags}"

    @property
    def stored(self):
        """The shapes of A, B and C as they are stored, padding included."""
        a = (self.K, self.M) if self.trans[0] == "t" else (self.M, self.K)
        b = (self.N, self.K) if self.trans[1] == "t" else (self.K, self.N)
        return [(rows, columns + self.pad) for rows, columns in (a, b, (self.M, self.N))]

    @property
    def text(self):
        return CASE.format(
            **vars(self),
            name=self.name,
            real={"f32": "float", "f64": "double"}[self.t],
            **{ld: shape[1] for ld, shape in zip(("lda", "ldb", "ldc"), self.stored, strict=True)},
            trans_a=int(self.trans[0] == "t"),
            trans_b=int(self.trans[1] == "t"),
        )


SHAPES = [
    (1, 1, 1), (1, 50, 33), (2, 17, 5), (7, 16, 64), (9, 49, 385), (13, 64, 100), (31, 130, 20),
    (61, 67, 71), (40, 300, 400), (3, 5, 0), (0, 4, 3), (4, 0, 3), (1, 3, 0),
]  # fmt: skip
TRANSPOSES = ("nn", "nt", "tn", "tt")
CASES = [Case(*shape, TRANSPOSES[i % 4]) for i, shape in enumerate(SHAPES)]
CASES += [
    Case(33, 81, 400, trans, accumulate, epilogue, prepack, 3)
    for trans, accumulate, epilogue, prepack in [
        ("nn", 1, "matmul_plain", 0),
        ("nt", 0, "add", 0),
        ("tn", 1, "add", 1),
        ("tt", 0, "add", 1),
        ("nn", 0, "add", 1),
    ]
]
CASES += [Case(1, 81, 37, trans, 1, "add", 0, 3) for trans in TRANSPOSES]
CASES += [Case(1, 81, 400, "nn", 1, "add", 1, 3), Case(200, 1300, 24), Case(24, 1300, 390, "nt")]
CASES += [Case(19, 45, 210, trans, 1, "add", 0, 1, "f64") for trans in TRANSPOSES]
CASES += [Case(19, 45, 210, "nn", 0, "add", 1, 1, "f64"), Case(1, 45, 21, "tn", t="f64")]
DRIVER = PREAMBLE + "".join(case.text for case in CASES)


class Sums(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in ("bias", "residual", "before")]
    _fields_ += [("N", ctypes.c_long)]


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    return built(DRIVER, request.param)


def aligned(count, dtype):
    """Numbers at an address that is a multiple of 64; NaN, so that what is not written shows."""
    buffer = np.empty(count + 64, dtype)
    start = -buffer.ctypes.data % 64 // buffer.itemsize
    buffer[:] = np.nan
    return buffer[start : start + count]


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_product(library, case, parts):
    rng = np.random.default_rng(case.M + case.N)
    dtype = {"f32": np.float32, "f64": np.float64}[case.t]
    M, N, K = case.M, case.N, case.K
    a, b, c = (rng.standard_normal(shape).astype(dtype) for shape in case.stored)
    bias, residual = rng.standard_normal(N).astype(dtype), rng.standard_normal((M, N)).astype(dtype)
    before = np.full((M, N), np.nan, dtype)
    A = (a[:, :M].T if case.trans[0] == "t" else a[:, :K]).astype(np.float64)
    B = (b[:, :K].T if case.trans[1] == "t" else b[:, :N]).astype(np.float64)
    wanted = A @ B + (c[:, :N] if case.accumulate else 0)
    beyond = c[:, N:].copy()
    if not case.accumulate:
        c[:, :N] = np.nan

    context = Sums(bias.ctypes.data, residual.ctypes.data, before.ctypes.data, N)
    packed, scratch = aligned(K * (N + 64), dtype), aligned(1 << 20, dtype)
    pointers = [ctypes.c_void_p(x.ctypes.data) for x in (a, b, c, packed, scratch)]
    getattr(library, case.name)(*pointers, ctypes.c_long(parts), ctypes.byref(context))

    tolerance = np.finfo(dtype).eps * 2 * (np.abs(A) @ np.abs(B) + np.abs(wanted) + 1)
    if case.epilogue == "add":
        assert (np.abs(before - wanted) <= tolerance).all()
        wanted = wanted + bias + residual
    assert (np.abs(c[:, :N] - wanted) <= tolerance * 2).all()
    np.testing.assert_array_equal(c[:, N:], beyond)


def test_parts_cover_the_product_once(library):
    """Any number of parts, also more than there are tiles."""
    for name in ("61x67x71", "9x49x385"):
        case = next(case for case in CASES if name in case.name)
        for parts in (2, 5, 8, 100):
            test_product(library, case, parts)


def test_it_compiles_for_arm(tmp_path):
    check_arm(PREAMBLE + "".join(case.text for case in CASES[:12]), tmp_path)
