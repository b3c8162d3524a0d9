"""The affine maps of layers: x Wᵀ + b, and the bilinear form."""

from __future__ import annotations

from ..core.errors import DTypeError, ShapeError
from ..core.op import op
from ..core.spec import Spec
from .einsum import einsum
from .linalg import matmul, merge_rows
from .movement import reshape, swap_last
from .reduce import sum


@op
def linear(x, weight, bias):
    """y = x Wᵀ + b. The bias is added in place: one pass over y less than `matmul` and `add`.

    Shapes: x (..., K), weight (N, K), bias (N,) or None -> (..., N).
    """
    y = matmul.reference(x, weight.T)
    if bias is not None:
        if bias.dtype != y.dtype or bias.shape[-1:] not in ((), y.shape[-1:]):
            raise DTypeError(f"linear: the bias does not fit: {bias.dtype}{list(bias.shape)}")
        y += bias
    return y


@linear.signature
def linear_call(input, weight, bias=None):
    if weight.ndim == 1:
        y = matmul.apply(input, weight)
        return y if bias is None else y + bias
    return linear.apply(input, weight, bias)


@linear.spec
def linear_spec(x, weight, bias):
    if weight.ndim != 2 or x.ndim == 0 or x.shape[-1] != weight.shape[1]:
        raise ShapeError(f"linear: weight (N, K) and input (..., K) expected: {weight} and {x}")
    if x.dtype is not weight.dtype or (bias is not None and bias.dtype is not x.dtype):
        raise DTypeError(f"linear: operands of one dtype expected: {x}, {weight} and {bias}")
    if bias is not None and bias.shape not in ((), weight.shape[:1]):
        raise ShapeError(f"linear: bias (N,) expected: {bias} for weight {weight}")
    return Spec((*x.shape[:-1], weight.shape[0]), x.dtype)


@linear.grad(keeps=("x", "weight"))
def linear_grad(g, y, x, weight, bias, needs):
    rows = merge_rows(g) if g.ndim != 2 else g  # (M, N); a vector is one row
    gx = reshape.apply(matmul.apply(rows, weight), shape=tuple(x.shape)) if needs[0] else None
    gw = matmul.apply(swap_last(rows), merge_rows(x)) if needs[1] else None
    gb = sum.apply(rows, dim=(0,), keepdim=False) if needs[2] else None
    return gx, gw, gb


def bilinear(input1, input2, weight, bias=None):
    """y_n = x₁ᵀ W_n x₂ + b_n.

    Shapes: input1 (..., I), input2 (..., J), weight (N, I, J), bias (N,) -> (..., N).
    """
    y = einsum("...i,nij,...j->...n", input1, weight, input2)
    return y if bias is None else y + bias
