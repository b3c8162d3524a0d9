"""Distribution: what all of them have, and Independent, which counts dims as one event."""

from __future__ import annotations

import math
from typing import Any

from ..core.dtype import get_default_dtype
from ..core.errors import ArgumentError, MissingNameError, ShapeError
from ..core.mode import no_grad
from ..core.op import known_elements
from ..ops.movement import broadcast_tensors
from ..tensor.creation import tensor
from ..tensor.tensor import Size, Tensor


class Distribution:
    """The base: a batch of distributions of `batch_shape`, each over events of `event_shape`.

    A subclass defines `draw(shape)`, draws of that whole shape, with `reparametrized` saying
    whether gradients flow through them; `log_prob`; and what else it has a formula for.
    Its parameters are tensors or numbers, which broadcast.
    """

    reparametrized = False
    validates = True  # whether parameters are checked

    def __init__(self, batch_shape: Any = (), event_shape: Any = ()):
        self.batch_shape, self.event_shape = Size(batch_shape), Size(event_shape)

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        raise NotImplementedError(f"{type(self).__name__}: cannot be drawn from")

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Draws without a gradient, of shape sample_shape + batch_shape + event_shape."""
        with no_grad():
            return self.draw(self.whole(sample_shape))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """Draws through which gradients reach the parameters."""
        if not self.reparametrized:
            raise MissingNameError(
                f"{type(self).__name__}.rsample: andon has no gradient of its draws: use sample()"
            )
        return self.draw(self.whole(sample_shape))

    @property
    def has_rsample(self) -> bool:
        return self.reparametrized

    def whole(self, sample_shape: Any) -> tuple[int, ...]:
        return (*sample_shape, *self.batch_shape, *self.event_shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """The log of the density, or of the probability, at `value`."""
        raise NotImplementedError(f"{type(self).__name__}: has no log_prob")

    def entropy(self) -> Tensor:
        """-E log p."""
        raise NotImplementedError(f"{type(self).__name__}: has no entropy")

    def perplexity(self) -> Tensor:
        """exp(entropy)."""
        return self.entropy().exp()

    mean: Tensor
    variance: Tensor

    @property
    def stddev(self) -> Tensor:
        """√variance."""
        return self.variance.sqrt()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether parameters are checked where `validate_args` does not say."""
        Distribution.validates = value

    def check(self, condition: Tensor, what: str, wanted: bool | None = None) -> None:
        """Raise unless `condition` holds everywhere; a recording cannot tell, and goes on."""
        if not (Distribution.validates if wanted is None else wanted):
            return
        holds = known_elements(condition.all())
        if holds is not None and not holds:
            raise ArgumentError(f"{type(self).__name__}: {what}")

    def __repr__(self) -> str:
        shapes = f"batch_shape={list(self.batch_shape)}, event_shape={list(self.event_shape)}"
        return f"{type(self).__name__}({shapes})"


def parameters(*given: Any) -> tuple[Tensor, ...]:
    """The parameters of a distribution as floating tensors, repeated to one shape."""
    return broadcast_tensors(*map(floating, given))


def floating(given: Any) -> Tensor:
    made = given if isinstance(given, Tensor) else tensor(given)
    return made if made.dtype.is_floating_point else made.to(get_default_dtype())


class Independent(Distribution):
    """`base` with the last dims of its batch counted as part of the event: log p is summed."""

    def __init__(
        self, base_distribution: Distribution, reinterpreted_batch_ndims: int, validate_args=None
    ):
        shape = (*base_distribution.batch_shape, *base_distribution.event_shape)
        batch = len(base_distribution.batch_shape) - reinterpreted_batch_ndims
        if reinterpreted_batch_ndims < 0 or batch < 0:
            raise ShapeError(
                f"Independent: at most {len(base_distribution.batch_shape)} dims can be counted "
                f"as one event: {reinterpreted_batch_ndims}"
            )
        self.base_dist, self.dims = base_distribution, reinterpreted_batch_ndims
        self.reparametrized = base_distribution.reparametrized
        super().__init__(shape[:batch], shape[batch:])

    @property
    def mean(self) -> Tensor:  # type: ignore[override]
        return self.base_dist.mean

    @property
    def variance(self) -> Tensor:  # type: ignore[override]
        return self.base_dist.variance

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        return self.base_dist.draw(shape)

    def log_prob(self, value: Tensor) -> Tensor:
        return self.summed(self.base_dist.log_prob(value))

    def entropy(self) -> Tensor:
        return self.summed(self.base_dist.entropy())

    def summed(self, x: Tensor) -> Tensor:
        return x.sum(tuple(range(-self.dims, 0))) if self.dims else x


LOG_2PI = math.log(2 * math.pi)
