"""`torch.testing`: the comparison that tests make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from andon.core.dtype import bfloat16, float16, float32, float64
from andon.core.errors import ArgumentError
from andon.ops.logic import isclose
from andon.tensor import Tensor, as_tensor

TOLERANCES = {float16: 1e-3, bfloat16: 1.6e-2, float32: 1.3e-6, float64: 1e-7}


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_dtype: bool = True,
    check_device: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    allow_subclasses: bool = True,
    msg: Any = None,
) -> None:
    """|actual - expected| ≤ atol + rtol |expected|, in tensors, numbers, and trees of them.

    The tolerances depend on the dtype unless they are given, both.
    Raises: AssertionError.
    """
    if (rtol is None) != (atol is None):
        raise ArgumentError(f"assert_close: both tolerances or none expected: {rtol}, {atol}")
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        pairs = [(actual[k], expected[k]) for k in expected if k in actual]
        same = set(actual) == set(expected)
    elif is_sequence(actual) and is_sequence(expected):
        pairs, same = list(zip(actual, expected, strict=False)), len(actual) == len(expected)
    else:
        problem = difference(actual, expected, rtol, atol, equal_nan, check_dtype)
        if problem:
            raise AssertionError(problem if msg is None else msg(problem) if callable(msg) else msg)
        return
    if not same:
        raise AssertionError(f"assert_close: not of one length: {len(actual)}, {len(expected)}")
    for mine, theirs in pairs:
        assert_close(mine, theirs, rtol=rtol, atol=atol, equal_nan=equal_nan,
                     check_dtype=check_dtype, msg=msg)  # fmt: skip


def is_sequence(x: Any) -> bool:
    return isinstance(x, Sequence) and not isinstance(x, str)


def difference(
    actual: Any, expected: Any, rtol: Any, atol: Any, equal_nan: bool, check_dtype: bool
) -> str | None:
    """What is different, if anything is."""
    for x in (actual, expected):
        if not isinstance(x, (Tensor, np.ndarray, np.generic, bool, int, float)):
            return f"assert_close: cannot compare: {type(x).__name__}"
    a, b = (as_tensor(x).detach() for x in (actual, expected))
    if a.shape != b.shape:
        return f"assert_close: the shapes differ: {list(a.shape)} and {list(b.shape)}"
    both = isinstance(actual, Tensor) and isinstance(expected, Tensor)
    if a.dtype is not b.dtype and check_dtype and both:
        return f"assert_close: the dtypes differ: {a.dtype} and {b.dtype}"
    if rtol is None:
        rtol = max(TOLERANCES.get(x.dtype, 0.0) for x in (a, b))
        atol = 1e-5 if min(a.dtype.itemsize, b.dtype.itemsize) < 8 else 1e-7
        atol = atol if rtol else 0.0
    close = isclose(a.double(), b.double(), rtol=rtol, atol=atol, equal_nan=equal_nan)
    wrong = int((~close).sum())
    if not wrong:
        return None
    largest = float((a.double() - b.double()).abs().max())
    return (
        f"assert_close: {wrong} of {close.numel()} elements differ, by {largest:.3g} at most: "
        f"rtol {rtol}, atol {atol}"
    )
