"""Random numbers: pure functions of a key, so that a draw can be repeated, traced and saved.

A key is an int64 pair [seed, offset]. It names a stream of 64-bit words: Philox4x64-10 with the
seed as its key and the counter (block, 0, offset, 0). Any word can be computed by itself, so a
kernel gives the same numbers in any order. Parts of words are taken low part first. A Generator
(andon/tensor/random.py) hands out keys, each with the next offset.

Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011).
"""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from ..core.dtype import bool_, float32, float64, int64, promote_types
from ..core.dtype import dtype as as_dtype
from ..core.errors import ArgumentError, DataError, DTypeError, ShapeError
from ..core.op import op
from ..core.spec import Spec
from .logic import lt, where
from .movement import cast


class Default:
    """The generator of draws that name none; `tensor` puts one here."""

    generator: Any


def key_from(generator=None):
    """The key of the next draw of `generator`, or of the default one."""
    return (Default.generator if generator is None else generator).draw()


def stream(key, block=0):
    """The bit generator of the words that `key` names, from a block of four on."""
    seed, offset = (n % 2**64 for n in key.tolist()[:2])
    return np.random.Philox(key=seed, counter=np.array([block, 0, offset, 0], np.uint64))


def words(key, size):
    """The first `size` 64-bit words of the stream that `key` names."""
    return stream(key).random_raw(size)


def half_words(key, size):
    """The first `size` 32-bit halves, the low half of each word first."""
    return words(key, (size + 1) // 2).view(np.uint32)[:size]


def check_key(key, name):
    if tuple(key.shape) != (2,) or as_dtype(key.dtype) is not int64:
        raise ShapeError(f"{name}: a key is int64[2], seed and offset: {key}")


# Draws of a given shape


@op
def random_uniform(key, *, shape, dtype):
    """Uniform on [0, 1): the top digits of a word, as many as the significand has.

    float64 takes whole words, narrower dtypes half words.
    """
    size = math.prod(shape)
    digits = ml_dtypes.finfo(dtype.numpy).nmant + 1
    if dtype is float64:
        bits = words(key, size) >> np.uint64(64 - digits)
    else:
        bits = (half_words(key, size) >> np.uint32(32 - digits)).view(np.int32)
    y = bits.astype(np.float64 if dtype is float64 else np.float32)
    y *= 2.0**-digits
    return y.astype(dtype.numpy, copy=False).reshape(shape)


def drawn_spec(key, *, shape, dtype, **attrs):
    """The shape rule of a draw: what was asked for."""
    check_key(key, "random")
    return Spec(shape, dtype)


random_uniform.spec(drawn_spec)


@op
def random_normal(key, *, shape, dtype):
    """Normal with mean 0 and variance 1: √(-2 ln(1-u)) · (cos 2πv, sin 2πv), in pairs.

    Source: Box and Muller, "A Note on the Generation of Random Normal Deviates" (1958).
    """
    size = math.prod(shape)
    precision = float64 if dtype is float64 else float32
    uniform = random_uniform.reference(key, shape=((size + 1) // 2, 2), dtype=precision)
    radius = np.sqrt(-2 * np.log(1 - uniform[:, 0]))
    angle = uniform[:, 1] * precision.numpy.type(2 * math.pi)
    pairs = np.empty_like(uniform)
    np.multiply(radius, np.cos(angle), out=pairs[:, 0])
    np.multiply(radius, np.sin(angle), out=pairs[:, 1])
    return pairs.reshape(-1)[:size].astype(dtype.numpy, copy=False).reshape(shape)


random_normal.spec(drawn_spec)


@op
def random_integers(key, *, low, high, shape, dtype):
    """Uniform on the integers low … high - 1: a word modulo their number.

    The bias is at most (high - low) / 2⁶⁴.
    """
    drawn = words(key, math.prod(shape)) % np.uint64(high - low)
    return (drawn.astype(np.int64) + low).astype(dtype.numpy, copy=False).reshape(shape)


random_integers.spec(drawn_spec)


@op
def random_permutation(key, *, n, dtype):
    """0 … n - 1 in random order: that of n words."""
    return np.argsort(words(key, n)).astype(dtype.numpy, copy=False)


@random_permutation.spec
def random_permutation_spec(key, *, n, dtype):
    return drawn_spec(key, shape=(n,), dtype=dtype)


# Draws that depend on a tensor


@op
def random_poisson(rate, key):
    """Poisson with the given rates; the generator of NumPy, on the stream that `key` names."""
    if rate.size and not rate.min() >= 0:
        raise DataError(f"poisson: rates must be >= 0: {rate.min()}")
    drawn = np.random.Generator(stream(key)).poisson(rate.astype(np.float64))
    return np.asarray(drawn).astype(rate.dtype)


@random_poisson.spec
def random_poisson_spec(rate, key):
    check_key(key, "poisson")
    return rate


def poisson(x, *, generator=None):
    """Integers that are Poisson distributed with the rates x, in x's dtype."""
    return random_poisson.apply(x, key_from(generator))


@op
def random_choice(weights, key, *, num_samples, replacement):
    """`num_samples` indices per row, each with a probability in proportion to its weight.

    Without replacement, every index i has an exponential clock of rate weights[i], and the
    first to ring are drawn. An index of weight 0 is never drawn.
    """
    table = np.atleast_2d(weights).astype(np.float64)
    check_weights(table, num_samples, replacement)
    count = table.shape[0] * (num_samples if replacement else table.shape[1])
    uniform = words(key, count).reshape(table.shape[0], -1) >> np.uint64(11)
    uniform = uniform.astype(np.float64) * 2.0**-53
    drawn = by_cumulative_sum(table, uniform) if replacement else by_race(table, uniform)
    return drawn[:, :num_samples].reshape(*weights.shape[:-1], num_samples)


def check_weights(table, num_samples, replacement):
    if table.size and not (np.isfinite(table).all() and table.min() >= 0):
        raise DataError("multinomial: probabilities must be finite and >= 0: there are others")
    if not (table.sum(axis=1) > 0).all():
        raise DataError("multinomial: a row of probabilities adds up to 0: nothing can be drawn")
    if not replacement and (np.count_nonzero(table, axis=1) < num_samples).any():
        raise DataError(
            f"multinomial: fewer than {num_samples} probabilities are not 0: pass replacement=True"
        )


def by_cumulative_sum(table, uniform):
    """For each uniform number, the index at which the sum of the weights first exceeds it."""
    drawn = np.empty(uniform.shape, np.int64)
    for row, u, out in zip(table.cumsum(axis=1), uniform, drawn, strict=True):
        below_total = np.minimum(u * row[-1], np.nextafter(row[-1], 0))
        out[:] = np.searchsorted(row, below_total, side="right")
    return drawn


def by_race(table, uniform):
    """The indices in the order in which their exponential clocks ring."""
    ring = np.divide(-np.log1p(-uniform), table, out=np.full_like(table, np.inf), where=table > 0)
    return np.argsort(ring, axis=1, kind="stable")


@random_choice.spec
def random_choice_spec(weights, key, *, num_samples, replacement):
    check_key(key, "multinomial")
    return Spec((*weights.shape[:-1], num_samples), int64)


def multinomial(x, num_samples, replacement=False, *, generator=None):
    """`num_samples` indices per row of weights x, each drawn in proportion to its weight.

    Shapes: x (..., V) with at most two dims -> int64 (..., num_samples).
    Raises: DataError for weights that are negative, not finite, or all 0.
    """
    if x.ndim not in (1, 2) or not as_dtype(x.dtype).is_floating_point:
        raise ShapeError(f"multinomial: expects floats (V,) or (N, V): {as_dtype(x.dtype).name}"
                         f"{list(x.shape)}")  # fmt: skip
    if num_samples < 1 or (not replacement and num_samples > x.shape[-1]):
        raise ShapeError(f"multinomial: cannot draw {num_samples} of {x.shape[-1]} indices")
    return random_choice.apply(
        x, key_from(generator), num_samples=num_samples, replacement=replacement
    )


def bernoulli(x, p=None, *, generator=None):
    """1 with probability x, else 0; or with probability `p` everywhere, in the shape of x."""
    dtype = as_dtype(x.dtype)
    if p is None and not dtype.is_floating_point:
        raise DTypeError(f"bernoulli: probabilities must be floats: {dtype}")
    precision = float64 if dtype is float64 else float32
    u = random_uniform.apply(key_from(generator), shape=tuple(x.shape), dtype=precision)
    return cast.apply(lt(u, x if p is None else p), dtype=dtype)


# Dropout


def is_kept(key, p, first, size):
    """Whether dropout keeps each of `size` elements: where a quarter word is at least p · 2¹⁶.

    `first` is the number of the first of them. A key of three numbers, [seed, offset, n], is that
    of a part of what is drawn, which begins with element n.
    """
    first += sum(key.tolist()[2:])
    block, skipped = divmod(first, 16)
    drawn = stream(key, block).random_raw((skipped + size + 3) // 4).view(np.uint16)
    return drawn[skipped : skipped + size] >= least_kept(p)


def least_kept(p):
    """The least quarter word that keeps its element: dropout has p in steps of 2⁻¹⁶."""
    return np.uint16(min(round(p * 2**16), 2**16 - 1))


def check_drop_key(key):
    if as_dtype(key.dtype) is not int64 or tuple(key.shape) not in ((2,), (3,)):
        raise ShapeError(f"dropout: a key is int64[2], seed and offset: {key}")


@op
def random_kept(key, *, p, shape):
    """True with probability 1 - p: what dropout keeps of elements of that shape."""
    return is_kept(key, p, 0, math.prod(shape)).reshape(shape)


@random_kept.spec
def random_kept_spec(key, *, p, shape):
    check_drop_key(key)
    return Spec(shape, bool_)


@op
def random_drop(x, key, *, p):
    """x / (1 - p) where `random_kept`, else 0.

    The gradient draws the same again, so that no mask is kept.
    """
    kept = random_kept.reference(key, p=p, shape=x.shape)
    return np.where(kept, x * x.dtype.type(1 / (1 - p)), x.dtype.type(0))


@random_drop.spec
def random_drop_spec(x, key, *, p):
    check_drop_key(key)
    return x


@random_drop.grad(keeps=("key",))
def random_drop_grad(g, y, x, key, *, p):
    return random_drop.apply(g, key, p=p), None


def dropout(x, p=0.5, training=True, inplace=False, *, generator=None):
    """x with elements set to 0 with probability p, the others divided by 1 - p.

    When not training, x itself.
    Source: Srivastava et al., "Dropout" (2014).
    """
    if is_idle(p, training, "dropout"):
        return x
    y = x * 0.0 if p == 1 else random_drop.apply(x, key_from(generator), p=float(p))
    return x.become(y) if inplace else y


def is_idle(p, training, name):
    """Whether dropout has nothing to do; an error if p is no probability."""
    if not 0 <= p <= 1:
        raise ArgumentError(f"{name}: p must be between 0 and 1: {p}")
    return not training or p == 0


def feature_dropout(x, p, training, inplace, leading, name, generator=None):
    """Dropout of whole channels: all elements with the same first `leading` indices at once."""
    if is_idle(p, training, name):
        return x
    if x.ndim < max(leading, 2):
        raise ShapeError(f"{name}: too few dims to have channels: {list(x.shape)}")
    shape = (*x.shape[:leading], *(1,) * (x.ndim - leading))
    u = random_uniform.apply(key_from(generator), shape=shape, dtype=float32)
    y = x * 0.0 if p == 1 else where(lt(u, p), 0.0, x * (1 / (1 - p)))
    return x.become(y) if inplace else y


def dropout1d(x, p=0.5, training=True, inplace=False, *, generator=None):
    """Dropout of whole channels: x (N, C, L) or (C, L)."""
    if x.ndim > 3:
        raise ShapeError(f"dropout1d: expects 2 or 3 dims: {list(x.shape)}")
    return feature_dropout(x, p, training, inplace, x.ndim - 1, "dropout1d", generator)


def dropout2d(x, p=0.5, training=True, inplace=False, *, generator=None):
    """Dropout of whole channels: x (N, C, ...).

    As in PyTorch, three dims are (N, C, L), not an image without a batch.
    """
    return feature_dropout(x, p, training, inplace, 2, "dropout2d", generator)


def dropout3d(x, p=0.5, training=True, inplace=False, *, generator=None):
    """Dropout of whole channels: x (N, C, D, H, W), or (C, ...) with fewer or more dims."""
    leading = 2 if x.ndim == 5 else 1
    return feature_dropout(x, p, training, inplace, leading, "dropout3d", generator)


SELU_FLOOR = -1.7580993408473766  # what selu tends to: -scale · alpha


def alpha_dropout(x, p=0.5, training=False, inplace=False, *, generator=None):
    """Dropout that keeps mean 0 and variance 1: what is dropped becomes selu(-∞).

    Source: Klambauer et al., "Self-Normalizing Neural Networks" (2017).
    """
    if is_idle(p, training, "alpha_dropout"):
        return x
    return alpha_masked(x, p, tuple(x.shape), inplace, generator)


def feature_alpha_dropout(x, p=0.5, training=False, inplace=False, *, generator=None):
    """`alpha_dropout` of whole channels: x (N, C, ...)."""
    if is_idle(p, training, "feature_alpha_dropout"):
        return x
    if x.ndim < 2:
        raise ShapeError(f"feature_alpha_dropout: expects (N, C, ...): {list(x.shape)}")
    shape = (*x.shape[:2], *(1,) * (x.ndim - 2))
    return alpha_masked(x, p, shape, inplace, generator)


def alpha_masked(x, p, shape, inplace, generator):
    """a · (x or the floor) + b, with a and b that restore mean and variance."""
    if p == 1:
        return x.become(x * 0.0) if inplace else x * 0.0
    a = ((1 - p) * (1 + p * SELU_FLOOR**2)) ** -0.5
    b = -a * p * SELU_FLOOR
    u = random_uniform.apply(key_from(generator), shape=shape, dtype=float32)
    y = where(lt(u, p), a * SELU_FLOOR + b, x * a + b)
    return x.become(y) if inplace else y


def rrelu(x, lower=1 / 8, upper=1 / 3, training=False, inplace=False, *, generator=None):
    """x where x >= 0, else a x: a uniform on [lower, upper) in training, their mean otherwise.

    Source: Xu et al., "Empirical Evaluation of Rectified Activations" (2015).
    """
    if not lower <= upper:
        raise ArgumentError(f"rrelu: lower must be at most upper: {lower}, {upper}")
    slope = (lower + upper) / 2
    if training:
        drawn = promote_types(as_dtype(x.dtype), float32)
        u = random_uniform.apply(key_from(generator), shape=tuple(x.shape), dtype=drawn)
        slope = cast.apply(u * (upper - lower) + lower, dtype=as_dtype(x.dtype))
    y = where(lt(x, 0), x * slope, x)
    return x.become(y) if inplace else y
