"""Activations: the nonlinear functions between the layers of a network.

At a kink the gradients are PyTorch's. SiLU and GELU have a module of their own, `gated`.
"""

from __future__ import annotations

import numpy as np

from ..core.dtype import dtype as as_dtype
from ..core.errors import ArgumentError, DTypeError, ShapeError
from ..core.op import elementwise, to_floating
from ..core.spec import normal_dim
from .elementwise import rounded_once, sigmoid, tanh
from .extremes import abs
from .join import chunk
from .logic import ge, gt, le, logical_or, refuses, where
from .movement import reshape

# Piecewise linear


@refuses("bool", "not defined for booleans")
@elementwise(c="({0} < 0 ? 0 : {0})", grad=lambda g, y: where(le(y, 0), 0.0, g))
def relu(x):
    """max(x, 0). Its gradient at 0 is 0. Not defined for booleans."""
    if x.dtype == np.bool_:
        raise DTypeError("relu: not defined for booleans")
    return np.maximum(x, 0)


@elementwise(
    c="({0} > 0 ? {0} : {0} * {negative_slope})",
    grad=lambda g, x, negative_slope: where(gt(x, 0), g, g * negative_slope),
)
@rounded_once
def leaky_relu(x, *, negative_slope):
    """x where x > 0, else negative_slope · x."""
    return np.where(x > 0, x, x * negative_slope)


@leaky_relu.signature
def leaky_relu_call(x, negative_slope=0.01):
    return leaky_relu.apply(x, negative_slope=negative_slope)


@elementwise(
    c="({0} > 0 ? {0} : {0} * {1})",
    grad=(
        lambda g, x, weight: where(gt(x, 0), g, g * weight),
        lambda g, x: where(gt(x, 0), 0.0, g * x),
    ),
)
def prelu(x, weight):
    """x where x > 0, else weight · x, with a weight for all or one per channel, dim 1.

    Shapes: x (B, C, ...), weight (C) or (1).
    """
    return np.where(x > 0, x, x * weight)


@prelu.signature
def prelu_call(x, weight):
    channels = tuple(x.shape)[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ShapeError(
            f"prelu: expects one weight, or {channels}, one per channel: {list(weight.shape)}"
        )
    ones = (1,) * (x.ndim - 2)
    return prelu.apply(x, reshape.apply(weight, shape=(weight.numel(), *ones)))


@elementwise(
    c="({0} < {min_val} ? {min_val} : {0} > {max_val} ? {max_val} : {0})",
    grad=lambda g, x, min_val, max_val: where(logical_or(le(x, min_val), ge(x, max_val)), 0.0, g),
)
@rounded_once
def hardtanh(x, *, min_val, max_val):
    """x limited to [min_val, max_val]; at the limits, unlike `clamp`, the gradient is 0."""
    return np.minimum(np.maximum(x, min_val), max_val)


@hardtanh.signature
def hardtanh_call(x, min_val=-1.0, max_val=1.0):
    if not as_dtype(x.dtype).is_floating_point:
        min_val, max_val = int(min_val), int(max_val)
    return hardtanh.apply(x, min_val=min_val, max_val=max_val)


def relu6(x):
    """min(max(x, 0), 6)."""
    return hardtanh(x, 0.0, 6.0)


def hardsigmoid(x):
    """min(max(x + 3, 0), 6) / 6."""
    return relu6(x + 3) / 6


def hardswish(x):
    """x min(max(x + 3, 0), 6) / 6."""
    return x * relu6(x + 3) / 6


@elementwise(
    c="({0} <= {threshold} ? {value} : {0})",
    grad=lambda g, x, threshold: where(le(x, threshold), 0.0, g),
)
@rounded_once
def threshold(x, *, threshold, value):
    """x where x > threshold, else value."""
    return np.where(x <= threshold, value, x).astype(x.dtype)


@threshold.signature
def threshold_call(x, threshold_, value):
    return threshold.apply(x, threshold=threshold_, value=value)


@elementwise(
    c="({0} >= -{lambd} && {0} <= {lambd} ? 0 : {0})",
    grad=lambda g, x, lambd: where(le(abs(x), lambd), 0.0, g),
)
@rounded_once
def hardshrink(x, *, lambd):
    """0 where |x| ≤ lambd, else x."""
    return np.where(np.abs(x) <= lambd, 0, x)


@hardshrink.signature
def hardshrink_call(x, lambd=0.5):
    return hardshrink.apply(x, lambd=lambd)


@elementwise(
    c="({0} > {lambd} ? {0} - {lambd} : {0} < -{lambd} ? {0} + {lambd} : {0} * 0)",
    grad=lambda g, x, lambd: where(le(abs(x), lambd), 0.0, g),
)
@rounded_once
def softshrink(x, *, lambd):
    """x moved toward 0 by lambd."""
    return x - np.minimum(np.maximum(x, -lambd), lambd)


@softshrink.signature
def softshrink_call(x, lambd=0.5):
    return softshrink.apply(x, lambd=lambd)


# With exponentials


@elementwise(
    grad=lambda g, y, x, alpha, scale, input_scale: where(
        le(x, 0), g * input_scale * (y + alpha * scale), g * scale
    ),
    c="({0} > 0 ? {scale} * {0} : {alpha} * {scale} * expm1({0} * {input_scale}))",
    promote=to_floating,
)
@rounded_once
def elu(x, *, alpha, scale, input_scale):
    """scale · x where x > 0, else scale · alpha (exp(input_scale · x) - 1).

    Source: Clevert, Unterthiner, Hochreiter, Fast and Accurate Deep Network Learning by
    Exponential Linear Units (2015).
    """
    below = alpha * scale * np.expm1(np.minimum(x, 0) * input_scale)
    return np.where(x > 0, scale * x, below)


@elu.signature
def elu_call(x, alpha=1.0, scale=1.0, input_scale=1.0):
    return elu.apply(x, alpha=alpha, scale=scale, input_scale=input_scale)


def celu(x, alpha=1.0):
    """x where x > 0, else alpha (exp(x / alpha) - 1): an `elu` that is smooth for any alpha."""
    if alpha == 0:
        raise ArgumentError(f"celu: alpha must not be 0: {alpha}")
    return elu(x, alpha, 1.0, 1.0 / alpha)


def selu(x):
    """The `elu` whose outputs keep mean 0 and variance 1 from layer to layer.

    Source: Klambauer et al., Self-Normalizing Neural Networks (2017).
    """
    return elu(x, 1.6732632423543772, 1.0507009873554805)


@elementwise(
    c="({0} * {beta} > {threshold} ? {0} : log1p(exp({0} * {beta})) / {beta})",
    grad=lambda g, x, beta, threshold: where(
        gt(x * beta, threshold), g, g * sigmoid.apply(x * beta)
    ),
    promote=to_floating,
)
@rounded_once
def softplus(x, *, beta, threshold):
    """log(1 + exp(beta · x)) / beta, and x itself where beta · x > threshold."""
    z = np.multiply(x, beta)
    y = np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))
    return np.where(z > threshold, x, y / beta)


@softplus.signature
def softplus_call(x, beta=1.0, threshold=20.0):
    return softplus.apply(x, beta=beta, threshold=threshold)


@elementwise(
    c="(fmin({0}, 0) - log1p(exp(-fabs({0}))))",
    grad=lambda g, x: g * sigmoid.apply(-x),
    promote=to_floating,
)
@rounded_once
def logsigmoid(x):
    """log σ(x) = min(x, 0) - log(1 + exp(-|x|))."""
    return np.minimum(x, 0) - np.log1p(np.exp(-np.abs(x)))


def mish(x):
    """x tanh(log(1 + eˣ)).

    Source: Misra, Mish: A Self Regularized Non-Monotonic Activation Function (2019).
    """
    return x * tanh(softplus(x))


def softsign(x):
    """x / (1 + |x|)."""
    return x / (abs(x) + 1)


def tanhshrink(x):
    """x - tanh x."""
    return x - tanh(x)


def glu(x, dim=-1):
    """a σ(b), where a and b are the halves of x along `dim`.

    Source: Dauphin et al., Language Modeling with Gated Convolutional Networks (2016).
    """
    size = tuple(x.shape)[normal_dim(dim, x.ndim, "glu")] if x.ndim else 1
    if size % 2:
        raise ShapeError(f"glu: an even size expected at dim {dim}: {list(x.shape)}")
    a, b = chunk(x, 2, dim)
    return a * sigmoid(b)
