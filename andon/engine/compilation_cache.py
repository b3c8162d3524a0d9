"""The compilation cache: graphs that were compiled before are neither simplified nor written again.

An entry lies beside the objects of `devices/object_cache.py`, and is authenticated as they are. It
is found by the graph as it was recorded, by what will be done with it, and by what does that:
andon's own files, the compiler and the CPU. Graphs with ops of the user's own, or with parts that
Python computes, have none.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import __version__
from ..core.dtype import DType
from ..core.dtype import dtype as as_dtype
from ..devices import compiler, object_cache
from ..graph.ir import Graph, Symbol
from ..graph.rewrite import Pass
from ..graph.text import literal
from ..ops.index import Recipe
from .layout import Layout

PACKAGE = Path(__file__).parent.parent
MOST_ELEMENTS = 1 << 20  # bytes of constants that an entry holds; more are not worth reading again
PLAIN = (bool, int, float, str, DType, Recipe, type(None))  # what `literal` says all of


class Entry(NamedTuple):
    """How a graph is called, and the keys of its libraries."""

    layout: Layout
    libraries: list[str]


def find(key: str | None) -> Entry | None:
    """The entry of a key, if all that it names is still there."""
    path = object_cache.find(key, ".json") if key is not None else None
    if path is None:
        return None
    try:
        found = json.loads(path.read_bytes())
    except OSError:
        return None  # another process has emptied the cache
    constants = [array_from(*c) for c in found.pop("constants")]
    return Entry(Layout(**found.pop("layout"), constants=constants), found.pop("libraries"))


def store(key: str | None, entry: Entry) -> None:
    """Keep an entry, if it can be kept."""
    layout = entry.layout
    if key is None or layout.unit is not None:
        return
    if sum(c.nbytes for c in layout.constants) > MOST_ELEMENTS:
        return
    known = ("arena", "per_thread", "steps", "returned")
    written = {
        "layout": {name: getattr(layout, name) for name in known},
        "constants": list(map(array_text, layout.constants)),
        "libraries": entry.libraries,
    }
    object_cache.store(key, "layout", json.dumps(written).encode(), ".json")


def array_text(array: np.ndarray) -> tuple:
    elements = base64.b64encode(array.tobytes()).decode()
    return as_dtype(array.dtype).name, array.shape, elements


def array_from(name: str, shape: Sequence[int], elements: str) -> np.ndarray:
    kind = as_dtype(name).numpy
    return np.frombuffer(bytearray(base64.b64decode(elements)), kind).reshape(shape)


# ---- keys


def key_of(graph: Graph, updates: Mapping[int, int], passes: Iterable[Pass]) -> str | None:
    """What an entry is found by; None for a graph that has none."""
    if os.environ.get("ANDON_DUMP"):  # whoever looks at the passes wants them to run
        return None
    lines = graph_lines(graph)
    if lines is None:
        return None
    told = [*lines, repr(sorted(updates.items())), *(each.__name__ for each in passes)]
    told += [own_files(), compiler.key("")]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def graph_lines(graph: Graph) -> list[str] | None:
    """A graph as text without names; None if some op or attribute is not andon's own."""
    numbers = {value: n for n, value in enumerate(graph.values)}
    lines = []
    for value in graph.values:
        if value.op is None:
            known = "" if value.const is None else hashlib.sha256(value.const.tobytes()).hexdigest()
            lines.append(f"{value.shape} {value.dtype} {known}")
        elif is_own(value.op) and all(map(is_plain, value.attrs.values())):
            lines.append(line(value, numbers))
        else:
            return None
    lines.append(" ".join(str(numbers[x]) for x in (*graph.inputs, *graph.outputs)))
    return lines


def line(value: Symbol, numbers: Mapping[Symbol, int]) -> str:
    op: Any = value.op
    inputs = [f"%{numbers[x]}" if isinstance(x, Symbol) else repr(x) for x in value.inputs]
    attrs = [f"{name}={literal(x)}" for name, x in value.attrs.items()]
    return f"{op.name} {' '.join(inputs)} {' '.join(attrs)}"


def is_own(op: Any) -> bool:
    """Whether an op's reference is of this package, whose files the key tells."""
    return op.reference.__module__.partition(".")[0] == __name__.partition(".")[0]


def is_plain(x: Any) -> bool:
    """Whether the text of an attribute says all of it."""
    return isinstance(x, PLAIN) or (isinstance(x, tuple) and all(map(is_plain, x)))


@functools.cache
def own_files() -> str:
    """This version of andon: its files, their sizes and when they were written."""
    files = sorted(p for kind in ("py", "h") for p in PACKAGE.rglob(f"*.{kind}"))
    stats = [(p, p.stat()) for p in files]
    return "\n".join(
        [__version__, *(f"{p.relative_to(PACKAGE)} {s.st_size} {s.st_mtime_ns}" for p, s in stats)]
    )
