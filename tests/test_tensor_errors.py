"""Bad input to the core: each raises the tree's class, and the message says what was given."""

from __future__ import annotations

import numpy as np
import pytest

import andon
from andon.core.errors import (
    AndonError,
    ArgumentError,
    DeviceError,
    DTypeError,
    GradientError,
    IndexingError,
    ShapeError,
)

X = andon.zeros(2, 3)
INTS = andon.zeros(2, 3, dtype=andon.int64)
MASK = andon.zeros(2, 3, dtype=andon.bool)
INDEX = andon.zeros(1, 3, dtype=andon.int64)

BAD = {
    # operands
    "a list": (lambda: X * [1, 2], DTypeError, "mul: expects tensors or numbers: list"),
    "a string": (lambda: X * "2", DTypeError, "mul: expects tensors or numbers: str"),
    "none": (lambda: X - None, DTypeError, "sub: expects tensors or numbers: NoneType"),
    "none to an op": (lambda: andon.exp(None), DTypeError, "exp: expects tensors or numbers"),
    "a complex number": (lambda: X + 1j, DTypeError, "add: expects tensors or numbers: complex"),
    "sizes": (lambda: X + andon.zeros(2), ShapeError, r"add: sizes .*\[2, 3\] and \[2\]"),
    "too few dims": (lambda: X @ andon.tensor(1.0), ShapeError, "matmul: "),
    # shapes
    "reshape": (lambda: X.reshape(4, 2), ShapeError, r"6 elements do not fit .*\[4, 2\]"),
    "two unknowns": (lambda: X.reshape(-1, -1), ShapeError, "at most one -1"),
    "reshape to a float": (lambda: X.reshape(2.5), DTypeError, r"sizes: must be ints: \[2.5\]"),
    "expand": (lambda: X.expand(2, 4), ShapeError, "expand: "),
    "empty to some": (lambda: andon.zeros(0, 3).reshape(2), ShapeError, "0 elements do not fit"),
    # dims
    "dim": (lambda: X.sum(2), IndexingError, r"dim out of range \[-2, 1\]: 2"),
    "dim of a number": (lambda: andon.tensor(1.0).sum(1), IndexingError, "dim out of range"),
    "a dim twice": (lambda: X.sum((0, -2)), ShapeError, "a dim appears twice"),
    "a fractional dim": (lambda: X.sum(0.5), DTypeError, "dim must be an int: 0.5"),
    # gather and scatter
    "gather beyond": (lambda: X.gather(1, INDEX + 3), IndexingError, "gather: index out of range"),
    "gather before": (lambda: X.gather(1, INDEX - 1), IndexingError, "gather: index out of range"),
    "gather floats": (lambda: X.gather(1, X), DTypeError, "gather: index must hold integers"),
    "gather a bool": (lambda: X.gather(1, MASK), DTypeError, "gather: index must hold integers"),
    "gather dims": (lambda: X.gather(1, INDEX[0]), ShapeError, r"gather: index \[3\] does not"),
    "gather dim": (lambda: X.gather(2, INDEX), IndexingError, "gather: dim out of range"),
    "scatter dims": (lambda: X.scatter(0, INDEX, X[0]), ShapeError, "scatter: src"),
    "scatter reduce": (lambda: X.scatter(0, INDEX, 1.0, reduce="max"), ValueError, "'max'"),
    "scatter_add beyond": (lambda: X.scatter_add(0, INDEX + 2, X), IndexingError, "scatter_add: "),
    "scatter_reduce": (
        lambda: X.scatter_reduce(0, INDEX, X, "median"), ValueError, "scatter_reduce: .*'median'"),
    "index_select dims": (lambda: X.index_select(0, INDEX), IndexingError, "must have one dim"),
    "index_select beyond": (
        lambda: X.index_select(0, INDEX[0] + 5), IndexingError, "index 5 is out of bounds"),
    "index_add": (
        lambda: X.index_add(0, INDEX[0], X), ShapeError, r"index_add: source must be \[3, 3\]"),
    "index_copy": (
        lambda: X.index_copy(1, INDEX[0], X[:1]), ShapeError, r"source must be \[2, 3\]: \[1, 3\]"),
    "index_put": (
        lambda: X.index_put((INDEX[0],), andon.zeros(2)), ShapeError, r"index_put: .*\[3, 3\]"),
    "take beyond": (lambda: X.take(INDEX + 6), IndexingError, "index 6 is out of bounds"),
    "take_along_dim": (lambda: X.take_along_dim(INDEX[0], 1), ShapeError, "take_along_dim: dims"),
    "masked_fill": (
        lambda: X.masked_fill(INTS, 1), DTypeError, r"the mask must be boolean: andon\.int64"),
    "masked_fill value": (lambda: X.masked_fill(MASK, X), ShapeError, "the value must be a number"),
    "masked_select": (lambda: X.masked_select(MASK[:, :2]), ShapeError, "masked_select: sizes"),
    "masked_scatter": (
        lambda: X.masked_scatter(~MASK, X[0]), ShapeError, r"6 elements needed: \[3\]"),
    # devices
    "cuda": (lambda: andon.zeros(1, device="cuda"), DeviceError, "the cpu: cuda"),
    "tensor on cuda": (lambda: andon.tensor(1, device="cuda:0"), DeviceError, "the cpu: cuda:0"),
    "like on meta": (lambda: andon.zeros_like(X, device="meta"), DeviceError, "the cpu: meta"),
    "no device": (lambda: andon.device("gpu"), DeviceError, "device: not a device: 'gpu'"),
    "no number": (lambda: andon.device("cuda:x"), DeviceError, "device: not a device: 'cuda:x'"),
    # dtypes
    "no dtype": (lambda: X.to(dtype="float9"), DeviceError, "device: not a device"),
    "complex": (lambda: andon.zeros(1, dtype="complex64"), DTypeError, "dtype: not one of"),
    "limits": (lambda: andon.finfo(andon.int8), DTypeError, "finfo: only floating dtypes"),
    "limits of floats": (lambda: andon.iinfo(andon.float32), DTypeError, "iinfo: only integer"),
    "bool minus bool": (lambda: MASK - MASK, DTypeError, "sub: "),
    "minus a bool": (lambda: -MASK, DTypeError, "neg: "),
    # gradients
    "integers": (lambda: INTS.float().long().requires_grad_(), GradientError, r"int64\[2, 3\]"),
    "not a scalar": (
        lambda: andon.ones(2, requires_grad=True).exp().backward(), GradientError, r"float32\[2\]"),
    "data": (lambda: setattr(andon.zeros(1), "data", 3), DTypeError, "data: must be a tensor: int"),
}  # fmt: skip


@pytest.mark.parametrize(("act", "error", "says"), BAD.values(), ids=BAD)
def test_bad_input_raises_the_class_and_says_what_was_given(act, error, says):
    with pytest.raises(error, match=says) as caught:
        act()
    assert isinstance(caught.value, AndonError)
    assert ": " in str(caught.value)
    assert caught.value.__cause__ is None or not isinstance(caught.value.__cause__, AndonError)


def test_every_error_is_also_the_built_in_one_that_people_catch():
    for error, builtin in [
        (ShapeError, RuntimeError),
        (ShapeError, ValueError),
        (ArgumentError, ValueError),
        (DTypeError, TypeError),
        (IndexingError, IndexError),
        (GradientError, RuntimeError),
        (DeviceError, RuntimeError),
    ]:
        assert issubclass(error, builtin) and issubclass(error, AndonError)


def test_a_failed_op_leaves_its_operands_and_the_tape_alone():
    x = andon.ones(3, requires_grad=True)
    y = x * 2
    with pytest.raises(ShapeError):
        y.add_(andon.ones(2, 3))
    with pytest.raises(ShapeError):
        y + andon.ones(4)
    y.sum().backward()
    assert y.tolist() == [2, 2, 2] and x.grad.tolist() == [2, 2, 2]


EMPTY = {
    "elementwise": lambda x: x * 2 + x,
    "a sum": lambda x: x.sum(0),
    "a view": lambda x: x.reshape(3, 0).t(),
    "an index": lambda x: x[:, 1],
    "positions": lambda x: x[:, [0, 0]],
    "a product": lambda x: x @ andon.ones(3, 2),
    "a product of nothing": lambda x: x.t() @ x,
    "an expansion": lambda x: x[None].expand(2, 0, 3),
}


@pytest.mark.parametrize("f", EMPTY.values(), ids=EMPTY)
def test_tensors_without_elements_work_and_have_gradients(f):
    x = andon.zeros(0, 3, requires_grad=True)
    y = f(x)
    y.sum().backward()
    assert x.grad.shape == (0, 3)
    assert y.sum().item() == 0


def test_the_cause_of_an_unexplained_failure_is_kept():
    """Where no shape rule explains it, NumPy's own error is the cause."""
    with pytest.raises(IndexingError) as caught:
        andon.zeros(3)[[7]]
    assert isinstance(caught.value.__cause__, IndexError)
    assert str(caught.value) == (
        "take: index 7 is out of bounds for axis 0 with size 3: float32[3], int64[1]"
    )


def test_arrays_that_are_read_only_are_read():
    array = np.arange(3.0)
    array.flags.writeable = False
    x = andon.from_numpy(array)
    assert (x + 1).tolist() == [1, 2, 3]
    with pytest.raises(ShapeError, match=r"read-only; clone it: float64\[3\]"):
        x.add_(5)
