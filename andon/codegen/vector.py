"""A register full of elements of an op, as C: the vector types and functions of `vector.h`.

`V` stands for `vf` (float32, and float16 and bfloat16 as stored) or `vd` (float64). Comparisons
give masks, all ones where they hold. Ops that are not in the table are computed lane by lane.
"""

from __future__ import annotations

from typing import Any

from ..graph.ir import Symbol
from .scalar import FRACTION, expression, literal, name_of

MASK = {"vf": "vi", "vd": "vl"}
LANES = {"vf": "LANES", "vd": "VD_LANES"}
NARROW = {"float32": "vf", "float16": "vf", "bfloat16": "vf", "float64": "vd"}

TEXTS = {
    "add": "{0} + {1}", "sub": "{0} - {1}", "mul": "{0} * {1}", "div": "{0} / {1}",
    "neg": "-{0}", "square": "{0} * {0}", "sqrt": "V_sqrt({0})", "rsqrt": "1 / V_sqrt({0})",
    "reciprocal": "1 / {0}", "exp": "V_exp({0})", "exp2": "V_exp2({0})",
    "expm1": "V_expm1({0})", "log": "V_log({0})", "log1p": "V_log1p({0})",
    "sin": "V_sin({0})", "cos": "V_cos({0})", "tanh": "V_tanh({0})", "erf": "V_erf({0})",
    "sigmoid": "1 / (1 + V_exp(-{0}))", "silu": "V_silu({0})",
    "gelu_tanh": "V_gelu_tanh({0})",
    "abs": "V_abs({0})", "copysign": "V_copysign({0}, {1})",
    "maximum": "V_larger({0}, {1})", "minimum": "V_smaller({0}, {1})",
    "clamp_min": "V_larger({0}, {1})", "clamp_max": "V_smaller({0}, {1})",
    "relu": "V_where({0} < 0, V_set(0), {0})",
    "leaky_relu": "V_where({0} > 0, {0}, {0} * {negative_slope})",
    "prelu": "V_where({0} > 0, {0}, {0} * {1})",
    "gelu_tanh_backward": "{0} * V_gelu_tanh_slope({1})",
    "gelu_erf": "{0} * (0.5 + 0.5 * V_erf({0} * 0.7071067811865476))",
    "gelu_erf_backward": "{0} * (0.5 + 0.5 * V_erf({1} * 0.7071067811865476)"
    " + {1} * 0.3989422804014327 * V_exp(-0.5 * {1} * {1}))",
    "softplus": "V_where({0} * {beta} > {threshold}, {0}, V_log1p(V_exp({0} * {beta})) / {beta})",
    "logsigmoid": "V_smaller({0}, V_set(0)) - V_log1p(V_exp(-V_abs({0})))",
    "elu": "V_where({0} > 0, {scale} * {0}, {alpha} * {scale} * V_expm1({0} * {input_scale}))",
    "hardtanh": "V_larger(V_smaller({0}, V_set({max_val})), V_set({min_val}))",
    "sign": "V_where({0} > 0, V_set(1), V_where({0} < 0, V_set(-1), V_set(0)))",
    "lerp": "V_where({2} < 0.5, {0} + {2} * ({1} - {0}), {1} - ({1} - {0}) * (1 - {2}))",
    "silu_backward": "{0} * V_sigmoid({1}) * (1 + {1} * (1 - V_sigmoid({1})))",
    "eq": "{0} == {1}", "ne": "{0} != {1}", "gt": "{0} > {1}", "ge": "{0} >= {1}",
    "lt": "{0} < {1}", "le": "{0} <= {1}", "where": "V_where({0}, {1}, {2})",
    "isnan": "{0} != {0}", "isinf": "V_abs({0}) == INFINITY",
    "isfinite": "V_abs({0}) < INFINITY", "logical_and": "{0} & {1}", "logical_or": "{0} | {1}",
    "logical_xor": "{0} ^ {1}", "logical_not": "~{0}", "bitwise_and": "{0} & {1}",
    "bitwise_or": "{0} | {1}", "bitwise_xor": "{0} ^ {1}", "bitwise_not": "~{0}",
}  # fmt: skip
COSTLY = {
    "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tanh", "erf", "sigmoid", "silu",
    "gelu_tanh", "silu_backward", "gelu_erf", "gelu_erf_backward", "gelu_tanh_backward", "pow",
}  # fmt: skip
COMPARISONS = ("eq", "ne", "gt", "ge", "lt", "le", "isnan", "isinf", "isfinite")


def vector_type(dtypes: set[str]) -> str | None:
    """`vf` or `vd` if all the dtypes fit in lanes of that kind, booleans being masks."""
    kinds = {NARROW.get(name, name) for name in dtypes - {"bool"}}
    return kinds.pop() if kinds in ({"vf"}, {"vd"}) else None


def vector_expression(value: Symbol, operands: list[str], V: str) -> str | None:
    """The vector of an elementwise op, given those of its inputs; None: lane by lane."""
    op: Any = value.op
    if op.name == "zeros":
        return f"{V}_set(0)" if name_of(value.dtype) != "bool" else f"({MASK[V]}){{0}}"
    if op.name == "cast":
        return vector_cast(value, operands[0], V)
    text = TEXTS.get(op.name)
    masks = [x for x in value.operands if name_of(x.dtype) == "bool"]
    if op.name in ("add", "mul") and masks:
        text = {"add": "{0} | {1}", "mul": "{0} & {1}"}[op.name]
    if op.name == "pow":
        text = power(value.inputs[1])
    if text is None or (masks and op.name in ("maximum", "minimum", *COMPARISONS)):
        return None
    of = "float64" if V == "vd" else "float32"
    attrs = {k: literal(x, of) for k, x in value.attrs.items() if isinstance(x, int | float)}
    text = text if V == "vd" else FRACTION.sub(r"\1f", text)
    found = text.replace("V_", f"{V}_").format(*operands, **attrs)
    return f"({MASK[V]})({found})" if op.name in COMPARISONS else found


def power(exponent: Any) -> str | None:
    """Powers that are products or roots."""
    texts = {
        2: "{0} * {0}", 3: "{0} * {0} * {0}", 0.5: "V_sqrt({0})", -1: "1 / {0}",
        -0.5: "1 / V_sqrt({0})", 1: "{0}",
    }  # fmt: skip
    return texts.get(exponent) if isinstance(exponent, int | float) else None


def vector_cast(value: Symbol, x: str, V: str) -> str | None:
    old, new = name_of(value.inputs[0].dtype), name_of(value.dtype)
    if old == "bool":
        return f"{V}_where({x}, {V}_set(1), {V}_set(0))"
    if new == "bool":
        return f"({MASK[V]})({x} != 0)"
    return f"{V}_round_{new}({x})" if new in ("float16", "bfloat16") else x


def by_lane(value: Symbol, operands: list[str], V: str, name: str) -> list[str]:
    """Statements that compute an op lane by lane with its scalar text."""
    kind = MASK[V] if name_of(value.dtype) == "bool" else V
    lanes = [f"{x}[l]" if is_name(x) else x for x in operands]
    element = expression(value, lanes)
    if kind == MASK[V]:
        element = f"-({element})"
    return [f"{kind} {name};", f"for (int l = 0; l < {LANES[V]}; l++) {name}[l] = {element};"]


def is_name(x: str) -> bool:
    """Whether an operand is a variable, and not a literal."""
    return not (x[0].isdigit() or x[0] in "(-" or x in ("NAN", "INFINITY"))
