"""How values are put into zeros: the gradient of a view, where it is needed as a whole."""

from __future__ import annotations

from typing import Any

from ..graph.affine import row_major
from ..graph.slices import layout
from .function import Function
from .library import CallText, emits, product


@emits("place")
def place(call: CallText) -> list[Function] | None:
    """Rows of the first dim: zeros, and then those elements that are not."""
    (g,), (y,) = call.operands, call.results
    if not y.shape or not call.is_packed(y):
        return None
    first, *others = [part for part in layout(y.shape, call.attrs["index"]) if part is not None]
    row, steps = product(y.shape[1:]), iter(strides_of_parts(call, g, y))
    to, part = call.pointer(y, True), call.pointer(g)
    lines = [
        f"memset({to} + m0 * {row}, 0, (m1 - m0) * {row} * sizeof *{to});",
        *within(first, next(steps)),
    ]
    target, source, depth = [f"m * {row}"], ["from"], 1
    for d, other in enumerate(others, 1):
        stride, step = row_major(y.shape)[d], next(steps)
        if isinstance(other, int):
            target.append(str(other * stride))
            continue
        lines.append("    " * depth + f"for (long j{d} = 0; j{d} < {len(other)}; j{d}++)")
        target.append(f"({other.start} + j{d} * {other.step}) * {stride}")
        source.append(f"j{d} * {step}")
        depth += 1
    lines += ["    " * depth + f"{to}[{' + '.join(target)}] = {part}[{' + '.join(source)}];", "}"]
    return [call.function(lines, y.shape[0], work=row)]


def within(part: Any, step: int) -> list[str]:
    """The rows that a part takes, and where their elements come from."""
    rows = range(part, part + 1) if isinstance(part, int) else part
    return [
        "for (long m = m0; m < m1; m++) {",
        f"    const long row = (m - {rows.start}) / {rows.step};",
        f"    if (m < {rows.start} || row >= {len(rows)} || (m - {rows.start}) % {rows.step})",
        "        continue;",
        f"    const long from = row * {step};",
    ]


def strides_of_parts(call: CallText, g: Any, y: Any) -> list[int]:
    """For each dim of y the step of g along it, 0 where g has none."""
    steps, found = iter(call.lies(g).strides), []
    for part in layout(y.shape, call.attrs["index"]):
        step = 0 if isinstance(part, int) else next(steps)
        found += [] if part is None else [step]
    return found
