"""The compilation cache: what is found there without compiling, and what must not be."""

from __future__ import annotations

import numpy as np
import pytest

import andon
from andon.core.op import op
from andon.core.spec import Spec
from andon.devices import compiler, object_cache
from andon.engine import compilation_cache, executable
from andon.engine.compilation_cache import key_of
from andon.engine.executable import Executable
from andon.engine.jit import trace
from andon.graph.simplify import SIMPLIFY
from andon.graph.text import parse

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")
X = np.arange(6, dtype=np.float32).reshape(2, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache for each test; what zig makes for itself stays where it is."""
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(object_cache.writable_folder() / "zig"))
    monkeypatch.setenv("ANDON_CACHE", str(tmp_path))
    return tmp_path / "objects"


@op
def thrice(x):
    """3 x, an op that is not of andon's own files."""
    return 3 * x


thrice.infer = lambda x: Spec(x.shape, x.dtype)


def never(*given, **options):
    raise AssertionError("the graph was translated")


def scaled(x):
    return (x * andon.tensor([1.0, 2.0, 3.0]) + 1).tanh().sum(1)


def built(f=scaled):
    return Executable(trace(f, andon.tensor(X)), passes=SIMPLIFY)


def entries(cache):
    return list(cache.glob("*/*.json"))


def test_a_graph_that_was_compiled_is_found_by_its_recording(cache, monkeypatch):
    first = built()([X])
    monkeypatch.setattr(executable, "translate", never)
    monkeypatch.setattr(executable, "run_passes", never)
    np.testing.assert_array_equal(built()([X]), first)
    np.testing.assert_allclose(first[0], np.tanh(X * [1, 2, 3] + 1).sum(1), rtol=1e-6)


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"layout": {"arena": -1}}'])
def test_an_entry_that_was_changed_is_not_read(cache, damage):
    first = built()([X])
    (entry,) = entries(cache)
    entry.write_bytes(damage)
    np.testing.assert_array_equal(built()([X]), first)
    assert entries(cache) == [entry] and entry.read_bytes() != damage


def test_a_library_that_is_gone_is_built_again(cache):
    first = built()([X])
    for library in cache.glob("*/*.so"):
        library.unlink()
    np.testing.assert_array_equal(built()([X]), first)


def test_ops_of_the_user_and_large_constants_have_no_entry(cache, monkeypatch):
    np.testing.assert_array_equal(built(lambda x: thrice(x) + 1)([X])[0], 3 * X + 1)
    monkeypatch.setattr(compilation_cache, "MOST_ELEMENTS", 8)
    built(lambda x: (x * andon.tensor([1.0, 2.0, 3.0])).exp())([X])
    assert not entries(cache)


def test_whoever_dumps_the_passes_sees_them_run(tmp_path, monkeypatch):
    built()
    monkeypatch.setenv("ANDON_DUMP", str(tmp_path / "dumped"))
    assert built().graph and list((tmp_path / "dumped").glob("*settle.txt"))


HEAD = "graph(%x: float32[2, 3], %w: float32[2, 3]):\n  "
ALIKE = [
    "%y = sum(%x, dim=(0,), keepdim=False)\n  return %y",
    "%y = sum(%x, dim=(1,), keepdim=False)\n  return %y",
    "%y = sum(%x, dim=(0,), keepdim=True)\n  return %y",
    "%y = sum(%w, dim=(0,), keepdim=False)\n  return %y",
    "%y = mul(%x, 2)\n  return %y",
    "%y = mul(%x, 2.0)\n  return %y",
    "%y = mul(%x, -0.0)\n  return %y",
    "%y = mul(%x, 0.0)\n  return %y",
    "%y = mul(%x, %w)\n  return %y",
    "%y = sub(%x, %w)\n  return %y",
    "%y = sub(%w, %x)\n  return %y",
    "%y = sub(%w, %x)\n  return %y, %x",
    "%c: float32[3] = constant([1.0, 2.0, 3.0])\n  %y = sub(%w, %c)\n  return %y",
    "%c: float32[3] = constant([1.0, 2.0, 4.0])\n  %y = sub(%w, %c)\n  return %y",
]


def test_graphs_that_differ_have_different_keys():
    graphs = [parse(HEAD + text) for text in ALIKE]
    keys = [key_of(graph, {}, SIMPLIFY) for graph in graphs]
    keys += [key_of(graphs[-1], {}, ()), key_of(graphs[-1], {0: 0}, ())]
    assert None not in keys and len(set(keys)) == len(keys)


def test_names_and_lines_do_not_matter():
    a, b = (parse(f"graph {n}(%{n}: int32[2]):\n  %y{n} = neg(%{n})\n  return %y{n}") for n in "ab")
    assert key_of(a, {}, SIMPLIFY) == key_of(b, {}, SIMPLIFY)
