"""Sorting along a dim: how its kernel is called, for the elements of one type."""

from __future__ import annotations

from .along_a_dim import is_plain, without
from .indexed import Walk
from .library import CallText, Function, emits
from .scalar import name_of

FEW = 128  # of the first elements: fewer are kept in order as they are found


@emits("argsort", "argtopk")
def order(call: CallText) -> list[Function] | None:
    """A row at a time: all of its places in order, or the first of them."""
    (x,), (y,), dim = call.operands, call.results, call.attrs["dim"]
    n, k = x.shape[dim], y.shape[dim]
    if not is_plain(call) or (k < n and k > FEW):
        return None
    descending = int(call.attrs.get("descending", call.attrs.get("largest", 0)))
    walk = Walk(call, tuple(1 if d == dim else size for d, size in enumerate(x.shape)))
    start = without(walk.coordinates, dim, "0")
    x_step, y_step = (call.lies(v).strides[dim] for v in (x, y))
    kind = name_of(x.dtype)
    function = f"{kind}_order({n}" if k == n else f"{kind}_first({n}, {k}"
    lines = [
        f"{function}, &{walk.place(x, start)}, {x_step}, {descending}, "
        f"&{walk.place(y, start, True)}, {y_step});"
    ]
    work = 20 * n * walk.shape[-1]
    return [call.function(walk.loops(lines), walk.rows, work=work, headers=("sort.h",))]
