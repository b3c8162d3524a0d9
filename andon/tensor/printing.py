"""How a tensor prints: aligned numbers, dims as brackets, `...` in what is long.

The layout is PyTorch's, so that outputs can be compared by eye.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..core.dtype import bool_, get_default_dtype, int64
from ..core.errors import DataError
from ..core.op import Symbolic


@dataclass
class Options:
    precision: int = 4
    threshold: int = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {"default": Options(), "short": Options(2, 1000, 2), "full": Options(4, 2**63)}
options = Options()


def set_printoptions(
    precision: int | None = None,
    threshold: int | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Decimals, the size from which tensors are shortened, items kept per edge, line width."""
    if profile is not None:
        if profile not in PROFILES:
            raise DataError(f"set_printoptions: not one of {', '.join(PROFILES)}: {profile!r}")
        vars(options).update(vars(PROFILES[profile]))
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems,
             "linewidth": linewidth}  # fmt: skip
    vars(options).update({k: v for k, v in given.items() if v is not None})
    options.sci_mode = sci_mode


def tensor_text(tensor: Any) -> str:
    """`tensor([1., 2.])`, with the dtype where it is unusual and the node that made it."""
    array = tensor.elements()
    if isinstance(array, Symbolic):
        array = array.elements()
    array = array.astype(np.float32) if array.dtype.kind == "V" else array
    suffixes = []
    if array.size == 0 and array.ndim != 1:
        suffixes.append(f"size={tuple(array.shape)}")
    usual = (get_default_dtype(), int64, bool_) if array.size else (get_default_dtype(),)
    if tensor.dtype not in usual:
        suffixes.append(f"dtype={tensor.dtype!r}")
    if tensor.grad_fn is not None:
        suffixes.append(f"grad_fn={tensor.grad_fn!r}")
    elif tensor.requires_grad:
        suffixes.append("requires_grad=True")
    body = "[]" if array.size == 0 else numbers_text(array, len("tensor("))
    return with_suffixes("tensor(" + body, suffixes)


def with_suffixes(text: str, suffixes: list[str]) -> str:
    """Append what follows the numbers, on a line of its own where the last line is full."""
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > options.linewidth:
            text, last = f"{text},\n       {suffix}", 7 + len(suffix)
        else:
            text, last = f"{text}, {suffix}", last + 2 + len(suffix)
    return text + ")"


def numbers_text(array: np.ndarray, indent: int) -> str:
    """The elements in brackets, `indent` columns from the left."""
    shortened = array.size > options.threshold
    shown = corners(array) if shortened else array
    return nested(array, Format(shown), indent, shortened)


def corners(array: np.ndarray) -> np.ndarray:
    """Only the elements that a shortened print shows."""
    for axis, n in enumerate(array.shape):
        if n > 2 * options.edgeitems:
            kept = [*range(options.edgeitems), *range(n - options.edgeitems, n)]
            array = array.take(kept, axis=axis)
    return array


def nested(array: np.ndarray, form: Format, indent: int, shortened: bool) -> str:
    """Brackets per dim; rows on lines of their own, larger blocks apart."""
    if array.ndim == 0:
        return form(array.item())
    edge = options.edgeitems
    cut = shortened and len(array) > 2 * edge
    rows = [*array[:edge], None, *array[-edge:]] if cut else list(array)
    if array.ndim == 1:
        return vector([form(x.item()) if x is not None else " ..." for x in rows], form, indent)
    parts = [nested(row, form, indent + 1, shortened) if row is not None else "..." for row in rows]
    gap = "," + "\n" * (array.ndim - 1) + " " * (indent + 1)
    return "[" + gap.join(parts) + "]"


def vector(items: list[str], form: Format, indent: int) -> str:
    """One row of numbers, broken where the line ends."""
    per_line = max(1, (options.linewidth - indent) // (form.width + 2))
    lines = [items[i : i + per_line] for i in range(0, len(items), per_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(", ".join(line) for line in lines) + "]"


class Format:
    """One way to print a number, chosen so that all of `array` align.

    Zeros, NaN and inf have no say in it.
    """

    def __init__(self, array: np.ndarray):
        self.floating = array.dtype.kind == "f"
        self.integral, self.scientific, self.width = True, False, 1
        shown = array[np.isfinite(array) & (array != 0)] if self.floating else array.ravel()
        if self.floating and shown.size:
            self.choose(np.abs(shown.astype(np.float64)))
        if options.sci_mode is not None:
            self.scientific = options.sci_mode
        self.width = max([1, *(len(self.text(x)) for x in shown.tolist())])

    def choose(self, sizes: np.ndarray) -> None:
        """Integers as `1.`, wide ranges in scientific notation, else fixed decimals."""
        low, high = float(sizes.min()), float(sizes.max())
        self.integral = bool((sizes == np.ceil(sizes)).all())
        self.scientific = high / low > 1000 or high > 1e8 or low < 1e-4

    def text(self, x: Any) -> str:
        if not self.floating:
            return str(x)
        if self.scientific:
            return f"{x:.{options.precision}e}"
        if self.integral:
            return f"{x:.0f}." if math.isfinite(x) else str(x)
        return f"{x:.{options.precision}f}"

    def __call__(self, x: Any) -> str:
        return self.text(x).rjust(self.width)
