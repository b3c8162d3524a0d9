"""Kernels of eager ops: what the compiler makes of one op, for large arrays of what trains.

Where NumPy needs many passes over memory, or one thread, these ops are graphs of themselves: one
for each kind of operands, compiled when it is first met and found on disk from then on. So are the
products of matrices, though NumPy's are about as fast: for a while after a product the threads of
its BLAS go on looking for work, on the processors that ours need.

Compiling takes a moment, so it is done only where the same shapes are sure to come again: in
backward passes, and in what they will be for. The choice depends on nothing but the calls so far,
never on time, so a run that is repeated or resumed computes the same bits.

`core/op.py` takes these offers while it defines the ops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.lock import Lock
from ..core.mode import mode
from ..core.op import Op, interpreters, offers

OFFERED = {
    "linear", "matmul", "where", "softmax", "log_softmax", "cross_entropy", "attention",
    "layer_norm", "rms_norm", "batch_norm", "gelu_tanh", "gelu_erf", "silu", "conv", "max_pool",
    "softmax_backward", "log_softmax_backward", "cross_entropy_backward", "attention_backward",
    "layer_norm_backward", "rms_norm_backward", "batch_norm_backward", "gelu_tanh_backward",
    "gelu_erf_backward", "silu_backward", "conv_input_grad", "conv_weight_grad", "unpool",
    "embedding_backward",
}  # fmt: skip
IN_BACKWARD = {"sum", "sum_to"}  # large ones that others take are as often of data, of any shape
LARGE = 1 << 16  # elements of the largest operand
MOST = 32  # kinds of operands of one op; a program with more has shapes that do not come again
DTYPES = {np.dtype(t) for t in (np.float32, np.int64, np.bool_)}


class OpKernel:
    """The kernel of one op: compiled for what is large and trains, `plain` for all else."""

    def __init__(self, op: Op, plain: Callable):
        self.op, self.plain = op, plain
        self.known: dict[tuple, Callable | None] = {}
        self.lock = Lock()

    def __call__(self, *inputs: Any, **attrs: Any) -> Any:
        if not (are_large(inputs) and self.trains()):
            return self.plain(*inputs, **attrs)
        orders = tuple(order_in_memory(x) for x in inputs)
        key = (*map(kind_of, inputs), orders, *attrs.items())
        run = self.known[key] if key in self.known else self.built(key, inputs, orders, attrs)
        if run is None:
            return self.plain(*inputs, **attrs)
        found = run([x.transpose(o) for x, o in zip(inputs, orders, strict=True) if o is not None])
        return found[0] if len(found) == 1 else tuple(found)

    def trains(self) -> bool:
        """Whether a backward pass runs, or may follow."""
        running = interpreters.run is interpreters.arrays
        return running or (mode.grad and self.op.name not in IN_BACKWARD)

    def built(self, key: tuple, inputs: tuple, orders: tuple, attrs: dict) -> Callable | None:
        """The compiled op for operands of this kind; None where NumPy has to do."""
        with self.lock:
            if key not in self.known and len(self.known) < MOST:
                from .op_graph import compiled  # here, so that `import andon` stays quick

                self.known[key] = compiled(self.op, inputs, orders, attrs)
            return self.known.get(key)


def are_large(inputs: tuple) -> bool:
    arrays = [x for x in inputs if isinstance(x, np.ndarray)]
    return any(x.size >= LARGE for x in arrays) and all(x.dtype in DTYPES for x in arrays)


def order_in_memory(x: Any) -> tuple[int, ...] | None:
    """The dims of an array from the longest step to the shortest: so permuted, it lies by rows."""
    if not isinstance(x, np.ndarray):
        return None
    return tuple(sorted(range(x.ndim), key=lambda d: -x.strides[d]))


def kind_of(x: Any) -> tuple:
    return (x.shape, x.dtype) if isinstance(x, np.ndarray) else (type(x), x)


offers.update(dict.fromkeys(OFFERED | IN_BACKWARD, OpKernel))
