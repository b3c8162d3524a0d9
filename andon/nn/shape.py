"""Modules that only rearrange, repeat or pad, and the distances between rows."""

from __future__ import annotations

from typing import Any

from ..core.errors import ShapeError
from ..tensor.tensor import Tensor
from . import functional as F
from .module import Module, listed


class Identity(Module):
    """y = x. Takes any arguments, and ignores them."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__()

    def forward(self, input: Any) -> Any:
        return input


class Flatten(Module):
    """The dims from `start_dim` to `end_dim` merged into one: (B, C, H, W) -> (B, C·H·W)."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1):
        super().__init__()
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, input: Tensor) -> Tensor:
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return listed(self, "start_dim", "end_dim")


class Unflatten(Module):
    """The dim `dim` split into dims of the given sizes."""

    def __init__(self, dim: int, unflattened_size: Any):
        super().__init__()
        if not isinstance(unflattened_size, (tuple, list)):
            raise ShapeError(f"Unflatten: expects a tuple of sizes: {unflattened_size!r}")
        self.dim, self.unflattened_size = dim, unflattened_size

    def forward(self, input: Tensor) -> Tensor:
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self) -> str:
        return listed(self, "dim", "unflattened_size")


class Upsample(Module):
    """An image enlarged to `size`, or by `scale_factor`."""

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ):
        super().__init__()
        if isinstance(scale_factor, tuple):
            scale_factor = tuple(map(float, scale_factor))
        elif scale_factor is not None:
            scale_factor = float(scale_factor)
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        given = "size" if self.scale_factor is None else "scale_factor"
        return f"{listed(self, given)}, mode={self.mode!r}"


class UpsamplingNearest2d(Upsample):
    """Upsample with the nearest pixel."""

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample by linear interpolation between aligned corners."""

    def __init__(self, size: Any = None, scale_factor: Any = None):
        super().__init__(size, scale_factor, "bilinear", align_corners=True)


class PixelShuffle(Module):
    """(..., C r², H, W) -> (..., C, H r, W r): channels become pixels."""

    def __init__(self, upscale_factor: int):
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return listed(self, "upscale_factor")


class PixelUnshuffle(Module):
    """(..., C, H r, W r) -> (..., C r², H, W): pixels become channels."""

    def __init__(self, downscale_factor: int):
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: Tensor) -> Tensor:
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return listed(self, "downscale_factor")


class ChannelShuffle(Module):
    """The channels (g, C/g) transposed, as ShuffleNet does between grouped convolutions."""

    def __init__(self, groups: int):
        super().__init__()
        self.groups = groups

    def forward(self, input: Tensor) -> Tensor:
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return listed(self, "groups")


class Unfold(Module):
    """(B, C, H, W) -> (B, C · kernel, L): every window of an image as a column."""

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1):
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return listed(self, "kernel_size", "dilation", "padding", "stride")


class Fold(Module):
    """(B, C · kernel, L) -> (B, C, H, W): columns added back as windows of an image."""

    def __init__(
        self,
        output_size: Any,
        kernel_size: Any,
        dilation: Any = 1,
        padding: Any = 0,
        stride: Any = 1,
    ):
        super().__init__()
        self.output_size, self.kernel_size = output_size, kernel_size
        self.dilation, self.padding, self.stride = dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        return F.fold(
            input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride
        )

    def extra_repr(self) -> str:
        return listed(self, "output_size", "kernel_size", "dilation", "padding", "stride")


class Padding(Module):
    """What all paddings share: how many elements before and after each dim, the last first."""

    spatial: int
    mode: str

    def __init__(self, padding: Any):
        super().__init__()
        given = (padding,) * (2 * self.spatial) if isinstance(padding, int) else tuple(padding)
        if len(given) != 2 * self.spatial:
            raise ShapeError(
                f"{type(self).__name__}: expects one number or {2 * self.spatial}: {padding}"
            )
        self.padding = given

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, mode=self.mode)

    def extra_repr(self) -> str:
        return str(self.padding)


class ConstantPad(Padding):
    """Pads with a number."""

    def __init__(self, padding: Any, value: float):
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, mode="constant", value=self.value)

    def extra_repr(self) -> str:
        return listed(self, "padding", "value")


class ZeroPad(ConstantPad):
    """Pads with zeros."""

    def __init__(self, padding: Any):
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return str(self.padding)


class ReflectionPad(Padding):
    """Pads with the elements inside the border, mirrored."""

    mode = "reflect"


class ReplicationPad(Padding):
    """Pads with the element at the border."""

    mode = "replicate"


class CircularPad(Padding):
    """Pads with the elements of the opposite border."""

    mode = "circular"


class ConstantPad1d(ConstantPad):
    """Pads the last dim with a number."""

    spatial = 1


class ConstantPad2d(ConstantPad):
    """Pads the last two dims with a number."""

    spatial = 2


class ConstantPad3d(ConstantPad):
    """Pads the last three dims with a number."""

    spatial = 3


class ZeroPad1d(ZeroPad):
    """Pads the last dim with zeros."""

    spatial = 1


class ZeroPad2d(ZeroPad):
    """Pads the last two dims with zeros."""

    spatial = 2


class ZeroPad3d(ZeroPad):
    """Pads the last three dims with zeros."""

    spatial = 3


class ReflectionPad1d(ReflectionPad):
    """Mirrors the last dim at its borders."""

    spatial = 1


class ReflectionPad2d(ReflectionPad):
    """Mirrors the last two dims at their borders."""

    spatial = 2


class ReflectionPad3d(ReflectionPad):
    """Mirrors the last three dims at their borders."""

    spatial = 3


class ReplicationPad1d(ReplicationPad):
    """Repeats the border of the last dim."""

    spatial = 1


class ReplicationPad2d(ReplicationPad):
    """Repeats the borders of the last two dims."""

    spatial = 2


class ReplicationPad3d(ReplicationPad):
    """Repeats the borders of the last three dims."""

    spatial = 3


class CircularPad1d(CircularPad):
    """Continues the last dim from its other end."""

    spatial = 1


class CircularPad2d(CircularPad):
    """Continues the last two dims from their other ends."""

    spatial = 2


class CircularPad3d(CircularPad):
    """Continues the last three dims from their other ends."""

    spatial = 3


class CosineSimilarity(Module):
    """x₁·x₂ / max(‖x₁‖ ‖x₂‖, ε) along `dim`."""

    def __init__(self, dim: int = 1, eps: float = 1e-8):
        super().__init__()
        self.dim, self.eps = dim, eps

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """‖x₁ - x₂ + ε‖ₚ along the last dim."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False):
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)
