"""Reductions, scans and sorts given what they cannot take."""

import re

import numpy as np
import pytest

import andon
from andon.core.errors import AndonError, DTypeError, GraphError, IndexingError, ShapeError
from andon.core.spec import Spec
from andon.ops import counting, repetition

X = andon.ones(2, 3)
INTS = andon.tensor([[1, 2, 3], [4, 5, 6]])
EMPTY = andon.zeros(0, 3)

WRONG = {
    "sum along a dim that is not there": (IndexingError, lambda: X.sum(2)),
    "sum along a dim twice": (ShapeError, lambda: X.sum((0, -2))),
    "sum along a dim that is no number": (DTypeError, lambda: X.sum("rows")),
    "sum in a dtype that is none": (DTypeError, lambda: X.sum(dtype="float31")),
    "mean of integers": (DTypeError, lambda: INTS.mean()),
    "var of integers": (DTypeError, lambda: INTS.var(1)),
    "std of booleans": (DTypeError, lambda: (INTS > 2).std()),
    "norm of integers": (DTypeError, lambda: INTS.norm()),
    "norm of a kind that is none": (DTypeError, lambda: X.norm("nuclear")),
    "max of nothing": (ShapeError, lambda: EMPTY.max()),
    "max along an empty dim": (ShapeError, lambda: EMPTY.max(0)),
    "amin along an empty dim": (ShapeError, lambda: EMPTY.amin(0)),
    "argmax of nothing": (ShapeError, lambda: EMPTY.argmax()),
    "argmin along an empty dim": (ShapeError, lambda: EMPTY.argmin(0)),
    "logsumexp along a dim that is not there": (IndexingError, lambda: X.logsumexp(5)),
    "cumsum along a dim that is not there": (IndexingError, lambda: X.cumsum(2)),
    "cummax along a dim that is not there": (IndexingError, lambda: X.cummax(-3)),
    "logcumsumexp of integers": (DTypeError, lambda: INTS.logcumsumexp(0)),
    "diff of a scalar": (ShapeError, lambda: andon.tensor(1.0).diff()),
    "diff less than no times": (ShapeError, lambda: X.diff(n=-1)),
    "sort along a dim that is not there": (IndexingError, lambda: X.sort(2)),
    "topk of more than there are": (ShapeError, lambda: X.topk(4)),
    "topk of less than none": (ShapeError, lambda: X.topk(-1)),
    "kthvalue 0": (ShapeError, lambda: X.kthvalue(0)),
    "kthvalue beyond the end": (ShapeError, lambda: X.kthvalue(4)),
    "median along an empty dim": (ShapeError, lambda: EMPTY.median(0)),
    "quantile of integers": (DTypeError, lambda: INTS.quantile(0.5)),
    "quantile beyond all": (ShapeError, lambda: X.quantile(1.5)),
    "quantile of nothing": (ShapeError, lambda: EMPTY.quantile(0.5, dim=0)),
    "quantile between in a way that is none": (
        ValueError,
        lambda: X.quantile(0.5, interpolation="cubic"),
    ),
    "mode along an empty dim": (ShapeError, lambda: EMPTY.mode(0)),
    "searchsorted by rows that differ": (
        ShapeError,
        lambda: andon.searchsorted(X, andon.ones(4, 2)),
    ),
    "searchsorted on a side that is none": (
        ValueError,
        lambda: andon.searchsorted(X[0], X, side="top"),
    ),
    "bincount of floats": (DTypeError, lambda: X[0].bincount()),
    "bincount of negative numbers": (DTypeError, lambda: (INTS[0] - 5).bincount()),
    "bincount with too few weights": (ShapeError, lambda: INTS[0].bincount(X[0, :2])),
    "histc of integers": (DTypeError, lambda: INTS.histc()),
    "histc of no bins": (ShapeError, lambda: X.histc(0)),
    "histc of an inverted range": (ShapeError, lambda: X.histc(3, 2, 1)),
    "histc of infinities": (ShapeError, lambda: (X / 0).histc()),
    "unique along a dim that is not there": (IndexingError, lambda: X.unique(dim=2)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_named(name):
    error, call = WRONG[name]
    with pytest.raises(error) as caught:
        call()
    assert error is ValueError or isinstance(caught.value, AndonError)
    assert re.match(r"[\w, ]+: .+", str(caught.value))


def test_a_keyword_given_in_both_languages_is_refused():
    with pytest.raises(TypeError, match="axis is dim"):
        X.sum(dim=0, axis=1)


@pytest.mark.parametrize("op", [counting.unique_values, counting.runs])
def test_what_depends_on_the_data_has_no_shape_rule(op):
    with pytest.raises(GraphError, match="depends on the data"):
        op.infer(Spec((3,), andon.float32), dim=None)


def test_counts_depend_on_the_data():
    with pytest.raises(GraphError, match="depends on the data"):
        counting.bincount.infer(Spec((3,), andon.int64), None, minlength=0)
    with pytest.raises(GraphError, match="depends on the data"):
        repetition.repeat_index.infer(Spec((3,), andon.int64))


def test_errors_are_those_of_numpy_and_python_too():
    with pytest.raises(IndexError):
        X.sum(2)
    with pytest.raises(ValueError):
        EMPTY.max()
    with pytest.raises(TypeError):
        INTS.mean()


def test_a_leaf_keeps_its_elements_when_a_reduction_fails():
    before = np.array(X)
    with pytest.raises(ShapeError):
        X.topk(9)
    np.testing.assert_array_equal(X, before)
