"""`torch.backends`: switches for libraries that andon does not use; setting them does nothing."""

from . import cuda, cudnn, mps

__all__ = ["cuda", "cudnn", "mps"]
