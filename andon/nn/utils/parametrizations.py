"""Ready-made parametrizations: weights of given length, of spectral norm 1, or orthogonal."""

from __future__ import annotations

from ...core.errors import ArgumentError, ShapeError
from ...core.mode import no_grad
from ...ops.decomposition import qr
from ...ops.diagonals import tril
from ...ops.distance import normalize
from ...ops.join import cat
from ...ops.linalg import mv
from ...ops.matrix_exponential import matrix_exp
from ...ops.solve import solve_call
from ...tensor.creation import eye
from ...tensor.random import randn
from ...tensor.tensor import Tensor
from ..module import Module
from .parametrize import register_parametrization
from .weight_norm import WeightNorm


class LengthAndDirection(Module):
    """w = g v / ‖v‖, from g and v; the norm is over all dims but one."""

    def __init__(self, dim: int | None):
        super().__init__()
        self.dim = dim

    def forward(self, g: Tensor, v: Tensor) -> Tensor:
        return v * (g / WeightNorm("weight", self.dim).norm(v))

    def right_inverse(self, w: Tensor) -> tuple[Tensor, Tensor]:
        return WeightNorm("weight", self.dim).norm(w), w


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Learn the length (`original0`) and the direction (`original1`) of a weight apart.

    Source: Salimans & Kingma 2016, Weight normalization.
    """
    return register_parametrization(module, name, LengthAndDirection(dim), unsafe=True)


class SpectralNorm(Module):
    """w / σ(w): σ, the largest singular value, is estimated by power iteration.

    u and v, the vectors that it stretches most, are buffers that training keeps up to date.
    """

    def __init__(self, weight: Tensor, n_power_iterations: int, dim: int, eps: float):
        super().__init__()
        self.dim, self.n_power_iterations, self.eps = dim % weight.ndim, n_power_iterations, eps
        if weight.ndim > 1:
            matrix = self.matrix(weight.detach())
            for name, size in zip(("_u", "_v"), matrix.shape, strict=True):
                self.register_buffer(name, normalize(randn(size), dim=0, eps=eps))
            self.iterate(matrix, 15)

    def matrix(self, w: Tensor) -> Tensor:
        """The weight as a matrix, with the dim of its outputs first."""
        return w.movedim(self.dim, 0).flatten(1)

    @no_grad()
    def iterate(self, matrix: Tensor, times: int) -> None:
        """Miyato et al. 2018, Spectral normalization, algorithm 1."""
        for _ in range(times):
            self._u.copy_(normalize(mv(matrix, self._v), dim=0, eps=self.eps))
            self._v.copy_(normalize(mv(matrix.t(), self._u), dim=0, eps=self.eps))

    def forward(self, w: Tensor) -> Tensor:
        if w.ndim == 1:
            return normalize(w, dim=0, eps=self.eps)
        matrix = self.matrix(w)
        if self.training:
            self.iterate(matrix.detach(), self.n_power_iterations)
        return w / self._u.clone().dot(mv(matrix, self._v.clone()))

    def right_inverse(self, w: Tensor) -> Tensor:
        return w


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a weight by its largest singular value."""
    if dim is None:
        dim = 1 if type(module).__name__.startswith("ConvTranspose") else 0
    norm = SpectralNorm(getattr(module, name), n_power_iterations, dim, eps)
    return register_parametrization(module, name, norm)


class Orthogonal(Module):
    """Q = base · f(A), A the skew-symmetric part of x: exp(A), or (1 - A/2)⁻¹ (1 + A/2).

    A wide matrix is made by way of its transpose; a tall one is the first columns of a square.
    """

    def __init__(self, weight: Tensor, orthogonal_map: str):
        super().__init__()
        self.orthogonal_map = orthogonal_map
        rows = max(weight.shape[-2:])
        self.register_buffer("base", eye(rows, dtype=weight.dtype))

    def forward(self, x: Tensor) -> Tensor:
        wide = x.shape[-2] < x.shape[-1]
        x = tril(x.mT if wide else x)
        rows, columns = x.shape[-2:]
        if rows > columns:
            x = cat([x, x.new_zeros(*x.shape[:-1], rows - columns)], -1)
        A = x - x.mT
        one = eye(rows, dtype=x.dtype)
        turn = matrix_exp(A)
        if self.orthogonal_map == "cayley":
            turn = solve_call(one - A * 0.5, one + A * 0.5)
        Q = (self.base @ turn)[..., :columns]
        return Q.mT if wide else Q

    def right_inverse(self, w: Tensor) -> Tensor:
        """Make the nearest Q of a QR decomposition the base, which is then turned by nothing."""
        wide = w.shape[-2] < w.shape[-1]
        tall = w.mT if wide else w
        rows, columns = tall.shape[-2:]
        filled = (
            cat([tall, randn(*tall.shape[:-1], rows - columns)], -1) if rows > columns else tall
        )
        Q, R = qr(filled)
        self.base = Q * R.diagonal(0, -2, -1).sign().unsqueeze(-2)
        nothing = w.new_zeros(w.shape)
        nothing.diagonal(0, -2, -1).fill_(-1.0)  # as PyTorch has it; the diagonal has no effect
        return nothing


def orthogonal(
    module: Module,
    name: str = "weight",
    orthogonal_map: str | None = None,
    *,
    use_trivialization: bool = True,
) -> Module:
    """Make a weight orthogonal, its rows or its columns, by "matrix_exp" or "cayley".

    PyTorch's third map, "householder", is its default where matrices are not square.
    """
    weight = getattr(module, name)
    if weight.ndim < 2:
        raise ShapeError(f"orthogonal: a matrix expected: {weight.spec}")
    chosen = "matrix_exp" if orthogonal_map is None else orthogonal_map
    if chosen not in ("matrix_exp", "cayley") or not use_trivialization:
        raise ArgumentError(
            f"orthogonal: only by matrix_exp or cayley, with trivialization: {orthogonal_map}"
        )
    return register_parametrization(module, name, Orthogonal(weight, chosen), unsafe=True)
