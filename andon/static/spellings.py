"""andon's functions on graph values, and TensorFlow's names for some of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from ..core.dtype import DType
from ..core.errors import MissingNameError
from ..core.op import Op
from . import tensorflow
from .define import StaticValue, deferred

TENSORFLOW = {
    "multiply": "mul", "subtract": "sub", "divide": "div", "negative": "neg",
    "reduce_sum": "sum", "reduce_mean": "mean", "reduce_max": "amax", "reduce_min": "amin",
    "reduce_prod": "prod", "reduce_logsumexp": "logsumexp", "reduce_any": "any",
    "reduce_all": "all", "concat": "cat", "expand_dims": "unsqueeze", "equal": "eq",
    "not_equal": "ne", "fill": "full", "range": "arange", "log_sigmoid": "logsigmoid",
}  # fmt: skip
ADDED = ("cast", "identity", "stop_gradient", "transpose", "one_hot", "add_n", "clip_by_value",
         "random_normal", "random_uniform", "truncated_normal")  # fmt: skip
ADDED_TO_NN = ("bias_add", "l2_loss", "softmax_cross_entropy_with_logits",
               "sparse_softmax_cross_entropy_with_logits",
               "sigmoid_cross_entropy_with_logits")  # fmt: skip


def deferred_function(name: str) -> Any:
    """andon's function of that name, which adds a value to the default graph; or its dtype."""
    if name in ADDED:
        return defer(getattr(tensorflow, name), name)
    found = getattr(importlib.import_module("andon"), TENSORFLOW.get(name, name), None)
    if isinstance(found, DType):
        return found
    return defer(found, name) if isinstance(found, Op) or callable(found) else None


def defer(function: Any, name: str) -> Callable[..., StaticValue]:
    def apply(*inputs: Any, **attrs: Any) -> StaticValue:
        own = attrs.pop("name", None)
        return deferred(function, inputs, renamed(attrs), own or name)

    apply.__name__ = name
    apply.__doc__ = function.__doc__
    return apply


def renamed(attrs: dict[str, Any]) -> dict[str, Any]:
    """TensorFlow's keywords in andon's words."""
    names = {"axis": "dim", "keepdims": "keepdim"}
    return {names.get(key, key): value for key, value in attrs.items()}


class Functional:
    """The functions of andon.nn.functional, on graph values."""

    def __getattr__(self, name: str) -> Callable[..., StaticValue]:
        where: Any = importlib.import_module("andon.nn.functional")
        found = getattr(tensorflow if name in ADDED_TO_NN else where, name, None)
        if found is None:
            raise MissingNameError(f"andon.static.nn.{name}: andon has no such function")
        return defer(found, name)


nn = Functional()
