"""The code that runs while recording, and so which attributes of objects it can have read.

A counter that a program keeps beside a recorded function does not matter to it. That no code which
ran so much as names the attribute is known only by watching all of it, which takes as long again as
recording does. So it is watched where something has changed that may not have mattered.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Any

PACKAGE = __file__.rpartition("engine")[0]
NAME = __name__.partition(".")[0] + "."
ANY = {"__dict__", "vars", "getattr", "attrgetter", "asdict", "astuple", "eval", "exec"}


class Executed:
    """The code that ran, if it was watched.

    `names` are what it names, and `others` what code outside of andon does; None: anything.
    """

    def __init__(self) -> None:
        self.codes: set[CodeType] = set()
        self.names: set[str] | None = None
        self.others: set[str] | None = None

    @contextmanager
    def watching(self, wanted: bool) -> Iterator[None]:
        """Note what code runs within, unless a profiler does already."""
        if not wanted or sys.getprofile() is not None:
            yield
            return
        sys.setprofile(self.note)
        try:
            yield
        finally:
            sys.setprofile(None)
        others = [code for code in self.codes if not code.co_filename.startswith(PACKAGE)]
        if ANY.isdisjoint(name for code in others for name in code.co_names):
            self.names = {name for code in self.codes for name in names_in(code)}
            self.others = {name for code in others for name in names_in(code)}

    def note(self, frame: Any, event: str, argument: Any) -> None:
        if event == "call":
            self.codes.add(frame.f_code)

    def can_read(self, name: str, inherits: bool) -> bool:
        """Whether code may have read an attribute; `inherits`: of an object of our classes."""
        names = self.names if inherits else self.others
        return names is None or name in names


def inherits_ours(x: Any) -> bool:
    """Whether andon's own code may read attributes of x."""
    return any(c.__module__.startswith(NAME) for c in type(x).__mro__)


def names_in(code: CodeType) -> Iterator[str]:
    """What code names: attributes and, in its constants, perhaps some more."""
    yield from code.co_names
    yield from (x for x in code.co_consts if isinstance(x, str))
