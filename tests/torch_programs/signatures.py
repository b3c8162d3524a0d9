"""Functions called as old and as careful scripts do: operands by keyword, options of long ago."""

import torch
import torch.nn as nn
import torch.nn.functional as F

X = torch.arange(6.0).reshape(2, 3) + 1
CLASSES = torch.tensor([0, 2])


def operands():
    x, y = X, X.t()
    return [
        torch.sum(input=x, dim=1), torch.mul(input=x, other=2), torch.add(input=x, other=x),
        torch.sub(x, other=1), torch.matmul(input=x, other=y), torch.mm(input=x, mat2=y),
        torch.softmax(input=x, dim=1), F.softmax(input=x, dim=-1), torch.eq(input=x, other=2),
        torch.clamp(input=x, min=2), torch.max(input=x, dim=1)[0], torch.max(x, other=3 - x),
        torch.topk(input=x, k=2)[0], torch.gather(input=x, dim=1, index=CLASSES[:, None]),
        torch.norm(input=x, dim=1), torch.unsqueeze(input=x, dim=0), torch.flatten(input=x),
        torch.transpose(input=x, dim0=0, dim1=1), torch.cumsum(input=x, dim=0),
        torch.masked_fill(input=x, mask=x > 2, value=0), torch.pow(input=x, exponent=2),
        torch.where(condition=x > 2, input=x, other=-x), torch.sort(input=x, dim=1)[0],
        torch.split(tensor=x, split_size_or_sections=2, dim=1)[0], torch.zeros_like(input=x),
        torch.addmm(input=x[:, :2], mat1=x, mat2=y), torch.std(input=x, dim=1, unbiased=False),
        torch.polygamma(1, input=x), torch.arange(end=3), x.split(split_size=1)[1],
    ]  # fmt: skip


def layers():
    x = X
    return [
        F.dropout(input=x, p=0.0), F.gelu(input=x), F.relu(input=x), F.normalize(input=x, dim=1),
        F.pad(input=x, pad=(1, 1)), F.layer_norm(input=x, normalized_shape=(3,)),
        F.embedding(input=CLASSES, weight=torch.eye(3)), F.linear(input=x, weight=x),
        F.glu(input=torch.ones(2, 4)), F.cross_entropy(input=x, target=CLASSES),
        F.batch_norm(input=x, running_mean=torch.zeros(3), running_var=torch.ones(3)),
    ]  # fmt: skip


def implicit_dims():
    """Softmax without a dim: 0 of one or three dims, 1 of two or four."""
    shapes = [(3,), (2, 3), (1, 2, 3), (1, 2, 3, 1)]
    inputs = [torch.linspace(0, 1, torch.Size(shape).numel()).reshape(shape) for shape in shapes]
    return [[F.softmax(x), nn.LogSoftmax()(x), F.softmin(x)] for x in inputs]


def old_reductions():
    p, logp, sign = X / 7, F.log_softmax(X, 1), torch.tensor([1.0, -1.0])
    summed = {"size_average": False}
    return [
        F.mse_loss(X, p, **summed), F.mse_loss(X, p, False), F.mse_loss(X, p, reduce=False),
        F.mse_loss(X, p, None, None, "sum"), F.l1_loss(X, p, size_average=True),
        F.binary_cross_entropy(p, p, **summed), F.binary_cross_entropy(p, p, None, False),
        F.binary_cross_entropy_with_logits(X, p, **summed), F.kl_div(logp, p, **summed),
        F.nll_loss(logp, CLASSES, **summed), F.nll_loss(logp, CLASSES, None, False, 0),
        F.cross_entropy(X, CLASSES, None, None, 0), F.cross_entropy(X, CLASSES, reduce=False),
        F.smooth_l1_loss(X, p, False), F.margin_ranking_loss(X[0], X[1], sign[:1], 0.5, False),
        F.poisson_nll_loss(X, p, True, False, False), F.huber_loss(X, p, "sum", 0.5),
        nn.MSELoss(size_average=False)(X, p), nn.CrossEntropyLoss(None, False)(X, CLASSES),
    ]  # fmt: skip


def transforms():
    square = torch.func.grad(func=lambda x: (x * x).sum())
    rows = torch.vmap(lambda x: x.sum(), in_dims=0, randomness="error")
    counted = []
    nn.Sequential(nn.ReLU()).apply(fn=lambda module: counted.append(type(module).__name__))
    return [square(X), torch.func.vmap(func=torch.sum)(X), rows(X), counted]


def main():
    import warnings

    warnings.simplefilter("ignore")
    return {
        "operands": operands(),
        "layers": layers(),
        "implicit": implicit_dims(),
        "old": old_reductions(),
        "transforms": transforms(),
    }
