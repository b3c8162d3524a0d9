"""Rows for andon/ops/conv.py."""

from cases import Case

HALVES = ("float64", "float32", "float16", "bfloat16")


def conv(name, n, x, w, bias=False, transpose=False, dtypes=("float64", "float32"), **options):
    function = f"conv_transpose{n}d" if transpose else f"conv{n}d"
    shapes = [x, w]
    if bias:
        groups = options.get("groups", 1)
        shapes.append((w[1] * groups if transpose else w[0],))

    def call(t, *xs):
        return getattr(t.nn.functional, function)(*xs, **options)

    return Case(f"{function} {name}", call, shapes, dtypes=dtypes, rtol=1e-7)


CASES = [
    conv("with a bias", 1, (2, 3, 8), (4, 3, 3), bias=True),
    conv("without a batch", 1, (3, 8), (4, 3, 3), bias=True),
    conv("depthwise and causal, as in mamba", 1, (2, 4, 5), (4, 1, 4), bias=True, padding=3,
         groups=4),
    conv("dilated", 1, (2, 3, 9), (4, 3, 3), dilation=3, padding=2),
    conv("that covers everything", 1, (2, 3, 4), (4, 3, 4)),
    conv("same", 1, (1, 2, 7), (2, 2, 5), padding="same", dtypes=HALVES),
    conv("valid", 1, (1, 2, 7), (2, 2, 4), padding="valid"),
    conv("of no batch", 1, (0, 2, 7), (2, 2, 3)),
    conv("with padding", 2, (2, 3, 6, 5), (4, 3, 3, 3), padding=1, dtypes=HALVES),
    conv("with a stride that leaves a rest", 2, (2, 3, 8, 7), (4, 3, 3, 2), stride=(3, 2)),
    conv("1x1", 2, (2, 3, 4, 4), (5, 3, 1, 1)),
    conv("in groups", 2, (2, 4, 5, 5), (6, 2, 3, 3), groups=2, padding=1, bias=True),
    conv("depthwise with a multiplier", 2, (2, 3, 5, 5), (6, 1, 3, 3), groups=3, padding=1),
    conv("depthwise with a stride", 2, (2, 3, 6, 6), (3, 1, 3, 3), groups=3, stride=2, padding=1),
    conv("with different options per dim", 2, (1, 2, 9, 8), (3, 2, 2, 3), stride=(2, 1),
         padding=(0, 2), dilation=(3, 1)),
    conv("same and dilated", 2, (1, 2, 6, 6), (2, 2, 3, 2), padding="same", dilation=2),
    conv("with many output channels", 2, (1, 1, 5, 5), (8, 1, 3, 3), padding=1),
    conv("over three dims", 3, (1, 2, 4, 5, 4), (3, 2, 2, 3, 2), bias=True, padding=1, stride=2),
    conv("without a batch", 3, (2, 4, 5, 4), (3, 2, 2, 3, 2)),
    conv("plain", 1, (2, 3, 5), (3, 4, 3), transpose=True),
    conv("with a stride", 1, (2, 3, 5), (3, 4, 3), transpose=True, stride=2, padding=1,
         output_padding=1),
    conv("without a batch", 2, (3, 4, 4), (3, 2, 3, 3), transpose=True, bias=True, stride=2),
    conv("in groups", 2, (2, 4, 3, 3), (4, 3, 3, 2), transpose=True, groups=2, stride=(2, 3),
         bias=True),
    conv("dilated, with output_padding beyond the stride", 2, (1, 2, 3, 3), (2, 2, 3, 3),
         transpose=True, stride=1, dilation=3, output_padding=2),
    conv("over three dims", 3, (1, 2, 2, 3, 2), (2, 3, 2, 2, 2), transpose=True, stride=2),
    Case("conv2d of a transposed input", lambda t, x, w: t.conv2d(x.transpose(2, 3), w, padding=1),
         [(2, 3, 4, 5), (2, 3, 3, 3)], rtol=1e-7),
]  # fmt: skip
