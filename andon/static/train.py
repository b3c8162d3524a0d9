"""Optimizers of static graphs: `minimize(loss)` is a value that takes a step when run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..core.errors import GraphError
from ..core.mode import no_grad
from ..tensor import as_tensor, zeros_like
from .define import StaticValue, Variable, get_default_graph, gradients, group

Pair = tuple[Any, Variable]  # a gradient, and the variable it is of


class Optimizer:
    """Steps along gradients; a subclass says how, and what it keeps of each variable."""

    name = "Optimizer"
    slots: tuple[str, ...] = ()

    def __init__(self, learning_rate: Any):
        self.learning_rate = learning_rate  # a number, or a value of the graph

    def minimize(self, loss: StaticValue, var_list: Iterable[Variable] | None = None) -> Any:
        """A value that takes a step down the gradient of `loss` when run."""
        return self.apply_gradients(self.compute_gradients(loss, var_list))

    def compute_gradients(
        self, loss: StaticValue, var_list: Iterable[Variable] | None = None
    ) -> list[Pair]:
        """(gradient, variable) for each variable that `loss` may depend on."""
        graph = get_default_graph()
        variables = list(var_list or [v for v in graph.variables if v.trainable])
        if not variables:
            raise GraphError(f"{self.name}: the graph has no trainable variables")
        return list(zip(gradients(loss, variables), variables, strict=True))

    def apply_gradients(self, pairs: Iterable[Pair]) -> StaticValue:
        """A value that takes a step along these gradients when run."""
        return group(*[self.step(g, variable) for g, variable in pairs], name=self.name)

    def step(self, g: Any, variable: Variable) -> StaticValue:
        inputs = (self.learning_rate, variable, g, *self.kept(variable))
        return StaticValue(quietly(self.update), inputs, {}, "step")

    def kept(self, variable: Variable) -> list[Variable]:
        """What is kept of a variable from step to step, zeros at first."""
        return [
            Variable(zeros_for(variable), trainable=False, name=f"{variable.name}/{slot}")
            for slot in self.slots
        ]

    def update(self, lr: Any, p: Any, g: Any, *kept: Any) -> None:
        """Change p and what is kept of it, in place."""
        raise NotImplementedError


def zeros_for(variable: Variable) -> Any:
    """Zeros of the variable's shape, which a session may only find out."""
    initial = variable.initial
    if isinstance(initial, StaticValue):
        return StaticValue(zeros_like, (initial,), {}, "zeros_like")
    return zeros_like(as_tensor(initial))


def quietly(update: Callable) -> Callable:
    """`update` where there is a gradient, without being recorded for differentiation."""

    def rule(lr: Any, p: Any, g: Any, *kept: Any) -> None:
        if g is not None:
            with no_grad():
                update(lr, p, g, *kept)

    return rule


class GradientDescentOptimizer(Optimizer):
    """p = p - lr g."""

    name = "GradientDescent"

    def update(self, lr: Any, p: Any, g: Any, *kept: Any) -> None:
        p -= lr * g


class MomentumOptimizer(Optimizer):
    """b = μ b + g;  p = p - lr b, or with `use_nesterov` p = p - lr (g + μ b)."""

    name, slots = "Momentum", ("momentum",)

    def __init__(self, learning_rate: Any, momentum: float = 0.9, use_nesterov: bool = False):
        super().__init__(learning_rate)
        self.momentum, self.use_nesterov = momentum, use_nesterov

    def update(self, lr: Any, p: Any, g: Any, *kept: Any) -> None:
        (b,) = kept
        b.mul_(self.momentum).add_(g)
        p -= lr * (g + self.momentum * b if self.use_nesterov else b)


class AdamOptimizer(Optimizer):
    """m = β₁ m + (1 - β₁) g;  v = β₂ v + (1 - β₂) g²;
    p = p - lr √(1 - β₂ᵗ) / (1 - β₁ᵗ) m / (√v + ε).

    Source: Kingma & Ba 2015, Adam, the form before algorithm 1's end, as TensorFlow has it.
    """

    name, slots = "Adam", ("m", "v")

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ):
        super().__init__(learning_rate)
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def kept(self, variable: Variable) -> list[Variable]:
        t = Variable(0.0, trainable=False, name=f"{variable.name}/t", dtype="float64")
        return [*super().kept(variable), t]

    def update(self, lr: Any, p: Any, g: Any, *kept: Any) -> None:
        m, v, t = kept
        t += 1
        m.mul_(self.beta1).add_(g * (1 - self.beta1))
        v.mul_(self.beta2).add_(g * g * (1 - self.beta2))
        rate = lr * (1 - self.beta2**t).sqrt() / (1 - self.beta1**t)
        p -= rate.to(p.dtype) * m / (v.sqrt() + self.epsilon)
