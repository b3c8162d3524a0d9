"""Movement ops on shapes of every kind: the elements land where PyTorch puts them."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import andon
from andon.ops.padding import pad

SHAPES = st.lists(st.integers(0, 4), max_size=4).map(tuple)
FILLED = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)

quick = settings(max_examples=60, deadline=None)


def counted(shape):
    """The numbers 0, 1, … under a shape, for both frameworks."""
    array = np.arange(math.prod(shape), dtype=np.float32).reshape(shape)
    return andon.tensor(array), torch.tensor(array)


def agree(ours, theirs):
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


def dims_of(shape):
    """Strategy: a dim of the shape, counted from either end."""
    n = max(len(shape), 1)
    return st.integers(-n, n - 1)


@quick
@given(st.data(), FILLED)
def test_reshape_of_a_permutation_reads_it_in_order(data, shape):
    dims = data.draw(st.permutations(range(len(shape))))
    new = data.draw(st.permutations(shape))
    if data.draw(st.booleans()):
        new[data.draw(st.integers(0, len(new) - 1))] = -1
    ours, theirs = counted(shape)
    agree(ours.permute(dims).reshape(new), theirs.permute(dims).reshape(new))


@quick
@given(st.data(), FILLED)
def test_view_is_granted_when_pytorch_grants_it(data, shape):
    dims = data.draw(st.permutations(range(len(shape))))
    new = data.draw(st.permutations([n for n in shape if n > 1] + [1]))
    ours, theirs = (x.permute(dims) for x in counted(shape))
    try:
        expected = theirs.view(new)
    except RuntimeError:
        expected = None
    try:
        agree(ours.view(new), expected)
    except ValueError:
        assert expected is None


@quick
@given(st.data(), FILLED)
def test_expand_repeats_what_has_size_1(data, shape):
    small = tuple(1 if data.draw(st.booleans()) else n for n in shape)
    sizes = [data.draw(st.sampled_from([n, -1])) if n == m else n
             for n, m in zip(shape, small, strict=True)]  # fmt: skip
    sizes = data.draw(st.lists(st.integers(0, 2), max_size=2)) + sizes
    ours, theirs = counted(small)
    agree(ours.expand(sizes), theirs.expand(sizes))


@quick
@given(st.data(), st.lists(st.integers(0, 3), min_size=1, max_size=3))
def test_cat_undoes_split(data, shape):
    dim = data.draw(dims_of(shape))
    sizes = data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    shape[dim] = sum(sizes)
    ours, theirs = counted(tuple(shape))
    parts = ours.split(sizes, dim)
    for part, expected in zip(parts, theirs.split(sizes, dim), strict=True):
        agree(part, expected)
    agree(andon.cat(parts, dim), theirs)


@quick
@given(st.data(), SHAPES.filter(len), st.integers(1, 5))
def test_chunks_are_those_of_pytorch(data, shape, chunks):
    dim = data.draw(dims_of(shape))
    ours, theirs = counted(shape)
    for method in ("chunk", "tensor_split"):
        parts = getattr(ours, method)(chunks, dim=dim)
        for part, expected in zip(parts, getattr(theirs, method)(chunks, dim=dim), strict=True):
            agree(part, expected)


@quick
@given(st.data(), SHAPES, st.integers(1, 3))
def test_unbind_undoes_stack(data, shape, count):
    dim = data.draw(st.integers(-len(shape) - 1, len(shape)))
    pairs = [counted(shape) for _ in range(count)]
    ours = andon.stack([a + i for i, (a, _) in enumerate(pairs)], dim)
    theirs = torch.stack([b + i for i, (_, b) in enumerate(pairs)], dim)
    agree(ours, theirs)
    for part, expected in zip(ours.unbind(dim), theirs.unbind(dim), strict=True):
        agree(part, expected)


@quick
@given(st.data(), SHAPES)
def test_constant_pad_adds_and_takes_away(data, shape):
    widths = []
    for n in reversed(shape[data.draw(st.integers(0, len(shape))) :]):
        before = data.draw(st.integers(-n, 3))
        widths += [before, data.draw(st.integers(-n - min(before, 0), 3))]
    ours, theirs = counted(shape)
    if not widths:
        return
    agree(pad(ours, widths, value=9), torch.nn.functional.pad(theirs, widths, value=9))


@quick
@given(st.data(), st.sampled_from(["reflect", "replicate", "circular"]))
def test_borders_are_those_of_pytorch(data, mode):
    shape = (1, 2, *data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=2)))
    largest = {"reflect": -1, "replicate": 2, "circular": 0}[mode]
    widths = [data.draw(st.integers(0, n + largest)) for n in reversed(shape[2:]) for _ in (0, 1)]
    ours, theirs = counted(shape)
    agree(pad(ours, widths, mode), torch.nn.functional.pad(theirs, widths, mode))


@quick
@given(st.data(), SHAPES)
def test_flip_reverses_any_dims(data, shape):
    dims = data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True)) if shape else []
    ours, theirs = counted(shape)
    agree(ours.flip(dims), theirs.flip(dims))


@quick
@given(st.data(), SHAPES.filter(len))
def test_roll_wraps_around(data, shape):
    dims = data.draw(st.lists(dims_of(shape), min_size=1, max_size=3))
    shifts = data.draw(st.lists(st.integers(-9, 9), min_size=len(dims), max_size=len(dims)))
    ours, theirs = counted(shape)
    agree(andon.tensor(1.0).roll(shifts[0], 0), torch.tensor(1.0))
    agree(ours.roll(shifts, dims), theirs.roll(shifts, dims))
    agree(ours.roll(shifts[0]), theirs.roll(shifts[0]))


@quick
@given(st.data(), FILLED)
def test_unfold_and_diagonal_are_views_of_the_same_memory(data, shape):
    dim = data.draw(dims_of(shape))
    size, step = data.draw(st.integers(1, shape[dim])), data.draw(st.integers(1, 3))
    ours, theirs = counted(shape)
    agree(ours.unfold(dim, size, step), theirs.unfold(dim, size, step))
    for x in (ours, theirs):
        x.unfold(dim, size, step).fill_(-1)
    agree(ours, theirs)
    if len(shape) > 1:
        offset = data.draw(st.integers(-4, 4))
        agree(ours.diagonal(offset, 0, -1), theirs.diagonal(offset, 0, -1))
        for x in (ours, theirs):
            x.diagonal(offset, 0, -1).fill_(-2)
        agree(ours, theirs)


@quick
@given(st.data(), SHAPES)
def test_repeat_is_that_of_pytorch(data, shape):
    counts = data.draw(st.lists(st.integers(0, 3), min_size=len(shape), max_size=len(shape) + 1))
    ours, theirs = counted(shape)
    agree(ours.repeat(counts), theirs.repeat(counts))
    if shape:
        dim = data.draw(dims_of(shape))
        n = data.draw(st.integers(0, 3))
        agree(ours.repeat_interleave(n, dim), theirs.repeat_interleave(n, dim))


@quick
@given(st.data(), SHAPES)
def test_sums_over_any_dims_are_those_of_pytorch(data, shape):
    dims = tuple(
        data.draw(st.lists(st.sampled_from(range(len(shape))), unique=True)) if shape else ()
    )
    keepdim = data.draw(st.booleans())
    ours, theirs = counted(shape)
    agree(ours.sum(dims, keepdim), theirs.sum(dims, keepdim))
    if 0 not in shape:
        agree(ours.amax(dims, keepdim), theirs.amax(dims, keepdim))
