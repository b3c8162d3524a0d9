"""`torch.func`: transformations of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import andon
from andon.autograd import functional
from andon.autograd import grad as gradient
from andon.nn import Module


def grad(function: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """The function that gives d function / d argument."""

    def transformed(*args: Any, **kwargs: Any) -> Any:
        return grad_and_value(function, argnums, has_aux)(*args, **kwargs)[0]

    return transformed


def grad_and_value(function: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """The function that gives (gradient, value)."""

    def transformed(*args: Any, **kwargs: Any) -> Any:
        numbers = argnums if isinstance(argnums, tuple) else (argnums,)
        args_list = list(args)
        with andon.enable_grad():
            for i in numbers:
                args_list[i] = map_tree(on_tape, args[i])
            result = function(*args_list, **kwargs)
            value = result[0] if has_aux else result
            leaves = [x for i in numbers for x in tree_leaves(args_list[i])]
            found = iter(gradient(value, leaves, create_graph=True, materialize_grads=True))
        grads = tuple(map_tree(lambda _: next(found), args_list[i]) for i in numbers)
        return (grads if isinstance(argnums, tuple) else grads[0]), result

    return transformed


def on_tape(x: Any) -> Any:
    return x if x.requires_grad else x.detach().requires_grad_()


def map_tree(f: Callable, tree: Any) -> Any:
    """`f` of every tensor in nested dicts, lists and tuples."""
    if isinstance(tree, dict):
        return {k: map_tree(f, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(map_tree(f, v) for v in tree)
    return f(tree)


def tree_leaves(tree: Any) -> list:
    found: list = []
    map_tree(found.append, tree)
    return found


def vmap(function: Callable, in_dims: Any = 0, out_dims: Any = 0) -> Callable:
    """The function over a batch, one element after the other."""

    def batched(*args: Any) -> Any:
        dims = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(args)
        sizes = [a.shape[d] for a, d in zip(args, dims, strict=True) if d is not None]
        results = [
            function(*(a if d is None else a.select(d, i) for a, d in zip(args, dims, strict=True)))
            for i in range(sizes[0])
        ]
        if isinstance(results[0], tuple):
            return tuple(andon.stack(list(part), out_dims) for part in zip(*results, strict=True))
        return andon.stack(results, out_dims)

    return batched


def jacrev(function: Callable, argnums: int = 0) -> Callable:
    """The function that gives the Jacobian."""

    def transformed(*args: Any) -> Any:
        def of_one(x: Any) -> Any:
            return function(*args[:argnums], x, *args[argnums + 1 :])

        return functional.jacobian(of_one, args[argnums], create_graph=args[argnums].requires_grad)

    return transformed


jacfwd = jacrev


def hessian(function: Callable, argnums: int = 0) -> Callable:
    """The function that gives the Hessian."""

    def transformed(*args: Any) -> Any:
        def of_one(x: Any) -> Any:
            return function(*args[:argnums], x, *args[argnums + 1 :])

        return functional.hessian(of_one, args[argnums])

    return transformed


def functional_call(module: Module, parameters: dict, args: Any = (), kwargs: Any = None) -> Any:
    """Call `module` with other tensors in place of its parameters and buffers."""
    owners = {}
    for name in parameters:
        path, _, leaf = name.rpartition(".")
        owners[name] = (module.get_submodule(path), leaf)
    before = {}
    try:
        for name, tensor in parameters.items():
            owner, leaf = owners[name]
            store = owner._parameters if leaf in owner._parameters else owner._buffers
            before[name] = (store, leaf, store[leaf])
            store[leaf] = tensor
        args = args if isinstance(args, tuple) else (args,)
        return module(*args, **(kwargs or {}))
    finally:
        for store, leaf, tensor in before.values():
            store[leaf] = tensor
