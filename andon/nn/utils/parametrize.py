"""Parametrizations: a parameter as a function of others, which are learned in its place.

After `register_parametrization(layer, "weight", f)`, reading `layer.weight` computes
`f(original)`, where `original` is the parameter that `layer.parametrizations.weight` holds.
Several parametrizations of one parameter are applied in the order they were registered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

from ...core.errors import ShapeError, StateError
from ...core.mode import no_grad
from ...tensor.tensor import Tensor
from ..container import ModuleDict, ModuleList
from ..module import Module
from ..parameter import Parameter


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, and the tensor or tensors that are kept in its place.

    There are several where the `right_inverse` of the first gives several.
    """

    def __init__(self, modules: Iterable[Module], original: Tensor):
        super().__init__(modules)
        with no_grad():
            inverse = self.inverse(original)
        names = self.names(inverse)
        self.several = isinstance(inverse, (tuple, list))
        for name, value in zip(names, inverse if self.several else [inverse], strict=True):
            value = value.detach()
            if isinstance(original, Parameter):
                setattr(self, name, Parameter(value, original.requires_grad))
            else:
                self.register_buffer(name, value)

    def names(self, inverse: Any) -> list[str]:
        if isinstance(inverse, (tuple, list)):
            return [f"original{i}" for i in range(len(inverse))]
        return ["original"]

    def inverse(self, value: Any) -> Any:
        """What must be kept so that the parametrizations give `value`, where they can tell."""
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                value = module.right_inverse(value)
        return value

    def assign(self, value: Tensor) -> None:
        """Let the parametrized tensor become `value`."""
        with no_grad():
            inverse = self.inverse(value)
            for name, part in zip(
                self.names(inverse), inverse if self.several else [inverse], strict=True
            ):
                getattr(self, name).copy_(part)

    def forward(self) -> Tensor:
        first, *rest = self
        if self.several:
            kept = {**self._parameters, **self._buffers}
            value = first(*kept.values())
        else:
            value = first(self.original)
        for module in rest:
            value = module(value)
        return value


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `module.tensor_name` be computed by `parametrization` from what was there before.

    The result must have the shape and the dtype of the parameter, unless it is `unsafe`.
    """
    before = getattr(module, tensor_name)
    if is_parametrized(module, tensor_name):
        held = module.parametrizations[tensor_name]
        held.append(parametrization)
        if hasattr(parametrization, "right_inverse"):
            held.assign(before.detach())
    else:
        held = ParametrizationList([parametrization], module_tensor(module, tensor_name))
        if not is_parametrized(module):
            module.__class__ = computing_class(type(module))
            module.parametrizations = ModuleDict()
        delattr(module, tensor_name)
        add_property(type(module), tensor_name)
        module.parametrizations[tensor_name] = held
    if not unsafe:
        with no_grad():
            after = getattr(module, tensor_name)
        if after.shape != before.shape or after.dtype is not before.dtype:
            raise ShapeError(
                f"register_parametrization: {tensor_name} would become {after.spec}: {before.spec}"
            )
    return module


def module_tensor(module: Module, name: str) -> Tensor:
    """The parameter or buffer of that name."""
    found = {**module._buffers, **module._parameters}.get(name)
    if found is None:
        raise StateError(
            f"register_parametrization: {type(module).__name__} has no parameter or buffer {name!r}"
        )
    return found


def computing_class(kind: type) -> type:
    """A subclass for one module, whose properties compute its parametrized tensors."""
    return type(f"Parametrized{kind.__name__}", (kind,), {"__module__": kind.__module__})


def add_property(kind: type, name: str) -> None:
    def read(module: Any) -> Tensor:
        held = module.parametrizations[name]
        if Cache.depth == 0:
            return held()
        if held not in Cache.found:
            Cache.found[held] = held()
        return Cache.found[held]

    def assign(module: Any, value: Tensor) -> None:
        module.parametrizations[name].assign(value)

    setattr(kind, name, property(read, assign))


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether that tensor of the module is computed; or, without a name, any."""
    held = module._modules.get("parametrizations")
    return held is not None and (tensor_name is None or tensor_name in held)


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the tensor a plain one again: as it was computed, or else the original."""
    if not is_parametrized(module, tensor_name):
        raise StateError(f"remove_parametrizations: {tensor_name!r} is not parametrized")
    held = module.parametrizations[tensor_name]
    learned = bool(held._parameters)
    if not leave_parametrized and held.several:
        raise StateError(f"remove_parametrizations: {tensor_name!r} is made of several tensors")
    with no_grad():
        value = held() if leave_parametrized else held.original
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if learned:
        wanted = any(p.requires_grad for p in held._parameters.values())
        module.register_parameter(tensor_name, Parameter(value.detach(), wanted))
    else:
        module.register_buffer(tensor_name, value.detach())
    if not len(module.parametrizations):
        kind = type_before_parametrizations(module)
        del module.parametrizations
        module.__class__ = kind
    return module


def type_before_parametrizations(module: Module) -> Any:
    """The class that the module was made of."""
    kind = type(module)
    return kind.__base__ if is_parametrized(module) else kind


class Cache:
    """What was computed since the outermost `cached` block was entered."""

    depth = 0
    found: ClassVar[dict[Module, Tensor]] = {}


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once within the block, however often it is read."""
    Cache.depth += 1
    try:
        yield
    finally:
        Cache.depth -= 1
        if Cache.depth == 0:
            Cache.found.clear()
