"""The row kernels in C, against torch and against what the memory can move; attention.

The rows are 8192 × 768 in float32, larger than the caches, so the floor of most is the memory: the
last column says how many GB/s they move, next to a triad (x = y + s z) measured in turn.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional as F

from andon.devices import compiler

from .timing import Result, alternate, show

M, C = 8192, 768
DRIVER = """
#include "adamw.h"
#include "attention.h"
#include "cross_entropy.h"
#include "layer_norm.h"
#include "thread_pool.h"

enum { M = 8192, C = 768, PARTS = 8 };

/* void name(float **a): the call for rows m0 to m1 of `rows`, in parts on all threads. */
#define KERNEL(name, rows, call)                                                                  \\
    static void name##_part(void *context, long part, long parts)                                 \\
    {                                                                                             \\
        float **a = context;                                                                      \\
        long m0 = (rows) * part / parts, m1 = (rows) * (part + 1) / parts;                        \\
        (void)a;                                                                                  \\
        call;                                                                                     \\
    }                                                                                             \\
    void name(float **a) { parallel_for(name##_part, a, PARTS); }

#define EACH(m0, m1) for (long i = m0 * C; i < m1 * C; i += LANES)
#define LABELS ((int64_t *)a[3])
#define PRIVATE(p) (p + part * C)

void start(int threads)
{
    use_thread_pool(thread_pool_of_process());
    pool->set_threads(threads);
}
KERNEL(triad, M, EACH(m0, m1) vf_store(a[0] + i, vf_load(a[1] + i) + 3.0f * vf_load(a[2] + i)))
KERNEL(gelu, M, EACH(m0, m1) vf_store(a[0] + i, vf_gelu_tanh(vf_load(a[1] + i))))
KERNEL(softmax, M, softmax_forward(m0, m1, C, a[1], C, a[0], C))
KERNEL(d_softmax, M, softmax_backward(m0, m1, C, a[1], C, a[2], C, a[0], C))
KERNEL(layer_norm, M,
       layer_norm_forward(m0, m1, C, 1e-5f, a[1], C, a[2], a[3], a[0], C, a[4], a[5]))
KERNEL(d_layer_norm, M,
       layer_norm_backward(m0, m1, C, a[1], C, a[2], C, a[4], a[5], a[3], a[0], C, 0,
                           PRIVATE(a[6]), PRIVATE(a[7])))
static const cross_entropy_shape SCORES = {.V = C, .row = C, .ignore_index = -100};
KERNEL(cross_entropy, M,
       cross_entropy_with_gradient(SCORES, m0, m1, 1.0f / M, a[1], LABELS, a[2], a[0]))
KERNEL(norm, M, ((double *)a[4])[part] = squared_norm(a[1] + m0 * C, (m1 - m0) * C))
KERNEL(adam, M,
       double total = 0; for (int i = 0; i < PARTS; i++) total += ((double *)a[4])[i];
       adamw_rates r = adamw_at(100, 1e-3, 0.9, 0.95, 1e-8, 0.1, 1, clip_factor(sqrt(total), 1));
       adamw_step(r, m0 * C, m1 * C, a[0], a[1], a[2], a[3], 0))
void adamw(float **a) { norm(a), adam(a); }
"""
ATTENTION = """
#define HEADS {T * H * D, D, H * D}
static const attention_shape SHAPE = {.H = H, .T = T, .S = T, .D = D, .E = D, .scale = SCALE,
                                      .causal = 1, .q = HEADS, .k = HEADS, .v = HEADS, .y = HEADS,
                                      .g = HEADS, .dq = HEADS, .dk = HEADS, .dv = HEADS};
#define SCRATCH (a[5] + part * attention_backward_scratch(SHAPE))
long scratch(void) { return PARTS * attention_backward_scratch(SHAPE); }
KERNEL(attention, B * H, attention_forward(SHAPE, m0, m1, a[0], a[1], a[2], 0, a[3], a[4], SCRATCH))
KERNEL(d_attention, B * H,
       attention_backward(SHAPE, m0, m1, a[0], a[1], a[2], 0, a[3], a[4], a[6], a[7], a[8], a[9],
                          SCRATCH))
"""
HEADS = {  # batch, heads, time, head size
    "gpt2 8 × 12 × 1024 × 64": (8, 12, 1024, 64),
    "gpt-nano 16 × 3 × 128 × 16": (16, 3, 128, 16),
    "gpt-mini 64 × 6 × 128 × 32": (64, 6, 128, 32),
}


def array(*shape: int, fill: bool = True) -> np.ndarray:
    """Random numbers, or zeros, that start at a cache line, as arenas and torch's tensors do."""
    size = int(np.prod(shape))
    buffer = np.zeros(size + 16, np.float32)
    start = -buffer.ctypes.data % 64 // 4
    x = buffer[start : start + size].reshape(shape)
    if fill:
        x[...] = np.random.default_rng(len(shape)).standard_normal(shape, np.float32)
    return x


def library(source: str, threads: int = 2) -> ctypes.CDLL:
    built = compiler.load(source, name="kernels")
    built.start(threads)
    return built


def caller(function, arrays: Sequence[np.ndarray]) -> Callable[[], object]:
    """Call a kernel with pointers to the arrays."""
    pointers = (ctypes.c_void_p * len(arrays))(*(x.ctypes.data for x in arrays))
    return lambda arrays=arrays: function(pointers)  # which keeps the arrays alive


def gradient(result: torch.Tensor, of, g=None) -> Callable[[], object]:
    return lambda: torch.autograd.grad(result, of, g, retain_graph=True)


def kernels() -> list[tuple[str, Callable, Callable, int]]:
    """Name, ours, torch's, and how many arrays of M × C floats must pass through memory."""
    lib = library(DRIVER)
    x, y, g, z = (array(M, C) for _ in range(4))
    weight, bias, mean, rstd = array(C), array(C), array(M), array(M)
    sums, labels = array(2, 8, C), np.arange(M) % C
    tx, tw, tb, tg = (torch.tensor(a, requires_grad=True) for a in (x, weight, bias, g))
    p, ln = F.softmax(tx, -1), F.layer_norm(tx, (C,), tw, tb)
    t_labels, loss, norms = torch.tensor(labels), array(M), np.zeros(8)

    def torch_loss():
        torch.autograd.grad(F.cross_entropy(tx, t_labels), tx)

    plain, weights, zeros = tx.detach(), array(M, C), [array(M, C, fill=False) for _ in "mv"]
    return [
        ("gelu", caller(lib.gelu, [y, x]), lambda: F.gelu(plain, approximate="tanh"), 2),
        ("softmax", caller(lib.softmax, [y, x]), lambda: F.softmax(plain, -1), 2),
        (
            "softmax backward",
            caller(lib.d_softmax, [z, g, x]),
            gradient(p, tx, tg.detach()),
            3,
        ),
        (
            "layer norm",
            caller(lib.layer_norm, [y, x, weight, bias, mean, rstd]),
            lambda: F.layer_norm(plain, (C,), tw.detach(), tb.detach()),
            2,
        ),
        (
            "layer norm backward",
            caller(lib.d_layer_norm, [z, g, x, weight, mean, rstd, *sums]),
            gradient(ln, (tx, tw, tb), tg.detach()),
            3,
        ),
        (
            "cross-entropy and gradient",
            caller(lib.cross_entropy, [y, x, loss, labels]),
            torch_loss,
            2,
        ),
        ("clip and AdamW", caller(lib.adamw, [weights, g, *zeros, norms]), torch_adamw(g), 8),
    ]


def torch_adamw(g: np.ndarray) -> Callable[[], object]:
    """torch's fused step, after its clipping."""
    weight = torch.nn.Parameter(torch.tensor(array(M, C)))
    weight.grad = torch.tensor(g)
    optimizer = torch.optim.AdamW([weight], fused=True)

    def step() -> None:
        torch.nn.utils.clip_grad_norm_([weight], 1.0)
        optimizer.step()

    return step


def bandwidth_share(ours: Callable, arrays: int, triad: Callable) -> str:
    """The bytes a second of a kernel, as a share of those of a triad, measured in turn."""
    r = alternate("", ours, triad, 15, 2)
    rate = 4 * M * C * arrays / r.ours / 1e9
    return f"{rate:.1f} GB/s, {arrays / 3 / r.ratio:.0%} of a triad's"


def attention(name: str, B: int, H: int, T: int, D: int) -> list[Result]:
    """Forward and backward, causal, against torch's scaled_dot_product_attention."""
    sizes = f"enum {{ B = {B}, H = {H}, T = {T}, D = {D} }};\n#define SCALE {D**-0.5}f\n"
    lib = library(DRIVER + sizes + ATTENTION)
    lib.scratch.restype = ctypes.c_long
    q, k, v, y, g, dq, dk, dv = (array(B, T, H, D) for _ in range(8))
    arrays = [q, k, v, y, array(B, H, T), array(lib.scratch()), g, dq, dk, dv]
    tq, tk, tv, tg = (torch.tensor(x).transpose(1, 2) for x in (q, k, v, g))
    operands = [t.requires_grad_() for t in (tq, tk, tv)]
    plain = [t.detach() for t in operands]
    result = F.scaled_dot_product_attention(*operands, is_causal=True)
    flop = 4 * B * H * T * T * D / 2  # of the half that the mask leaves
    repeats = max(1, int(2e9 / flop))

    def forward():
        return F.scaled_dot_product_attention(*plain, is_causal=True)

    results = []
    for what, ours, theirs, work in (
        ("", lib.attention, forward, flop),
        (" backward", lib.d_attention, gradient(result, operands, tg), 2.5 * flop),
    ):
        r = alternate(name + what, caller(ours, arrays), theirs, 9, repeats, 0.7)
        r.floor = f"{work / r.ours / 1e9:.0f} GFLOP/s"
        results.append(r)
    return results


def main() -> None:
    torch.set_num_threads(2)
    results = []
    triad = caller(library(DRIVER).triad, [array(M, C) for _ in range(3)])
    for name, ours, theirs, arrays in kernels():
        r = alternate(name, ours, theirs, 15, 2)
        r.floor = bandwidth_share(ours, arrays, triad)
        results.append(r)
    show(f"kernels, {M} × {C}, 2 threads", results)
    results = [r for name, sizes in HEADS.items() for r in attention(name, *sizes)]
    show("causal attention, 2 threads", results)
