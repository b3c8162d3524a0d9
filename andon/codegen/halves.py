"""Two files instead of one, so that two compilers share the work of a large graph.

Some of the functions that take long to compile are moved to a file of their own, which gives a
table of them; in the other, their names are pointers that `bind` fills in.
"""

from __future__ import annotations

from .translation_unit import CALL, Unit, Written

ENOUGH = 4  # the weight of what is apart from which on a second compiler is worth its start

TABLE = """
__attribute__((visibility("default"))) void *const *functions_apart(void);
void *const *functions_apart(void)
{{
    static void *const table[] = {{{names}}};
    return table;
}}
"""
BIND = """
__attribute__((visibility("default"))) void bind(void *const *table);
void bind(void *const *table)
{{
{lines}
}}
"""


def halves(unit: Unit) -> tuple[str, str] | None:
    """The file of a unit without some of its functions, and the file of these; None if few."""
    functions = unit.functions
    apart = heaviest_half(functions.written) if functions is not None else []
    if functions is None or sum(f.weight for f in apart) < ENOUGH:
        return None
    moved = {f.title for f in apart}
    pointers = [f"static void (*{f.title}){f.parameters};" for f in apart]
    lines = [f"    {f.title} = (void (*){f.parameters})table[{i}];" for i, f in enumerate(apart)]
    kept = [f.text for f in functions.written if f.title not in moved]
    bind = BIND.format(lines="\n".join(lines))
    first = [functions.includes(), CALL, *pointers, *kept, unit.rest, bind]
    names = ", ".join(f"(void *){f.title}" for f in apart)
    second = [functions.includes(), *(f.text for f in apart), TABLE.format(names=names)]
    return "\n".join(first), "\n".join(second)


def heaviest_half(written: list[Written]) -> list[Written]:
    """The functions that take longest to compile, of half of the whole weight."""
    left = sum(f.weight for f in written) / 2
    found = []
    for f in sorted(written, key=lambda f: -f.weight):
        left -= f.weight
        if left < 0:
            break
        found.append(f)
    return found
