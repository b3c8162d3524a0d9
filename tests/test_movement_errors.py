"""Reshapes, joins, pads and the like, given what they cannot take."""

import re

import pytest

import andon
from andon.core.errors import AndonError, DTypeError, IndexingError, ShapeError
from andon.ops.padding import pad
from andon.ops.windows import col2im, im2col

X = andon.ones(2, 3)
V = andon.ones(4)
S = andon.tensor(1.0)
CUBE = andon.ones(2, 2, 2)
IMAGE = andon.ones(1, 1, 3, 3)

WRONG = {
    "reshape to another size": (ShapeError, lambda: X.reshape(4, 2)),
    "reshape with two -1": (ShapeError, lambda: X.reshape(-1, -1)),
    "reshape to a negative size": (ShapeError, lambda: X.reshape(-2, 3)),
    "reshape with a -1 that does not come out": (ShapeError, lambda: X.reshape(4, -1)),
    "view that would copy": (ShapeError, lambda: X.t().view(6)),
    "view as a dtype that does not fit": (ShapeError, lambda: X.view(andon.float64)),
    "view of a scalar as a narrower dtype": (ShapeError, lambda: S.view(andon.int16)),
    "unflatten that does not come out": (ShapeError, lambda: X.unflatten(1, (2, 2))),
    "flatten backwards": (ShapeError, lambda: X.flatten(1, 0)),
    "squeeze a dim that is not there": (IndexingError, lambda: X.squeeze(2)),
    "unsqueeze too far": (IndexingError, lambda: X.unsqueeze(4)),
    "expand a dim that is not 1": (ShapeError, lambda: X.expand(2, 4)),
    "expand to fewer dims": (ShapeError, lambda: X.expand(3)),
    "expand with a -1 in front": (ShapeError, lambda: X.expand(-1, 2, 3)),
    "sum_to_size that does not grow back": (ShapeError, lambda: X.sum_to_size(2, 2)),
    "broadcast_tensors that differ": (ShapeError, lambda: andon.broadcast_tensors(X, V)),
    "permute with too few dims": (ShapeError, lambda: X.permute(0)),
    "permute with a dim twice": (ShapeError, lambda: X.permute(1, 1)),
    "transpose a dim that is not there": (IndexingError, lambda: X.transpose(0, 2)),
    "t of three dims": (ShapeError, lambda: CUBE.t()),
    "mT of a vector": (ShapeError, lambda: V.mT),
    "movedim of unlike numbers": (ShapeError, lambda: X.movedim((0, 1), 0)),
    "flip a dim twice": (ShapeError, lambda: X.flip(0, 0)),
    "fliplr of a vector": (ShapeError, lambda: V.fliplr()),
    "flipud of a scalar": (ShapeError, lambda: S.flipud()),
    "roll with shifts but one dim": (ShapeError, lambda: X.roll((1, 2), 0)),
    "roll with shifts and no dims": (ShapeError, lambda: X.roll((1, 2))),
    "rot90 in one plane": (ShapeError, lambda: X.rot90(1, (0, 0))),
    "rot90 of three dims": (ShapeError, lambda: CUBE.rot90(1, (0, 1, 2))),
    "repeat with too few counts": (ShapeError, lambda: X.repeat(2)),
    "repeat less than no times": (ShapeError, lambda: X.repeat(2, -1)),
    "repeat_interleave less than no times": (ShapeError, lambda: X.repeat_interleave(-1)),
    "repeat_interleave with too few counts": (
        ShapeError,
        lambda: X.repeat_interleave(andon.tensor([1, 2]), 1),
    ),
    "repeat_interleave with floats": (DTypeError, lambda: X.repeat_interleave(X[0], 1)),
    "repeat_interleave with negative counts": (
        ShapeError,
        lambda: X.repeat_interleave(andon.tensor([1, -2]), 0),
    ),
    "meshgrid of matrices": (ShapeError, lambda: andon.meshgrid(X, indexing="ij")),
    "meshgrid in another order": (ValueError, lambda: andon.meshgrid(V, indexing="ji")),
    "cat of nothing": (ShapeError, lambda: andon.cat([])),
    "cat of what is no list": (DTypeError, lambda: andon.cat(X)),
    "cat of scalars": (ShapeError, lambda: andon.cat([S, S])),
    "cat of unlike sizes": (ShapeError, lambda: andon.cat([X, andon.ones(2, 4)])),
    "cat of unlike dims": (ShapeError, lambda: andon.cat([X, V])),
    "cat along a dim that is not there": (IndexingError, lambda: andon.cat([X, X], 2)),
    "cat of what is no tensor": (DTypeError, lambda: andon.cat([X, 1.0])),
    "stack of nothing": (ShapeError, lambda: andon.stack([])),
    "stack of unlike shapes": (ShapeError, lambda: andon.stack([X, V])),
    "split into sizes that do not add up": (ShapeError, lambda: X.split([1, 1], 1)),
    "split into a negative size": (ShapeError, lambda: X.split([4, -1], 1)),
    "split into parts of 0": (ShapeError, lambda: X.split(0)),
    "split of a scalar": (IndexingError, lambda: S.split(1)),
    "chunk into none": (ShapeError, lambda: X.chunk(0)),
    "tensor_split into none": (ShapeError, lambda: X.tensor_split(0)),
    "unbind of a scalar": (IndexingError, lambda: S.unbind()),
    "narrow beyond the end": (IndexingError, lambda: X.narrow(1, 2, 2)),
    "narrow to a negative length": (IndexingError, lambda: X.narrow(1, 2, -1)),
    "select beyond the end": (IndexingError, lambda: X.select(1, 3)),
    "pad half a dim": (ShapeError, lambda: pad(X, (1,))),
    "pad more dims than there are": (ShapeError, lambda: pad(X, (1,) * 6)),
    "pad more away than there is": (ShapeError, lambda: pad(X, (-2, -2))),
    "pad in a mode that is none": (ValueError, lambda: pad(X, (1, 1), "mirror")),
    "pad by too large a reflection": (ShapeError, lambda: pad(X, (3, 0), "reflect")),
    "pad around more than once": (ShapeError, lambda: pad(X, (4, 0), "circular")),
    "pad by the edge of nothing": (ShapeError, lambda: pad(X[:, :0], (1, 0), "replicate")),
    "unfold windows that do not fit": (ShapeError, lambda: X.unfold(1, 4, 1)),
    "unfold in steps of 0": (ShapeError, lambda: X.unfold(1, 2, 0)),
    "im2col of a matrix": (ShapeError, lambda: im2col(X, 2)),
    "im2col with too large a kernel": (ShapeError, lambda: im2col(IMAGE, 4)),
    "im2col with three strides": (ShapeError, lambda: im2col(IMAGE, 2, stride=(1, 1, 1))),
    "col2im of the wrong number of patches": (ShapeError, lambda: col2im(CUBE, 3, 2)),
    "tril of a vector": (ShapeError, lambda: V.tril()),
    "triu_indices of a negative size": (ShapeError, lambda: andon.triu_indices(-1, 2)),
    "diagonal of a vector": (IndexingError, lambda: V.diagonal()),
    "diagonal in one dim": (ShapeError, lambda: X.diagonal(0, 1, -1)),
    "diag of three dims": (ShapeError, lambda: CUBE.diag()),
    "diag_embed of a scalar": (ShapeError, lambda: S.diag_embed()),
    "trace of three dims": (ShapeError, lambda: CUBE.trace()),
    "block_diag of three dims": (ShapeError, lambda: andon.block_diag(CUBE)),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_named(name):
    error, call = WRONG[name]
    with pytest.raises(error) as caught:
        call()
    assert error is ValueError or isinstance(caught.value, AndonError)
    assert re.match(r"[\w, ]+: .+", str(caught.value))
