"""`torch.nn.modules.utils`: numbers made tuples, as layers of one's own import them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def _ntuple(n: int) -> Callable[[Any], tuple]:
    """The function that makes a number n of it, and anything iterable a tuple."""

    def parse(x: Any) -> tuple:
        return tuple(x) if isinstance(x, Iterable) else (x,) * n

    return parse


_single, _pair, _triple, _quadruple = (_ntuple(n) for n in (1, 2, 3, 4))


def _reverse_repeat_tuple(t: Iterable, n: int) -> tuple:
    """(1, 2) and 2 give (2, 2, 1, 1): the order of `F.pad`."""
    return tuple(x for x in reversed(tuple(t)) for _ in range(n))
