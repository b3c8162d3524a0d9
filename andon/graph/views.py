"""Views in graphs: values that are other values under another index, and need no memory.

A table says for each view op where the element at an index of the view lies in what it views.
`origin` follows a chain of views down to a value that has elements of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable
from itertools import accumulate
from typing import Any, TypeVar

from ..core.op import Op, item
from ..core.spec import Spec
from ..ops.movement import after
from .affine import Form, Forms, Shape, reshaped
from .ir import Symbol

IndexMap = Callable[..., Forms | None]
Rule = TypeVar("Rule", bound=IndexMap)
INDEX_MAPS: dict[str, IndexMap] = {}


def of_view(*names: str) -> Callable[[Rule], Rule]:
    """Decorator: `map(forms, old, new, **attrs)`, from an index of the view to one of its source.

    `old` is the shape of the source, `new` that of the view.
    """

    def decorate(index_map: Rule) -> Rule:
        INDEX_MAPS.update(dict.fromkeys(names, index_map))
        return index_map

    return decorate


@of_view("contiguous", "clone", "positive", "after")
def same(forms: Forms, old: Shape, new: Shape) -> Forms:
    return forms


@of_view("reshape")
def of_reshape(forms: Forms, old: Shape, new: Shape, *, shape: Shape) -> Forms | None:
    return reshaped(forms, new, old)


@of_view("permute")
def of_permute(forms: Forms, old: Shape, new: Shape, *, dims: Shape) -> Forms:
    found = list(forms)
    for form, dim in zip(forms, dims, strict=True):
        found[dim] = form
    return found


@of_view("expand")
def of_expand(forms: Forms, old: Shape, new: Shape, *, shape: Shape = ()) -> Forms:
    """Also what elementwise ops do to operands of other shapes."""
    aligned = forms[len(forms) - len(old) :]
    return [Form() if n == 1 else form for n, form in zip(old, aligned, strict=True)]


@of_view("view")
def of_index(forms: Forms, old: Shape, new: Shape, *, index: tuple) -> Forms:
    sizes, rest, found = iter(old), iter(forms), []
    for part in index:
        if part is None:
            next(rest)
        elif isinstance(part, int):
            found.append(Form(part % next(sizes)))
        else:
            start, _, step = slice(*part).indices(next(sizes))
            found.append((next(rest) * step).plus(start))
    return [*found, *rest]


@of_view("flip")
def of_flip(forms: Forms, old: Shape, new: Shape, *, dims: Shape) -> Forms:
    return [
        (form * -1).plus(n - 1) if d in dims else form
        for d, (form, n) in enumerate(zip(forms, old, strict=True))
    ]


@of_view("diagonal")
def of_diagonal(
    forms: Forms, old: Shape, new: Shape, *, offset: int, dim1: int, dim2: int
) -> Forms:
    *rest, along = forms
    found = list(rest)
    placed = {dim1: along.plus(max(-offset, 0)), dim2: along.plus(max(offset, 0))}
    for dim in sorted(placed):
        found.insert(dim, placed[dim])
    return found


@of_view("unfold")
def of_unfold(forms: Forms, old: Shape, new: Shape, *, dim: int, size: int, step: int) -> Forms:
    *found, within = forms
    found[dim] = found[dim] * step + within
    return found


def of_part(forms: Forms, op: Op, attrs: dict, number: int) -> Forms:
    """Of output `number` of a `split` or an `unbind`."""
    dim = attrs["dim"]
    if op.name == "unbind":
        return [*forms[:dim], Form(number), *forms[dim:]]
    start = list(accumulate(attrs["sizes"], initial=0))[number]
    return [f.plus(start) if d == dim else f for d, f in enumerate(forms)]


def source(value: Symbol) -> Symbol | None:
    """What `value` is a view of, or None if it has elements of its own."""
    op: Any = value.op
    if op is None:
        return None
    if op is item:
        node = value.inputs[0]
        return node.inputs[0] if node.op.name in ("split", "unbind") else None
    if op.name == "cast" and value.inputs[0].dtype == value.dtype:
        return value.inputs[0]
    if op.name in INDEX_MAPS or op.name == "read":
        return value.inputs[0]
    return None


def tokens(value: Symbol) -> list[Symbol]:
    """What must be there before `value` is read, being a view of something `after` that."""
    found = []
    shown: Symbol | None = value
    while shown is not None:
        if shown.op is after:
            found.append(shown.inputs[1])
        shown = source(shown)
    return found


def index_in_source(value: Symbol, forms: Forms) -> Forms | None:
    """Where the element of a view at `forms` lies in its source; None if no form says it."""
    op: Any = value.op
    if op is item:
        node = value.inputs[0]
        return of_part(forms, node.op, node.attrs, value.attrs["index"])
    if op.name == "cast":
        return forms
    if op.name == "read":
        return along_recipe(forms, value.inputs[0].spec, value.attrs["recipe"])
    return INDEX_MAPS[op.name](forms, tuple(value.inputs[0].shape), value.shape, **value.attrs)


def index_in_view(view: Symbol, forms: Forms) -> Forms | None:
    """The index in a view of the element at `forms` of its source, if it shows all of it."""
    op: Any = view.op
    old, new = view.inputs[0].shape, view.shape
    if op.name == "permute":
        return [forms[d] for d in view.attrs["dims"]]
    if op.name == "flip":
        return [
            (f * -1).plus(n - 1) if d in view.attrs["dims"] else f
            for d, (f, n) in enumerate(zip(forms, old, strict=True))
        ]
    in_order = op.name in ("reshape", "expand", "contiguous", "clone", "positive", "cast", "after")
    shows_all = op is not item and math.prod(old) == math.prod(new)
    return reshaped(forms, old, new) if in_order and shows_all else None


def index_through(views: Iterable[Symbol], forms: Forms) -> Forms | None:
    """The index in the last of a chain of views of the element at `forms` of its source."""
    found: Forms | None = forms
    for view in views:
        found = index_in_view(view, found) if found is not None else None
    return found


def along_recipe(forms: Forms | None, spec: Spec, recipe: Iterable) -> Forms | None:
    """Where the element at `forms` of what the views of a recipe lead to lies in their base."""
    steps = []
    for op, attrs, output in recipe:
        found = op.infer(spec, **attrs)
        seen = found if output is None else found[output]
        steps.append((op, attrs, output, spec.shape, seen.shape))
        spec = seen
    for op, attrs, output, old, new in reversed(steps):
        if forms is None or (output is None and op.name not in INDEX_MAPS):
            return None
        if output is not None:
            forms = of_part(forms, op, attrs, output)
        else:
            forms = INDEX_MAPS[op.name](forms, old, new, **attrs)
    return forms


def origin(
    value: Symbol, forms: Forms, stops: Iterable[Container[Symbol]] = ()
) -> tuple[Symbol, Forms] | None:
    """The value with elements that `value` shows at `forms`, and the index there.

    The walk ends at values in `stops`. None if a reshape on the way cannot be said.
    """
    while not any(value in stop for stop in stops) and (base := source(value)) is not None:
        found = index_in_source(value, forms)
        if found is None:
            return None
        value, forms = base, found
    return value, forms
