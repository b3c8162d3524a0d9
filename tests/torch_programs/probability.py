"""A variational autoencoder and a policy gradient, with the draws given."""

import torch
import torch.distributions as D
import torch.nn.functional as F
from torch import nn
from torch.distributions import Categorical, Normal, kl_divergence
from waves import set_weights, wave


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 4)
        self.decoder = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 6), nn.Sigmoid())

    def forward(self, x, noise):
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_variance) * noise
        return self.decoder(z), mean, log_variance


def autoencoder():
    model, x, noise = set_weights(VAE()), wave(5, 6).sigmoid(), wave(5, 2, k=0.3)
    y, mean, log_variance = model(x, noise)
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    loss = F.binary_cross_entropy(y, x, reduction="sum") + kl
    loss.backward()
    posterior = Normal(mean, torch.exp(0.5 * log_variance))
    same = kl_divergence(posterior, Normal(torch.zeros(2), torch.ones(2))).sum()
    return loss, kl, same, model.encoder.weight.grad


def policy():
    net = set_weights(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    states, actions = wave(10, 4), torch.arange(10).remainder(3)
    rewards = wave(10, k=0.6)
    for _ in range(3):
        dist = Categorical(logits=net(states))
        advantage = (rewards - rewards.mean()) / (rewards.std() + 1e-8)
        loss = -(dist.log_prob(actions) * advantage).mean() - 0.01 * dist.entropy().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss, dist.probs, dist.sample((7,)).shape


def densities():
    x = torch.tensor([0.2, 0.7])
    return [
        D.Beta(2.0, 3.0).log_prob(x),
        D.Gamma(2.0, 3.0).entropy(),
        D.Laplace(0.0, 1.0).cdf(x),
        D.Bernoulli(probs=x).log_prob(torch.tensor([1.0, 0.0])),
        D.MultivariateNormal(torch.zeros(2), torch.eye(2) * 2).log_prob(x),
        D.Independent(Normal(x, x), 1).log_prob(x),
    ]


def main():
    return {"autoencoder": autoencoder(), "policy": policy(), "densities": densities()}
