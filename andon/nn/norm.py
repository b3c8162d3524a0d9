"""Normalisation: y = (x - mean) / √(variance + ε) w + b, over one or another set of dims.

BatchNorm takes mean and variance over the batch, for each channel; LayerNorm and RMSNorm over
the features of each sample; GroupNorm and InstanceNorm over groups of its channels.
"""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..tensor.creation import empty, ones, tensor, zeros
from ..tensor.tensor import Tensor
from . import functional as F
from . import init
from .module import Module, listed
from .parameter import Parameter


class ChannelNorm(Module):
    """What BatchNorm and InstanceNorm share: a weight, a bias and statistics per channel."""

    dims: tuple[int, ...]  # how many dims an input may have
    running_mean: Any  # tensors, or None where no statistics are kept
    running_var: Any
    num_batches_tracked: Any

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        device: Any,
        dtype: Any,
        bias: bool,
    ):
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        made = {"device": device, "dtype": dtype}
        register_affine(self, (num_features,), affine, affine and bias, **made)
        stats = track_running_stats
        self.register_buffer("running_mean", zeros(num_features, **made) if stats else None)
        self.register_buffer("running_var", ones(num_features, **made) if stats else None)
        self.register_buffer("num_batches_tracked", tensor(0) if stats else None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Mean 0 and variance 1, of no batches."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0, and the statistics anew."""
        self.reset_running_stats()
        start(self.weight, self.bias)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest: Any) -> None:
        """Load; the count of batches is missing in the checkpoints of PyTorch 0.4, and may be."""
        key = f"{prefix}num_batches_tracked"
        if self.num_batches_tracked is not None and key not in state_dict:
            state_dict = {**state_dict, key: self.num_batches_tracked}
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def check_input(self, input: Tensor) -> None:
        if input.ndim not in self.dims:
            allowed = " or ".join(map(str, self.dims))
            raise ShapeError(f"{type(self).__name__}: expects {allowed} dims: {list(input.shape)}")

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, {listed(self, 'eps', 'momentum', 'affine')}, "
            f"bias={self.bias is not None}, {listed(self, 'track_running_stats')}"
        )


class BatchNorm(ChannelNorm):
    """y = (x - mean) / √(var + ε) w + b, per channel, over the batch.

    In training, the running statistics move by `momentum` toward the batch's (with None, they
    are plain averages); in evaluation they stand in for them.
    Source: Ioffe & Szegedy 2015, Batch normalization.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self.check_input(input)
        counted = self.training and self.num_batches_tracked is not None
        if counted:
            self.num_batches_tracked.add_(1)
        factor = self.momentum
        if factor is None:
            factor = 1 / self.num_batches_tracked.to(self.running_mean.dtype) if counted else 0.0
        stats = (self.running_mean, self.running_var)
        known = stats[0] is not None and stats[1] is not None
        used = stats if not self.training or self.track_running_stats else (None, None)
        return F.batch_norm(
            input,
            *used,
            self.weight,
            self.bias,
            self.training or not known,
            factor,
            self.eps,
        )


class BatchNorm1d(BatchNorm):
    """Batch normalisation of (B, C) or (B, C, L); see BatchNorm."""

    dims = (2, 3)


class BatchNorm2d(BatchNorm):
    """Batch normalisation of (B, C, H, W); see BatchNorm."""

    dims = (4,)


class BatchNorm3d(BatchNorm):
    """Batch normalisation of (B, C, D, H, W); see BatchNorm."""

    dims = (5,)


class InstanceNorm(ChannelNorm):
    """y = (x - mean) / √(var + ε) w + b, per channel of each sample.

    Source: Ulyanov et al. 2016, Instance normalization.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        self.check_input(input)
        x = input if input.ndim == self.dims[1] else input.unsqueeze(0)
        if x.shape[1] != self.num_features and self.affine:
            raise ShapeError(
                f"{type(self).__name__}: expects {self.num_features} channels: {list(input.shape)}"
            )
        y = F.instance_norm(
            x,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )
        return y if x is input else y.squeeze(0)


class InstanceNorm1d(InstanceNorm):
    """Instance normalisation of (B, C, L) or (C, L); see InstanceNorm."""

    dims = (2, 3)


class InstanceNorm2d(InstanceNorm):
    """Instance normalisation of (B, C, H, W) or (C, H, W); see InstanceNorm."""

    dims = (3, 4)


class InstanceNorm3d(InstanceNorm):
    """Instance normalisation of (B, C, D, H, W) or (C, D, H, W); see InstanceNorm."""

    dims = (4, 5)


class LayerNorm(Module):
    """y = (x - mean) / √(var + ε) w + b, over the last dims, whose sizes are given.

    Source: Ba et al. 2016, Layer normalization.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        made = {"device": device, "dtype": dtype}
        bias = elementwise_affine and bias
        register_affine(self, self.normalized_shape, elementwise_affine, bias, **made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0."""
        start(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, {listed(self, 'eps', 'elementwise_affine')}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """y = x / √(mean(x²) + ε) w, over the last dims, whose sizes are given.

    Without an `eps` it is that of the input's dtype.
    Source: Zhang & Sennrich 2019, Root mean square layer normalization.
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.normalized_shape = as_shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        made = {"device": device, "dtype": dtype}
        weight = Parameter(empty(*self.normalized_shape, **made)) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1."""
        start(self.weight, None)

    def forward(self, input: Tensor) -> Tensor:
        return F.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, {listed(self, 'eps', 'elementwise_affine')}"


class GroupNorm(Module):
    """y = (x - mean) / √(var + ε) w + b, over each of `num_groups` groups of channels.

    Source: Wu & He 2018, Group normalization.
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ):
        super().__init__()
        if num_groups <= 0 or num_channels % num_groups:
            raise ShapeError(
                f"GroupNorm: channels must divide into groups: {num_channels}, {num_groups}"
            )
        self.num_groups, self.num_channels = num_groups, num_channels
        self.eps, self.affine = eps, affine
        made = {"device": device, "dtype": dtype}
        register_affine(self, (num_channels,), affine, affine and bias, **made)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Weight 1 and bias 0."""
        start(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, {listed(self, 'eps', 'affine')}, "
            f"bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """y = x / (k + α / n Σ x²)^β, the sum over n neighbouring channels."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0):
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, input: Tensor) -> Tensor:
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, {listed(self, 'alpha', 'beta', 'k')}"


def as_shape(given: Any) -> tuple[int, ...]:
    return (given,) if isinstance(given, int) else tuple(given)


def register_affine(
    module: Module, shape: tuple[int, ...], weight: bool, bias: bool, **made: Any
) -> None:
    """Register a weight and a bias, None where they are not wanted."""
    for name, wanted in (("weight", weight), ("bias", bias)):
        module.register_parameter(name, Parameter(empty(*shape, **made)) if wanted else None)


def start(weight: Tensor | None, bias: Tensor | None) -> None:
    """Weight 1 and bias 0, of those that there are."""
    if weight is not None:
        init.ones_(weight)
    if bias is not None:
        init.zeros_(bias)
