"""Transformations of functions: their gradients, Jacobians, and themselves over a batch.

>>> import andon
>>> from andon.func import grad
>>> grad(lambda x: x**3)(andon.tensor(2.0))
tensor(12.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .autograd import functional
from .autograd import grad as gradient
from .core.errors import MissingNameError, ShapeError
from .core.mode import enable_grad, is_grad_enabled
from .core.op import ancestors
from .nn import Module
from .ops.join import stack
from .tensor.tensor import Tensor


def grad(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """The function that gives d function / d argument; with `has_aux`, and what it adds."""

    def transformed(*args: Any, **kwargs: Any) -> Any:
        found, result = grad_and_value(func, argnums, has_aux)(*args, **kwargs)
        return (found, result[1]) if has_aux else found

    return transformed


def grad_and_value(func: Callable, argnums: Any = 0, has_aux: bool = False) -> Callable:
    """The function that gives (gradient, value)."""

    def transformed(*args: Any, **kwargs: Any) -> Any:
        numbers = argnums if isinstance(argnums, tuple) else (argnums,)
        given = list(args)
        for i in numbers:
            given[i] = map_tree(on_tape, args[i])
        leaves = [x for i in numbers for x in tree_leaves(given[i])]
        with enable_grad():
            result = func(*given, **kwargs)
            value = result[0] if has_aux else result
            grads = gradient(value, leaves, create_graph=True, materialize_grads=True)
        if not rests_on_others(value, leaves, args):
            grads, result = tuple(g.detach() for g in grads), map_tree(Tensor.detach, result)
        found = iter(grads)
        trees = tuple(map_tree(lambda _: next(found), given[i]) for i in numbers)
        return (trees if isinstance(argnums, tuple) else trees[0]), result

    return transformed


def rests_on_others(value: Tensor, leaves: list, args: tuple) -> bool:
    """Whether anything but the leaves made here can be differentiated: then the tape is kept."""
    node = value.current()
    if not is_grad_enabled() or node is None:
        return False
    before = {id(x) for x in tree_leaves(list(args))}
    own = {x.current() for x in leaves if id(x) not in before}
    return any(node.op is None and node not in own for node in ancestors([node]))


def on_tape(x: Any) -> Any:
    return x if x.requires_grad else x.detach().requires_grad_()


def map_tree(f: Callable, tree: Any) -> Any:
    """`f` of every tensor in nested dicts, lists and tuples; other things stay as they are."""
    if isinstance(tree, dict):
        return {k: map_tree(f, v) for k, v in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(map_tree(f, v) for v in tree)
    return f(tree) if isinstance(tree, Tensor) else tree


def tree_leaves(tree: Any) -> list:
    found: list = []
    map_tree(found.append, tree)
    return found


def vmap(
    func: Callable, in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable:  # fmt: skip
    """The function over a batch, one element after the other.

    `in_dims` says along which dim each argument (a tensor, or a tree of them) is batched, and
    `out_dims` where the batch is in the results; None is for what is not batched.
    """

    def batched(*args: Any, **kwargs: Any) -> Any:
        dims = in_dims if isinstance(in_dims, tuple) else (in_dims,) * len(args)
        if len(dims) != len(args):
            raise ShapeError(f"vmap: a dim per argument expected: {in_dims} for {len(args)}")
        pairs = list(zip(args, dims, strict=True))
        sizes = {x.shape[d] for a, d in pairs if d is not None for x in tree_leaves(a)}
        if len(sizes) != 1:
            raise ShapeError(f"vmap: one size of batches expected: {sorted(sizes)}")
        results = [
            func(*(a if d is None else map_tree(at(d, i), a) for a, d in pairs), **kwargs)
            for i in range(sizes.pop())
        ]
        if isinstance(results[0], tuple) and isinstance(out_dims, tuple):
            columns = zip(zip(*results, strict=True), out_dims, strict=True)
            return tuple(stack_trees(list(column), d) for column, d in columns)
        return stack_trees(results, out_dims)

    return batched


def at(dim: int, i: int) -> Callable:
    return lambda x: x.select(dim, i)


def stack_trees(trees: list, dim: Any) -> Any:
    """Trees of one form as a tree of stacked tensors."""
    if dim is None:
        return trees[0]
    rows = [iter(tree_leaves(tree)) for tree in trees]
    return map_tree(lambda _: stack([next(row) for row in rows], dim), trees[0])


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> tuple:
    """f(x), and the function that takes g to gᵀ ∂f / ∂x; with `has_aux`, and what f adds."""
    leaves = [map_tree(on_tape, x) for x in primals]
    with enable_grad():
        result = func(*leaves)
    value = result[0] if has_aux else result
    xs = tree_leaves(leaves)

    def pull(*grads: Any, retain_graph: bool = True, create_graph: bool = False) -> Any:
        options = {"retain_graph": retain_graph, "create_graph": create_graph}
        found = iter(gradient(tree_leaves(value), xs, tree_leaves(list(grads)),
                              materialize_grads=True, **options))  # fmt: skip
        return tuple(map_tree(lambda _: next(found), x) for x in leaves)

    shown = map_tree(Tensor.detach, value)
    return (shown, pull, result[1]) if has_aux else (shown, pull)


def jvp(func: Callable, primals: tuple, tangents: tuple) -> tuple:
    """f(x) and ∂f / ∂x · v."""
    return functional.jvp(func, tuple(primals), tuple(tangents))


def stack_module_state(models: Sequence[Module]) -> tuple[dict, dict]:
    """The parameters and the buffers of several alike models, stacked by name, for `vmap`."""

    def stacked(named: Callable, learned: bool) -> dict:
        rows = [dict(named(model)) for model in models]
        made = {k: stack([row[k].detach() for row in rows], 0) for k in rows[0]}
        return {k: x.requires_grad_(learned) for k, x in made.items()}

    return (
        stacked(Module.named_parameters, learned=True),
        stacked(Module.named_buffers, learned=False),
    )


def jacrev(func: Callable, argnums: int = 0) -> Callable:
    """The function that gives the Jacobian."""

    def transformed(*args: Any) -> Any:
        def of_one(x: Any) -> Any:
            return func(*args[:argnums], x, *args[argnums + 1 :])

        return functional.jacobian(of_one, args[argnums], create_graph=args[argnums].requires_grad)

    return transformed


jacfwd = jacrev


def hessian(func: Callable, argnums: int = 0) -> Callable:
    """The function that gives the Hessian."""

    def transformed(*args: Any) -> Any:
        def of_one(x: Any) -> Any:
            return func(*args[:argnums], x, *args[argnums + 1 :])

        return functional.hessian(of_one, args[argnums])

    return transformed


def functional_call(module: Module, parameters: Any, args: Any = (), kwargs: Any = None) -> Any:
    """Call `module` with other tensors in place of its parameters and buffers.

    They are in a dict by their names, or in several.
    """
    if isinstance(parameters, (tuple, list)):
        parameters = {name: x for part in parameters for name, x in part.items()}
    owners = {}
    for name in parameters:
        path, _, leaf = name.rpartition(".")
        owners[name] = (module.get_submodule(path), leaf)
    before = {}
    try:
        for name, tensor in parameters.items():
            owner, leaf = owners[name]
            store = owner._parameters if leaf in owner._parameters else owner._buffers
            if leaf not in store:
                raise MissingNameError(f"functional_call: the module has no {name!r}")
            before[name] = (store, leaf, store[leaf])
            store[leaf] = tensor
        args = args if isinstance(args, tuple) else (args,)
        return module(*args, **(kwargs or {}))
    finally:
        for store, leaf, tensor in before.values():
            store[leaf] = tensor
