"""State dicts: a module's parameters and buffers by name, and how they are put back.

The names are paths of attributes, `layers.0.weight`, as in PyTorch, so that checkpoints can be
exchanged. Loading copies in place: whoever shares the memory sees the new values.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..core.errors import StateError
from ..core.mode import no_grad
from ..core.op import Symbolic
from ..tensor.tensor import Handle, Tensor, wrap
from .parameter import Parameter


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` returns: names it lacked, and names it had no use for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"_IncompatibleKeys(missing_keys={self[0]}, unexpected_keys={self[1]})"


class State:
    """The part of Module that saves and loads its state."""

    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_hooks: list[Callable]
    _load_pre_hooks: list[Callable]
    _load_post_hooks: list[Callable]

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> Any:
        """Every parameter and persistent buffer by name.

        The tensors share memory with the module's; with `keep_vars` they are the very same.
        """
        if destination is None:
            destination = OrderedDict()
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in list(self._state_dict_hooks):
            hook(self, destination, prefix, {})
        return destination

    def own_state(self) -> Iterator[tuple[str, Tensor]]:
        """This module's own part of the state: parameters, then persistent buffers."""
        for name, p in self._parameters.items():
            if p is not None:
                yield name, p
        for name, buffer in self._buffers.items():
            if buffer is not None and name not in self._non_persistent_buffers_set:
                yield name, buffer

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Add this module's own part to `destination`; a subclass may add more."""
        for name, tensor in self.own_state():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the values of `state_dict` into the parameters and buffers of the same names.

        With `assign`, they take the place of the module's own tensors instead.
        Raises: StateError if shapes differ, or, when `strict`, if names do.
        """
        if not isinstance(state_dict, Mapping):
            raise StateError(f"load_state_dict: expects a dict: {type(state_dict).__name__}")
        keys = IncompatibleKeys([], [])
        errors: list[str] = []
        load(self, dict(state_dict), "", {"assign_to_params_buffers": assign}, strict, keys, errors)
        if strict:
            missing = name_list("Missing key(s) in state_dict", keys.missing_keys)
            unexpected = name_list("Unexpected key(s) in state_dict", keys.unexpected_keys)
            errors = missing + unexpected + errors
        if errors:
            listed = "\n\t".join(errors)
            raise StateError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{listed}"
            )
        return keys

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own part; a subclass may translate old names before."""
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = dict(self.own_state())
        for name, tensor in own.items():
            key = prefix + name
            if key not in state_dict:
                missing_keys.append(key)
            elif problem := mismatch(key, state_dict[key], tensor):
                error_msgs.append(problem)
            elif assign:
                setattr(self, name, as_kind_of(tensor, state_dict[key]))
            else:
                with no_grad():
                    tensor.check_writable()
                np.copyto(tensor.array, array_of(state_dict[key]), casting="unsafe")
                tensor.memory.touch()
        for key in state_dict:
            if key.startswith(prefix):
                first = key[len(prefix) :].partition(".")[0]
                if first not in self._modules and key[len(prefix) :] not in own:
                    unexpected_keys.append(key)

    def register_state_dict_post_hook(self, hook: Callable) -> Handle:
        """Call `hook(module, state_dict, prefix, metadata)` on a finished state dict."""
        self._state_dict_hooks.append(hook)
        return Handle(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> Handle:
        """Call `hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)`
        before the module loads its part."""
        self._load_pre_hooks.append(hook)
        return Handle(self._load_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable) -> Handle:
        """Call `hook(module, incompatible_keys)` when the module and its children are loaded."""
        self._load_post_hooks.append(hook)
        return Handle(self._load_post_hooks, hook)


def load(
    module: Any,
    state: dict,
    prefix: str,
    metadata: dict,
    strict: bool,
    keys: IncompatibleKeys,
    errors: list[str],
) -> None:
    """Let `module` and its children each load their part of `state`."""
    missing, unexpected = keys
    given = (state, prefix, metadata, strict, missing, unexpected, errors)
    for hook in list(module._load_pre_hooks):
        hook(module, *given)
    module._load_from_state_dict(*given)
    for name, child in module._modules.items():
        if child is not None:
            start = f"{prefix}{name}."
            part = {key: x for key, x in state.items() if key.startswith(start)}
            load(child, part, start, metadata, strict, keys, errors)
    for hook in list(module._load_post_hooks):
        hook(module, keys)


def mismatch(key: str, given: Any, tensor: Tensor) -> str | None:
    """Why `given` cannot be loaded into `tensor`; None if it can."""
    array = array_of(given)
    if array is None:
        return f"{key}: expects a tensor, the checkpoint has a {type(given).__name__}."
    if array.shape != tensor.array.shape:
        return (
            f"size mismatch for {key}: the checkpoint has a tensor of shape "
            f"{list(array.shape)}, the shape in the current model is {list(tensor.shape)}."
        )
    return None


def array_of(given: Any) -> Any:
    """The array of a tensor, or an array itself; None for anything else."""
    array = getattr(given, "array", given)
    return array if isinstance(array, (np.ndarray, Symbolic)) else None


def as_kind_of(tensor: Tensor, given: Any) -> Tensor:
    """`given` as a Parameter where `tensor` is one, to take its place."""
    if not isinstance(given, Tensor):
        given = wrap(given)
    return Parameter(given, tensor.requires_grad) if isinstance(tensor, Parameter) else given


def name_list(title: str, names: list[str]) -> list[str]:
    """One line that lists `names`; none where there are none."""
    quoted = ", ".join(f'"{name}"' for name in names)
    return [f"{title}: {quoted}."] if names else []
