"""Modules: their parts, modes, hooks and attributes, on which a recording depends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Any

from ..tensor import Tensor
from .captured import Unchanged
from .executed import Executed
from .held import Held, values_of

PARTS = ("_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks",
         "_backward_hooks", "_backward_pre_hooks")  # fmt: skip


class Modules:
    """The modules that a recorded function can reach.

    `computing` are those whose mode matters, since they have computed; `attributes` is what they
    keep under names that are no parts.
    """

    def __init__(self) -> None:
        self.watched: dict[Any, None] = {}
        self.computing: dict[Any, None] = {}
        self.attributes = Held()

    def watch(self, module: Any) -> bool:
        """Count a module in. Whether it is new."""
        is_new = module not in self.watched
        if is_new:
            self.watched[module] = None
            self.attributes.watch(vars(module), module)
        return is_new

    def guards(
        self, bound: set, executed: Executed
    ) -> list[tuple[Callable[[], bool], Callable[[], str]]]:
        """What must hold at later calls, and what it means; places that are `bound` may change.

        Parts and modes are looked at in each call, the rest once something was set in a module.
        """
        if not self.watched:
            return []
        modes = {(id(vars(m)), "training") for m in self.watched}
        self.attributes.settle(bound | modes, executed)
        stores = [getattr(m, name) for m in self.watched for name in PARTS]
        sizes = Unchanged(lambda: [*map(len, stores)])
        parts = Unchanged(self.reader([store for store in stores if store], bound))
        module: Any = next(iter(self.watched))
        seen = module.assignments

        def unchanged() -> bool:
            nonlocal seen
            now = module.assignments
            if now != seen and sizes() and self.attributes.holds():
                seen = now
            return now == seen

        before = {module: module.training for module in self.computing}
        return [(parts, partial(mode_or_part, before)), (unchanged, self.attributes.difference)]

    def reader(self, stores: list, bound: set) -> Callable[[], list]:
        """What reads the parts, the tensors in attributes, and the modes."""
        own = [vars(module) for module in self.watched]
        open_stores = {place for place, _ in bound}
        views = [values_of(store) for store in stores if id(store) not in open_stores]
        kept = [(store, name) for store in stores if id(store) in open_stores for name in store]
        kept += [(d, name) for d in own for name, x in d.items() if isinstance(x, Tensor)]
        kept = [(store, name) for store, name in kept if (id(store), name) not in bound]
        modes, training = list(self.computing), attrgetter("training")

        def read() -> list:
            found = [*chain.from_iterable(views), *map(training, modes)]
            return found + [store.get(name) for store, name in kept] if kept else found

        return read


def mode_or_part(modes: dict[Any, bool]) -> str:
    """What has changed, if modules were in these modes."""
    names = [type(m).__name__ for m, training in modes.items() if m.training is not training]
    return f"the training mode of {names[0]}" if names else "a part of a module"
