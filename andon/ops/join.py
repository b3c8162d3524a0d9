"""Joining and splitting: cat and split, stack and unbind. Each is the gradient of the other.

The parts that a split gives are views.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np

from ..core.dtype import promote_types
from ..core.errors import DTypeError, IndexingError, ShapeError
from ..core.op import op, to_common_dtype
from ..core.spec import Spec, normal_dim, spec_of
from .index import view as index_view
from .index import zeros
from .keywords import numpy_keywords
from .movement import atleast, reshape

WHOLE = (None, None, None)  # the slice `:`


@op
def cat(*xs, dim):
    """The xs one after another along `dim`, in the dtype they promote to.

    Shapes: equal but for `dim`, where the sizes add up.
    """
    return np.concatenate(xs, axis=dim)


cat.promote = to_common_dtype


@cat.signature
@numpy_keywords
def cat_call(tensors, dim=0):
    tensors = sequence(tensors, "cat")
    if any(x.ndim != tensors[0].ndim for x in tensors):  # PyTorch skips the empty tensor([])
        tensors = [x for x in tensors if tuple(x.shape) != (0,)]
    return cat.apply(*tensors, dim=normal_dim(dim, tensors[0].ndim, "cat"))


def sequence(tensors, name):
    """The tensors to join, of which there must be at least one."""
    if not isinstance(tensors, (list, tuple)):
        raise DTypeError(f"{name}: expects a list of tensors: {type(tensors).__name__}")
    if not tensors:
        raise ShapeError(f"{name}: needs at least one tensor: []")
    for x in tensors:
        if not hasattr(x, "ndim"):
            raise DTypeError(f"{name}: expects a list of tensors: {type(x).__name__} in it")
    return tensors


@cat.spec
def cat_spec(*xs, dim):
    first = xs[0]
    if first.ndim == 0:
        raise ShapeError("cat: tensors without dims cannot be joined, but stack() takes them")
    for x in xs:
        if rest(x.shape, dim) != rest(first.shape, dim):
            raise ShapeError(f"cat: sizes may differ only in dim {dim}: {first} and {x}")
    size = sum(x.shape[dim] for x in xs)
    return Spec((*first.shape[:dim], size, *first.shape[dim + 1 :]), common_dtype(xs))


def rest(shape, dim):
    """The sizes before `dim` and those after it."""
    return shape[:dim], shape[dim + 1 :]


def common_dtype(specs):
    *_, found = accumulate((x.dtype for x in specs), promote_types)
    return found


@cat.grad(keeps=())
def cat_grad(g, y, *xs, dim):
    return split.apply(g, sizes=tuple(x.shape[dim] for x in xs), dim=dim)


@op(view=True)
def split(x, *, sizes, dim):
    """x cut along `dim` into parts of the given sizes: views."""
    before = (slice(None),) * dim
    ends = accumulate(sizes, initial=0)
    return tuple(x[(*before, slice(start, end))] for start, end in pairwise(ends))


@split.signature
@numpy_keywords
def split_call(tensor, split_size_or_sections=None, dim=0, *, split_size=None):
    """Parts of `split_size` (the last may be smaller), or of the sizes that it lists."""
    x, split_size = tensor, split_size_or_sections if split_size is None else split_size
    dim = split_dim(x, dim, "split")
    n = x.shape[dim]
    if isinstance(split_size, (list, tuple)):
        sizes = tuple(split_size)
        if sum(sizes) != n or min(sizes, default=0) < 0:
            raise ShapeError(f"split: sizes must add up to {n}: {list(sizes)}")
        return split.apply(x, sizes=sizes, dim=dim)
    if split_size < 0 or (split_size == 0 and n):
        raise ShapeError(f"split: a size > 0 expected for a dim of size {n}: {split_size}")
    return split.apply(x, sizes=equal_sizes(n, split_size), dim=dim)


def split_dim(x, dim, name):
    if x.ndim == 0:
        raise IndexingError(f"{name}: a tensor without dims has none to go along: dim {dim}")
    return normal_dim(dim, x.ndim, name)


def equal_sizes(n, size):
    """n in parts of `size`, the last of which may be smaller; at least one part."""
    return tuple(min(size, n - start) for start in range(0, n, size)) if n else (0,)


@split.spec
def split_spec(x, *, sizes, dim):
    before, after = rest(x.shape, dim)
    return tuple(Spec((*before, n, *after), x.dtype) for n in sizes)


@split.grad(keeps=())
def split_grad(g, y, x, *, sizes, dim):
    before, after = rest(tuple(x.shape), dim)
    shapes = [(*before, n, *after) for n in sizes]
    return (cat.apply(*with_zeros(g, shapes), dim=dim),)


def with_zeros(gs, shapes):
    """The gradients of several outputs, with zeros for those that none came from."""
    like = next(g for g in gs if g is not None)
    return [zeros(like, shape) if g is None else g for g, shape in zip(gs, shapes, strict=True)]


def chunk(x, chunks, dim=0):
    """x cut along `dim` into at most `chunks` parts of one size; the last may be smaller."""
    dim = split_dim(x, dim, "chunk")
    if chunks <= 0:
        raise ShapeError(f"chunk: at least one chunk expected: {chunks}")
    n = x.shape[dim]
    sizes = equal_sizes(n, -(-n // chunks)) if n else (0,) * chunks
    return split.apply(x, sizes=sizes, dim=dim)


def tensor_split(x, indices_or_sections, dim=0):
    """x cut along `dim` before each of the given indices, or into that many even parts."""
    dim = split_dim(x, dim, "tensor_split")
    n = x.shape[dim]
    if getattr(indices_or_sections, "ndim", 0):
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, (list, tuple)):
        ends = (0, *indices_or_sections, n)
        return tuple(
            index_view.apply(x, index=(*(WHOLE,) * dim, (start, end, None)))
            for start, end in pairwise(ends)
        )
    parts = int(indices_or_sections)
    if parts <= 0:
        raise ShapeError(f"tensor_split: at least one part expected: {parts}")
    small, larger = divmod(n, parts)
    sizes = (small + 1,) * larger + (small,) * (parts - larger)
    return split.apply(x, sizes=sizes, dim=dim)


@op
def stack(*xs, dim):
    """The xs, all of one shape, along a new dim `dim`."""
    return np.stack(xs, axis=dim)


stack.promote = to_common_dtype


@stack.signature
@numpy_keywords
def stack_call(tensors, dim=0):
    tensors = sequence(tensors, "stack")
    return stack.apply(*tensors, dim=normal_dim(dim, tensors[0].ndim + 1, "stack"))


@stack.spec
def stack_spec(*xs, dim):
    first = xs[0]
    for x in xs:
        if x.shape != first.shape:
            raise ShapeError(f"stack: tensors of one shape expected: {first} and {x}")
    return Spec((*first.shape[:dim], len(xs), *first.shape[dim:]), common_dtype(xs))


@stack.grad(keeps=())
def stack_grad(g, y, *xs, dim):
    return unbind.apply(g, dim=dim)


@op(view=True)
def unbind(x, *, dim):
    """The slices of x along `dim`, without that dim: views."""
    before = (slice(None),) * dim
    return tuple(x[(*before, i, ...)] for i in range(x.shape[dim]))


@unbind.signature
@numpy_keywords
def unbind_call(x, dim=0):
    return unbind.apply(x, dim=split_dim(x, dim, "unbind"))


@unbind.spec
def unbind_spec(x, *, dim):
    before, after = rest(x.shape, dim)
    return (Spec((*before, *after), x.dtype),) * x.shape[dim]


@unbind.grad(keeps=())
def unbind_grad(g, y, x, *, dim):
    before, after = rest(tuple(x.shape), dim)
    return (stack.apply(*with_zeros(g, [(*before, *after)] * len(g)), dim=dim),)


def narrow(x, dim, start, length):
    """x[start : start + length] along `dim`: a view."""
    dim = split_dim(x, dim, "narrow")
    n, start = x.shape[dim], int(start)
    first = start + n if start < 0 else start
    if not 0 <= first <= first + length <= n:
        raise IndexingError(f"narrow: out of range for size {n}: start {start}, length {length}")
    return index_view.apply(x, index=(*(WHOLE,) * dim, (first, first + length, None)))


def select(x, dim, index):
    """x[index] along `dim`, without that dim: a view."""
    dim = split_dim(x, dim, "select")
    n, i = x.shape[dim], int(index)
    if not -n <= i < n:
        raise IndexingError(f"select: index out of range for size {n}: {i}")
    return index_view.apply(x, index=(*(WHOLE,) * dim, i % n))


# Stacks and splits along a fixed dim, as NumPy names them


def hstack(tensors):
    """Side by side: along dim 1, or dim 0 for vectors."""
    tensors = [atleast(1, x) for x in sequence(tensors, "hstack")]
    return cat(tensors, 0 if tensors[0].ndim == 1 else 1)


def vstack(tensors):
    """One above another: along dim 0, vectors being rows."""
    return cat([atleast(2, x) for x in sequence(tensors, "vstack")], 0)


def dstack(tensors):
    """One behind another: along dim 2."""
    return cat([atleast(3, x) for x in sequence(tensors, "dstack")], 2)


def column_stack(tensors):
    """Side by side as columns: vectors as one, matrices as several."""
    tensors = sequence(tensors, "column_stack")
    return cat([reshape(x, -1, 1) if x.ndim < 2 else x for x in tensors], 1)


def hsplit(x, indices_or_sections):
    """`tensor_split` along dim 1, or dim 0 of a vector; into equal parts."""
    return equal_split("hsplit", x, indices_or_sections, 0 if x.ndim == 1 else 1, 1)


def vsplit(x, indices_or_sections):
    """`tensor_split` along dim 0, into equal parts."""
    return equal_split("vsplit", x, indices_or_sections, 0, 2)


def dsplit(x, indices_or_sections):
    """`tensor_split` along dim 2, into equal parts."""
    return equal_split("dsplit", x, indices_or_sections, 2, 3)


def equal_split(name, x, parts, dim, least):
    """As `tensor_split`, of an x with `least` dims or more that divides into `parts`."""
    if x.ndim < least:
        raise ShapeError(f"{name}: {least} dims or more expected: {spec_of(x)}")
    if isinstance(parts, int) and (parts < 1 or x.shape[dim] % parts):
        raise ShapeError(f"{name}: dim {dim} does not divide into {parts} parts: {spec_of(x)}")
    return tensor_split(x, parts, dim)
