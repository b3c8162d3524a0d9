"""What ops and kernels cost: operations and bytes, counted by hand."""

from __future__ import annotations

import pytest

import andon
from andon.codegen.translation_unit import translate
from andon.graph.cost import cost, flops, total
from andon.graph.lower import lower

FLOPS = {  # the inputs, the op, and what it takes
    "matmul": ("%a: float32[3, 5], %b: float32[5, 7]", "matmul(%a, %b)", 2 * 3 * 7 * 5),
    "a batch": ("%a: float32[4, 3, 5], %b: float32[5, 7]", "matmul(%a, %b)", 2 * 4 * 3 * 7 * 5),
    "vectors": ("%a: float32[5], %b: float32[5]", "matmul(%a, %b)", 2 * 5),
    "linear": ("%a: float32[3, 5], %w: float32[7, 5], %b: float32[7]", "linear(%a, %w, %b)",
               2 * 3 * 7 * 5 + 3 * 7),
    "conv": ("%x: float32[2, 4, 9, 9], %w: float32[6, 2, 3, 3]",
             "conv(%x, %w, stride=(2, 2), padding=((0, 0), (0, 0)), dilation=(1, 1), groups=2)",
             2 * (2 * 6 * 4 * 4) * (2 * 3 * 3)),
    "conv to its input": (
        "%g: float32[2, 6, 4, 4], %w: float32[6, 2, 3, 3]",
        "conv_input_grad(%g, %w, sizes=(9, 9), stride=(2, 2), padding=((0, 0), (0, 0)), "
        "dilation=(1, 1), groups=2)", 2 * (2 * 6 * 4 * 4) * (2 * 3 * 3)),
    "conv to its weight": (
        "%x: float32[2, 4, 9, 9], %g: float32[2, 6, 4, 4]",
        "conv_weight_grad(%x, %g, kernel=(3, 3), stride=(2, 2), padding=((0, 0), (0, 0)), "
        "dilation=(1, 1), groups=2)", 2 * (2 * 6 * 4 * 4) * (2 * 3 * 3)),
    "an elementwise op": ("%a: float32[3, 5]", "tanh(%a)", 15),
    "a broadcast": ("%a: float32[3, 1], %b: float32[5]", "add(%a, %b)", 15),
    "a selection": ("%a: bool[3], %b: float32[3]", "where(%a, %b, 0.0)", 0),
    "a sum": ("%a: float32[3, 5]", "sum(%a, dim=(1,), keepdim=False)", 15),
    "a softmax": ("%a: float32[3, 5]", "softmax(%a, dim=1)", 5 * 15),
    "a cast": ("%a: float32[3]", "cast(%a, dtype=float64)", 0),
    "a view": ("%a: float32[3, 5]", "permute(%a, dims=(1, 0))", 0),
    "a pool": ("%a: float32[1, 2, 4, 4]",
               "sum_pool(%a, kernel=(2, 2), stride=(2, 2), padding=((0, 0), (0, 0)))", 8 * 4),
    "a factorisation": ("%a: float32[2, 6, 6]", "cholesky(%a)", 2 * 6**3 // 3),
}  # fmt: skip


def graph_of(inputs, op):
    return andon.parse(f"graph({inputs}):\n  %y = {op}\n  return %y")


@pytest.mark.parametrize("name", FLOPS)
def test_the_operations_of_an_op(name):
    inputs, op, expected = FLOPS[name]
    assert flops(graph_of(inputs, op).outputs[0]) == expected


QUERIES = "%q: float32[2, 3, 8, 16], %k: float32[2, 3, 8, 16], %v: float32[2, 3, 8, 4]"


@pytest.mark.parametrize("causal, seen", [(False, 8 * 8), (True, 8 * 9 // 2)])
def test_attention_counts_two_products_and_a_softmax_of_what_is_seen(causal, seen):
    andon.nn.functional.scaled_dot_product_attention  # noqa: B018 (defines the op)
    graph = andon.parse(
        f"graph({QUERIES}):\n"
        f"  %y, %lse = attention(%q, %k, %v, None, None, scale=0.25, causal={causal}, drop=0.0)\n"
        "  return %y"
    )
    assert total(map(cost, graph.nodes)).flops == 2 * 3 * seen * (2 * 16 + 2 * 4 + 5)


BYTES = {  # the inputs, the op, what it reads and writes
    "a product": ("%a: float32[3, 5], %b: float32[5, 7]", "matmul(%a, %b)", 4 * 50, 4 * 21),
    "an operand twice": ("%a: float32[3, 5]", "mul(%a, %a)", 60, 60),
    "a broadcast": ("%a: float32[3, 1], %b: float32[5]", "add(%a, %b)", 32, 60),
    "a mask": ("%a: float32[3, 5]", "gt(%a, 0.0)", 60, 15),
    "a table": ("%t: float32[100, 8], %i: int64[3]", "embedding(%t, %i, padding_idx=-1)",
                3 * 8 + 3 * 32, 3 * 32),
    "a view": ("%a: float32[3, 5]", "reshape(%a, shape=(15,))", 0, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", BYTES)
def test_the_bytes_of_an_op(name):
    inputs, op, read, written = BYTES[name]
    found = total(map(cost, graph_of(inputs, op).nodes))
    assert (found.read, found.written, found.bytes) == (read, written, read + written)


def test_of_a_view_only_what_it_shows_is_read():
    lines = "%part = view(%x, index=((0, 2, 1), None))\n  %wide = expand(%part, shape=(2, 6, 5))"
    graph = andon.parse(f"graph(%x: float32[9, 5]):\n  {lines}\n  %y = exp(%wide)\n  return %y")
    assert cost(graph.outputs[0]).read == 2 * 5 * 4


KERNELS = {  # the inputs, the lines, and (operations, bytes read, bytes written) of each kernel
    "a product with its epilogue": (
        "%x: float32[32, 16], %w: float32[16, 48], %b: float32[48]",
        "%h = matmul(%x, %w)\n  %s = add(%h, %b)\n  %y = tanh(%s)",
        [(2 * 32 * 48 * 16 + 2 * 32 * 48, 4 * (32 * 16 + 16 * 48 + 48), 4 * 32 * 48)],
    ),
    "a chain that stores its end": (
        "%x: float32[32, 16], %b: float32[16]",
        "%h = mul(%x, 2.0)\n  %s = add(%h, %b)\n  %y = exp(%s)",
        [(3 * 32 * 16, 4 * (32 * 16 + 16), 4 * 32 * 16)],
    ),
    "rows": (
        "%x: float32[32, 16]",
        "%s = sum(%x, dim=(1,), keepdim=True)\n  %y = div(%x, %s)",
        [(2 * 32 * 16, 4 * 32 * 16, 4 * 32 * 16)],
    ),
    "a slice": (
        "%x: float32[32, 16]",
        "%part = view(%x, index=((0, 4, 1), (None, None, None)))\n  %y = exp(%part)",
        [(4 * 16, 4 * 4 * 16, 4 * 4 * 16)],
    ),
}


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_reads_and_writes_once_what_is_not_its_own(name):
    inputs, lines, expected = KERNELS[name]
    graph = andon.parse(f"graph({inputs}):\n  {lines}\n  return %y")
    found = translate(lower(graph), timed=True).timed
    assert [tuple(each.cost) for each in found] == expected
