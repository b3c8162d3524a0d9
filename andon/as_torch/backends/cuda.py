"""`torch.backends.cuda`: not there."""

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

matmul = SimpleNamespace(
    allow_tf32=False,
    allow_fp16_reduced_precision_reduction=False,
    allow_bf16_reduced_precision_reduction=False,
)


def is_built() -> bool:
    return False


def choose(enabled: bool) -> None:
    """andon has one implementation of attention."""


enable_flash_sdp = enable_math_sdp = enable_mem_efficient_sdp = enable_cudnn_sdp = choose


def flash_sdp_enabled() -> bool:
    return False


def sdp_kernel(*args: Any, **kwargs: Any) -> Any:
    """A block in which attention is computed as always."""
    return nullcontext()
