"""The nouns that everything else is made of: Op and Value; and the one door, `apply`.

An `Op` says what an operation *means*: a NumPy reference, a shape rule, a gradient rule. Who
carries it out is decided by the interpreter in force: eagerly on tensors, as a node of a graph,
or (inside a backward pass) directly on arrays. So ops never know about any of them.

A `Value` is a result: the op that made it, and the values that it was made from. The autograd
tape and the graph are both nothing more than Values pointing at their inputs.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from functools import update_wrapper, wraps
from itertools import count
from operator import attrgetter
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import numpy as np

from .dtype import DType, dtype, dtype_of_number, result_type
from .errors import TRANSLATED, AndonError, translated
from .spec import Spec, broadcast_shapes

UNEXPLAINED = tuple(TRANSLATED)
Interpreter = Callable[["Op", tuple, dict], Any]


class Symbolic:
    """The base of what stands in for arrays while a program is recorded: see `graph/trace`."""

    __slots__ = ()

    if TYPE_CHECKING:  # what an array has

        def __getattr__(self, name: str) -> Any: ...


def known_elements(x: Any) -> Any:
    """The array of a tensor, or an array; None if it is recorded and could be another later."""
    array = x if isinstance(x, Symbolic) or not hasattr(x, "elements") else x.elements()
    return array.known() if isinstance(array, Symbolic) else array


class Interpreters(threading.local):
    """The interpreters in force, per thread.

    run      carries out the ops that code applies
    tensors  does so for tensors; hands their arrays on to `arrays`. `tensor` installs it
    arrays   does so for arrays: in force while a backward pass runs
    While a program is being recorded, `recorder` is what records it.
    """

    default: Interpreter
    run: Interpreter
    tensors: Interpreter
    arrays: Interpreter
    recorder: Any

    def __init__(self) -> None:
        self.run = self.tensors = Interpreters.default
        self.arrays = run_on_arrays
        self.recorder = None


def run_on_arrays(op: Op, inputs: tuple, attrs: dict) -> Any:
    """The interpreter of plain arrays: each op is its kernel. Backward passes run on it."""
    if op.promote is not None:
        inputs = op.promote(inputs)
    return op.kernel(*inputs, **attrs)


Interpreters.default = staticmethod(run_on_arrays)
interpreters = Interpreters()


def each_call(method: Callable) -> Callable:
    """Decorator for what Python does apart from tensors: recorded programs do it at each call."""

    @wraps(method)
    def now_and_later(*args: Any, **kwargs: Any) -> Any:
        if interpreters.recorder is None:
            return method(*args, **kwargs)
        return interpreters.recorder.effect(lambda: method(*args, **kwargs))

    return now_and_later


@contextmanager
def using(interpreter: Interpreter):
    """Put `interpreter` in force within the block."""
    before = interpreters.run
    interpreters.run = interpreter
    try:
        yield
    finally:
        interpreters.run = before


registry: dict[str, Op] = {}  # every op by its name, for graphs that are read from text
offers: dict[str, Callable] = {}  # by an op's name, what makes a faster kernel of the op


class Op:
    """One operation, described once, in one stanza.

    name, reference  the function under the decorator: NumPy, right for every dtype
    infer            shape rule: `(*specs, **attrs)` gives a Spec, or a tuple of them, or raises
    vjp              gradient rule: `(g, y, *inputs, **attrs)` gives a gradient per input
    partials         or, for elementwise ops, one rule per input, that names what it reads
    keeps            what `vjp` reads of `y` and the inputs; the tape frees the rest at once
    reads            what `partials` read, by the bit set of operands that need a gradient
    composite        the same meaning in simpler ops: what higher derivatives go through
    call             the signature that people write, where it is not the stanza's own
    promote          brings operands to a common dtype
    view             the result shares memory with the first input
    kernel           what runs on the CPU: the reference, until a device offers a faster one
    c                the scalar C expression, for the code generators
    """

    def __init__(self, reference: Callable, *, c: str | None = None, view: bool = False):
        update_wrapper(self, reference)
        self.name: str = reference.__name__
        self.reference = reference
        self.fast(reference)
        self.operands = operand_names(reference)
        self.infer: Callable | None = None
        self.vjp: Callable | None = None
        self.partials: tuple = ()
        self.keeps: tuple[int, ...] = ()
        self.needs = False
        self.composite: Callable | None = None
        self.promote: Callable | None = None
        self.call: Callable | None = None
        self.view, self.c = view, c
        self.reads: list[tuple[int, ...]] = []
        self.differentiable = False

    def __call__(self, *args, **kwargs):
        if "out" in kwargs:
            return kwargs.pop("out").hold(self(*args, **kwargs))
        if kwargs and not OPERANDS.keys().isdisjoint(kwargs):
            kwargs = in_own_names(self.call or self.reference, kwargs)
        if self.call is not None:
            try:
                return self.call(*args, **kwargs)
            except AndonError:
                raise
            except UNEXPLAINED as error:
                raise translated(error, self.name, described(args, kwargs)) from error
        if kwargs:  # operands may be given by keyword too
            rest = self.operands[len(args) :]
            args += tuple(kwargs.pop(name) for name in rest if name in kwargs)
        return interpreters.run(self, args, kwargs)

    def __get__(self, tensor: Any, owner: type | None = None) -> Any:
        """Ops are methods too: `sum = ops.sum` in a class makes `x.sum()` work."""
        return self if tensor is None else MethodType(self, tensor)

    def apply(self, *inputs, **attrs):
        """Apply the op as the stanza spells it: operands by position, attributes by keyword."""
        return interpreters.run(self, inputs, attrs)

    def spec(self, rule: Callable) -> Callable:
        """Decorator: `rule(*specs, **attrs)` infers the result's Spec or raises an error."""
        self.infer = rule
        return rule

    def grad(self, rule: Callable | None = None, *, keeps: Iterable[str] | None = None):
        """Decorator: `rule(g, y, *inputs, **attrs)` gives one gradient per input, or None.

        `keeps` names the operands (and "y") whose elements the rule reads; for the others
        it is handed Specs. "*" names the operands of a variadic op, and -k is slot k and all
        beyond. A rule with a parameter `needs` is told which gradients are wanted.
        """
        if rule is None:
            return lambda rule: self.grad(rule, keeps=keeps)
        slots = ("y", *self.operands)
        kept = sorted(map(slots.index, slots if keeps is None else keeps))
        self.keeps = tuple(-k if slots[k] == "*" else k for k in kept)
        self.vjp, self.needs = rule, "needs" in keyword_names(rule)
        self.differentiable = True
        return rule

    def fast(self, kernel: Callable) -> Callable:
        """Decorator: `kernel` computes what the reference does, sooner; an offer comes first."""
        offer = offers.get(self.name)
        self.kernel = offer(self, kernel) if offer else kernel
        return kernel

    def decompose(self, composite: Callable) -> Callable:
        """Decorator: `composite(*inputs, **attrs)` is the op written with simpler ops."""
        self.composite = composite
        return composite

    def signature(self, call: Callable) -> Callable:
        """Decorator: `call` is what people write; it ends in `op.apply(...)`."""
        self.call = call
        return call

    def __repr__(self) -> str:
        return self.name


# PyTorch's names of operands: what they may be called in the signatures here
OPERANDS = {"input": ("x", "a", "A", "s"), "other": ("b", "q")}


def in_own_names(function: Callable, kwargs: dict) -> dict:
    """Keywords with PyTorch's names of operands replaced by those that `function` has."""
    own = operand_names(function)

    def name(given: str) -> str:
        known = () if given in own else OPERANDS.get(given, ())
        return next((n for n in known if n in own), given)

    return {name(given): value for given, value in kwargs.items()}


def described(args: tuple, kwargs: dict) -> str:
    """What was given, for a message: the specs of tensors, the types of anything else."""
    given = (*args, *kwargs.values())
    specs = (getattr(x, "spec", None) for x in given)
    return ", ".join(
        str(spec) if isinstance(spec, Spec) else type(x).__name__
        for x, spec in zip(given, specs, strict=True)
    )


def guarded(function: Callable) -> Callable:
    """A composite whose failures are errors of the tree, as those of ops are."""

    @wraps(function)
    def call(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except AndonError:
            raise
        except UNEXPLAINED as error:
            raise translated(error, function.__name__, described(args, kwargs)) from error

    return call


def guard(namespace: dict) -> None:
    """Guard the functions that a module offers; from then on they are that module's own."""
    for name, value in namespace.items():
        if isinstance(value, FunctionType) and not name.startswith("_"):
            namespace[name] = guarded(value)
            namespace[name].__module__ = namespace["__name__"]  # where pickle looks for it


def operand_names(function: Callable) -> tuple[str, ...]:
    """The positional parameters of a function; with "*" at the end where it takes any number.

    Read off the code object: `inspect.signature` would be a third of the time of the import.
    """
    code = inspect.unwrap(function).__code__
    names = code.co_varnames[: code.co_argcount]
    return (*names, "*") if code.co_flags & inspect.CO_VARARGS else names


def keyword_names(function: Callable) -> tuple[str, ...]:
    """The keyword-only parameters of a function, and the positional ones."""
    code = inspect.unwrap(function).__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def op(reference: Callable | None = None, **options: Any) -> Any:
    """Decorator: the function below is the reference of a new Op."""
    if reference is None:
        return lambda reference: known(Op(reference, **options))
    return known(Op(reference, **options))


def known(made: Op) -> Op:
    """The same op, which graphs that are read from text can name from now on."""
    registry[made.name] = made
    return made


@op
def item(values, *, index):
    """Output number `index` of an op with several outputs."""
    return values[index]


clock = count()  # when each value was made


class Value:
    """A result: what made it (`op`, `inputs`, `attrs`) and what it is (`shape`, `dtype`).

    An input, a constant or a parameter has no op. `order` grows with creation, so sorting by
    it is a topological sort: a value is always younger than its inputs.
    """

    __slots__ = ("__weakref__", "attrs", "dtype", "inputs", "op", "order", "shape")

    def __init__(self, op: Op | None, inputs: tuple, attrs: dict, shape: tuple, dtype: Any):
        self.op, self.inputs, self.attrs = op, inputs, attrs
        self.shape, self.dtype = shape, dtype
        self.order = next(clock)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def spec(self) -> Spec:
        return Spec(tuple(self.shape), self.dtype)


def ancestors(roots: Iterable[Value], stop: Iterable[Value] = ()) -> list[Value]:
    """Every value that `roots` depend on, roots included, the youngest first.

    The walk does not go beyond the values in `stop`.
    """
    seen = {root for root in roots if root is not None}
    stack = list(seen)
    leaves = set(stop)
    while stack:
        value = stack.pop()
        if leaves and value in leaves:
            continue
        for x in value.inputs:
            if x is not None and x not in seen:
                seen.add(x)
                stack.append(x)
    return sorted(seen, key=attrgetter("order"), reverse=True)


def to_common_dtype(inputs: Sequence) -> Sequence:
    """Bring array operands to the dtype of PyTorch's promotion rule.

    Python numbers stay as they are where NumPy treats them as PyTorch does. It does not for a
    float beside bfloat16, nor for an int that the dtype cannot hold, which PyTorch wraps.
    """
    common, fractional, wide, whole = None, False, False, False
    for x in inputs:
        kind = type(x)
        if kind is float:
            fractional = True
        elif kind is int:
            whole = True
            wide = wide or not 0 <= x <= 127  # what every integer dtype holds
        elif kind is not bool:
            if common is None:
                common = x.dtype
            elif x.dtype is not common:
                break
    else:
        wide = wide or (whole and common is not None and common.kind == "b")
        if common is not None and (common.kind == "f" or not (fractional or wide)):
            return inputs
    return cast_all(inputs, result_type(*inputs))


def to_floating(inputs: Sequence) -> Sequence:
    """As `to_common_dtype`, and integers become floats: numbers beside them do not wrap first."""
    for x in inputs:
        if hasattr(x, "dtype") and x.dtype.kind not in "fV":
            return cast_all(inputs, result_type(*inputs, 1.0))
    return to_common_dtype(inputs) if len(inputs) > 1 else inputs


def cast_all(inputs: Sequence, common: DType) -> Sequence:
    """The operands as arrays of `common`."""
    return tuple(np.asarray(x).astype(common.numpy, copy=False) for x in inputs)


def elementwise(
    *, c: str | None = None, grad: Any = None, promote: Any = to_common_dtype, result: Any = None
) -> Callable:
    """Decorator: an op each of whose elements depends on one element of each operand.

    Operands broadcast and are promoted before the reference sees them; `result` is the dtype
    where it is not the operands'. `grad` is one rule per operand, a function of `g` and of what
    it reads by name: `y`, operands, attributes. The tape keeps just that.

        @elementwise(c="{0} * {1}", grad=(lambda g, b: g * b, lambda g, a: g * a))
        def mul(a, b):
            return a * b
    """

    def decorate(reference: Callable) -> Op:
        op = known(Op(reference, c=c))
        op.promote = promote
        op.infer = lambda *specs, **attrs: elementwise_spec(op, specs, result)
        if grad is not None:
            add_partials(op, grad if isinstance(grad, tuple) else (grad,))
        return op

    return decorate


def elementwise_spec(op: Op, specs: tuple[Any, ...], result: DType | None) -> Spec:
    """The broadcast shape, in the promoted dtype. Operands may be Python numbers."""
    shape = broadcast_shapes(*(s.shape for s in specs if isinstance(s, Spec)), op=op.name)
    if result is not None:
        return Spec(shape, result)
    stand_ins = [
        np.empty((0,) if s.shape else (), s.dtype.numpy) if isinstance(s, Spec) else s
        for s in specs
    ]
    promoted = op.promote(stand_ins) if op.promote else stand_ins
    found = [x.dtype for x in promoted if hasattr(x, "dtype")]
    return Spec(shape, dtype(found[-1]) if found else dtype_of_number(specs[-1]))


def add_partials(op: Op, rules: tuple) -> None:
    """Attach one gradient rule per operand; what each reads is told by its parameters."""
    slots = ("y", *op.operands)
    read = [operand_names(rule)[1:] if rule else () for rule in rules]
    op.differentiable = True
    op.keeps = tuple({slots.index(name) for names in read for name in names if name in slots})
    if all(name in slots for names in read for name in names):
        indices = [tuple(slots.index(name) for name in names) for names in read]
        op.partials = tuple(zip(rules, indices, strict=True))
        op.reads = [read_by(indices, wanted) for wanted in range(1 << len(indices))]
        return

    def vjp(g, y, *inputs, **attrs):  # a rule that reads attributes as well
        known = dict(zip(slots, (y, *inputs), strict=True)) | attrs
        return [
            rule(g, *[known[name] for name in names]) if rule else None
            for rule, names in zip(rules, read, strict=True)
        ]

    op.vjp = vjp


def read_by(indices: list[tuple[int, ...]], wanted: int) -> tuple[int, ...]:
    """The slots that the rules of the operands in the bit set `wanted` read."""
    return tuple({i for n, reads in enumerate(indices) if wanted >> n & 1 for i in reads})
