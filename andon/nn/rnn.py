"""Recurrent layers, RNN, LSTM and GRU, and their cells, which take one step.

A layer first multiplies the inputs of all steps by its input weight at once; what is left for
each step is the product of the hidden state. The parameters are named and laid out as PyTorch's:
`weight_ih_l0`, `weight_hh_l0_reverse`, gates stacked along the first dim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..core.errors import ArgumentError, ShapeError
from ..ops.join import cat, stack
from ..tensor.creation import empty, zeros
from ..tensor.tensor import Tensor
from . import functional as F
from . import init
from .module import Module, unusual
from .parameter import Parameter
from .utils.rnn import PackedSequence, rows

State = tuple[Tensor, ...]


# One step: `x` is the input's part of the gates, W_ih x + b_ih


def tanh_step(x: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
    """h' = tanh(x + W h + b)."""
    (h,) = state
    return (F.tanh(x + F.linear(h, w, b)),)


def relu_step(x: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
    """h' = max(0, x + W h + b)."""
    (h,) = state
    return (F.relu(x + F.linear(h, w, b)),)


def lstm_step(
    x: Tensor, state: State, w: Tensor, b: Tensor | None, projection: Tensor | None = None
) -> State:
    """c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c'), where i, f, g, o = x + W h + b.

    With a projection P, h' is P σ(o) tanh(c').
    """
    h, c = state
    i, f, g, o = (x + F.linear(h, w, b)).chunk(4, -1)
    c = F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(g)
    h = F.sigmoid(o) * F.tanh(c)
    return (h if projection is None else F.linear(h, projection)), c


def gru_step(x: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
    """h' = (1 - z) n + z h, where n = tanh(xₙ + r (Wₙ h + bₙ)) and r, z = σ(x + W h + b)."""
    (h,) = state
    xr, xz, xn = x.chunk(3, -1)
    hr, hz, hn = F.linear(h, w, b).chunk(3, -1)
    r, z = F.sigmoid(xr + hr), F.sigmoid(xz + hz)
    n = F.tanh(xn + r * hn)
    return (n + z * (h - n),)


def unroll(
    step: Callable[[Tensor, State], State], inputs: Sequence[Tensor], state: State
) -> tuple[list[Tensor], State]:
    """Run `step` over time; gives the hidden state after each step, and the final state.

    Sequences may end at different times: the batch shrinks, the longest sequences coming first.
    """
    outputs, ended = [], []
    for x in inputs:
        n = x.shape[0]
        if n < state[0].shape[0]:
            ended.append([s[n:] for s in state])
            state = tuple(s[:n] for s in state)
        state = step(x, state)
        outputs.append(state[0])
    if ended:
        parts = zip(state, *reversed(ended), strict=True)
        state = tuple(cat(part, 0) for part in parts)
    return outputs, state


def unroll_backwards(
    step: Callable[[Tensor, State], State], inputs: Sequence[Tensor], state: State
) -> tuple[list[Tensor], State]:
    """As `unroll`, from the last input to the first: the batch grows."""
    outputs: list[Tensor] = []
    start, state = state, tuple(s[: inputs[-1].shape[0]] for s in state)
    for x in reversed(inputs):
        have, n = state[0].shape[0], x.shape[0]
        if n > have:
            joining = [s[have:n] for s in start]
            state = tuple(cat(pair, 0) for pair in zip(state, joining, strict=True))
        state = step(x, state)
        outputs.append(state[0])
    return outputs[::-1], state


class RNNBase(Module):
    """What the recurrent layers share: layers, directions, parameters and the way through them.

    Shapes: x (T, B, input_size), or (B, T, input_size) under `batch_first`, or (T, input_size)
    -> output (T, B, directions · hidden_size), state (layers · directions, B, hidden_size).
    A PackedSequence gives one.
    """

    gates = 1
    states = 1  # how many tensors a state consists of

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size
        self.check()
        self.suffixes = ("", "_reverse") if bidirectional else ("",)
        for layer in range(num_layers):
            for suffix in self.suffixes:
                self.make_parameters(layer, suffix, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def check(self) -> None:
        name = type(self).__name__
        if self.hidden_size <= 0 or self.num_layers <= 0:
            raise ArgumentError(
                f"{name}: hidden_size and num_layers must be > 0: "
                f"{self.hidden_size}, {self.num_layers}"
            )
        if not 0 <= self.dropout <= 1:
            raise ArgumentError(f"{name}: dropout must be between 0 and 1: {self.dropout}")
        if not 0 <= self.proj_size < self.hidden_size or (self.proj_size and self.states == 1):
            raise ArgumentError(
                f"{name}: proj_size must be below hidden_size, and is for LSTM: {self.proj_size}"
            )

    def make_parameters(self, layer: int, suffix: str, made: dict) -> None:
        """The weights and biases of one layer in one direction."""
        output = self.proj_size or self.hidden_size
        stacked = self.gates * self.hidden_size
        inputs = self.input_size if layer == 0 else output * len(self.suffixes)
        shapes: dict[str, tuple[int, ...]]
        shapes = {"weight_ih": (stacked, inputs), "weight_hh": (stacked, output)}
        if self.bias:
            shapes |= {"bias_ih": (stacked,), "bias_hh": (stacked,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        for name, shape in shapes.items():
            setattr(self, f"{name}_l{layer}{suffix}", Parameter(empty(*shape, **made)))

    def reset_parameters(self) -> None:
        """Draw all parameters from U(-1/√hidden_size, 1/√hidden_size)."""
        draw(self, self.hidden_size)

    def step(self, x: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
        """One step of this kind of layer."""
        raise NotImplementedError

    def direction(
        self, x: Tensor, state: State, layer: int, suffix: str, sizes: list[int] | None
    ) -> tuple[Tensor, State]:
        """One layer in one direction: x (T, B, ·) or packed rows -> as many outputs."""
        w, b, p = (
            getattr(self, f"{name}_l{layer}{suffix}", None)
            for name in ("weight_hh", "bias_hh", "weight_hr")
        )
        gates = F.linear(
            x,
            getattr(self, f"weight_ih_l{layer}{suffix}"),
            getattr(self, f"bias_ih_l{layer}{suffix}", None),
        )
        inputs = gates.unbind(0) if sizes is None else gates.split(sizes)
        more = (w, b) if p is None else (w, b, p)
        run = unroll_backwards if suffix else unroll
        outputs, state = run(lambda x, state: self.step(x, state, *more), inputs, state)
        return (stack(outputs) if sizes is None else cat(outputs)), state

    def through(
        self, x: Tensor, states: list[State], sizes: list[int] | None
    ) -> tuple[Tensor, State]:
        """All layers; `states` is one for each layer and direction."""
        finals: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for suffix in self.suffixes:
                y, final = self.direction(x, states[len(finals)], layer, suffix, sizes)
                outputs.append(y)
                finals.append(final)
            x = outputs[0] if len(outputs) == 1 else cat(outputs, -1)
        return x, tuple(stack(part) for part in zip(*finals, strict=True))

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """(output, final state), the state being a tensor, or (h, c) for an LSTM."""
        if isinstance(input, PackedSequence):
            return self.forward_packed(input, hx)
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: expects 2 or 3 dims, the last {self.input_size}: "
                f"{list(input.shape)}"
            )
        single = input.ndim == 2
        x = input.unsqueeze(1) if single else input
        x = x.transpose(0, 1) if self.batch_first and not single else x  # (T, B, input)
        if x.shape[0] == 0:
            raise ShapeError(f"{type(self).__name__}: expects at least one step: {input.spec}")
        y, state = self.through(x, self.initial(x, x.shape[1], hx, single), None)
        y = y.transpose(0, 1) if self.batch_first and not single else y
        if single:
            y, state = y.squeeze(1), tuple(s.squeeze(1) for s in state)
        return y, (state[0] if self.states == 1 else state)

    def forward_packed(self, input: PackedSequence, hx: Any) -> tuple[PackedSequence, Any]:
        """As `forward`, for sequences of several lengths."""
        sizes = input.batch_sizes.tolist()
        states = self.initial(input.data, sizes[0], hx, False)
        if input.sorted_indices is not None and hx is not None:
            states = [tuple(rows(s, 0, input.sorted_indices) for s in state) for state in states]
        y, state = self.through(input.data, states, sizes)
        if input.unsorted_indices is not None:
            state = tuple(rows(s, 1, input.unsorted_indices) for s in state)
        return input._replace(data=y), (state[0] if self.states == 1 else state)

    def initial(self, x: Tensor, batch: int, hx: Any, single: bool) -> list[State]:
        """The first state of each layer and direction: what was given, or zeros."""
        layers = self.num_layers * len(self.suffixes)
        shapes = [(layers, batch, self.proj_size or self.hidden_size)]
        shapes += [(layers, batch, self.hidden_size)] * (self.states - 1)
        if hx is None:
            given = [zeros(*shape, dtype=x.dtype) for shape in shapes]
        else:
            given = [hx] if self.states == 1 else list(hx)
            given = [h.unsqueeze(1) if single else h for h in given]
        if [tuple(h.shape) for h in given] != shapes:
            raise ShapeError(
                f"{type(self).__name__}: the state must have shape {shapes}: "
                f"{[list(h.shape) for h in given]}"
            )
        return [tuple(h[i] for h in given) for i in range(layers)]

    def flatten_parameters(self) -> None:
        """Nothing to do: it is for cuDNN."""

    def extra_repr(self) -> str:
        said = [f"{self.input_size}, {self.hidden_size}"]
        usual = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False,
                 "dropout": 0.0, "bidirectional": False}  # fmt: skip
        return ", ".join([*said, *unusual(self, **usual)])


class RNN(RNNBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or max(0, ·) of it."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1,
        nonlinearity: str = "tanh", *args: Any, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(input_size, hidden_size, num_layers, *args, **kwargs)
        self.nonlinearity = checked_nonlinearity(nonlinearity, "RNN")

    def step(self, x: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
        return (tanh_step if self.nonlinearity == "tanh" else relu_step)(x, state, w, b)


class LSTM(RNNBase):
    """Long short-term memory: c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c').

    The gates i, f, g, o are W_ih x + b_ih + W_hh h + b_hh; the state is (h, c). With a
    `proj_size`, h is projected to it.
    Source: Hochreiter & Schmidhuber 1997, Long short-term memory.
    """

    gates, states = 4, 2
    step = staticmethod(lstm_step)


class GRU(RNNBase):
    """Gated recurrent unit: h' = (1 - z) n + z h, n = tanh(W x + b + r (W' h + b')).

    Source: Cho et al. 2014, Learning phrase representations using RNN encoder-decoder.
    """

    gates = 3
    step = staticmethod(gru_step)


class RNNCellBase(Module):
    """What the cells share: one step, with parameters of their own.

    Shapes: x (B, input_size) or (input_size), h (B, hidden_size) or (hidden_size).
    """

    gates = 1
    states = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        made, stacked = {"device": device, "dtype": dtype}, self.gates * hidden_size
        self.weight_ih = Parameter(empty(stacked, input_size, **made))
        self.weight_hh = Parameter(empty(stacked, hidden_size, **made))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(empty(stacked, **made)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters from U(-1/√hidden_size, 1/√hidden_size)."""
        draw(self, self.hidden_size)

    def step(self, x: Tensor, state: State, w: Tensor, b: Tensor | None) -> State:
        """One step of this kind of cell."""
        raise NotImplementedError

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """The next state: a tensor, or (h, c) for an LSTM."""
        name = type(self).__name__
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{name}: expects 1 or 2 dims, the last {self.input_size}: {list(input.shape)}"
            )
        shape = (*input.shape[:-1], self.hidden_size)
        if hx is None:
            state = (zeros(*shape, dtype=input.dtype),) * self.states
        else:
            state = (hx,) if self.states == 1 else tuple(hx)
        for h in state:
            if tuple(h.shape) != shape:
                raise ShapeError(f"{name}: the state must be {list(shape)}: {list(h.shape)}")
        x = F.linear(input, self.weight_ih, self.bias_ih)
        state = self.step(x, state, self.weight_hh, self.bias_hh)
        return state[0] if self.states == 1 else state

    def extra_repr(self) -> str:
        bias = "" if self.bias else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or max(0, ·) of it."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self.nonlinearity = checked_nonlinearity(nonlinearity, "RNNCell")

    step = RNN.step

    def extra_repr(self) -> str:
        other = "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        return super().extra_repr() + other


class LSTMCell(RNNCellBase):
    """One step of an LSTM: (h, c) -> (h', c')."""

    gates, states = 4, 2
    step = staticmethod(lstm_step)


class GRUCell(RNNCellBase):
    """One step of a GRU."""

    gates = 3
    step = staticmethod(gru_step)


def draw(module: Module, hidden_size: int) -> None:
    """Draw all parameters of a module from U(-1/√hidden_size, 1/√hidden_size)."""
    bound = 1 / math.sqrt(hidden_size)
    for p in module.parameters():
        init.uniform_(p, -bound, bound)


def checked_nonlinearity(name: str, owner: str) -> str:
    if name not in ("tanh", "relu"):
        raise ArgumentError(f"{owner}: nonlinearity must be 'tanh' or 'relu': {name!r}")
    return name
