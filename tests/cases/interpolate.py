"""Rows for andon/ops/interpolate.py."""

import numpy as np

from cases import Case

HALVES = ("float64", "float32", "float16", "bfloat16")


def resize(shape, dtypes=("float64", "float32"), **options):
    def call(t, x):
        return t.nn.functional.interpolate(x, **options)

    return Case(f"interpolate {options}", call, [shape], dtypes=dtypes, rtol=1e-6)


IMAGE = (2, 3, 5, 4)
CASES = [
    resize(IMAGE, scale_factor=2, dtypes=HALVES),
    resize(IMAGE, size=(7, 3)),
    resize(IMAGE, scale_factor=(1.7, 0.6)),
    resize((2, 3, 10), size=7),
    resize((2, 3, 10), size=7, mode="nearest-exact"),
    resize((2, 3, 10), scale_factor=1.3, mode="nearest-exact"),
    resize((1, 2, 3, 4, 5), size=(2, 8, 5)),
    resize((2, 3, 10), size=7, mode="linear"),
    resize((2, 3, 10), size=23, mode="linear", align_corners=True),
    resize(IMAGE, scale_factor=2, mode="bilinear", dtypes=("float64", "float32", "bfloat16")),
    resize(IMAGE, size=(3, 9), mode="bilinear", align_corners=False),
    resize(IMAGE, size=(9, 1), mode="bilinear", align_corners=True),
    resize(IMAGE, scale_factor=(1.7, 0.6), mode="bilinear"),
    resize(IMAGE, scale_factor=1.7, mode="bilinear", recompute_scale_factor=True),
    resize(IMAGE, size=(5, 4), mode="bilinear"),
    resize(IMAGE, scale_factor=2, mode="bicubic"),
    resize(IMAGE, size=(3, 9), mode="bicubic", align_corners=True),
    resize(IMAGE, scale_factor=(0.7, 1.9), mode="bicubic", align_corners=False),
    resize((1, 2, 3, 4, 5), scale_factor=2, mode="trilinear"),
    resize((1, 2, 3, 4, 5), size=(5, 2, 3), mode="trilinear", align_corners=True),
    resize(IMAGE, size=(3, 2), mode="area"),
    Case("interpolate nearest of bytes",
         lambda t, x: t.nn.functional.interpolate(x, scale_factor=2),
         [np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4)], grad=False),
    Case("pixel_shuffle", lambda t, x: t.nn.functional.pixel_shuffle(x, 2), [(2, 8, 3, 2)]),
    Case("pixel_shuffle without a batch", lambda t, x: t.pixel_shuffle(x, 3), [(9, 2, 2)]),
    Case("pixel_unshuffle", lambda t, x: t.nn.functional.pixel_unshuffle(x, 2), [(2, 3, 4, 6)]),
    Case("channel_shuffle", lambda t, x: t.nn.functional.channel_shuffle(x, 3), [(2, 6, 2, 2)]),
]  # fmt: skip
