"""andon: a deep-learning framework to read whole, with PyTorch's names.

>>> import andon
>>> x = andon.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])

Where to start reading: `scalar` (the idea, in 160 lines), `core/op` (what everything is made of),
`ops/arithmetic`, `tensor`, `autograd`, `nn`, `models/gpt`.
"""

import importlib
import math
import warnings

from .engine import op_kernels  # isort: skip (before the ops are defined, so that they take them)
from . import autograd, ops
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.dtype import (
    DType,
    bfloat16,
    bool_,
    can_cast,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    result_type,
    set_default_dtype,
    uint8,
)
from .core.errors import AndonError
from .ops import *
from .ops import special
from .tensor import *
from .tensor import Tensor
from .tensor import generator as random

__version__ = "0.1.0"

# NaN and inf are results like any other, as in PyTorch: NumPy need not warn of them
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"andon\.")

bool = bool_
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
dtype = DType
inf, nan, pi, e = math.inf, math.nan, math.pi, math.e
newaxis = None

# Loaded when first used, so that `import andon` stays quick
SUBMODULES = {
    "amp", "as_torch", "data", "distributions", "func", "graph", "importers", "linalg", "models",
    "nn", "optim", "scalar", "static", "text", "train",
}  # fmt: skip
FUNCTIONS = {
    "jit": "andon.engine.jit", "parse": "andon.graph.text",
    "export_c": "andon.engine.export", "profile": "andon.engine.profile",
    "load": "andon.serialization", "save": "andon.serialization",
}  # fmt: skip


def __getattr__(name):
    if name in SUBMODULES:
        return importlib.import_module(f"andon.{name}")
    if name in FUNCTIONS:
        return getattr(importlib.import_module(FUNCTIONS[name]), name)
    raise AttributeError(f"module 'andon' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *SUBMODULES, *FUNCTIONS})


def trace(function, *args, **kwargs):
    """The graph of what `function` does with these arguments: tensors, or Specs of them.

    Of a matrix, as PyTorch has it, the sum of its diagonal.
    """
    if isinstance(function, Tensor):
        return ops.diagonals.trace(function, *args, **kwargs)
    from .engine.jit import trace as recorded  # an import of its own: few programs record

    return recorded(function, *args, **kwargs)


def draw(value, format="svg", limit=2000):
    """The expression graph of a tensor or a scalar, with data and gradients, as a picture.

    Shows itself in a notebook; `.save("graph.svg")` or `.save("graph.png")` writes a file.
    """
    from .drawing import draw as drawn  # an import of its own: few programs draw

    return drawn(value, format, limit)
