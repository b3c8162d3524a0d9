"""Pooling: the largest element, the mean or a norm of each window of an image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor.tensor import Tensor
from . import functional as F
from .module import Module, listed


class MaxPool(Module):
    """The largest element of each window; with `return_indices`, also where it was."""

    function: Callable

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ):
        super().__init__()
        self.kernel_size, self.padding, self.dilation = kernel_size, padding, dilation
        self.stride = kernel_size if stride is None else stride
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        return self.function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )

    def extra_repr(self) -> str:
        return listed(self, "kernel_size", "stride", "padding", "dilation", "ceil_mode")


class MaxPool1d(MaxPool):
    """Max pooling of (B, C, L)."""

    function = staticmethod(F.max_pool1d)


class MaxPool2d(MaxPool):
    """Max pooling of (B, C, H, W)."""

    function = staticmethod(F.max_pool2d)


class MaxPool3d(MaxPool):
    """Max pooling of (B, C, D, H, W)."""

    function = staticmethod(F.max_pool3d)


class AvgPool1d(Module):
    """The mean of each window of (B, C, L)."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ):
        super().__init__()
        one = [n[0] if isinstance(n, (tuple, list)) else n for n in (kernel_size, stride, padding)]
        self.kernel_size, self.padding = (one[0],), (one[2],)
        self.stride = self.kernel_size if one[1] is None else (one[1],)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        return listed(self, "kernel_size", "stride", "padding")


class AvgPool(Module):
    """The mean of each window. `divisor_override` takes the place of the window's size."""

    function: Callable

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ):
        super().__init__()
        self.kernel_size, self.padding = kernel_size, padding
        self.stride = kernel_size if stride is None else stride
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        return self.function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return listed(self, "kernel_size", "stride", "padding")


class AvgPool2d(AvgPool):
    """Average pooling of (B, C, H, W)."""

    function = staticmethod(F.avg_pool2d)


class AvgPool3d(AvgPool):
    """Average pooling of (B, C, D, H, W)."""

    function = staticmethod(F.avg_pool3d)


class LPPool(Module):
    """(Σ xᵖ)^(1/p) over each window."""

    function: Callable

    def __init__(
        self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
    ):
        super().__init__()
        self.norm_type, self.kernel_size = norm_type, kernel_size
        self.stride, self.ceil_mode = stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        return self.function(
            input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return listed(self, "norm_type", "kernel_size", "stride", "ceil_mode")


class LPPool1d(LPPool):
    """Power-average pooling of (B, C, L)."""

    function = staticmethod(F.lp_pool1d)


class LPPool2d(LPPool):
    """Power-average pooling of (B, C, H, W)."""

    function = staticmethod(F.lp_pool2d)


class LPPool3d(LPPool):
    """Power-average pooling of (B, C, D, H, W)."""

    function = staticmethod(F.lp_pool3d)


class AdaptiveAvgPool(Module):
    """The means of windows chosen so that the output has `output_size`."""

    function: Callable

    def __init__(self, output_size: Any):
        super().__init__()
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        return self.function(input, self.output_size)

    def extra_repr(self) -> str:
        return listed(self, "output_size")


class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """Adaptive average pooling of (B, C, L)."""

    function = staticmethod(F.adaptive_avg_pool1d)


class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """Adaptive average pooling of (B, C, H, W)."""

    function = staticmethod(F.adaptive_avg_pool2d)


class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """Adaptive average pooling of (B, C, D, H, W)."""

    function = staticmethod(F.adaptive_avg_pool3d)


class AdaptiveMaxPool(Module):
    """The largest elements of windows chosen so that the output has `output_size`."""

    function: Callable

    def __init__(self, output_size: Any, return_indices: bool = False):
        super().__init__()
        self.output_size, self.return_indices = output_size, return_indices

    def forward(self, input: Tensor) -> Any:
        return self.function(input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return listed(self, "output_size")


class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """Adaptive max pooling of (B, C, L)."""

    function = staticmethod(F.adaptive_max_pool1d)


class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """Adaptive max pooling of (B, C, H, W)."""

    function = staticmethod(F.adaptive_max_pool2d)


class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """Adaptive max pooling of (B, C, D, H, W)."""

    function = staticmethod(F.adaptive_max_pool3d)


class MaxUnpool(Module):
    """The inverse of max pooling: each element back where it was, zeros elsewhere."""

    function: Callable
    spatial: int

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0):
        super().__init__()
        self.kernel_size = each_dim(kernel_size, self.spatial)
        self.stride = self.kernel_size if stride is None else each_dim(stride, self.spatial)
        self.padding = each_dim(padding, self.spatial)

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        return self.function(
            input, indices, self.kernel_size, self.stride, self.padding, output_size
        )

    def extra_repr(self) -> str:
        return listed(self, "kernel_size", "stride", "padding")


class MaxUnpool1d(MaxUnpool):
    """Max unpooling of (B, C, L)."""

    spatial, function = 1, staticmethod(F.max_unpool1d)


class MaxUnpool2d(MaxUnpool):
    """Max unpooling of (B, C, H, W)."""

    spatial, function = 2, staticmethod(F.max_unpool2d)


class MaxUnpool3d(MaxUnpool):
    """Max unpooling of (B, C, D, H, W)."""

    spatial, function = 3, staticmethod(F.max_unpool3d)


def each_dim(given: Any, spatial: int) -> tuple[int, ...]:
    return (given,) * spatial if isinstance(given, int) else tuple(given)
