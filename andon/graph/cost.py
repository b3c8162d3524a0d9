"""What a value costs: the floating-point operations of its op, and the bytes that it moves.

An addition is one, and so is a hyperbolic tangent. Products, convolutions and attention count two
per multiplication, and of causal attention what the mask leaves. Reductions count one per element
that they read; ops of rows what their formulas need of each element. What moves elements, draws
numbers, sorts or iterates (`svd`, `eigh`) counts none.

Bytes are those that must move if nothing is in a cache: each operand once, each result once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ..core.op import item
from .affine import Forms, axes_of
from .ir import Symbol
from .kernel import Call, Kernel, Loop, Product, size
from .views import source

Rule = Callable[[Symbol], int]
PRODUCTS: dict[str, Rule] = {}
RULES: dict[str, Rule] = {}

OF_OPERAND = {  # operations per element of the first operand
    "sum": 1, "sum_to": 1, "mean": 1, "prod": 1, "amax": 1, "amin": 1, "any": 1, "all": 1,
    "argmax": 1, "argmin": 1, "var": 4, "std": 4, "power_norm": 2, "logsumexp": 4,
    "softmax": 5, "log_softmax": 5, "softmax_backward": 4, "log_softmax_backward": 4,
    "layer_norm": 7, "layer_norm_backward": 13, "rms_norm": 4, "rms_norm_backward": 9,
    "batch_norm": 7, "batch_norm_backward": 9, "cross_entropy": 4, "embedding_backward": 1,
    "cumsum": 1, "cumprod": 1, "linear_scan": 2, "logcumsumexp": 3, "put_add": 1,
}  # fmt: skip
OF_RESULT = {"cross_entropy_backward": 3}  # operations per element of the (first) result
SELECTING = {"embedding", "take", "gather"}  # read what they give, not all
MOVING = {"positive", "where"}  # elementwise, but nothing is computed


class Cost(NamedTuple):
    """Floating-point operations, bytes read, bytes written."""

    flops: int = 0
    read: int = 0
    written: int = 0

    @property
    def bytes(self) -> int:
        return self.read + self.written

    def times(self, n: int) -> Cost:
        return Cost(*(n * each for each in self))


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of costs."""
    return Cost(*map(sum, zip(*costs, Cost(), strict=True)))


def product_rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorator: the multiplications of ops that are products of matrices."""

    def decorate(rule: Rule) -> Rule:
        PRODUCTS.update(dict.fromkeys(names, rule))
        return rule

    return decorate


def flops_rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorator: the floating-point operations of ops that no table says."""

    def decorate(rule: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, rule))
        return rule

    return decorate


# ---- products


@product_rule("matmul")
def of_matmul(y: Symbol) -> int:
    return count(y) * y.operands[0].shape[-1]


@product_rule("conv", "conv_input_grad", "conv_weight_grad")
def of_conv(value: Symbol) -> int:
    """Each element of the larger side meets a window of C / groups channels."""
    a, b = value.operands
    y, w = {"conv": (value, b), "conv_input_grad": (a, b)}.get(value.op.name, (b, value))
    return count(y) * math.prod(w.shape[1:])


def multiplications(value: Symbol) -> int:
    """Those of a product or a convolution; 0 of all else."""
    rule = PRODUCTS.get(value.op.name) if value.op is not None else None
    return rule(value) if rule else 0


# ---- floating-point operations


@flops_rule("linear")
def of_linear(y: Symbol) -> int:
    return 2 * count(y) * y.operands[0].shape[-1] + (count(y) if len(y.operands) > 2 else 0)


@flops_rule("attention")
def of_attention(value: Symbol) -> int:
    """Two products, and the softmax between them."""
    q, _, v, *_ = value.operands
    return pairs(value) * (2 * q.shape[-1] + 2 * v.shape[-1] + 5)


@flops_rule("attention_backward")
def of_attention_backward(value: Symbol) -> int:
    """Five products, the scores being computed again; exp(s - lse) and p (dp - δ) between them."""
    _, q, _, v, *_ = value.operands
    return pairs(value) * (6 * q.shape[-1] + 4 * v.shape[-1] + 4)


def pairs(value: Symbol) -> int:
    """How many pairs of a query and a key there are, without those that a causal mask hides."""
    q, k = value.operands[:2] if value.op.name == "attention" else value.operands[1:3]
    T, S = q.shape[-2], k.shape[-2]
    seen = sum(min(i + 1, S) for i in range(T)) if value.attrs["causal"] else T * S
    return math.prod(q.shape[:-2]) * seen


@flops_rule("sum_pool", "max_pool")
def of_pool(value: Symbol) -> int:
    return count(value) * math.prod(value.attrs["kernel"])


@flops_rule("spread_windows")
def of_spread(value: Symbol) -> int:
    return count(value.operands[0]) * math.prod(value.attrs["kernel"])


@flops_rule("scatter_add")
def of_scatter_add(value: Symbol) -> int:
    return count(value.operands[-1])


@flops_rule("inv", "solve", "triangular_solve", "cholesky", "det", "slogdet")
def of_factors(value: Symbol) -> int:
    """n³ / 3 of Cholesky, 2 n³ / 3 of LU; n² or 2 n² of each column that is solved for."""
    a, name = value.operands[0], value.op.name
    n, matrices = a.shape[-1], math.prod(a.shape[:-2])
    columns = count(value) // max(n * matrices, 1)
    of_matrix = {"inv": 2 * n**3, "cholesky": n**3 // 3, "triangular_solve": n * n * columns}
    lu = 2 * n**3 // 3 + (2 * n * n * columns if name == "solve" else 0)
    return matrices * of_matrix.get(name, lu)


def flops(value: Symbol) -> int:
    """The floating-point operations of a value, from its inputs."""
    op: Any = value.op
    if op is None or op is item or op.name in MOVING:
        return 0
    if op.name in RULES:
        return RULES[op.name](value)
    if op.name in OF_OPERAND:
        return OF_OPERAND[op.name] * count(value.operands[0])
    if op.name in OF_RESULT or op.c is not None:
        return OF_RESULT.get(op.name, 1) * count(value)
    return 2 * multiplications(value)


# ---- bytes


def cost(value: Symbol) -> Cost:
    """What an op costs by itself; views cost nothing."""
    if value.op is None or value.op is item or source(value) is not None:
        return Cost()
    if not isinstance(value.dtype, tuple):
        return Cost(flops(value), bytes_read(value), bytes_of(value))
    results = zip(value.shape, value.dtype, strict=True)
    written = sum(math.prod(shape) * dtype.itemsize for shape, dtype in results)
    return Cost(flops(value), bytes_read(value), written)


def bytes_read(value: Symbol) -> int:
    operands = list(dict.fromkeys(value.operands))
    read = sum(map(bytes_of, operands))
    if value.op.name in SELECTING and operands:
        read += min(0, bytes_of(value) - bytes_of(operands[0]))
    return read


def cost_of_kernel(kernel: Kernel, stored: list[Symbol]) -> Cost:
    """What the ops of a kernel cost together, `stored` being what comes of it."""
    read = 0
    if isinstance(kernel, Loop):
        read = sum(bytes_at(base, known) for base, known in kernel.reads.items())
    if isinstance(kernel, Call | Product):
        read += bytes_read(kernel.node)
    return Cost(sum(map(flops, kernel.members)), read, sum(map(bytes_of, stored)))


def bytes_at(base: Symbol, known: list[Forms]) -> int:
    """The bytes of a value that are read at some indices."""
    read = sum(size(axes_of(forms)) for forms in known)
    return min(read, math.prod(base.shape)) * base.dtype.itemsize


def bytes_of(value: Symbol) -> int:
    return elements(value) * value.dtype.itemsize


def elements(x: Symbol) -> int:
    """How many different elements a value has: of a view, no more than what it shows."""
    found = math.prod(x.shape)
    while (before := source(x)) is not None:
        x = before
        found = min(found, math.prod(x.shape))
    return found


def count(value: Symbol) -> int:
    """The elements of a value; of an op with several results, of the first."""
    return math.prod(value.shape[0] if isinstance(value.dtype, tuple) else value.shape)
