"""Ops whose kernels are written by hand: for each, how its function is called.

`call_of` gives the functions of an op, or None where the reference has to do. The functions are a
few lines: the sizes as constants, and a call of what a header in `kernels/cpu` defines.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..graph.affine import row_major
from ..graph.buffers import Buffers, Strided, walks_evenly
from ..graph.ir import Symbol
from ..graph.kernel import Call
from ..ops.random import least_kept
from .function import Function, declared, token
from .product import HEADERS, KINDS, batch_of, leading, matrix, setup
from .scalar import literal, name_of

Emitter = Callable[["CallText"], list[Function] | None]
EMITTERS: dict[str, Emitter] = {}
PARTS = 32  # parts of the rows whose sums are added up afterwards, whatever the number of threads

MOST_ON_STACK = 1 << 17


def emits(*names: str) -> Callable[[Emitter], Emitter]:
    """Decorator: how ops of these names are called."""

    def decorate(emitter: Emitter) -> Emitter:
        EMITTERS.update(dict.fromkeys(names, emitter))
        return emitter

    return decorate


def call_of(kernel: Call, buffers: Buffers) -> list[Function] | None:
    """The functions of an op, or None: then its reference is called."""
    op: Any = kernel.node.op
    emitter = EMITTERS.get(op.name)
    return emitter(CallText(kernel, buffers)) if emitter else None


class CallText:
    """What emitters ask about a call: its operands, where they lie, and names for them."""

    def __init__(self, kernel: Call, buffers: Buffers):
        self.kernel, self.node, self.strided = kernel, kernel.node, buffers.strided
        self.operands, self.results = kernel.node.inputs, kernel.results
        self.attrs = kernel.node.attrs
        self.buffers: dict[Symbol, bool] = {}

    def lies(self, value: Symbol) -> Strided:
        found = self.strided(value)
        assert found is not None  # what has none was copied
        return found

    def is_packed(self, *values: Symbol | None) -> bool:
        """Whether the values lie in row-major order, without gaps."""
        for value in values:
            if isinstance(value, Symbol):
                pairs = zip(
                    value.shape, self.lies(value).strides, row_major(value.shape), strict=True
                )
                if any(n != 1 and a != b for n, a, b in pairs):
                    return False
        return True

    def all_float(self, *values: Any) -> bool:
        return all(name_of(v.dtype) == "float32" for v in values if isinstance(v, Symbol))

    def pointer(self, value: Symbol | None, written: bool = False) -> str:
        """The address of a value's first element, as C: a parameter."""
        if value is None:
            return "NULL"
        self.buffers[value] = self.buffers.get(value, False) or written
        number = next(n for n, each in enumerate(self.buffers) if each is value)
        return f"{token(number)}_at"

    def function(self, lines: list[str], rows: int, **options: Any) -> Function:
        """A function of the lines; what they point to are its parameters."""
        more = options.pop("more", [])
        head = options.pop("head", "long m0, long m1")
        pointers = [
            declared(f"{token(number)}_at", value, written)
            for number, (value, written) in enumerate(self.buffers.items())
        ]
        text = ", ".join([head, *pointers, *more, "int *error"])
        body = "\n".join(f"    {line}" for line in lines)
        title = options.pop("title", self.node.op.name)
        found = Function(
            title=f"{title}_kernel",
            body=f"({text})\n{{\n{body}\n}}",
            buffers=list(self.buffers),
            named=list(self.buffers),
            offsets=[self.lies(value).offset for value in self.buffers],
            rows=rows,
            **options,
        )
        self.buffers = {}
        return found


def product(shape: tuple[int, ...]) -> int:
    return math.prod(shape)


# ---- rows


@emits("layer_norm", "rms_norm")
def norm(call: CallText) -> list[Function] | None:
    x, *weights = call.operands
    y, *stats = call.results
    if not call.all_float(x, *weights) or not call.is_packed(x, *weights, y):
        return None
    C = product(call.attrs["normalized_shape"])
    rows = product(x.shape) // C
    pointers = [call.pointer(x), str(C), *map(call.pointer, weights)]
    pointers += [call.pointer(y, True), str(C), *(call.pointer(s, True) for s in stats)]
    eps = literal(call.attrs["eps"], "float32")
    line = f"{call.node.op.name}_forward(m0, m1, {C}, {eps}, {', '.join(pointers)});"
    return [call.function([line], rows, work=4 * C, headers=("layer_norm.h",))]


@emits("layer_norm_backward", "rms_norm_backward")
def norm_backward(call: CallText) -> list[Function] | None:
    """Parts of the rows leave their sums for the weights in scratch; then these are added up."""
    g, x, *stats, weight = call.operands
    gx, *sums = call.results
    if not call.all_float(*call.operands) or not call.is_packed(*call.operands, *call.results):
        return None
    C = product(call.attrs["normalized_shape"])
    rows = product(x.shape) // C
    name = call.node.op.name
    pointers = [call.pointer(g), str(C), call.pointer(x), str(C), *map(call.pointer, stats)]
    pointers += [call.pointer(weight), call.pointer(gx, True), str(C), "0"]
    width = C * len(sums)
    parts = [f"sums + {i * C}" for i in range(len(sums))] or ["NULL"] * (len(stats))
    lines = ["for (long m = m0; m < m1; m++) {"]
    if sums:
        lines += [f"    float *sums = all_sums + {width} * m;",
                  f"    memset(sums, 0, {width} * sizeof(float));"]  # fmt: skip
    lines += [
        f"    {name}({rows}L * m / {PARTS}, {rows}L * (m + 1) / {PARTS}, {C}, "
        f"{', '.join([*pointers, *parts])});",
        "}",
    ]
    more = ["float *all_sums"] if sums else []
    options: dict[str, Any] = {"headers": ("layer_norm.h",), "more": more}
    first = call.function(lines, PARTS, work=rows * C * 8 // PARTS, **options)
    if not sums:
        return [first]
    first.scratch = PARTS * width * 4
    options |= {"title": f"{name}_sums", "unit": 64}
    return [
        first,
        call.function(sums_of_parts(call, sums, C), C, work=PARTS * len(sums), **options),
    ]


def sums_of_parts(call: CallText, sums: list[Symbol], C: int) -> list[str]:
    """Lines that add up, column by column, what the parts of the rows left for each of the sums."""
    width = C * len(sums)
    lines = [f"for (long m = m0; m < m1; m++) {{ /* of {C} columns */"]
    for i, total in enumerate(sums):
        out = call.pointer(total, True)
        lines += [f"    float sum_{i} = 0;",
                  f"    for (long p = 0; p < {PARTS}; p++)",
                  f"        sum_{i} += all_sums[{width} * p + {i * C} + m];",
                  f"    ({out})[m] = sum_{i};"]  # fmt: skip
    return [*lines, "}"]


@emits("cross_entropy")
def cross_entropy(call: CallText) -> list[Function] | None:
    x, target = call.operands
    shape = cross_entropy_shape(call, x, target)
    if shape is None:
        return None
    pointers = [call.pointer(x), call.pointer(target)]
    pointers += [call.pointer(y, True) for y in call.results]
    lines = [shape, f"long wrong = cross_entropy_forward(shape, m0, m1, {', '.join(pointers)});",
             "if (wrong) *error = OUT_OF_RANGE;"]  # fmt: skip
    work = x.shape[1] * 10
    return [call.function(lines, x.shape[0], work=work, headers=("cross_entropy.h",))]


@emits("cross_entropy_backward")
def cross_entropy_backward(call: CallText) -> list[Function] | None:
    g, x, target, lse = call.operands
    shape = cross_entropy_shape(call, x, target)
    if shape is None or not call.is_packed(lse) or not call.all_float(g, lse):
        return None
    rows = x.shape[0]
    (step,) = call.lies(g).strides
    lines, of_rows = [shape], call.pointer(g)
    if step != 1:  # one number for all rows, as their mean gives
        lines += ["float gradient[m1 - m0];",
                  "for (long m = m0; m < m1; m++)",
                  f"    gradient[m - m0] = ({of_rows})[{step} * m];"]  # fmt: skip
        of_rows = "gradient - m0"
    pointers = [of_rows, call.pointer(x), call.pointer(target), call.pointer(lse)]
    pointers.append(call.pointer(call.results[0], True))
    lines += [f"long wrong = cross_entropy_backward(shape, m0, m1, {', '.join(pointers)});",
              "if (wrong) *error = OUT_OF_RANGE;"]  # fmt: skip
    if step != 1 and rows > MOST_ON_STACK:
        return None
    return [call.function(lines, rows, work=x.shape[1] * 10, headers=("cross_entropy.h",))]


def cross_entropy_shape(call: CallText, x: Symbol, target: Symbol) -> str | None:
    results = call.results
    if not call.all_float(x) or name_of(target.dtype) != "int64":
        return None
    if not call.is_packed(x, target, *results):
        return None
    V, ignored = x.shape[1], call.attrs["ignore_index"]
    return f"const cross_entropy_shape shape = {{{V}, {V}, {ignored}}};"


@emits("embedding")
def embedding(call: CallText) -> list[Function] | None:
    weight, indices = call.operands
    (y,) = call.results
    if not call.all_float(weight) or name_of(indices.dtype) != "int64":
        return None
    if not call.is_packed(weight, indices, y):
        return None
    V, C = weight.shape
    pointers = ", ".join([call.pointer(weight), call.pointer(indices), call.pointer(y, True)])
    lines = [f"long wrong = embedding_forward(m0, m1, {V}, {C}, {pointers}, {C});",
             "if (wrong) *error = OUT_OF_RANGE;"]  # fmt: skip
    return [call.function(lines, product(indices.shape), work=C, headers=("embedding.h",))]


@emits("embedding_backward")
def embedding_backward(call: CallText) -> list[Function] | None:
    """A range of the table's rows: every thread looks at all indices."""
    g, indices = call.operands
    (y,) = call.results
    if not call.all_float(g) or name_of(indices.dtype) != "int64":
        return None
    if not call.is_packed(g, indices, y):
        return None
    (V, C), M = y.shape, product(indices.shape)
    index, rows, out = call.pointer(indices), call.pointer(g), call.pointer(y, True)
    lines = [
        f"float *out = {out};", f"memset(out + m0 * {C}, 0, (m1 - m0) * {C} * sizeof(float));",
        f"embedding_backward(0, {M}, m0, m1, {C}, {index}, {rows}, {C}, "
        f"{call.attrs['padding_idx']}, out);",
    ]  # fmt: skip
    work = max(1, M * C // V)
    return [call.function(lines, V, work=work, headers=("embedding.h",))]


# ---- attention


@emits("attention")
def attention(call: CallText) -> list[Function] | None:
    q, k, v, mask, key = call.operands
    shape = attention_shape(call, {"q": q, "k": k, "v": v, "y": call.results[0]}, mask, key)
    if shape is None or not call.is_packed(call.results[1]):
        return None
    pointers = [*map(call.pointer, (q, k, v, mask)), stream(call, key)]
    pointers += [call.pointer(y, True) for y in call.results]
    lines = [
        *shape,
        "float *scratch = thread_scratch(sizeof(float) * attention_forward_scratch(shape));",
        f"attention_forward(shape, m0, m1, {', '.join(pointers)}, scratch);",
    ]
    work = 4 * q.shape[-2] * k.shape[-2] * q.shape[-1]
    headers = ("attention.h", "scratch.h")
    return [call.function(lines, product(q.shape[:-2]), work=work, headers=headers)]


@emits("attention_backward")
def attention_backward(call: CallText) -> list[Function] | None:
    g, q, k, v, mask, key, y, lse = call.operands
    if call.attrs["to_mask"] or not call.is_packed(lse):
        return None
    gq, gk, gv = call.results
    known = {"q": q, "k": k, "v": v, "y": y, "g": g, "dq": gq, "dk": gk, "dv": gv}
    shape = attention_shape(call, known, mask, key)
    if shape is None:
        return None
    pointers = [*map(call.pointer, (q, k, v, mask)), stream(call, key)]
    pointers += [call.pointer(x) for x in (y, lse, g)]
    pointers += [call.pointer(x, True) for x in call.results]
    lines = [
        *shape,
        "float *scratch = thread_scratch(sizeof(float) * attention_backward_scratch(shape));",
        f"attention_backward(shape, m0, m1, {', '.join(pointers)}, scratch);",
    ]
    work = 10 * q.shape[-2] * k.shape[-2] * q.shape[-1]
    headers = ("attention.h", "scratch.h")
    return [call.function(lines, product(q.shape[:-2]), work=work, headers=headers)]


def attention_shape(
    call: CallText, values: dict[str, Symbol], mask: Symbol | None, key: Symbol | None
) -> list[str] | None:
    """The constant that attention is compiled for, if all lies in rows of batches of heads."""
    q, k, v = values["q"], values["k"], values["v"]
    if not call.all_float(*values.values()):
        return None
    lead = q.shape[:-2]
    H = lead[-1] if lead else 1
    fields = {"H": H, "T": q.shape[-2], "S": k.shape[-2], "D": q.shape[-1], "E": v.shape[-1]}
    fields |= {"scale": literal(call.attrs["scale"], "float32")}
    fields |= {"causal": int(call.attrs["causal"])}
    for name, value in values.items():
        strides = head_strides(call.lies(value).strides, value.shape)
        if strides is None or (strides[-1] != 1 and value.shape[-1] != 1):
            return None
        fields[name] = f"{{{', '.join(map(str, strides[:3]))}}}"
    if mask is not None:
        found = mask_fields(call, mask, (*lead, q.shape[-2], k.shape[-2]))
        if found is None:
            return None
        fields |= found
    if key is not None:
        if not call.is_packed(key):
            return None
        drop = call.attrs["drop"]
        fields |= {"drop": 1, "least_kept": least_kept(drop), "kept_scale": 1 / (1 - drop)}
    text = ", ".join(f".{name} = {value}" for name, value in fields.items())
    return [f"const attention_shape shape = {{{text}}};"]


def stream(call: CallText, key: Symbol | None) -> str:
    """Where the numbers of a draw come from, as C: a key, and what it has drawn before."""
    first = f"(uint64_t)({call.pointer(key)})[2]" if key is not None and key.shape[0] > 2 else "0"
    return f"(random_stream){{{call.pointer(key)}, {first}}}"


def head_strides(
    strides: tuple[int, ...], shape: tuple[int, ...]
) -> tuple[int, int, int, int] | None:
    """The steps of batch, head, row and column, the dims before the head being one."""
    lead, sizes = strides[:-2], shape[:-2]
    if not walks_evenly(lead[:-1], sizes[:-1]):
        return None
    steps = [s for s, n in zip(lead[:-1], sizes[:-1], strict=True) if n != 1]
    batch = steps[-1] if steps else 0
    return batch, lead[-1] if lead else 0, strides[-2], strides[-1]


def mask_fields(call: CallText, mask: Symbol, scores: tuple[int, ...]) -> dict | None:
    """How the mask lies, broadcast to the scores."""
    kinds = {"bool": "BOOLEAN_MASK", "float32": "ADDITIVE_MASK"}
    kind = kinds.get(name_of(mask.dtype))
    strides = [0 if n == 1 else s for s, n in zip(call.lies(mask).strides, mask.shape, strict=True)]
    strides = [0] * (len(scores) - len(strides)) + strides
    steps = head_strides(tuple(strides), scores)
    if kind is None or steps is None:
        return None
    return {
        "mask_kind": kind,
        "mask": f"{{{', '.join(map(str, steps[:3]))}}}",
        "mask_key": steps[3],
    }


# ---- batches of products


@emits("matmul")
def matmul(call: CallText) -> list[Function] | None:
    """a (..., M, K) b (..., K, N): a product for each index of the leading dims."""
    a, b = call.operands
    (y,) = call.results
    kind = KINDS.get(name_of(a.dtype))
    if kind is None or a.ndim < 2 or b.ndim < 2:
        return None
    found = [matrix(call.lies(x), x.shape) for x in (a, b, y)]
    matrices = [m for m in found if m is not None]
    if len(matrices) < 3 or matrices[2].transposed:
        return None
    lead = y.shape[:-2]
    strides = [leading(call.lies(x).strides, x.shape, len(lead)) for x in (a, b, y)]
    batch = batch_of(lead, strides)
    M, N, K = y.shape[-2], y.shape[-1], a.shape[-1]
    pointers = call.pointer(a), call.pointer(b), call.pointer(y, True)
    moved = ", ".join(f"{p} + {s}" for p, s in zip(pointers, batch.places, strict=True))
    whole = f"matmul_whole_{kind}(shape)"
    lines = [
        *setup((M, N, K), matrices, kind), "for (long m = m0; m < m1; m++) {", *batch.lines,
        f"    matmul_{kind}(shape, {whole}, {moved}, scratch, matmul_plain_{kind}, NULL);", "}",
    ]  # fmt: skip
    return [call.function(lines, batch.matrices, work=M * N * K, headers=HEADERS[kind])]
