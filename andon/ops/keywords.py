"""What is common to PyTorch's signatures: old keywords and NumPy's, and tensors without dims."""

from __future__ import annotations

import functools
from collections.abc import Callable

OTHER_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def numpy_keywords(call: Callable) -> Callable:
    """Decorator: `dim` and `keepdim` may also be called `axis` and `keepdims`."""

    @functools.wraps(call)
    def renamed(*args, **kwargs):
        if kwargs and not kwargs.keys().isdisjoint(OTHER_NAMES):
            for name in OTHER_NAMES.keys() & kwargs:
                if OTHER_NAMES[name] in kwargs:
                    raise TypeError(f"{call.__name__}: {name} is {OTHER_NAMES[name]}: got both")
                kwargs[OTHER_NAMES[name]] = kwargs.pop(name)
        return call(*args, **kwargs)

    return renamed


def reduction_of(size_average, reduce, reduction):
    """The reduction that PyTorch's old pair of options means, where either is given."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def old_reductions(place: int, *names: str) -> Callable:
    """Decorator: a loss also takes `size_average` and `reduce`, as it did before `reduction`.

    They stand at `place` among the arguments, followed by what else `names` lists.
    """
    names = names or ("size_average", "reduce", "reduction")

    def decorate(call: Callable) -> Callable:
        @functools.wraps(call)
        def loss(*args, **kwargs):
            if len(args) > place:
                kwargs.update(zip(names, args[place:], strict=False))
                args = args[:place]
            if "size_average" in kwargs or "reduce" in kwargs:
                old = kwargs.pop("size_average", None), kwargs.pop("reduce", None)
                kwargs["reduction"] = reduction_of(*old, kwargs.get("reduction", "mean"))
            return call(*args, **kwargs)

        return loss

    return decorate


def scalars_as_vectors(call: Callable) -> Callable:
    """Decorator: an x without dims counts as one of size 1, and the results lose that dim."""

    @functools.wraps(call)
    def lifted(x, *args, **kwargs):
        if x.ndim:
            return call(x, *args, **kwargs)
        result = call(x.reshape(1), *args, **kwargs)
        if isinstance(result, tuple):
            return type(result)(*(y.reshape(()) for y in result))
        return result.reshape(())

    return lifted
