"""Loads and stores: an element in memory, or a register full of them, as C.

float16 and bfloat16 are stored as bits and computed in float; masks are stored as bytes. Of a
vector that is not full, `part` is the number of elements, as C; otherwise it is empty.
"""

from __future__ import annotations

from .vector import LANES

NARROW = ("float16", "bfloat16")


def element_load(pointer: str, index: str, dtype: str) -> str:
    text = f"{pointer}[{index}]"
    return f"{dtype}_of({text})" if dtype in NARROW else text


def element_store(pointer: str, index: str, dtype: str, x: str) -> str:
    return f"{pointer}[{index}] = {f'{dtype}_bits({x})' if dtype in NARROW else x};"


def vector_load(pointer: str, index: str, stride: int, V: str, dtype: str, part: str) -> str:
    """The vector of elements that lie `stride` apart."""
    place = f"{pointer} + {index}"
    if stride != 1:
        return f"{every(V, dtype)}_load_every({place}, {stride}, {part or LANES[V]})"
    function = named(V, "load", dtype)
    fill = ", 0" if dtype not in ("bool", *NARROW) else ""
    return f"{function}_part({place}, {part}{fill})" if part else f"{function}({place})"


def vector_store(
    pointer: str, index: str, stride: int, V: str, dtype: str, part: str, x: str
) -> str:
    """The statement that stores a vector in elements `stride` apart."""
    place = f"{pointer} + {index}"
    if stride != 1:
        return f"{every(V, dtype)}_store_every({place}, {x}, {stride}, {part or LANES[V]});"
    function = named(V, "store", dtype)
    return f"{function}_part({place}, {x}, {part});" if part else f"{function}({place}, {x});"


def named(V: str, verb: str, dtype: str) -> str:
    """The function of `vector.h` for contiguous elements of a dtype."""
    if dtype == "bool":
        return f"{V}_mask_{verb}"
    return f"{V}_{verb}_{dtype}" if dtype in NARROW else f"{V}_{verb}"


def every(V: str, dtype: str) -> str:
    return f"{V}_{dtype}" if dtype in ("bool", *NARROW) else V
