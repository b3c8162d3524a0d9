"""Nested containers taken apart into leaves, and put together again.

Containers are tuples (named ones too), lists and dicts; everything else is a leaf.

>>> leaves, structure = flatten({"x": [1, 2], "y": (3,)})
>>> leaves
[1, 2, 3]
>>> unflatten(structure, [10, 20, 30])
{'x': [10, 20], 'y': (30,)}
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple


class Structure(NamedTuple):
    """A container's type, the keys of a dict, and the structures inside. Hashable."""

    kind: type | None  # None: a leaf
    keys: tuple
    parts: tuple


LEAF = Structure(None, (), ())


def flatten(tree: Any) -> tuple[list, Structure]:
    """The leaves of `tree`, and its structure."""
    leaves: list = []
    return leaves, take_apart(tree, leaves)


def take_apart(tree: Any, leaves: list) -> Structure:
    kind = type(tree)
    if kind is dict:
        parts = tuple(take_apart(part, leaves) for part in tree.values())
        return Structure(kind, tuple(tree), parts)
    if kind in (list, tuple) or (isinstance(tree, tuple) and hasattr(tree, "_fields")):
        return Structure(kind, (), tuple(take_apart(part, leaves) for part in tree))
    leaves.append(tree)
    return LEAF


def unflatten(structure: Structure, leaves: Iterable) -> Any:
    """The tree of that structure with these leaves."""
    return put_together(structure, iter(leaves))


def put_together(structure: Structure, leaves: Iterator) -> Any:
    kind, keys, parts = structure
    if kind is None:
        return next(leaves)
    made = [put_together(part, leaves) for part in parts]
    if kind is dict:
        return dict(zip(keys, made, strict=True))
    return kind(*made) if hasattr(kind, "_fields") else kind(made)
