"""The methods that tensors and graph values share, so that one model runs eagerly or traced.

A line per op. Operators are spelled out as functions, since Python calls those faster.
"""

from __future__ import annotations

from ..core.errors import DTypeError
from . import arithmetic, gather_scatter, index, linalg, movement, reduce

add, sub, mul, div = (
    op.apply for op in (arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.div)
)
neg, power, matmul = arithmetic.neg.apply, arithmetic.pow.apply, linalg.matmul.apply


class Methods:
    """What can be done with a tensor or a value."""

    # Operators

    def __add__(self, other):
        return add(self, other)

    def __radd__(self, other):
        return add(other, self)

    def __sub__(self, other):
        return sub(self, other)

    def __rsub__(self, other):
        return sub(other, self)

    def __mul__(self, other):
        return mul(self, other)

    def __rmul__(self, other):
        return mul(other, self)

    def __truediv__(self, other):
        return div(self, other)

    def __rtruediv__(self, other):
        return div(other, self)

    def __neg__(self):
        return neg(self)

    def __pow__(self, other):
        return power(self, other)

    def __rpow__(self, other):
        return power(other, self)

    def __matmul__(self, other):
        return matmul(self, other)

    # arithmetic

    abs = absolute = arithmetic.abs

    # index and gather

    def __getitem__(self, key):
        return index.getitem(self, key)

    def __len__(self):
        if not self.shape:
            raise DTypeError("len: a tensor without dims has no length")
        return self.shape[0]

    def __iter__(self):
        if not self.shape:
            raise DTypeError("iter: a tensor without dims cannot be iterated over")
        return iter([self[i] for i in range(self.shape[0])])

    gather = gather_scatter.gather
    scatter = gather_scatter.scatter
    scatter_add = gather_scatter.scatter_add
    scatter_reduce = gather_scatter.scatter_reduce
    index_select = gather_scatter.index_select
    index_add = gather_scatter.index_add
    index_copy = gather_scatter.index_copy
    index_fill = gather_scatter.index_fill
    index_put = gather_scatter.index_put
    take_along_dim = gather_scatter.take_along_dim
    take = gather_scatter.take_flat
    masked_fill = gather_scatter.masked_fill
    masked_select = gather_scatter.masked_select
    masked_scatter = gather_scatter.masked_scatter
    nonzero = gather_scatter.nonzero
    argwhere = gather_scatter.argwhere

    # movement

    reshape = movement.reshape
    expand = movement.expand

    # reduce

    sum = reduce.sum
