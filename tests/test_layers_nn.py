"""Every layer against PyTorch's, with the same weights: output, input and parameter gradients."""

from __future__ import annotations

import copy
import inspect

import numpy as np
import pytest
import torch

import andon
from andon import nn
from andon.nn.utils import rnn

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape)


def positive(*shape):
    return RNG.uniform(0.1, 0.9, shape)


def integers(high, *shape):
    return RNG.integers(0, high, shape)


class Fixed(np.ndarray):
    """An array of floats that requires no gradient."""


def signs(*shape):
    return RNG.choice([-1.0, 1.0], shape).view(Fixed)


MASK = np.triu(np.ones((4, 4), bool), 1)
PADDING = np.array([[False, False, False, True], [False] * 4])

# What to make, and the arrays to call it with
LAYERS = {
    "Linear": (lambda nn: nn.Linear(3, 4), [normal(2, 5, 3)]),
    "Linear no bias": (lambda nn: nn.Linear(3, 4, bias=False), [normal(3)]),
    "Bilinear": (lambda nn: nn.Bilinear(3, 4, 2), [normal(5, 3), normal(5, 4)]),
    "Conv1d": (lambda nn: nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), [normal(2, 4, 9)]),
    "Conv2d": (lambda nn: nn.Conv2d(3, 4, (3, 2), padding=(1, 0), dilation=(1, 2), bias=False),
               [normal(2, 3, 7, 6)]),
    "Conv2d same": (lambda nn: nn.Conv2d(2, 3, 4, padding="same"), [normal(2, 2, 5, 6)]),
    "Conv2d valid": (lambda nn: nn.Conv2d(2, 3, 2, padding="valid", padding_mode="reflect"),
                     [normal(2, 2, 5, 6)]),
    "Conv2d same circular": (
        lambda nn: nn.Conv2d(2, 3, (3, 4), padding="same", padding_mode="circular"),
        [normal(2, 2, 5, 6)]),
    "Conv2d reflect": (lambda nn: nn.Conv2d(2, 3, 3, padding=(1, 2), padding_mode="reflect"),
                       [normal(2, 2, 5, 6)]),
    "Conv1d replicate": (lambda nn: nn.Conv1d(2, 3, 3, padding=2, padding_mode="replicate"),
                         [normal(2, 2, 5)]),
    "Conv3d": (lambda nn: nn.Conv3d(2, 3, 2, stride=2), [normal(1, 2, 4, 5, 4)]),
    "ConvTranspose1d": (lambda nn: nn.ConvTranspose1d(4, 6, 3, 2, 1, 1, groups=2),
                        [normal(2, 4, 5)]),
    "ConvTranspose2d": (lambda nn: nn.ConvTranspose2d(3, 2, 3, stride=2, bias=False),
                        [normal(2, 3, 4, 3)]),
    "ConvTranspose3d": (lambda nn: nn.ConvTranspose3d(2, 3, 2, dilation=2),
                        [normal(1, 2, 3, 2, 3)]),
    "BatchNorm1d": (lambda nn: nn.BatchNorm1d(3), [normal(5, 3)]),
    "BatchNorm1d of sequences": (lambda nn: nn.BatchNorm1d(3, momentum=None), [normal(5, 3, 2)]),
    "BatchNorm2d": (lambda nn: nn.BatchNorm2d(3, affine=False), [normal(5, 3, 2, 2)]),
    "BatchNorm2d no stats": (lambda nn: nn.BatchNorm2d(3, track_running_stats=False),
                             [normal(5, 3, 2, 2)]),
    "BatchNorm3d": (lambda nn: nn.BatchNorm3d(3, bias=False), [normal(2, 3, 2, 2, 2)]),
    "InstanceNorm1d": (lambda nn: nn.InstanceNorm1d(3), [normal(2, 3, 5)]),
    "InstanceNorm1d single": (lambda nn: nn.InstanceNorm1d(3, affine=True), [normal(3, 5)]),
    "InstanceNorm2d": (lambda nn: nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
                       [normal(2, 3, 4, 4)]),
    "InstanceNorm3d": (lambda nn: nn.InstanceNorm3d(3), [normal(2, 3, 2, 3, 2)]),
    "LayerNorm": (lambda nn: nn.LayerNorm(4), [normal(2, 3, 4)]),
    "LayerNorm no bias": (lambda nn: nn.LayerNorm((3, 4), bias=False, eps=0.1), [normal(2, 3, 4)]),
    "LayerNorm plain": (lambda nn: nn.LayerNorm(4, elementwise_affine=False), [normal(2, 4)]),
    "RMSNorm": (lambda nn: nn.RMSNorm(4), [normal(2, 3, 4)]),
    "RMSNorm plain": (lambda nn: nn.RMSNorm((3, 4), eps=0.1, elementwise_affine=False),
                      [normal(2, 3, 4)]),
    "GroupNorm": (lambda nn: nn.GroupNorm(2, 4), [normal(3, 4, 5)]),
    "GroupNorm no bias": (lambda nn: nn.GroupNorm(2, 4, bias=False), [normal(3, 4, 5)]),
    "GroupNorm plain": (lambda nn: nn.GroupNorm(4, 4, affine=False), [normal(3, 4, 2, 2)]),
    "LocalResponseNorm": (lambda nn: nn.LocalResponseNorm(3), [normal(2, 5, 4)]),
    "MaxPool1d": (lambda nn: nn.MaxPool1d(3, 2, 1), [normal(2, 3, 8)]),
    "MaxPool2d": (lambda nn: nn.MaxPool2d((2, 3), ceil_mode=True), [normal(2, 3, 5, 7)]),
    "MaxPool2d indices": (lambda nn: nn.MaxPool2d(2, return_indices=True), [normal(2, 3, 4, 4)]),
    "MaxPool3d": (lambda nn: nn.MaxPool3d(2, dilation=2), [normal(1, 2, 4, 5, 4)]),
    "MaxUnpool2d": (lambda nn: nn.MaxUnpool2d(2),
                    [normal(1, 1, 2, 2), np.array([[[[0, 3], [8, 15]]]])]),
    "AvgPool1d": (lambda nn: nn.AvgPool1d(3, 2, 1), [normal(2, 3, 8)]),
    "AvgPool2d": (lambda nn: nn.AvgPool2d(3, padding=1, count_include_pad=False),
                  [normal(2, 3, 6, 6)]),
    "AvgPool2d divisor": (lambda nn: nn.AvgPool2d(2, divisor_override=3), [normal(2, 3, 4, 4)]),
    "AvgPool3d": (lambda nn: nn.AvgPool3d(2), [normal(1, 2, 4, 4, 4)]),
    "LPPool1d": (lambda nn: nn.LPPool1d(2, 2), [positive(2, 3, 6)]),
    "LPPool2d": (lambda nn: nn.LPPool2d(3, 2, stride=1), [positive(2, 3, 4, 4)]),
    "AdaptiveAvgPool1d": (lambda nn: nn.AdaptiveAvgPool1d(3), [normal(2, 3, 7)]),
    "AdaptiveAvgPool2d": (lambda nn: nn.AdaptiveAvgPool2d((3, None)), [normal(2, 3, 7, 5)]),
    "AdaptiveAvgPool3d": (lambda nn: nn.AdaptiveAvgPool3d(2), [normal(1, 2, 3, 4, 5)]),
    "AdaptiveMaxPool1d": (lambda nn: nn.AdaptiveMaxPool1d(3), [normal(2, 3, 7)]),
    "AdaptiveMaxPool2d": (lambda nn: nn.AdaptiveMaxPool2d(3, return_indices=True),
                          [normal(2, 3, 7, 5)]),
    "AdaptiveMaxPool3d": (lambda nn: nn.AdaptiveMaxPool3d(2), [normal(1, 2, 3, 4, 5)]),
    "Dropout evaluates to x": (lambda nn: nn.Dropout(0.7).eval(), [normal(3, 4)]),
    "Dropout of none": (lambda nn: nn.Dropout(0.0), [normal(3, 4)]),
    "Dropout of all": (lambda nn: nn.Dropout(1.0), [normal(3, 4)]),
    "Dropout1d": (lambda nn: nn.Dropout1d(0.7).eval(), [normal(3, 4, 2)]),
    "Dropout2d": (lambda nn: nn.Dropout2d(0.7).eval(), [normal(3, 4, 2, 2)]),
    "Dropout3d": (lambda nn: nn.Dropout3d(0.7).eval(), [normal(3, 4, 2, 2, 2)]),
    "AlphaDropout": (lambda nn: nn.AlphaDropout(0.7).eval(), [normal(3, 4)]),
    "FeatureAlphaDropout": (lambda nn: nn.FeatureAlphaDropout(0.7).eval(), [normal(3, 4, 2)]),
    "Embedding": (lambda nn: nn.Embedding(5, 3, padding_idx=-1), [integers(5, 2, 4)]),
    "EmbeddingBag": (lambda nn: nn.EmbeddingBag(5, 3), [integers(5, 2, 4)]),
    "EmbeddingBag sum": (lambda nn: nn.EmbeddingBag(5, 3, mode="sum"),
                         [integers(5, 6), np.array([0, 2, 2])]),
    "EmbeddingBag padded": (lambda nn: nn.EmbeddingBag(5, 3, padding_idx=0),
                         [np.array([[1, 2, 0, 4], [3, 3, 1, 2]])]),
    "Identity": (lambda nn: nn.Identity(3, a=4), [normal(3)]),
    "Flatten": (lambda nn: nn.Flatten(), [normal(2, 3, 4)]),
    "Unflatten": (lambda nn: nn.Unflatten(1, (2, 3)), [normal(2, 6)]),
    "Upsample": (lambda nn: nn.Upsample(scale_factor=2), [normal(1, 2, 3, 4)]),
    "Upsample bilinear": (lambda nn: nn.Upsample(size=(5, 6), mode="bilinear"),
                          [normal(1, 2, 3, 4)]),
    "UpsamplingNearest2d": (lambda nn: nn.UpsamplingNearest2d(size=5), [normal(1, 2, 3, 4)]),
    "UpsamplingBilinear2d": (lambda nn: nn.UpsamplingBilinear2d(scale_factor=2),
                             [normal(1, 2, 3, 4)]),
    "PixelShuffle": (lambda nn: nn.PixelShuffle(2), [normal(1, 8, 2, 3)]),
    "PixelUnshuffle": (lambda nn: nn.PixelUnshuffle(2), [normal(1, 2, 4, 6)]),
    "ChannelShuffle": (lambda nn: nn.ChannelShuffle(2), [normal(1, 6, 2, 2)]),
    "Unfold": (lambda nn: nn.Unfold(2, padding=1, stride=2), [normal(1, 2, 4, 4)]),
    "Fold": (lambda nn: nn.Fold((4, 5), (2, 2)), [normal(1, 8, 12)]),
    "ConstantPad1d": (lambda nn: nn.ConstantPad1d((1, 2), 3.5), [normal(2, 3)]),
    "ConstantPad2d": (lambda nn: nn.ConstantPad2d(1, 3.5), [normal(2, 3, 3)]),
    "ConstantPad3d": (lambda nn: nn.ConstantPad3d(1, 3.5), [normal(2, 2, 2, 2)]),
    "ZeroPad1d": (lambda nn: nn.ZeroPad1d(1), [normal(2, 3)]),
    "ZeroPad2d": (lambda nn: nn.ZeroPad2d((1, 0, 2, -1)), [normal(1, 2, 3, 3)]),
    "ZeroPad3d": (lambda nn: nn.ZeroPad3d(1), [normal(2, 2, 2, 2)]),
    "ReflectionPad1d": (lambda nn: nn.ReflectionPad1d(2), [normal(1, 2, 4)]),
    "ReflectionPad2d": (lambda nn: nn.ReflectionPad2d((1, 2, 0, 1)), [normal(1, 2, 4, 4)]),
    "ReflectionPad3d": (lambda nn: nn.ReflectionPad3d(1), [normal(1, 2, 3, 3, 3)]),
    "ReplicationPad1d": (lambda nn: nn.ReplicationPad1d(2), [normal(1, 2, 4)]),
    "ReplicationPad2d": (lambda nn: nn.ReplicationPad2d(2), [normal(1, 2, 4, 4)]),
    "ReplicationPad3d": (lambda nn: nn.ReplicationPad3d(1), [normal(1, 2, 3, 3, 3)]),
    "CircularPad1d": (lambda nn: nn.CircularPad1d(2), [normal(1, 2, 4)]),
    "CircularPad2d": (lambda nn: nn.CircularPad2d(2), [normal(1, 2, 4, 4)]),
    "CircularPad3d": (lambda nn: nn.CircularPad3d(1), [normal(1, 2, 3, 3, 3)]),
    "CosineSimilarity": (lambda nn: nn.CosineSimilarity(), [normal(3, 4), normal(3, 4)]),
    "PairwiseDistance": (lambda nn: nn.PairwiseDistance(p=3, keepdim=True),
                         [normal(3, 4), normal(3, 4)]),
    "RNN": (lambda nn: nn.RNN(3, 4), [normal(5, 2, 3)]),
    "RNN relu": (lambda nn: nn.RNN(3, 4, nonlinearity="relu", bias=False),
                 [normal(5, 2, 3), normal(1, 2, 4)]),
    "RNN deep": (lambda nn: nn.RNN(3, 4, 2, bidirectional=True, batch_first=True),
                 [normal(2, 5, 3), normal(4, 2, 4)]),
    "RNN single": (lambda nn: nn.RNN(3, 4, bidirectional=True), [normal(5, 3), normal(2, 4)]),
    "LSTM": (lambda nn: nn.LSTM(3, 4), [normal(5, 2, 3)]),
    "LSTM deep": (lambda nn: nn.LSTM(3, 4, num_layers=3, bidirectional=True),
                  [normal(5, 2, 3), (normal(6, 2, 4), normal(6, 2, 4))]),
    "LSTM projected": (lambda nn: nn.LSTM(3, 4, 2, proj_size=2, batch_first=True),
                       [normal(2, 5, 3)]),
    "GRU": (lambda nn: nn.GRU(3, 4), [normal(5, 2, 3), normal(1, 2, 4)]),
    "GRU deep": (lambda nn: nn.GRU(3, 4, num_layers=2, bidirectional=True, bias=False),
                 [normal(5, 2, 3)]),
    "GRU single": (lambda nn: nn.GRU(3, 4), [normal(5, 3)]),
    "RNNCell": (lambda nn: nn.RNNCell(3, 4), [normal(2, 3), normal(2, 4)]),
    "RNNCell relu": (lambda nn: nn.RNNCell(3, 4, nonlinearity="relu"), [normal(2, 3)]),
    "LSTMCell": (lambda nn: nn.LSTMCell(3, 4), [normal(2, 3), (normal(2, 4), normal(2, 4))]),
    "GRUCell": (lambda nn: nn.GRUCell(3, 4, bias=False), [normal(3), normal(4)]),
}  # fmt: skip

ACTIVATIONS = {
    "ReLU": {}, "ReLU6": {}, "SELU": {}, "SiLU": {}, "Mish": {}, "Hardswish": {},
    "Hardsigmoid": {}, "Sigmoid": {}, "Tanh": {}, "LogSigmoid": {}, "Softsign": {},
    "Tanhshrink": {}, "GELU": {"approximate": "tanh"}, "ELU": {"alpha": 0.7},
    "CELU": {"alpha": 0.7}, "LeakyReLU": {"negative_slope": 0.3},
    "PReLU": {"num_parameters": 4}, "Threshold": {"threshold": 0.3, "value": 2.0},
    "Hardtanh": {"min_val": -0.5, "max_val": 0.7}, "Softplus": {"beta": 2.0, "threshold": 1.5},
    "Hardshrink": {"lambd": 0.3}, "Softshrink": {"lambd": 0.3}, "GLU": {"dim": 1},
    "Softmax": {"dim": 1}, "Softmin": {"dim": 0}, "LogSoftmax": {"dim": -1},
}  # fmt: skip
LAYERS |= {
    name: (lambda nn, name=name, options=options: getattr(nn, name)(**options), [normal(3, 4)])
    for name, options in ACTIVATIONS.items()
}
LAYERS["GELU exact"] = (lambda nn: nn.GELU(), [normal(3, 4)])
LAYERS["ReLU inplace"] = (lambda nn: nn.Sequential(nn.Linear(3, 4), nn.ReLU(True)), [normal(2, 3)])
LAYERS["RReLU"] = (lambda nn: nn.RReLU().eval(), [normal(3, 4)])
LAYERS["Softmax2d"] = (lambda nn: nn.Softmax2d(), [normal(2, 3, 2, 2)])

LOSSES = {
    "L1Loss": ({}, [normal(3, 4), normal(3, 4)]),
    "MSELoss": ({}, [normal(3, 4), normal(3, 4)]),
    "SmoothL1Loss": ({"beta": 0.5}, [normal(3, 4), normal(3, 4)]),
    "HuberLoss": ({"delta": 0.5}, [normal(3, 4), normal(3, 4)]),
    "CrossEntropyLoss": ({"label_smoothing": 0.1, "ignore_index": 1},
                         [normal(5, 3), integers(3, 5)]),
    "NLLLoss": ({}, [normal(5, 3, 2), integers(3, 5, 2)]),
    "BCELoss": ({}, [positive(3, 4), positive(3, 4)]),
    "BCEWithLogitsLoss": ({}, [normal(3, 4), positive(3, 4)]),
    "KLDivLoss": ({"log_target": True}, [normal(3, 4), normal(3, 4)]),
    "PoissonNLLLoss": ({"full": True}, [normal(3, 4), positive(3, 4) * 5]),
    "GaussianNLLLoss": ({"full": True}, [normal(3, 4), normal(3, 4), positive(3, 4)]),
    "HingeEmbeddingLoss": ({"margin": 0.5}, [normal(3, 4), signs(3, 4)]),
    "MarginRankingLoss": ({"margin": 0.5}, [normal(5), normal(5), signs(5)]),
    "CosineEmbeddingLoss": ({"margin": 0.1}, [normal(5, 3), normal(5, 3), signs(5)]),
    "SoftMarginLoss": ({}, [normal(3, 4), signs(3, 4)]),
    "MultiMarginLoss": ({"p": 2, "margin": 0.7}, [normal(5, 3), integers(3, 5)]),
    "MultiLabelMarginLoss": ({}, [normal(2, 3), np.array([[2, 0, -1], [1, -1, 0]])]),
    "MultiLabelSoftMarginLoss": ({}, [normal(3, 4), integers(2, 3, 4).astype(float)]),
    "TripletMarginLoss": ({"swap": True, "margin": 2.0},
                          [normal(5, 3), normal(5, 3), normal(5, 3)]),
    "TripletMarginWithDistanceLoss": ({"margin": 2.0}, [normal(5, 3), normal(5, 3), normal(5, 3)]),
}  # fmt: skip
for _name, (_options, _arrays) in LOSSES.items():
    for _reduction in ("mean", "sum", "none"):
        LAYERS[f"{_name} {_reduction}"] = (
            lambda nn, name=_name, options=_options, reduction=_reduction: getattr(nn, name)(
                reduction=reduction, **options
            ),
            _arrays,
        )


@pytest.fixture(autouse=True)
def seed():
    andon.manual_seed(0)
    torch.manual_seed(0)


def tensors(t, values):
    """Arrays as tensors, floats requiring a gradient; tuples remain tuples."""
    if isinstance(values, (tuple, list)):
        return type(values)(tensors(t, value) for value in values)
    x = t.tensor(np.asarray(values))
    constant = values.dtype != np.float64 or isinstance(values, Fixed)
    return x if constant else x.requires_grad_()


def flat(values):
    """The tensors among results or arguments."""
    if isinstance(values, (tuple, list)):
        return [x for value in values for x in flat(value)]
    return [] if values is None else [values]


def assert_close(a, b, name=""):
    a, b = a.detach().numpy(), b.detach().numpy()
    assert a.shape == b.shape, name
    np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9, err_msg=name)


def pair(make):
    """The same layer of PyTorch and of ours, in float64, with the same random parameters."""
    theirs, ours = make(torch.nn).double(), make(nn).double()
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(torch.randn_like(p) * 0.5)
    ours.load_state_dict({name: x.numpy() for name, x in theirs.state_dict().items()})
    return ours, theirs


def differentiate(t, outputs):
    """Backward from a sum in which every element has a weight of its own."""
    rng = np.random.default_rng(1)
    total = 0.0
    for y in flat(outputs):
        weights = rng.standard_normal(tuple(y.shape))
        if y.requires_grad:
            total = total + (y * t.tensor(weights)).sum()
    if hasattr(total, "requires_grad") and total.requires_grad:
        total.backward()


def compare(ours, theirs, arrays, **kwargs):
    """Output, gradients and buffers of one call of both layers."""
    xs, zs = tensors(andon, arrays), tensors(torch, arrays)
    mine = {k: tensors(andon, v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()}
    its = {k: tensors(torch, v) if isinstance(v, np.ndarray) else v for k, v in kwargs.items()}
    y, z = ours(*xs, **mine), theirs(*zs, **its)
    assert len(flat(y)) == len(flat(z))
    for a, b in zip(flat(y), flat(z), strict=True):
        assert_close(a, b, "output")
    differentiate(andon, y)
    differentiate(torch, z)
    for a, b in zip(flat(xs), flat(zs), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if b.grad is not None:
            assert_close(a.grad, b.grad, "input gradient")
    for (name, p), q in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert (p.grad is None) == (q.grad is None), name
        if q.grad is not None:
            assert_close(p.grad, q.grad, f"gradient of {name}")
    for (name, p), q in zip(ours.named_buffers(), theirs.buffers(), strict=True):
        assert_close(p, q, name)


@pytest.mark.filterwarnings("ignore:Using padding='same'", "ignore:reduction. 'mean'")
@pytest.mark.parametrize("name", LAYERS)
def test_layers_compute_what_pytorchs_do(name):
    make, arrays = LAYERS[name]
    ours, theirs = pair(make)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    compare(ours, theirs, arrays)


@pytest.mark.parametrize("name", [n for n in LAYERS if "Norm" in n])
def test_norms_compute_what_pytorchs_do_in_evaluation(name):
    make, arrays = LAYERS[name]
    ours, theirs = pair(make)
    for layer, t in ((ours, andon), (theirs, torch)):
        layer(t.tensor(arrays[0]))
        layer.eval()
    compare(ours, theirs, arrays)


def test_every_layer_is_in_the_table():
    covered = {name.split()[0] for name in LAYERS} | {
        "Module", "Parameter", "Buffer", "Sequential", "ModuleList", "ModuleDict",
        "ParameterList", "ParameterDict", "RNNBase", "RNNCellBase", "MultiheadAttention",
        "Transformer", "TransformerEncoder", "TransformerDecoder", "TransformerEncoderLayer",
        "TransformerDecoderLayer", "LPPool3d", "MaxUnpool1d", "MaxUnpool3d", "CTCLoss",
        "DataParallel", *[name for name in nn.__all__ if name.startswith("Lazy")],
    }  # fmt: skip
    assert {n for n in nn.__all__ if isinstance(getattr(nn, n), type)} - covered == set()


def test_signatures_begin_as_pytorchs_do():
    """Whoever passes arguments by position gets the same layer."""
    for name in nn.__all__:
        layer, other = getattr(nn, name), getattr(torch.nn, name, None)
        if not isinstance(layer, type) or other is None or name in ("RNN", "LSTM", "GRU"):
            continue
        if name in ("Module", "Parameter", "Buffer", "RNNBase", "RNNCellBase", "Sequential"):
            continue
        ours = inspect.signature(layer).parameters
        theirs = inspect.signature(other).parameters
        assert list(ours) == list(theirs)[: len(ours)], name
        for key, p in theirs.items():
            if key in ours and key not in ("activation", "upper"):
                assert ours[key].default == p.default, f"{name}: {key}"


def test_losses_take_weights():
    weight = np.array([0.2, 0.5, 1.3])
    for make, arrays in (
        (lambda nn, w: nn.CrossEntropyLoss(weight=w), [normal(5, 3), integers(3, 5)]),
        (lambda nn, w: nn.NLLLoss(w, reduction="sum"), [normal(5, 3), integers(3, 5)]),
        (lambda nn, w: nn.BCELoss(w), [positive(5, 3), positive(5, 3)]),
        (lambda nn, w: nn.BCEWithLogitsLoss(w, pos_weight=w), [normal(5, 3), positive(5, 3)]),
        (lambda nn, w: nn.MultiMarginLoss(weight=w), [normal(5, 3), integers(3, 5)]),
        (lambda nn, w: nn.MultiLabelSoftMarginLoss(w), [normal(5, 3), positive(5, 3)]),
    ):
        ours, theirs = make(nn, andon.tensor(weight)), make(torch.nn, torch.tensor(weight))
        assert list(ours.state_dict()) == list(theirs.state_dict())
        compare(ours, theirs, arrays)


def test_the_divergence_can_be_a_mean_over_the_batch():
    compare(nn.KLDivLoss(reduction="batchmean"), torch.nn.KLDivLoss(reduction="batchmean"),
            [normal(3, 4), positive(3, 4)])  # fmt: skip


def test_old_reduction_arguments_decide():
    assert nn.MSELoss(size_average=False).reduction == "sum"
    assert nn.MSELoss(reduce=False).reduction == "none"
    assert nn.MSELoss(size_average=True, reduction="sum").reduction == "mean"


def test_a_transposed_convolution_can_be_told_its_output_size():
    ours, theirs = pair(lambda nn: nn.ConvTranspose2d(2, 3, 3, stride=2, padding=1))
    compare(ours, theirs, [normal(1, 2, 4, 4)], output_size=[8, 7])


def test_embeddings_come_from_a_table():
    table = normal(4, 3)
    ours = nn.Embedding.from_pretrained(andon.tensor(table), padding_idx=0)
    assert not ours.weight.requires_grad
    assert ours(andon.tensor([2])).tolist() == [table[2].tolist()]
    assert nn.Embedding.from_pretrained(andon.tensor(table), freeze=False).weight.requires_grad


@pytest.mark.parametrize("norm_type", [2.0, 1.0])
def test_embeddings_are_kept_short(norm_type):
    ours, theirs = pair(lambda nn: nn.Embedding(9, 3, max_norm=0.5, norm_type=norm_type))
    compare(ours, theirs, [integers(5, 4)])
    assert_close(ours.weight, theirs.weight)
    ours, theirs = pair(lambda nn: nn.EmbeddingBag(9, 3, max_norm=0.5, norm_type=norm_type))
    compare(ours, theirs, [integers(5, 2, 3)])
    assert_close(ours.weight, theirs.weight)


def test_embedding_bags_take_weights():
    ours, theirs = pair(lambda nn: nn.EmbeddingBag(5, 3, mode="sum"))
    compare(ours, theirs, [integers(5, 2, 4)], per_sample_weights=normal(2, 4))


# Dropout


@pytest.mark.parametrize(
    ("name", "shape", "per"),
    [("Dropout", (200, 50), None), ("Dropout1d", (200, 50, 4), (2,)),
     ("Dropout2d", (200, 50, 2, 2), (2, 3)), ("Dropout3d", (100, 50, 2, 2, 2), (2, 3, 4))],
)  # fmt: skip
def test_dropout_drops_its_share_and_scales_the_rest(name, shape, per):
    layer = getattr(nn, name)(0.25)
    y = layer(andon.ones(*shape)).numpy()
    assert set(np.unique(y)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs((y == 0).mean() - 0.25) < 0.02
    if per is not None:  # whole channels
        assert ((y == 0).all(per) | (y != 0).all(per)).all()


@pytest.mark.parametrize("name", ["AlphaDropout", "FeatureAlphaDropout"])
def test_alpha_dropout_keeps_mean_and_variance(name):
    y = getattr(nn, name)(0.3)(andon.randn(300, 300, 1)).numpy()
    assert abs(y.mean()) < 0.03 and abs(y.std() - 1) < 0.03


def test_dropout_between_recurrent_layers_drops():
    layer = nn.GRU(3, 50, 2, dropout=0.5)
    x = andon.ones(1, 1, 3)
    assert (layer(x)[0].detach().numpy() != layer(x)[0].detach().numpy()).any()
    layer.eval()
    assert np.array_equal(layer(x)[0].detach().numpy(), layer(x)[0].detach().numpy())


# Sequences of several lengths


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_packed_sequences_run_through_recurrent_layers(kind, ordered):
    lengths = [5, 3, 3, 1] if ordered else [3, 1, 5, 3]
    ours, theirs = pair(lambda nn: getattr(nn, kind)(3, 4, 2, bidirectional=True))
    x, state = normal(5, 4, 3), normal(4, 4, 4)
    state = (state, normal(4, 4, 4)) if kind == "LSTM" else state
    results = []
    for t, layer in ((andon, ours), (torch, theirs)):
        a, h = tensors(t, x), tensors(t, state)
        pack = t.nn.utils.rnn.pack_padded_sequence
        packed = pack(a, t.tensor(lengths), enforce_sorted=ordered)
        y, final = layer(packed, h)
        plain, _ = layer(packed)
        assert tuple(plain.data.shape) == (12, 8)
        padded, n = t.nn.utils.rnn.pad_packed_sequence(y, padding_value=-1.0)
        assert n.tolist() == lengths
        differentiate(t, [padded, final])
        parameters = [p.grad for p in layer.parameters()]
        results.append([padded, *flat(final), a.grad, *[s.grad for s in flat(h)], *parameters])
    for a, b in zip(*results, strict=True):
        assert_close(a, b)


def test_sequences_are_padded_and_packed_and_restored():
    lists = [normal(n, 2) for n in (2, 4, 1)]
    for options in ({}, {"batch_first": True}, {"padding_value": 7.0, "padding_side": "left"}):
        ours = rnn.pad_sequence([andon.tensor(x) for x in lists], **options)
        theirs = torch.nn.utils.rnn.pad_sequence([torch.tensor(x) for x in lists], **options)
        assert_close(ours, theirs)
    packed = rnn.pack_sequence([andon.tensor(x) for x in lists], enforce_sorted=False)
    other = torch.nn.utils.rnn.pack_sequence([torch.tensor(x) for x in lists], enforce_sorted=False)
    for a, b in zip(packed, other, strict=True):
        assert_close(a, b)
    for a, b in zip(rnn.unpack_sequence(packed), lists, strict=True):
        assert np.array_equal(a.numpy(), b)
    padded, _ = rnn.pad_packed_sequence(packed, batch_first=True, total_length=6)
    assert padded.shape == (3, 6, 2)


# Attention


def attention_cases():
    yield "plain", {}, {}
    yield "single heads", {"num_heads": 1, "bias": False}, {}
    yield "weights per head", {}, {"average_attn_weights": False}
    yield "no weights", {}, {"need_weights": False}
    yield "batch first", {"batch_first": True}, {}
    yield "mask", {}, {"attn_mask": MASK}
    yield "mask, no weights", {}, {"attn_mask": MASK, "need_weights": False}
    yield "mask per head", {}, {"attn_mask": np.repeat(MASK[None], 4, 0)}
    yield "padding", {}, {"key_padding_mask": PADDING}
    yield "both masks", {}, {"attn_mask": MASK, "key_padding_mask": PADDING}
    yield "bias and zero", {"add_bias_kv": True, "add_zero_attn": True}, {}
    yield "bias and zero, masks", {"add_bias_kv": True, "add_zero_attn": True}, {
        "attn_mask": MASK, "key_padding_mask": PADDING,
    }  # fmt: skip
    yield "causal", {}, {"attn_mask": MASK, "is_causal": True, "need_weights": False}


@pytest.mark.parametrize(("name", "made", "called"), list(attention_cases()))
@pytest.mark.parametrize("alone", [True, False])
def test_attention_is_that_of_pytorch(name, made, called, alone):
    ours, theirs = pair(lambda nn: nn.MultiheadAttention(6, **{"num_heads": 2, **made}))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = normal(2, 4, 6) if made.get("batch_first") else normal(4, 2, 6)
    if alone:  # self-attention: one tensor for all three
        compare(Thrice(nn.Module, ours), Thrice(torch.nn.Module, theirs), [x], **called)
    else:
        compare(ours, theirs, [x, x + 1, x * 2], **called)


def Thrice(base, layer):
    """A module that passes its input as query, key and value."""

    class Self(base):
        def __init__(self):
            super().__init__()
            self.layer = layer

        def forward(self, x, **kwargs):
            return self.layer(x, x, x, **kwargs)

    return Self()


def test_attention_takes_keys_and_values_of_other_widths():
    ours, theirs = pair(lambda nn: nn.MultiheadAttention(6, 3, kdim=4, vdim=5))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    compare(ours, theirs, [normal(3, 2, 6), normal(7, 2, 4), normal(7, 2, 5)])


def test_attention_works_without_a_batch():
    ours, theirs = pair(lambda nn: nn.MultiheadAttention(6, 3, batch_first=True))
    compare(ours, theirs, [normal(3, 6), normal(5, 6), normal(5, 6)])


def test_causal_attention_needs_no_mask():
    layer, x = nn.MultiheadAttention(6, 2), andon.tensor(normal(4, 1, 6)).float()
    masked, _ = layer(x, x, x, attn_mask=andon.tensor(MASK))
    causal, _ = layer(x, x, x, is_causal=True, need_weights=False)
    np.testing.assert_allclose(masked.detach().numpy(), causal.detach().numpy(), rtol=1e-4)


def test_attention_weights_are_dropped_in_training_only():
    layer, x = nn.MultiheadAttention(6, 2, dropout=0.9), andon.ones(4, 3, 6)
    _, weights = layer(x, x, x)
    assert (weights.detach().numpy() == 0).any()
    _, weights = layer.eval()(x, x, x)
    np.testing.assert_allclose(weights.detach().numpy(), 0.25, rtol=1e-5)


# Transformers

SIZES = {"d_model": 6, "nhead": 2, "dim_feedforward": 5, "dropout": 0.0}
NO_FAST_PATH = pytest.mark.filterwarnings("ignore:enable_nested_tensor")


@pytest.mark.parametrize(
    "options",
    [{}, {"norm_first": True, "activation": "gelu"}, {"bias": False, "batch_first": True}],
)
def test_encoder_layers_are_those_of_pytorch(options):
    ours, theirs = pair(lambda nn: nn.TransformerEncoderLayer(**SIZES, **options))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = normal(2, 4, 6) if options.get("batch_first") else normal(4, 2, 6)
    compare(ours, theirs, [x])
    ours.zero_grad()
    theirs.zero_grad()
    compare(ours, theirs, [x], src_mask=MASK, src_key_padding_mask=PADDING)


@pytest.mark.parametrize("options", [{}, {"norm_first": True, "batch_first": True}])
def test_decoder_layers_are_those_of_pytorch(options):
    ours, theirs = pair(lambda nn: nn.TransformerDecoderLayer(**SIZES, **options))
    x, memory = normal(4, 2, 6), normal(5, 2, 6)
    if options.get("batch_first"):
        x, memory = x.swapaxes(0, 1), memory.swapaxes(0, 1)
    compare(ours, theirs, [x, memory], tgt_mask=MASK, tgt_key_padding_mask=PADDING)


@NO_FAST_PATH
def test_transformers_are_those_of_pytorch():
    options = {**SIZES, "num_encoder_layers": 2, "num_decoder_layers": 2}
    ours, theirs = pair(lambda nn: nn.Transformer(**options))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    mask = ours.generate_square_subsequent_mask(3)
    assert np.array_equal(mask.numpy(), theirs.generate_square_subsequent_mask(3).numpy())
    compare(ours, theirs, [normal(4, 2, 6), normal(3, 2, 6)],
            tgt_mask=np.triu(np.ones((3, 3), bool), 1), src_key_padding_mask=PADDING,
            memory_key_padding_mask=PADDING)  # fmt: skip


@NO_FAST_PATH
def test_encoders_are_copies_of_a_layer():
    layer = nn.TransformerEncoderLayer(**SIZES)
    encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(6))
    first, second = encoder.layers
    assert first.linear1.weight is not second.linear1.weight
    assert first.linear1.weight.tolist() == layer.linear1.weight.tolist()
    assert len(list(copy.deepcopy(encoder).parameters())) == 2 * 12 + 2


def test_a_network_learns():
    """Two interleaved parabolas, told apart by a small network."""
    rng = np.random.default_rng(0)
    t, label = rng.uniform(-1, 1, 200), rng.integers(0, 2, 200)
    points = np.stack([t, t * t + 0.3 * label + rng.normal(0, 0.02, 200)], 1)
    x, y = andon.tensor(points).float(), andon.tensor(label)
    net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
    opt = andon.optim.AdamW(net.parameters(), lr=0.05)
    schedule = andon.optim.lr_scheduler.CosineAnnealingLR(opt, 150)
    criterion = nn.CrossEntropyLoss()
    for _ in range(150):
        opt.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        schedule.step()
    assert (net(x).detach().numpy().argmax(1) == label).all()
