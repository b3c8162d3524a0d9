"""Two files instead of one, so that two compilers share the work of a large graph.

Every second of the functions that take long to compile is moved to a file of its own, which gives
a table of them; in the other, their names are pointers that `bind` fills in.
"""

from __future__ import annotations

from .translation_unit import CALL, Unit

ENOUGH = 4  # heavy functions from which on a second compiler is worth its start

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
    heavy = [f for f in functions.written if f.heavy] if functions is not None else []
    if functions is None or len(heavy) < ENOUGH:
        return None
    apart = heavy[::2]
    moved = {f.title for f in apart}
    pointers = [f"static void (*{f.title}){f.parameters};" for f in apart]
    lines = [f"    {f.title} = (void (*){f.parameters})table[{i}];" for i, f in enumerate(apart)]
    kept = [f.text for f in functions.written if f.title not in moved]
    bind = BIND.format(lines="\n".join(lines))
    first = [functions.includes(), CALL, *pointers, *kept, unit.rest, bind]
    names = ", ".join(f"(void *){f.title}" for f in apart)
    second = [functions.includes(), *(f.text for f in apart), TABLE.format(names=names)]
    return "\n".join(first), "\n".join(second)
