"""What Python holds: numbers and tensors in the objects that a function can reach.

A recording is made of what they are, and holds as long as they do. A tensor that the function
puts in the place of another is an output, which each call puts there. Other changes (a counter
that is no tensor, a list that grows) are right for that one call only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from io import IOBase
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from ..tensor import Tensor
from .binding import ABSENT
from .captured import Unchanged, is_number, same
from .executed import Executed, inherits_ours

PACKAGE = __name__.partition(".")[0] + "."
DEEPEST = 6  # steps from object to object
LONGEST = 1000  # items of a container that is looked into
MOST = 64  # numbers in it that are told apart; more are data
CODE = (ModuleType, FunctionType, BuiltinFunctionType, MethodType, type)


class Slot(NamedTuple):
    """A place in a container, or an attribute in `vars` of an object."""

    container: Any
    name: Any

    @property
    def text(self) -> str:
        return str(self.name if isinstance(self.name, (str, int)) else type(self.name).__name__)

    def can_hold(self, before: Any) -> bool:
        """Whether every call can put its own tensor here: not at the end of a list that grows."""
        if before is ABSENT:
            return isinstance(self.container, dict)
        return before is None or isinstance(before, Tensor)

    def read(self) -> Any:
        if isinstance(self.container, dict):
            return self.container.get(self.name, ABSENT)
        return self.container[self.name] if self.name < len(self.container) else ABSENT

    def write(self, value: Any) -> None:
        """Put a value there; none, if it is ABSENT. Of a list, it is the last place then."""
        if value is not ABSENT and (isinstance(self.container, dict) or self.read() is not ABSENT):
            self.container[self.name] = value
        elif value is not ABSENT:
            self.container.append(value)
        elif isinstance(self.container, dict):
            self.container.pop(self.name, None)
        elif self.read() is not ABSENT:
            self.container.pop()


class Held:
    """Numbers and tensors in lists, dicts and attributes, as they are when they are first seen.

    What is reached from `roots` is looked through, but for objects of andon's own classes, which
    tell the recorder what matters; `modules` are those that were met. Attributes that no
    `executed` code can have read are as good as none. `loose` are slots whose content may change.
    """

    def __init__(self, roots: Iterable[Any] = (), executed: Executed | None = None):
        self.executed = executed or Executed()
        self.containers: dict[int, Any] = {}
        self.before: dict[int, dict] = {}
        self.objects: dict[int, bool] = {}  # containers of attributes; if their owner inherits ours
        self.loose: set[tuple[int, Any]] = set()
        self.modules: dict[Any, None] = {}
        self.advances = False  # whether there is an iterator, from which each call would take
        self.roots: list[Any] = []
        for root in roots:
            self.look_at(root)

    def look_at(self, root: Any) -> None:
        """Count in what can be reached from here."""
        self.roots.append(root)
        self.visit(root)

    def visit(self, x: Any, steps: int = DEEPEST) -> None:
        """Note the containers of numbers and tensors at x and beyond it."""
        if isinstance(x, tuple):
            for item in x[:LONGEST]:
                self.visit(item, steps)
            return
        if is_module(x):
            self.modules[x] = None
        if hasattr(type(x), "__next__") and not isinstance(x, IOBase):
            self.advances = True
        found = container(x)
        if found is None or id(found) in self.containers or not steps or len(found) > LONGEST:
            return
        self.watch(found, None if found is x else x)
        for name, item in items_of(found):
            if not is_number(item) and self.can_matter(id(found), name):
                self.visit(item, steps - 1)

    def watch(self, found: Any, owner: Any = None) -> None:
        """Count a container in, or the attributes of their owner."""
        if owner is not None:
            self.objects[id(found)] = inherits_ours(owner)
        self.containers[id(found)] = found
        self.before[id(found)] = telling(found)

    def visit_again(self) -> None:
        """Count in the containers that were made since. They were empty before."""
        for key, found in Held(self.roots).containers.items():
            if self.containers.setdefault(key, found) is found:
                self.before.setdefault(key, {})

    def changed(self) -> Iterator[tuple[Slot, Any, Any]]:
        """The slots that have other contents than before, with both, from the last to the first."""
        for key, found in self.containers.items():
            before, now = self.before[key], telling(found)
            for name in dict.fromkeys(reversed([*now, *before])):
                was, contents = before.get(name, ABSENT), now.get(name, ABSENT)
                if not same(was, contents):
                    yield Slot(found, name), was, contents

    def put_back(self) -> None:
        """Make everything what it was."""
        for slot, before, _ in list(self.changed()):
            slot.write(before)

    # Whether it is the same later

    def settle(self, loose: set[tuple[int, Any]], executed: Executed) -> None:
        """Be as it is now, but for slots that are loose, and for what no executed code can read.

        Long containers in which nothing can be told are forgotten: they hold data.
        """
        self.loose |= loose
        self.executed = executed
        self.forget_unread()
        for key, before in list(self.before.items()):
            kept = {name: x for name, x in before.items() if (key, name) not in self.loose}
            self.before[key] = kept
            if not kept and len(self.containers[key]) > MOST:
                del self.containers[key], self.before[key]
        views = [v for x in self.containers.values() for v in (x, values_of(x))]
        self.contents = Unchanged(lambda: [*chain.from_iterable(views)])

    def can_matter(self, key: int, name: Any) -> bool:
        """Whether what is in a container, by its id, under a name can have been read."""
        inherits = self.objects.get(key)
        return inherits is None or self.executed.can_read(name, inherits)

    def forget_unread(self) -> None:
        """Drop attributes that nobody reads, and what is reached only through them."""
        self.loose |= {
            (k, n) for k, x in self.before.items() for n in x if not self.can_matter(k, n)
        }
        if self.roots:
            read = Held(self.roots, self.executed)
            self.advances = read.advances
            self.containers = {k: x for k, x in self.containers.items() if k in read.containers}
            self.before = {k: self.before[k] for k in self.containers}
        self.roots, self.modules = [], {}

    def holds(self) -> bool:
        """Whether everything is as it was, but for the slots that are loose."""
        if self.contents():
            return True
        if any((id(s.container), s.name) not in self.loose for s, _, _ in self.changed()):
            return False
        self.contents.last = self.contents.read()
        return True

    def difference(self) -> str:
        """What is another than before."""
        slots = [s for s, _, _ in self.changed() if (id(s.container), s.name) not in self.loose]
        return f"what Python holds ({', '.join(slot.text for slot in slots)})"


def container(x: Any) -> Any:
    """What x keeps things in: x itself, its attributes, or None."""
    if isinstance(x, (dict, list, deque)):
        return x
    own = isinstance(x, (Tensor, *CODE)) or type(x).__module__.startswith(PACKAGE)
    return None if own or is_module(x) else getattr(x, "__dict__", None)


def is_module(x: Any) -> bool:
    return hasattr(x, "forward") and hasattr(x, "named_parameters")


def values_of(found: Any) -> Any:
    return found.values() if isinstance(found, dict) else found


def items_of(found: Any) -> list[tuple]:
    return list(found.items() if isinstance(found, dict) else enumerate(found))


def telling(found: Any) -> dict[Any, Any]:
    """The contents of a container by which it can be told that it has changed."""
    items = items_of(found)
    numbers = {name for name, x in items if is_number(x)}
    if len(numbers) > MOST:
        numbers = set()
    return {name: x for name, x in items if name in numbers or is_known_by_identity(x)}


def is_known_by_identity(x: Any) -> bool:
    return isinstance(x, Tensor) or is_module(x) or container(x) is not None
