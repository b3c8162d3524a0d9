"""Mixed precision: a block in which matrix products are computed in bfloat16 or float16.

    with autocast("cpu", dtype=bfloat16):
        loss = loss_function(model(x), y)

`autocast` is an interpreter around the one in force: before it passes an op on, it casts the
operands. `GradScaler` multiplies losses so that small float16 gradients do not vanish.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .core.dtype import bfloat16, dtype, float16, float32, float64
from .core.errors import DTypeError, StateError
from .core.mode import no_grad
from .core.op import Interpreter, Op, interpreters
from .ops.join import stack
from .ops.logic import where
from .ops.movement import cast
from .tensor.creation import tensor
from .tensor.device import Device
from .tensor.tensor import Tensor

# The ops that are computed in lower precision within, and those that are not to be
LOWER = {"attention", "conv", "linear", "matmul"}
FLOAT32 = {
    "cholesky", "cross_entropy", "cross_entropy_of_logit", "cross_entropy_of_probability", "det",
    "eigh", "inv", "pinv", "power_norm", "prod", "qr", "slogdet", "solve", "svd",
    "triangular_solve",
}  # fmt: skip


class Casting:
    """An interpreter that casts operands and passes the op on to `inner`."""

    def __init__(self, inner: Interpreter, to: Any):
        self.inner, self.to = inner, to

    def __call__(self, op: Op, inputs: tuple, attrs: dict) -> Any:
        if op.name in LOWER:
            inputs = tuple(self.cast(x, float32, self.to) for x in inputs)
        elif op.name in FLOAT32:
            inputs = tuple(self.cast(x, self.to, float32) for x in inputs)
        return self.inner(op, inputs, attrs)

    def around(self, inner: Interpreter) -> Casting:
        """The same, handing on to another interpreter: while a program is recorded."""
        return Casting(inner, self.to)

    def cast(self, x: Any, of: Any, to: Any) -> Any:
        """x in the dtype `to` if its own is `of`."""
        same = hasattr(x, "dtype") and dtype(x.dtype) is of
        return self.inner(cast, (x,), {"dtype": to}) if same else x


class autocast:
    """A block, or a decorator, in which matrix products are in lower precision.

    For devices that andon does not have it does nothing, as in PyTorch.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: Any = None
    ):
        self.dtype = bfloat16 if dtype is None else dtype
        if self.dtype not in (bfloat16, float16):
            raise DTypeError(f"autocast: bfloat16 or float16 expected: {dtype}")
        self.here = Device(device_type).type == "cpu"
        self.enabled = enabled and self.here
        self.before: list[Interpreter] = []

    def __enter__(self) -> autocast:
        self.before.append(interpreters.run)
        plain = interpreters.run
        if self.here:  # also `enabled=False`: it ends the casting of a block around it
            while isinstance(plain, Casting):
                plain = plain.inner
        interpreters.run = Casting(plain, self.dtype) if self.enabled else plain
        return self

    def __exit__(self, *error: Any) -> None:
        interpreters.run = self.before.pop()

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def within(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return within


def all_of(conditions: list[Tensor]) -> Tensor:
    return stack(conditions).all() if conditions else tensor(True)


class GradScaler:
    """A scale for losses, so large that their gradients just do not overflow.

        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    `step` skips the optimizer's step where a gradient is not finite; `update` then lowers the
    scale, and raises it after `growth_interval` steps without. For devices that andon does not
    have, it is off, as in PyTorch: the scale is 1.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        self.enabled = enabled and Device(device).type == "cpu"
        self.factor = tensor(init_scale if self.enabled else 1.0, dtype=float64)
        self.growth_factor, self.backoff_factor = growth_factor, backoff_factor
        self.growth_interval, self.good_steps = growth_interval, tensor(0)
        self.unscaled: dict[int, Tensor] = {}  # by optimizer: whether its gradients are finite

    def scale(self, outputs: Any) -> Any:
        """A loss, or several in lists and tuples, multiplied by the scale."""
        if isinstance(outputs, (list, tuple)):
            return type(outputs)(self.scale(x) for x in outputs)
        return outputs * self.factor.to(outputs.dtype) if self.enabled else outputs

    @no_grad()
    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients by the scale, to be clipped before `step`."""
        if not self.enabled:
            return
        if id(optimizer) in self.unscaled:
            raise StateError("unscale_: was called already since the last update()")
        params = [p for group in optimizer.param_groups for p in group["params"]]
        grads = [g for p in params if (g := p.grad) is not None]
        for g in grads:
            g.div_(self.factor.to(g.dtype))
        self.unscaled[id(optimizer)] = all_of([g.isfinite().all() for g in grads])

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step, unless a gradient is infinite or NaN."""
        if self.enabled and id(optimizer) not in self.unscaled:
            self.unscale_(optimizer)
        if not self.enabled:
            return optimizer.step(*args, **kwargs)
        finite = self.unscaled[id(optimizer)]
        if interpreters.recorder is not None:
            with interpreters.recorder.only_where(finite):
                return optimizer.step(*args, **kwargs)
        return optimizer.step(*args, **kwargs) if finite else None

    @no_grad()
    def update(self, new_scale: float | None = None) -> None:
        """Adapt the scale to how the steps since the last `update` went."""
        if not self.enabled:
            return
        finite = all_of(list(self.unscaled.values()))
        self.unscaled.clear()
        if new_scale is not None:
            self.factor.fill_(new_scale)
            return
        good = where(finite, self.good_steps + 1, 0)
        grown = self.factor * self.growth_factor
        grows = (good == self.growth_interval) & grown.isfinite()
        kept = where(grows, grown, self.factor)
        self.factor.copy_(where(finite, kept, self.factor * self.backoff_factor))
        self.good_steps.copy_(where(good == self.growth_interval, 0, good))

    def get_scale(self) -> float:
        """The scale."""
        return float(self.factor)

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self.enabled

    def state_dict(self) -> dict[str, Any]:
        """The scale and how it grows, by PyTorch's names."""
        if not self.enabled:
            return {}
        return {
            "scale": float(self.factor),
            "growth_factor": self.growth_factor,
            "backoff_factor": self.backoff_factor,
            "growth_interval": self.growth_interval,
            "_growth_tracker": int(self.good_steps),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over a `state_dict`."""
        if not self.enabled:
            return
        try:
            self.factor.fill_(float(state_dict["scale"]))
            self.growth_factor = state_dict["growth_factor"]
            self.backoff_factor = state_dict["backoff_factor"]
            self.growth_interval = state_dict["growth_interval"]
            self.good_steps.fill_(state_dict["_growth_tracker"])
        except KeyError as error:
            raise StateError(
                f"GradScaler: the state dict lacks {error}: {list(state_dict)}"
            ) from None
