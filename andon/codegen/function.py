"""A kernel as text: a C function that does not know its name, nor those of its values.

Names in the text are tokens, so that two kernels that differ in nothing but names have one text;
`named` puts the names of the graph in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..graph.ir import Symbol
from .scalar import STORED, name_of

NAME = "\x03"  # of a function, in its own text
TOKEN = re.compile("\x01(\\d+)\x02")


@dataclass(eq=False)
class Function:
    """A kernel as text.

    body      the function after its name; its parameters and variables are tokens
    buffers   the values whose memory it is given, in the order of its parameters
    named     the values that the tokens stand for
    offsets   where in each buffer the pointer starts: not in the text, so that steps of a loop that
              lie in one buffer are one function
    rows      how many there are of what it is given a range of, and `unit`, of which ranges are
              multiples
    work      an estimate of the elements that a row takes
    partials  for a reduction of everything: the accumulators that each chunk leaves
    serial    whether one thread does it all; `by_parts`: it is told its part, not its rows
    scratch   bytes of memory for its threads together
    headers   the files of kernels/cpu that it needs
    before    what stands before the function; \x03 stands for its name
    """

    title: str
    body: str
    buffers: list[Symbol]
    named: list[Symbol]
    rows: int
    unit: int = 1
    work: int = 1
    partials: list[str] = field(default_factory=list)
    serial: bool = False
    by_parts: bool = False
    scratch: int = 0
    headers: tuple[str, ...] = ()
    before: str = ""
    offsets: list[int] = field(default_factory=list)


def token(number: int) -> str:
    """What stands in a text for the name of value `number`."""
    return f"\x01{number}\x02"


def declared(pointer: str, value: Symbol, written: bool) -> str:
    """The declaration of a pointer to elements of a value."""
    kind = STORED[name_of(value.dtype)]
    return f"{kind if written else 'const ' + kind} *{pointer}"


def named(text: str, names: list[str]) -> str:
    """The text with names in place of its tokens."""
    return TOKEN.sub(lambda match: names[int(match.group(1))], text)
