"""Multi-head attention as a layer, and the choice of how attention is computed."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.dtype import bool_
from ..core.errors import DTypeError, ShapeError
from ..ops.join import cat
from ..tensor.creation import empty, ones, zeros
from ..tensor.tensor import Tensor
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter


class OutputProjection(Linear):
    """The projection of the heads; it prints under the name that PyTorch has for it."""

    def _get_name(self) -> str:
        return "NonDynamicallyQuantizableLinear"


class MultiheadAttention(Module):
    """y = W_o concat_h softmax(q_h k_hᵀ / √D + mask) v_h, with q, k, v projected per head h.

    Shapes: query (T, B, C), key (S, B, kdim), value (S, B, vdim), or the batch first under
    `batch_first`, or without a batch -> (output as the query, weights (B, T, S) or None).
    Masks are True, or -inf, where attention is forbidden: `attn_mask` (T, S) or (B·H, T, S),
    `key_padding_mask` (B, S).
    Source: Vaswani et al. 2017, Attention is all you need, section 3.2.2.
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        if embed_dim <= 0 or num_heads <= 0 or embed_dim % num_heads:
            raise ShapeError(
                f"MultiheadAttention: embed_dim must divide into heads: {embed_dim}, {num_heads}"
            )
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        made = {"device": device, "dtype": dtype}
        self.make_projections(bias, add_bias_kv, made)
        self.out_proj = OutputProjection(embed_dim, embed_dim, bias, **made)
        self._reset_parameters()

    def make_projections(self, bias: bool, bias_kv: bool, made: dict) -> None:
        """One weight for q, k, v together where they have one width, else one for each."""
        C = self.embed_dim
        self._qkv_same_embed_dim = self.kdim == self.vdim == C
        separate = {"q_proj_weight": C, "k_proj_weight": self.kdim, "v_proj_weight": self.vdim}
        for name, width in separate.items():
            p = None if self._qkv_same_embed_dim else Parameter(empty(C, width, **made))
            self.register_parameter(name, p)
        p = Parameter(empty(3 * C, C, **made)) if self._qkv_same_embed_dim else None
        self.register_parameter("in_proj_weight", p)
        self.register_parameter("in_proj_bias", Parameter(empty(3 * C, **made)) if bias else None)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, Parameter(empty(1, 1, C, **made)) if bias_kv else None)

    def _reset_parameters(self) -> None:
        weights = (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        for weight in weights:
            if weight is not None:
                init.xavier_uniform_(weight)
        for bias in (self.in_proj_bias, self.out_proj.bias):
            if bias is not None:
                init.zeros_(bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        single = query.ndim == 2
        self.check(query, key, value)
        q, k, v = (self.time_first(x, single) for x in self.project(query, key, value))
        if self.bias_k is not None:
            B = k.shape[1]
            k = cat([k, self.bias_k.expand(1, B, -1)], 0)
            v = cat([v, self.bias_v.expand(1, B, -1)], 0)
        q, k, v = (self.heads(x) for x in (q, k, v))  # (B, H, T, D)
        if self.add_zero_attn:
            k, v = (cat([x, zeros_at_end(x)], -2) for x in (k, v))
        mask = self.mask(q, k, attn_mask, key_padding_mask, is_causal)
        y, weights = self.attend(q, k, v, mask, need_weights)
        B, H, T, D = y.shape
        y = self.out_proj(y.permute(2, 0, 1, 3).reshape(T, B, H * D))
        if weights is not None and average_attn_weights:
            weights = weights.mean(1)  # (B, T, S)
        if single:
            return y.squeeze(1), None if weights is None else weights.squeeze(0)
        return (y.transpose(0, 1) if self.batch_first else y), weights

    def check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        widths = (self.embed_dim, self.kdim, self.vdim)
        for x, width in zip((query, key, value), widths, strict=True):
            if x.ndim != query.ndim or x.ndim not in (2, 3) or x.shape[-1] != width:
                raise ShapeError(
                    "MultiheadAttention: query, key and value must have 2 or 3 dims, the last "
                    f"{list(widths)}: {list(query.shape)}, {list(key.shape)}, {list(value.shape)}"
                )

    def project(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        """q, k, v: by one product where all three are the same tensor."""
        w, b = self.in_proj_weight, self.in_proj_bias
        if w is not None and query is key and key is value:
            return F.linear(query, w, b).chunk(3, -1)
        separate = (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight)
        weights = separate if w is None else w.chunk(3)
        biases = (None,) * 3 if b is None else b.chunk(3)
        given = zip((query, key, value), weights, biases, strict=True)
        return [F.linear(x, weight, bias) for x, weight, bias in given]

    def time_first(self, x: Tensor, single: bool) -> Tensor:
        """(T, B, C), whatever the layout of the arguments."""
        if single:
            return x.unsqueeze(1)
        return x.transpose(0, 1) if self.batch_first else x

    def heads(self, x: Tensor) -> Tensor:
        """(T, B, C) -> (B, H, T, D)."""
        T, B, _ = x.shape
        return x.reshape(T, B, self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    def mask(
        self, q: Tensor, k: Tensor, attention: Any, padding: Any, is_causal: bool
    ) -> Tensor | None:
        """What to add to the scores, (B or 1, H or 1, T, S); None if nothing is forbidden."""
        B, H, T, _ = q.shape
        S = k.shape[-2]
        added = S - (self.bias_k is not None) - self.add_zero_attn
        if is_causal and attention is None:
            attention = ones(T, added, dtype=bool_).triu(1)
        total = None
        if attention is not None:
            shape = (1, 1, T, added) if attention.ndim == 2 else (B, H, T, added)
            total = open_at_end(additive(attention, q, shape, "attn_mask"), S - added)
        if padding is not None:
            padding = open_at_end(additive(padding, q, (B, 1, 1, added), "key_padding_mask"),
                                  S - added)  # fmt: skip
            total = padding if total is None else total + padding
        return total

    def attend(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, need_weights: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Attention of every head, with its weights if they are wanted."""
        p = self.dropout if self.training else 0.0
        if not need_weights:
            return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=p), None
        scores = (q / math.sqrt(self.head_dim)) @ k.transpose(-2, -1)
        weights = F.softmax(scores if mask is None else scores + mask, dim=-1)
        weights = F.dropout(weights, p) if p else weights
        return weights @ v, weights


def additive(mask: Tensor, like: Tensor, shape: tuple[int, ...], name: str) -> Tensor:
    """A mask as numbers to add, 0 or -inf where it is boolean, in the shape of the scores."""
    if mask.dtype is bool_:
        mask = zeros(*mask.shape, dtype=like.dtype).masked_fill(mask, -math.inf)
    if mask.numel() != math.prod(shape):
        raise ShapeError(f"MultiheadAttention: {name} does not fit: {list(mask.shape)}, {shape}")
    return mask.to(like.dtype).reshape(shape)


def zeros_at_end(x: Tensor) -> Tensor:
    """One more key or value: zero."""
    B, H, _, D = x.shape
    return zeros(B, H, 1, D, dtype=x.dtype)


def open_at_end(mask: Tensor, more: int) -> Tensor:
    """The mask with `more` further keys, which all may attend to."""
    return F.pad(mask, (0, more)) if more else mask


class SDPBackend(enum.Enum):
    """PyTorch's implementations of `scaled_dot_product_attention`; andon has one."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(backends: Any, set_priority: bool = False) -> Iterator[None]:
    """A block in which attention is computed as always, whatever is chosen."""
    chosen = backends if isinstance(backends, (list, tuple)) else [backends]
    for backend in chosen:
        if not isinstance(backend, SDPBackend):
            raise DTypeError(f"sdpa_kernel: not an SDPBackend: {backend!r}")
    yield
