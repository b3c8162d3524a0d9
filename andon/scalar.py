"""The scalar engine: automatic differentiation of plain numbers, whole on one page.

A `Value` is a number that remembers which numbers it was computed from, and how fast it
changes with each. `backward()` walks that memory from the result to the beginning and
leaves the derivative of the result in every `grad`. `MLP` is a neural network made of it.
Rests on `math` and `random` alone; andon's tensors work the same way, on whole arrays.

>>> x, w, b = Value(3.0), Value(-2.0), Value(7.0)
>>> y = (x * w + b).tanh()
>>> y.backward()
>>> y.data == math.tanh(1.0), w.grad == 3.0 * (1 - y.data**2)
(True, True)
"""

import math
import random
from collections.abc import Sequence


class Value:
    """A number with a memory: `data`, and in `grad` the derivative of a result by it.

    `_prev` holds the values it was computed from and `_slopes` its derivative by each.
    Where Python's own numbers raise (1 / 0, log of 0, exp of 1000), a Value raises too.

    >>> a = Value(1.0)
    >>> b = a + a
    >>> c = b + b
    >>> c.backward()
    >>> a
    Value(data=1.0, grad=4.0)
    """

    __slots__ = ("_op", "_prev", "_slopes", "data", "grad", "label")

    def __init__(
        self,
        data: float,
        _children: Sequence["Value"] = (),
        _op: str = "",
        label: str = "",
        _slopes: Sequence[float] = (),
    ):
        self.data = float(data)
        self.grad: float = 0
        self.label = label  # a name of your own, for drawings
        self._prev = tuple(_children)
        self._op = _op
        self._slopes = tuple(_slopes)

    def __add__(self, other: "Value | float") -> "Value":
        """x + y: dx = 1, dy = 1."""
        other = as_value(other)
        return Value(self.data + other.data, (self, other), "+", _slopes=(1.0, 1.0))

    def __sub__(self, other: "Value | float") -> "Value":
        """x - y: dx = 1, dy = -1."""
        other = as_value(other)
        return Value(self.data - other.data, (self, other), "-", _slopes=(1.0, -1.0))

    def __mul__(self, other: "Value | float") -> "Value":
        """x y: dx = y, dy = x."""
        other = as_value(other)
        return Value(self.data * other.data, (self, other), "*", _slopes=(other.data, self.data))

    def __truediv__(self, other: "Value | float") -> "Value":
        """x / y: dx = 1 / y, dy = -x / y²."""
        other = as_value(other)
        y = self.data / other.data
        return Value(y, (self, other), "/", _slopes=(1 / other.data, -y / other.data))

    def __pow__(self, n: "Value | float") -> "Value":
        """xⁿ: dx = n xⁿ⁻¹ and, if n is a Value too, dn = xⁿ log x."""
        if not isinstance(n, Value):
            y = math.pow(self.data, n)
            return Value(y, (self,), f"**{n}", _slopes=(power_slope(self.data, n),))
        y = math.pow(self.data, n.data)
        slopes = power_slope(self.data, n.data), exponent_slope(self.data, n.data)
        return Value(y, (self, n), "**", _slopes=slopes)

    def __neg__(self) -> "Value":
        """-x: dx = -1."""
        return Value(-self.data, (self,), "neg", _slopes=(-1.0,))

    def relu(self) -> "Value":
        """max(x, 0): dx = 1 if x > 0, else 0."""
        y = 0.0 if self.data < 0 else self.data
        return Value(y, (self,), "ReLU", _slopes=(float(y > 0),))

    def exp(self) -> "Value":
        """eˣ: dx = eˣ."""
        y = math.exp(self.data)
        return Value(y, (self,), "exp", _slopes=(y,))

    def log(self) -> "Value":
        """log x, the natural one: dx = 1 / x."""
        return Value(math.log(self.data), (self,), "log", _slopes=(1 / self.data,))

    def tanh(self) -> "Value":
        """tanh x: dx = 1 - tanh² x."""
        y = math.tanh(self.data)
        return Value(y, (self,), "tanh", _slopes=(1 - y * y,))

    def sigmoid(self) -> "Value":
        """1 / (1 + e⁻ˣ): dx = e⁻ˣ / (1 + e⁻ˣ)²."""
        e = math.exp(-abs(self.data))  # of a negative number, so that it cannot overflow
        y = 1 / (1 + e) if self.data >= 0 else e / (1 + e)
        return Value(y, (self,), "sigmoid", _slopes=(e / (1 + e) ** 2,))

    def backward(self) -> None:
        """The chain rule: x.grad += Σ dy/dx · y.grad, over every y computed from x.

        The gradients of leaves add up from call to call, until you set them to zero;
        those of computed values are of the latest call only.

        >>> x = Value(3.0)
        >>> y = x * x
        >>> y.backward(); x.grad
        6.0
        >>> y.backward(); x.grad
        12.0
        """
        order = topological_order(self)
        for y in order:
            if len(y._slopes) != len(y._prev):
                given = f"{y._op!r} has {len(y._prev)} inputs, {len(y._slopes)} slopes"
                raise ValueError(f"backward: every input needs a slope: {given}")
            if y._prev:
                y.grad = 0  # what an earlier call left here has already reached the leaves
        self.grad += 1
        for y in reversed(order):
            for x, slope in zip(y._prev, y._slopes, strict=True):
                x.grad += slope * y.grad

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: float) -> "Value":
        return Value(other) - self

    def __rtruediv__(self, other: float) -> "Value":
        return Value(other) / self

    def __rpow__(self, other: float) -> "Value":
        return Value(other) ** self

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"


def as_value(x: Value | float) -> Value:
    """x itself if it is a Value; a number becomes a leaf."""
    return x if isinstance(x, Value) else Value(x)


def power_slope(x: float, n: float) -> float:
    """d(xⁿ)/dx = n xⁿ⁻¹, written so that it overflows to infinity instead of raising."""
    if n >= 1:
        return n * math.pow(x, n - 1)
    if x == 0:
        return 0.0 if n == 0 else math.inf  # √x stands upright at 0
    return n * math.pow(x, n) / x


def exponent_slope(x: float, n: float) -> float:
    """d(xⁿ)/dn = xⁿ log x, which is 0 at x = 0 and does not exist (nan) for x < 0."""
    if x > 0:
        return math.pow(x, n) * math.log(x)
    return 0.0 if x == 0 else math.nan


def topological_order(root: Value) -> list[Value]:
    """Everything `root` was computed from, once each, inputs before what is made of them.

    Depth first with a stack of its own: a chain of 100,000 values is no deeper than one.

    >>> a = Value(1.0); b = a + a; c = b * a
    >>> topological_order(c) == [a, b, c]
    True
    """
    order: list[Value] = []
    seen: set[Value] = set()
    stack = [(root, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack.extend((child, False) for child in node._prev)
    return order


class Module:
    """Something with parameters."""

    def zero_grad(self) -> None:
        """Set every parameter's gradient to zero, before the next `backward()`."""
        for p in self.parameters():
            p.grad = 0

    def parameters(self) -> list[Value]:
        """The values that training changes."""
        return []


class Neuron(Module):
    """relu(w · x + b), or w · x + b if `nonlin` is False."""

    def __init__(self, nin: int, nonlin: bool = True):
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Value | float]) -> Value:
        if len(x) != len(self.w):
            raise ValueError(f"Neuron: takes {len(self.w)} inputs: given {len(x)}")
        y = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
        return y.relu() if self.nonlin else y

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """`nout` neurons that look at the same `nin` inputs; a single one gives a bare Value."""

    def __init__(self, nin: int, nout: int, nonlin: bool = True):
        self.neurons = [Neuron(nin, nonlin) for _ in range(nout)]

    def __call__(self, x: Value | Sequence[Value | float]) -> Value | list[Value]:
        inputs = [x] if isinstance(x, Value) else x
        y = [neuron(inputs) for neuron in self.neurons]
        return y[0] if len(y) == 1 else y

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers in a row, each fed by the one before; all but the last bend their sums by relu.

    >>> len(MLP(2, [16, 16, 1]).parameters())
    337
    """

    def __init__(self, nin: int, nouts: Sequence[int]):
        sizes = [nin, *nouts]
        last = len(nouts) - 1
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != last) for i in range(len(nouts))]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
