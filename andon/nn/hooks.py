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

    assignments = (
        0  # how often a module was given a hook, an attribute or a part: see engine/modules
    )

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


def register(hooks: Any, hook: Any, prepend: bool) -> Handle:
    Hooks.assignments += 1
    hooks.insert(0 if prepend else len(hooks), hook)
    return Handle(hooks, hook)


def call_with_hooks(module: Any, args: tuple, kwargs: dict) -> Any:
    """What calling a module with hooks does: the hooks, and forward between them."""
    args, kwargs = call_pre_hooks(module, args, kwargs)
    watch = None
    if mode.grad and (module._backward_hooks or module._backward_pre_hooks):
        watch = Watch(module)
        args = watch.enter(args)
    called: list[Hook] = []
    try:
        output = module.forward(*args, **kwargs)
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


class Border(Function):
    """The identity on several tensors, whose gradients `seen(grads)` sees, and may replace."""

    @staticmethod
    def forward(ctx: Any, seen: Callable, *tensors: Tensor) -> Any:
        ctx.seen = seen
        ctx.set_materialize_grads(False)
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None, *ctx.seen(grads)


class Watch:
    """One call of a module with backward hooks: both borders, and what is known between them."""

    def __init__(self, module: Any):
        self.module = module
        self.grad_output: tuple = ()
        self.given = 0  # how many arguments there were
        self.places: list[int] = []  # which of them have gradients

    def enter(self, args: tuple) -> tuple:
        """The arguments, having crossed the border."""
        self.given, self.places = len(args), places_of_gradients(args)
        return cross(args, self.places, self.inputs_seen)

    def leave(self, output: Any) -> Any:
        """The output, having crossed the border."""
        several = isinstance(output, tuple)
        outputs = output if several else (output,)
        places = places_of_gradients(outputs)
        self.outputs, self.returned = places, len(outputs)
        outputs = cross(outputs, places, self.outputs_seen)
        return outputs if several else outputs[0]

    def outputs_seen(self, grads: tuple) -> Sequence:
        """The gradients of the outputs are known: the pre-hooks' turn."""
        found = spread(grads, self.outputs, self.returned)
        for hook in list(self.module._backward_pre_hooks):
            found = replaced_by(hook.function(self.module, found), found)
        self.grad_output = found
        if not self.places:  # nothing will arrive at the inputs
            self.inputs_seen(())
        return [found[i] for i in self.outputs]

    def inputs_seen(self, grads: tuple) -> Sequence:
        """The gradients of the inputs are known: the hooks' turn."""
        found = spread(grads, self.places, self.given)
        for hook in list(self.module._backward_hooks):
            found = replaced_by(hook.function(self.module, found, self.grad_output), found)
        return [found[i] for i in self.places]


def places_of_gradients(values: tuple) -> list[int]:
    """The positions of the tensors that require a gradient."""
    return [i for i, x in enumerate(values) if isinstance(x, Tensor) and x.requires_grad]


def cross(values: tuple, places: list[int], seen: Callable) -> tuple:
    """`values`, those at `places` put through a Border."""
    if not places:
        return values
    crossed = dict(zip(places, Border.apply(seen, *[values[i] for i in places]), strict=True))
    return tuple(crossed.get(i, x) for i, x in enumerate(values))


def spread(grads: Sequence, places: list[int], size: int) -> tuple:
    """`grads` at their places in a tuple of `size`, None elsewhere."""
    found = dict(zip(places, grads, strict=True))
    return tuple(found.get(i) for i in range(size))
