"""The methods that tensors and graph values share, so that one model runs eagerly or traced.

A line per op. The operators go straight to the interpreter, since small ops are mostly overhead.
"""

from __future__ import annotations

from types import FunctionType

import numpy as np

from ..core.errors import DTypeError
from ..core.op import guarded, interpreters
from . import (
    activation,
    arithmetic,
    counting,
    covariance,
    decomposition,
    diagonals,
    elementwise,
    extremes,
    gather_scatter,
    index,
    join,
    largest,
    linalg,
    logic,
    matrix_exponential,
    moments,
    movement,
    order_statistics,
    random,
    reduce,
    reorder,
    repetition,
    scan,
    singular_values,
    solve,
    sorting,
    special,
    vector_norm,
    windows,
)
from .softmax import log_softmax, softmax

add, sub, mul, div = arithmetic.add, arithmetic.sub, arithmetic.mul, arithmetic.div
neg, power, matmul = arithmetic.neg, arithmetic.pow, linalg.matmul

NONE: dict = {}  # the attributes of an op without any


class Methods:
    """What can be done with a tensor or a value."""

    # Operators

    def __add__(self, other):
        return interpreters.run(add, (self, other), NONE)

    def __radd__(self, other):
        return interpreters.run(add, (other, self), NONE)

    def __sub__(self, other):
        return interpreters.run(sub, (self, other), NONE)

    def __rsub__(self, other):
        return interpreters.run(sub, (other, self), NONE)

    def __mul__(self, other):
        return interpreters.run(mul, (self, other), NONE)

    def __rmul__(self, other):
        return interpreters.run(mul, (other, self), NONE)

    def __truediv__(self, other):
        return interpreters.run(div, (self, other), NONE)

    def __rtruediv__(self, other):
        return interpreters.run(div, (other, self), NONE)

    def __neg__(self):
        return interpreters.run(neg, (self,), NONE)

    def __pow__(self, other):
        return interpreters.run(power, (self, other), NONE)

    def __rpow__(self, other):
        return interpreters.run(power, (other, self), NONE)

    def __matmul__(self, other):
        return interpreters.run(matmul, (self, other), NONE)

    def __rmatmul__(self, other):
        return interpreters.run(matmul, (other, self), NONE)

    def __floordiv__(self, other):
        return arithmetic.floor_divide(self, other)

    def __rfloordiv__(self, other):
        return arithmetic.floor_divide(other, self)

    def __mod__(self, other):
        return arithmetic.remainder(self, other)

    def __rmod__(self, other):
        return arithmetic.remainder(other, self)

    def __divmod__(self, other):
        return self // other, self % other

    def __rdivmod__(self, other):
        return other // self, other % self

    def __abs__(self):
        return extremes.abs(self)

    def __pos__(self):
        return arithmetic.positive(self)

    def __invert__(self):
        return logic.bitwise_not(self)

    def __and__(self, other):
        return logic.bitwise_and(self, other)

    def __rand__(self, other):
        return logic.bitwise_and(other, self)

    def __or__(self, other):
        return logic.bitwise_or(self, other)

    def __ror__(self, other):
        return logic.bitwise_or(other, self)

    def __xor__(self, other):
        return logic.bitwise_xor(self, other)

    def __rxor__(self, other):
        return logic.bitwise_xor(other, self)

    def __lshift__(self, other):
        return logic.bitwise_left_shift(self, other)

    def __rlshift__(self, other):
        return logic.bitwise_left_shift(other, self)

    def __rshift__(self, other):
        return logic.bitwise_right_shift(self, other)

    def __rrshift__(self, other):
        return logic.bitwise_right_shift(other, self)

    # Comparisons. Beside what is no number, such as None, == is False and < raises

    def __eq__(self, other):
        return logic.eq(self, other) if isinstance(other, COMPARABLE) else NotImplemented

    def __ne__(self, other):
        return logic.ne(self, other) if isinstance(other, COMPARABLE) else NotImplemented

    def __gt__(self, other):
        return logic.gt(self, other) if isinstance(other, COMPARABLE) else NotImplemented

    def __ge__(self, other):
        return logic.ge(self, other) if isinstance(other, COMPARABLE) else NotImplemented

    def __lt__(self, other):
        return logic.lt(self, other) if isinstance(other, COMPARABLE) else NotImplemented

    def __le__(self, other):
        return logic.le(self, other) if isinstance(other, COMPARABLE) else NotImplemented

    __hash__ = object.__hash__

    # activation

    hardshrink = activation.hardshrink
    prelu = activation.prelu
    relu = activation.relu

    # arithmetic

    add = arithmetic.add
    addcdiv = arithmetic.addcdiv
    addcmul = arithmetic.addcmul
    atan2 = arctan2 = arithmetic.atan2
    div = divide = true_divide = arithmetic.div
    float_power = arithmetic.float_power
    floor_divide = arithmetic.floor_divide
    fmod = arithmetic.fmod
    gcd = arithmetic.gcd
    hypot = arithmetic.hypot
    lcm = arithmetic.lcm
    lerp = arithmetic.lerp
    logaddexp = arithmetic.logaddexp
    logaddexp2 = arithmetic.logaddexp2
    mul = multiply = arithmetic.mul
    neg = negative = arithmetic.neg
    nextafter = arithmetic.nextafter
    positive = arithmetic.positive
    pow = arithmetic.pow
    remainder = arithmetic.remainder
    sub = subtract = arithmetic.sub

    # elementwise

    acos = arccos = elementwise.acos
    acosh = arccosh = elementwise.acosh
    asin = arcsin = elementwise.asin
    asinh = arcsinh = elementwise.asinh
    atan = arctan = elementwise.atan
    atanh = arctanh = elementwise.atanh
    ceil = elementwise.ceil
    cos = elementwise.cos
    cosh = elementwise.cosh
    deg2rad = elementwise.deg2rad
    exp = elementwise.exp
    exp2 = elementwise.exp2
    expm1 = elementwise.expm1
    floor = elementwise.floor
    frac = elementwise.frac
    log = elementwise.log
    log1p = elementwise.log1p
    log2 = elementwise.log2
    log10 = elementwise.log10
    rad2deg = elementwise.rad2deg
    reciprocal = elementwise.reciprocal
    round = elementwise.round
    rsqrt = elementwise.rsqrt
    sigmoid = elementwise.sigmoid
    sin = elementwise.sin
    sinh = elementwise.sinh
    sqrt = elementwise.sqrt
    square = elementwise.square
    tan = elementwise.tan
    tanh = elementwise.tanh
    trunc = fix = elementwise.trunc

    # extremes

    abs = absolute = extremes.abs
    clamp = clip = extremes.clamp
    clamp_max = extremes.clamp_max
    clamp_min = extremes.clamp_min
    copysign = extremes.copysign
    fmax = extremes.fmax
    fmin = extremes.fmin
    heaviside = extremes.heaviside
    maximum = extremes.maximum
    minimum = extremes.minimum
    nan_to_num = extremes.nan_to_num
    sign = sgn = extremes.sign

    # linalg

    matmul = linalg.matmul
    mm, bmm, mv, dot, vdot = linalg.mm, linalg.bmm, linalg.mv, linalg.dot, linalg.vdot
    inner, outer, ger, kron = linalg.inner, linalg.outer, linalg.ger, linalg.kron
    addmm, addmv, addr = linalg.addmm, linalg.addmv, linalg.addr
    baddbmm, addbmm = linalg.baddbmm, linalg.addbmm
    cross = linalg.cross
    inverse, pinverse = solve.inv, singular_values.pinv
    det, logdet, slogdet = solve.det, solve.logdet, solve.slogdet
    cholesky, cholesky_solve = solve.cholesky, solve.cholesky_solve
    matrix_power = solve.matrix_power
    matrix_exp = matrix_exponential.matrix_exp
    cov, corrcoef = covariance.cov, covariance.corrcoef
    qr = decomposition.qr

    # logic

    allclose = logic.allclose
    bitwise_and = logic.bitwise_and
    bitwise_left_shift = logic.bitwise_left_shift
    bitwise_not = logic.bitwise_not
    bitwise_or = logic.bitwise_or
    bitwise_right_shift = logic.bitwise_right_shift
    bitwise_xor = logic.bitwise_xor
    eq = logic.eq
    equal = logic.equal
    ge = greater_equal = logic.ge
    gt = greater = logic.gt
    isclose = logic.isclose
    isfinite = logic.isfinite
    isinf = logic.isinf
    isnan = logic.isnan
    isneginf = logic.isneginf
    isposinf = logic.isposinf
    isreal = logic.isreal
    le = less_equal = logic.le
    logical_and = logic.logical_and
    logical_not = logic.logical_not
    logical_or = logic.logical_or
    logical_xor = logic.logical_xor
    lt = less = logic.lt
    ne = not_equal = logic.ne
    signbit = logic.signbit

    def where(self, condition, other):
        return logic.where(condition, self, other)

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

    def __reversed__(self):
        return reorder.flip(self, tuple(range(self.ndim)))

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
    put = gather_scatter.put_flat
    select_scatter = gather_scatter.select_scatter
    slice_scatter = gather_scatter.slice_scatter
    diagonal_scatter = gather_scatter.diagonal_scatter

    # movement

    reshape = movement.reshape
    reshape_as = movement.reshape_as
    view = movement.view
    view_as = movement.view_as
    expand = movement.expand
    expand_as = movement.expand_as
    broadcast_to = movement.broadcast_to
    sum_to_size = movement.sum_to_size
    squeeze = movement.squeeze
    unsqueeze = movement.unsqueeze
    flatten = movement.flatten
    unflatten = movement.unflatten
    ravel = movement.ravel
    permute = movement.permute
    transpose = swapaxes = swapdims = movement.transpose
    movedim = moveaxis = movement.movedim
    t = movement.t
    T = property(movement.reversed_dims)
    mT = mH = property(movement.matrix_transpose)
    H = property(movement.conjugate_transpose)
    adjoint = movement.matrix_transpose
    contiguous = movement.contiguous
    clone = movement.clone
    flip = reorder.flip
    fliplr = reorder.fliplr
    flipud = reorder.flipud
    roll = reorder.roll
    rot90 = reorder.rot90
    repeat = repetition.repeat
    repeat_interleave = repetition.repeat_interleave
    tile = repetition.tile
    unfold = windows.unfold
    as_strided = windows.as_strided
    tril = diagonals.tril
    triu = diagonals.triu
    diag = diagonals.diag
    diagonal = diagonals.diagonal
    diag_embed = diagonals.diag_embed
    diagflat = diagonals.diagflat
    trace = diagonals.trace

    # join

    split = split_with_sizes = join.split
    chunk = join.chunk
    tensor_split = join.tensor_split
    hsplit = join.hsplit
    vsplit = join.vsplit
    dsplit = join.dsplit
    unbind = join.unbind
    narrow = join.narrow
    select = join.select

    # reduce

    sum = reduce.sum
    nansum = reduce.nansum
    prod = reduce.prod
    any = reduce.any
    all = reduce.all
    count_nonzero = reduce.count_nonzero
    logsumexp = reduce.logsumexp
    mean = moments.mean
    nanmean = moments.nanmean
    var = moments.var
    std = moments.std
    max = largest.max
    min = largest.min
    amax = largest.amax
    amin = largest.amin
    aminmax = largest.aminmax
    argmax = largest.argmax
    argmin = largest.argmin
    norm = vector_norm.norm
    dist = vector_norm.dist
    unique = counting.unique
    unique_consecutive = counting.unique_consecutive
    bincount = counting.bincount
    histc = counting.histc
    histogram = counting.histogram
    isin = counting.isin

    # scan

    cumsum = scan.cumsum
    cumprod = scan.cumprod
    cummax = scan.cummax
    cummin = scan.cummin
    logcumsumexp = scan.logcumsumexp
    diff = scan.diff

    # sort

    sort = sorting.sort
    msort = sorting.msort
    argsort = sorting.argsort
    topk = sorting.topk
    kthvalue = order_statistics.kthvalue
    median = order_statistics.median
    nanmedian = order_statistics.nanmedian
    quantile = order_statistics.quantile
    nanquantile = order_statistics.nanquantile
    mode = order_statistics.mode

    # softmax

    softmax = softmax
    log_softmax = log_softmax

    # random

    bernoulli = random.bernoulli
    multinomial = random.multinomial

    # special

    digamma = special.digamma
    erf = special.erf
    erfc = special.erfc
    erfinv = special.erfinv
    i0 = special.i0
    lgamma = special.lgamma
    logit = special.logit
    mvlgamma = special.mvlgamma
    sinc = special.sinc
    xlogy = special.xlogy

    def polygamma(self, n):
        return special.polygamma(n, self)


# Composites say which of them failed, as ops do; views, which are called most, say it themselves
for _name, _method in list(vars(Methods).items()):
    if isinstance(_method, FunctionType) and not _method.__module__.endswith(
        ("methods", "movement")
    ):
        setattr(Methods, _name, guarded(_method))

COMPARABLE = (Methods, int, float, np.ndarray, np.generic)
