"""`andon.linalg`: linear algebra, under the names of `torch.linalg`.

>>> import andon
>>> andon.linalg.det(andon.tensor([[1.0, 2.0], [3.0, 4.0]]))
tensor(-2.)
"""

from .core.errors import LinalgError as LinAlgError
from .ops.decomposition import eigh, eigvalsh, qr, svd, svdvals
from .ops.diagonals import diagonal as any_diagonal
from .ops.linalg import cross as any_cross
from .ops.linalg import matmul, multi_dot, vecdot
from .ops.linalg import vander as any_vander
from .ops.matrix_exponential import matrix_exp
from .ops.singular_values import cond, lstsq, matrix_norm, matrix_rank, pinv
from .ops.singular_values import linalg_norm as norm
from .ops.solve import cholesky, det, inv, matrix_power, slogdet, solve, solve_triangular
from .ops.vector_norm import vector_norm


def cross(input, other, *, dim=-1):
    """The vector product along `dim`, of size 3."""
    return any_cross(input, other, dim)


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonals of matrices, in the last two dims."""
    return any_diagonal(A, offset, dim1, dim2)


def vander(x, *, N=None):
    """The powers 1, x, x², … of each element of x as a row."""
    return any_vander(x, N, increasing=True)


__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eigh",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_exp",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "multi_dot",
    "norm",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "solve_triangular",
    "svd",
    "svdvals",
    "vander",
    "vecdot",
    "vector_norm",
]
