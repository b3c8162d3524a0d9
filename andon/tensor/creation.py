"""Making tensors: from data, filled with a number, or counting up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtype import DType, dtype_of_number, float64, get_default_dtype, int64, promote_types
from ..core.dtype import dtype as as_dtype
from ..core.errors import DTypeError, ShapeError
from ..core.op import Symbolic, interpreters
from ..core.spec import sizes_from
from .device import available
from .tensor import Tensor, wrap


def tensor(
    data: Any,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """A new tensor with a copy of `data`: numbers, nested sequences, arrays or tensors.

    Without a dtype, Python floats become the default dtype and ints int64.
    """
    available(device)
    return from_array(copy_of(data, dtype), requires_grad)


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` as a tensor, sharing memory where it is an array or a tensor already."""
    available(device)
    if isinstance(data, np.ndarray):
        data = from_numpy(data)
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(as_dtype(dtype))
    return from_array(copy_of(data, dtype))


def asarray(
    data: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: Any = None,
    requires_grad: Any = False,
) -> Tensor:
    """As `as_tensor`; `copy=True` shares no memory, `copy=False` raises where there must be one."""
    made = tensor(data, dtype, device) if copy else as_tensor(data, dtype, device)
    if copy is False and not np.may_share_memory(made.array, getattr(data, "array", data)):
        raise DTypeError(f"asarray: cannot be had without a copy: {type(data).__name__}")
    return made.requires_grad_() if requires_grad else made


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of `array`."""
    if not isinstance(array, np.ndarray):
        raise DTypeError(f"from_numpy: expects an array: {type(array).__name__}")
    as_dtype(array.dtype)  # raises if andon has no such dtype
    made = wrap(array)
    made.memory.lent = True
    return made


def from_dlpack(source: Any) -> Tensor:
    """A tensor on the memory of `source`, any array or tensor that speaks DLPack."""
    try:
        return from_numpy(np.from_dlpack(source))
    except (BufferError, RuntimeError, AttributeError) as error:
        raise DTypeError(f"from_dlpack: {error}: {type(source).__name__}") from None


def copy_of(data: Any, wanted: Any) -> np.ndarray:
    """A fresh array of `data`, in the dtype wanted or PyTorch's choice for it."""
    if isinstance(data, Tensor):
        data = data.elements()
    if isinstance(data, Symbolic):
        return data.astype(as_dtype(data.dtype if wanted is None else wanted).numpy)
    if isinstance(data, (np.ndarray, np.generic)):
        return np.array(data, as_dtype(data.dtype if wanted is None else wanted).numpy)
    try:
        array = np.array(plain(data))
    except (ValueError, TypeError) as error:
        raise ShapeError(f"tensor: rows must be of one length: {error}") from None
    found = python_dtype(data, array)
    if wanted is None:
        return array.astype(found.numpy, copy=False)
    check_fits(array, as_dtype(wanted), "tensor")
    return array.astype(as_dtype(wanted).numpy)


def plain(data: Any) -> Any:
    """Nested sequences with the tensors in them as arrays."""
    if isinstance(data, Tensor):
        return data.elements()
    if isinstance(data, (list, tuple)) and any(isinstance(x, (Tensor, list, tuple)) for x in data):
        return [plain(x) for x in data]
    return data


def python_dtype(data: Any, array: np.ndarray) -> DType:
    """The dtype for `data`, numbers in nested sequences, that NumPy made `array` of."""
    if array.dtype.kind not in "biuf":
        raise DTypeError(f"tensor: expects numbers that fit a dtype: {array.dtype}")
    if array.dtype != np.float64:
        return as_dtype(array.dtype)
    while isinstance(data, (list, tuple)) and data:
        data = data[0]
    own = getattr(data, "dtype", None)  # of NumPy's numbers and of tensors in the list
    default = get_default_dtype()
    return default if own is None else promote_types(as_dtype(own), default)


def check_fits(values: np.ndarray, to: DType, name: str) -> None:
    """Raise if Python numbers do not fit an integer dtype. Unsigned ones may wrap, as in C."""
    if to.category != 1 or not values.size:
        return
    largest = np.iinfo(to.numpy).max
    if not (values.max() <= largest and values.min() >= -largest - 1):  # false for NaN too
        raise DTypeError(f"{name}: a number does not fit {to.name}: {values.min()}, {values.max()}")


def from_array(array: np.ndarray, requires_grad: bool = False) -> Tensor:
    """A tensor around `array`, a leaf to differentiate if asked.

    While a program is recorded, what it makes is a constant of it.
    """
    made = wrap(array if interpreters.recorder is None else interpreters.recorder.constant(array))
    return made.requires_grad_() if requires_grad else made


def filled(
    value: Any, sizes: tuple, size: Any, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    """A tensor of one number; the sizes are given as `f(2, 3)`, `f((2, 3))` or `f(size=(2, 3))`."""
    available(device)
    shape = sizes_from(sizes if size is None else (size,))
    if any(n < 0 for n in shape):
        raise ShapeError(f"sizes: must be >= 0: {list(shape)}")
    chosen = _dtype(dtype, get_default_dtype())
    check_addressable(shape, chosen.numpy.itemsize)
    check_fits(np.asarray(value), chosen, "full")
    array = np.zeros(shape, chosen.numpy)
    if value != 0:
        array[...] = np.asarray(value).astype(chosen.numpy)
    return from_array(array, requires_grad)


def check_addressable(shape: Sequence[int], width: int) -> None:
    """Raise if elements of `width` bytes are more than there can be addresses for."""
    if math.prod(n or 1 for n in shape) * width >= 2**63:
        raise ShapeError(f"sizes: more bytes than there are addresses: {list(shape)}")


def zeros(*sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None) -> Tensor:
    """A tensor of zeros."""
    return filled(0, sizes, size, dtype, device, requires_grad)


def ones(*sizes, size=None, dtype=None, device=None, requires_grad=False, layout=None) -> Tensor:
    """A tensor of ones."""
    return filled(1, sizes, size, dtype, device, requires_grad)


def empty(
    *sizes, size=None, dtype=None, device=None, requires_grad=False, pin_memory=False, layout=None
) -> Tensor:
    """A tensor to be written to; andon fills it with zeros, so that no run differs."""
    return filled(0, sizes, size, dtype, device, requires_grad)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor of one number; its dtype is that of the number unless given."""
    if isinstance(fill_value, Tensor):
        dtype = dtype or fill_value.dtype
    if isinstance(fill_value, (Tensor, np.generic)):
        fill_value = fill_value.item()
    if not isinstance(fill_value, (bool, int, float)):
        raise DTypeError(f"full: expects a number: {fill_value!r}")
    if dtype is None:
        dtype = dtype_of_number(fill_value)
    return filled(fill_value, (), size, dtype, device, requires_grad)


def zeros_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None) -> Tensor:
    """Zeros in the shape and dtype of x."""
    return filled(0, (), tuple(x.shape), dtype or x.dtype, device, requires_grad)


def ones_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None) -> Tensor:
    """Ones in the shape and dtype of x."""
    return filled(1, (), tuple(x.shape), dtype or x.dtype, device, requires_grad)


def empty_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None) -> Tensor:
    """As `zeros_like`."""
    return filled(0, (), tuple(x.shape), dtype or x.dtype, device, requires_grad)


def full_like(x, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """One number in the shape and dtype of x."""
    size, dtype = tuple(x.shape), dtype or x.dtype
    return full(size, fill_value, dtype=dtype, device=device, requires_grad=requires_grad)


def arange(start=None, end=None, step=1, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """start, start + step, … below `end`. int64 unless a float is given."""
    available(device)
    start, end = (0, start) if end is None else (0 if start is None else start, end)
    start, end, step = (
        x.item() if isinstance(x, (Tensor, np.generic)) else x for x in (start, end, step)
    )
    if not all(map(math.isfinite, (start, end, step))) or step == 0 or (end - start) * step < 0:
        raise ShapeError(f"arange: step must lead from start to end: {start}, {end}, {step}")
    fractional = any(isinstance(x, float) for x in (start, end, step))
    chosen = _dtype(dtype, get_default_dtype() if fractional else int64)
    size = math.ceil((end - start) / step) if fractional else -((start - end) // step)
    check_addressable((size,), 8)
    array = (start + np.arange(size) * step).astype(chosen.numpy)
    return from_array(array, requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """`steps` numbers evenly spaced from start to end, both included."""
    available(device)
    chosen = _dtype(dtype, get_default_dtype())
    (steps,) = sizes_from((steps,))
    if steps < 0:
        raise ShapeError(f"linspace: steps must be >= 0: {steps}")
    check_addressable((steps,), 8)
    array = np.linspace(float(start), float(end), steps).astype(chosen.numpy)
    return from_array(array, requires_grad)


def logspace(
    start, end, steps, base=10.0, *, dtype=None, device=None, requires_grad=False
) -> Tensor:
    """base^start … base^end, evenly spaced exponents."""
    exponents = linspace(start, end, steps, dtype=float64, device=device).array
    array = np.power(float(base), exponents).astype(_dtype(dtype, get_default_dtype()).numpy)
    return from_array(array, requires_grad)


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """The identity matrix."""
    available(device)
    sizes = sizes_from((n, n if m is None else m))
    if min(sizes) < 0:
        raise ShapeError(f"eye: sizes must be >= 0: {list(sizes)}")
    chosen = _dtype(dtype, get_default_dtype())
    check_addressable(sizes, chosen.itemsize)
    return from_array(np.eye(*sizes, dtype=chosen.numpy), requires_grad)


def _dtype(given: Any, default: DType) -> DType:
    return default if given is None else as_dtype(given)
