"""Rows for andon/ops/loss.py and cross_entropy.py."""

import numpy as np

from cases import Case

CLASSES = np.array([2, 0, 3])
IGNORING = np.array([2, -100, 3])
IMAGE = np.array([[[0, 1], [2, 3]], [[3, -100], [1, 1]]])
SIGNS = np.array([1, -1, 1])
MATRIX_SIGNS = np.array([[1, -1, 1], [-1, -1, 1]])
BITS = np.array([[1.0, 0.0, 1.0], [0.0, 0.25, 1.0]])
COUNTS = np.array([[0, 1, 7], [2, 3, 0]])
LARGE = np.array([[40.0, -40.0, 0.0], [800.0, -800.0, 3.0]])
ALL = ("float64", "float32", "float16", "bfloat16")
POSITIVE = {"low": 0.1, "high": 0.9}


def f(t):
    return t.nn.functional


TARGETS = np.array([[1, 2, 2], [3, 1, 0]])


def ctc(t, x, targets, inputs, sizes, reduction, **options):
    """The loss of logits."""
    lengths = (t.tensor(inputs), t.tensor(sizes))
    return f(t).ctc_loss(x.log_softmax(2), targets, *lengths, reduction=reduction, **options)


def each(name, operands, *rest, reductions=("mean", "sum", "none"), **options):
    """Rows for a loss under every reduction."""
    return [
        Case(f"{name} {reduction}",
             lambda t, *x, r=reduction: getattr(f(t), name)(*x, *rest, reduction=r),
             operands, **options)
        for reduction in reductions
    ]  # fmt: skip


def ce(name, operands, call=None, **options):
    return Case(f"cross_entropy {name}", call or (lambda t, *x: f(t).cross_entropy(*x)), operands,
                **options)  # fmt: skip


CASES = [
    *each("cross_entropy", [(3, 4), CLASSES], dtypes=ALL),
    *each("nll_loss", [(3, 4), CLASSES]),
    ce("ignoring", [(3, 4), IGNORING]),
    ce("ignoring a class of its own", [(3, 4), CLASSES],
       lambda t, x, y: f(t).cross_entropy(x, y, ignore_index=0, reduction="none")),
    ce("weighted and ignoring", [(3, 4), IGNORING],
       lambda t, x, y: f(t).cross_entropy(x, y, t.arange(1, 5).to(x.dtype))),
    ce("weighted", [(3, 4), CLASSES],
       lambda t, x, y: f(t).cross_entropy(x, y, t.arange(1, 5).to(x.dtype), reduction="sum")),
    ce("smoothed", [(3, 4), IGNORING],
       lambda t, x, y: f(t).cross_entropy(x, y, label_smoothing=0.2)),
    ce("smoothed and weighted", [(3, 4), IGNORING],
       lambda t, x, y: f(t).cross_entropy(x, y, t.arange(1, 5).to(x.dtype), label_smoothing=0.2)),
    ce("of an image", [(2, 4, 2, 2), IMAGE]),
    ce("of an image, each", [(2, 4, 2, 2), IMAGE],
       lambda t, x, y: f(t).cross_entropy(x, y, reduction="none")),
    ce("of one sample", [(4,), np.array(2)]),
    ce("of probabilities", [(3, 4), (3, 4)], low=0.1),
    ce("of probabilities, weighted", [(3, 4, 2), (3, 4, 2)],
       lambda t, x, y: f(t).cross_entropy(x, y, t.arange(1, 5).to(x.dtype), label_smoothing=0.1)),
    ce("of probabilities, one sample", [(4,), (4,)],
       lambda t, x, y: f(t).cross_entropy(x, y, reduction="sum")),
    ce("of rows far apart", [np.array([[90.0, 0.0, -90.0], [-90.0, -91.0, -92.0]]),
                             np.array([2, 1])]),
    ce("of masked scores", [np.array([[1.0, -np.inf, 2.0]]), np.array([0])], grad=False),
    ce("over more rows than a block", [(900, 100), np.arange(900) % 100], second=False),
    ce("of small integers", [(3, 4), CLASSES.astype(np.uint8)],
       lambda t, x, y: f(t).cross_entropy(x, y.long())),
    Case("nll_loss weighted", lambda t, x, y: f(t).nll_loss(x, y, t.arange(1, 5).to(x.dtype)),
         [(3, 4), IGNORING]),
    Case("nll_loss of an image", lambda t, x, y: f(t).nll_loss(x, y, reduction="sum"),
         [(2, 4, 2, 2), IMAGE]),
    *each("mse_loss", [(2, 3), (2, 3)], dtypes=("float64", "float32", "float16")),
    *each("l1_loss", [(2, 3), (2, 3)], second=False),
    *each("smooth_l1_loss", [(4, 3), (4, 3)], second=False),
    *each("huber_loss", [(4, 3), (4, 3)], second=False),
    Case("smooth_l1_loss sharp", lambda t, x, y: f(t).smooth_l1_loss(x, y, beta=0.3),
         [(4, 3), (4, 3)], second=False),
    Case("smooth_l1_loss with beta 0", lambda t, x, y: f(t).smooth_l1_loss(x, y, beta=0.0),
         [(4, 3), (4, 3)], second=False),
    Case("huber_loss wide", lambda t, x, y: f(t).huber_loss(x, y, delta=0.5), [(4, 3), (4, 3)],
         second=False),
    *each("binary_cross_entropy", [(2, 3), BITS], **POSITIVE, second=False),
    Case("binary_cross_entropy weighted", lambda t, x, y, w: f(t).binary_cross_entropy(x, y, w),
         [(2, 3), (2, 3), np.array([[2], [3]])], **POSITIVE, second=False),
    Case("binary_cross_entropy at 0 and 1", lambda t, x, y: f(t).binary_cross_entropy(x, y),
         [np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]])], grad=False),
    *each("binary_cross_entropy_with_logits", [(2, 3), BITS]),
    Case("binary_cross_entropy_with_logits of large ones",
         lambda t, x, y: f(t).binary_cross_entropy_with_logits(x, y, reduction="none"),
         [LARGE, BITS], second=False),
    Case("binary_cross_entropy_with_logits weighted",
         lambda t, x, y, p: f(t).binary_cross_entropy_with_logits(
             x, y, t.arange(1, 4).to(x.dtype), pos_weight=p),
         [(2, 3), BITS, np.array([2, 5, 1])], second=False, dtypes=("float64",)),
    *each("kl_div", [(2, 3), (2, 3)], reductions=("batchmean", "sum", "none"), **POSITIVE),
    Case("kl_div of zeros", lambda t, x, y: f(t).kl_div(x, y, reduction="sum"),
         [(2, 3), COUNTS * 1.0], grad=False),
    Case("kl_div of logarithms",
         lambda t, x, y: f(t).kl_div(x, y, reduction="batchmean", log_target=True),
         [(2, 3), (2, 3)]),
    *each("poisson_nll_loss", [(2, 3), COUNTS]),
    Case("poisson_nll_loss of rates",
         lambda t, x, y: f(t).poisson_nll_loss(x, y, log_input=False, full=True),
         [(2, 3), np.array([[0.4, 0.9, 7.0], [2.0, 3.0, 0.5]])], low=0.5),
    *each("gaussian_nll_loss", [(2, 3), (2, 3), (2, 3)], low=0.5),
    Case("gaussian_nll_loss of one variance",
         lambda t, x, y, v: f(t).gaussian_nll_loss(x, y, v, full=True), [(2, 3), (2, 3), (2, 1)],
         low=0.5),
    Case("gaussian_nll_loss of a tiny variance", lambda t, x, y, v: f(t).gaussian_nll_loss(x, y, v),
         [(2, 3), (2, 3), np.full((2, 3), 1e-8)], second=False, grad=False),
    *each("hinge_embedding_loss", [(2, 3), MATRIX_SIGNS], second=False),
    *each("soft_margin_loss", [(2, 3), MATRIX_SIGNS]),
    *each("margin_ranking_loss", [(3,), (3,), SIGNS], 0.4, second=False),
    *each("cosine_embedding_loss", [(3, 4), (3, 4), SIGNS], -0.2),
    *each("triplet_margin_loss", [(3, 4), (3, 4), (3, 4)]),
    Case("triplet_margin_loss swapped",
         lambda t, a, p, n: f(t).triplet_margin_loss(a, p, n, swap=True), [(6, 4)] * 3),
    *each("multi_margin_loss", [(3, 4), CLASSES], second=False),
    Case("multi_margin_loss squared and weighted",
         lambda t, x, y: f(t).multi_margin_loss(x, y, p=2, weight=t.arange(1, 5).to(x.dtype)),
         [(3, 4), CLASSES], second=False),
    *each("multilabel_soft_margin_loss", [(2, 3), BITS]),
    *[Case(f"ctc_loss {reduction}", lambda t, x, y, r=reduction: ctc(t, x, y, [6, 5], [3, 2], r),
           [(6, 2, 4), TARGETS], second=False, dtypes=("float64",))
      for reduction in ("mean", "sum", "none")],
    Case("ctc_loss of targets end to end",
         lambda t, x, y: ctc(t, x, y, [6, 5], [3, 2], "sum"),
         [(6, 2, 4), np.array([1, 2, 2, 3, 1])], second=False),
    Case("ctc_loss of no target", lambda t, x, y: ctc(t, x, y, [6, 5], [0, 2], "none"),
         [(6, 2, 4), TARGETS], second=False),
    Case("ctc_loss that cannot be", lambda t, x, y: ctc(t, x, y, [6, 2], [1, 2], "none"),
         [(6, 2, 4), np.array([[1, 0], [2, 2]])], grad=False),
    Case("ctc_loss that cannot be counts as nothing",
         lambda t, x, y: ctc(t, x, y, [6, 2], [1, 2], "sum", zero_infinity=True),
         [(6, 2, 4), np.array([[1, 0], [2, 2]])], second=False),
    Case("ctc_loss of one sequence",
         lambda t, x, y: f(t).ctc_loss(x.log_softmax(1), y, t.tensor(6), t.tensor(3)),
         [(6, 4), TARGETS[0]], second=False),
]  # fmt: skip
