"""Random draws: how their kernels are called. A range of elements begins at a block of words."""

from __future__ import annotations

from ..ops.random import least_kept
from .library import CallText, Function, emits, product, stream
from .scalar import name_of

SHORT = {"float32": "f32", "float64": "f64", "int64": "i64"}
HALVES, WORDS = 8, 4  # of a block of the generator


@emits("random_kept")
def random_kept(call: CallText) -> list[Function] | None:
    """True where a quarter word is large enough."""
    (key,), (y,) = call.operands, call.results
    if not call.is_packed(key, y):
        return None
    given = f"{stream(call, key)}, {least_kept(call.attrs['p'])}"
    line = f"random_kept(m0, m1, {given}, (uint8_t *){call.pointer(y, True)});"
    return drawn(call, [line], 1024, work=2)


@emits("random_uniform", "random_normal")
def random_floats(call: CallText) -> list[Function] | None:
    (key,), (y,) = call.operands, call.results
    kind = SHORT.get(name_of(y.dtype))
    if kind not in ("f32", "f64") or not call.is_packed(key, y):
        return None
    name = f"{call.node.op.name}_{kind}"
    line = f"{name}(m0, m1, {call.pointer(key)}, {call.pointer(y, True)});"
    return drawn(call, [line], HALVES if kind == "f32" else WORDS)


@emits("random_integers")
def random_integers(call: CallText) -> list[Function] | None:
    (key,), (y,) = call.operands, call.results
    if name_of(y.dtype) != "int64" or not call.is_packed(key, y):
        return None
    low, high = call.attrs["low"], call.attrs["high"]
    given = f"{call.pointer(key)}, {low}, {high - low}u"
    return drawn(call, [f"random_integers_i64(m0, m1, {given}, {call.pointer(y, True)});"], WORDS)


def drawn(call: CallText, lines: list[str], unit: int, work: int = 8) -> list[Function]:
    rows = product(call.results[0].shape)
    return [
        call.function([*lines, "(void)error;"], rows, unit=unit, work=work, headers=("random.h",))
    ]
