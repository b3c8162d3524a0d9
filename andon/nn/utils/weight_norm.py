"""Weight normalisation: a weight's length and its direction, learned apart."""

from __future__ import annotations

from typing import Any

from ...core.errors import StateError
from ...tensor.tensor import Tensor
from ..module import Module
from ..parameter import Parameter


class WeightNorm:
    """w = g v / ‖v‖, computed anew before each forward pass. The norm is over all dims but one."""

    def __init__(self, name: str, dim: int | None):
        self.name, self.dim = name, dim

    def norm(self, v: Tensor) -> Tensor:
        """‖v‖, its other dims kept at size 1."""
        if self.dim is None:
            return (v * v).sum().sqrt()
        others = [d for d in range(v.ndim) if d != self.dim % v.ndim]
        return (v * v).sum(others, keepdim=True).sqrt() if others else v.abs()

    def weight(self, module: Module) -> Tensor:
        g, v = getattr(module, f"{self.name}_g"), getattr(module, f"{self.name}_v")
        return v * (g / self.norm(v))

    def __call__(self, module: Module, args: Any) -> None:
        setattr(module, self.name, self.weight(module))


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Replace the parameter `name` by its length `name_g` and direction `name_v`.

    Source: Salimans & Kingma 2016, Weight normalization.
    """
    if find(module, name) is not None:
        raise StateError(f"weight_norm: {name} is normalised already")
    normed, weight = WeightNorm(name, dim), module.get_parameter(name)
    delattr(module, name)
    setattr(module, f"{name}_g", Parameter(normed.norm(weight).detach()))
    setattr(module, f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, normed.weight(module))
    module.register_forward_pre_hook(normed)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Make `name` one parameter again."""
    hook = find(module, name)
    if hook is None:
        raise StateError(f"remove_weight_norm: {name} is not normalised")
    module._forward_pre_hooks.remove(hook)
    weight = hook.function.weight(module).detach()
    for attribute in (name, f"{name}_g", f"{name}_v"):
        delattr(module, attribute)
    setattr(module, name, Parameter(weight))
    return module


def find(module: Module, name: str) -> Any:
    """The hook that normalises `name`, if there is one."""
    for hook in module._forward_pre_hooks:
        if isinstance(hook.function, WeightNorm) and hook.function.name == name:
            return hook
    return None
