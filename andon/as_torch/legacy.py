"""PyTorch's old names: types with a dtype, such as FloatTensor, and Variable."""

from __future__ import annotations

from typing import Any

from andon.core.dtype import (
    OF_NAME,
    OF_PYTHON,
    DType,
    bfloat16,
    bool_,
    float16,
    float32,
    float64,
    int8,
    int16,
    int32,
    int64,
    set_default_dtype,
    uint8,
)
from andon.core.errors import DTypeError
from andon.tensor import Size, Tensor, tensor, zeros


class TensorType(type):
    """The class of `FloatTensor` and its like: their instances are tensors of one dtype."""

    dtype: DType

    def __call__(cls, *data: Any) -> Tensor:
        """`FloatTensor([1, 2])`, or sizes: `FloatTensor(2, 3)`."""
        if len(data) == 1 and not isinstance(data[0], (int, Size)):
            return tensor(data[0], dtype=cls.dtype)
        return zeros(*(data or (0,)), dtype=cls.dtype)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor) and x.dtype is cls.dtype


def tensor_type(name: str, dtype: DType) -> Any:
    """The class of that name; `x.type(…)` takes it, and its name as a string."""
    made = TensorType(name, (), {"dtype": dtype, "__doc__": f"Tensors of {dtype.name}."})
    OF_PYTHON[made] = OF_NAME[f"torch.{name}"] = dtype
    return made


FloatTensor = tensor_type("FloatTensor", float32)
DoubleTensor = tensor_type("DoubleTensor", float64)
HalfTensor = tensor_type("HalfTensor", float16)
BFloat16Tensor = tensor_type("BFloat16Tensor", bfloat16)
LongTensor = tensor_type("LongTensor", int64)
IntTensor = tensor_type("IntTensor", int32)
ShortTensor = tensor_type("ShortTensor", int16)
CharTensor = tensor_type("CharTensor", int8)
ByteTensor = tensor_type("ByteTensor", uint8)
BoolTensor = tensor_type("BoolTensor", bool_)


def set_default_tensor_type(t: Any) -> None:
    """Make the dtype of a type such as `DoubleTensor`, or of its name, the default."""
    chosen = OF_NAME.get(t) if isinstance(t, str) else getattr(t, "dtype", None)
    if chosen is None:
        raise DTypeError(f"set_default_tensor_type: a type such as FloatTensor expected: {t!r}")
    set_default_dtype(chosen)


class VariableType(type):
    """The class of `Variable`: every tensor is an instance."""

    def __call__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:
        return data.detach().requires_grad_(requires_grad)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Tensor)


class Variable(metaclass=VariableType):
    """A tensor that gradients flow through; since PyTorch 0.4, each tensor is one."""
