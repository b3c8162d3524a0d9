"""Rows for andon/ops/max_pool.py and avg_pool.py."""

import numpy as np

from cases import Case

HALVES = ("float64", "float32", "float16", "bfloat16")


def pool(function, shape, *args, note="", dtypes=("float64", "float32"), grad=True, **options):
    def call(t, x):
        return getattr(t.nn.functional, function)(x, *args, **options)

    name = f"{function} {args} {options} {note}"
    return Case(name, call, [shape], dtypes=dtypes, grad=grad, rtol=1e-7)


def there_and_back(n, *args, grad=True, **options):
    def call(t, x):
        F = t.nn.functional
        y, indices = getattr(F, f"max_pool{n}d")(x, *args, return_indices=True)
        return getattr(F, f"max_unpool{n}d")(y, indices, *args, **options)

    return Case(f"max_unpool{n}d {args} {options}", call, [(2, 3, *(6,) * n)], grad=grad)


NAN = np.array([[[1.0, np.nan, 3.0, 2.0, np.nan, np.nan, -np.inf, -np.inf]]])

CASES = [
    pool("max_pool1d", (2, 3, 8), 2, dtypes=HALVES),
    pool("max_pool1d", (3, 8), 3, 2, 1, return_indices=True),
    pool("max_pool1d", (2, 3, 9), 3, 2, 1, dilation=2),
    pool("max_pool1d", NAN, 2, 1, 1, note="of NaN", grad=False, return_indices=True),
    pool("max_pool1d", np.full((1, 1, 5), -np.inf), 3, 2, 1, note="of -inf", grad=False,
         return_indices=True),
    pool("max_pool1d", np.zeros((1, 1, 6)), 3, 1, 1, note="of equals", grad=False,
         return_indices=True),
    pool("max_pool2d", (2, 3, 6, 7), 2, return_indices=True),
    pool("max_pool2d", (2, 3, 7, 7), 3, 2, 1, ceil_mode=True, return_indices=True),
    pool("max_pool2d", (2, 3, 7, 8), (3, 2), (2, 3), (1, 0), (1, 2), ceil_mode=True),
    pool("max_pool2d", (1, 1, 5, 5), 2, 3, 1, ceil_mode=True, note="last window in the padding"),
    pool("max_pool2d", (0, 3, 6, 7), 2, note="of no batch"),
    pool("max_pool3d", (2, 4, 5, 4), 2, padding=1, return_indices=True),
    there_and_back(1, 2),
    there_and_back(2, 2, output_size=(2, 3, 7, 7)),
    there_and_back(2, 3, 1, grad=False),
    there_and_back(3, 3, 3),
    pool("adaptive_max_pool1d", (2, 3, 7), 3, return_indices=True, dtypes=HALVES),
    pool("adaptive_max_pool2d", (2, 3, 7, 5), (3, None), return_indices=True),
    pool("adaptive_max_pool2d", (3, 4, 5), 6, note="that repeats"),
    pool("adaptive_max_pool3d", (1, 2, 4, 5, 3), (2, 3, 1)),
    pool("adaptive_max_pool1d", NAN, 3, note="of NaN", grad=False),
    pool("avg_pool1d", (2, 3, 8), 3, dtypes=HALVES),
    pool("avg_pool1d", (3, 8), 3, 2, 1),
    pool("avg_pool1d", (3, 8), 3, 2, 1, count_include_pad=False),
    pool("avg_pool2d", (2, 3, 6, 7), 2),
    pool("avg_pool2d", (2, 3, 7, 7), 3, 2, 1, ceil_mode=True),
    pool("avg_pool2d", (2, 3, 7, 8), (3, 2), (2, 3), (1, 0), True, False, dtypes=HALVES),
    pool("avg_pool2d", (2, 3, 7, 8), 3, 2, 1, divisor_override=5),
    pool("avg_pool2d", (1, 1, 4, 4), 2, 3, ceil_mode=True, note="with an unread rest"),
    pool("avg_pool2d", (1, 1, 8, 8), 3, 3, note="with an unread rest"),
    pool("avg_pool3d", (2, 4, 5, 4), 2, padding=1, count_include_pad=False),
    pool("adaptive_avg_pool1d", (2, 3, 7), 3, dtypes=HALVES),
    pool("adaptive_avg_pool1d", (3, 8), 4),
    pool("adaptive_avg_pool2d", (2, 3, 7, 5), (3, None)),
    pool("adaptive_avg_pool2d", (2, 3, 4, 4), 1),
    pool("adaptive_avg_pool2d", (3, 4, 5), 6, note="that repeats"),
    pool("adaptive_avg_pool3d", (1, 2, 4, 5, 3), (2, 3, 1)),
    pool("lp_pool1d", (2, 3, 8), 2, 3),
    pool("lp_pool2d", (2, 3, 6, 6), 2, 2, 2),
    Case("lp_pool3d of positive numbers", lambda t, x: t.nn.functional.lp_pool3d(x, 3, 2),
         [(1, 2, 4, 4, 4)], low=0.1),
]  # fmt: skip
