"""Every op, by the name that PyTorch gives it. A module per family; a stanza per op."""

# ruff: noqa: A004 (names such as `sum` are PyTorch's)

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
    positive,
    pow,
    remainder,
    rsub,
    sub,
)
from .arithmetic import atan2 as arctan2
from .arithmetic import div as divide
from .arithmetic import mul as multiply
from .arithmetic import neg as negative
from .arithmetic import sub as subtract
from .arithmetic import div as true_divide

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

# gather
from .gather_scatter import (
    argwhere,
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
    take_along_dim,
)
from .gather_scatter import take_flat as take

# linalg
from .linalg import matmul

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
from .logic import gt as greater
from .logic import ge as greater_equal
from .logic import lt as less
from .logic import le as less_equal
from .logic import ne as not_equal

# movement
from .movement import (
    clone,
    contiguous,
    expand,
    flatten,
    permute,
    reshape,
    squeeze,
    transpose,
    unsqueeze,
)

# reduce
from .reduce import sum

# What `from andon.ops import *` gives: ops and composites, not the modules they are in
__all__ = [name for name, value in globals().items() if callable(value)]
