"""Functions of PyTorch that are old or odd spellings of what andon has."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from andon.core.dtype import dtype as dtype_of
from andon.core.dtype import get_default_dtype
from andon.core.errors import DTypeError, ShapeError
from andon.engine.jit import jit
from andon.ops.decomposition import svd as svd_factors
from andon.ops.solve import solve_triangular
from andon.tensor import Tensor, arange, from_numpy, tensor


def compile(model: Any = None, *, fullgraph: bool = False, **options: Any) -> Any:
    """`andon.jit`; unless `fullgraph` is asked for, what cannot be recorded runs eagerly."""
    return jit(model, whole=fullgraph)


def is_tensor(obj: Any) -> bool:
    """Whether it is a tensor."""
    return isinstance(obj, Tensor)


def is_storage(obj: Any) -> bool:
    """False: andon has no storages."""
    return False


def typename(obj: Any) -> str:
    """The name of its type: "FloatTensor" and the like for a tensor."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def is_floating_point(input: Tensor) -> bool:
    return input.is_floating_point()


def is_complex(input: Tensor) -> bool:
    return False


def is_nonzero(input: Tensor) -> bool:
    return input.is_nonzero()


def is_same_size(input: Tensor, other: Tensor) -> bool:
    return input.is_same_size(other)


def numel(input: Tensor) -> int:
    return input.numel()


def detach(input: Tensor) -> Tensor:
    return input.detach()


def spmm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of a matrix that may be sparse in PyTorch, and here is not."""
    return input.mm(mat2)


def fill(input: Tensor, value: Any) -> Tensor:
    return input.clone().fill_(value)


def adjoint(input: Tensor) -> Tensor:
    return input.adjoint()


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Flat indices as a tuple of one per dim of `shape`."""
    sizes = (shape,) if isinstance(shape, int) else tuple(shape)
    try:
        found = np.unravel_index(indices.numpy(), sizes)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"unravel_index: {error}: {list(sizes)}") from None
    return tuple(from_numpy(np.asarray(part)) for part in found)


def real(input: Tensor) -> Tensor:
    """The tensor itself: andon has no complex numbers."""
    return input


conj = real


def scalar_tensor(
    s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A number as a tensor without dims, of the default dtype."""
    chosen = get_default_dtype() if dtype is None else dtype
    return tensor(s, dtype=chosen, device=device, requires_grad=requires_grad)


def range(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None) -> Tensor:
    """start, start + step, … up to and including `end`, as floats."""
    start, end = (0, start) if end is None else (start, end)
    if step == 0 or (end - start) * step < 0:
        raise ShapeError(f"range: step must lead from start to end: {start}, {end}, {step}")
    count = math.floor((end - start) / step) + 1
    made = arange(count).to(get_default_dtype() if dtype is None else dtype_of(dtype))
    return made * step + start


def frombuffer(
    buffer: Any, *, dtype: Any, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A tensor on the bytes of `buffer`."""
    try:
        array = np.frombuffer(buffer, dtype_of(dtype).numpy, count, offset)
    except ValueError as error:
        raise DTypeError(f"frombuffer: {error}: {dtype}") from None
    made = from_numpy(array)
    return made.requires_grad_() if requires_grad else made


class SVD(NamedTuple):
    U: Tensor
    S: Tensor
    V: Tensor


def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> SVD:
    """U, S and V with input = U diag(S) Vᵀ, where `linalg.svd` gives Vᵀ."""
    U, S, Vh = svd_factors(input, full_matrices=not some)
    if not compute_uv:
        U, Vh = U * 0.0, Vh * 0.0
    return SVD(U, S, Vh.mT)


def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Tensor, Tensor]:
    """The solution of A x = b, and A: the order of arguments that PyTorch used to have."""
    matrix = A.mT if transpose else A
    found = solve_triangular(matrix, b, upper=upper != transpose, unitriangular=unitriangular)
    return found, A


def to_dlpack(x: Tensor) -> Any:
    return x.__dlpack__()
