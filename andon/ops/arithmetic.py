"""Arithmetic, comparison and selection, element by element.

Operands broadcast and are promoted by PyTorch's rules before a reference sees them; the engine
sums each gradient back to its operand's shape, so no rule here mentions shapes or dtypes.
"""

from __future__ import annotations

import numpy as np

from ..core.dtype import bool_
from ..core.errors import DTypeError
from ..core.op import elementwise, to_common_dtype, to_floating


@elementwise(c="{0} + {1}", grad=(lambda g: g, lambda g: g))
def add(a, b):
    """a + b."""
    return a + b


@add.signature
def add_call(a, b, *, alpha=1):
    return add.apply(a, b if alpha == 1 else b * alpha)


@elementwise(c="{0} - {1}", grad=(lambda g: g, lambda g: -g))
def sub(a, b):
    """a - b. Not defined for booleans."""
    return np.subtract(a, b)


@sub.signature
def sub_call(a, b, *, alpha=1):
    return sub.apply(a, b if alpha == 1 else b * alpha)


@elementwise(c="{0} * {1}", grad=(lambda g, b: g * b, lambda g, a: g * a))
def mul(a, b):
    """a * b."""
    return a * b


@elementwise(
    c="{0} / {1}", grad=(lambda g, b: g / b, lambda g, y, b: -g * y / b), promote=to_floating
)
def div(a, b):
    """a / b. Integers are divided as floats."""
    return np.divide(a, b)


@div.signature
def div_call(a, b, *, rounding_mode=None):
    if rounding_mode is None:
        return div.apply(a, b)
    if rounding_mode == "floor":
        return floor_divide(a, b)
    if rounding_mode == "trunc":
        return trunc_divide(a, b)
    raise ValueError(f"div: rounding_mode must be None, 'floor' or 'trunc': {rounding_mode!r}")


@elementwise(c="floor({0} / {1})")
def floor_divide(a, b):
    """⌊a / b⌋. An integer division by zero raises."""
    check_integer_divisor(b, "floor_divide")
    return np.floor_divide(a, b)


@elementwise(c="trunc({0} / {1})")
def trunc_divide(a, b):
    """a / b rounded toward zero."""
    if np.result_type(a, b).kind in "iu":
        check_integer_divisor(b, "trunc_divide")
        return np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
    return np.trunc(np.divide(a, b))


@elementwise(
    c="({0} - {1} * floor({0} / {1}))",
    grad=(lambda g: g, lambda g, a, b: -g * floor_divide(a, b)),
)
def remainder(a, b):
    """a - b ⌊a / b⌋: the sign of the divisor, as Python's %."""
    check_integer_divisor(b, "remainder")
    return np.remainder(a, b)


@elementwise(
    c="fmod({0}, {1})",
    grad=(lambda g: g, lambda g, a, b: -g * trunc_divide(a, b)),
)
def fmod(a, b):
    """a - b trunc(a / b): the sign of the dividend, as C's fmod."""
    check_integer_divisor(b, "fmod")
    return np.fmod(a, b)


def check_integer_divisor(b, name: str) -> None:
    """NumPy only warns of an integer division by zero; PyTorch raises, and so do we."""
    b = np.asarray(b)
    if b.dtype.kind in "iu" and not b.all():
        raise ZeroDivisionError(f"{name}: integer division by zero")


@elementwise(c="-{0}", grad=lambda g: -g)
def neg(x):
    """-x. Not defined for booleans."""
    return np.negative(x)


@elementwise(c="fabs({0})", grad=lambda g, x: g * sign(x))
def abs(x):
    """|x|. Its gradient at 0 is taken to be 0."""
    return np.abs(x)


@elementwise(c="(({0} > 0) - ({0} < 0))", grad=lambda g: g * 0.0)
def sign(x):
    """-1, 0 or 1. Flat, so its gradient is 0."""
    return np.sign(x) if np.asarray(x).dtype.kind != "b" else x


@elementwise(
    c="pow({0}, {1})",
    grad=(
        lambda g, a, b: g * pow_slope(a, b),
        lambda g, y, a: g * where(equal(y, 0), 0.0, y * log_or_zero(a)),
    ),
)
def pow(a, b):
    """a to the power b. Integers to negative powers raise an error."""
    if np.result_type(a, b).kind in "iu" and np.any(np.asarray(b) < 0):
        raise DTypeError(f"pow: integers to negative powers are not integers: exponent {b}")
    return np.power(a, b)


def pow_slope(a, b):
    """b a^(b-1), and 0 where b is 0: 0 · 0^-1 would be NaN there."""
    if isinstance(b, (int, float)):
        if b == 2:
            return a * 2
        return b * pow(a, b - 1) if b != 0 else a * 0.0
    return where(equal(b, 0), 0.0, b * pow(a, b - 1))


def log_or_zero(a):
    """log a where a > 0, else 0: there y log a tends to 0, or is not real."""
    positive = greater(a, 0)
    return where(positive, log(where(positive, a, 1.0)), 0.0)


@elementwise(c="log({0})", grad=lambda g, x: g / x, promote=to_floating)
def log(x):
    """The natural logarithm."""
    return np.log(x)


@elementwise(
    c="({0} > {1} ? {0} : {1})",
    grad=(
        lambda g, a, b: g * share(greater(a, b), equal(a, b)),
        lambda g, a, b: g * share(greater(b, a), equal(a, b)),
    ),
)
def maximum(a, b):
    """The larger of a and b; NaN where either is. Equal operands share the gradient."""
    return np.maximum(a, b)


@elementwise(
    c="({0} < {1} ? {0} : {1})",
    grad=(
        lambda g, a, b: g * share(less(a, b), equal(a, b)),
        lambda g, a, b: g * share(less(b, a), equal(a, b)),
    ),
)
def minimum(a, b):
    """The smaller of a and b; NaN where either is. Equal operands share the gradient."""
    return np.minimum(a, b)


def share(wins, ties):
    """1 for the winner, 1/2 each for a tie, 0 for the loser."""
    return where(ties, 0.5, where(wins, 1.0, 0.0))


@elementwise(c="{0} == {1}", result=bool_)
def equal(a, b):
    """a = b, element by element (PyTorch's `eq`)."""
    return np.equal(a, b)


@elementwise(c="{0} != {1}", result=bool_)
def not_equal(a, b):
    """a ≠ b."""
    return np.not_equal(a, b)


@elementwise(c="{0} > {1}", result=bool_)
def greater(a, b):
    """a > b."""
    return np.greater(a, b)


@elementwise(c="{0} >= {1}", result=bool_)
def greater_equal(a, b):
    """a ≥ b."""
    return np.greater_equal(a, b)


@elementwise(c="{0} < {1}", result=bool_)
def less(a, b):
    """a < b."""
    return np.less(a, b)


@elementwise(c="{0} <= {1}", result=bool_)
def less_equal(a, b):
    """a ≤ b."""
    return np.less_equal(a, b)


def promote_choices(inputs: tuple) -> tuple:
    """Promote what `where` chooses from, and leave its condition alone."""
    return (inputs[0], *to_common_dtype(inputs[1:]))


@elementwise(
    c="({0} ? {1} : {2})",
    grad=(None, lambda g, condition: where(condition, g, 0.0),
          lambda g, condition: where(condition, 0.0, g)),
    promote=promote_choices,
)  # fmt: skip
def where(condition, a, b):
    """a where the condition holds, else b."""
    return np.where(condition, a, b)
