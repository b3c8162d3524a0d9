"""Small sets of labelled images as TensorDatasets, ready for a convolutional network.

Each fetches its files the first time (see `andon.packages`); `andon.data.datasets` has the
same images as NumPy arrays of bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import from_numpy
from .dataset import TensorDataset


def mnist_5k() -> TensorDataset:
    """5,000 images of MNIST: float32 (1, 28, 28) in 0 … 1 with its digit, an int64."""
    from . import datasets

    return labelled_images(*datasets.mnist_5k(), most=255)


def fashion_mnist(train: bool = True) -> TensorDataset:
    """Fashion-MNIST, 60,000 images, or 10,000 for tests: float32 (1, 28, 28) and int64 labels."""
    from . import datasets

    return labelled_images(*datasets.fashion_mnist(train), most=255)


def digits() -> TensorDataset:
    """1,797 handwritten digits: float32 (1, 8, 8) in 0 … 1 with its digit, an int64."""
    from . import datasets

    return labelled_images(*datasets.digits(), most=16)


def labelled_images(images: np.ndarray, labels: Any, most: int) -> TensorDataset:
    """Images (N, H, W) with values up to `most` as float32 (N, 1, H, W), and their labels."""
    scaled = images[:, None].astype(np.float32)  # (N, 1, H, W)
    scaled /= most
    return TensorDataset(from_numpy(scaled), from_numpy(labels))
