"""Making tensors: from data, filled with a number, or counting up."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.dtype import DType, bool_, dtype, get_default_dtype, int64
from ..core.errors import DTypeError, ShapeError
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
    if isinstance(data, Tensor):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray) and dtype is None:
        return from_numpy(data)
    return wrap(copy_of(data, dtype))


def from_numpy(array: np.ndarray) -> Tensor:
    """A tensor on the memory of `array`."""
    if not isinstance(array, np.ndarray):
        raise DTypeError(f"from_numpy: expects an array: {type(array).__name__}")
    dtype(array.dtype)  # raises if andon has no such dtype
    return wrap(array)


def copy_of(data: Any, wanted: Any) -> np.ndarray:
    """A fresh array of `data`, in the dtype wanted or PyTorch's choice for it."""
    if isinstance(data, Tensor):
        data = data.array
    if isinstance(data, (np.ndarray, np.generic)):
        return np.array(data, dtype(data.dtype).numpy if wanted is None else dtype(wanted).numpy)
    try:
        array = np.array(plain(data))
    except (ValueError, TypeError) as error:
        raise ShapeError(f"tensor: rows must be of one length: {error}") from None
    if wanted is not None:
        return array.astype(dtype(wanted).numpy)
    return array.astype(python_dtype(array).numpy, copy=False)


def plain(data: Any) -> Any:
    """Nested sequences with the tensors in them as arrays."""
    if isinstance(data, Tensor):
        return data.array
    if isinstance(data, (list, tuple)) and any(isinstance(x, (Tensor, list, tuple)) for x in data):
        return [plain(x) for x in data]
    return data


def python_dtype(array: np.ndarray) -> DType:
    """The dtype of Python numbers that became `array`."""
    if array.dtype.kind == "f":
        return get_default_dtype() if array.dtype == np.float64 else dtype(array.dtype)
    if array.dtype.kind in "iu":
        return int64 if array.dtype == np.int64 else dtype(array.dtype)
    if array.dtype.kind == "b":
        return bool_
    raise DTypeError(f"tensor: expects numbers: {array.dtype}")


def from_array(array: np.ndarray, requires_grad: bool = False) -> Tensor:
    """A tensor around `array`, a leaf to differentiate if asked."""
    made = wrap(array)
    return made.requires_grad_() if requires_grad else made


def filled(value: Any, size: tuple, dtype_: Any, device: Any, requires_grad: bool) -> Tensor:
    """A tensor of one number; `size` as PyTorch takes it."""
    available(device)
    shape = sizes_from(size)
    if any(n < 0 for n in shape):
        raise ShapeError(f"sizes must be >= 0: {list(shape)}")
    chosen = get_default_dtype() if dtype_ is None else dtype(dtype_)
    array = np.zeros(shape, chosen.numpy) if value == 0 else np.full(shape, value, chosen.numpy)
    return from_array(array, requires_grad)


def zeros(*size, dtype=None, device=None, requires_grad=False, out=None, layout=None) -> Tensor:
    """A tensor of zeros."""
    return filled(0, size, dtype, device, requires_grad)


def ones(*size, dtype=None, device=None, requires_grad=False, out=None, layout=None) -> Tensor:
    """A tensor of ones."""
    return filled(1, size, dtype, device, requires_grad)


def empty(*size, dtype=None, device=None, requires_grad=False, pin_memory=False) -> Tensor:
    """A tensor to be written to; andon fills it with zeros, so that no run differs."""
    return filled(0, size, dtype, device, requires_grad)


def full(size, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """A tensor of one number; its dtype is that of the number unless given."""
    if isinstance(fill_value, Tensor):
        fill_value, dtype = fill_value.item(), dtype or fill_value.dtype
    if dtype is None:
        dtype = python_dtype(np.array(fill_value))
    size = size if isinstance(size, (tuple, list)) else (size,)
    return filled(fill_value, tuple(size), dtype, device, requires_grad)


def zeros_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None) -> Tensor:
    """Zeros in the shape and dtype of x."""
    return filled(0, tuple(x.shape), dtype or x.dtype, device, requires_grad)


def ones_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None) -> Tensor:
    """Ones in the shape and dtype of x."""
    return filled(1, tuple(x.shape), dtype or x.dtype, device, requires_grad)


def empty_like(x, *, dtype=None, device=None, requires_grad=False, memory_format=None) -> Tensor:
    """As `zeros_like`."""
    return filled(0, tuple(x.shape), dtype or x.dtype, device, requires_grad)


def full_like(x, fill_value, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """One number in the shape and dtype of x."""
    return filled(fill_value, tuple(x.shape), dtype or x.dtype, device, requires_grad)


def arange(start, end=None, step=1, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """start, start + step, … below `end`. int64 unless a float is given."""
    available(device)
    if end is None:
        start, end = 0, start
    start, end, step = (x.item() if isinstance(x, Tensor) else x for x in (start, end, step))
    if step == 0 or (end - start) * step < 0:
        raise ShapeError(f"arange: step must lead from start to end: {start}, {end}, {step}")
    given = any(isinstance(x, float) for x in (start, end, step))
    chosen = _dtype(dtype, get_default_dtype() if given else int64)
    size = int(np.ceil((end - start) / step))
    array = (start + np.arange(size) * step).astype(chosen.numpy)
    return from_array(array, requires_grad)


def linspace(start, end, steps, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """`steps` numbers evenly spaced from start to end, both included."""
    available(device)
    chosen = _dtype(dtype, get_default_dtype())
    start, end = float(start), float(end)
    return from_array(np.linspace(start, end, int(steps)).astype(chosen.numpy), requires_grad)


def logspace(start, end, steps, base=10.0, *, dtype=None, device=None) -> Tensor:
    """base^start … base^end, evenly spaced exponents."""
    available(device)
    chosen = _dtype(dtype, get_default_dtype())
    return wrap(np.logspace(float(start), float(end), int(steps), base=base).astype(chosen.numpy))


def eye(n, m=None, *, dtype=None, device=None, requires_grad=False) -> Tensor:
    """The identity matrix."""
    available(device)
    return from_array(np.eye(n, m, dtype=_dtype(dtype, get_default_dtype()).numpy), requires_grad)


def _dtype(given: Any, default: DType) -> DType:
    return default if given is None else dtype(given)


