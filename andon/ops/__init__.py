"""Every op, by the name that PyTorch gives it. A module per family; a stanza per op."""

from ..core.op import guard as _guard

# activation
from .activation import (
    celu,
    elu,
    glu,
    hardshrink,
    hardsigmoid,
    hardswish,
    hardtanh,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu,
    relu6,
    selu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
    threshold,
)

# arithmetic
from .arithmetic import (
    add,
    addcdiv,
    addcmul,
    atan2,
    div,
    float_power,
    floor_divide,
    fmod,
    gcd,
    hypot,
    lcm,
    lerp,
    logaddexp,
    logaddexp2,
    mul,
    neg,
    nextafter,
    positive,
    pow,
    remainder,
    rsub,
    sub,
)
from .arithmetic import atan2 as arctan2
from .arithmetic import div as divide
from .arithmetic import div as true_divide
from .arithmetic import mul as multiply
from .arithmetic import neg as negative
from .arithmetic import sub as subtract

# pool
from .avg_pool import (
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

# norm
from .batch_norm import batch_norm, group_norm, instance_norm

# calculus
from .calculus import cumulative_trapezoid, gradient, trapezoid
from .calculus import trapezoid as trapz

# conv
from .conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)

# reduce
from .counting import bincount, histc, histogram, isin, unique, unique_consecutive
from .covariance import corrcoef, cov

# linalg
from .decomposition import qr

# movement
from .diagonals import (
    block_diag,
    diag,
    diag_embed,
    diagflat,
    diagonal,
    trace,
    tril,
    tril_indices,
    triu,
    triu_indices,
)
from .distance import cdist, cosine_similarity, pairwise_distance, pdist

# einsum
from .einsum import einsum

# elementwise
from .elementwise import (
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    ceil,
    cos,
    cosh,
    deg2rad,
    exp,
    exp2,
    expm1,
    floor,
    frac,
    log,
    log1p,
    log2,
    log10,
    rad2deg,
    reciprocal,
    round,
    rsqrt,
    sigmoid,
    sin,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
    trunc,
)
from .elementwise import acos as arccos
from .elementwise import acosh as arccosh
from .elementwise import asin as arcsin
from .elementwise import asinh as arcsinh
from .elementwise import atan as arctan
from .elementwise import atanh as arctanh
from .elementwise import trunc as fix

# embedding
from .embedding import embedding, embedding_bag

# extremes
from .extremes import (
    abs,
    clamp,
    clamp_max,
    clamp_min,
    copysign,
    fmax,
    fmin,
    heaviside,
    maximum,
    minimum,
    nan_to_num,
    sign,
)
from .extremes import abs as absolute
from .extremes import clamp as clip
from .extremes import sign as sgn

# gated
from .gated import gelu, silu
from .gated import silu as swish

# gather
from .gather_scatter import (
    argwhere,
    diagonal_scatter,
    gather,
    index_add,
    index_copy,
    index_fill,
    index_put,
    index_select,
    masked_fill,
    masked_scatter,
    masked_select,
    nonzero,
    scatter,
    scatter_add,
    scatter_reduce,
    select_scatter,
    slice_scatter,
    take_along_dim,
)
from .gather_scatter import put_flat as put
from .gather_scatter import take_flat as take

# interpolate
from .grid_sample import affine_grid, grid_sample
from .interpolate import (
    channel_shuffle,
    interpolate,
    pixel_shuffle,
    pixel_unshuffle,
    upsample,
)

# join
from .join import (
    cat,
    chunk,
    column_stack,
    dsplit,
    dstack,
    hsplit,
    hstack,
    narrow,
    select,
    split,
    stack,
    tensor_split,
    unbind,
    vsplit,
    vstack,
)
from .join import cat as concat
from .join import cat as concatenate
from .join import vstack as row_stack
from .largest import amax, amin, aminmax, argmax, argmin, max, min
from .linalg import (
    addbmm,
    addmm,
    addmv,
    addr,
    baddbmm,
    bmm,
    chain_matmul,
    cross,
    dot,
    ger,
    inner,
    kron,
    matmul,
    mm,
    mv,
    outer,
    tensordot,
    vander,
    vdot,
)

# logic
from .logic import (
    allclose,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    eq,
    equal,
    ge,
    gt,
    isclose,
    isfinite,
    isinf,
    isnan,
    isneginf,
    isposinf,
    isreal,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
    signbit,
    where,
)
from .logic import ge as greater_equal
from .logic import gt as greater
from .logic import le as less_equal
from .logic import lt as less
from .logic import ne as not_equal

# loss
from .loss import (
    binary_cross_entropy_with_logits,
    cosine_embedding_loss,
    hinge_embedding_loss,
    kl_div,
    margin_ranking_loss,
    poisson_nll_loss,
)
from .matrix_exponential import matrix_exp
from .max_pool import (
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
from .moments import mean, nanmean, std, std_mean, var, var_mean
from .movement import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_tensors,
    broadcast_to,
    clone,
    contiguous,
    expand,
    flatten,
    movedim,
    permute,
    ravel,
    reshape,
    squeeze,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from .movement import movedim as moveaxis
from .movement import transpose as swapaxes
from .movement import transpose as swapdims
from .norm import layer_norm, rms_norm

# sort
from .order_statistics import kthvalue, median, mode, nanmedian, nanquantile, quantile

# random
from .random import (
    alpha_dropout,
    bernoulli,
    dropout,
    feature_alpha_dropout,
    multinomial,
    poisson,
)
from .reduce import all, any, count_nonzero, logsumexp, nansum, prod, sum
from .reorder import flip, fliplr, flipud, roll, rot90
from .repetition import cartesian_prod, combinations, meshgrid, repeat_interleave, tile

# scan
from .scan import cummax, cummin, cumprod, cumsum, diff, logcumsumexp
from .singular_values import pinv as pinverse

# softmax
from .softmax import log_softmax, softmax
from .solve import cholesky, cholesky_solve, det, logdet, matrix_power, slogdet
from .solve import inv as inverse
from .sorting import argsort, bucketize, msort, searchsorted, sort, topk

# special
from .special import (
    digamma,
    erf,
    erfc,
    erfinv,
    i0,
    lgamma,
    logit,
    mvlgamma,
    polygamma,
    sinc,
    xlogy,
)
from .vector_norm import dist, norm  # after `.norm`, whose name the function takes
from .windows import as_strided

# What `from andon.ops import *` gives: ops and composites, not the modules they are in
__all__ = [name for name, value in globals().items() if callable(value) and name != "_guard"]

_guard(globals())
