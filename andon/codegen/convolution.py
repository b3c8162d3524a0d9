"""How the kernels of convolutional nets are called: convolution, pooling, batch norm.

Sizes, strides and padding are constants in the text. Windows over one dim are windows over two, of
which the first has one row; those over three dims are left to the references.
"""

from __future__ import annotations

import math
from typing import Any

from ..graph.ir import Symbol
from .function import Function
from .library import CallText, emits, product
from .scalar import literal, name_of

TILE = 1 << 16  # floats of the columns of a tile: a quarter of an L2 cache
MOST_SUMS = 1 << 25  # floats of all parts' sums of a weight's gradient
PARTS = 8  # of the samples, whose sums are added up afterwards, whatever the number of threads
HEADERS = ("conv.h", "scratch.h")


def window_of(outer: tuple[int, ...], inner: tuple[int, ...], attrs: dict[str, Any]) -> str | None:
    """The constant that says which windows of a plane there are: `inner` of them over `outer`."""
    if len(outer) not in (1, 2):
        return None
    line = len(outer) == 1
    dilation = attrs.get("dilation", (1,) * len(outer))
    before = tuple(p[0] for p in attrs["padding"])
    ones, zeros = (1,) * line, (0,) * line
    sizes = [*ones, *outer, *ones, *inner, *ones, *attrs["kernel"], *ones, *attrs["stride"]]
    return f"{{{', '.join(map(str, [*sizes, *ones, *dilation, *zeros, *before]))}}}"


def is_ready(call: CallText, *values: Symbol) -> bool:
    return call.all_float(*values) and call.is_packed(*values)


# ---- convolution


class Convolution:
    """What the three ops of a convolution have in common: x, w, y and the constant."""

    def __init__(self, call: CallText, x: Symbol, w: Symbol, y: Symbol):
        groups, attrs = call.attrs["groups"], {**call.attrs, "kernel": w.shape[2:]}
        self.B, self.groups = x.shape[0], groups
        self.C, self.O = w.shape[1], w.shape[0] // groups
        out = y.shape[2:]
        lines = out[0] if len(out) > 1 else 1
        self.depth = product(w.shape[1:])
        self.rows = tile_rows(lines, self.depth * out[-1])
        depthwise = self.C == self.O == 1
        self.tiles = 1 if depthwise else -(-lines // self.rows)
        window = window_of(x.shape[2:], out, attrs)
        sizes = f"{self.C}, {self.O}, {groups}, {self.rows}"
        self.work = product(out) * self.depth * self.O  # multiply-adds of a sample's group
        self.lines: list[str] = []  # none where there is no kernel
        if window is not None and is_ready(call, x, w, y):
            self.lines = [
                f"const conv_shape shape = {{{window}, {sizes}}};",
                "float *scratch = thread_scratch(sizeof(float) * conv_scratch(shape));",
            ]


def tile_rows(rows: int, floats: int) -> int:
    """Output rows of a tile, each `floats` floats of columns: even parts unless they are small."""
    most = min(max(1, TILE // floats), rows)
    even = next(n for n in range(most, 0, -1) if rows % n == 0)
    return even if 2 * even > most else -(-rows // -(-rows // most))


@emits("conv")
def conv(call: CallText) -> list[Function] | None:
    """Samples, groups and tiles of output rows."""
    x, w = call.operands
    (y,) = call.results
    known = Convolution(call, x, w, y)
    if not known.lines:
        return None
    pointers = ", ".join([call.pointer(x), call.pointer(w), "NULL", call.pointer(y, True)])
    tiles, rows = known.tiles, known.B * known.groups * known.tiles
    lines = [*known.lines, f"conv_forward(shape, m0, m1, {pointers}, scratch);"]
    return [call.function(lines, rows, work=max(1, known.work // tiles), headers=HEADERS)]


@emits("conv_input_grad")
def conv_input_grad(call: CallText) -> list[Function] | None:
    """Samples and groups."""
    g, w = call.operands
    (x,) = call.results
    known = Convolution(call, x, w, g)
    if not known.lines:
        return None
    pointers = ", ".join([call.pointer(g), call.pointer(w), call.pointer(x, True)])
    lines = [*known.lines, f"conv_input_grad(shape, m0, m1, {pointers}, scratch);"]
    return [call.function(lines, known.B * known.groups, work=known.work, headers=HEADERS)]


@emits("conv_weight_grad")
def conv_weight_grad(call: CallText) -> list[Function] | None:
    """Parts of the samples leave their sums in scratch; then these are added up."""
    x, g = call.operands
    (w,) = call.results
    known = Convolution(call, x, w, g)
    if not known.lines:
        return None
    size, images = product(w.shape), known.B * known.groups
    parts = min(PARTS, known.B, max(2, MOST_SUMS // size))
    x_at, g_at = call.pointer(x), call.pointer(g)
    lines = [
        *known.lines,
        "for (long m = m0; m < m1; m++) {",
        f"    float *sums = all_sums + {size} * m;",
        f"    memset(sums, 0, {size} * sizeof(float));",
        f"    conv_weight_grad(shape, {images}L * m / {parts}, {images}L * (m + 1) / {parts}, "
        f"{x_at}, {g_at}, sums, scratch);",
        "}",
    ]
    more: dict[str, Any] = {"headers": HEADERS, "more": ["float *all_sums"]}
    first = call.function(lines, parts, work=images * known.work // parts, **more)
    first.scratch = parts * size * 4
    sums = f"{parts}, all_sums, {call.pointer(w, True)}"
    lines = [known.lines[0], f"conv_weight_total(shape, m0, m1, {sums});"]
    rows = known.groups * known.depth
    return [
        first,
        call.function(lines, rows, work=parts * known.O, title="conv_weight_sum", **more),
    ]


# ---- pooling


def pool_lines(call: CallText, outer: Symbol, inner: Symbol, *others: Symbol) -> list[str] | None:
    window = window_of(outer.shape[2:], inner.shape[2:], call.attrs)
    if window is None or not is_ready(call, outer, inner) or not call.is_packed(*others):
        return None
    return [f"const window_shape shape = {window};",
            "float *scratch = thread_scratch(sizeof(float) * pool_scratch(shape));"]  # fmt: skip


def of_planes(call: CallText, lines: list[str], x: Symbol, work: int) -> list[Function]:
    """The function that works on the planes of x, of which each takes some work."""
    planes = product(x.shape[:2])
    return [call.function(lines, planes, work=work, headers=("pool.h", "scratch.h"))]


@emits("max_pool")
def max_pool(call: CallText) -> list[Function] | None:
    (x,) = call.operands
    y, at = call.results
    lines = pool_lines(call, x, y, at)
    if lines is None:
        return None
    pointers = ", ".join([call.pointer(x), call.pointer(y, True), call.pointer(at, True)])
    lines.append(f"max_pool_forward(shape, m0, m1, {pointers}, scratch);")
    work = product(y.shape[2:]) * math.prod(call.attrs["kernel"])
    return of_planes(call, lines, x, work)


@emits("unpool")
def unpool(call: CallText) -> list[Function] | None:
    g, at = call.operands
    (y,) = call.results
    if not is_ready(call, g, y) or not call.is_packed(at) or name_of(at.dtype) != "int64":
        return None
    count, length = product(g.shape[2:]), product(y.shape[2:])
    pointers = f"{call.pointer(g)}, {call.pointer(at)}, {int(call.attrs['accumulate'])}"
    pointers += f", {call.pointer(y, True)}"
    lines = [f"if (unpool(m0, m1, {count}, {length}, {pointers})) *error = OUT_OF_RANGE;"]
    return of_planes(call, lines, y, length)


@emits("sum_pool")
def sum_pool(call: CallText) -> list[Function] | None:
    (x,) = call.operands
    (y,) = call.results
    lines = pool_lines(call, x, y)
    if lines is None:
        return None
    pointers = f"{call.pointer(x)}, {call.pointer(y, True)}"
    lines.append(f"sum_pool_forward(shape, m0, m1, {pointers}, scratch);")
    return of_planes(call, lines, x, product(x.shape[2:]))


@emits("spread_windows")
def spread_windows(call: CallText) -> list[Function] | None:
    (g,) = call.operands
    (x,) = call.results
    lines = pool_lines(call, x, g)
    if lines is None:
        return None
    pointers = f"{call.pointer(g)}, {call.pointer(x, True)}"
    lines.append(f"spread_windows(shape, m0, m1, {pointers}, scratch);")
    return of_planes(call, lines, x, product(x.shape[2:]))


# ---- batch norm


def batch_norm_function(call: CallText, x: Symbol, line: str) -> list[Function]:
    """The function that works on the channels of x."""
    N, C = x.shape[:2]
    L, eps = product(x.shape[2:]), literal(call.attrs["eps"], "float32")
    lines = [f"const batch_norm_shape shape = {{{N}, {C}, {L}, {eps}}};", line]
    unit = 16 if L == 1 else 1  # a vector of channels
    return [call.function(lines, C, work=4 * N * L, unit=unit, headers=("batch_norm.h",))]


@emits("batch_norm")
def batch_norm(call: CallText) -> list[Function] | None:
    x, *vectors = call.node.inputs
    if not is_ready(call, *call.operands, *call.results):
        return None
    pointers = [call.pointer(v) for v in (x, *vectors)]
    pointers += [call.pointer(y, True) for y in call.results]
    line = f"batch_norm_forward(shape, m0, m1, {', '.join(pointers)});"
    return batch_norm_function(call, x, line)


@emits("batch_norm_backward")
def batch_norm_backward(call: CallText) -> list[Function] | None:
    g, x, *vectors = call.node.inputs
    if not is_ready(call, *call.operands, *call.results):
        return None
    pointers = [call.pointer(v) for v in (g, x, *vectors)]
    pointers += [call.pointer(y, True) for y in call.results]
    line = f"batch_norm_backward(shape, m0, m1, {', '.join(pointers)});"
    return batch_norm_function(call, x, line)
