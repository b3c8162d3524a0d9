"""Hooks: functions that run around a module's forward and backward pass.

    register_forward_pre_hook        hook(module, args)               may replace the arguments
    register_forward_hook            hook(module, args, output)       may replace the output
    register_full_backward_pre_hook  hook(module, grad_output)        may replace grad_output
    register_full_backward_hook      hook(module, grad_input, grad_output)   ... grad_input

A backward hook needs to see all gradients that cross the module's border at once. So while
there is one, the tensors that go in and those that come out each pass through one `Border`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..autograd import Function
from ..core.mode import mode
from ..tensor.tensor import Handle, Tensor


@dataclass(eq=False)  # two registrations of one function are two hooks
class Hook:
    """A registered function, and how it wants to be called."""

    function: Callable
    with_kwargs: bool = False
    always_call: bool = False


class Hooks:
    """The part of Module that registers hooks."""

    _forward_pre_hooks: list[Hook]
    _forward_hooks: list[Hook]
    _backward_pre_hooks: list[Hook]
    _backward_hooks: list[Hook]

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args)` before forward; what it returns replaces the arguments.

        With `with_kwargs`, it is `hook(module, args, kwargs)` and returns both.
        """
        return register(self._forward_pre_hooks, Hook(hook, with_kwargs), prepend)

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> Handle:
        """Call `hook(module, args, output)` after forward; what it returns is the output.

        With `with_kwargs`, it is `hook(module, args, kwargs, output)`. With `always_call`, it
        is called, with None as output, even when forward raises.
        """
        return register(self._forward_hooks, Hook(hook, with_kwargs, always_call), prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_output)` once the gradients of all outputs are known.

        What it returns, a tensor or a tuple of them, replaces them.
        """
        return register(self._backward_pre_hooks, Hook(hook), prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> Handle:
        """Call `hook(module, grad_input, grad_output)` once the gradients of all inputs are known.

        Both are tuples, with None for what is not a tensor or has no gradient. What the hook
        returns replaces grad_input.
        """
        return register(self._backward_hooks, Hook(hook), prepend)


def register(hooks: list[Hook], hook: Hook, prepend: bool) -> Handle:
    hooks.insert(0 if prepend else len(hooks), hook)
    return Handle(hooks, hook)


def call_with_hooks(module: Any, args: tuple, kwargs: dict) -> Any:
    """What calling a module with hooks does: the hooks, and forward between them."""
    args, kwargs = call_pre_hooks(module, args, kwargs)
    watch = None
    if mode.grad and (module._backward_hooks or module._backward_pre_hooks):
        watch = Watch(module)
        args = watch.enter(args)
    try:
        output = module.forward(*args, **kwargs)
        called = []
        for hook in list(module._forward_hooks):
            called.append(hook)
            output = call_hook(hook, module, args, kwargs, output)
    except Exception:
        for hook in list(module._forward_hooks):
            if hook.always_call and hook not in called:
                call_hook(hook, module, args, kwargs, None)
        raise
    return output if watch is None else watch.leave(output)


def call_pre_hooks(module: Any, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
    for hook in list(module._forward_pre_hooks):
        if hook.with_kwargs:
            replaced = hook.function(module, args, kwargs)
            args, kwargs = (args, kwargs) if replaced is None else replaced
        else:
            args = replaced_by(hook.function(module, args), args)
    return args, kwargs


def call_hook(hook: Hook, module: Any, args: tuple, kwargs: dict, output: Any) -> Any:
    given = (args, kwargs) if hook.with_kwargs else (args,)
    replaced = hook.function(module, *given, output)
    return output if replaced is None else replaced


def replaced_by(result: Any, before: tuple) -> tuple:
    """What a hook returned, as a tuple; or what was there before, if it returned nothing."""
    if result is None:
        return before
    return result if isinstance(result, tuple) else (result,)
