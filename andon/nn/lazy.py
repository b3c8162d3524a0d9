"""Lazy layers: they learn the size of their input from the first one, and then are plain layers.

Until then they have no parameters yet: asking for them raises, so that no optimizer can miss
them.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from ..core.errors import StateError
from .conv import Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from .linear import Linear
from .module import Module
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)


class Lazy(Module):
    """The base: `kind` is the class that it becomes, `dim` the input's dim whose size it takes."""

    kind: type[Module]
    dim = 1
    defaults: ClassVar[dict[str, Any]] = {}  # where they differ from those of `kind`

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        _, _, *rest = inspect.signature(cls.kind.__init__).parameters.values()
        named = [p.replace(default=cls.defaults.get(p.name, p.default)) for p in rest]
        cls.__signature__ = inspect.Signature(named)  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()
        given = type(self).__signature__.bind(*args, **kwargs)  # type: ignore[attr-defined]
        given.arguments = {**self.defaults, **given.arguments}
        self.__dict__.update(args=given.args, kwargs=given.kwargs)

    @property
    def _parameters(self) -> dict:  # type: ignore[override]
        raise StateError(
            f"{type(self).__name__}: has no parameters before its first input: call the model once"
        )

    _buffers = _parameters

    def __call__(self, *inputs: Any, **kwargs: Any) -> Any:
        self.initialize_parameters(inputs[0])
        return self(*inputs, **kwargs)

    def initialize_parameters(self, input: Any) -> None:
        """Become the layer for inputs like this one; mode and hooks stay."""
        own = self.__dict__
        made = self.kind(input.shape[self.dim], *own.pop("args"), **own.pop("kwargs"))
        made.training = own["training"]
        stores = {"_parameters", "_buffers", "_modules", "_non_persistent_buffers_set"}
        own.update({k: v for k, v in made.__dict__.items() if k in stores or k not in own})
        object.__setattr__(self, "__class__", self.kind)

    def has_uninitialized_params(self) -> bool:
        return True

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{type(self).__name__}: has no {name} before its first input")

    def _apply(self, convert: Any) -> Any:
        raise StateError(f"{type(self).__name__}: cannot be converted before its first input")

    def __repr__(self) -> str:
        given = [repr(x) for x in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        return f"{type(self).__name__}({', '.join(['0', *given])})"


class LazyLinear(Lazy):
    """Linear(in_features, out_features), given out_features."""

    kind = Linear
    dim = -1


def lazy(kind: type[Module], **defaults: Any) -> type[Lazy]:
    """The lazy form of a layer whose first argument is the size of the input's second dim."""
    name = f"Lazy{kind.__name__}"
    doc = f"{kind.__name__}, without its first argument."
    members = {"kind": kind, "defaults": defaults, "__doc__": doc, "__module__": __name__}
    return type(name, (Lazy,), members)


LazyConv1d, LazyConv2d, LazyConv3d = lazy(Conv1d), lazy(Conv2d), lazy(Conv3d)
LazyConvTranspose1d, LazyConvTranspose2d = lazy(ConvTranspose1d), lazy(ConvTranspose2d)
LazyConvTranspose3d = lazy(ConvTranspose3d)
LazyBatchNorm1d, LazyBatchNorm2d = lazy(BatchNorm1d), lazy(BatchNorm2d)
LazyBatchNorm3d = lazy(BatchNorm3d)
LEARNED = {"affine": True, "track_running_stats": True}
LazyInstanceNorm1d = lazy(InstanceNorm1d, **LEARNED)
LazyInstanceNorm2d = lazy(InstanceNorm2d, **LEARNED)
LazyInstanceNorm3d = lazy(InstanceNorm3d, **LEARNED)
