"""Spectral normalisation by a hook: the older way, whose names are in many checkpoints."""

from __future__ import annotations

from typing import Any

from ...core.errors import StateError
from ...core.mode import no_grad
from ...ops.distance import normalize
from ...ops.linalg import mv
from ...tensor.random import randn
from ...tensor.tensor import Tensor
from ..module import Module
from ..parameter import Parameter


class SpectralHook:
    """w = w_orig / σ, computed anew before each forward pass, σ by power iteration.

    Source: Miyato et al. 2018, Spectral normalization, algorithm 1.
    """

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float):
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def matrix(self, weight: Tensor) -> Tensor:
        """The weight as a matrix, with the dim of its outputs first."""
        return weight.movedim(self.dim, 0).flatten(1)

    def weight(self, module: Module, iterations: int) -> Tensor:
        weight = getattr(module, f"{self.name}_orig")
        u, v = (getattr(module, f"{self.name}_{part}") for part in "uv")
        matrix = self.matrix(weight)
        with no_grad():
            for _ in range(iterations):
                v.copy_(normalize(mv(matrix.t(), u), dim=0, eps=self.eps))
                u.copy_(normalize(mv(matrix, v), dim=0, eps=self.eps))
        return weight / u.clone().dot(mv(matrix, v.clone()))

    def __call__(self, module: Module, args: Any) -> None:
        iterations = self.n_power_iterations if module.training else 0
        setattr(module, self.name, self.weight(module, iterations))


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide the weight `name` by its largest singular value; it is kept as `name_orig`."""
    if find(module, name) is not None:
        raise StateError(f"spectral_norm: {name} is normalised already")
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    hook, weight = SpectralHook(name, n_power_iterations, dim, eps), module.get_parameter(name)
    rows, columns = hook.matrix(weight.detach()).shape
    u, v = (normalize(randn(n), dim=0, eps=eps) for n in (rows, columns))
    delattr(module, name)
    module.register_parameter(f"{name}_orig", Parameter(weight.detach()))
    setattr(module, name, weight.detach())
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Make the normalised weight a plain parameter again."""
    found = find(module, name)
    if found is None:
        raise StateError(f"remove_spectral_norm: {name} is not normalised")
    module._forward_pre_hooks.remove(found)
    weight = found.function.weight(module, 0).detach()
    for attribute in (name, f"{name}_orig", f"{name}_u", f"{name}_v"):
        delattr(module, attribute)
    module.register_parameter(name, Parameter(weight))
    return module


def find(module: Module, name: str) -> Any:
    """The hook that normalises `name`, if there is one."""
    for hook in module._forward_pre_hooks:
        if isinstance(hook.function, SpectralHook) and hook.function.name == name:
            return hook
    return None
