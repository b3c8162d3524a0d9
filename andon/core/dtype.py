"""Dtypes, and PyTorch's rules for what comes out when they meet.

A `DType` is a name with a NumPy dtype behind it. `result_type` is the promotion rule: the
operands with dims decide the dtype, unless a 0-dim operand or a Python number is of a higher
category (bool < integer < floating), and then it decides.
"""

from __future__ import annotations

import functools
from typing import Any

import ml_dtypes
import numpy as np

from .errors import DTypeError

CATEGORIES = {"bool": 0, "integer": 1, "floating": 2}


class DType:
    """One element type: `name`, the NumPy dtype `numpy`, and its promotion `category`."""

    __slots__ = ("category", "name", "numpy")
    package = "andon"  # what reprs begin with; "torch" in programs that say `import torch`

    def __init__(self, name: str, numpy: Any, category: str):
        self.name = name
        self.numpy = np.dtype(numpy)
        self.category = CATEGORIES[category]

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return self.numpy.itemsize

    @property
    def is_floating_point(self) -> bool:
        return self.category == 2

    @property
    def is_complex(self) -> bool:
        return False

    @property
    def is_signed(self) -> bool:
        return self.name not in ("bool", "uint8")

    def __repr__(self) -> str:
        return f"{self.package}.{self.name}"

    def __reduce__(self) -> tuple:
        return dtype, (self.name,)  # unpickles to the one instance, so `is` keeps working


bool_ = DType("bool", np.bool_, "bool")
uint8 = DType("uint8", np.uint8, "integer")
int8 = DType("int8", np.int8, "integer")
int16 = DType("int16", np.int16, "integer")
int32 = DType("int32", np.int32, "integer")
int64 = DType("int64", np.int64, "integer")
float16 = DType("float16", np.float16, "floating")
bfloat16 = DType("bfloat16", ml_dtypes.bfloat16, "floating")
float32 = DType("float32", np.float32, "floating")
float64 = DType("float64", np.float64, "floating")

DTYPES = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
INTEGERS = (uint8, int8, int16, int32, int64)
FLOATING = (float16, bfloat16, float32, float64)
OF_NUMPY = {d.numpy: d for d in DTYPES}
OF_NAME = {d.name: d for d in DTYPES} | {
    "half": float16, "float": float32, "double": float64,
    "short": int16, "int": int32, "long": int64,
}  # fmt: skip
OF_PYTHON = {bool: bool_, int: int64, float: float64}

_default = [float32]


def dtype(given: Any) -> DType:
    """The DType that `given` names: a DType, a name, a NumPy dtype, or Python's bool/int/float.

    >>> dtype("float64"), dtype(int)
    (andon.float64, andon.int64)
    """
    if isinstance(given, DType):
        return given
    if isinstance(given, np.dtype) and given in OF_NUMPY:
        return OF_NUMPY[given]
    found = OF_PYTHON.get(given) if isinstance(given, type) else None
    if found is None and isinstance(given, str):
        found = OF_NAME.get(given)
    if found is None:
        found = _of_numpy(given)
    return found


def dtype_of_number(x: Any) -> DType:
    """What a Python bool, int or float counts as beside tensors."""
    if isinstance(x, bool):
        return bool_
    return int64 if isinstance(x, int) else _default[0]


def _of_numpy(given: Any) -> DType:
    try:
        return OF_NUMPY[np.dtype(given)]
    except (KeyError, TypeError):
        names = ", ".join(d.name for d in DTYPES)
        raise DTypeError(f"dtype: not one of {names}: {given!r}") from None


def get_default_dtype() -> DType:
    """The dtype of floats that come without one."""
    return _default[0]


def set_default_dtype(given: Any) -> None:
    """Make `given` (a floating dtype) the dtype of floats that come without one."""
    chosen = dtype(given)
    if not chosen.is_floating_point:
        raise DTypeError(f"set_default_dtype: only floating dtypes: {chosen}")
    _default[0] = chosen


@functools.cache
def promote_types(a: DType, b: DType) -> DType:
    """The smallest dtype that holds both, by PyTorch's table.

    >>> promote_types(uint8, int8), promote_types(float16, bfloat16), promote_types(int64, float16)
    (andon.int16, andon.float32, andon.float16)
    """
    if a.category != b.category:
        return a if a.category > b.category else b
    if a is b:
        return a
    if {a, b} == {float16, bfloat16}:
        return float32
    if {a, b} == {uint8, int8}:
        return int16
    return max(a, b, key=lambda d: d.itemsize)


def result_type(*operands: Any) -> DType:
    """The dtype of an elementwise result, operands being tensors, arrays or Python numbers.

    >>> result_type(np.ones(3, np.float32), 2.5), result_type(np.ones(3, np.int64), 2.5)
    (andon.float32, andon.float32)
    """
    levels: list[DType | None] = [None, None, None]  # with dims, 0-dim, Python numbers
    for x in operands:
        level, found = _level(x)
        seen = levels[level]
        levels[level] = found if seen is None else promote_types(seen, found)
    result: DType | None = None
    for candidate in levels:
        if candidate is not None and (result is None or candidate.category > result.category):
            result = candidate if result is None else promote_types(result, candidate)
    if result is None:
        raise DTypeError("result_type: needs at least one operand")
    return result


def _level(x: Any) -> tuple[int, DType]:
    if isinstance(x, (bool, int, float)) and not isinstance(x, np.generic):
        return 2, dtype_of_number(x)
    return (0 if x.ndim else 1), dtype(x.dtype)


class finfo:
    """Limits of a floating dtype: bits, eps, max, min, tiny, resolution."""

    def __init__(self, of: Any = None):
        self.dtype = dtype(of) if of is not None else _default[0]
        if not self.dtype.is_floating_point:
            raise DTypeError(f"finfo: only floating dtypes: {self.dtype}")
        info = ml_dtypes.finfo(self.dtype.numpy)
        self.bits = info.bits
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = float(info.resolution)  # what decimal digits can tell apart

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        limits = ", ".join(f"{name}={getattr(self, name):g}" for name in names)
        return f"finfo({limits}, dtype={self.dtype.name})"


class iinfo:
    """Limits of an integer dtype: bits, max, min."""

    def __init__(self, of: Any):
        self.dtype = dtype(of)
        if self.dtype.category != 1:
            raise DTypeError(f"iinfo: only integer dtypes: {self.dtype}")
        info = np.iinfo(self.dtype.numpy)
        self.bits, self.max, self.min = info.bits, int(info.max), int(info.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype.name})"


def can_cast(source: Any, target: Any) -> bool:
    """Whether PyTorch allows the cast in an in-place result: never to a lower category."""
    return dtype(source).category <= dtype(target).category
