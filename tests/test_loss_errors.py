"""Bad input to softmax, norms, losses, attention and embeddings: each has its own message."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import andon
from andon.core.errors import DataError, DTypeError, IndexingError, ShapeError
from andon.nn import functional as F

x = andon.ones(3, 4)
ints = andon.ones(3, dtype=andon.int64)


def images(*shape):
    return andon.ones(*shape)


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (DTypeError, "floating", lambda: F.softmax(ints, 0)),
        (DTypeError, "floating", lambda: F.log_softmax(ints, 0)),
        (IndexingError, "dim out of range", lambda: F.softmax(x, 2)),
        (DTypeError, "dim must be an int", lambda: F.softmax(x, "x")),
        (ShapeError, "normalised", lambda: F.layer_norm(x, (3,))),
        (ShapeError, "normalised", lambda: F.layer_norm(x, ())),
        (ShapeError, "weights", lambda: F.layer_norm(x, (4,), andon.ones(3))),
        (ShapeError, "weights", lambda: F.rms_norm(x, (4,), andon.ones(1))),
        (DTypeError, "floating", lambda: F.layer_norm(ints, (3,))),
        (ShapeError, "channel dim", lambda: F.batch_norm(andon.ones(3), None, None)),
        (ShapeError, "4 channels", lambda: F.batch_norm(x, andon.ones(3), andon.ones(3))),
        (ShapeError, "running statistics", lambda: F.batch_norm(x, None, None)),
        (ShapeError, "several values", lambda: F.batch_norm(x[:1], None, None, training=True)),
        (ShapeError, "several values", lambda: F.instance_norm(images(2, 3, 1))),
        (ShapeError, "do not divide", lambda: F.group_norm(x, 3)),
        (ShapeError, "local_response_norm", lambda: F.local_response_norm(x, 2)),
        (ShapeError, "need targets", lambda: F.cross_entropy(x, andon.zeros(2).long())),
        (IndexingError, "not one of 4 classes: 4", lambda: F.cross_entropy(x, ints + 3)),
        (IndexingError, "not one of 4 classes: -1", lambda: F.cross_entropy(x, ints - 2)),
        (ValueError, "reduction", lambda: F.cross_entropy(x, ints, reduction="average")),
        (ValueError, "label_smoothing", lambda: F.cross_entropy(x, ints, label_smoothing=2.0)),
        (ShapeError, "differ", lambda: F.cross_entropy(x, andon.ones(3))),
        (DTypeError, "floating", lambda: F.cross_entropy(x.long(), ints)),
        (ShapeError, "need targets", lambda: F.nll_loss(x, ints[:2])),
        (ShapeError, "differ", lambda: F.binary_cross_entropy(x, x[0])),
        (DataError, r"\[0, 1\]", lambda: F.binary_cross_entropy(x + 1, x)),
        (ShapeError, "differ", lambda: F.binary_cross_entropy_with_logits(x, x[0])),
        (ValueError, "beta", lambda: F.smooth_l1_loss(x, x, beta=-1.0)),
        (ValueError, "delta", lambda: F.huber_loss(x, x, delta=0.0)),
        (ValueError, "margin", lambda: F.triplet_margin_loss(x, x, x, margin=0.0)),
        (ShapeError, "var", lambda: F.gaussian_nll_loss(x, x, andon.ones(2))),
        (ShapeError, "as many dims", lambda: F.margin_ranking_loss(x, x, x[0])),
        (ShapeError, "cosine_embedding", lambda: F.cosine_embedding_loss(x, x, x)),
        (ShapeError, "multi_margin", lambda: F.multi_margin_loss(x, ints[:2])),
        (ShapeError, "to broadcast", lambda: F.scaled_dot_product_attention(
            images(2, 3, 4), images(3, 3, 4), images(3, 3, 4))),
        (ShapeError, r"\(T, D\)", lambda: F.scaled_dot_product_attention(x, x[:, :2], x)),
        (ShapeError, "two dims", lambda: F.scaled_dot_product_attention(x[0], x, x)),
        (ShapeError, "mask", lambda: F.scaled_dot_product_attention(x, x, x, images(2, 3, 3))),
        (DTypeError, "floating", lambda: F.scaled_dot_product_attention(x, x.double(), x)),
        (ValueError, "only one", lambda: F.scaled_dot_product_attention(
            x, x, x, images(3, 3), is_causal=True)),
        (ShapeError, "cannot share", lambda: F.scaled_dot_product_attention(
            images(3, 2, 4), images(2, 2, 4), images(2, 2, 4), enable_gqa=True)),
        (IndexingError, "out of range for 3 rows: 3", lambda: F.embedding(ints + 2, x)),
        (IndexingError, "out of range for 3 rows: -1", lambda: F.embedding(ints - 2, x)),
        (DTypeError, "integers", lambda: F.embedding(x, x)),
        (ShapeError, "two dims", lambda: F.embedding(ints, x[0])),
        (IndexingError, "padding_idx", lambda: F.embedding(ints, x, padding_idx=3)),
        (ShapeError, "embedding_bag", lambda: F.embedding_bag(ints, x)),
        (IndexingError, "out of range", lambda: F.one_hot(ints, 1)),
        (DTypeError, "integers", lambda: F.one_hot(x, 3)),
        (ShapeError, "num_classes", lambda: F.one_hot(ints[:0])),
    ],
)  # fmt: skip
def test_bad_input_has_its_own_message(error, message, call):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("loss", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
def test_a_loss_of_differences_warns_when_it_broadcasts(loss):
    with pytest.warns(UserWarning, match="broadcast"):
        getattr(F, loss)(andon.ones(3, 1), andon.ones(3))


def test_cross_entropy_of_ignored_targets_alone_is_nan_as_in_pytorch():
    ignored = [-100, -100, -100]
    ours = F.cross_entropy(x, andon.tensor(ignored))
    theirs = torch.nn.functional.cross_entropy(torch.ones(3, 4), torch.tensor(ignored))
    assert ours.isnan() and theirs.isnan()
    assert F.cross_entropy(x, andon.tensor(ignored), reduction="sum") == 0


def test_the_padding_row_of_an_embedding_has_no_gradient():
    table, indices = np.random.default_rng(0).normal(size=(5, 3)), [[1, 2], [1, 4]]
    grads = []
    for t in (andon, torch):
        w = t.tensor(table, requires_grad=True)
        (t.nn.functional.embedding(t.tensor(indices), w, padding_idx=1) ** 2).sum().backward()
        grads.append(w.grad.numpy())
    np.testing.assert_allclose(*grads)
    assert (grads[0][1] == 0).all() and (grads[0][2] != 0).all()


@pytest.mark.parametrize("rows", [10, 20000])
def test_the_gradient_of_an_embedding_adds_up_equal_indices(rows):
    indices = andon.randint(0, 7, (rows,), generator=andon.Generator().manual_seed(0))
    w = andon.zeros(7, 2, dtype=andon.float64, requires_grad=True)
    F.embedding(indices, w).sum().backward()
    expected = np.bincount(indices.numpy(), minlength=7)
    assert (w.grad.numpy() == expected[:, None]).all()


def test_a_batch_norm_leaves_the_running_statistics_alone_when_not_training():
    mean, var = andon.zeros(4), andon.ones(4)
    F.batch_norm(x, mean, var)
    assert mean.tolist() == [0] * 4 and var.tolist() == [1] * 4


def test_running_statistics_are_no_part_of_the_tape():
    mean, var = andon.zeros(4), andon.ones(4)
    w = andon.randn(3, 4, requires_grad=True)
    F.batch_norm(w, mean, var, training=True)
    assert not mean.requires_grad and not var.requires_grad


def test_extreme_scores_give_finite_attention():
    q = andon.tensor([[1e4, 0.0], [-1e4, 0.0]], requires_grad=True)
    y = F.scaled_dot_product_attention(q, q, andon.ones(2, 3), is_causal=True)
    y.sum().backward()
    assert y.isfinite().all() and q.grad.isfinite().all()


def test_multilabel_margin_loss_is_that_of_pytorch():
    scores = np.array([[0.1, 0.2, 0.4, 0.8], [0.3, -0.5, 0.9, 0.2]])
    labels = [[3, 0, -1, 1], [2, -1, -1, -1]]
    for reduction in ("mean", "none"):
        ours, theirs = (
            t.nn.functional.multilabel_margin_loss(
                t.tensor(scores), t.tensor(labels), reduction=reduction
            )
            for t in (andon, torch)
        )
        np.testing.assert_allclose(ours.numpy(), theirs.numpy())
