"""Wrong use of layers: each case raises from the error tree, and says what was given."""

from __future__ import annotations

import re

import pytest

import andon
from andon import nn
from andon.core.errors import AndonError, DTypeError, IndexingError, ShapeError, StateError
from andon.nn.utils import rnn

ones = andon.ones

# What raises, the class, and a part of the message
WRONG = {
    # making a layer
    "Conv2d groups": (lambda: nn.Conv2d(3, 4, 2, groups=2), ShapeError, "3 in, 4 out, 2 groups"),
    "Conv2d no groups": (lambda: nn.Conv2d(3, 4, 2, groups=0), ShapeError, "0 groups"),
    "Conv2d kernel": (lambda: nn.Conv2d(3, 4, (2, 2, 2)), ShapeError, "one number or 2"),
    "Conv2d padding": (lambda: nn.Conv2d(3, 4, 2, padding="full"), ValueError, "'full'"),
    "Conv2d same strided": (
        lambda: nn.Conv2d(3, 4, 2, stride=2, padding="same"), ValueError, "needs stride 1: (2, 2)"),
    "Conv2d padding mode": (
        lambda: nn.Conv2d(3, 4, 2, padding_mode="mirror"), ValueError, "'mirror'"),
    "ConvTranspose2d padding mode": (
        lambda: nn.ConvTranspose2d(3, 4, 2, padding_mode="reflect"), ValueError, "only padding"),
    "GroupNorm": (lambda: nn.GroupNorm(3, 4), ShapeError, "groups: 4, 3"),
    "Dropout": (lambda: nn.Dropout(1.5), ValueError, "between 0 and 1: 1.5"),
    "Hardtanh": (lambda: nn.Hardtanh(1, -1), ValueError, "below max_val: 1, -1"),
    "Loss": (lambda: nn.MSELoss(reduction="median"), ValueError, "'median'"),
    "Embedding padding": (lambda: nn.Embedding(3, 2, padding_idx=3), IndexingError, "3 of 3 rows"),
    "Embedding weight": (lambda: nn.Embedding(3, 2, _weight=ones(2, 2)), ShapeError, "3 x 2"),
    "Embedding table": (lambda: nn.Embedding.from_pretrained(ones(3)), ShapeError, "a matrix"),
    "EmbeddingBag mode": (lambda: nn.EmbeddingBag(3, 2, mode="min"), ValueError, "'min'"),
    "ZeroPad2d": (lambda: nn.ZeroPad2d((1, 2)), ShapeError, "one number or 4"),
    "Unflatten": (lambda: nn.Unflatten(1, 3), ShapeError, "tuple of sizes"),
    "RNN nonlinearity": (lambda: nn.RNN(3, 4, nonlinearity="sin"), ValueError, "'sin'"),
    "RNNCell nonlinearity": (lambda: nn.RNNCell(3, 4, nonlinearity="sin"), ValueError, "'sin'"),
    "GRU sizes": (lambda: nn.GRU(3, 0), ValueError, "must be > 0: 0, 1"),
    "GRU dropout": (lambda: nn.GRU(3, 4, 2, dropout=2), ValueError, "dropout"),
    "GRU projection": (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "is for LSTM"),
    "LSTM projection": (lambda: nn.LSTM(3, 4, proj_size=4), ValueError, "below hidden_size, and"),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(6, 4), ShapeError, "heads: 6, 4"),
    "Transformer activation": (
        lambda: nn.TransformerEncoderLayer(4, 2, activation="cos"), ValueError, "'cos'"),
    "Linear device": (lambda: nn.Linear(2, 2, device="cuda"), RuntimeError, "device"),
    # calling one
    "Linear input": (lambda: nn.Linear(3, 2)(ones(2, 4)), ShapeError, "linear"),
    "Linear dtype": (
        lambda: nn.Linear(3, 2)(ones(2, 3, dtype=andon.float64)), DTypeError, "one dtype"),
    "Conv2d input": (lambda: nn.Conv2d(3, 4, 2)(ones(1, 2, 5, 5)), ShapeError, "conv"),
    "ConvTranspose2d output size": (
        lambda: nn.ConvTranspose2d(1, 1, 2, 2)(ones(1, 1, 3, 3), [9, 9]), ShapeError, "[9, 9]"),
    "BatchNorm2d input": (lambda: nn.BatchNorm2d(3)(ones(2, 3)), ShapeError, "expects 4 dims"),
    "BatchNorm1d input": (
        lambda: nn.BatchNorm1d(3)(ones(2, 3, 4, 5)), ShapeError, "expects 2 or 3 dims"),
    "InstanceNorm1d channels": (
        lambda: nn.InstanceNorm1d(3, affine=True)(ones(2, 4, 5)), ShapeError, "3 channels"),
    "LayerNorm input": (lambda: nn.LayerNorm(3)(ones(2, 4)), ShapeError, "layer_norm"),
    "Softmax2d input": (lambda: nn.Softmax2d()(ones(2, 3)), ShapeError, "3 or 4 dims: [2, 3]"),
    "Embedding index": (
        lambda: nn.Embedding(3, 2)(andon.tensor([3])), IndexingError, "embedding"),
    "Embedding short index": (
        lambda: nn.Embedding(3, 2, max_norm=1.0)(andon.tensor([3])), IndexingError, "embedding"),
    "GRU input": (lambda: nn.GRU(3, 4)(ones(5, 2, 4)), ShapeError, "the last 3: [5, 2, 4]"),
    "GRU without steps": (lambda: nn.GRU(3, 4)(ones(0, 2, 3)), ShapeError, "at least one step"),
    "GRU state": (
        lambda: nn.GRU(3, 4)(ones(5, 2, 3), ones(1, 3, 4)), ShapeError, "must have shape"),
    "LSTMCell state": (
        lambda: nn.LSTMCell(3, 4)(ones(2, 3), (ones(2, 4), ones(1, 4))), ShapeError, "[1, 4]"),
    "RNNCell input": (lambda: nn.RNNCell(3, 4)(ones(2, 2)), ShapeError, "the last 3"),
    "Attention widths": (
        lambda: nn.MultiheadAttention(4, 2)(ones(3, 1, 4), ones(3, 1, 5), ones(3, 1, 4)),
        ShapeError, "[3, 1, 5]"),
    "Attention mask": (
        lambda: nn.MultiheadAttention(4, 2)(*[ones(3, 1, 4)] * 3, attn_mask=ones(2, 3)),
        ShapeError, "attn_mask does not fit: [2, 3]"),
    "Attention padding": (
        lambda: nn.MultiheadAttention(4, 2)(*[ones(3, 1, 4)] * 3, key_padding_mask=ones(1, 2)),
        ShapeError, "key_padding_mask does not fit"),
    "Transformer widths": (
        lambda: nn.Transformer(4, 2, 1, 1, 4)(ones(3, 1, 4), ones(3, 1, 5)),
        ShapeError, "4 features"),
    "Bilinear input": (
        lambda: nn.Bilinear(2, 3, 4)(ones(2, 2), ones(2, 2)), ShapeError, "sizes of"),
    # containers
    "ModuleList index": (lambda: nn.ModuleList([nn.ReLU()])[1], IndexingError, "1 modules"),
    "ModuleList insert": (
        lambda: nn.ModuleList().insert(2, nn.ReLU()), IndexingError, "index 2"),
    "ModuleList of a number": (lambda: nn.ModuleList([3]), DTypeError, "expects a Module: int"),
    "ModuleList extend": (lambda: nn.ModuleList().extend(3), DTypeError, "expects modules"),
    "Sequential of a number": (lambda: nn.Sequential(3), DTypeError, "expects a Module: int"),
    "Sequential plus": (lambda: nn.Sequential() + 3, DTypeError, "int"),
    "Sequential times": (lambda: nn.Sequential(nn.ReLU()) * 0, DTypeError, "positive int: 0"),
    "ModuleDict name": (lambda: nn.ModuleDict({"a.b": nn.ReLU()}), StateError, "'a.b'"),
    "ParameterList index": (lambda: nn.ParameterList()[0], IndexingError, "0 values"),
    "ParameterList extend": (lambda: nn.ParameterList(ones(3)), DTypeError, "iterable: Tensor"),
    # sequences
    "pad nothing": (lambda: rnn.pad_sequence([]), ShapeError, "at least one"),
    "pad sides": (
        lambda: rnn.pad_sequence([ones(2)], padding_side="top"), ValueError, "'top'"),
    "pad widths": (lambda: rnn.pad_sequence([ones(2, 3), ones(2, 4)]), ShapeError, "[4], [3]"),
    "pack order": (
        lambda: rnn.pack_padded_sequence(ones(3, 2, 1), [2, 3]), ShapeError, "descend"),
    "pack count": (
        lambda: rnn.pack_padded_sequence(ones(3, 2, 1), [3]), ShapeError, "1 lengths for a batch"),
    "pack lengths": (
        lambda: rnn.pack_padded_sequence(ones(3, 2, 1), [4, 0]), ShapeError, "between 1 and 3"),
    "unpack total": (
        lambda: rnn.pad_packed_sequence(rnn.pack_sequence([ones(3, 1)]), total_length=2),
        ShapeError, "below the longest: 2, 3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_use_is_told(name):
    call, kind, message = WRONG[name]
    with pytest.raises(kind, match=re.escape(message)):
        call()
    assert kind in (ValueError, RuntimeError) or issubclass(kind, AndonError)
