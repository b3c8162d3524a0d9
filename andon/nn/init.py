"""Initialisers: fill a tensor in place, unrecorded, and return it.

The variance-keeping ones rest on the fans of a weight (out, in, *kernel): how many inputs reach
an output (fan_in), and how many outputs an input reaches (fan_out).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.errors import ArgumentError, ShapeError
from ..core.mode import no_grad
from ..tensor.tensor import Tensor, wrap

GAINS = {
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0, "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5 / 3,
    "relu": math.sqrt(2), "selu": 3 / 4,
}  # fmt: skip


def calculate_gain(nonlinearity: str, param: Any = None) -> float:
    """By what to scale a weight so that the variance survives the nonlinearity after it.

    >>> calculate_gain("relu") ** 2
    2.0000000000000004
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ArgumentError(f"calculate_gain: the negative slope must be a number: {param!r}")
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in GAINS:
        raise ArgumentError(f"calculate_gain: not a nonlinearity known here: {nonlinearity!r}")
    return GAINS[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel)."""
    if tensor.ndim < 2:
        raise ShapeError(f"init: fans need at least two dims: {list(tensor.shape)}")
    outs, ins, *kernel = tensor.shape
    return ins * math.prod(kernel), outs * math.prod(kernel)


@no_grad()
def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """U(a, b)."""
    return tensor.uniform_(a, b, generator=generator)


@no_grad()
def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """N(mean, std²)."""
    return tensor.normal_(mean, std, generator=generator)


@no_grad()
def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """N(mean, std²) conditioned on lying in [a, b], by inverting its distribution function."""
    if a > b:
        raise ArgumentError(f"trunc_normal_: a must not exceed b: {a}, {b}")
    low, high = (math.erf((x - mean) / (std * math.sqrt(2))) for x in (a, b))
    tensor.uniform_(low, high, generator=generator)
    return tensor.erfinv_().mul_(std * math.sqrt(2)).add_(mean).clamp_(a, b)


@no_grad()
def constant_(tensor: Tensor, val: float) -> Tensor:
    """`val` everywhere."""
    return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere."""
    return constant_(tensor, 0.0)


@no_grad()
def eye_(tensor: Tensor) -> Tensor:
    """The identity, as far as the matrix has room for it."""
    if tensor.ndim != 2:
        raise ShapeError(f"eye_: expects a matrix: {list(tensor.shape)}")
    return tensor.copy_(wrap(np.eye(*tensor.shape)))


@no_grad()
def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution weight that passes its channels on unchanged, in each group."""
    if tensor.ndim not in (3, 4, 5):
        raise ShapeError(f"dirac_: expects 3, 4 or 5 dims: {list(tensor.shape)}")
    outs, ins, *kernel = tensor.shape
    if outs % groups:
        raise ShapeError(f"dirac_: the out channels must divide into groups: {outs}, {groups}")
    array = np.zeros(tensor.shape)
    per_group, centre = outs // groups, tuple(n // 2 for n in kernel)
    for group in range(groups):
        for channel in range(min(per_group, ins)):
            array[(group * per_group + channel, channel, *centre)] = 1
    return tensor.copy_(wrap(array))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """U(-a, a) with a = gain √(6 / (fan_in + fan_out)).

    Source: Glorot & Bengio 2010, Understanding the difficulty of training deep networks, eq. 16.
    """
    bound = gain * math.sqrt(6 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """N(0, σ²) with σ = gain √(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2 / sum(fans(tensor))), generator)


def fan(tensor: Tensor, mode: str) -> int:
    """The one of the fans that `mode` names."""
    if mode not in ("fan_in", "fan_out"):
        raise ArgumentError(f"kaiming: mode must be 'fan_in' or 'fan_out': {mode!r}")
    return fans(tensor)[mode == "fan_out"]


def kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    """σ = gain / √fan, for either Kaiming initialiser."""
    return calculate_gain(nonlinearity, a) / math.sqrt(fan(tensor, mode))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """U(-b, b) with b = √3 gain / √fan; `a` is the slope of a leaky ReLU below 0.

    Source: He et al. 2015, Delving deep into rectifiers, eq. 14.
    """
    if 0 in tensor.shape:
        return tensor
    bound = math.sqrt(3) * kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """N(0, σ²) with σ = gain / √fan."""
    if 0 in tensor.shape:
        return tensor
    return normal_(tensor, 0.0, kaiming_std(tensor, a, mode, nonlinearity), generator)


@no_grad()
def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """gain Q, with Q uniform among the (half-)orthogonal matrices; dims after the first merge.

    Source: Saxe et al. 2014, Exact solutions to the nonlinear dynamics of learning.
    """
    if tensor.ndim < 2:
        raise ShapeError(f"orthogonal_: expects at least two dims: {list(tensor.shape)}")
    if tensor.numel() == 0:
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    tall = wrap(np.empty((max(rows, columns), min(rows, columns))))
    q, r = np.linalg.qr(tall.normal_(generator=generator).array)
    q *= np.sign(np.diag(r))  # makes the decomposition unique, and so Q uniform
    q = q if rows >= columns else q.T
    return tensor.copy_(wrap(gain * q.reshape(tensor.shape)))


@no_grad()
def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """N(0, std²), with the fraction `sparsity` of each column set to zero.

    Source: Martens 2010, Deep learning via Hessian-free optimization.
    """
    if tensor.ndim != 2:
        raise ShapeError(f"sparse_: expects a matrix: {list(tensor.shape)}")
    rows, columns = tensor.shape
    order = wrap(np.empty((rows, columns))).uniform_(generator=generator).array.argsort(axis=0)
    tensor.normal_(0.0, std, generator=generator)
    np.put_along_axis(tensor.array, order[: math.ceil(sparsity * rows)], 0, axis=0)
    return tensor
