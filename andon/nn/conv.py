"""Convolutions over 1, 2 and 3 dims, and their transposes."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import repeat
from typing import Any

from ..core.errors import ArgumentError, ShapeError
from ..tensor.creation import empty
from ..tensor.tensor import Tensor
from . import functional as F
from . import init
from .linear import reset_bias
from .module import Module, unusual
from .parameter import Parameter

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class Convolution(Module):
    """What all convolutions share: their sizes, their weight and bias, and how they print."""

    spatial: int  # how many dims the kernel has
    transposed = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        output_padding: Any = 0,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = sizes(kernel_size, self.spatial)
        self.stride, self.dilation = sizes(stride, self.spatial), sizes(dilation, self.spatial)
        self.padding: Any = padding if isinstance(padding, str) else sizes(padding, self.spatial)
        self.output_padding = sizes(output_padding, self.spatial)
        self.padding_mode = padding_mode
        self.check()
        first, second = out_channels, in_channels // groups
        if self.transposed:
            first, second = in_channels, out_channels // groups
        made = {"device": device, "dtype": dtype}
        self.weight = Parameter(empty(first, second, *self.kernel_size, **made))
        self.register_parameter("bias", Parameter(empty(out_channels, **made)) if bias else None)
        self.reset_parameters()

    def check(self) -> None:
        name = type(self).__name__
        if self.groups <= 0 or self.in_channels % self.groups or self.out_channels % self.groups:
            raise ShapeError(
                f"{name}: channels must divide into groups: {self.in_channels} in, "
                f"{self.out_channels} out, {self.groups} groups"
            )
        if isinstance(self.padding, str) and self.padding not in ("same", "valid"):
            raise ArgumentError(
                f"{name}: padding must be 'same', 'valid' or sizes: {self.padding!r}"
            )
        if self.padding == "same" and any(s != 1 for s in self.stride):
            raise ArgumentError(f"{name}: padding 'same' needs stride 1: {self.stride}")
        if self.padding_mode not in PADDING_MODES:
            raise ArgumentError(
                f"{name}: padding_mode not in {PADDING_MODES}: {self.padding_mode!r}"
            )

    def reset_parameters(self) -> None:
        """Draw weight and bias from U(-1/√fan_in, 1/√fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.weight.numel():
            reset_bias(self.bias, init.fans(self.weight)[0])

    def around(self) -> list[int]:
        """The padding as `F.pad` takes it: before and after, the last dim first."""
        if self.padding == "valid":
            return [0] * (2 * self.spatial)
        if self.padding != "same":
            return [n for n in reversed(self.padding) for _ in range(2)]
        total = [d * (k - 1) for k, d in zip(self.kernel_size, self.dilation, strict=True)]
        return [n for t in reversed(total) for n in (t // 2, t - t // 2)]

    def extra_repr(self) -> str:
        said = [f"{self.in_channels}, {self.out_channels}", f"kernel_size={self.kernel_size}"]
        said.append(f"stride={self.stride}")
        usual = {
            "padding": sizes(0, self.spatial), "dilation": sizes(1, self.spatial),
            "output_padding": sizes(0, self.spatial), "groups": 1,
        }  # fmt: skip
        said += unusual(self, **usual)
        if self.bias is None:
            said.append("bias=False")
        if self.padding_mode != "zeros":
            said.append(f"padding_mode={self.padding_mode}")
        return ", ".join(said)


class ForwardConvolution(Convolution):
    """y[o] = b[o] + Σᵢ W[o, i] ⋆ x[i], with ⋆ the cross-correlation.

    Shapes: x (B, in, *sizes) or (in, *sizes), with
    L_out = ⌊(L + 2 padding - dilation (kernel - 1) - 1) / stride⌋ + 1 per dim.
    """

    function: Callable

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device=device, dtype=dtype,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self.around(), mode=self.padding_mode), 0
        return self.function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


class Conv1d(ForwardConvolution):
    """A convolution over one dim; see ForwardConvolution."""

    spatial, function = 1, staticmethod(F.conv1d)


class Conv2d(ForwardConvolution):
    """A convolution over two dims; see ForwardConvolution."""

    spatial, function = 2, staticmethod(F.conv2d)


class Conv3d(ForwardConvolution):
    """A convolution over three dims; see ForwardConvolution."""

    spatial, function = 3, staticmethod(F.conv3d)


class TransposedConvolution(Convolution):
    """The adjoint of a convolution: each input element adds a scaled kernel to the output.

    Shapes: L_out = (L - 1) stride - 2 padding + dilation (kernel - 1) + output_padding + 1.
    """

    transposed = True
    function: Callable

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ):
        if padding_mode != "zeros":
            raise ArgumentError(
                f"{type(self).__name__}: only padding_mode 'zeros' is defined: {padding_mode!r}"
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, output_padding, device, dtype,
        )  # fmt: skip

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return self.function(
            input, self.weight, self.bias, self.stride, self.padding,
            self.extra(input, output_size), self.groups, self.dilation,
        )  # fmt: skip

    def extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that leads to `output_size`."""
        if output_size is None:
            return self.output_padding
        wanted = tuple(output_size)[-self.spatial :]
        least = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1
            for n, s, p, d, k in zip(
                input.shape[-self.spatial :], self.stride, self.padding, self.dilation,
                self.kernel_size, strict=True,
            )
        ]  # fmt: skip
        if len(wanted) != self.spatial or any(
            not a <= w < a + s for w, a, s in zip(wanted, least, self.stride, strict=True)
        ):
            raise ShapeError(
                f"{type(self).__name__}: output_size must be in {least} or up to stride - 1 more: "
                f"{list(output_size)}"
            )
        return tuple(w - a for w, a in zip(wanted, least, strict=True))


class ConvTranspose1d(TransposedConvolution):
    """A transposed convolution over one dim; see TransposedConvolution."""

    spatial, function = 1, staticmethod(F.conv_transpose1d)


class ConvTranspose2d(TransposedConvolution):
    """A transposed convolution over two dims; see TransposedConvolution."""

    spatial, function = 2, staticmethod(F.conv_transpose2d)


class ConvTranspose3d(TransposedConvolution):
    """A transposed convolution over three dims; see TransposedConvolution."""

    spatial, function = 3, staticmethod(F.conv_transpose3d)


def sizes(given: Any, spatial: int) -> tuple[int, ...]:
    """One number for each spatial dim, from one number or several."""
    found = tuple(given) if isinstance(given, (tuple, list)) else tuple(repeat(given, spatial))
    if len(found) != spatial:
        raise ShapeError(f"conv: expects one number or {spatial}: {given}")
    return found
