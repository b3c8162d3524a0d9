"""Scaled dot-product attention, without its whole score matrix.

The op walks the scores a tile at a time: some queries of some heads, against the keys that they
may see. What is causal is not computed beyond the diagonal, and the backward pass computes the
scores again from the log-sum-exp of each row, so memory stays linear in the sequence length. So
does dropout of the weights: what it keeps is a function of the key and of where a weight stands,
and is drawn tile by tile, forward and backward.

Source: Vaswani et al., "Attention Is All You Need" (2017); Dao et al., "FlashAttention" (2022).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..core.dtype import bool_
from ..core.dtype import dtype as as_dtype
from ..core.errors import ArgumentError, DTypeError, ShapeError
from ..core.op import op
from ..core.spec import Spec, broadcast_shapes
from .blocking import BLOCK, widened
from .linalg import matmul
from .logic import gt, where
from .movement import cast, expand, reshape, sum_to, swap_last
from .norm import wide
from .random import check_drop_key, is_idle, is_kept, key_from, random_drop
from .reduce import any, logsumexp
from .softmax import exp_rows, softmax

QUERIES = 64  # in a tile, so that most of what a causal mask hides is never computed


@op
def attention(q, k, v, mask, key, *, scale, causal, drop):
    """softmax(scale q kᵀ + mask) v; a query that may see no key gives 0.

    Gives the result, and for the backward pass the log-sum-exp of each row of scores. A boolean
    mask is true where a key may be seen; `causal` hides key j from query i where j > i. With a
    key of random numbers, the weights of v pass through `random_drop` with p = drop.
    Shapes: q (..., T, D), k (..., S, D), v (..., S, E), mask (..., T, S) or None
    -> (..., T, E), (..., T).
    """
    check_operands(q, k, v, mask)
    tiles = Tiles(q, k, v, mask, scale, causal)
    weights = Weights(q, k, key, drop)
    y = np.zeros((*tiles.q.shape[:2], tiles.v.shape[2]), tiles.q.dtype)
    lse = np.zeros(tiles.q.shape[:2], tiles.q.dtype)
    for heads, rows, keys in tiles:
        scores = tiles.scores(heads, rows, keys)
        p, flat = np.empty_like(scores), scores.reshape(-1, scores.shape[-1])
        shift, total = exp_visible_rows(flat, p.reshape(flat.shape))
        lse[heads, rows] = (shift + np.log(total)).reshape(scores.shape[:2])
        np.matmul(weights.dropped(p, heads, rows), tiles.v[heads, keys], out=y[heads, rows])
        y[heads, rows] *= np.reciprocal(total).reshape(*scores.shape[:2], 1)
    y = y.reshape(*q.shape[:-1], v.shape[-1]).astype(q.dtype, copy=False)
    return y, lse.reshape(q.shape[:-1])


class Tiles:
    """The operands as (heads, rows, columns), and the tiles that their scores are cut into."""

    def __init__(self, q, k, v, mask, scale, causal):
        self.q, self.k, self.v = (as_heads(x) for x in (q, k, v))
        self.q = self.q * self.q.dtype.type(scale)
        self.causal = causal
        self.mask = None if mask is None else bias_of_heads(mask, q, k, self.q.dtype)

    def __iter__(self) -> Iterator[tuple[slice, slice, slice]]:
        """Heads, queries and keys of each tile; its scores fit in cache."""
        H, T, _ = self.q.shape
        S = self.k.shape[1]
        if S == 0 or (self.q.size == 0 and T == 0):
            return
        rows = min(T, QUERIES if self.causal else max(1, BLOCK // S))
        heads = max(1, BLOCK // (rows * S))
        for h in range(0, H, heads):
            for t in range(0, T, rows):
                keys = min(S, t + rows) if self.causal else S
                yield slice(h, h + heads), slice(t, min(T, t + rows)), slice(0, keys)

    def scores(self, heads, rows, keys):
        """q kᵀ + mask for one tile, -∞ where a key is hidden."""
        scores = np.matmul(self.q[heads, rows], self.k[heads, keys].swapaxes(1, 2))
        if self.mask is not None:
            scores += self.mask[heads, rows, keys]
        if self.causal:
            queries = np.arange(rows.start, rows.stop)
            last = slice(rows.start, keys.stop)  # the keys before these are seen by all
            hidden = np.arange(keys.stop)[last] > queries[:, None]
            np.copyto(scores[..., last], -np.inf, where=hidden)
        return scores


class Weights:
    """Dropout of the weights (H, T, S) of the values, tile by tile."""

    def __init__(self, q, k, key, drop):
        self.key, self.drop = key, drop
        self.T, self.S = q.shape[-2], k.shape[-2]

    def dropped(self, p, heads, rows):
        """What `random_drop` makes of those of p, a tile of the first keys."""
        if self.key is None:
            return p
        y = p * p.dtype.type(1 / (1 - self.drop))
        for tile, h in zip(y, range(heads.start, heads.stop), strict=False):
            first = (h * self.T + rows.start) * self.S
            kept = is_kept(self.key, self.drop, first, len(tile) * self.S)
            tile[~kept.reshape(-1, self.S)[:, : tile.shape[1]]] = 0
        return y


def as_heads(x):
    """x (..., T, D) as (H, T, D), no narrower than float32."""
    return widened(x).reshape(math.prod(x.shape[:-2]), *x.shape[-2:])


def bias_of_heads(mask, q, k, dtype):
    """The mask as what to add to the scores (H, T, S); a view where it broadcasts in front."""
    if mask.dtype.kind == "b":
        mask = np.where(mask, dtype.type(0), dtype.type(-np.inf))
    mask, scores = widened(mask), (*q.shape[:-1], k.shape[-2])
    if math.prod(mask.shape[:-2]) == 1:  # the same for all heads: no copies
        mask = mask.reshape(mask.shape[-2:]) if mask.ndim >= 2 else mask
        return np.broadcast_to(mask, (math.prod(scores[:-2]), *scores[-2:]))
    return np.broadcast_to(mask, scores).reshape(-1, *scores[-2:])


def exp_visible_rows(scores, p):
    """As `exp_rows`; a row of scores that are all -∞ gives zeros, with sum 1 and shift 0."""
    shift, total = exp_rows(scores, p)
    if not total.min() > 0:
        nothing = shift == -np.inf
        p[nothing], total[nothing], shift[nothing] = 0, 1, 0
    return shift, total


def check_operands(q, k, v, mask):
    shapes = f"{list(q.shape)}, {list(k.shape)}, {list(v.shape)}"
    if min(q.ndim, k.ndim, v.ndim) < 2:
        raise ShapeError(f"attention: query, key and value need at least two dims: {shapes}")
    if not q.shape[:-2] == k.shape[:-2] == v.shape[:-2]:
        raise ShapeError(f"attention: batch dims differ: {shapes}")
    if q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ShapeError(f"attention: expects (T, D), (S, D) and (S, E): {shapes}")
    dtypes = {as_dtype(x.dtype) for x in (q, k, v)}
    if len(dtypes) > 1 or not dtypes.pop().is_floating_point:
        given = ", ".join(as_dtype(x.dtype).name for x in (q, k, v))
        raise DTypeError(f"attention: query, key and value must be of one floating dtype: {given}")
    if mask is not None:
        scores = (*q.shape[:-1], k.shape[-2])
        if broadcast_shapes(mask.shape, scores, op="attention") != tuple(scores):
            raise ShapeError(f"attention: mask {list(mask.shape)} does not fit {list(scores)}")


@attention.spec
def attention_spec(q, k, v, mask, key, *, scale, causal, drop):
    check_operands(q, k, v, mask)
    if key is not None:
        check_drop_key(key)
    y = Spec((*q.shape[:-1], v.shape[-1]), q.dtype)
    return y, Spec(tuple(q.shape[:-1]), wide(q.dtype))


@attention.grad
def attention_grad(g, y, q, k, v, mask, key, *, scale, causal, drop, needs):
    grads = attention_backward.apply(
        g[0], q, k, v, mask, key, *y, scale=scale, causal=causal, drop=drop, to_mask=needs[3]
    )
    return (*grads, None) if needs[3] else (*grads, None, None)


@attention.decompose
def attention_composite(q, k, v, mask, key, *, scale, causal, drop):
    p, scores = probabilities(q, k, mask, scale, causal)
    p = p if key is None else random_drop.apply(p, key, p=drop)
    return matmul.apply(p, v), logsumexp(cast.apply(scores, dtype=wide(as_dtype(q.dtype))), -1)


def probabilities(q, k, mask, scale, causal):
    """The weights of the values, and the scores whose softmax they are."""
    scores = matmul.apply(q * scale, swap_last(k))
    if causal:
        seen = np.tri(q.shape[-2], k.shape[-2], dtype=bool)
        scores = where(seen, scores, -math.inf)
    if mask is None:
        return softmax.apply(scores, dim=q.ndim - 1), scores
    boolean = as_dtype(mask.dtype) is bool_
    scores = where(mask, scores, -math.inf) if boolean else scores + mask
    visible = any(gt(scores, -math.inf), -1, True)
    scores = where(visible, scores, 0.0)
    return where(visible, softmax.apply(scores, dim=q.ndim - 1), 0.0), scores


@op
def attention_backward(g, q, k, v, mask, key, y, lse, *, scale, causal, drop, to_mask):
    """The gradients of attention to q, k and v, and to the mask if asked.

    With P = exp(scores - lse) and dS = P (g vᵀ - Σ g y): dS k · scale, dSᵀ q · scale, Pᵀ g, dS.
    Where weights are dropped, g vᵀ and the P of Pᵀ g are. Σ g y is Σ P g vᵀ in any case.
    """
    tiles = Tiles(q, k, v, mask, scale, causal)
    weights = Weights(q, k, key, drop)
    g, lse = as_heads(g), lse.reshape(tiles.q.shape[:2])
    delta = np.einsum("hte,hte->ht", g, as_heads(y))
    gq, gk, gv = (np.zeros_like(x) for x in (tiles.q, tiles.k, tiles.v))
    gs = np.zeros((*tiles.q.shape[:2], k.shape[-2]), g.dtype) if to_mask else None
    for heads, rows, keys in tiles:
        p = tiles.scores(heads, rows, keys)
        p -= lse[heads, rows, None]
        np.exp(p, out=p)
        dropped = weights.dropped(p, heads, rows)
        gv[heads, keys] += np.matmul(dropped.swapaxes(1, 2), g[heads, rows])
        ds = np.matmul(g[heads, rows], tiles.v[heads, keys].swapaxes(1, 2))
        ds *= dropped
        ds -= delta[heads, rows, None] * p
        np.matmul(ds, tiles.k[heads, keys], out=gq[heads, rows])
        gk[heads, keys] += np.matmul(ds.swapaxes(1, 2), tiles.q[heads, rows])
        if to_mask:
            gs[heads, rows, keys] = ds
    gq *= gq.dtype.type(scale)
    grads = [
        gx.reshape(x.shape).astype(x.dtype, copy=False)
        for gx, x in zip((gq, gk, gv), (q, k, v), strict=True)
    ]
    return (*grads, to_shape_of(mask, gs, q.shape[:-2])) if to_mask else tuple(grads)


def to_shape_of(mask, gs, batch):
    """The gradient of the scores, summed over what the mask was broadcast along."""
    gs = gs.reshape(*batch, *gs.shape[1:])
    return sum_to.reference(gs, shape=mask.shape, dtype=as_dtype(mask.dtype))


@attention_backward.spec
def attention_backward_spec(g, q, k, v, mask, key, y, lse, *, scale, causal, drop, to_mask):
    return (q, k, v, mask) if to_mask else (q, k, v)


def scaled_dot_product_attention(
    query,
    key,
    value,
    attn_mask=None,
    dropout_p=0.0,
    is_causal=False,
    *,
    scale=None,
    enable_gqa=False,
):
    """softmax(query keyᵀ · scale + mask) value; scale is 1/√D unless given.

    attn_mask is boolean (true: may be seen) or added to the scores. With `enable_gqa`, several
    heads of the query share one of key and value.
    Shapes: query (..., H, T, D), key (..., H, S, D), value (..., H, S, E) -> (..., H, T, E).
    Raises: ShapeError; ArgumentError for a mask together with is_causal.
    """
    if attn_mask is not None and is_causal:
        raise ArgumentError("scaled_dot_product_attention: attn_mask and is_causal: give only one")
    if min(query.ndim, key.ndim, value.ndim) < 2:
        check_operands(query, key, value, None)
    if enable_gqa:
        key, value = shared_heads(key, query), shared_heads(value, query)
    query, key, value = same_batch(query, key, value)
    scale = query.shape[-1] ** -0.5 if scale is None else float(scale)
    idle = is_idle(dropout_p, True, "scaled_dot_product_attention")
    drop = 0.0 if idle or dropout_p == 1 else float(dropout_p)
    drawn = key_from() if drop else None
    y, _ = attention.apply(
        query, key, value, attn_mask, drawn, scale=scale, causal=is_causal, drop=drop
    )
    return y * 0.0 if dropout_p == 1 else y


def shared_heads(x, query):
    """x with each head repeated for the heads of the query that share it."""
    *batch, H, S, D = x.shape
    heads = query.shape[-3]
    if heads % H:
        raise ShapeError(f"attention: {heads} query heads cannot share {H}: heads must divide")
    if heads == H:
        return x
    x = reshape.apply(x, shape=(*batch, H, 1, S, D))
    x = expand.apply(x, shape=(*batch, H, heads // H, S, D))
    return reshape.apply(x, shape=(*batch, heads, S, D))


def same_batch(*operands):
    """The operands with their batch dims broadcast against one another."""
    shapes = [tuple(x.shape[:-2]) for x in operands]
    if len(set(shapes)) == 1:
        return operands
    batch = broadcast_shapes(*shapes, op="attention")
    return tuple(expand.apply(x, shape=(*batch, *x.shape[-2:])) for x in operands)
