"""Bad input to products, solvers, factorisations and einsum: the error, and what it says."""

import numpy as np
import pytest

import andon
from andon import linalg
from andon.core.errors import DTypeError, GradientError, LinalgError, ShapeError


def ones(*shape, dtype=None):
    return andon.ones(*shape, dtype=dtype)


SHAPES = {
    "matmul: inner sizes differ": lambda: ones(2, 3) @ ones(2, 3),
    "matmul: both operands need at least one dim": lambda: ones(2) @ andon.tensor(1.0),
    "matmul: both operands need at least one dim: got a number": lambda: ones(2, 2) @ 2,
    "matmul: sizes must be equal or 1": lambda: ones(2, 3, 4) @ ones(3, 4, 5),
    "mm: operands of 2 and 2 dims": lambda: andon.mm(ones(2), ones(2, 3)),
    "bmm: batches of one size": lambda: andon.bmm(ones(1, 2, 3), ones(2, 3, 4)),
    "mv: operands of 2 and 1 dims": lambda: andon.mv(ones(2, 3), ones(3, 1)),
    "dot: operands of 1 and 1 dims": lambda: andon.dot(ones(2, 3), ones(3)),
    "outer: operands of 1 and 1 dims": lambda: andon.outer(ones(2, 3), ones(3)),
    "addmm: float32\\[3\\] does not broadcast": lambda: andon.addmm(
        ones(3), ones(2, 4), ones(4, 1)
    ),
    "multi_dot: at least two": lambda: linalg.multi_dot([ones(2, 2)]),
    "multi_dot: operands of 2 and 2 dims": lambda: linalg.multi_dot([ones(2, 2), ones(2, 2, 2)]),
    "tensordot: cannot pair 3 dims": lambda: andon.tensordot(ones(2, 3), ones(2, 3), dims=3),
    "tensordot: paired dims must have one size": lambda: andon.tensordot(
        ones(2, 3), ones(2, 3), dims=([0], [1])
    ),
    "cross: both need size 3": lambda: andon.cross(ones(2, 4), ones(2, 4), dim=1),
    "inv: square matrices": lambda: linalg.inv(ones(2, 3)),
    "inv: matrices expected": lambda: linalg.inv(ones(3)),
    "det: square matrices": lambda: andon.det(ones(2, 3)),
    "slogdet: square matrices": lambda: andon.slogdet(ones(2, 3)),
    "cholesky: square matrices": lambda: linalg.cholesky(ones(2, 3)),
    "eigh: square matrices": lambda: linalg.eigh(ones(2, 3)),
    "svd: matrices expected": lambda: linalg.svd(ones(3)),
    "matrix_power: square matrices": lambda: linalg.matrix_power(ones(2, 3), 2),
    "solve: as many rows as unknowns": lambda: linalg.solve(ones(2, 2), ones(3, 1)),
    "lstsq: as many rows": lambda: linalg.lstsq(ones(3, 2), ones(2, 2)),
    "matrix_norm: two dims": lambda: linalg.matrix_norm(ones(2, 3, 4), dim=(1,)),
    "norm: 'nuc' is a norm of matrices": lambda: linalg.norm(ones(3), "nuc"),
    "has 2 operands: 1 given": lambda: andon.einsum("ij,jk->ik", ones(2, 2)),
    "'ijk' does not name 2 dims": lambda: andon.einsum("ijk->i", ones(2, 2)),
    "'i' does not name 2 dims": lambda: andon.einsum("i->i", ones(2, 2)),
    "sizes of 'j' differ": lambda: andon.einsum("ij,jk->ik", ones(2, 3), ones(4, 5)),
    "sizes of 'i' differ": lambda: andon.einsum("ii->i", ones(2, 3)),
    "sizes of '...' differ": lambda: andon.einsum("...i,...i", ones(2, 3), ones(4, 3)),
    "the output repeats a letter, or has a new one: 'ij->ik'": lambda: andon.einsum(
        "ij->ik", ones(2, 3)
    ),
    "or has a new one: 'ij->ii'": lambda: andon.einsum("ij->ii", ones(2, 3)),
    "letters, commas": lambda: andon.einsum("i1->i", ones(2, 3)),
    "einsum: dims are lists of ints": lambda: andon.einsum(ones(2), [99]),
}  # fmt: skip


@pytest.mark.parametrize("message", SHAPES)
def test_operands_that_do_not_fit_raise_a_shape_error(message):
    with pytest.raises(ShapeError, match=message):
        SHAPES[message]()


DTYPES = {
    "matmul: operands of one dtype": lambda: ones(2, 2) @ ones(2, 2, dtype="float64"),
    "matmul: operands of one dtype, not bool": lambda: ones(2, 2, dtype="bool")
    @ ones(2, 2, dtype="bool"),
    "inv: float32 or float64": lambda: linalg.inv(ones(2, 2, dtype="float16")),
    "det: float32 or float64": lambda: linalg.det(ones(2, 2, dtype="int64")),
    "solve: operands of one dtype": lambda: linalg.solve(
        ones(2, 2), ones(2, 2, dtype="float64")
    ),
    "matrix_power: the exponent must be an int": lambda: linalg.matrix_power(ones(2, 2), 0.5),
}  # fmt: skip


@pytest.mark.parametrize("message", DTYPES)
def test_wrong_dtypes_raise_a_dtype_error(message):
    with pytest.raises(DTypeError, match=message):
        DTYPES[message]()


SINGULAR = {
    "inv: the matrix is singular": lambda: linalg.inv(ones(2, 2)),
    "solve: the matrix is singular": lambda: linalg.solve(ones(3, 2, 2), ones(2, 1)),
    "solve_triangular: the matrix is singular": lambda: linalg.solve_triangular(
        andon.zeros(2, 2), ones(2, 1), upper=True
    ),
    "cholesky: the matrix is not positive definite": lambda: linalg.cholesky(-ones(2, 2)),
    "matrix is singular": lambda: linalg.matrix_power(ones(2, 2), -1),
    "svd: it did not converge": lambda: linalg.svd(ones(2, 2) * float("nan")),
}


@pytest.mark.parametrize("message", SINGULAR)
def test_matrices_without_an_answer_raise_a_linalg_error(message):
    with pytest.raises(LinalgError, match=message):
        SINGULAR[message]()


def test_linalg_errors_go_by_pytorchs_name():
    with pytest.raises(linalg.LinAlgError):
        linalg.inv(andon.zeros(2, 2))


def test_unknown_modes_raise():
    with pytest.raises(ValueError, match="qr: mode"):
        linalg.qr(ones(2, 2), mode="full")
    with pytest.raises(ValueError, match="eigh: UPLO"):
        linalg.eigh(ones(2, 2), UPLO="X")
    with pytest.raises(ValueError, match="matrix_norm: ord"):
        linalg.matrix_norm(ones(2, 2), 3)


def test_a_factorisation_without_a_gradient_says_so_in_backward():
    x = andon.tensor(np.random.default_rng(0).standard_normal((4, 2)), requires_grad=True)
    q, _ = linalg.qr(x, mode="complete")
    with pytest.raises(GradientError, match="complete"):
        q.sum().backward()


def test_the_gradient_of_det_at_a_singular_matrix_is_its_cofactors():
    x = andon.tensor([[1.0, 2.0, 0.5], [2.0, 4.0, 1.0], [0.0, 1.0, 3.0]], requires_grad=True)
    andon.det(x).backward()
    cofactors = [[11.0, -6.0, 2.0], [-5.5, 3.0, -1.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(x.grad.numpy(), cofactors, atol=1e-5)
