"""Binding: where Python keeps a tensor: the `.grad` of another, or an attribute of a module.

A recorded function may bind another tensor there, and so may the program between two calls. So a
recording reads what is bound at the call, and binds what came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from ..tensor import Tensor
from .captured import is_number

ABSENT = object()


class Binding:
    """`before` is what was bound when the function was about to bind something else.

    It stands for the tensor that is bound at a call: its array, and its memory.
    """

    def __init__(self, read: Callable[[], Any], write: Callable[[Any], None]):
        self.read, self.write, self.before = read, write, read()

    @property
    def is_to_be_written(self) -> bool:
        """Whether a call binds something: another tensor, or a mode, whatever it was before."""
        return self.read() is not self.before or isinstance(self.before, bool)

    def restore(self) -> None:
        self.write(self.before)

    def kind(self) -> Any:
        """What a recording depends on: who it is, but of a tensor only that it is one.

        A view is read where its base is, so that no other tensor can take its place.
        """
        bound = self.read()
        if isinstance(bound, Tensor) and bound.base is None:
            return True
        return repr(bound) if is_number(bound) else id(bound)

    array = property(lambda self: self.read().array)
    memory = property(lambda self: self.read().memory)
    node = property(lambda self: self.read().node)
    requires_grad = property(lambda self: self.read().requires_grad)
    _version = property(lambda self: self.read()._version)


def gradient_of(tensor: Tensor) -> Binding:
    return Binding(lambda: tensor._grad, partial(setattr, tensor, "_grad"))


def attribute_of(store: dict[str, Any], name: str) -> Binding:
    """The entry of a module's `__dict__`, or of its buffers."""

    def write(value: Any) -> None:
        if value is ABSENT:
            store.pop(name, None)
        else:
            store[name] = value

    return Binding(lambda: store.get(name, ABSENT), write)
