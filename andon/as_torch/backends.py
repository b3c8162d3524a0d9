"""`torch.backends`: switches for libraries that andon does not use."""

from __future__ import annotations

from types import SimpleNamespace


def is_available() -> bool:
    return False


enabled = benchmark = False
deterministic = True
allow_tf32 = False
cuda = SimpleNamespace(
    matmul=SimpleNamespace(allow_tf32=False),
    is_built=is_available,
    enable_flash_sdp=lambda enabled: None,
)
cudnn = SimpleNamespace(
    enabled=False, benchmark=False, deterministic=True, allow_tf32=False, is_available=is_available
)
mps = SimpleNamespace(is_available=is_available, is_built=is_available)
