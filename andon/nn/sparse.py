"""Embeddings: rows of a learned table, looked up by number."""

from __future__ import annotations

from typing import Any

from ..core.errors import ArgumentError, IndexingError, ShapeError
from ..core.mode import no_grad
from ..ops.logic import where
from ..tensor.creation import empty
from ..tensor.tensor import Tensor
from . import functional as F
from . import init
from .module import Module, unusual
from .parameter import Parameter


class Table(Module):
    """What Embedding and EmbeddingBag share: the weight and how rows are kept short."""

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        max_norm: float | None,
        norm_type: float,
        scale_grad_by_freq: bool,
        sparse: bool,
        weight: Tensor | None,
        freeze: bool,
        device: Any,
        dtype: Any,
    ):
        super().__init__()
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = checked_padding(padding_idx, num_embeddings, type(self).__name__)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        if weight is None:
            made = empty(num_embeddings, embedding_dim, device=device, dtype=dtype)
            self.weight = Parameter(made, requires_grad=not freeze)
            self.reset_parameters()
        elif tuple(weight.shape) != (num_embeddings, embedding_dim):
            raise ShapeError(
                f"{type(self).__name__}: the weight must be {num_embeddings} x {embedding_dim}: "
                f"{list(weight.shape)}"
            )
        else:
            self.weight = Parameter(weight, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw the table from N(0, 1), the padding row being zero."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx] = 0

    def keep_short(self, indices: Tensor) -> None:
        """Scale down, in place, those rows in use whose norm exceeds `max_norm`."""
        if self.max_norm is None:
            return
        with no_grad():
            used = F.embedding(indices, self.weight)  # a row that is used twice is written twice
            norms = used.norm(self.norm_type, dim=-1, keepdim=True)
            factors = where(norms > self.max_norm, self.max_norm / (norms + 1e-7), 1.0)
            self.weight[indices] = used * factors


class Embedding(Table):
    """y = W[i]: row i of the weight for each index i.

    Shapes: indices (...) -> (..., embedding_dim).
    The row `padding_idx` starts at zero and receives no gradient. `sparse` is accepted, but
    gradients are dense.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Any = None,
        dtype: Any = None,
    ):
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, _freeze, device, dtype,
        )  # fmt: skip

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer on the table `embeddings`, by default not to be learned."""
        if embeddings.ndim != 2:
            raise ShapeError(f"from_pretrained: expects a matrix: {list(embeddings.shape)}")
        rows, width = embeddings.shape
        return cls(
            rows, width, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse,
            embeddings, freeze,
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        self.keep_short(input)
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            scale_grad_by_freq=self.scale_grad_by_freq,
        )

    def extra_repr(self) -> str:
        sizes = f"{self.num_embeddings}, {self.embedding_dim}"
        usual = {"padding_idx": None, "max_norm": None, "norm_type": 2.0}
        switches = {"scale_grad_by_freq": False, "sparse": False}
        return ", ".join([sizes, *unusual(self, **usual, **switches)])


class EmbeddingBag(Table):
    """The sum or the mean of the rows in each bag of indices.

    Shapes: indices (B, N), a bag a row; or (N,) with `offsets` (B,), where each bag begins
    -> (B, embedding_dim).
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Any = None,
        dtype: Any = None,
    ):
        if mode not in ("sum", "mean", "max"):
            raise ArgumentError(f"EmbeddingBag: mode must be 'sum', 'mean' or 'max': {mode!r}")
        super().__init__(
            num_embeddings, embedding_dim, padding_idx, max_norm, norm_type, scale_grad_by_freq,
            sparse, _weight, False, device, dtype,
        )  # fmt: skip
        self.mode, self.include_last_offset = mode, include_last_offset

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, **options: Any
    ) -> EmbeddingBag:
        """A layer on the table `embeddings`, by default not to be learned."""
        if embeddings.ndim != 2:
            raise ShapeError(f"from_pretrained: expects a matrix: {list(embeddings.shape)}")
        rows, width = embeddings.shape
        made = cls(rows, width, _weight=embeddings, **options)
        made.weight.requires_grad_(not freeze)
        return made

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        self.keep_short(input)
        return F.embedding_bag(
            input,
            self.weight,
            offsets,
            scale_grad_by_freq=self.scale_grad_by_freq,
            mode=self.mode,
            per_sample_weights=per_sample_weights,
            include_last_offset=self.include_last_offset,
            padding_idx=self.padding_idx,
        )

    def extra_repr(self) -> str:
        sizes = f"{self.num_embeddings}, {self.embedding_dim}"
        usual = {"max_norm": None, "norm_type": 2.0, "scale_grad_by_freq": False}
        padding = unusual(self, padding_idx=None)
        return ", ".join([sizes, *unusual(self, **usual), f"mode={self.mode!r}", *padding])


def checked_padding(padding_idx: int | None, rows: int, name: str) -> int | None:
    """The padding row counted from the front."""
    if padding_idx is None:
        return None
    if not -rows <= padding_idx < rows:
        raise IndexingError(f"{name}: padding_idx is out of range: {padding_idx} of {rows} rows")
    return padding_idx % rows
