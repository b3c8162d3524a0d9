"""Every op, by the name that PyTorch gives it. A module per family; a stanza per op."""

# ruff: noqa: A004 (names such as `sum` are PyTorch's)

# arithmetic
from .arithmetic import (
    abs,
    add,
    div,
    equal,
    floor_divide,
    fmod,
    greater,
    greater_equal,
    less,
    less_equal,
    log,
    maximum,
    minimum,
    mul,
    neg,
    not_equal,
    pow,
    remainder,
    sign,
    sub,
    trunc_divide,
    where,
)

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
