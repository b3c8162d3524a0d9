"""Rows for andon/ops/movement.py, reorder.py, repetition.py and diagonals.py."""

import numpy as np

from andon.ops.movement import after
from cases import Case

NARROW = ("float64", "float32", "float16", "bfloat16")
INTS = np.arange(6, dtype=np.int64).reshape(2, 3)
COUNTS = np.array([2, 0, 3])


def read_after(t, x, token):
    """What PyTorch, which runs everything in turn, has no word for."""
    return after.apply(x, token) if t.__name__ == "andon" else x


def values(name, call, operands, **options):
    """A row without derivatives."""
    return Case(name, call, operands, grad=False, **options)


SHAPES = [
    Case("reshape with sizes", lambda t, x: x.reshape(3, 4), [(2, 6)], dtypes=NARROW),
    Case("reshape with a -1", lambda t, x: t.reshape(x, (2, -1)), [(3, 4)]),
    Case("reshape to one element", lambda t, x: x.reshape([]), [(1, 1)]),
    Case("reshape of a transpose copies", lambda t, x: x.t().reshape(-1), [(3, 4)]),
    Case("reshape of nothing", lambda t, x: x.reshape(0, 7), [(2, 0)]),
    Case("reshape_as", lambda t, x, y: x.reshape_as(y), [(2, 3), (3, 2)]),
    Case("view", lambda t, x: x.view(3, -1), [(2, 6)]),
    Case("view of a slice", lambda t, x: x[:, 0].view(2, 2), [(4, 3)]),
    Case("view_as", lambda t, x, y: x.view_as(y), [(2, 3), (6,)]),
    values("view as another dtype", lambda t, x: x.float().view(t.int32), [(2, 3)]),
    values("view as a narrower dtype", lambda t, x: x.view(t.int16), [INTS]),
    values(
        "view as a wider dtype",
        lambda t, x: x.view(dtype=t.int64),
        [INTS.astype(np.int32).T.copy()],
    ),
    Case("flatten", lambda t, x: x.flatten(), [(2, 3, 4)]),
    Case("flatten some dims", lambda t, x: t.flatten(x, 1, -1), [(2, 3, 4)]),
    Case("flatten a scalar", lambda t, x: x.flatten(), [()]),
    Case("ravel", lambda t, x: x.t().ravel(), [(2, 3)]),
    Case("unflatten", lambda t, x: x.unflatten(1, (2, -1)), [(2, 6)]),
    Case("squeeze everything", lambda t, x: x.squeeze(), [(1, 2, 1)]),
    Case("squeeze a dim", lambda t, x: x.squeeze(0), [(1, 2, 1)]),
    Case("squeeze a dim that is not 1", lambda t, x: x.squeeze(1), [(1, 2, 1)]),
    Case("squeeze several dims", lambda t, x: t.squeeze(x, (0, -1)), [(1, 2, 1)]),
    Case("squeeze in NumPy's words", lambda t, x: t.squeeze(x, axis=0), [(1, 2, 1)]),
    Case("unsqueeze at the end", lambda t, x: x.unsqueeze(-1), [(2, 3)]),
    Case("unsqueeze a scalar", lambda t, x: t.unsqueeze(x, 0), [()]),
    Case("expand", lambda t, x: x.expand(4, -1, 3), [(2, 1)], dtypes=NARROW),
    Case("expand a scalar", lambda t, x: x.expand(2, 3), [()]),
    Case("expand to nothing", lambda t, x: x.expand(0, 3), [(1, 3)]),
    Case("expand_as", lambda t, x, y: x.expand_as(y) * y, [(3,), (2, 3)]),
    Case("broadcast_to", lambda t, x: t.broadcast_to(x, (2, 2, 3)), [(2, 3)]),
    Case("broadcast_tensors", lambda t, x, y: t.broadcast_tensors(x, y), [(3, 1), (4,)]),
    Case("atleast_2d", lambda t, x, y, z: t.atleast_2d(x, y, z), [(), (3,), (2, 3)]),
    Case("atleast_1d", lambda t, x: t.atleast_1d(x), [()]),
    Case("atleast_3d", lambda t, *xs: t.atleast_3d(xs), [(), (3,), (2, 3), (1, 2, 3)]),
    Case("sum_to_size", lambda t, x: x.sum_to_size(3, 1), [(2, 3, 4)]),
    Case("contiguous", lambda t, x: x.t().contiguous(), [(2, 3)]),
    Case("clone", lambda t, x: x.t().clone(), [(2, 3)], dtypes=NARROW),
    Case("after", lambda t, x, y: read_after(t, x, y) * x, [(2, 3), (4,)], dtypes=NARROW),
]

PERMUTATIONS = [
    Case("permute", lambda t, x: x.permute(2, 0, -2), [(2, 3, 4)]),
    Case("permute with a tuple", lambda t, x: t.permute(x, dims=(1, 0)), [(2, 3)]),
    Case("transpose", lambda t, x: x.transpose(0, -1), [(2, 3, 4)]),
    Case("transpose of a scalar", lambda t, x: x.transpose(0, -1), [()]),
    Case("t of a matrix", lambda t, x: x.t(), [(2, 3)]),
    Case("t of a vector", lambda t, x: t.t(x), [(3,)]),
    Case("T", lambda t, x: x.T, [(2, 3)]),
    Case("mT", lambda t, x: x.mT, [(2, 3, 4)]),
    Case("swapaxes", lambda t, x: t.swapaxes(x, 0, 1) + x.swapdims(1, 0), [(2, 3)]),
    Case("movedim", lambda t, x: x.movedim(0, -1), [(2, 3, 4)]),
    Case("movedim of several", lambda t, x: t.movedim(x, (0, 1), (2, 0)), [(2, 3, 4)]),
    Case("moveaxis", lambda t, x: t.moveaxis(x, 2, 0), [(2, 3, 4)]),
    Case("flip", lambda t, x: x.flip(0, 2), [(2, 3, 2)], dtypes=NARROW),
    Case("flip with a tuple", lambda t, x: t.flip(x, dims=(-1,)), [(2, 3)]),
    Case("flip nothing", lambda t, x: x.flip([]), [(2, 3)]),
    Case("fliplr and flipud", lambda t, x: (t.fliplr(x), t.flipud(x)), [(2, 3)]),
    Case("roll", lambda t, x: x.roll(1, 0), [(3, 2)], dtypes=NARROW),
    Case("roll several dims", lambda t, x: t.roll(x, (5, -1), (0, 1)), [(3, 2)]),
    Case("roll without a dim", lambda t, x: x.roll(2), [(3, 2)]),
    Case("roll nothing", lambda t, x: x.roll(2, 0), [(0, 2)]),
    Case("rot90", lambda t, x: x.rot90(), [(2, 3)]),
    Case("rot90 backwards", lambda t, x: t.rot90(x, -1, (1, 2)), [(2, 3, 2)]),
    Case("rot90 by half turns", lambda t, x: (x.rot90(2), x.rot90(4)), [(2, 3)]),
]

REPETITIONS = [
    Case("repeat", lambda t, x: x.repeat(2, 3), [(2, 3)], dtypes=NARROW),
    Case("repeat in new dims", lambda t, x: x.repeat((2, 1, 2)), [(2, 3)]),
    Case("repeat nothing", lambda t, x: x.repeat(0, 2), [(2, 3)]),
    Case("tile", lambda t, x: t.tile(x, (2,)), [(2, 3)]),
    Case("repeat_interleave", lambda t, x: x.repeat_interleave(2), [(2, 3)]),
    Case("repeat_interleave along a dim", lambda t, x: t.repeat_interleave(x, 3, 1), [(2, 3)]),
    Case("meshgrid", lambda t, x, y: t.meshgrid(x, y, indexing="ij"), [(2,), (3,)]),
    Case("meshgrid with a scalar", lambda t, x, y: t.meshgrid([x, y], indexing="ij"), [(2,), ()]),
    Case("meshgrid in xy order", lambda t, *xs: t.meshgrid(*xs, indexing="xy"), [(2,), (3,), (4,)]),
    Case("cartesian_prod", lambda t, x, y: t.cartesian_prod(x, y), [(2,), (3,)]),
    Case("cartesian_prod of one", lambda t, x: t.cartesian_prod(x), [(2,)]),
    Case("combinations", lambda t, x: t.combinations(x), [(4,)]),
    Case("combinations with repeats", lambda t, x: t.combinations(x, 3, True), [(3,)]),
    Case("combinations of none", lambda t, x: t.combinations(x, 3), [(2,)]),
]

DIAGONALS = [
    Case("tril", lambda t, x: x.tril(), [(3, 4)], dtypes=NARROW),
    Case("tril above the diagonal", lambda t, x: t.tril(x, 1), [(2, 3, 3)]),
    Case("triu below the diagonal", lambda t, x: t.triu(x, diagonal=-1), [(3, 2)], dtypes=NARROW),
    values("tril of booleans", lambda t, x: (x > 1).tril(), [INTS]),
    values("tril_indices", lambda t: t.tril_indices(3, 4, 1), []),
    values("triu_indices", lambda t: t.triu_indices(3, 2, -1, dtype=t.int32), []),
    Case("diagonal", lambda t, x: x.diagonal(), [(3, 4)], dtypes=NARROW),
    Case("diagonal of other dims", lambda t, x: t.diagonal(x, -1, 0, 2), [(3, 2, 4)]),
    Case("diagonal outside", lambda t, x: x.diagonal(5), [(3, 4)]),
    Case("diag of a vector", lambda t, x: t.diag(x, 1), [(3,)]),
    Case("diag of a matrix", lambda t, x: x.diag(-1), [(3, 4)]),
    Case("diag_embed", lambda t, x: t.diag_embed(x), [(2, 3)]),
    Case("diag_embed in other dims", lambda t, x: t.diag_embed(x, -1, 0, 1), [(2, 3)]),
    Case("diagflat", lambda t, x: t.diagflat(x, 1), [(2, 2)]),
    Case("trace", lambda t, x: x.trace(), [(3, 4)]),
    values("trace of integers", lambda t, x: t.trace(x), [INTS]),
    Case("block_diag", lambda t, *xs: t.block_diag(*xs), [(2, 3), (2,), (), (1, 1)]),
]

CASES = SHAPES + PERMUTATIONS + REPETITIONS + DIAGONALS
