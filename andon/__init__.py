"""andon: a deep-learning framework to read whole, with PyTorch's names.

>>> import andon
>>> x = andon.tensor([1.0, 2.0], requires_grad=True)
>>> (x * x).sum().backward()
>>> x.grad
tensor([2., 4.])
"""

from . import autograd
from .autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from .core.dtype import (
    bfloat16,
    bool_,
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
from .ops import *  # noqa: F403
from .tensor import *  # noqa: F403



def draw(value, format="svg", limit=2000):
    """The expression graph of a tensor or a scalar, with data and gradients, as a picture.

    Shows itself in a notebook; `.save("graph.svg")` or `.save("graph.png")` writes a file.
    """
    from .drawing import draw as drawn  # an import of its own: few programs draw

    return drawn(value, format, limit)


bool = bool_
half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
