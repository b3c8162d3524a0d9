"""Differentiation from the inside: manual descent, Functions, hooks, higher derivatives."""

import torch
from torch.autograd import Function, grad
from torch.autograd.functional import hessian, jacobian
from waves import wave


class Softsign(Function):
    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return scale * x / (1 + x.abs())

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * ctx.scale / (1 + x.abs()) ** 2, None


def manual_descent():
    """A network whose gradients are taken, and applied, without an optimizer."""
    x, y = wave(10, 3), wave(10, 2, k=1.3)
    w1, w2 = wave(3, 6, k=0.9), wave(6, 2, k=1.1)
    w1.requires_grad_()
    w2.requires_grad = True
    losses = []
    for _ in range(5):
        h = x.mm(w1).clamp(min=0)
        loss = (h.mm(w2) - y).pow(2).sum()
        loss.backward()
        with torch.no_grad():
            for w in (w1, w2):
                w -= 1e-2 * w.grad
                w.grad.zero_()
        losses.append(loss.item())
    return losses, w1


def by_hand_agrees():
    """Softmax cross-entropy differentiated by hand, beside what autograd says."""
    logits = wave(6, 4).requires_grad_()
    target = torch.tensor([0, 3, 1, 2, 2, 0])
    torch.nn.functional.cross_entropy(logits, target).backward()
    p = torch.softmax(logits.detach(), 1)
    p[torch.arange(6), target] -= 1
    return torch.allclose(p / 6, logits.grad, atol=1e-6)


def hooks_and_leaves():
    seen = []
    a = wave(4).requires_grad_()
    b = a * 2
    b.retain_grad()
    handle = b.register_hook(lambda g: seen.append(g.sum().item()) or g * 0.5)
    (b**2).sum().backward(retain_graph=True)
    handle.remove()
    (b**2).sum().backward()
    return seen, a.grad, b.grad, a.is_leaf, b.is_leaf, b.grad_fn is not None


def in_place_and_views():
    base = wave(3, 4).requires_grad_()
    y = base * 1.5
    y[1] *= 2
    y[:, 2] = 0
    y.view(-1)[0:2].mul_(3)
    y[y > 0.9] = 0.9
    z = y.t().reshape(2, 6).cumsum(1)
    z.sum().backward()
    return y, base.grad


def higher():
    x = wave(5).requires_grad_()
    y = (x**3).sum() + x.prod()
    (g,) = grad(y, x, create_graph=True)
    (gg,) = grad(g.pow(2).sum(), x)
    J = jacobian(lambda t: torch.stack([t.sin().sum(), (t * t).sum()]), x.detach())
    H = hessian(lambda t: (t.exp() * t).sum() + t[0] * t[1], x.detach())
    return g, gg, J, H


def main():
    x = wave(6).requires_grad_()
    soft = Softsign.apply(x, 3.0)
    soft.sum().backward()
    return {
        "descent": manual_descent(),
        "agrees": by_hand_agrees(),
        "hooks": hooks_and_leaves(),
        "in_place": in_place_and_views(),
        "higher": higher(),
        "function": [soft, x.grad, type(soft.grad_fn).__name__ != ""],
        "unused": grad(x.sum(), [x, soft], allow_unused=True)[1] is None,
    }
