"""Identifiers: what values are called in C, where the names that people gave them will not do."""

from __future__ import annotations

import re

from .scalar import MATHEMATICAL

# Words of C, of generated loops and of the headers, which values cannot be called
RESERVED = {
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else",
    "enum", "extern", "float", "for", "goto", "if", "inline", "int", "long", "register",
    "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
    "unsigned", "void", "volatile", "while", "bool", "true", "false",
    "m", "m0", "m1", "k", "l", "r", "rest", "start", "end", "error", "pool",
    "isnan", "isinf", "isfinite", "signbit",
    "product", "context", "count", "range", "scratch", "shape", "part", "parts", "c", "n",
    "float16_of", "float16_bits", "bfloat16_of", "bfloat16_bits", "floor_quotient_i", "quotient_i",
    "rest_i", "remainder_of_floor_i", "power_i", "shift_left", "shift_right",
    *MATHEMATICAL,
}  # fmt: skip
COUNTER = r"[ij]\d+"
TYPE = r"u?int\d+_t"
OF_VECTORS = r"(vf|vd|vi|vl)(_\w+)?"
MACRO = r"[A-Z][A-Z0-9_]+"
DERIVED = r"\w+_(at|sum|all|row|parts|read_\d+)"  # what loops make of the names of values
TAKEN = re.compile("|".join((COUNTER, TYPE, OF_VECTORS, MACRO, DERIVED)))


def identifiers(names: list[str]) -> list[str]:
    """Names as C has them, each different."""
    found: dict[str, None] = {}  # in order
    for name in names:
        plain = re.sub(r"\W", "_", name)
        plain = f"v{plain}" if plain[:1].isdigit() else plain
        if plain in RESERVED or TAKEN.fullmatch(plain):
            plain += "_"
        unique, n = plain, 1
        while unique in found:
            n += 1
            unique = f"{plain}_{n}"
        found[unique] = None
    return list(found)
