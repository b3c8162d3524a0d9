"""Attributes that are computed when they are first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class lazy(Generic[T]):
    """Decorator: a method without arguments becomes an attribute, computed once.

    As functools.cached_property, which before Python 3.12 holds a lock meanwhile, one for all
    objects of the class: other threads would wait for it, and a forked child for ever.
    """

    def __init__(self, compute: Callable[[Any], T]):
        self.compute, self.name = compute, compute.__name__
        self.__doc__ = compute.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> T:
        if instance is None:
            return self  # type: ignore[return-value]
        return instance.__dict__.setdefault(self.name, self.compute(instance))
