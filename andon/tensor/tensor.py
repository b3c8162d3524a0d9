"""Tensor: an array, the node that its gradient flows through, and the methods of every op.

`Tensor.array` is the NumPy array that holds the elements. A tensor that shares memory with
another knows the `base` that it is a view of, and the `recipe` of view ops that leads there, so
that in-place changes reach the gradients of both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from ..autograd.engine import Node, Tape
from ..core.dtype import DType, dtype, get_default_dtype
from ..core.errors import DTypeError, GradientError, IndexingError, MissingNameError, ShapeError
from ..core.memory import Memory
from ..core.mode import mode
from ..core.op import Symbolic, interpreters
from ..core.spec import Spec, normal_dim
from ..core.spec import broadcast_shapes as common_shape
from ..ops.methods import Methods
from .device import CPU, Device
from .interchange import Interchange
from .printing import tensor_text
from .views import replay, rewrite_history


class Tensor(Interchange, Methods):
    """A multi-dimensional array of one dtype that gradients can flow through.

    `Tensor(data)` is PyTorch's old constructor: the default dtype, or sizes when given ints.
    Use `andon.tensor(data)`.
    """

    array: np.ndarray
    memory: Memory
    node: Node | None = None
    base: Tensor | None = None
    seen: Node | None = None
    origin: np.ndarray | None = None
    recipe: tuple = ()
    turns: tuple = ()
    _grad: Tensor | None = None
    __array_priority__ = 1000

    def __init__(self, *data: Any, device: Any = None):
        from .creation import tensor, zeros

        if len(data) == 1 and not isinstance(data[0], (int, Size)):
            made = tensor(data[0], dtype=get_default_dtype(), device=device)
        else:
            made = zeros(*(data or (0,)), device=device)
        self.array, self.memory = made.array, made.memory

    # What it is

    @property
    def shape(self) -> Size:
        return Size(self.array.shape)

    @property
    def dtype(self) -> DType:
        return dtype(self.array.dtype)

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def device(self) -> Device:
        return CPU

    @property
    def _version(self) -> int:
        return self.memory.version

    @property
    def spec(self) -> Spec:
        return Spec(self.array.shape, self.dtype)

    def elements(self) -> Any:
        """The array; while a program is recorded, what stands in for it, now and from now on.

        For code that computes with arrays itself.
        """
        if interpreters.recorder is not None:
            interpreters.recorder.adopt(self)
        return self.array

    def numel(self) -> int:
        """How many elements there are."""
        return self.array.size

    nelement = numel

    def dim(self) -> int:
        """How many dims there are."""
        return self.array.ndim

    ndimension = dim

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its size at `dim`."""
        if dim is None:
            return self.shape
        if not self.ndim:
            raise IndexingError(f"size: the tensor has no dims: {dim}")
        return self.shape[normal_dim(dim, self.ndim, "size")]

    # Gradients

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward passes have added up here, or None."""
        if interpreters.recorder is not None:
            interpreters.recorder.meet_grad(self, read=True)
        return self._grad

    @grad.setter
    def grad(self, given: Tensor | None) -> None:
        if given is not None:
            if not isinstance(given, Tensor):
                raise DTypeError(f"grad: must be a tensor or None: {type(given).__name__}")
            if given.array.shape != self.array.shape or given.array.dtype != self.array.dtype:
                raise ShapeError(f"grad: does not fit the tensor: {given.spec} for {self.spec}")
        if interpreters.recorder is not None:
            interpreters.recorder.meet_grad(self, read=False)
        self._grad = given

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor; None for a leaf."""
        node = self.current()
        return None if node is None or node.op is None else node

    @property
    def _base(self) -> Tensor | None:
        """The tensor that this is a view of."""
        return self.base

    @property
    def requires_grad(self) -> bool:
        return self.current() is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        self.requires_grad_(wanted)

    @property
    def is_leaf(self) -> bool:
        node = self.current()
        return node is None or node.op is None

    def current(self) -> Node | None:
        """This tensor's node, after any in-place change to what it is a view of."""
        if self.base is not None and self.base.node is not self.seen:
            replay(self)
        return self.node

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Make this leaf one that gradients are kept for, or no longer."""
        node = self.current()
        if node is not None and node.op is not None:
            if requires_grad:
                return self
            raise GradientError("requires_grad: only leaves can stop requiring it: use detach()")
        if not requires_grad:
            self.node = None
        elif node is None:
            if not self.dtype.is_floating_point:
                raise GradientError(f"requires_grad: only floats have gradients: {self.spec}")
            self.node = leaf(self)
        return self

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Add d self / d leaf to `.grad` of every leaf that self was computed from."""
        from ..autograd import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> Tensor:
        """The same memory, cut off from the tape."""
        result = wrap(self.array)
        result.memory = self.memory
        return result

    def detach_(self) -> Tensor:
        """Cut this tensor off from the tape."""
        if self.base is not None:
            raise GradientError("detach_: a view cannot be detached in place: use detach()")
        self.node = None
        return self

    @property
    def data(self) -> Tensor:
        """The same memory, cut off from the tape; changes to it go unnoticed by backward."""
        result = wrap(self.array)
        self.memory.lent = result.memory.lent = True
        return result

    @data.setter
    def data(self, other: Tensor) -> None:
        if not isinstance(other, Tensor):
            raise DTypeError(f"data: must be a tensor: {type(other).__name__}")
        if self.node is not None and not other.dtype.is_floating_point:
            raise DTypeError(f"data: only floats can have gradients: {other.dtype}")
        like_before = other.array.shape == self.array.shape and other.dtype is self.dtype
        if interpreters.recorder is not None:
            self.elements()  # what the tensor had before is what a call is given
        self.array = other.elements()
        if self.node is not None and self.node.op is None and not like_before:
            self.node.tensor = None
            self.node = leaf(self)

    def retain_grad(self) -> None:
        """Keep `.grad` for this tensor too, although it is not a leaf."""
        node = self.current()
        if node is None:
            raise GradientError("retain_grad: this tensor does not require a gradient")
        if node.op is not None:
            node.tensor, node.hooks = ref(self), node.hooks or []

    @property
    def retains_grad(self) -> bool:
        """Whether this is no leaf, but `retain_grad` was called."""
        node = self.current()
        return node is not None and node.op is not None and node.tensor is not None

    def register_hook(self, hook: Callable) -> Handle:
        """Call `hook(g)` when a gradient arrives here; what it returns replaces g."""
        node = self.current()
        if node is None:
            raise GradientError("register_hook: this tensor does not require a gradient")
        return add_hook(node, hook)

    def become(self, result: Tensor) -> Tensor:
        """Take on the elements and the history of `result`: the end of an in-place method."""
        if result.array.shape != self.array.shape:
            raise ShapeError(f"in-place: the result does not fit: {result.spec} into {self.spec}")
        if result.dtype.category > self.dtype.category:
            raise DTypeError(f"in-place: the result is {result.dtype}, the tensor {self.dtype}")
        self.check_writable()
        np.copyto(self.array, result.array, casting="unsafe")
        self.memory.touch()
        if mode.grad and (result.requires_grad or self.requires_grad):
            rewrite_history(self, result, overwritten=result.node is None)
        return self

    def check_history(self) -> None:
        """Raise if this is a leaf that requires a gradient, or a view of one."""
        node = self.current()
        root = node if self.base is None else self.base.node
        if mode.grad and root is not None and root.op is None:
            raise GradientError(
                "in-place: a leaf that requires a gradient, or a view of one, can only be "
                f"changed within no_grad(): {self.spec}"
            )

    def check_writable(self) -> None:
        """Raise unless the elements of this tensor may be changed in place."""
        self.check_history()
        if not self.elements().flags.writeable:
            raise ShapeError(
                f"in-place: this tensor repeats elements or is read-only; clone it: {self.spec}"
            )

    def __repr__(self) -> str:
        return tensor_text(self)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in ("array", "memory"):
            raise AttributeError(name)
        raise MissingNameError(
            f"Tensor.{name}: andon has no such attribute; docs/coverage.md lists what it has"
        )


class Size(tuple):
    """A shape: a tuple of ints, with PyTorch's `numel`."""

    def numel(self) -> int:
        return int(np.prod(self, dtype=np.int64))

    def __repr__(self) -> str:
        return f"{DType.package}.Size({list(self)})"

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes broadcast to."""
    return Size(common_shape(*((s,) if isinstance(s, int) else s for s in shapes)))


class Handle:
    """What registering a hook returns: `remove()` takes the hook away again."""

    def __init__(self, hooks: list, hook: Callable):
        self.hooks, self.hook = hooks, hook

    def remove(self) -> None:
        if self.hook in self.hooks:
            self.hooks.remove(self.hook)

    def __enter__(self) -> Handle:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


_new = object.__new__


def wrap(array: Any, node: Node | None = None) -> Tensor:
    """A tensor around `array`, without a copy and without a check."""
    tensor = _new(Tensor)
    tensor.array = array if type(array) is np.ndarray else as_array(array)
    tensor.memory = Memory()
    tensor.node = node  # set here, not left to the class: Python reads these much faster so
    tensor.base = None
    return tensor


def as_array(x: Any) -> Any:
    """An array of NumPy's number, or what stands in for an array while a program is recorded."""
    return x if isinstance(x, Symbolic) else np.asarray(x)


def leaf(tensor: Tensor) -> Node:
    """A node for a tensor that no op made; the gradient that arrives goes to its `.grad`."""
    node = Node(None, (), {}, tensor.array.shape, tensor.array.dtype)
    node.tensor = ref(tensor)
    return node


def add_hook(node: Node, hook: Callable) -> Handle:
    if node.hooks is None:
        node.hooks = []
    node.hooks.append(hook)
    return Handle(node.hooks, hook)


Tape.tensor = staticmethod(wrap)
