/* Rows of a table looked up by index, and rows of gradients added back to it. */
#ifndef ANDON_EMBEDDING_H
#define ANDON_EMBEDDING_H

#include "vector.h"

/* y[m] = weight[index[m]] for m0 <= m < m1: weight (V, C), y (M, C) with rows y_row apart. An index
 * that is no row gives NaN and is counted: returns how many there were. */
INLINE long embedding_forward(long m0, long m1, long V, long C, const float *weight,
                              const int64_t *index, float *y, long y_row)
{
    long wrong = 0;
    for (long m = m0; m < m1; m++) {
        int is_row = index[m] >= 0 && index[m] < V;
        const float *row = weight + (is_row ? index[m] : 0) * C;
        wrong += !is_row;
        for (long c = 0; c < C; c += LANES) {
            vf x = is_row ? vf_load_part(row + c, C - c, 0.0f) : vf_set(NAN);
            vf_store_part(y + m * y_row + c, x, C - c);
        }
    }
    return wrong;
}

/* dweight[index[m]] += g[m] for m0 <= m < m1, in this order, so that the sums are the same each
 * time. Only rows v0 <= v < v1 of the table are changed: threads that share a table each take a
 * part of its rows, and threads with tables of their own each take a part of g. The row
 * `padding_index` has no gradient; -1: none. */
INLINE void embedding_backward(long m0, long m1, long v0, long v1, long C, const int64_t *index,
                               const float *g, long g_row, int64_t padding_index, float *dweight)
{
    for (long m = m0; m < m1; m++) {
        if (index[m] < v0 || index[m] >= v1 || index[m] == padding_index) continue;
        float *row = dweight + index[m] * C;
        for (long c = 0; c < C; c += LANES) {
            vf x = vf_load_part(g + m * g_row + c, C - c, 0.0f);
            vf_store_part(row + c, x + vf_load_part(row + c, C - c, 0.0f), C - c);
        }
    }
}
#endif
