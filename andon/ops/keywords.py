"""What is common to PyTorch's signatures: NumPy's keywords, and tensors without dims."""

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
