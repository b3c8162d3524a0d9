"""Reductions: sums, products, counts and tests over dims.

Means and variances are in `moments`, extremes in `largest`, norms in `vector_norm`.
"""

from __future__ import annotations

import math

import numpy as np

from ..core.dtype import bool_, get_default_dtype, int64, uint8
from ..core.dtype import dtype as as_dtype
from ..core.op import op, to_floating
from ..core.spec import Spec, drop_dims, normal_dims
from .accumulate import add_up, in_float32
from .elementwise import exp
from .index import zeros
from .join import cat, split
from .keywords import numpy_keywords
from .logic import eq, ne, where
from .movement import cast, expand, permute, reshape


def reduced_dims(dim, ndim, name):
    """The dims that a reduction goes over: all of them for None, and for an empty list too."""
    return normal_dims(None if dim == () or dim == [] else dim, ndim, name)


def as_given(x, dtype):
    """x in the `dtype` asked for, if one was."""
    return x if dtype is None else cast.apply(x, dtype=as_dtype(dtype))


def spread(g, x, dim):
    """The gradient of a reduction over `dim` back along the dims of x."""
    ones = drop_dims(tuple(x.shape), dim, True)
    return expand.apply(reshape.apply(g, shape=ones), shape=tuple(x.shape))


@op
def sum(x, *, dim, keepdim):
    """Σ x over the dims in `dim`. Integers and booleans add up to int64.

    Shapes: x (...) -> x without `dim`, or with size 1 there if `keepdim`.
    """
    return add_up(x, dim=dim, keepdim=keepdim)


@sum.signature
@numpy_keywords
def sum_call(x, dim=None, keepdim=False, *, dtype=None):
    x = as_given(x, dtype)
    return sum.apply(x, dim=reduced_dims(dim, x.ndim, "sum"), keepdim=keepdim)


@sum.spec
def sum_spec(x, *, dim, keepdim):
    dtype = x.dtype if x.dtype.is_floating_point else int64
    return Spec(drop_dims(x.shape, dim, keepdim), dtype)


@sum.grad(keeps=())
def sum_grad(g, y, x, *, dim, keepdim):
    return (spread(g, x, dim),)


@numpy_keywords
def nansum(x, dim=None, keepdim=False, *, dtype=None):
    """Σ of the elements of x that are numbers."""
    return sum(where(eq(x, x), x, 0), dim, keepdim, dtype=dtype)


@op
@in_float32
def prod(x, *, dim, keepdim):
    """Π x over the dims in `dim`. Integers and booleans multiply to int64."""
    dtype = np.int64 if x.dtype.kind in "biu" else x.dtype
    return np.multiply.reduce(x, axis=dim, keepdims=keepdim, dtype=dtype)


@prod.signature
@numpy_keywords
def prod_call(x, dim=None, keepdim=False, *, dtype=None):
    x = as_given(x, dtype)
    return prod.apply(x, dim=normal_dims(dim, x.ndim, "prod"), keepdim=keepdim)


prod.spec(sum_spec)


@prod.grad(keeps=("x",))
def prod_grad(g, y, x, *, dim, keepdim):
    rest = tuple(d for d in range(x.ndim) if d not in dim)
    x = permute.apply(x, dims=(*rest, *dim))
    shape = tuple(x.shape)
    size = math.prod(shape[len(rest) :])
    rows = reshape.apply(x, shape=(*shape[: len(rest)], size))
    others = reshape.apply(product_of_others(rows), shape=shape)
    shared = reshape.apply(g, shape=(*shape[: len(rest)], *(1,) * len(dim)))
    return (permute_back(others * shared, (*rest, *dim)),)


def permute_back(x, dims):
    """Undo `permute` by `dims`."""
    return permute.apply(x, dims=tuple(sorted(range(len(dims)), key=dims.__getitem__)))


def product_of_others(x):
    """For each element, the product of all others in its row (the last dim).

    By halves: with c = a b, the others of an a are those of its c, times its b. So no element
    is divided by, and zeros are as good as any number.
    """
    n, dim = x.shape[-1], x.ndim - 1
    if n < 2:
        return zeros(x, x.shape) + 1.0
    half, odd = divmod(n, 2)
    a, b, last = split.apply(x, sizes=(half, half, odd), dim=dim)
    others = product_of_others(cat.apply(a * b, last, dim=dim))
    of_pairs, of_last = split.apply(others, sizes=(half, odd), dim=dim)
    return cat.apply(of_pairs * b, of_pairs * a, of_last, dim=dim)


@op
def any(x, *, dim, keepdim):
    """Whether some element along `dim` is not 0: a bool, or uint8 for uint8."""
    return np.asarray(np.any(x, axis=dim, keepdims=keepdim)).astype(truth_dtype(x).numpy)


@op
def all(x, *, dim, keepdim):
    """Whether no element along `dim` is 0: a bool, or uint8 for uint8."""
    return np.asarray(np.all(x, axis=dim, keepdims=keepdim)).astype(truth_dtype(x).numpy)


def truth_dtype(x):
    return uint8 if as_dtype(x.dtype) is uint8 else bool_


@any.signature
@numpy_keywords
def any_call(x, dim=None, keepdim=False):
    return any.apply(x, dim=normal_dims(dim, x.ndim, "any"), keepdim=keepdim)


@all.signature
@numpy_keywords
def all_call(x, dim=None, keepdim=False):
    return all.apply(x, dim=normal_dims(dim, x.ndim, "all"), keepdim=keepdim)


@any.spec
@all.spec
def truth_spec(x, *, dim, keepdim):
    return Spec(drop_dims(x.shape, dim, keepdim), truth_dtype(x))


@numpy_keywords
def count_nonzero(x, dim=None):
    """How many elements along `dim` are not 0."""
    return sum(ne(x, 0), dim)


@op
@in_float32
def logsumexp(x, *, dim, keepdim):
    """log Σ exp x over the dims in `dim`, without overflow."""
    top = np.maximum.reduce(x, axis=dim, keepdims=True, initial=-np.inf)
    top = np.where(np.isfinite(top), top, 0)
    below = np.asarray(x - top)
    y = np.log(np.add.reduce(np.exp(below, out=below), axis=dim, keepdims=True)) + top
    return y if keepdim else y.reshape(drop_dims(x.shape, dim, False))


logsumexp.promote = to_floating


@logsumexp.signature
@numpy_keywords
def logsumexp_call(x, dim, keepdim=False):
    return logsumexp.apply(x, dim=reduced_dims(dim, x.ndim, "logsumexp"), keepdim=keepdim)


@logsumexp.spec
def logsumexp_spec(x, *, dim, keepdim):
    dtype = x.dtype if x.dtype.is_floating_point else get_default_dtype()
    return Spec(drop_dims(x.shape, dim, keepdim), dtype)


@logsumexp.grad
def logsumexp_grad(g, y, x, *, dim, keepdim):
    return (spread(g, x, dim) * exp(x - spread(y, x, dim)),)
