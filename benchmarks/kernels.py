"""The row kernels of compiled graphs against torch, and against what memory moves; attention.

The rows are 8192 × 768 in float32, larger than the caches, so the floor of most is the memory. The
last column compares with loops that read and write as many arrays, prefetch them, and compute
nothing, measured in turn.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn import functional as F

import andon
from andon.devices import compiler
from andon.nn import functional as G
from andon.ops.norm import layer_norm_backward
from andon.ops.softmax import softmax_backward

from .timing import Result, alternate, show

M, C = 8192, 768
DRIVER = """
#include "attention.h"
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

void start(int threads)
{
    use_thread_pool(thread_pool_of_process());
    pool->set_threads(threads);
}
"""
MOVERS = """
#define EACH for (long i = m0 * C; i < m1 * C; i += LANES)
#define READ(k) (__builtin_prefetch(a[k] + i + 1024), vf_load(a[k] + i))
#define WRITE(k, x) (__builtin_prefetch(a[k] + i + 1024, 1), vf_store(a[k] + i, x))
KERNEL(copy, M, EACH WRITE(0, READ(1)))
KERNEL(sum, M, EACH WRITE(0, READ(1) + READ(2)))
#define TURN(k) WRITE(k, -READ(k))
KERNEL(update, M, EACH (TURN(0), TURN(1), TURN(2), TURN(3)))
"""
MOVED = {"copy": 2, "sum": 3, "update": 8}  # arrays that pass through memory
ATTENTION = """
#define HEADS {T * H * D, D, H * D}
static const attention_shape SHAPE = {.H = H, .T = T, .S = T, .D = D, .E = D, .scale = SCALE,
                                      .causal = 1, .q = HEADS, .k = HEADS, .v = HEADS, .y = HEADS,
                                      .g = HEADS, .dq = HEADS, .dk = HEADS, .dv = HEADS};
#define SCRATCH (a[5] + part * attention_backward_scratch(SHAPE))
long scratch(void) { return PARTS * attention_backward_scratch(SHAPE); }
static const random_stream NOTHING_DRAWN = {0};
KERNEL(attention, B * H, attention_forward(SHAPE, m0, m1, a[0], a[1], a[2], 0, NOTHING_DRAWN, a[3],
                                           a[4], SCRATCH))
KERNEL(d_attention, B * H,
       attention_backward(SHAPE, m0, m1, a[0], a[1], a[2], 0, NOTHING_DRAWN, a[3], a[4], a[6], a[7],
                          a[8], a[9], SCRATCH))
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


def loss_and_gradient(library, functional, x, labels):
    x = x.detach().requires_grad_()
    loss = functional.cross_entropy(x, labels)
    return loss.detach(), library.autograd.grad(loss, [x])[0]


def clipped_step(library, x: np.ndarray, g: np.ndarray, **options) -> Callable[[], object]:
    """Clipping the norm of a gradient, and a step of AdamW."""
    weight = library.nn.Parameter(library.tensor(x))
    weight.grad = library.tensor(g)
    optimizer = library.optim.AdamW([weight], **options)

    def step() -> None:
        library.nn.utils.clip_grad_norm_([weight], 1.0)
        optimizer.step()

    return step


def kernels() -> list[tuple[str, Callable, Callable, str, int]]:
    """Name, ours, torch's, what moves memory alike, and how many arrays of M × C floats pass.

    The gradient of cross-entropy reads x once more.
    """
    x, g, w, b, labels = array(M, C), array(M, C), array(C), array(C), np.arange(M) % C
    tx, tg, tw, tb, tl = (torch.tensor(a) for a in (x, g, w, b, labels))
    grad_x, grad_w, grad_b = (t.clone().requires_grad_() for t in (tx, tw, tb))
    p, norm = F.softmax(grad_x, -1), F.layer_norm(grad_x, (C,), grad_w, grad_b)
    mean = x.mean(1, keepdims=True)
    rstd = 1 / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    ours = [andon.tensor(a) for a in (x, g, w, b, labels, mean, rstd)]

    def compiled(function: Callable, *operands: int) -> Callable[[], object]:
        fast, given = andon.jit(function), [ours[i] for i in operands]
        return lambda: fast(*given)

    def softmax_gradient(g, p):
        return softmax_backward(g, p, dim=1)

    def layer_norm(x, w, b):
        return G.layer_norm(x, (C,), w, b)

    def norm_gradients(g, x, mean, rstd, w):
        return layer_norm_backward(g, x, mean, rstd, w, normalized_shape=(C,))

    def gelu(x):
        return G.gelu(x, approximate="tanh")

    def cross_entropy(x, labels):
        return loss_and_gradient(andon, G, x, labels)

    return [
        ("gelu", compiled(gelu, 0), lambda: F.gelu(tx, approximate="tanh"), "copy", 2),
        ("softmax", compiled(lambda x: G.softmax(x, -1), 0), lambda: F.softmax(tx, -1), "copy", 2),
        ("softmax backward", compiled(softmax_gradient, 1, 0), gradient(p, grad_x, tg), "sum", 3),
        (
            "layer norm",
            compiled(layer_norm, 0, 2, 3),
            lambda: F.layer_norm(tx, (C,), tw, tb),
            "copy",
            2,
        ),
        (
            "layer norm backward",
            compiled(norm_gradients, 1, 0, 5, 6, 2),
            gradient(norm, (grad_x, grad_w, grad_b), tg),
            "sum",
            3,
        ),
        (
            "cross-entropy and gradient",
            compiled(cross_entropy, 0, 4),
            lambda: loss_and_gradient(torch, F, tx, tl),
            "copy",
            3,
        ),
        (
            "clip and AdamW",
            andon.jit(clipped_step(andon, x, g)),
            clipped_step(torch, x, g, fused=True),
            "update",
            9,
        ),
    ]


def share_of_memory(ours: Callable, arrays: int, mover: Callable, moved: int) -> str:
    """The bytes a second of a kernel, as a share of those that a mover moves, measured in turn."""
    r = alternate("", ours, mover, 15, 2, between=2)
    rate = 4 * M * C * arrays / r.ours / 1e9
    return f"{rate:.1f} GB/s, {arrays / moved / r.ratio:.0%} of what the memory moves"


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
        r = alternate(name + what, caller(ours, arrays), theirs, 9, repeats, 0.7, between=1)
        r.floor = f"{work / r.ours / 1e9:.0f} GFLOP/s"
        results.append(r)
    return results


def main() -> None:
    torch.set_num_threads(2)
    results = []
    movers, arrays = library(DRIVER + MOVERS), [array(M, C) for _ in range(4)]
    for name, ours, theirs, like, count in kernels():
        r = alternate(name, ours, theirs, 15, 2, between=2)
        mover = caller(getattr(movers, like), arrays)
        r.floor = share_of_memory(ours, count, mover, MOVED[like])
        results.append(r)
    show(f"kernels, {M} × {C}, 2 threads", results)
    results = [r for name, sizes in HEADS.items() for r in attention(name, *sizes)]
    show("causal attention, 2 threads", results)
