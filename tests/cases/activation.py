"""Rows for andon/ops/activation.py and gated.py."""

import numpy as np

import andon
from cases import Case

HALF = ("float64", "float32", "float16", "bfloat16")
EDGES = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 100.0, -100.0, 3.0, -3.0])


def functional(t):
    """torch.nn.functional; andon's ops carry its names themselves."""
    return andon if t is andon else t.nn.functional


def call(name, *args, **kwargs):
    return lambda t, x: getattr(functional(t), name)(x, *args, **kwargs)


FUNCTIONS = {
    "relu": call("relu"), "relu6": call("relu6"), "leaky_relu": call("leaky_relu"),
    "leaky_relu with a slope": call("leaky_relu", 0.3), "hardtanh": call("hardtanh"),
    "hardtanh with limits": call("hardtanh", -0.4, 0.9), "hardsigmoid": call("hardsigmoid"),
    "hardswish": call("hardswish"), "threshold": call("threshold", 0.2, -7.0),
    "hardshrink": call("hardshrink"), "softshrink": call("softshrink", 0.3),
    "elu": call("elu"), "elu with alpha": call("elu", 1.7), "celu": call("celu", 0.6),
    "selu": call("selu"), "softplus": call("softplus"),
    "softplus with beta and threshold": call("softplus", 3.0, 4.0),
    "logsigmoid": call("logsigmoid"), "mish": call("mish"), "softsign": call("softsign"),
    "tanhshrink": call("tanhshrink"), "silu": call("silu"), "gelu": call("gelu"),
    "gelu by tanh": call("gelu", approximate="tanh"), "sigmoid": call("sigmoid"),
}  # fmt: skip

ONCE = ("hardsigmoid",)  # torch has no second derivative of these

CASES = [
    *[Case(f"activation {name}", f, [(5, 8)], -4, 4, dtypes=HALF, second=name not in ONCE)
      for name, f in FUNCTIONS.items()],
    *[Case(f"activation {name} at the edges", f, [EDGES], grad=False)
      for name, f in FUNCTIONS.items() if name != "gelu"],
    Case("gelu of 0-dim", FUNCTIONS["gelu"], [()]),
    Case("gelu of nothing", FUNCTIONS["gelu by tanh"], [(0, 4)]),
    Case("gelu of a transposed operand", lambda t, x: functional(t).gelu(x.transpose(0, 1)),
         [(3, 4)]),
    Case("silu of many blocks", FUNCTIONS["silu"], [(300, 250)], second=False),
    Case("gelu of many blocks", FUNCTIONS["gelu"], [(300, 250)], second=False),
    Case("gelu by tanh of many blocks", FUNCTIONS["gelu by tanh"], [(300, 250)], second=False),
    Case("relu of integers", FUNCTIONS["relu"], [np.array([-1, 0, 2])], grad=False),
    Case("prelu with one weight", lambda t, x, w: functional(t).prelu(x, w), [(3, 4), (1,)]),
    Case("prelu with a weight per channel", lambda t, x, w: functional(t).prelu(x, w),
         [(2, 3, 2, 2), (3,)]),
    Case("glu", lambda t, x: functional(t).glu(x), [(3, 8)]),
    Case("glu over the first dim", lambda t, x: functional(t).glu(x, 0), [(4, 3)]),
]  # fmt: skip
