"""Recurrent networks on padded sequences, and a transformer encoder-decoder with masks."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from waves import set_weights, wave


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(9, 5, padding_idx=0)
        self.lstm = nn.LSTM(5, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRUCell(12, 4)
        self.out = nn.Linear(4, 3)

    def forward(self, ids, lengths):
        packed = pack_padded_sequence(
            self.embedding(ids), lengths, batch_first=True, enforce_sorted=False
        )
        states, (h, c) = self.lstm(packed)
        states, _ = pad_packed_sequence(states, batch_first=True)
        h = torch.zeros(len(ids), 4)
        outputs = []
        for t in range(states.size(1)):
            h = self.gru(states[:, t], h)
            outputs.append(self.out(h))
        return torch.stack(outputs, 1), c


def tag():
    rows = [torch.tensor([1, 2, 3, 4]), torch.tensor([5, 6]), torch.tensor([7, 8, 1])]
    ids, lengths = pad_sequence(rows, batch_first=True), torch.tensor([len(r) for r in rows])
    model = set_weights(Tagger())
    logits, c = model(ids, lengths)
    loss = nn.NLLLoss(ignore_index=-100)(
        logits.log_softmax(-1).transpose(1, 2), ids.remainder(3).masked_fill(ids == 0, -100)
    )
    loss.backward()
    return logits, c, loss, model.lstm.weight_hh_l1_reverse.grad, model.embedding.weight.grad


def translate():
    model = set_weights(nn.Transformer(8, 2, 1, 1, 16, dropout=0.0, batch_first=True)).eval()
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    padding = torch.tensor([[False, False, False, True], [False, False, True, True]])
    source, target = wave(2, 4, 8), wave(2, 3, 8, k=1.2)
    y = model(source, target, tgt_mask=mask, src_key_padding_mask=padding)
    attention = set_weights(nn.MultiheadAttention(8, 4))
    z, weights = attention(target, source[:, :3], source[:, :3])
    return y, z, weights


def main():
    return {"tag": tag(), "translate": translate()}
