"""The error tree: every failure that andon reports on purpose.

    AndonError
    ├── ShapeError        sizes or dims that do not fit                  (a ValueError)
    ├── ArgumentError     an option out of its range or choices          (a ValueError)
    ├── DTypeError        a dtype an operation is not defined for        (a TypeError)
    ├── DivisionError     an integer divided by zero                     (a ZeroDivisionError)
    ├── DeviceError       a device that is absent, or operands apart     (a RuntimeError)
    ├── CompileError      a kernel that did not compile                  (a RuntimeError)
    ├── IndexingError     an index out of range or of the wrong kind     (an IndexError)
    ├── GradientError     a gradient that does not exist or is stale     (a RuntimeError)
    ├── GraphError        what cannot be recorded as a graph             (a RuntimeError)
    │   └── UnknownSizeError  as its size depends on unknown elements
    ├── LinalgError       a matrix that has no inverse, root or factors  (a RuntimeError)
    ├── StateError        state dicts and optimizer states that differ   (a RuntimeError)
    ├── DataError         data sets, loaders and their workers           (a RuntimeError)
    ├── FileFormatError   a file that is not what it claims to be        (a ValueError)
    └── MissingNameError  a name of PyTorch's that andon lacks           (an AttributeError)

Messages read `op: what is wrong: what was given`. Each class is also the built-in
exception that PyTorch or NumPy raises there, so that existing handlers go on working.
"""


class AndonError(Exception):
    """The root: `except AndonError` catches whatever andon raises on purpose."""


class ShapeError(AndonError, ValueError, RuntimeError):
    """Sizes or dims that do not fit together."""


class ArgumentError(AndonError, ValueError, RuntimeError):
    """An option that is out of its range, not among its choices, or contradicts another."""


class DTypeError(AndonError, TypeError, RuntimeError):
    """A dtype that the operation is not defined for."""


class DivisionError(AndonError, ZeroDivisionError, RuntimeError):
    """An integer divided by zero. Floats become inf or NaN."""


class DeviceError(AndonError, RuntimeError):
    """A device that does not exist here, or operands on different devices."""


class CompileError(AndonError, RuntimeError):
    """A kernel's text that the compiler refused, or a compiler that failed or hung."""


class IndexingError(AndonError, IndexError):
    """An index that is out of range or of the wrong kind."""


class GradientError(AndonError, RuntimeError):
    """A gradient that does not exist, was freed, or would be wrong."""


class GraphError(AndonError, RuntimeError):
    """An operation that cannot be recorded, since its result depends on the data."""


class UnknownSizeError(GraphError):
    """A result whose size depends on elements that a recording does not know."""


class LinalgError(AndonError, RuntimeError):
    """A matrix that is singular, not positive definite, or not finite."""


class StateError(AndonError, RuntimeError):
    """A state dict or an optimizer state that does not match its owner."""


class DataError(AndonError, RuntimeError):
    """A data set that cannot be had, or a loader whose worker failed."""


class FileFormatError(AndonError, ValueError):
    """A file that is truncated, corrupt, hostile, or of another format."""


class MissingNameError(AndonError, AttributeError):
    """A name of PyTorch's that andon does not have."""


TRANSLATED = {
    ZeroDivisionError: DivisionError,
    IndexError: IndexingError,
    ValueError: ShapeError,
    TypeError: DTypeError,
    AttributeError: DTypeError,
    OverflowError: DTypeError,
}


def translated(error: Exception, op: str, given: str) -> AndonError:
    """An error of the tree in the place of Python's or NumPy's own, which names no op."""
    kind = next(ours for theirs, ours in TRANSLATED.items() if isinstance(error, theirs))
    what = "expects tensors" if isinstance(error, AttributeError) else error
    return kind(f"{op}: {what}: {given}")
