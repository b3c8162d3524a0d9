"""Numbers without a random generator: the same in every framework."""

import torch


def wave(*shape, k=1.0, scale=1.0):
    """sin(k i²) for the i-th element: no pattern that a model could be indifferent to."""
    count = torch.Size(shape).numel()
    i = torch.arange(count, dtype=torch.float64)
    return (torch.sin(k * (i + 1) ** 2) * scale).to(torch.get_default_dtype()).view(shape)


@torch.no_grad()
def set_weights(model, scale=0.3):
    """Give every parameter of a model numbers of its own."""
    for k, (_, p) in enumerate(model.named_parameters()):
        centre = 1.0 if p.ndim == 1 and "weight" in _ else 0.0
        p.copy_(centre + wave(*p.shape, k=0.7 + 0.1 * k, scale=scale))
    return model
