"""Module: what owns parameters and other modules, and computes with them.

Assigning a Parameter, a Module or a Buffer to an attribute registers it. From there follow the
walks (`parameters`, `named_modules`, ...), the conversions (`to`, `train`, `apply`), the state
dict (state.py), the hooks (hooks.py) and the printed outline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..core.dtype import bfloat16, dtype, float16, float32, float64
from ..core.errors import DTypeError, MissingNameError, StateError
from ..core.op import interpreters
from ..tensor.creation import empty_like
from ..tensor.device import available
from ..tensor.interchange import parse_to
from ..tensor.tensor import Tensor
from .hooks import Hooks, call_with_hooks
from .parameter import Buffer, Parameter
from .state import State

Self = TypeVar("Self", bound="Module")
STORES = ("_parameters", "_buffers", "_modules")


class Module(Hooks, State):
    """The base of every layer and model: define `__init__` and `forward`.

    >>> from andon import nn, ones
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.by = nn.Parameter(ones(2))
    ...     def forward(self, x):
    ...         return x * self.by
    >>> Scale().state_dict()
    OrderedDict([('by', tensor([1., 1.]))])
    """

    training: bool

    def __init__(self, *args: Any, **kwargs: Any):
        if args or kwargs:
            raise TypeError(f"{type(self).__name__}: Module.__init__ takes no arguments")
        self.__dict__.update(
            training=True,
            _parameters={},
            _buffers={},
            _modules={},
            _non_persistent_buffers_set=set(),
        )
        lists = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks",
                 "_state_dict_hooks", "_load_pre_hooks", "_load_post_hooks")  # fmt: skip
        self.__dict__.update((name, []) for name in lists)

    # Calling

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(f"Module: {type(self).__name__} does not define forward")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if interpreters.recorder is not None:
            interpreters.recorder.meet_module(self)
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
        ):
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    # Attributes

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        if "_modules" not in own:
            raise MissingNameError(
                f"{type(self).__name__}: super().__init__() must be called first: {name}"
            )
        for store in (own["_parameters"], own["_buffers"], own["_modules"]):
            if name in store:
                return store[name]
        if interpreters.recorder is not None:
            interpreters.recorder.missed.add((id(own), name))
        raise MissingNameError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        Hooks.assignments += 1
        if isinstance(value, (Parameter, Module, Buffer)):
            self._adopt(name, value)
            return
        for store in STORES:
            registered = self.__dict__.get(store)
            if registered is not None and name in registered:
                allowed = value is None or (store == "_buffers" and isinstance(value, Tensor))
                if not allowed:
                    raise DTypeError(
                        f"{type(self).__name__}: {name} is one of its {store[1:]}, "
                        f"so it cannot become a {type(value).__name__}"
                    )
                self._note_binding(registered, name, value)
                registered[name] = value
                return
        self._note_binding(self.__dict__, name, value)
        object.__setattr__(self, name, value)

    def _note_binding(self, store: dict[str, Any], name: str, value: Any) -> None:
        """Tell a recording that a tensor is about to be kept, as each later call has to do."""
        if isinstance(value, Tensor) and interpreters.recorder is not None:
            interpreters.recorder.meet_attribute(store, name)

    def _adopt(self, name: str, value: Parameter | Module | Buffer) -> None:
        """Register what is assigned, in place of whatever had that name."""
        if "_modules" not in self.__dict__:
            raise MissingNameError(
                f"{type(self).__name__}: super().__init__() must be called before a "
                f"{type(value).__name__} is assigned: {name}"
            )
        if isinstance(value, Parameter):
            store = self._parameters
        elif isinstance(value, Module):
            store = self._modules
        else:
            store = self._buffers
        if name not in store:
            self._forget(name)
        if isinstance(value, Buffer):
            self._note_persistence(name, value.persistent)
        store[name] = value

    def _forget(self, name: str) -> None:
        """Take `name` out of wherever it is."""
        for store in (self.__dict__, self._parameters, self._buffers, self._modules):
            store.pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    def _note_persistence(self, name: str, persistent: bool) -> None:
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def __delattr__(self, name: str) -> None:
        Hooks.assignments += 1
        if any(name in self.__dict__.get(store, ()) for store in STORES):
            self._forget(name)
        else:
            object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        registered = [*self._parameters, *self._buffers, *self._modules]
        return sorted({*super().__dir__(), *registered})

    # Registration

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None reserves the name."""
        self._check_name(name, self._parameters)
        Hooks.assignments += 1
        if param is not None and not isinstance(param, Parameter):
            raise DTypeError(f"register_parameter: expects a Parameter: {type(param).__name__}")
        if param is not None and param.grad_fn is not None:
            raise StateError(f"register_parameter: {name} must be a leaf, but {param.grad_fn}")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is not learned; `persistent`: it is part of the state dict."""
        self._check_name(name, self._buffers)
        Hooks.assignments += 1
        if tensor is not None and not isinstance(tensor, Tensor):
            raise DTypeError(f"register_buffer: expects a tensor: {type(tensor).__name__}")
        self._buffers[name] = tensor
        self._note_persistence(name, persistent)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child; None reserves the name."""
        self._check_name(name, self._modules)
        Hooks.assignments += 1
        if module is not None and not isinstance(module, Module):
            raise DTypeError(f"register_module: expects a Module: {type(module).__name__}")
        self._modules[name] = module

    add_module = register_module

    def _check_name(self, name: str, store: dict) -> None:
        if not isinstance(name, str):
            raise DTypeError(f"Module: a name must be a str: {name!r}")
        if name == "" or "." in name:
            raise StateError(f"Module: a name must not be empty or contain a dot: {name!r}")
        if name not in store and hasattr(self, name):
            raise StateError(f"Module: {type(self).__name__} has an attribute of this name: {name}")

    # Walks

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, each with its path; shared ones once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from child.named_modules(memo, path, remove_duplicate)

    def modules(self) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules():
            yield module

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly below this one, each with its name."""
        memo = set()
        for name, child in self._modules.items():
            if child is not None and child not in memo:
                memo.add(child)
                yield name, child

    def children(self) -> Iterator[Module]:
        """The modules directly below this one."""
        for _, child in self.named_children():
            yield child

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters, each with its path; shared ones once."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters of this module and, if `recurse`, of those below."""
        for _, p in self.named_parameters(recurse=recurse):
            yield p

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers, each with its path; shared ones once."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers of this module and, if `recurse`, of those below."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def _named_members(
        self, store: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = set()  # by identity: tensors compare element by element
        owners = (
            self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
            if recurse
            else [(prefix, self)]
        )
        for path, module in owners:
            for name, member in getattr(module, store).items():
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def get_submodule(self, target: str) -> Module:
        """The module at a path such as "layers.0"; "" is this one."""
        module: Any = self
        for name in target.split(".") if target else ():
            if name not in module._modules:
                raise MissingNameError(
                    f"get_submodule: {type(module).__name__} has no module {name!r}: {target!r}"
                )
            module = module._modules[name]
        return module

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a path such as "layers.0.weight"."""
        return self._member("get_parameter", "_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a path."""
        return self._member("get_buffer", "_buffers", target)

    def _member(self, caller: str, store: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if name not in getattr(owner, store):
            raise MissingNameError(
                f"{caller}: {type(owner).__name__} has none of this name: {target!r}"
            )
        return getattr(owner, store)[name]

    # Conversions

    def _apply(self: Self, convert: Callable[[Tensor], Tensor]) -> Self:
        """Replace the elements of every parameter, gradient and buffer by `convert` of them.

        A parameter remains the same object, so that optimizers go on holding it.
        """
        for child in self._modules.values():
            if child is not None:
                child._apply(convert)
        for p in self._parameters.values():
            if p is not None:
                p.data = convert(p.data)
                if p.grad is not None:
                    p.grad = convert(p.grad.data)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = convert(buffer)
        return self

    def apply(self: Self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module below, children first, and on this one."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Change the dtype of all floats in place. `to(dtype)`, `to(device)`, `to(tensor)`."""
        chosen, _ = parse_to(args, kwargs)
        if chosen is None:
            return self
        if not chosen.is_floating_point:
            raise DTypeError(f"Module.to: only floating dtypes: {chosen}")
        return self._apply(lambda t: t.to(chosen) if t.is_floating_point() else t)

    def type(self: Self, dst_type: Any) -> Self:
        """All parameters and buffers in another dtype, integers included."""
        return self._apply(lambda t: t.to(dtype(dst_type)))

    def float(self: Self) -> Self:
        """All floats as float32."""
        return self.to(float32)

    def double(self: Self) -> Self:
        """All floats as float64."""
        return self.to(float64)

    def half(self: Self) -> Self:
        """All floats as float16."""
        return self.to(float16)

    def bfloat16(self: Self) -> Self:
        """All floats as bfloat16."""
        return self.to(bfloat16)

    def cpu(self: Self) -> Self:
        """Here already."""
        return self

    def cuda(self: Self, device: Any = None) -> Self:
        """Raises DeviceError: tensors live on the CPU."""
        available("cuda")
        return self

    def to_empty(self: Self, *, device: Any = None, recurse: bool = True) -> Self:
        """Parameters and buffers anew, of the same shapes, to be filled."""
        available(device)
        return self._apply(empty_like)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do: andon runs forward as it is."""

    def share_memory(self: Self) -> Self:
        """Nothing to do: data loaders' workers are forked and send arrays, not tensors."""
        return self

    # Modes and gradients

    def train(self: Self, mode: bool = True) -> Self:
        """Training mode for this module and all below: dropout drops, norms learn statistics."""
        if not isinstance(mode, bool):
            raise DTypeError(f"train: mode must be a bool: {mode!r}")
        if interpreters.recorder is not None:
            interpreters.recorder.meet_mode(self)
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Evaluation mode: `train(False)`."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Let gradients be kept for all parameters, or for none."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for p in self.parameters():
            if set_to_none:
                p.grad = None
            elif p.grad is not None:
                p.grad = p.grad.detach()
                p.grad.zero_()

    # Printing

    def extra_repr(self) -> str:
        """What stands between the parentheses when the module is printed."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        extra_lines = extra.split("\n") if extra else []
        child_lines = [
            f"({name}): {indented(repr(child))}" for name, child in self._modules.items()
        ]
        return outline(self._get_name(), extra_lines, child_lines)


def outline(title: str, extra: list[str], children: list[str]) -> str:
    """`Title(extra)` on one line, or a line for each part, indented."""
    if not children and len(extra) <= 1:
        return f"{title}({''.join(extra)})"
    lines = extra + children
    return f"{title}(\n  " + "\n  ".join(lines) + "\n)"


def indented(text: str) -> str:
    """`text` with all lines but the first two columns further right."""
    return text.replace("\n", "\n  ")


def unusual(module: Module, **usual: Any) -> list[str]:
    """`kernel_size=3` for each attribute that differs from what is usual, for `extra_repr`."""
    return [f"{k}={getattr(module, k)}" for k, v in usual.items() if getattr(module, k) != v]


def listed(module: Module, *names: str) -> str:
    """`kernel_size=3, stride=2`: the attributes of these names, for `extra_repr`."""
    return ", ".join(f"{name}={getattr(module, name)}" for name in names)
