"""The index of a `view`: ints, None, and slices (start, stop, step), composed and joined."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from ..core.spec import Shape

Index = tuple[Any, ...]


def layout(shape: Shape, index: Index) -> list[Any]:
    """What an index does, in order: an int, None, or a range of positions, for all dims."""
    sizes = iter(shape)
    found: list[Any] = []
    for part in index:
        if part is None:
            found.append(None)
            continue
        n = next(sizes)
        whole = range(n)
        found.append(whole[part] if isinstance(part, int) else whole[slice(*part)])
    return found + [range(n) for n in sizes]


def as_index(parts: list[Any]) -> Index:
    """The index that a layout is of."""
    return tuple((p.start, p.stop, p.step) if isinstance(p, range) else p for p in parts)


def composed(shape: Shape, first: Index, second: Index) -> Index | None:
    """The index that does what `second` does to the result of `first`; None if there is none."""
    inner = iter(layout(shape, first))
    found: list[Any] = []

    def next_dim() -> Any:
        """The next dim of the result; ints are none, and are kept as they are."""
        for part in inner:
            if not isinstance(part, int):
                return part
            found.append(part)
        return StopIteration

    for part in second:
        if part is None:
            found.append(None)
            continue
        source = next_dim()
        if source is None:  # a dim of size 1: it stays, or is dropped
            if isinstance(part, int):
                continue
            if len(range(1)[slice(*part)]) == 0:
                return None
            found.append(None)
        else:
            found.append(source[part] if isinstance(part, int) else source[slice(*part)])
    found += inner
    return as_index(found)


def joined(shape: Shape, indices: list[Index], dim: int) -> Index | None:
    """The index of views that lie side by side along `dim`, as one; None if they do not."""
    layouts = [layout(shape, index) for index in indices]
    at = [i for i, part in enumerate(layouts[0]) if not isinstance(part, int)][dim]
    for parts in layouts:
        if len(parts) != len(layouts[0]) or not isinstance(parts[at], range) or parts[at].step != 1:
            return None
        if parts[:at] != layouts[0][:at] or parts[at + 1 :] != layouts[0][at + 1 :]:
            return None
    if any(a[at].stop != b[at].start for a, b in pairwise(layouts)):
        return None
    whole = range(layouts[0][at].start, layouts[-1][at].stop)
    return as_index([*layouts[0][:at], whole, *layouts[0][at + 1 :]])
