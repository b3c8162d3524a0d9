"""A tensor's dealings with the rest of Python: numbers, lists, NumPy, DLPack, copies, pickle."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.dtype import (
    DType,
    bfloat16,
    bool_,
    dtype,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    uint8,
)
from ..core.errors import DTypeError, GradientError, ShapeError
from ..core.memory import Memory
from ..core.spec import normal_dim
from ..ops.movement import cast
from .device import Device, available


class Interchange:
    """The part of Tensor that converts: to numbers, lists, arrays, dtypes, and back."""

    array: np.ndarray
    memory: Memory

    if TYPE_CHECKING:  # the rest of what a Tensor has

        def __getattr__(self, name: str) -> Any: ...

    # Numbers

    def item(self) -> Any:
        """The one element as a Python number."""
        if self.array.size != 1:
            raise ShapeError(f"item: a tensor of one element expected: {self.spec}")
        found = self.elements().item()
        return float(found) if self.array.dtype.kind == "V" else found

    def tolist(self) -> Any:
        """Nested lists of Python numbers; a number where there are no dims."""
        array = self.elements()
        array = array.astype(np.float32) if array.dtype.kind == "V" else array
        return array.tolist()

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ShapeError(f"bool: the truth of several elements is ambiguous: {self.spec}")
        return bool(self.elements())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            raise DTypeError(f"index: only a single integer can be used as one: {self.spec}")
        return int(self.elements().item())

    def __format__(self, spec: str) -> str:
        if self.array.ndim and spec:
            raise DTypeError(f"format: only a single number takes {spec!r}: {self.spec}")
        return str(self) if self.array.ndim else format(self.item(), spec)

    def __contains__(self, element: Any) -> bool:
        if not isinstance(element, (bool, int, float, np.generic, Interchange)):
            raise DTypeError(f"contains: expects a number or a tensor: {type(element).__name__}")
        return bool((self.elements() == getattr(element, "array", element)).any())

    # NumPy and DLPack

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The array that holds the elements: not a copy."""
        if self.requires_grad and not force:
            raise GradientError("numpy: this tensor requires a gradient: use detach().numpy()")
        self.memory.lent = True
        return self.elements()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self.requires_grad:
            raise GradientError("numpy: this tensor requires a gradient: use detach().numpy()")
        self.memory.lent = True
        return np.array(self.elements(), dtype, copy=copy)

    def __array_wrap__(self, array: np.ndarray, context: Any = None, scalar: bool = False) -> Any:
        """What NumPy's functions return when they are given a tensor: a tensor."""
        from .creation import from_numpy

        return from_numpy(np.asarray(array))

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise GradientError("dlpack: this tensor requires a gradient: use detach()")
        self.memory.lent = True
        try:
            return self.elements().__dlpack__(**options)
        except BufferError as error:
            raise DTypeError(f"dlpack: {error}: {self.spec}") from None

    def __dlpack_device__(self) -> tuple:
        return self.array.__dlpack_device__()

    def data_ptr(self) -> int:
        """The address of the first element."""
        return self.array.ctypes.data

    def stride(self, dim: int | None = None) -> Any:
        """How many elements apart neighbours are, per dim."""
        width, sizes = self.array.itemsize, [max(1, n) for n in self.shape]
        strides = tuple(s // width for s in self.array.strides)
        if not self.array.size:  # what NumPy says then is arbitrary
            strides = tuple(math.prod(sizes[d + 1 :]) for d in range(self.ndim))
        return strides if dim is None else strides[normal_dim(dim, len(strides), "stride")]

    def element_size(self) -> int:
        """Bytes per element."""
        return self.array.itemsize

    itemsize = property(element_size)
    nbytes = property(lambda self: self.array.nbytes)

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in row-major order without gaps."""
        return self.array.flags.c_contiguous

    def storage_offset(self) -> int:
        """How many elements the first one lies behind the start of its buffer."""
        base = self.array if self.base is None else self.base.array
        return (self.array.ctypes.data - base.ctypes.data) // max(1, self.array.itemsize)

    # Dtypes and devices

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """As another dtype or on another device; itself if nothing changes."""
        chosen, copied = parse_to(args, kwargs)
        if chosen is None or chosen is self.dtype:
            return self.clone() if copied else self
        return cast.apply(self, dtype=chosen)

    def type(self, dtype_: Any = None) -> Any:
        """As another dtype; without one, the name of this tensor's type."""
        if dtype_ is None:
            return f"{DType.package}.{TYPE_NAMES[self.dtype]}Tensor"
        return self.to(dtype(dtype_))

    def type_as(self, other: Any) -> Any:
        """In the dtype of `other`."""
        return self.to(other.dtype)

    def cpu(self) -> Any:
        return self

    def cuda(self, device: Any = None, non_blocking: bool = False) -> Any:
        available("cuda")

    def pin_memory(self) -> Any:
        return self

    def is_floating_point(self) -> bool:
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        return False

    def is_signed(self) -> bool:
        return self.dtype.is_signed

    def is_nonzero(self) -> bool:
        """Whether the one element is not 0."""
        return bool(self)

    def is_same_size(self, other: Any) -> bool:
        """Whether the shapes are equal."""
        return self.array.shape == tuple(other.shape)

    def get_device(self) -> int:
        """The number of the device: -1 for the CPU."""
        return -1

    is_cpu = True
    is_cuda = is_mps = is_xpu = is_xla = is_sparse = is_quantized = is_nested = is_meta = False
    layout = "strided"

    # New tensors like this one

    def new_tensor(
        self, data: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False
    ) -> Any:
        """A copy of `data` in this tensor's dtype."""
        from .creation import tensor

        return tensor(data, dtype or self.dtype, device, requires_grad)

    def new_full(self, size: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Any:
        """A tensor of one number, in this one's dtype."""
        from .creation import full

        return full(size, fill_value, dtype=dtype or self.dtype, **options)

    def new(self, *data: Any) -> Any:
        """PyTorch's old way to make a tensor of this dtype: of these sizes, or of this list."""
        if len(data) == 1 and not isinstance(data[0], (int, tuple)):
            return self.new_tensor(data[0])
        return self.new_zeros(*(data or (0,)))

    def new_zeros(self, *size: Any, dtype: Any = None, **options: Any) -> Any:
        """Zeros in this tensor's dtype."""
        from .creation import zeros

        return zeros(*size, dtype=dtype or self.dtype, **options)

    def new_ones(self, *size: Any, dtype: Any = None, **options: Any) -> Any:
        """Ones in this tensor's dtype."""
        from .creation import ones

        return ones(*size, dtype=dtype or self.dtype, **options)

    new_empty = new_zeros

    # Copies and pickles

    def __copy__(self) -> Any:
        if not self.is_leaf:
            raise GradientError("copy: only leaves can be copied: use clone() or detach()")
        made = self.rebuilt(self.array, self.requires_grad)
        made.memory = self.memory
        return made

    def __deepcopy__(self, memo: dict) -> Any:
        if not self.is_leaf:
            raise GradientError("deepcopy: only leaves can be copied: use clone() or detach()")
        made = self.rebuilt(self.array.copy(), self.requires_grad)
        memo[id(self)] = made
        if self.grad is not None:
            made.grad = copy.deepcopy(self.grad, memo)
        return made

    def __reduce__(self) -> tuple:
        if not self.is_leaf:
            raise GradientError("pickle: only leaves can be pickled: use detach()")
        return rebuild, (type(self), np.array(self.array, order="C"), self.requires_grad)

    def rebuilt(self, array: np.ndarray, requires_grad: bool) -> Any:
        """A tensor of the same class, attributes included, around another array."""
        made = rebuild(type(self), array, requires_grad)
        own = {"array", "memory", "node", "base", "seen", "origin", "recipe", "turns", "_grad"}
        made.__dict__.update({k: v for k, v in self.__dict__.items() if k not in own})
        return made


def rebuild(cls: Any, array: np.ndarray, requires_grad: bool) -> Any:
    """A tensor of class `cls` around `array`: how pickles and copies come back."""
    made = cls.__new__(cls)
    made.array, made.memory, made.node, made.base = array, Memory(), None, None
    return made.requires_grad_() if requires_grad else made


def parse_to(args: tuple, kwargs: dict) -> tuple[DType | None, bool]:
    """The dtype that `to(...)` asks for, in any of its spellings, and whether to copy."""
    unknown = set(kwargs) - {"dtype", "device", "copy", "non_blocking", "memory_format"}
    if unknown:
        raise DTypeError(f"to: no such keyword: {', '.join(sorted(unknown))}")
    targets = [*args, kwargs.get("dtype"), kwargs.get("device")]
    flags = [given for given in args if isinstance(given, bool)]  # non_blocking, copy
    chosen = None
    for given in targets:
        if isinstance(given, (str, Device)):
            available(given)
        elif isinstance(given, Interchange):
            chosen = given.dtype
        elif given is not None and not isinstance(given, bool):
            chosen = dtype(given)
    return chosen, kwargs.get("copy", len(flags) == 2 and flags[1])


def _cast_method(to: DType):
    def method(self, memory_format: Any = None) -> Any:
        return self.to(to)

    method.__doc__ = f"As {to.name}."
    return method


CASTS = {
    "half": float16, "float": float32, "double": float64, "bfloat16": bfloat16,
    "long": int64, "int": int32, "short": int16, "char": int8, "byte": uint8, "bool": bool_,
}  # fmt: skip
TYPE_NAMES = {to: "BFloat16" if to is bfloat16 else name.title() for name, to in CASTS.items()}
for _name, _dtype in CASTS.items():
    setattr(Interchange, _name, _cast_method(_dtype))
