"""Constants: what is known before the program runs is computed once.

A constant array whose elements are all one number is kept as `expand` of that number, or as the
number itself where the op takes one; so it needs no memory, and loops need not read it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.op import Op, item
from ..ops.movement import cast, expand
from .ir import Graph, Symbol, constant, run_value
from .record import emit
from .rewrite import rewrite

DEEPEST = 64  # values that a constant is looked for in
SMALL = 1024  # elements that a folded constant may have in any case
JOINS = {"cat", "stack", "logsumexp"}  # ops that promote their operands and are not elementwise
TAKE_NUMBERS = {
    *("add", "sub", "mul", "div", "pow", "remainder", "floor_divide", "fmod", "where"),
    *("maximum", "minimum", "fmax", "fmin", "clamp_min", "clamp_max"),
    *("eq", "ne", "gt", "ge", "lt", "le", "logical_and", "logical_or"),
}


def fold_constants(graph: Graph) -> Graph:
    """Values that are made of constants become constants, if that takes no more memory."""
    return rewrite(graph, fold)


def fold(value: Symbol) -> Any:
    """The constant that `value` is, or `value` with numbers for its uniform operands."""
    op: Any = value.op
    if op is None:
        return uniform_constant(value)
    if op.name == "zeros":
        number = constant(np.zeros((), value.dtype))
        return expand.apply(number, shape=value.shape) if value.shape else number
    if op is item or op is expand or op.name.startswith("random"):
        return None
    if is_elementwise(op) and all(number_of(x) is not None for x in value.inputs):
        return fold_uniform(value)
    if all(x.const is not None for x in value.operands) and is_small(value):
        return computed(value)
    return with_numbers(value) if op.name in TAKE_NUMBERS else None


def is_elementwise(op: Op) -> bool:
    return op is cast or (op.promote is not None and op.name not in JOINS)


def number_of(x: Any) -> Any:
    """The one number that all elements of x are: a Python number or a constant without dims."""
    if not isinstance(x, Symbol):
        return x
    if x.op is expand:
        x = x.inputs[0]
    return x if x.const is not None and x.const.ndim == 0 else None


def uniform_constant(value: Symbol) -> Symbol | None:
    """A constant of equal elements as `expand` of one."""
    array = value.const
    if array is None or array.size < 2:
        return None
    first = array.reshape(-1)[:1]
    if array.flags.c_contiguous and array.reshape(-1)[-1:].tobytes() != first.tobytes():
        return None
    if not (array == first[0]).all() or (first[0] == 0 and np.signbit(array).any()):
        return None
    return expand.apply(constant(first.reshape(())), shape=array.shape)


def fold_uniform(value: Symbol) -> Symbol:
    """An elementwise op on numbers: once, not for each element."""
    numbers = tuple(map(number_of, value.inputs))
    one = Symbol(value.op, numbers, value.attrs, (), value.dtype)
    found = computed(one)
    return expand.apply(found, shape=value.shape) if value.shape else found


def is_small(value: Symbol) -> bool:
    """Whether the result has few elements, or no more than what it is made of."""
    if not value.operands:
        return False
    shapes = value.shape if isinstance(value.dtype, tuple) else (value.shape,)
    most = max(math.prod(x.shape) for x in value.operands)
    return sum(map(math.prod, shapes)) <= max(most, SMALL)


def computed(value: Symbol) -> Any:
    """The constant that an op makes of constants; a tuple of them, of an op with several."""
    known = {x: x.const for x in value.operands}
    with np.errstate(all="ignore"):
        found = run_value(value, known)
    if isinstance(value.dtype, tuple):
        return tuple(constant(np.asarray(y)) for y in found)
    return constant(np.asarray(found, value.dtype))


def elements(value: Symbol) -> np.ndarray | None:
    """The elements of a value that is made of constants alone; None of any other."""
    seen, stack = {value}, [value]
    while stack:
        x = stack.pop()
        if (x.op is None and x.const is None) or len(seen) > DEEPEST:
            return None
        stack += [y for y in x.operands if y not in seen]
        seen.update(x.operands)
    (found,) = Graph([], [value]).run()
    return found


def with_numbers(value: Symbol) -> Symbol | None:
    """`value` with Python numbers in place of uniform operands, if that gives the same spec."""
    inputs = tuple(map(python_number, value.inputs))
    if all(a is b for a, b in zip(inputs, value.inputs, strict=True)):
        return None
    if not any(isinstance(x, Symbol) for x in inputs):
        return None
    if value.op.name == "where" and not isinstance(inputs[0], Symbol):
        return None
    if broadcast(inputs) != value.shape:
        return None
    found = emit(value.op, inputs, value.attrs, value.line)
    return found if found.spec == value.spec else None


def broadcast(inputs: tuple) -> tuple[int, ...]:
    return np.broadcast_shapes(*(x.shape for x in inputs if isinstance(x, Symbol)))


def python_number(x: Any) -> Any:
    """x as a Python number, if all its elements are one number."""
    known = number_of(x)
    if not isinstance(known, Symbol):
        return x
    const: Any = known.const
    return const.item() if const.dtype.kind in "biuf" else float(const)
