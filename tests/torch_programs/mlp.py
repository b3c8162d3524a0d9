"""Regression with a network of one's own layers: weight decay by hand, momentum, a plateau."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler
from waves import set_weights, wave


class Table(Dataset):
    def __init__(self):
        self.x = wave(48, 5)
        self.y = torch.sin(self.x.sum(1)) + 0.1 * self.x[:, 0] ** 2

    def __len__(self):
        return len(self.x)

    def __getitem__(self, i):
        return {"x": self.x[i], "y": self.y[i]}


class EveryThird(Sampler):
    """0, 3, 6, …, then 1, 4, 7, …: an order that needs no random numbers."""

    def __init__(self, data):
        self.n = len(data)

    def __iter__(self):
        return iter([i for start in range(3) for i in range(start, self.n, 3)])

    def __len__(self):
        return self.n


class Dense(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.w = nn.Parameter(torch.randn(i, o) / i**0.5)
        self.b = nn.Parameter(torch.zeros(o))

    def forward(self, x):
        return x @ self.w + self.b


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.inner = nn.Sequential(Dense(width, width), nn.SiLU(), Dense(width, width))

    def forward(self, x):
        return x + self.inner(x)


def main():
    torch.manual_seed(3)
    data = Table()
    model = nn.Sequential(Dense(5, 16), nn.Tanh(), Residual(16), Residual(16), Dense(16, 1))
    set_weights(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
    loader = DataLoader(data, batch_size=12, sampler=EveryThird(data))
    losses, best, kept = [], float("inf"), None
    for _ in range(8):
        total = 0.0
        for batch in loader:
            prediction = model(batch["x"]).squeeze(-1)
            penalty = sum(p.pow(2).sum() for n, p in model.named_parameters() if n.endswith("w"))
            loss = nn.functional.mse_loss(prediction, batch["y"]) + 1e-4 * penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        losses.append(total / len(loader))
        plateau.step(losses[-1])
        if losses[-1] < best:
            best, kept = losses[-1], {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(kept)
    with torch.inference_mode():
        final = model(data.x[:4])
    return {"losses": losses, "lr": optimizer.param_groups[0]["lr"], "final": final}
