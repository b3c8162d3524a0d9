"""The kernels written by hand, as headers: `#include "matmul.h"` becomes their text.

A file of C that a person or the code generator wrote includes what it needs of `andon/kernels/cpu`;
`expanded` puts the headers in its place, so that the text stands alone: it can be hashed, cached,
and given away. A header that guards itself comes once; one without a guard is meant to be read
again, as matmul.h is for a second element type.
"""

from __future__ import annotations

import re
from pathlib import Path

KERNELS = Path(__file__).parent.parent / "kernels" / "cpu"
INCLUDE = re.compile(r'^#include "(\w+\.h)".*$', re.MULTILINE)
GUARD = re.compile(r"\A[^#]*^#ifndef (\w+)\n#define \1$", re.MULTILINE)  # before all else


def expanded(source: str) -> str:
    """`source` with the text of the headers that it includes, and of those that they include."""
    seen: set[str] = set()

    def text_of(include: re.Match[str]) -> str:
        path = KERNELS / include[1]
        if include[1] in seen:
            return ""
        if not path.is_file():
            return include[0]  # the compiler will say it
        text = path.read_text(encoding="utf-8")
        if GUARD.match(text):
            seen.add(include[1])
        return INCLUDE.sub(text_of, text)

    return INCLUDE.sub(text_of, source)
