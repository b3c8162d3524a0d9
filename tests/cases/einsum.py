"""Rows for andon/ops/einsum.py."""

from cases import Case


def row(equation, *shapes, **options):
    return Case(f"einsum {equation} {shapes}", lambda t, *xs: t.einsum(equation, *xs),
                list(shapes), **options)  # fmt: skip


CASES = [
    row("ij,jk->ik", (2, 3), (3, 4), dtypes=("float64", "float32", "float16", "bfloat16")),
    row("ij,jk", (2, 3), (3, 4)),
    row("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    row("bhid,bhjd->bhij", (2, 2, 3, 4), (2, 2, 5, 4)),
    row("abc,cd->abcd", (2, 3, 4), (4, 5)),
    row("abc,abd,abc->abcd", (2, 3, 4), (2, 3, 5), (2, 3, 4)),
    row("abc,ac->ab", (2, 3, 4), (2, 4)),
    row("i,i->", (4,), (4,)),
    row("i,i", (4,), (4,)),
    row("i,j->ij", (3,), (4,)),
    row("i,i->i", (3,), (3,)),
    row("ii", (3, 3)),
    row("ii->i", (3, 3)),
    row("iij->ji", (3, 3, 2)),
    row("iii->i", (3, 3, 3)),
    row("ii,ij->j", (3, 3), (3, 2)),
    row("ij->", (2, 3)),
    row("ij->ji", (2, 3)),
    row("ba", (2, 3)),
    row("aB->Ba", (2, 3)),
    row(" i j , j k -> k i ", (2, 3), (3, 4)),
    row("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    row("...ij,...jk", (5, 1, 2, 3), (4, 3, 4)),
    row("...ij,jk->...ik", (5, 4, 2, 3), (3, 4)),
    row("i...->...", (3, 2, 4)),
    row("...->...", (3, 2)),
    row("...,...->...", (3, 1), (2,)),
    row("i...j->j...i", (3, 5, 2)),
    row("ij,kj->ik", (3, 1), (4, 5)),
    row("ij,ij->ij", (3, 1), (3, 5)),
    row("ab,bc,cd,de->ae", (2, 6), (6, 3), (3, 5), (5, 2)),
    row("a,b,c->abc", (2,), (3,), (4,)),
    row("ab,ac,ad->bcd", (4, 2), (4, 3), (4, 2)),
    row("ab,cd->c", (2, 3), (4, 5)),
    row("ij,j->i", (0, 3), (3,)),
    row("ij,jk->ik", (2, 0), (0, 3)),
    row(",i->i", (), (3,)),
    row("->", ()),
    Case("einsum of a list of operands", lambda t, a, b: t.einsum("ij,jk->ik", [a, b]),
         [(2, 3), (3, 4)]),
    Case("einsum with dims as numbers", lambda t, a, b: t.einsum(a, [0, 1], b, [1, 2], [2, 0]),
         [(2, 3), (3, 4)]),
    Case("einsum with dims as numbers and an ellipsis",
         lambda t, a, b: t.einsum(a, [..., 0, 1], b, [1, 2]), [(5, 2, 3), (3, 4)]),
    Case("einsum of a transposed operand", lambda t, a, b: t.einsum("ij,jk->ik", a.T, b),
         [(3, 2), (3, 4)]),
    Case("einsum of an operand with itself", lambda t, a: t.einsum("ij,kj->ik", a, a), [(3, 4)]),
]  # fmt: skip
