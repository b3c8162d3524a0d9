"""One element of an op, as a C expression that means what the op's reference means.

The ops' own `c` texts are written for floats. Here they are rendered for a dtype: float32 gets the
functions and literals of float, integers get the texts below where those of floats would be wrong.
float16 and bfloat16 are computed in float32 and rounded when they are stored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtype import OF_NUMPY
from ..graph.ir import Symbol
from ..graph.kernel import REDUCTIONS

C_TYPES = {
    "bool": "bool", "uint8": "uint8_t", "int8": "int8_t", "int16": "int16_t",
    "int32": "int32_t", "int64": "int64_t", "float16": "float", "bfloat16": "float",
    "float32": "float", "float64": "double",
}  # fmt: skip
STORED = {**C_TYPES, "float16": "uint16_t", "bfloat16": "uint16_t"}

MATHEMATICAL = [
    "sqrt", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan",
    "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "floor", "ceil",
    "trunc", "rint", "round", "fabs", "copysign", "fmax", "fmin", "fmod", "pow", "hypot",
    "atan2", "nextafter", "erf", "erfc", "lgamma", "floor_quotient", "remainder_of_floor",
]  # fmt: skip
FUNCTIONS = re.compile(rf"\b({'|'.join(MATHEMATICAL)})\(")
FRACTION = re.compile(r"(?<![\w.])(\d+\.\d*(?:e[-+]?\d+)?|\d+e[-+]?\d+)(?![\w.])")

FLOATS = {
    "floor_divide": "floor_quotient({0}, {1})",
    "remainder": "remainder_of_floor({0}, {1})",
}
SAME, LARGER, SMALLER = "{0}", "({0} > {1} ? {0} : {1})", "({0} < {1} ? {0} : {1})"
INTEGERS = {
    "abs": "({0} < 0 ? -{0} : {0})", "floor": SAME, "ceil": SAME, "trunc": SAME, "round": SAME,
    "frac": "0", "maximum": LARGER, "fmax": LARGER, "clamp_min": LARGER, "minimum": SMALLER,
    "fmin": SMALLER, "clamp_max": SMALLER, "isnan": "0", "isinf": "0", "isfinite": "1",
    "signbit": "({0} < 0)", "floor_divide": "floor_quotient_i({0}, {1}, error)",
    "trunc_divide": "quotient_i({0}, {1}, error)", "fmod": "rest_i({0}, {1}, error)",
    "remainder": "remainder_of_floor_i({0}, {1}, error)", "pow": "power_i({0}, {1}, error)",
    "bitwise_left_shift": "shift_left({0}, {1}, {bits})",
    "bitwise_right_shift": "shift_right({0}, {1}, {bits})",
}  # fmt: skip
FOR_ALL = {
    "add", "sub", "mul", "neg", "square", "eq", "ne", "gt", "ge", "lt", "le", "where", "sign",
    "relu", "logical_and", "logical_or", "logical_xor", "logical_not", "bitwise_and", "bitwise_or",
    "bitwise_xor", "bitwise_not", "heaviside", "positive", "cast", "zeros",
}  # fmt: skip

FOR_TRUTH = {"abs", "maximum", "minimum", "fmax", "fmin", "isnan", "isinf", "isfinite"}


def name_of(dtype: Any) -> str:
    """The name of a NumPy dtype in andon."""
    return OF_NUMPY[np.dtype(dtype)].name


def can_compute(value: Symbol) -> bool:
    """Whether there is C text for an elementwise op, or a reduction, on these dtypes."""
    names = {name_of(x.dtype) for x in value.operands}
    op: Any = value.op
    floats = names <= {"float16", "bfloat16", "float32", "float64"}
    if op.name == "nextafter":
        return names <= {"float32", "float64"}
    if floats or op.name in REDUCTIONS:
        return True
    return op.name in FOR_ALL or op.name in (FOR_TRUTH if "bool" in names else INTEGERS)


def can_fail(value: Symbol) -> bool:
    """Whether an element may be an error: a division of integers by zero, a negative power."""
    op: Any = value.op
    return op.c is not None and "error" in expression(value, ["x"] * len(value.inputs))


def expression(value: Symbol, operands: Sequence[str]) -> str:
    """The element of `value`, given C expressions for those of its inputs."""
    op: Any = value.op
    if op.name == "zeros":
        return "0"
    if op.name == "cast":
        return cast(operands[0], name_of(value.inputs[0].dtype), name_of(value.dtype))
    of = operand_dtype(value)
    text = op.c
    if of.startswith(("float", "bfloat")):
        text = FLOATS.get(op.name, text)
    elif of == "bool" and op.name == "bitwise_not":
        text = "!{0}"
    else:
        text = INTEGERS.get(op.name, text)
    return rendered(text, of, operands, value.attrs)


def rendered(text: str, of: str, operands: Sequence[str], attrs: dict) -> str:
    """The text with its operands and attributes, in the functions and literals of a dtype."""
    numbers = {name: literal(x, of) for name, x in attrs.items() if isinstance(x, int | float)}
    if "{decimals}" in text:
        text = text.replace("{decimals}", str(attrs["decimals"]))
    if C_TYPES[of] == "float":
        text = FUNCTIONS.sub(r"\1f(", text)
        text = FRACTION.sub(r"\1f", text)
    bits = "64" if of == "int64" else "8" if of.endswith("int8") else of[3:]
    return text.format(*operands, bits=bits, **numbers)


def operand_dtype(value: Symbol) -> str:
    """The dtype that an elementwise op computes in: that of its last operand, or its own."""
    found = value.operands
    return name_of(found[-1].dtype if found else value.dtype)


def literal(x: Any, of: str) -> str:
    """A Python number as C text in a dtype."""
    if C_TYPES[of] not in ("float", "double"):
        x = int(x)
        return f"({x}LL)" if abs(x) > 2**31 - 1 and x != -(2**63) else str(x)
    if math.isnan(x):
        return "NAN"
    if math.isinf(x):
        return "INFINITY" if x > 0 else "(-INFINITY)"
    text = repr(float(np.float32(x)) if C_TYPES[of] == "float" else float(x))
    if C_TYPES[of] == "float":
        text = (
            f"{np.format_float_positional(np.float32(x), trim='0')}f"
            if 1e-4 < abs(x) < 1e6
            else f"{np.format_float_scientific(np.float32(x), trim='0')}f"
        )
    return f"({text})" if text.startswith("-") else text


def cast(x: str, old: str, new: str) -> str:
    """x of dtype `old` as one of dtype `new`."""
    if new == "bool":
        return f"({x} != 0)"
    if new in ("float16", "bfloat16"):
        return f"{new}_of({new}_bits((float){x}))"
    if "float" in old and "float" not in new and new != "int64":
        return f"({C_TYPES[new]})(int64_t){x}"  # a float beyond the dtype wraps, as in NumPy
    return f"({C_TYPES[new]}){x}"
