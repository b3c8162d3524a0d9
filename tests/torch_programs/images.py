"""Images that are optimised: style by L-BFGS, an attack by the sign, a critic with a penalty."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable
from waves import set_weights, wave


def gram(features):
    b, c, h, w = features.size()
    flat = features.view(b * c, h * w)
    return torch.mm(flat, flat.t()).div(b * c * h * w)


def style():
    """The closure keeps the image in [0, 1] while L-BFGS moves it."""
    net = set_weights(nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Tanh(), nn.AvgPool2d(2)))
    net.double().requires_grad_(False)
    content = wave(1, 2, 6, 6).double().sigmoid()
    wanted = gram(net(wave(1, 2, 6, 6, k=0.4).double().sigmoid()))
    image = content.clone().requires_grad_(True)
    optimizer = torch.optim.LBFGS([image], max_iter=4)
    losses = []

    def closure():
        with torch.no_grad():
            image.clamp_(0, 1)
        optimizer.zero_grad()
        features = net(image)
        loss = 100 * F.mse_loss(gram(features), wanted) + F.mse_loss(features, net(content))
        loss.backward()
        losses.append(loss.item())
        return loss

    for _ in range(3):
        optimizer.step(closure)
    return losses, image


def attack():
    net = set_weights(nn.Sequential(nn.Flatten(), nn.Linear(12, 3)))
    image, label = wave(2, 1, 3, 4).requires_grad_(), torch.tensor([0, 2])
    F.cross_entropy(net(image), label).backward()
    return torch.clamp(image + 0.1 * image.grad.data.sign(), 0, 1)


def penalty():
    """WGAN-GP: the critic's gradient at points between real and false ones has length 1."""
    critic = set_weights(
        nn.Sequential(nn.Linear(5, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 1))
    )
    optimizer = torch.optim.Adam(critic.parameters(), lr=1e-2, betas=(0.5, 0.9))
    real, false = Variable(wave(6, 5)), Variable(wave(6, 5, k=0.3))
    values = []
    for _ in range(3):
        share = wave(6, 1, k=0.5).sigmoid()
        between = (share * real + (1 - share) * false).requires_grad_(True)
        score = critic(between)
        gradients = torch.autograd.grad(
            outputs=score,
            inputs=between,
            grad_outputs=torch.ones_like(score),
            create_graph=True,
            retain_graph=True,
            only_inputs=True,
        )[0]
        length = gradients.view(gradients.size(0), -1).norm(2, dim=1)
        loss = critic(false).mean() - critic(real).mean() + 10 * ((length - 1) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    return values, critic[0].weight


def main():
    return {"style": style(), "attack": attack(), "penalty": penalty()}
