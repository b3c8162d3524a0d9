/* The transpose of a matrix of floats, a square of vectors at a time: column by column, each
 * element would come from another cache line, and these often share a few sets of the cache. */
#ifndef ANDON_TRANSPOSE_H
#define ANDON_TRANSPOSE_H

#include "vector.h"

/* Rows [m0, m1) of y, of N columns: y[m, n] = x[n, m]. */
INLINE void transpose(long m0, long m1, long N, const float *x, long x_row, float *y, long y_row)
{
    for (long m = m0; m < m1; m += LANES)
        for (long n = 0; n < N; n += LANES) {
            const long rows = N - n, columns = m1 - m;
            vf square[LANES];
            UNROLL for (int i = 0; i < LANES; i++)
                square[i] = i < rows ? vf_load_part(x + (n + i) * x_row + m, columns, 0.0f)
                                     : vf_set(0.0f);
            vf_transpose(square);
            UNROLL for (int i = 0; i < LANES; i++)
                if (i < columns) vf_store_part(y + (m + i) * y_row + n, square[i], rows);
        }
}
#endif
