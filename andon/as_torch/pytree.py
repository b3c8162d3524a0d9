"""`torch.utils._pytree`: nested dicts, lists and tuples, taken apart and put together again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class TreeSpec(NamedTuple):
    """What is left of a tree without its leaves; a leaf's `kind` is None."""

    kind: Any
    keys: Any
    children: tuple

    @property
    def num_leaves(self) -> int:
        return 1 if self.kind is None else sum(child.num_leaves for child in self.children)


LEAF = TreeSpec(None, None, ())


def tree_flatten(tree: Any, is_leaf: Callable | None = None) -> tuple[list, TreeSpec]:
    """The leaves, from left to right, and the spec that `tree_unflatten` puts them in."""
    if not isinstance(tree, (dict, list, tuple)) or (is_leaf is not None and is_leaf(tree)):
        return [tree], LEAF
    values = list(tree.values()) if isinstance(tree, dict) else list(tree)
    parts = [tree_flatten(value, is_leaf) for value in values]
    keys = list(tree) if isinstance(tree, dict) else None
    leaves = [leaf for found, _ in parts for leaf in found]
    return leaves, TreeSpec(type(tree), keys, tuple(spec for _, spec in parts))


def tree_unflatten(leaves: Any, treespec: TreeSpec) -> Any:
    """The tree of that spec with these leaves."""
    remaining = iter(leaves)

    def build(spec: TreeSpec) -> Any:
        if spec.kind is None:
            return next(remaining)
        values = [build(child) for child in spec.children]
        if spec.keys is not None:
            return spec.kind(zip(spec.keys, values, strict=True))
        return spec.kind(*values) if hasattr(spec.kind, "_fields") else spec.kind(values)

    return build(treespec)


def tree_leaves(tree: Any, is_leaf: Callable | None = None) -> list:
    return tree_flatten(tree, is_leaf)[0]


def tree_map(func: Callable, tree: Any, *rests: Any, is_leaf: Callable | None = None) -> Any:
    """`func` of every leaf, and of those in the same places of further trees."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [tree_leaves(rest, is_leaf) for rest in rests]
    return tree_unflatten(list(map(func, leaves, *others)), spec)


def tree_map_only(kind: Any, func: Callable, tree: Any) -> Any:
    """`func` of every leaf that is an instance of `kind`; the others as they are."""
    return tree_map(lambda leaf: func(leaf) if isinstance(leaf, kind) else leaf, tree)
