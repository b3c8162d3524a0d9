"""A graph as text, and back: what is parsed prints as it was written."""

from __future__ import annotations

import math
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

from andon import ops
from andon.core.dtype import dtype
from andon.core.errors import GraphError
from andon.core.op import using
from andon.core.spec import Spec
from andon.graph import Graph, parse
from andon.graph.ir import constant, placeholder
from andon.graph.record import record
from andon.ops.index import Recipe, read, write
from andon.ops.join import split
from andon.ops.linear import linear
from andon.ops.movement import permute
from andon.ops.norm import layer_norm


def recorded(f, *specs: str) -> Graph:
    """The graph of f on inputs a, b, … of the given specs, such as "float32 2 3"."""
    inputs = []
    for name, spec in zip("abcdef", specs, strict=False):
        kind, *sizes = spec.split()
        inputs.append(placeholder(Spec(tuple(map(int, sizes)), dtype(kind)), name))
    with using(record):
        outputs = f(*inputs)
    return Graph(inputs, list(outputs) if isinstance(outputs, tuple) else [outputs])


def assert_round_trip(graph: Graph) -> Graph:
    again = parse(str(graph), constants=graph.constants)
    assert str(again) == str(graph)
    return again.check()


TEXT = """
graph step(%x: float32[2, 3], %w: float32[3, 4]):
  %h: float32[2, 4] = matmul(%x, %w)
  %y: float32[2, 4] = relu(%h)
  %s: float32[] = sum(%y, dim=(0, 1), keepdim=False)
  return %s, %h
""".strip()


def test_a_text_is_parsed_and_printed_as_it_was():
    assert str(parse(TEXT)) == TEXT


def test_specs_may_be_left_out():
    lines = TEXT.splitlines()
    short = [lines[0], *(line.replace(": float32[2, 4]", "") for line in lines[1:])]
    assert str(parse("\n".join(short))) == TEXT


def test_comments_and_empty_lines_are_passed_over():
    assert str(parse(TEXT.replace("relu(%h)", "relu(%h)  # the hinge\n"))) == TEXT


def test_a_parsed_graph_computes_what_was_recorded():
    graph = recorded(lambda x, y: (x * y).sum(1) / 3, "float32 2 3", "float32 3")
    x, y = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.float32)
    np.testing.assert_array_equal(assert_round_trip(graph).run(x, y)[0], [1, 4])


@pytest.mark.parametrize("n", [0.1, -0.0, math.inf, -math.inf, 1e-300, 3, -2, True])
def test_numbers_are_written_exactly(n):
    graph = assert_round_trip(recorded(lambda x: ops.where(x > n, x, n), "float64 2"))
    found = graph.nodes[0].inputs[1]
    assert type(found) is type(n) and repr(found) == repr(n)


def test_nan_is_a_number_too():
    graph = assert_round_trip(recorded(lambda x: ops.maximum(x, math.nan), "float32 2"))
    assert math.isnan(graph.nodes[0].inputs[1])


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "bool", "int8", "float16"])
def test_small_constants_are_written_out(kind):
    array = np.array([[0, 1], [1, 0]]).astype(kind)
    graph = assert_round_trip(recorded(lambda x: ops.cat((x, constant(array))), f"{kind} 2 2"))
    np.testing.assert_array_equal(graph.constants[0].const, array)
    assert graph.constants[0].const.dtype == array.dtype


def test_a_constant_of_bfloat16_is_written_out():
    array = np.array([0.5, -3], ml_dtypes.bfloat16)
    graph = assert_round_trip(recorded(lambda x: x + constant(array), "bfloat16 2"))
    assert graph.constants[0].const.tolist() == [0.5, -3]


def test_large_constants_are_named_by_their_digest():
    array = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    graph = recorded(lambda x: x @ constant(array), "float32 8 8")
    assert "sha256=" in str(graph)
    np.testing.assert_array_equal(assert_round_trip(graph).constants[0].const, array)


def test_a_large_constant_that_is_not_given_raises():
    graph = recorded(lambda x: x @ constant(np.eye(8, dtype=np.float32)), "float32 8 8")
    with pytest.raises(GraphError, match="not in the text"):
        parse(str(graph))


def test_several_outputs_of_one_op():
    def parts(x):
        return ops.split(x, [1, 2], 0)

    graph = recorded(parts, "float32 3 4")
    assert "%split: float32[1, 4], %split_1: float32[2, 4] = split(" in str(graph)
    assert_round_trip(graph)


def test_an_output_of_several_that_nobody_reads():
    graph = recorded(lambda x: layer_norm(x, 4), "float32 3 4")
    assert assert_round_trip(graph).outputs[0].shape == (3, 4)


def test_absent_operands():
    assert "linear(%a, %b, None)" in str(
        assert_round_trip(
            recorded(lambda x, w: linear(x, w), "float32 3 4", "float32 2 4"),
        )
    )


def test_recipes_of_views():
    half = (split, {"sizes": (1, 2), "dim": 0}, 1)
    recipe = Recipe([(permute, {"dims": (1, 0)}, None), half])

    def f(x, part):
        return write.apply(x, part, recipe=recipe), read.apply(x, recipe=recipe)

    graph = recorded(f, "float32 2 3", "float32 2 2")
    assert "recipe=[permute(dims=(1, 0)), split(sizes=(1, 2), dim=0)[1]]" in str(graph)
    x, part = np.zeros((2, 3), np.float32), np.ones((2, 2), np.float32)
    written, _ = assert_round_trip(graph).run(x, part)
    np.testing.assert_array_equal(written, [[0, 1, 1], [0, 1, 1]])


def test_names_come_from_the_code_and_are_unique():
    def f(x):
        hidden = x * 2
        hidden = hidden * 3
        return hidden + 1

    assert str(recorded(f, "float32 2")).splitlines()[1:] == [
        "  %hidden: float32[2] = mul(%a, 2)",
        "  %hidden_1: float32[2] = mul(%hidden, 3)",
        "  %add: float32[2] = add(%hidden_1, 1)",
        "  return %add",
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("%y = nonsense(%x)", "no such op: nonsense"),
        ("%y = relu(%z)", "'z'"),
        ("%y: float32[3] = relu(%x)", "%y is float32\\[2\\]"),
        ("%y = relu(%x", "'\\(' was never closed"),
        ("%y = relu(relu(%x))", "not nested"),
        ("%y = %x", "a call of an op expected"),
        ("%y = sum(%x, dim=0)", "in the line"),
        ("%y = softmax(%x, dim=-1)", "counted from the front: dim=-1"),
        ("%y = sum(%x, dim=(-1,), keepdim=False)", "counted from the front"),
    ],
)
def test_a_line_that_cannot_be_read_is_shown(line, message):
    with pytest.raises(GraphError, match=message):
        parse(f"graph(%x: float32[2]):\n  {line}\n  return %y")


@pytest.mark.parametrize("text", ["", "graph(%x: float32[2]):", "return %x", "hello\nreturn %x"])
def test_a_text_that_is_no_graph_raises(text):
    with pytest.raises(GraphError, match="parse: a text from"):
        parse(text)


def test_an_input_needs_a_spec():
    with pytest.raises(GraphError, match="an input needs a spec"):
        parse("graph(%x):\n  return %x")


def test_every_op_is_known_though_nobody_has_used_it_yet():
    text = "graph(%x: float32[2, 3], %w: float32[4, 3]): %y = linear(%x, %w, None); return %y"
    program = (
        f"import andon; print(andon.parse({text!r}.replace('; ', '\\n').replace('): ', '):\\n')))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "linear(%x, %w, None)" in found.stdout, found.stderr
