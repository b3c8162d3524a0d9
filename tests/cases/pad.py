"""Rows for andon/ops/padding.py and windows.py."""

import numpy as np

from cases import Case

NARROW = ("float64", "float32", "float16", "bfloat16")
INTS = np.arange(6, dtype=np.int64).reshape(2, 3)


CASES = [
    Case("pad the last dim", lambda t, x: t.nn.functional.pad(x, (1, 2)), [(2, 3)], dtypes=NARROW),
    Case(
        "pad with a value", lambda t, x: t.nn.functional.pad(x, (1, 0, 0, 2), value=5.5), [(2, 3)]
    ),
    Case("pad takes away", lambda t, x: t.nn.functional.pad(x, (-1, 2, 1, -1)), [(2, 3)]),
    Case("pad nothing", lambda t, x: t.nn.functional.pad(x, (0, 1)), [(2, 0)]),
    Case("pad integers", lambda t, x: t.nn.functional.pad(x, (1, 1), value=7), [INTS], grad=False),
    Case(
        "pad by reflection",
        lambda t, x: t.nn.functional.pad(x, (2, 1), "reflect"),
        [(2, 3)],
        dtypes=NARROW,
    ),
    Case(
        "pad an image by reflection",
        lambda t, x: t.nn.functional.pad(x, (1, 2, 2, 0), mode="reflect"),
        [(1, 2, 3, 4)],
    ),
    Case(
        "pad by reflection, less", lambda t, x: t.nn.functional.pad(x, (-1, 1), "reflect"), [(2, 3)]
    ),
    Case(
        "pad by the edge",
        lambda t, x: t.nn.functional.pad(x, (4, 1), "replicate"),
        [(2, 3)],
        dtypes=NARROW,
    ),
    Case(
        "pad an image by the edge",
        lambda t, x: t.nn.functional.pad(x, (1, 2, 3, 0), mode="replicate"),
        [(1, 2, 3, 4)],
    ),
    Case(
        "pad around",
        lambda t, x: t.nn.functional.pad(x, (3, 1), "circular"),
        [(2, 3)],
        dtypes=NARROW,
    ),
    Case(
        "pad an image around",
        lambda t, x: t.nn.functional.pad(x, (1, 2, 3, 0), mode="circular"),
        [(1, 2, 3, 4)],
    ),
    Case(
        "pad around what is left",
        lambda t, x: t.nn.functional.pad(x, (-1, 2), "circular"),
        [(2, 4)],
    ),
    Case("unfold", lambda t, x: x.unfold(1, 3, 2), [(2, 7)]),
    Case("unfold the first dim", lambda t, x: x.unfold(0, 2, 1), [(4, 2)]),
    Case("unfold in steps apart", lambda t, x: x.unfold(-1, 2, 3), [(9,)]),
    Case("unfold a scalar", lambda t, x: x.unfold(0, 1, 1), [()]),
    Case("unfold to empty windows", lambda t, x: x.unfold(0, 0, 1), [(2,)]),
    Case("im2col", lambda t, x: t.nn.functional.unfold(x, 2), [(2, 2, 3, 4)]),
    Case(
        "im2col with everything",
        lambda t, x: t.nn.functional.unfold(
            x, (2, 3), dilation=(2, 1), padding=(1, 2), stride=(1, 2)
        ),
        [(1, 2, 4, 5)],
    ),
    Case("im2col of one image", lambda t, x: t.nn.functional.unfold(x, (2, 1)), [(2, 3, 3)]),
    Case("col2im", lambda t, x: t.nn.functional.fold(x, (3, 4), 2), [(2, 8, 6)]),
    Case(
        "col2im with everything",
        lambda t, x: t.nn.functional.fold(
            x, (4, 5), (2, 3), dilation=(2, 1), padding=(1, 2), stride=(1, 2)
        ),
        [(1, 12, 16)],
    ),
    Case("col2im of one image", lambda t, x: t.nn.functional.fold(x, 3, 2, stride=1), [(4, 4)]),
]
