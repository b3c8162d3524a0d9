"""Rows for andon/ops/linalg.py, solve.py, decomposition.py and singular_values.py."""

import numpy as np

from cases import Case

HALVES = ("float64", "float32", "float16", "bfloat16")


def T(x):
    return x.transpose(-1, -2)


def spd(t, x):
    """A symmetric positive definite matrix made from any square one."""
    return x @ T(x) + t.eye(x.shape[-1]).to(x.dtype)


def dominant(t, x):
    """A well-conditioned square matrix."""
    return x + 5 * t.eye(x.shape[-1]).to(x.dtype)


PRODUCTS = [
    Case("vander", lambda t, x: t.vander(x, 3), [(4,)], grad=False),
    Case("vander, increasing", lambda t, x: t.linalg.vander(x), [(2, 3)], grad=False),
    Case("vander of integers", lambda t, x: t.vander(x), [np.array([1, 2, 3])], grad=False),
    Case("conjugate transposes", lambda t, x: (x.H, x[None].mH, x.adjoint()), [(2, 3)]),
    Case("matmul of matrices", lambda t, a, b: a @ b, [(3, 4), (4, 5)], dtypes=HALVES),
    Case("matmul of vectors", lambda t, a, b: t.matmul(a, b), [(4,), (4,)], dtypes=HALVES),
    Case("matmul of a vector and a matrix", lambda t, a, b: a @ b, [(4,), (4, 5)]),
    Case("matmul of a matrix and a vector", lambda t, a, b: a @ b, [(3, 4), (4,)]),
    Case("matmul of a vector and a batch", lambda t, a, b: a @ b, [(4,), (2, 4, 5)]),
    Case("matmul of a batch and a vector", lambda t, a, b: a @ b, [(2, 3, 4), (4,)]),
    Case("matmul of a batch and a matrix", lambda t, a, b: a @ b, [(2, 3, 4), (4, 5)],
         dtypes=HALVES),
    Case("matmul of a matrix and a batch", lambda t, a, b: a @ b, [(3, 4), (2, 4, 5)]),
    Case("matmul broadcasts batches", lambda t, a, b: a @ b, [(2, 1, 3, 4), (5, 4, 2)],
         dtypes=HALVES),
    Case("matmul of transposed operands", lambda t, a, b: T(a) @ T(b), [(2, 4, 3), (2, 5, 4)]),
    Case("matmul of heads cut from one tensor",
         lambda t, a, b: a.permute(0, 2, 1, 3) @ b.permute(0, 2, 3, 1),
         [(2, 3, 2, 4), (2, 3, 2, 4)]),
    Case("matmul of every second row", lambda t, a, b: a[::2, 1:] @ b, [(5, 4), (3, 2)]),
    Case("matmul of an expanded row", lambda t, a, b: a.expand(3, 4) @ b, [(1, 4), (4, 2)]),
    Case("matmul with itself", lambda t, a: a @ a, [(3, 3)]),
    Case("matmul with its transpose", lambda t, a: a @ T(a), [(3, 4)]),
    Case("matmul over nothing is zero", lambda t, a, b: a @ b, [(2, 3, 0), (0, 4)]),
    Case("matmul of no rows", lambda t, a, b: a @ b, [(2, 0, 3), (3, 4)]),
    Case("matmul of no batch", lambda t, a, b: a @ b, [(0, 2, 3), (3, 4)]),
    Case("matmul of integers", lambda t, a, b: a @ b,
         [np.arange(6).reshape(2, 3), np.arange(12).reshape(3, 4)], grad=False),
    Case("matmul of small integers wraps", lambda t, a, b: a @ b,
         [np.full((2, 3), 100, np.int8), np.full((3, 2), 2, np.int8)], grad=False),
    Case("mm", lambda t, a, b: t.mm(a, b), [(3, 4), (4, 2)]),
    Case("bmm", lambda t, a, b: t.bmm(a, b), [(2, 3, 4), (2, 4, 5)]),
    Case("mv", lambda t, a, b: a.mv(b), [(3, 4), (4,)]),
    Case("dot", lambda t, a, b: a.dot(b), [(4,), (4,)]),
    Case("vdot", lambda t, a, b: t.vdot(a, b), [(4,), (4,)]),
    Case("outer", lambda t, a, b: t.outer(a, b), [(3,), (4,)], dtypes=HALVES),
    Case("inner of vectors", lambda t, a, b: t.inner(a, b), [(4,), (4,)]),
    Case("inner of tensors", lambda t, a, b: t.inner(a, b), [(2, 3, 4), (5, 4)]),
    Case("inner with a number", lambda t, a, b: t.inner(a, b), [(2, 3), ()]),
    Case("vecdot", lambda t, a, b: t.linalg.vecdot(a, b, dim=0), [(3, 4), (3, 1)]),
    Case("addmm", lambda t, x, a, b: t.addmm(x, a, b, beta=0.5, alpha=2), [(4,), (2, 3), (3, 4)]),
    Case("addmm without x", lambda t, x, a, b: t.addmm(x, a, b, beta=0),
         [np.full((2, 2), np.nan), (2, 3), (3, 2)], grad=False),
    Case("addmv", lambda t, x, a, b: t.addmv(x, a, b, alpha=-1), [(2,), (2, 3), (3,)]),
    Case("addr", lambda t, x, a, b: x.addr(a, b, beta=3), [(2, 3), (2,), (3,)]),
    Case("baddbmm", lambda t, x, a, b: t.baddbmm(x, a, b), [(2, 1, 4), (2, 3, 2), (2, 2, 4)]),
    Case("addbmm", lambda t, x, a, b: t.addbmm(x, a, b), [(3, 4), (2, 3, 2), (2, 2, 4)]),
    Case("multi_dot in the cheap order", lambda t, a, b, c: t.linalg.multi_dot([a, b, c]),
         [(5, 2), (2, 6), (6, 1)]),
    Case("multi_dot between vectors", lambda t, a, b, c: t.linalg.multi_dot([a, b, c]),
         [(3,), (3, 4), (4,)]),
    Case("tensordot over two dims", lambda t, a, b: t.tensordot(a, b), [(2, 3, 4), (3, 4, 5)]),
    Case("tensordot over no dims", lambda t, a, b: t.tensordot(a, b, dims=0), [(2,), (3,)]),
    Case("tensordot over listed dims", lambda t, a, b: t.tensordot(a, b, dims=([0, -1], [2, 0])),
         [(2, 3, 4), (4, 5, 2)]),
    Case("kron", lambda t, a, b: t.kron(a, b), [(2, 3), (3, 2)]),
    Case("kron of different dims", lambda t, a, b: t.kron(a, b), [(2, 3, 2), (2,)]),
    Case("cross along the first dim of 3", lambda t, a, b: t.cross(a, b, dim=0), [(3, 4), (3, 4)]),
    Case("linalg.cross broadcasts", lambda t, a, b: t.linalg.cross(a, b), [(2, 3), (1, 3)]),
]  # fmt: skip

SYSTEMS = [
    Case("inv", lambda t, x: t.linalg.inv(dominant(t, x)), [(2, 3, 3)], rtol=1e-7),
    Case("inv of an empty matrix", lambda t, x: t.linalg.inv(x), [(2, 0, 0)]),
    Case("inverse method", lambda t, x: x.inverse(), [np.array([[2.0, 1.0], [0.5, -3.0]])]),
    Case("det", lambda t, x: t.det(x), [(2, 3, 3)], rtol=1e-7),
    Case("det of an empty matrix", lambda t, x: t.linalg.det(x), [(0, 0)], grad=False),
    Case("slogdet", lambda t, x: t.linalg.slogdet(x), [(3, 3, 3)], rtol=1e-7),
    Case("logdet", lambda t, x: t.logdet(spd(t, x)), [(2, 3, 3)], rtol=1e-7),
    Case("logdet of a negative determinant", lambda t, x: t.logdet(x),
         [np.array([[0.0, 1.0], [1.0, 0.0]])], grad=False),
    Case("solve", lambda t, a, b: t.linalg.solve(dominant(t, a), b), [(3, 3), (3, 2)], rtol=1e-7),
    Case("solve for a vector", lambda t, a, b: t.linalg.solve(dominant(t, a), b), [(3, 3), (3,)],
         rtol=1e-7),
    Case("solve for a batch of vectors", lambda t, a, b: t.linalg.solve(dominant(t, a), b),
         [(2, 3, 3), (2, 3)], rtol=1e-7),
    Case("solve broadcasts", lambda t, a, b: t.linalg.solve(dominant(t, a), b),
         [(3, 3), (2, 3, 2)], rtol=1e-7),
    Case("solve from the right", lambda t, a, b: t.linalg.solve(dominant(t, a), b, left=False),
         [(2, 3, 3), (2, 4, 3)], rtol=1e-7),
    Case("solve_triangular upper",
         lambda t, a, b: t.linalg.solve_triangular(dominant(t, a), b, upper=True),
         [(3, 3), (3, 2)], rtol=1e-7),
    Case("solve_triangular from the right, with ones",
         lambda t, a, b: t.linalg.solve_triangular(
             a, b, upper=False, left=False, unitriangular=True),
         [(2, 3, 3), (2, 4, 3)], rtol=1e-7),
    Case("cholesky", lambda t, x: t.linalg.cholesky(spd(t, x)), [(2, 3, 3)], rtol=1e-7),
    Case("cholesky upper", lambda t, x: t.linalg.cholesky(spd(t, x), upper=True), [(3, 3)],
         rtol=1e-7),
    Case("cholesky_solve", lambda t, b, x: t.cholesky_solve(b, t.linalg.cholesky(spd(t, x))),
         [(3, 2), (3, 3)], rtol=1e-7),
    Case("matrix_power", lambda t, x: t.matrix_power(x, 5), [(2, 3, 3)], rtol=1e-7),
    Case("matrix_power 0", lambda t, x: t.linalg.matrix_power(x, 0), [(2, 3, 3)], grad=False),
    Case("matrix_power -2", lambda t, x: t.linalg.matrix_power(dominant(t, x), -2), [(3, 3)],
         rtol=1e-7),
]  # fmt: skip


def projected(t, q, r):
    """What does not depend on the signs that LAPACK chose."""
    return q.unsqueeze(-1) * q.unsqueeze(-2), T(r) @ r


def invariants(t, u, s, vt):
    """What does not depend on the signs of singular vectors."""
    return u * u, s, vt * vt, (u[..., : s.shape[-1]] * s.unsqueeze(-2)) @ vt[..., : s.shape[-1], :]


FACTORS = [
    Case("qr of a tall matrix", lambda t, x: projected(t, *t.linalg.qr(x)), [(2, 4, 3)],
         rtol=1e-6),
    Case("qr of a wide matrix", lambda t, x: projected(t, *t.linalg.qr(x)), [(2, 4)], rtol=1e-6),
    Case("qr of a square matrix", lambda t, x: t.linalg.qr(x)[1].abs(), [(3, 3)], rtol=1e-6),
    Case("qr complete", lambda t, x: projected(t, *t.linalg.qr(x, mode="complete")), [(4, 2)],
         grad=False),
    Case("qr without q", lambda t, x: tuple(y.abs() for y in t.linalg.qr(x, mode="r")), [(4, 2)],
         grad=False),
    Case("svd of a tall matrix",
         lambda t, x: invariants(t, *t.linalg.svd(x, full_matrices=False)), [(4, 3)], rtol=1e-5),
    Case("svd of a wide batch",
         lambda t, x: invariants(t, *t.linalg.svd(x, full_matrices=False)), [(2, 2, 4)],
         rtol=1e-5),
    Case("svd with square factors",
         lambda t, x: (t.linalg.svd(x)[1], t.linalg.svd(x)[0][:, :2] ** 2, t.linalg.svd(x)[2] ** 2),
         [(3, 2)], rtol=1e-5),
    Case("svdvals", lambda t, x: t.linalg.svdvals(x), [(2, 3, 4)], rtol=1e-6),
    Case("eigh", lambda t, x: (t.linalg.eigh(x + T(x))[0], t.linalg.eigh(x + T(x))[1] ** 2),
         [(2, 3, 3)], rtol=1e-5),
    Case("eigh of the upper triangle", lambda t, x: t.linalg.eigh(x, UPLO="U")[0], [(3, 3)],
         grad=False),
    Case("eigvalsh", lambda t, x: t.linalg.eigvalsh(x + T(x)), [(3, 3)], rtol=1e-5),
    Case("pinv of a tall matrix", lambda t, x: t.linalg.pinv(x), [(4, 3)], rtol=1e-6),
    Case("pinv of a wide batch", lambda t, x: t.pinverse(x), [(2, 2, 3)], rtol=1e-6),
    Case("pinv of a matrix of rank 1", lambda t, x: t.linalg.pinv(x, rtol=1e-5),
         [np.outer([1.0, 2.0, -1.0], [0.5, 3.0])], grad=False),
    Case("lstsq", lambda t, a, b: tuple(t.linalg.lstsq(a, b, driver="gelsd")), [(5, 3), (5, 2)],
         grad=False),
    Case("solution of lstsq", lambda t, a, b: t.linalg.lstsq(a, b).solution, [(5, 3), (5, 2)],
         rtol=1e-5),
    Case("lstsq of a wide batch", lambda t, a, b: tuple(t.linalg.lstsq(a, b, driver="gelsd")),
         [(2, 2, 3), (2, 2, 2)], grad=False),
    Case("matrix_rank", lambda t, x: t.linalg.matrix_rank(x),
         [np.array([[[1.0, 2.0], [2.0, 4.0]], [[1.0, 0.0], [0.0, 1e-3]]])], grad=False),
    Case("matrix_rank with a tolerance", lambda t, x: t.linalg.matrix_rank(x, atol=0.01),
         [np.diag([1.0, 1e-3])], grad=False),
    *(
        Case(f"matrix_norm {ord}", lambda t, x, ord=ord: t.linalg.matrix_norm(x, ord), [(2, 3, 4)],
             second=ord in ("fro", "nuc", 2, -2), rtol=1e-6)
        for ord in ("fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf)
    ),
    Case("matrix_norm over other dims keeps them",
         lambda t, x: t.linalg.matrix_norm(x, 1, dim=(2, 0), keepdim=True), [(2, 3, 4)],
         second=False),
    Case("linalg.norm of everything", lambda t, x: t.linalg.norm(x), [(2, 3, 4)]),
    Case("linalg.norm of a matrix", lambda t, x: t.linalg.norm(x, 2), [(3, 4)], rtol=1e-6),
    Case("linalg.norm of vectors", lambda t, x: t.linalg.norm(x, 3, dim=1), [(3, 4)]),
    Case("linalg.norm over two dims", lambda t, x: t.linalg.norm(x, "nuc", dim=(0, 2)),
         [(3, 4, 2)], rtol=1e-6),
    Case("linalg.vector_norm", lambda t, x: t.linalg.vector_norm(x, 3), [(3, 4)]),
    Case("linalg.diagonal", lambda t, x: t.linalg.diagonal(x, offset=1), [(2, 3, 4)]),
    Case("cond", lambda t, x: t.linalg.cond(dominant(t, x)), [(2, 3, 3)], rtol=1e-6),
    Case("cond in another norm", lambda t, x: t.linalg.cond(dominant(t, x), 1), [(3, 3)],
         grad=False, rtol=1e-6),
]  # fmt: skip

CASES = PRODUCTS + SYSTEMS + FACTORS
