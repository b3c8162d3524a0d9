"""Reading and writing parts of a tensor: PyTorch is the oracle, Hypothesis picks the indices."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import andon
from andon.core.errors import DTypeError, GradientError, IndexingError, ShapeError

settings.register_profile("indexing", deadline=None, max_examples=120)
quick = settings.get_profile("indexing")
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
bounds = st.none() | st.integers(-5, 5)
slices = st.builds(slice, bounds, bounds, st.none() | st.integers(1, 3))


def positions(n: int):
    """Integer arrays of one or two dims that index a dim of size n, now and then out of range."""
    values = st.integers(-n, n - 1) if n else st.just(0)
    lists = st.lists(values | st.integers(-6, 6).filter(lambda i: i % 5 == 0), max_size=3)
    grids = lists.filter(len).map(lambda row: np.array([row, row[::-1]], np.int64))
    return lists | lists.map(lambda row: np.array(row, np.int64)) | grids


def masks(shape: tuple):
    """Boolean arrays over the leading one or two of the dims in `shape`."""
    return st.integers(1, max(1, min(2, len(shape)))).flatmap(
        lambda k: st.lists(
            st.booleans(), min_size=int(np.prod(shape[:k])), max_size=int(np.prod(shape[:k]))
        ).map(lambda bits: np.array(bits, np.bool_).reshape(shape[:k]))
    )


KINDS = ("int", "slice", "slice", "none", "dots", "list", "mask", "bool")


@st.composite
def indices(draw, shape: tuple):
    """A tuple of mixed indices, most of them right for `shape`."""
    parts, dim, dots = [], 0, False
    while dim < len(shape) or draw(st.booleans()):
        n = shape[dim] if dim < len(shape) else 1
        kind = draw(st.sampled_from(KINDS))
        if kind == "int":
            parts.append(draw(st.integers(-n, max(n - 1, 0)) | st.integers(-5, 4)))
        elif kind == "slice":
            parts.append(draw(slices))
        elif kind == "none":
            parts.append(None)
        elif kind == "dots":
            if not dots:
                parts.append(Ellipsis)
            dots = True
        elif kind == "list":
            parts.append(draw(positions(n)))
        elif kind == "mask" and dim < len(shape):
            mask = draw(masks(shape[dim:]))
            parts.append(mask)
            dim += mask.ndim - 1
        elif kind == "bool":
            parts.append(draw(st.booleans() | st.booleans().map(np.bool_).map(np.asarray)))
        dim += kind in ("int", "slice", "list", "mask")
        if len(parts) > 5 or draw(st.integers(0, 5)) == 0:
            break
    return tuple(parts)


cases = shapes.flatmap(lambda shape: st.tuples(st.just(shape), indices(shape)))


def in_framework(t, index: tuple) -> tuple:
    return tuple(t.tensor(part) if isinstance(part, np.ndarray) else part for part in index)


def numbers(shape: tuple) -> np.ndarray:
    return np.arange(1.0, np.prod(shape, dtype=int) + 1).reshape(shape)


def read(t, shape: tuple, index: tuple):
    """(x, x[index]), or (x, the error)."""
    x = t.tensor(numbers(shape), requires_grad=True)
    try:
        return x, x[in_framework(t, index)]
    except IndexError as error:
        return x, error


def shares_memory(x, y) -> bool:
    return np.shares_memory(x.detach().numpy(), y.detach().numpy())


@quick
@given(cases)
def test_reading_gives_what_pytorch_gives_and_its_gradient(case):
    shape, index = case
    x, y = read(andon, shape, index)
    their_x, their_y = read(torch, shape, index)
    if isinstance(y, Exception):  # PyTorch does not look at positions where nothing is taken
        assert isinstance(y, IndexingError)
        assert isinstance(their_y, Exception) or their_y.numel() == 0, (y, their_y)
        return
    assert not isinstance(their_y, Exception), (y, their_y)
    assert tuple(y.shape) == tuple(their_y.shape)
    np.testing.assert_array_equal(y.detach().numpy(), their_y.detach().numpy())
    if y.numel():
        assert shares_memory(x, y) == shares_memory(their_x, their_y)
    (y * y).sum().backward()
    (their_y * their_y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), their_x.grad.numpy())


def some_positions_repeat(shape: tuple, index: tuple) -> bool:
    places = torch.arange(int(np.prod(shape))).reshape(shape)[in_framework(torch, index)]
    return len(places.unique()) < places.numel()


def write(t, shape: tuple, index: tuple, value: np.ndarray | float):
    """The sum of a weighted x after x[index] = value, and the gradients."""
    x = t.tensor(numbers(shape), requires_grad=True)
    v = t.tensor(value, dtype=t.float64, requires_grad=True)
    y = x * 2
    y[in_framework(t, index)] = v * 3 if v.ndim else value
    (y * t.tensor(numbers(shape) + 0.5)).sum().backward()
    return [a if a is None else a.detach().numpy() for a in (y, x.grad, v.grad)]


@quick
@given(cases, st.data())
def test_writing_gives_what_pytorch_gives_and_its_gradients(case, data):
    shape, index = case
    _, y = read(andon, shape, index)
    assume(not isinstance(y, Exception) and not some_positions_repeat(shape, index))
    taken = tuple(y.shape)
    drop = data.draw(st.integers(0, len(taken)))
    broadcast = tuple(1 if data.draw(st.booleans()) else n for n in taken[drop:])
    value = data.draw(st.sampled_from([7.0, -numbers(taken), -numbers(broadcast)]))
    for ours, theirs in zip(
        write(andon, shape, index, value), write(torch, shape, index, value), strict=True
    ):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            np.testing.assert_array_equal(ours, theirs)


@quick
@given(cases, st.lists(st.integers(1, 3), max_size=3))
def test_a_value_that_does_not_fit_raises_where_pytorch_raises(case, value_shape):
    shape, index = case
    _, y = read(andon, shape, index)
    assume(not isinstance(y, Exception))
    outcomes = []
    for t in (andon, torch):
        x = t.zeros(shape)
        try:
            x[in_framework(t, index)] = t.ones(value_shape)
            outcomes.append(None)
        except (RuntimeError, ValueError, IndexError) as error:
            outcomes.append(error)
    ours, theirs = outcomes
    assert (ours is None) == (theirs is None), (ours, theirs)
    if ours is not None:
        assert isinstance(ours, (ShapeError, IndexingError))


def test_a_single_element_is_a_view_and_can_be_assigned():
    x = andon.zeros(2, 3)
    x[1, 2] = 5
    x[0][1] = 7
    x[0, 0].fill_(3)
    assert x.tolist() == [[3, 7, 0], [0, 0, 5]]


def test_numbers_of_numpy_and_tensors_without_dims_index_as_ints():
    x = andon.arange(6).reshape(2, 3)
    for one in (np.int64(1), np.uint8(1).astype(np.int8), andon.tensor(1), andon.tensor(1).int()):
        assert x[one].tolist() == [3, 4, 5]
        assert shares_memory(x, x[one])
    assert x[:, andon.tensor(0) : andon.tensor(2)].tolist() == [[0, 1], [3, 4]]


def test_ranges_and_arrays_are_lists_of_positions():
    x = andon.arange(5)
    assert x[range(1, 3)].tolist() == [1, 2]
    assert x[np.array([4, 0])].tolist() == [4, 0]
    assert x[np.array([True, False, False, True, False])].tolist() == [0, 3]


def test_an_index_changed_in_place_is_noticed_by_backward():
    x, i = andon.ones(3, requires_grad=True), andon.tensor([0, 1])
    y = x[i] * 2
    i[0] = 2
    with pytest.raises(GradientError, match="take needs a value that an in-place operation"):
        y.sum().backward()


def test_what_was_taken_may_be_changed_in_place():
    x = andon.ones(3, requires_grad=True)
    y = x[[0, 1]]
    y += 1
    y.mul_(3)
    y.sum().backward()
    assert x.grad.tolist() == [3, 3, 0]


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (5, "index: 5 is out of range for dim 0 of size 2"),
        (([0, 9],), "index 9 is out of bounds"),
        ((0, 0, 0), "index: 3 indices for 2 dims"),
        ((..., ...), "only one"),
        (slice(None, None, -1), "slices need a step > 0"),
        (slice(0.5, None), "slices are made of ints"),
        ("a", "must hold integers or booleans"),
        (1.5, "must hold integers or booleans"),
        ([[0, 1], [1]], "index: "),
        (np.array([0, 1], np.uint8), "must hold integers or booleans"),
        (np.array([True, False, True]), r"a mask of sizes \[3\] for dims of sizes \[2\]"),
        ({"a": 1}, "must hold integers or booleans"),
    ],
)
def test_a_wrong_index_raises_and_says_what_was_given(index, says):
    x = andon.zeros(2, 3)
    with pytest.raises(IndexingError, match=says):
        x[index]
    with pytest.raises(IndexingError, match=says):
        x[index] = 1


def test_a_wrong_value_raises_and_leaves_the_tensor_alone():
    x = andon.zeros(2, 3, dtype=andon.uint8)
    with pytest.raises(ShapeError, match=r"copy_: .*\[2\] and \[3\]"):
        x[0] = andon.ones(2)
    with pytest.raises(ShapeError, match="index_put: "):
        x[[0, 1]] = andon.ones(4)
    with pytest.raises(DTypeError, match="does not fit uint8"):
        x[0] = 300
    with pytest.raises(DTypeError, match="expects numbers"):
        x[0] = "one"
    assert x.sum().item() == 0


def test_assignment_casts_to_the_tensors_dtype():
    x = andon.zeros(3, dtype=andon.int64)
    x[0], x[1:] = 2.7, andon.tensor([True, False])
    assert x.tolist() == [2, 1, 0]
    y = andon.zeros(2, dtype=andon.bfloat16)
    y[[0, 1]] = andon.tensor([1.5, 2.5])
    assert y.tolist() == [1.5, 2.5]


def test_overlapping_parts_are_assigned_as_if_copied_first():
    x = andon.arange(5)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]


GRADIENT_CASES = {
    "scatter of a larger source": lambda x, s, i: x.scatter(0, i, s),
    "scatter_add of a larger source": lambda x, s, i: x.scatter_add(0, i, s * s),
    "scatter_reduce prod of a larger source": lambda x, s, i: x.scatter_reduce(0, i, s, "prod"),
    "scatter_reduce amax of a larger source": lambda x, s, i: x.scatter_reduce(0, i, s, "amax"),
    "scatter_reduce mean of a larger source": lambda x, s, i: x.scatter_reduce(0, i, s, "mean"),
}


@pytest.mark.parametrize("call", GRADIENT_CASES.values(), ids=GRADIENT_CASES)
def test_a_source_larger_than_the_index_has_a_gradient_as_well(call):
    """PyTorch has none here."""
    rng = np.random.default_rng(0)
    x, s = (
        andon.tensor(rng.uniform(0.5, 2, shape), requires_grad=True) for shape in [(3, 2), (4, 3)]
    )
    index = andon.tensor([[0, 2], [2, 1]])
    assert andon.autograd.gradcheck(lambda x, s: call(x, s, index), (x, s))
    assert andon.autograd.gradgradcheck(lambda x, s: call(x, s, index), (x, s))


def test_products_of_zeros_have_second_derivatives():
    x = andon.tensor([2.0, 3.0], dtype=andon.float64, requires_grad=True)
    s = andon.tensor([0.0, 4.0, 3.0, 0.0], dtype=andon.float64, requires_grad=True)
    index = andon.tensor([0, 0, 1, 1])
    assert andon.autograd.gradgradcheck(lambda x, s: x.scatter_reduce(0, index, s, "prod"), (x, s))
