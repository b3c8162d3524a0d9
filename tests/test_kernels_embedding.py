"""embedding.h against the references of andon.ops."""

import ctypes

import numpy as np
import pytest
from c_kernels import GUARD, TARGETS, assert_close, built, call, check_arm, guarded

from andon.ops.embedding import embedding, embedding_backward

DRIVER = """
#include "embedding.h"
long forward(long m0, long m1, long V, long C, float *weight, int64_t *index, float *y, long y_row)
{
    return embedding_forward(m0, m1, V, C, weight, index, y, y_row);
}
void backward(long m0, long m1, long v0, long v1, long C, int64_t *index, float *g, long g_row,
              long padding, float *dweight)
{
    embedding_backward(m0, m1, v0, v1, C, index, g, g_row, padding, dweight);
}
"""


@pytest.fixture(scope="module", params=TARGETS)
def library(request):
    return built(DRIVER, request.param)


@pytest.mark.parametrize(
    "V, C, M", [(1, 1, 3), (5, 3, 40), (65, 48, 200), (9, 17, 1), (300, 100, 64)]
)
def test_rows_there_and_back(library, V, C, M):
    rng = np.random.default_rng(C)
    weight = rng.standard_normal((V, C)).astype(np.float32)
    index, y = rng.integers(0, V, M), guarded(M, C + 2)
    wrong = call(
        library.forward, 0, M, V, C, weight, index, y, C + 2, result=ctypes.c_long
    )  # fmt: skip
    assert wrong == 0 and (y[:, C:] == GUARD).all()
    np.testing.assert_array_equal(y[:, :C], embedding.reference(weight, index, padding_idx=-1))
    g = rng.standard_normal((M, C)).astype(np.float32)
    for padding in (-1, 0):
        dweight = np.zeros((V, C), np.float32)
        call(library.backward, 0, M, 0, V, C, index, g, C, padding, dweight)
        exact = g.astype(np.float64)
        wanted = embedding_backward.reference(exact, index, rows=V, padding_idx=padding)
        assert_close(dweight, wanted, 4e-6)


def test_parts_of_the_table_give_the_same_sums_to_the_last_bit(library):
    rng = np.random.default_rng(0)
    index, g = rng.integers(0, 20, 500), rng.standard_normal((500, 33)).astype(np.float32)
    whole, parts = np.zeros((2, 20, 33), np.float32)
    call(library.backward, 0, 500, 0, 20, 33, index, g, 33, 4, whole)
    for v0, v1 in ((13, 20), (0, 5), (5, 13)):
        call(library.backward, 0, 500, v0, v1, 33, index, g, 33, 4, parts)
    np.testing.assert_array_equal(whole, parts)
    assert (whole[4] == 0).all()


def test_an_index_that_is_no_row_is_counted_and_never_read(library):
    weight, y = np.ones((3, 5), np.float32), guarded(6, 5)
    index = np.array([0, 3, -1, 1 << 62, -(1 << 62), 2])
    wrong = call(library.forward, 0, 6, 3, 5, weight, index, y, 5, result=ctypes.c_long)
    assert wrong == 4 and np.isnan(y[1:5]).all() and (y[[0, 5]] == 1).all()
    dweight, g = np.zeros((3, 5), np.float32), np.ones((6, 5), np.float32)
    call(library.backward, 0, 6, 0, 3, 5, index, g, 5, -1, dweight)
    np.testing.assert_array_equal(dweight[:, 0], [1, 0, 1])


def test_it_compiles_for_arm(tmp_path):
    check_arm(DRIVER, tmp_path)
