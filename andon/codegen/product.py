"""Products of matrices: one, with what is computed of its elements, or a batch of them.

The transposes of operands are absorbed: a matrix may lie by rows or by columns. A single product
takes an epilogue: each vector of results passes through it while it is in its register.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..graph.buffers import Buffers, Strided
from ..graph.ir import Symbol
from ..graph.kernel import Product
from .function import NAME, Function, declared
from .loops import LoopText
from .nest import Nest

HEADERS = {"f32": ("matmul.h", "scratch.h"), "f64": ("matmul_f64.h", "scratch.h")}
KINDS = {"float32": "f32", "float64": "f64"}


class Matrix(NamedTuple):
    """The last two dims of a value: rows `row` elements apart, or columns, if `transposed`."""

    row: int
    transposed: bool


def matrix(lies: Strided, shape: tuple[int, ...]) -> Matrix | None:
    """How a matrix lies, if its rows or its columns are contiguous."""
    (rows, columns), (a, b) = shape[-2:], lies.strides[-2:]
    if b == 1 or columns == 1:
        return Matrix(a if rows > 1 else max(a, columns), False)
    if a == 1 or rows == 1:
        return Matrix(b, True)
    return None


def stacked(lies: Strided, shape: tuple[int, ...]) -> Matrix | None:
    """The same of a value whose leading dims are rows of one matrix."""
    steps = [s for s, n in zip(lies.strides[:-1], shape[:-1], strict=True) if n > 1]
    strides = steps[-1] if steps else 0, lies.strides[-1]
    return matrix(lies._replace(strides=strides), (math.prod(shape[:-1]), shape[-1]))


def setup(
    sizes: tuple[int, int, int], matrices: list[Matrix], kind: str, in_place: bool = False
) -> list[str]:
    """The lines that say what the product is, and where its scratch lies."""
    a, b, c = matrices
    numbers = [*sizes, a.row, b.row, c.row, int(a.transposed), int(b.transposed)]
    numbers.append(int(in_place))
    real = "float" if kind == "f32" else "double"
    return [
        f"const matmul_shape shape = {{{', '.join(map(str, numbers))}}};",
        f"{real} *scratch = thread_scratch(sizeof({real}) * MATMUL_SCRATCH_{kind});",
    ]


# ---- one product


class ProductText(LoopText):
    """The text of a product and its epilogue."""

    def __init__(self, loop: Product, stored: list[Symbol], buffers: Buffers, in_place: bool):
        super().__init__(Nest(loop, stored, buffers))
        self.in_place = in_place
        self.product, self.strided, self.stored = loop, buffers.strided, stored
        self.nest.vector = "vf"
        floats = [m for m in stored if m.dtype.name == "float32"]
        self.out = loop.node if loop.node in set(stored) else floats[-1]

    def function(self) -> Function:
        epilogue = self.epilogue()
        in_context = list(self.buffers)
        a, b = self.product.node.inputs
        pointers = [self.first(a), self.first(b), self.first(self.out, True)]
        context = "NULL"
        lines = self.shape(a, b)
        if in_context:
            lines.append(f"const {NAME}_context context = {{{self.context(in_context)}}};")
            context = "&context"
        name = f"{NAME}_epilogue" if epilogue else "matmul_plain_f32"
        lines += [
            "const matmul_range range = matmul_part_f32(shape, part, parts);",
            f"matmul_f32(shape, range, {', '.join(pointers)}, scratch, {name}, {context});",
        ]
        ops = dict.fromkeys(m.op.name for m in self.loop.members)
        parameters = self.parameters().replace("long m0, long m1", "long part, long parts")
        return Function(
            title=f"{'_'.join(ops)[:48].rstrip('_')}_kernel",
            body="(" + parameters + ")\n{\n" + "\n".join(f"    {x}" for x in lines) + "\n}",
            before=epilogue and self.structure(in_context) + epilogue,
            buffers=list(self.buffers),
            named=list(self.tokens),
            offsets=[self.start(value) for value in self.buffers],
            rows=1,
            work=math.prod(self.product.node.shape) * a.shape[-1],
            by_parts=True,
            headers=HEADERS["f32"],
        )

    def shape(self, a: Symbol, b: Symbol) -> list[str]:
        values = (a, b, self.out)
        found = [stacked(self.lies(x), x.shape) for x in values[:2]]
        y, rows = self.product.node, [axis for axis in self.nest.outer if axis.size > 1]
        step = self.nest.stores[self.out].stride(rows[-1]) if rows else y.shape[-1]
        found.append(Matrix(step, False))
        sizes = math.prod(y.shape[:-1]), y.shape[-1], a.shape[-1]
        return setup(sizes, [m for m in found if m], "f32", self.in_place)

    def lies(self, value: Symbol) -> Strided:
        found = self.strided(value)
        assert found is not None
        return found

    def first(self, value: Symbol, written: bool = False) -> str:
        """The address of a value's first element."""
        offset = self.lies(value).offset - self.start(value)
        return self.buffer(value, written) + (f" + {offset}" if offset else "")

    def start(self, value: Symbol) -> int:
        accesses = [*self.nest.loads.values(), *self.nest.stores.values()]
        known = any(x.value is value for x in accesses)
        return super().start(value) if known else self.lies(value).offset

    # ---- the epilogue

    def epilogue(self) -> str:
        """The function that a vector of results goes through, if there is one."""
        others = [m for m in self.stored if m is not self.out]
        if self.in_place or (self.out is self.product.node and not others):
            return ""
        self.variables = {self.nest.fast: "n"}  # type: ignore[dict-item]
        self.known = {self.product.node: "product"}
        self.decode(self.nest.outer)
        for m in (*others, self.out):
            self.define(m, True, "count")
        for m in others:
            self.store(m, True, "count")
        self.emit(f"return {self.known[self.out]};")
        told = f"const {NAME}_context *c = context;" if self.buffers else "(void)context;"
        pointers = [f"{self.declared(v)} = c->{self.at(v)};" for v in self.buffers]
        lines = [told, *pointers, "(void)m, (void)n, (void)count;"]
        body = "\n".join([*(f"    {line}" for line in lines), *self.lines])
        parameters = "const void *context, vf product, long m, long n, long count"
        return f"INLINE vf {NAME}_epilogue({parameters})\n{{\n{body}\n}}\n"

    def declared(self, value: Symbol) -> str:
        return declared(self.at(value), value, self.buffers[value])

    def structure(self, values: list[Symbol]) -> str:
        """What the epilogue is told, as a structure."""
        if not values:
            return ""
        fields = "".join(f"    {self.declared(v)};\n" for v in values)
        return f"typedef struct {{\n{fields}}} {NAME}_context;\n"

    def context(self, values: list[Symbol]) -> str:
        return ", ".join(self.at(v) for v in values)


def product_functions(
    loop: Product, stored: list[Symbol], buffers: Buffers, in_place: bool
) -> list[Function] | None:
    """The function of a product; `in_place`, it is added to what its result is written over."""
    a, b = (buffers.strided(x) for x in loop.node.inputs)
    assert a is not None and b is not None
    if None in (stacked(a, loop.node.inputs[0].shape), stacked(b, loop.node.inputs[1].shape)):
        return None
    return [ProductText(loop, stored, buffers, in_place).function()]


# ---- batches


class Batch(NamedTuple):
    """The leading dims of a product: how many matrices, and where those of each lie."""

    matrices: int
    lines: list[str]
    places: list[str]


def batch_of(lead: tuple[int, ...], strides: list[list[int]]) -> Batch:
    lines, places, below = [], [], math.prod(lead)
    for i, n in enumerate(lead):
        below //= n
        lines.append(f"    const long i{i} = m / {below} % {n};")
    for each in strides:
        terms = [f"{s} * i{i}" for i, s in enumerate(each) if s]
        places.append(" + ".join(terms) or "0")
    return Batch(math.prod(lead), lines, places)


def leading(strides: tuple[int, ...], shape: tuple[int, ...], count: int) -> list[int]:
    """The strides of the leading dims, aligned to `count` of them; 0 where one is repeated."""
    pairs = zip(strides[:-2], shape[:-2], strict=True)
    found = [0 if n == 1 else s for s, n in pairs]
    return [0] * (count - len(found)) + found
