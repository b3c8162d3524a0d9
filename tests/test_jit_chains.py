"""Random chains of ops, many in one graph: compiled, they give what they give eagerly.

Chains of small whole numbers must agree to the last bit, in floats too; their values are clamped
now and then, so that sums stay exact. The others also go through functions that round.
"""

from __future__ import annotations

import numpy as np
import pytest

import andon
import andon.nn.functional as F
from andon.core.errors import AndonError
from andon.devices import compiler
from andon.ops.movement import after

pytestmark = pytest.mark.skipif(not compiler.available(), reason="there is no C compiler")

SIZES = (1, 2, 3, 4, 5, 7, 8, 12, 16, 17)
WHOLE = {"float32", "float64", "int64", "int32", "uint8"}  # the dtypes of exact chains
MOST = 3000  # elements of a value


class Draw:
    """Decisions that a seed makes. The first run makes arguments; a later one is given them."""

    def __init__(self, seed, arguments=None):
        self.rng, self.given = np.random.RandomState(seed), arguments
        self.arguments = [] if arguments is None else list(arguments)
        self.used = 0

    def below(self, n):
        return int(self.rng.randint(n))

    def pick(self, some):
        return list(some)[self.below(len(some))]

    def argument(self, shape, low=-4, high=5, dtype=None):
        seed = self.rng.randint(1 << 30)
        if self.given is None:
            values = np.random.RandomState(seed).randint(low, high, shape)
            self.arguments.append(andon.tensor(values.astype(dtype or self.dtype)))
        self.used += 1
        return self.arguments[self.used - 1]

    def places(self, shape, n):
        return self.argument(shape, 0, n, "int64")

    def like(self, x, dtype=None):
        """An argument that broadcasts with x."""
        shape = tuple(1 if self.below(3) == 0 else n for n in x.shape)
        return self.argument(shape[self.below(len(shape) + 1) // 2 :], dtype=dtype)

    def mask(self, x):
        return self.like(x) > 0

    def dim(self, x):
        return self.below(x.ndim)

    def shape(self, n):
        """A shape of n elements."""
        sizes = []
        while n > 1:
            sizes.append(self.pick([k for k in range(2, n + 1) if n % k == 0]))
            n //= sizes[-1]
        return (*sizes, 1) if self.below(4) == 0 else tuple(sizes)

    def part(self, x):
        """An index of slices, numbers and None."""
        found = []
        for n in x.shape:
            start, step = self.below(n), 1 + self.below(3)
            whole = slice(None)
            choices = (start, slice(start, None, step), slice(None, n - start), whole, whole)
            found.append(self.pick(choices))
        return (*found, None) if self.below(4) == 0 else tuple(found)


def written(d, x, value):
    y = x.clone()
    y[d.part(y)] = value
    return y


def added_to(d, x):
    y = x.clone()
    part = y[d.part(y)]
    part += 1
    return y.clamp(0, 8)


def column_copied(d, x):
    y = x.clone()
    turned = y.transpose(0, d.dim(y))
    turned[0] = turned[-1]
    return y


def widened(d, x):
    y = x.unsqueeze(d.below(x.ndim + 1))
    return y.expand(*(2 + d.below(3) if n == 1 else n for n in y.shape))


def one(d, x, f):
    """f(x, a dim)."""
    return f(x, d.dim(x))


MOVES = {
    "slice": lambda d, x: x[d.part(x)],
    "permute": lambda d, x: x.permute(tuple(map(int, d.rng.permutation(x.ndim)))),
    "reshape": lambda d, x: x.reshape(d.shape(x.numel())),
    "after": lambda d, x: x + after.apply(x, x.sum(d.dim(x))),
    "flip": lambda d, x: x.flip((d.dim(x),)),
    "expand": widened,
    "pad": lambda d, x: F.pad(x, (d.below(3), d.below(3))),
    "roll": lambda d, x: x.roll(1 + d.below(3), d.dim(x)),
    "repeat": lambda d, x: x.repeat(*(1 + d.below(2) for _ in x.shape)),
    "cat": lambda d, x: andon.cat([x, x.flip((0,)), x], d.dim(x)),
    "stack": lambda d, x: andon.stack([x, x], d.below(x.ndim + 1)),
    "chunk": lambda d, x: x.chunk(2, d.dim(x))[-1],
    "diagonal": lambda d, x: x.diagonal(0, -2, -1),
    "tril": lambda d, x: x.tril(d.below(3) - 1),
    "unfold": lambda d, x: one(d, x, lambda x, k: x.unfold(k, min(2, x.shape[k]), 1)),
    "index": lambda d, x: x[d.places((1 + d.below(5),), x.shape[0])],
    "columns": lambda d, x: x[:, d.places((2, 2), x.shape[1])],
    "gather": lambda d, x: one(d, x, lambda x, k: x.gather(k, d.places(x.shape, x.shape[k]))),
    "write": lambda d, x: written(d, x, 3),
    "write to a part": added_to,
    "write to a view": column_copied,
}
EXACT = {
    "neg": lambda d, x: -x,
    "add": lambda d, x: x + d.like(x),
    "sub": lambda d, x: d.like(x) - x,
    "mul": lambda d, x: x * d.like(x),
    "maximum": lambda d, x: andon.maximum(x, d.like(x)),
    "sum": lambda d, x: x.sum(d.dim(x), keepdim=bool(d.below(2))),
    "amax": lambda d, x: x.amax(d.dim(x), keepdim=bool(d.below(2))),
    "less the least": lambda d, x: one(d, x, lambda x, k: x - x.amin(k, keepdim=True)),
    "where": lambda d, x: andon.where(d.mask(x), x, 2),
    "choose": lambda d, x: andon.where(x >= d.like(x), x, x.flip((0,))),
    "masked_fill": lambda d, x: x.masked_fill(d.mask(x), 2),
    "cumsum": lambda d, x: x.cumsum(d.dim(x)),
    "argmax": lambda d, x: x.argmax(d.dim(x)),
    "count": lambda d, x: (x > 2).sum(d.dim(x)),
    "any": lambda d, x: (x > 2).any(d.dim(x)),
    "matmul": lambda d, x: x @ d.argument((x.shape[-1], d.pick(SIZES))),
    "product from the left": lambda d, x: d.argument((d.pick(SIZES), x.shape[-2])) @ x,
    "squares of rows": lambda d, x: x @ x.transpose(-1, -2),
    "scatter": lambda d, x: one(
        d, x, lambda x, k: (x * 0).scatter_add(k, d.places(x.shape, x.shape[k]), x)
    ),
    "sort": lambda d, x: x.sort(d.dim(x)).values,
}
ROUNDED = {
    "tanh": lambda d, x: x.tanh(),
    "exp": lambda d, x: (x * 0.25).exp(),
    "gelu": lambda d, x: F.gelu(x),
    "log": lambda d, x: (x.abs() + 1).log(),
    "div": lambda d, x: x / (d.like(x).abs() + 1),
    "softmax": lambda d, x: x.softmax(d.dim(x)),
    "logsumexp": lambda d, x: x.logsumexp(d.dim(x)),
    "mean": lambda d, x: x.mean(d.dim(x), keepdim=bool(d.below(2))),
    "variance": lambda d, x: x.var(d.dim(x), correction=0),
    "layer_norm": lambda d, x: F.layer_norm(x, (x.shape[-1],), eps=0.1),
    "linear": lambda d, x: F.linear(x, d.argument((5, x.shape[-1]))).tanh(),
    "attention": lambda d, x: (x @ x.transpose(-1, -2) * 0.1).softmax(-1) @ x,
    "add": EXACT["add"],
    "sum": EXACT["sum"],
    "matmul": lambda d, x: (x @ d.argument((x.shape[-1], d.pick(SIZES)))).sin(),
}


def chain(d, length):
    """Two values of a chain: an intermediate one and the last; and what was done."""
    d.dtype = d.pick(sorted(WHOLE))
    exact = d.dtype not in ("float32", "float64") or d.below(2) == 0
    x = d.argument(tuple(d.pick(SIZES[:7]) for _ in range(1 + d.below(4))))
    values, done = [x], [f"{d.dtype}{tuple(x.shape)}"]
    while len(done) <= length:
        x = x.reshape(1) if x.ndim == 0 else x
        table = d.pick((MOVES, EXACT if exact else ROUNDED))
        name = d.pick(table)
        try:
            y = table[name](d, x)
        except (AndonError, IndexError):
            y = None  # it does not go with so few dims, or with this dtype
        if y is None or not 0 < y.numel() <= MOST:
            done.append("-")
            continue
        y = y.to(x.dtype)
        x = y.clamp(-8, 8) if exact and d.dtype != "uint8" else y
        values.append(x)
        done.append(name)
    return [d.pick(values), x], (exact, " · ".join(done))


def chains(seed, arguments=None, count=30, length=8):
    d = Draw(seed, arguments)
    found, said = zip(*(chain(d, length) for _ in range(count)), strict=True)
    return d, [y for pair in found for y in pair], [each for each in said for _ in range(2)]


@pytest.mark.parametrize("seed", range(2))
def test_random_chains_give_what_they_give_eagerly(seed):
    d, wanted, said = chains(seed)
    found = andon.jit(lambda *arguments: chains(seed, arguments)[1])(*d.arguments)
    for have, expected, (exact, text) in zip(found, wanted, said, strict=True):
        assert have.dtype == expected.dtype
        a, b = have.numpy(), expected.numpy()
        if exact:
            np.testing.assert_array_equal(a, b, text)
        else:
            tolerance = (2e-4 if a.dtype == np.float32 else 1e-10) * (1 + abs(b).max())
            np.testing.assert_allclose(a, b, 0, tolerance, err_msg=text)
