"""Saving and loading: nested containers, optimizers that resume, parts of a model."""

import copy
import io
import os
import tempfile

import torch
from torch import nn
from waves import set_weights, wave


def model_and_optimizer():
    model = set_weights(
        nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 1))
    )
    return model, torch.optim.Adam(model.parameters(), lr=0.02)


def steps(model, optimizer, count):
    for _ in range(count):
        optimizer.zero_grad()
        model(wave(7, 3)).pow(2).mean().backward()
        optimizer.step()
    return model.state_dict()


def resumed():
    """Two steps, a checkpoint, two more: as four without a break."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "checkpoint.pt")
        model, optimizer = model_and_optimizer()
        steps(model, optimizer, 2)
        torch.save(
            {
                "epoch": 2,
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "notes": [("lr", 0.02), {"sizes": (3, 4, 1)}, None, True, "text"],
                "best": torch.tensor(0.5, dtype=torch.float64),
            },
            path,
        )
        other, its_optimizer = model_and_optimizer()
        state = torch.load(path, map_location="cpu", weights_only=True)
    message = other.load_state_dict(state["model"])
    its_optimizer.load_state_dict(state["optimizer"])
    after = steps(other, its_optimizer, 2)
    straight = steps(*model_and_optimizer(), 4)
    same = all(torch.allclose(after[k], straight[k]) for k in straight)
    return str(message), state["epoch"], state["notes"], state["best"], same, after


def partial():
    model, _ = model_and_optimizer()
    pretrained = {k: v * 0 for k, v in model.state_dict().items() if k.startswith("0.")}
    found = model.load_state_dict(pretrained, strict=False)
    try:
        model.load_state_dict(pretrained)
        refused = ""
    except RuntimeError as error:
        refused = str(error).split(":")[0]
    return found.missing_keys, found.unexpected_keys, refused, model[0].weight


def in_memory():
    buffer = io.BytesIO()
    torch.save(
        {"half": wave(3).half(), "ints": torch.arange(4), "flag": torch.tensor([True])}, buffer
    )
    buffer.seek(0)
    found = torch.load(buffer, weights_only=True)
    twin = copy.deepcopy(nn.Linear(2, 2))
    return {k: (str(v.dtype).split(".")[1], v.tolist()) for k, v in found.items()}, len(
        list(twin.parameters())
    )


def main():
    return {"resumed": resumed(), "partial": partial(), "in_memory": in_memory()}
