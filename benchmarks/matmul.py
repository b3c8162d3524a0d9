"""The matrix product in C against torch's (MKL): GFLOP/s and the ratio of the times.

One thread is timed by its processor time, so that other processes cost both sides little. With
two threads, other work on the machine decides who wins; then only the best rounds say something,
and they are what the last columns show.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from andon.devices import compiler

SHAPES = [  # batch, M, N, K
    (1, 64, 64, 64),
    (1, 256, 256, 256),
    (1, 512, 512, 512),
    (1, 1024, 1024, 1024),
    (1, 2048, 2048, 2048),
    (1, 768, 2304, 768),
    (1, 128, 768, 3072),
    (1, 1024, 3072, 768),
    (1, 2048, 48, 144),
    (1, 2048, 144, 48),
    (1, 8192, 576, 192),
    (1, 8192, 192, 768),
    (1, 8192, 192, 192),
    (1, 192, 576, 8192),
    (1, 48, 144, 2048),
    (1, 1, 2304, 768),
    (384, 128, 128, 32),
]
KINDS = ("nn", "nt", "tn", "packed")  # n: as it is, t: stored transposed; packed: B once for ever
DRIVER = """
#include "matmul.h"
#include "thread_pool.h"

static const matmul_shape shape = {{ {M}, {N}, {K}, {lda}, {ldb}, {N}, {trans_a}, {trans_b}, 0 }};
enum {{ BATCH = {batch}, PACKED = {packed} }};
static __thread float scratch[MATMUL_SCRATCH_f32] __attribute__((aligned(64)));
static const float *A, *B;
static float *C, *panels;

static void product(long i, matmul_range range)
{{
    const float *a = A + i * shape.M * shape.K, *b = B + i * shape.K * shape.N;
    float *c = C + i * shape.M * shape.N;
    if (PACKED) matmul_packed_f32(shape, range, a, panels, c, matmul_plain_f32, NULL);
    else matmul_f32(shape, range, a, b, c, scratch, matmul_plain_f32, NULL);
}}

static void part_of_all(void *context, long part, long parts)
{{
    (void)context;
    if (BATCH == 1) product(0, matmul_part_f32(shape, part, parts));
    else
        for (long i = BATCH * part / parts; i < BATCH * (part + 1) / parts; i++)
            product(i, matmul_whole_f32(shape));
}}

void start(const float *a, const float *b, float *c, float *packed, int threads)
{{
    A = a, B = b, C = c, panels = packed;
    if (PACKED) matmul_pack_f32(shape, b, panels, 0, 1);
    use_thread_pool(thread_pool_of_process());
    pool->set_threads(threads);
}}
void multiply(void) {{ parallel_for(part_of_all, NULL, pool_threads()); }}
"""


def aligned(*shape: int) -> np.ndarray:
    """Random numbers at an address that is a multiple of 64, as any allocator here gives."""
    size = int(np.prod(shape))
    buffer = np.random.default_rng(size).standard_normal(size + 16, np.float32)
    start = -buffer.ctypes.data % 64 // 4
    return buffer[start : start + size].reshape(shape)


def contenders(batch: int, M: int, N: int, K: int, kind: str, threads: int):
    """Our function and torch's, on the same numbers; their results have been compared."""
    a_stored = (batch, K, M) if kind == "tn" else (batch, M, K)
    b_stored = (batch, N, K) if kind == "nt" else (batch, K, N)
    a, b, c = aligned(*a_stored), aligned(*b_stored), aligned(batch, M, N)
    packed = aligned(K * (N + 64))
    sizes = {"batch": batch, "M": M, "N": N, "K": K, "lda": a_stored[2], "ldb": b_stored[2]}
    kinds = {"trans_a": kind == "tn", "trans_b": kind == "nt", "packed": kind == "packed"}
    library = compiler.load(DRIVER.format(**sizes, **{k: int(v) for k, v in kinds.items()}))
    library.start(*(ctypes.c_void_p(x.ctypes.data) for x in (a, b, c, packed)), threads)

    x, w = torch.from_numpy(a), torch.from_numpy(b)
    x, w = x.mT if kind == "tn" else x, w.mT if kind == "nt" else w
    out = torch.empty(batch, M, N)
    operands = (x, w, out) if batch > 1 else (x[0], w[0], out[0])
    multiply = torch.bmm if batch > 1 else torch.mm
    library.multiply()
    multiply(*operands[:2], out=operands[2])
    np.testing.assert_allclose(c, out.numpy(), rtol=0, atol=1e-4 * K**0.5)
    return library.multiply, lambda: multiply(*operands[:2], out=operands[2]), (library, c, packed)


def best_and_ratio(
    ours: Callable[[], object], theirs: Callable[[], object], threads: int, rounds: int
) -> tuple[float, float, float]:
    """The best time of each side, and the median of the ratios, of rounds taken in turn."""
    clock = time.thread_time if threads == 1 else time.perf_counter

    def seconds(function: Callable[[], object], repeats: int) -> float:
        if threads > 1:
            time.sleep(0.005)  # the other side's workers stop spinning
        function()
        start = clock()
        for _ in range(repeats):
            function()
        return (clock() - start) / repeats

    repeats = max(1, int(2e-3 / max(seconds(ours, 1), 1e-6)))
    pairs = np.array([(seconds(ours, repeats), seconds(theirs, repeats)) for _ in range(rounds)])
    return *pairs.min(axis=0), float(np.median(pairs[:, 0] / pairs[:, 1]))


def measure(threads: int, rounds: int = 15) -> None:
    torch.set_num_threads(threads)
    columns = ("B × M × N × K", "B is", "andon GFLOP/s", "torch", "median ratio", "best ratio")
    table = Table(*columns, title=f"matrix product, {threads} thread(s): ratio of times, ≤ 1.05")
    for batch, M, N, K in SHAPES:
        for kind in KINDS:
            if (kind == "packed" and batch > 1) or (kind == "tn" and M == 1):
                continue
            ours, theirs, kept = contenders(batch, M, N, K, kind, threads)
            best, torchs, ratio = best_and_ratio(ours, theirs, threads, rounds)
            flop = 2e-9 * batch * M * N * K
            speeds = f"{flop / best:.1f}", f"{flop / torchs:.1f}"
            name = f"{batch} × {M} × {N} × {K}"
            table.add_row(name, kind, *speeds, f"{ratio:.2f}", f"{best / torchs:.2f}")
            del kept
    Console(width=110).print(table)


def main() -> None:
    measure(1)
    if (os.cpu_count() or 1) > 1:
        measure(2)
