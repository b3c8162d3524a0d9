"""Rows for andon/ops/grid_sample.py."""

from cases import Case


def sample(x, grid, **options):
    def call(t, x, grid):
        return t.nn.functional.grid_sample(x, grid, **options)

    return Case(f"grid_sample {options}", call, [x, grid], low=-1.4, high=1.4, rtol=1e-6)


def warp(t, x, theta, align):
    grid = t.nn.functional.affine_grid(theta, [2, 3, 4, 5], align_corners=align)
    return grid, t.nn.functional.grid_sample(x, grid, align_corners=align)


CASES = [
    *(
        sample((2, 3, 4, 5), (2, 3, 2, 2), mode=mode, padding_mode=padding, align_corners=align)
        for mode in ("bilinear", "nearest")
        for padding in ("zeros", "border", "reflection")
        for align in (False, True)
    ),
    sample((2, 1, 3, 4, 2), (2, 2, 3, 2, 3), align_corners=False, padding_mode="border"),
    Case("affine_grid and grid_sample", lambda t, x, theta: warp(t, x, theta, False),
         [(2, 3, 4, 5), (2, 2, 3)], rtol=1e-6),
    Case("affine_grid with aligned corners", lambda t, x, theta: warp(t, x, theta, True),
         [(2, 3, 4, 5), (2, 2, 3)], rtol=1e-6),
    Case("affine_grid of a volume",
         lambda t, theta: t.nn.functional.affine_grid(theta, [1, 2, 2, 3, 1], align_corners=False),
         [(1, 3, 4)]),
]  # fmt: skip
