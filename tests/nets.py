"""Small models of every kind that people train, written as people write them."""

from __future__ import annotations

import andon
import andon.nn.functional as F
from andon import nn
from andon.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class MinGPT(nn.Module):
    """minGPT with its default dropouts of 0.1, its attention written out."""

    def __init__(self, V=11, C=16, H=2, T=12, layers=2):
        super().__init__()
        self.wte, self.wpe, self.drop = nn.Embedding(V, C), nn.Embedding(T, C), nn.Dropout(0.1)
        self.blocks = nn.ModuleList(
            nn.ModuleDict({
                "ln_1": nn.LayerNorm(C), "c_attn": nn.Linear(C, 3 * C), "c_proj": nn.Linear(C, C),
                "ln_2": nn.LayerNorm(C), "up": nn.Linear(C, 4 * C), "down": nn.Linear(4 * C, C),
            })
            for _ in range(layers)
        )  # fmt: skip
        self.ln_f, self.head, self.H = nn.LayerNorm(C), nn.Linear(C, V, bias=False), H
        self.register_buffer("mask", andon.tril(andon.ones(T, T)).view(1, 1, T, T))

    def attend(self, block, x):
        B, T, C = x.shape
        heads = block["c_attn"](x).split(C, dim=2)
        q, k, v = (z.view(B, T, self.H, C // self.H).transpose(1, 2) for z in heads)
        att = (q @ k.transpose(-2, -1)) * (k.size(-1) ** -0.5)
        att = att.masked_fill(self.mask[:, :, :T, :T] == 0, float("-inf"))
        y = self.drop(F.softmax(att, dim=-1)) @ v
        return self.drop(block["c_proj"](y.transpose(1, 2).contiguous().view(B, T, C)))

    def forward(self, idx):
        x = self.drop(self.wte(idx) + self.wpe(andon.arange(idx.shape[1])))
        for block in self.blocks:
            x = x + self.attend(block, block["ln_1"](x))
            x = x + self.drop(block["down"](F.gelu(block["up"](block["ln_2"](x)))))
        return self.head(self.ln_f(x))


class Llama(nn.Module):
    """A block with rotary positions, grouped keys, RMS norm and SwiGLU."""

    def __init__(self, V=11, C=16, H=4, groups=2, T=6):
        super().__init__()
        self.H, self.groups, D = H, groups, C // H
        self.table, self.norm1, self.norm2 = nn.Embedding(V, C), nn.RMSNorm(C), nn.RMSNorm(C)
        self.wq, self.wo = nn.Linear(C, C, bias=False), nn.Linear(C, C, bias=False)
        self.wk, self.wv = (nn.Linear(C, groups * D, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(C, 2 * C, bias=False) for _ in range(2))
        self.down, self.head = nn.Linear(2 * C, C, bias=False), nn.Linear(C, V, bias=False)
        rates = 1 / 100 ** (andon.arange(0, D, 2) / D)
        angles = andon.outer(andon.arange(T), rates)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def turn(self, x):
        """x (B, T, H, D), its pairs turned by the angles of their times."""
        a, b = x[..., ::2], x[..., 1::2]
        cos, sin = self.cos[:, None], self.sin[:, None]
        return andon.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2)

    def attend(self, x):
        B, T, C = x.shape
        q = self.turn(self.wq(x).view(B, T, self.H, -1)).transpose(1, 2)
        k = self.turn(self.wk(x).view(B, T, self.groups, -1)).transpose(1, 2)
        v = self.wv(x).view(B, T, self.groups, -1).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.wo(y.transpose(1, 2).reshape(B, T, C))

    def forward(self, idx):
        x = self.table(idx)
        x = x + self.attend(self.norm1(x))
        y = self.norm2(x)
        return self.head(x + self.down(F.silu(self.gate(y)) * self.up(y)))


class Translator(nn.Module):
    """nn.Transformer between two embeddings; padding of the source is hidden."""

    def __init__(self, V=9, C=8, **options):
        super().__init__()
        self.source, self.target = nn.Embedding(V, C, padding_idx=0), nn.Embedding(V, C)
        self.transformer = nn.Transformer(C, 2, 1, 1, 16, batch_first=True, **options)
        self.head = nn.Linear(C, V)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        padded = source == 0
        x = self.transformer(
            self.source(source), self.target(target), tgt_mask=mask,
            src_key_padding_mask=padded, memory_key_padding_mask=padded,
        )  # fmt: skip
        return self.head(x)


class Attentive(nn.Module):
    """nn.MultiheadAttention, with all of its masks."""

    def __init__(self, C=8, **options):
        super().__init__()
        self.attention = nn.MultiheadAttention(C, 2, batch_first=True, **options)
        self.head = nn.Linear(C, 3)
        self.register_buffer("mask", andon.ones(5, 5, dtype=andon.bool).triu(1))

    def forward(self, x, lengths):
        padded = andon.arange(5) >= lengths[:, None]
        y, weights = self.attention(x, x, x, key_padding_mask=padded, attn_mask=self.mask)
        return self.head(y.mean(1)) + weights.square().mean()


class ViT(nn.Module):
    """A vision transformer: patches, a class token, encoder layers."""

    def __init__(self, C=8, patch=4, size=8):
        super().__init__()
        self.patches = nn.Conv2d(3, C, patch, stride=patch)
        self.token = nn.Parameter(andon.zeros(1, 1, C))
        self.position = nn.Parameter(andon.randn(1, (size // patch) ** 2 + 1, C) * 0.02)
        layer = nn.TransformerEncoderLayer(
            C, 2, 16, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(C, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = andon.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.position
        return self.head(self.encoder(x)[:, 0])


class Mixer(nn.Module):
    """MLP-Mixer: a perceptron over patches, then one over channels."""

    def __init__(self, S=4, C=8):
        super().__init__()
        self.patches, self.head = nn.Conv2d(3, C, 4, stride=4), nn.Linear(C, 3)
        self.norm1, self.norm2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.over_patches = nn.Sequential(nn.Linear(S, 8), nn.GELU(), nn.Linear(8, S))
        self.over_channels = nn.Sequential(nn.Linear(C, 16), nn.GELU(), nn.Linear(16, C))

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.over_patches(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.over_channels(self.norm2(x))
        return self.head(x.mean(dim=1))


class Mamba(nn.Module):
    """A selective state space: h = exp(Δ A) h + Δ B u, y = C h + D u, step by step or at once."""

    def __init__(self, V=11, C=8, inner=12, N=4, rank=2, at_once=False):
        super().__init__()
        self.rank, self.N, self.at_once = rank, N, at_once
        self.table, self.norm = nn.Embedding(V, C), nn.RMSNorm(C)
        self.in_proj = nn.Linear(C, 2 * inner, bias=False)
        self.conv = nn.Conv1d(inner, inner, 3, groups=inner, padding=2)
        self.x_proj = nn.Linear(inner, rank + 2 * N, bias=False)
        self.dt_proj, self.out_proj = nn.Linear(rank, inner), nn.Linear(inner, C, bias=False)
        self.A_log = nn.Parameter(andon.arange(1.0, N + 1).log().repeat(inner, 1))
        self.D = nn.Parameter(andon.ones(inner))
        self.head = nn.Linear(C, V, bias=False)

    def scan(self, u):
        delta, B, C = self.x_proj(u).split([self.rank, self.N, self.N], dim=-1)
        delta, A = F.softplus(self.dt_proj(delta)), -self.A_log.exp()
        decay = delta[..., None] * A  # (batch, T, inner, N)
        fed = (delta * u)[..., None] * B[:, :, None]
        if self.at_once:
            total = decay.cumsum(1)
            states = total.exp() * (fed * (-total).exp()).cumsum(1)
        else:
            h, found = andon.zeros_like(fed[:, 0]), []
            for t in range(u.shape[1]):
                h = decay[:, t].exp() * h + fed[:, t]
                found.append(h)
            states = andon.stack(found, dim=1)
        return andon.einsum("btdn,btn->btd", states, C) + u * self.D

    def forward(self, idx):
        x = self.table(idx)
        u, gate = self.in_proj(self.norm(x)).chunk(2, dim=-1)
        u = self.conv(u.transpose(1, 2))[..., : idx.shape[1]].transpose(1, 2)
        return self.head(x + self.out_proj(self.scan(F.silu(u)) * F.silu(gate)))


class Experts(nn.Module):
    """A mixture of experts: the two that a router likes best, weighted; all are computed."""

    def __init__(self, C=6, E=4, k=2):
        super().__init__()
        self.router, self.k, self.E = nn.Linear(C, E), k, E
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(C, 8), nn.SiLU(), nn.Linear(8, C)) for _ in range(E)
        )
        self.head = nn.Linear(C, 3)

    def forward(self, x):
        scores, chosen = self.router(x).topk(self.k, dim=-1)
        weights = andon.zeros(x.shape[0], self.E).scatter(1, chosen, scores.softmax(-1))
        outputs = andon.stack([expert(x) for expert in self.experts], dim=1)  # (B, E, C)
        load = F.one_hot(chosen, self.E).to(x.dtype).mean((0, 1))
        self.balance = (load * self.router(x).softmax(-1).mean(0)).sum()
        return self.head((weights[..., None] * outputs).sum(dim=1))


class Tables(nn.Module):
    """Embeddings whose padding stays zero, and whose rows are kept short."""

    def __init__(self, V=9, C=6):
        super().__init__()
        self.padded = nn.Embedding(V, C, padding_idx=2)
        self.short = nn.Embedding(V, C, max_norm=1.0)
        self.shorter = nn.Embedding(V, C, max_norm=0.5, norm_type=1.0)
        self.head = nn.Linear(C, 3)

    def forward(self, idx):
        x = self.padded(idx) + self.short(idx) * self.shorter(idx)
        return self.head(x.mean(dim=1))


class Bags(nn.Module):
    """Rows of bags, and bags one after the other, where `offsets` say where each begins."""

    def __init__(self, V=9, C=6):
        super().__init__()
        self.rows = nn.ModuleList(nn.EmbeddingBag(V, C, mode=m) for m in ("sum", "mean", "max"))
        self.in_one = nn.EmbeddingBag(V, C, mode="mean", padding_idx=1)
        self.head = nn.Linear(C, 3)

    def forward(self, idx, offsets):
        x = sum(bag(idx) for bag in self.rows) + self.in_one(idx.flatten(), offsets)
        return self.head(x)


class Last(nn.Module):
    """A recurrent layer, and a linear one of its last output."""

    def __init__(self, layer, width):
        super().__init__()
        self.layer, self.head = layer, nn.Linear(width, 3)

    def forward(self, x):
        y, _ = self.layer(x)
        return self.head(y[:, -1])


class Packed(Last):
    """The same of sequences of several lengths."""

    def forward(self, x):
        packed = pack_padded_sequence(x, [5, 4, 4, 2], batch_first=True)
        y, _ = pad_packed_sequence(self.layer(packed)[0], batch_first=True)
        return self.head(y.mean(dim=1))


class Cells(nn.Module):
    """The three cells in a loop, their states in Python's hands."""

    def __init__(self, C=6, H=5):
        super().__init__()
        self.rnn, self.gru, self.lstm = nn.RNNCell(C, H), nn.GRUCell(H, H), nn.LSTMCell(H, H)
        self.head = nn.Linear(H, 3)

    def forward(self, x):
        a = b = c = None
        for t in range(x.shape[1]):
            a = self.rnn(x[:, t], a)
            b = self.gru(a, b)
            c = self.lstm(b, c)
        return self.head(c[0])


class Residual(nn.Module):
    """A ResNet of one block, with a shortcut that strides."""

    def __init__(self, C=4):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, C, 3, padding=1, bias=False), nn.BatchNorm2d(C))
        self.conv1 = nn.Conv2d(C, 2 * C, 3, stride=2, padding=1, bias=False)
        self.conv2 = nn.Conv2d(2 * C, 2 * C, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(2 * C), nn.BatchNorm2d(2 * C)
        self.short = nn.Sequential(nn.Conv2d(C, 2 * C, 1, stride=2), nn.BatchNorm2d(2 * C))
        self.head = nn.Linear(2 * C, 3)

    def forward(self, x):
        x = F.relu(self.stem(x), inplace=True)
        y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)))))
        y += self.short(x)
        return self.head(F.adaptive_avg_pool2d(F.relu(y), 1).flatten(1))


class UNet(nn.Module):
    """Down by pooling, up by a transposed convolution, and across by `cat`."""

    def __init__(self, C=4):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(1, C, 3, padding=1), nn.Conv2d(C, 2 * C, 3, padding=1)
        self.up, self.conv = nn.ConvTranspose2d(2 * C, C, 2, 2), nn.Conv2d(2 * C, C, 3, padding=1)
        self.out = nn.Conv2d(C, 1, 1)

    def forward(self, x):
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        return self.out(F.relu(self.conv(andon.cat([self.up(b), a], dim=1))))


class VAE(nn.Module):
    """An autoencoder whose code is drawn: z = μ + σ ε. Gives its loss."""

    def __init__(self, D=12, H=8, Z=2):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(D, H), nn.Tanh(), nn.Linear(H, 2 * Z))
        self.decoder = nn.Sequential(nn.Linear(Z, H), nn.Tanh(), nn.Linear(H, D))

    def forward(self, x):
        mean, log_variance = self.encoder(x).chunk(2, dim=-1)
        z = mean + andon.randn_like(mean) * (0.5 * log_variance).exp()
        error = F.binary_cross_entropy_with_logits(self.decoder(z), x.sigmoid(), reduction="sum")
        kl = -0.5 * (1 + log_variance - mean.square() - log_variance.exp()).sum()
        return (error + kl) / x.shape[0]


class GAN(nn.Module):
    """A generator, and a discriminator that tells its points from others."""

    def __init__(self, Z=3, D=4):
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(Z, 8), nn.ReLU(), nn.Linear(8, D))
        self.discriminator = nn.Sequential(nn.Linear(D, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))


class Norms(nn.Module):
    """A convolution, and every norm of what it gives."""

    def __init__(self, C=4):
        super().__init__()
        self.conv = nn.Conv2d(3, C, 3)
        self.norms = nn.ModuleList([
            nn.BatchNorm2d(C), nn.BatchNorm2d(C, momentum=None),
            nn.BatchNorm2d(C, track_running_stats=False), nn.GroupNorm(2, C),
            nn.InstanceNorm2d(C), nn.InstanceNorm2d(C, affine=True, track_running_stats=True),
            nn.RMSNorm(6), nn.LayerNorm([C, 6, 6]), nn.LocalResponseNorm(2),
        ])  # fmt: skip
        self.head = nn.Linear(C, 3)

    def forward(self, x):
        x = self.conv(x)
        return self.head(sum(norm(x) for norm in self.norms).square().mean((2, 3)) * 0.01)


class Activations(nn.Module):
    """Every activation of the same linear map."""

    def __init__(self, C=6, H=5):
        super().__init__()
        self.linear = nn.Linear(C, H)
        self.kinds = nn.ModuleList([
            nn.CELU(), nn.ELU(), nn.GELU(), nn.GELU("tanh"), nn.SELU(), nn.Hardshrink(),
            nn.Hardsigmoid(), nn.Hardswish(), nn.Hardtanh(), nn.LeakyReLU(), nn.LogSigmoid(),
            nn.Mish(), nn.PReLU(), nn.ReLU(), nn.ReLU6(), nn.RReLU(), nn.Sigmoid(), nn.SiLU(),
            nn.Softplus(), nn.Softshrink(), nn.Softsign(), nn.Tanh(), nn.Tanhshrink(),
            nn.Threshold(0.1, 0.0), nn.Softmin(1), nn.Softmax(1), nn.LogSoftmax(1),
        ])  # fmt: skip
        self.heads = nn.ModuleList(nn.Linear(H, 3) for _ in self.kinds)

    def forward(self, x):
        x = self.linear(x)
        gated = F.glu(x[:, :4]).sum(1, keepdim=True)
        return gated + sum(head(f(x)) for f, head in zip(self.kinds, self.heads, strict=True)) / 9


class Losses(nn.Module):
    """Every loss of what a linear map gives, added up."""

    def __init__(self, C=6, K=3):
        super().__init__()
        self.linear, self.k = nn.Linear(C, K), K

    def forward(self, x, labels, a, b):
        z, truth = self.linear(x), F.one_hot(labels, self.k).to(x.dtype)
        sign, rate = 2 * truth - 1, a.exp()
        several = andon.where(andon.arange(self.k) < 2, andon.stack([labels] * self.k, 1), -1)
        return sum((
            nn.CrossEntropyLoss(andon.tensor([1.0, 2.0, 0.5]), label_smoothing=0.1)(z, labels),
            nn.CrossEntropyLoss(reduction="sum")(z, a.softmax(-1)),
            nn.NLLLoss(ignore_index=0)(z.log_softmax(-1), labels),
            nn.MSELoss()(z, a), nn.L1Loss()(z, a), nn.SmoothL1Loss(beta=0.5)(z, a),
            nn.HuberLoss()(z, a), nn.BCELoss()(z.sigmoid(), truth),
            nn.BCEWithLogitsLoss(pos_weight=andon.tensor([1.0, 2.0, 3.0]))(z, truth),
            nn.KLDivLoss(reduction="batchmean")(z.log_softmax(-1), a.softmax(-1)),
            nn.PoissonNLLLoss(full=True)(z, rate.round()), nn.GaussianNLLLoss()(z, a, rate),
            nn.HingeEmbeddingLoss()(z, sign), nn.CosineEmbeddingLoss(0.1)(z, a, sign[:, 0]),
            nn.MarginRankingLoss(0.1)(z, a, sign), nn.MultiLabelMarginLoss()(z, several),
            nn.MultiLabelSoftMarginLoss()(z, truth), nn.MultiMarginLoss()(z, labels),
            nn.SoftMarginLoss()(z, sign), nn.TripletMarginLoss(swap=True)(z, a, b),
            nn.TripletMarginWithDistanceLoss(distance_function=nn.CosineSimilarity())(z, a, b),
            nn.PairwiseDistance()(z, b).mean(),
        ))  # fmt: skip
