"""Traced arrays: they stand in for NumPy's while a program is recorded.

A `Traced` has the shape, dtype and strides of an array, and instead of elements the symbol that
says how they are computed. It follows NumPy's rules of memory: what is written to a view shows in
its root, and in the root's other views. So code that changes arrays in place becomes a graph, in
which nothing does.

Code written for NumPy itself is recorded too: a Traced answers NumPy's functions by
`__array_ufunc__` and `__array_function__`. What needs the elements raises GraphError.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.dtype import dtype
from ..core.errors import GraphError, UnknownSizeError
from ..core.op import Op, Symbolic, interpreters, using
from ..core.spec import Spec
from ..ops import arithmetic, elementwise, extremes, index, largest, logic, movement, reduce
from ..ops.index import Recipe, write
from ..ops.linalg import matmul
from ..ops.movement import cast, expand, permute, reshape
from .ir import Symbol, constant
from .record import record

ADVICE = "return it, or compute with tensors (andon.where for a choice)"


class Traced(Symbolic):
    """An array that records what is done to it.

    phantom   an array of the same shape, dtype and strides, whose elements are never read; made
              when it is asked for, since most traced arrays are not looked at so closely
    root      what this is a view of, and the `step` that leads from there to here; or None
    """

    __slots__ = ("__weakref__", "_phantom", "_symbol", "dtype", "root", "seen", "shape", "step")
    __array_priority__ = 2000

    def __init__(
        self,
        phantom: np.ndarray | None,
        symbol: Symbol | None = None,
        root: Traced | None = None,
        step: tuple[Op, dict, int | None] | None = None,
    ):
        self._phantom, self.root, self.step = phantom, root, step
        known: Any = symbol if phantom is None else phantom
        self.shape, self.dtype = tuple(known.shape), known.dtype
        self._symbol, self.seen = symbol, root.symbol if root is not None else None

    @property
    def phantom(self) -> np.ndarray:
        if self._phantom is None:
            self._phantom = np.empty(self.shape, self.dtype)
        return self._phantom

    @property
    def symbol(self) -> Symbol:
        """What the elements are by now."""
        if self.root is not None and self.root.symbol is not self.seen:
            op, attrs, output = self.step  # type: ignore[misc]
            self.seen = self.root.symbol
            found = record(op, (self.seen,), attrs)
            self._symbol = found if output is None else found[output]
        return self._symbol  # type: ignore[return-value]

    def assign(self, values: Any) -> None:
        """self[...] = values, broadcast and cast."""
        if self._phantom is not None and not self._phantom.flags.writeable:
            raise GraphError(f"in-place: this array cannot be written to: {self.spec}")
        new = self.fitted(values)
        if self.root is None:
            self._symbol = new
            return
        op, attrs, output = self.step  # type: ignore[misc]
        self.root.assign(written(self.root.symbol, new, op, attrs, output))
        self._symbol, self.seen = new, self.root.symbol

    def fitted(self, values: Any) -> Symbol:
        """A symbol for `values` in the dtype and shape of this array."""
        symbol = symbol_of(values)
        if not isinstance(symbol, Symbol):
            symbol = constant(values)
        if symbol.dtype != self.dtype:
            symbol = record(cast, (symbol,), {"dtype": dtype(self.dtype)})
        if tuple(symbol.shape) != self.shape:
            symbol = record(expand, (symbol,), {"shape": self.shape})
        return symbol

    # What an array says of itself

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    strides = property(lambda self: self.phantom.strides)
    itemsize = property(lambda self: self.dtype.itemsize)
    nbytes = property(lambda self: self.size * self.dtype.itemsize)
    flags = property(lambda self: self.phantom.flags)
    ctypes = property(lambda self: self.phantom.ctypes)
    spec = property(lambda self: Spec(self.shape, dtype(self.dtype)))
    T = property(lambda self: apply(permute, self, dims=tuple(reversed(range(self.ndim)))))

    def __len__(self) -> int:
        return len(self.phantom)

    def __repr__(self) -> str:
        return f"<recorded {self.spec}>"

    # What an array does

    def copy(self, order: str = "C") -> Traced:
        return fresh(self.symbol)

    def astype(self, to: Any, copy: bool = True) -> Traced:
        same = np.dtype(to) == self.dtype
        if same:
            return self.copy() if copy else self
        return apply(cast, self, dtype=dtype(to))

    def reshape(self, *shape: Any) -> Traced:
        shape = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        full = np.empty(self.shape, np.bool_).reshape(shape).shape
        return apply(reshape, self, shape=full)

    def ravel(self) -> Traced:
        return self.reshape(self.size)

    def fill(self, value: Any) -> None:
        self.assign(value)

    def __getitem__(self, parts: Any) -> Traced:
        with using(interpret):
            return index.getitem(self, parts)

    def __setitem__(self, parts: Any, value: Any) -> None:
        self[parts].assign(value)

    # What an array knows and a recording most often does not

    def known(self) -> np.ndarray | None:
        """The elements, if they are the same at every call for which the recording holds."""
        recorder = interpreters.recorder
        return None if recorder is None else recorder.known(self.symbol)

    def elements(self) -> np.ndarray:
        """The elements, if they are known. Raises: GraphError if not."""
        found = self.known()
        if found is None:
            raise GraphError(
                "recording: the elements of a tensor are not known while a program is recorded, "
                f"so that Python cannot read or test them; {ADVICE}: {self.spec}"
            )
        return found

    # NumPy's functions

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        """What `np.add(x, y, out=z)` and its like do, recorded."""
        function = UFUNCS.get(ufunc)
        if function is None or method not in ("__call__", "reduce"):
            told = f"recording: NumPy's {ufunc.__name__}.{method} cannot be recorded"
            raise refused(GraphError(told))
        (out,) = options.pop("out", (None,))
        where = options.pop("where", True)
        if method == "reduce":
            result = reduce_with(ufunc, *inputs, **options)
        else:
            result = call(function, *inputs)
        return store(result, out, where)

    def __array_function__(self, function: Any, types: Any, args: tuple, kwargs: dict) -> Any:
        found = FUNCTIONS.get(function)
        if found is None:
            told = f"recording: NumPy's {function.__name__} cannot be recorded"
            raise refused(GraphError(told))
        return found(*args, **kwargs)


def refused(error: GraphError) -> GraphError:
    """The same error, which the recorder notes, should the program catch it."""
    recorder = interpreters.recorder
    if recorder is None:
        return GraphError(
            "recording: this tensor has no elements: it was kept from a recording, or another "
            "thread records a function that uses it, as the first call of a jitted function does"
        )
    recorder.refused = recorder.refused or error
    return error


def store(result: Any, out: Any, where: Any) -> Any:
    """The result, or `out` with the result written to where it is asked for."""
    if out is None:
        return result
    if where is not True:
        result = apply(logic.where, where, result, out)
    if not isinstance(out, Traced):
        raise GraphError(f"recording: a recorded value would be written to an array: {out.shape}")
    out.assign(result)
    return out


def symbol_of(x: Any) -> Any:
    """An operand of `record`: the symbol of a traced array; anything else as it is."""
    return x.symbol if isinstance(x, Traced) else x


def fresh(symbol: Symbol) -> Traced:
    """A traced array with memory of its own."""
    return Traced(None, symbol)


def apply(op: Op, *inputs: Any, **attrs: Any) -> Any:
    return interpret(op, inputs, attrs)


def interpret(op: Op, inputs: tuple, attrs: dict) -> Any:
    """The interpreter of arrays while a program is recorded. The result of a view op is a view."""
    if interpreters.recorder is None:
        raise refused(GraphError())
    try:
        found = record(op, tuple(map(symbol_of, inputs)), attrs)
    except UnknownSizeError:
        if (found := of_known(op, inputs, attrs)) is None:
            raise
    if op.view and isinstance(inputs[0], Traced):
        return view_of(inputs[0], op, attrs, found)
    return tuple(map(fresh, found)) if isinstance(found, tuple) else fresh(found)


def of_known(op: Op, inputs: tuple, attrs: dict) -> Any:
    """What an op makes of elements that are known, and so is its size then; or None."""
    known = [x.known() if isinstance(x, Traced) else x for x in inputs]
    if any(now is None and x is not None for now, x in zip(known, inputs, strict=True)):
        return None
    found = op.reference(*known, **attrs)
    return tuple(map(constant, found)) if isinstance(found, tuple) else constant(found)


def view_of(x: Traced, op: Op, attrs: dict, found: Any) -> Any:
    """Traced arrays on the memory of x, where NumPy's would be; copies elsewhere."""
    phantoms = phantom_view(op, x.phantom, attrs)
    if phantoms is None:
        return fresh(found)
    if not isinstance(found, tuple):
        return Traced(phantoms, found, x, (op, attrs, None))
    return tuple(
        Traced(phantom, symbol, x, (op, attrs, i))
        for i, (phantom, symbol) in enumerate(zip(phantoms, found, strict=True))
    )


def phantom_view(op: Op, phantom: np.ndarray, attrs: dict) -> Any:
    """The view of `phantom` that `op` gives; None if it would have to copy."""
    if op is reshape:
        try:
            return np.reshape(phantom, attrs["shape"], copy=False)
        except ValueError:
            return None
    return op.reference(phantom, **attrs)


def written(whole: Symbol, part: Symbol, op: Op, attrs: dict, output: int | None) -> Symbol:
    """`whole` after its view by `op` was made `part`."""
    if op is reshape:
        return record(reshape, (part,), {"shape": tuple(whole.shape)})
    if op is permute:
        dims = attrs["dims"]
        back = tuple(sorted(range(len(dims)), key=dims.__getitem__))
        return record(permute, (part,), {"dims": back})
    return record(write, (whole, part), {"recipe": Recipe([(op, attrs, output)])})


# NumPy's functions, as andon's ops say them

UFUNCS: dict[Any, Any] = {
    np.add: arithmetic.add, np.subtract: arithmetic.sub, np.multiply: arithmetic.mul,
    np.divide: arithmetic.div, np.negative: arithmetic.neg, np.power: arithmetic.pow,
    np.reciprocal: elementwise.reciprocal, np.sqrt: elementwise.sqrt, np.exp: elementwise.exp,
    np.log: elementwise.log, np.square: elementwise.square, np.tanh: elementwise.tanh,
    np.maximum: extremes.maximum, np.minimum: extremes.minimum, np.absolute: extremes.abs,
    np.sign: extremes.sign, np.matmul: matmul, np.greater: logic.gt, np.less: logic.lt,
    np.greater_equal: logic.ge, np.less_equal: logic.le, np.equal: logic.eq,
    np.not_equal: logic.ne, np.logical_and: logic.logical_and, np.logical_or: logic.logical_or,
    np.logical_not: logic.logical_not, np.isfinite: logic.isfinite, np.isnan: logic.isnan,
}  # fmt: skip


def call(op: Any, *inputs: Any) -> Any:
    """An op on arrays and numbers. A single number of NumPy's is no tensor here."""
    plain = [x.item() if isinstance(x, np.generic) else x for x in inputs]
    return interpret(op, tuple(plain), {})


def reduce_with(ufunc: Any, x: Any, axis: Any = 0, keepdims: bool = False, **_: Any) -> Any:
    ops = {np.add: reduce.sum, np.maximum: largest.amax, np.minimum: largest.amin}
    dims = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return apply(ops[ufunc], x, dim=tuple(d % x.ndim for d in dims), keepdim=keepdims)


def copyto(target: Any, source: Any, casting: str = "same_kind", where: Any = True) -> None:
    store(source, target, where)


def may_share_memory(a: Any, b: Any, max_work: Any = None) -> bool:
    """Whether two traced arrays are views of one root."""
    return isinstance(a, Traced) and isinstance(b, Traced) and root_of(a) is root_of(b)


def root_of(x: Traced) -> Traced:
    while x.root is not None:
        x = x.root
    return x


def norm(x: Any, ord: Any = None) -> Any:
    """The 2-norm of all elements."""
    if ord not in (None, 2):
        raise GraphError(f"recording: only the 2-norm of NumPy's can be recorded: {ord}")
    total = apply(reduce.sum, x * x, dim=tuple(range(x.ndim)), keepdim=False)
    return apply(elementwise.sqrt, total)


FUNCTIONS: dict[Any, Callable] = {
    np.copyto: copyto,
    np.may_share_memory: may_share_memory,
    np.shares_memory: may_share_memory,
    np.dot: lambda a, b: apply(matmul, a, b),
    np.linalg.norm: norm,
    np.where: lambda c, a, b: apply(logic.where, c, a, b),
    np.empty_like: lambda x, dtype=None: np.empty(x.shape, dtype or x.dtype),
    np.zeros_like: lambda x, dtype=None: np.zeros(x.shape, dtype or x.dtype),
    np.broadcast_to: lambda x, shape: apply(expand, x, shape=tuple(shape)),
    np.swapaxes: lambda x, a, b: movement.transpose(x, a, b),
    np.ndim: lambda x: x.ndim,
    np.shape: lambda x: x.shape,
    np.size: lambda x: math.prod(x.shape),
}


def reading(name: str) -> Callable:
    def method(self: Traced, *args: Any, **options: Any) -> Any:
        try:
            elements = self.elements()
        except GraphError as error:
            raise refused(error) from None
        return getattr(elements, name)(*args, **options)

    return method


def binary(op: Op, reflected: bool = False) -> Callable:
    def method(self: Traced, other: Any) -> Any:
        return call(op, other, self) if reflected else call(op, self, other)

    return method


def changing(op: Op) -> Callable:
    def method(self: Traced, other: Any) -> Traced:
        self.assign(call(op, self, other))
        return self

    return method


OPERATORS = {
    "add": arithmetic.add, "sub": arithmetic.sub, "mul": arithmetic.mul,
    "truediv": arithmetic.div, "pow": arithmetic.pow, "matmul": matmul,
    "floordiv": arithmetic.floor_divide, "mod": arithmetic.remainder,
    "and": logic.bitwise_and, "or": logic.bitwise_or, "xor": logic.bitwise_xor,
}  # fmt: skip
COMPARISONS = {
    "lt": logic.lt, "le": logic.le, "gt": logic.gt, "ge": logic.ge, "eq": logic.eq, "ne": logic.ne
}  # fmt: skip
READS = [
    "item", "tolist", "any", "all", "max", "min", "tobytes", "__array__", "__bool__", "__float__",
    "__int__", "__index__", "__iter__", "__contains__", "__dlpack__", "__format__", "__complex__",
]  # fmt: skip
for _name in READS:
    setattr(Traced, _name, reading(_name))
for _name, _op in OPERATORS.items():
    setattr(Traced, f"__{_name}__", binary(_op))
    setattr(Traced, f"__r{_name}__", binary(_op, reflected=True))
    setattr(Traced, f"__i{_name}__", changing(_op))
for _name, _op in COMPARISONS.items():
    setattr(Traced, f"__{_name}__", binary(_op))
for _name, _op in {"neg": arithmetic.neg, "abs": extremes.abs, "invert": logic.bitwise_not}.items():
    setattr(Traced, f"__{_name}__", lambda self, op=_op: call(op, self))
Traced.__hash__ = object.__hash__  # type: ignore[method-assign]
