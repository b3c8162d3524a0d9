"""Layers and losses as plain functions, by the names of torch.nn.functional.

What is imported here is described where it is defined. The activations below can also write
their result into their input.
"""

# ruff: noqa: F401 (this module is a list of names)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..core.op import guard as _guard
from ..ops import activation, gated
from ..ops.activation import (
    glu,
    hardshrink,
    logsigmoid,
    prelu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
)
from ..ops.attention import scaled_dot_product_attention
from ..ops.avg_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
)
from ..ops.batch_norm import batch_norm, group_norm, instance_norm, local_response_norm
from ..ops.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from ..ops.cross_entropy import cross_entropy, nll_loss
from ..ops.ctc import ctc_loss
from ..ops.distance import cosine_similarity, normalize, pairwise_distance, pdist
from ..ops.elementwise import sigmoid, tanh
from ..ops.embedding import embedding, embedding_bag, one_hot
from ..ops.gated import gelu
from ..ops.grid_sample import affine_grid, grid_sample
from ..ops.interpolate import (
    channel_shuffle,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
)
from ..ops.linear import bilinear, linear
from ..ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    huber_loss,
    kl_div,
    l1_loss,
    margin_ranking_loss,
    mse_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    poisson_nll_loss,
    smooth_l1_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from ..ops.max_pool import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)
from ..ops.norm import layer_norm, rms_norm
from ..ops.padding import pad
from ..ops.random import (
    alpha_dropout,
    dropout,
    dropout1d,
    dropout2d,
    dropout3d,
    feature_alpha_dropout,
    rrelu,
)
from ..ops.softmax import gumbel_softmax, log_softmax, softmax, softmin
from ..ops.windows import col2im as fold
from ..ops.windows import im2col as unfold
from ..tensor.inplace import before
from ..tensor.tensor import Tensor

# Activations that can write their result into their input


def applied(op: Callable, input: Tensor, inplace: bool, *settings: Any) -> Tensor:
    """op(input), or the input that has become it."""
    if not inplace:
        return op(input, *settings)
    reads_input = 1 in getattr(op, "keeps", (1,))
    return input.become(op(before(input) if reads_input else input, *settings))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0)."""
    return applied(activation.relu, input, inplace)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6)."""
    return applied(activation.relu6, input, inplace)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope · x."""
    return applied(activation.leaky_relu, input, inplace, negative_slope)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else α (eˣ - 1)."""
    return applied(activation.elu, input, inplace, alpha)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else α (exp(x / α) - 1)."""
    return applied(activation.celu, input, inplace, alpha)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """λ x where x > 0, else λ α (eˣ - 1), with the λ and α that keep mean 0 and variance 1."""
    return applied(activation.selu, input, inplace)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x σ(x)."""
    return applied(gated.silu, input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x tanh(log(1 + eˣ))."""
    return applied(activation.mish, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x min(max(x + 3, 0), 6) / 6."""
    return applied(activation.hardswish, input, inplace)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x + 3, 0), 6) / 6."""
    return applied(activation.hardsigmoid, input, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """x held between min_val and max_val."""
    return applied(activation.hardtanh, input, inplace, min_val, max_val)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, else value."""
    return applied(activation.threshold, input, inplace, threshold, value)


_guard(globals())
