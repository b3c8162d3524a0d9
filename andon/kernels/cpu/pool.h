/* Pooling of planes: the maximum of each window and where it is, or the sum; and the adjoints.
 *
 * Each function works on planes [m0, m1) of a batch of channels. */
#ifndef ANDON_POOL_H
#define ANDON_POOL_H

#include "sliding_window.h"

/* Floats of scratch memory: a padded plane. */
INLINE long pool_scratch(window_shape s) { return window_rows(s, s.OH) * window_columns(s); }

/* A plane with `fill` around it, its rows `*row` apart. */
INLINE const float *pool_padded(window_shape s, float fill, const float *x, float *scratch,
                                long *row)
{
    *row = windows_inside(s) ? s.W : window_columns(s);
    if (windows_inside(s)) return x;
    window_pad(s, 0, window_rows(s, s.OH), fill, x, scratch);
    return scratch;
}

/* The first place of LANES windows' taps along one dim that is not padding. */
INLINE vi pool_first_inside(vi start, long taps, long dilation)
{
    for (long k = 1; k < taps; k++)
        start = (vi)vf_where(start < 0, (vf)(start + (int32_t)dilation), (vf)start);
    return start;
}

/* The windows of a row from number `first` on: their maxima, and at which index of the plane. Of
 * equal elements the first counts; NaN is larger than any. `x` is the element of the first tap. */
INLINE vf max_of_windows(window_shape s, const float *x, long row, long line, long first, vi *at)
{
    const long n = s.OW - first, top = line * s.SH - s.PH;
    const vi left = vi_lanes() * (int32_t)s.SW + (int32_t)(first * s.SW - s.PW);
    const vi highest = pool_first_inside(vi_set((int32_t)top), s.KH, s.DH);
    vf y = vf_set(-INFINITY);
    *at = highest * (int32_t)s.W + pool_first_inside(left, s.KW, s.DW);
    for (long k = 0; k < s.KH; k++)
        for (long l = 0; l < s.KW; l++) {
            const vf element = window_load(x + k * s.DH * row + l * s.DW, s.SW, n);
            const vi larger = (element > y) | (element != element);
            const vi place = left + (int32_t)((top + k * s.DH) * s.W + l * s.DW);
            y = vf_where(larger, element, y);
            *at = (vi)vf_where(larger, (vf)place, (vf)*at);
        }
    return y;
}

INLINE void max_pool_forward(window_shape s, long m0, long m1, const float *x, float *y,
                             int64_t *at, float *scratch)
{
    for (long m = m0; m < m1; m++) {
        long row;
        const float *plane = pool_padded(s, -INFINITY, x + m * s.H * s.W, scratch, &row);
        for (long r = 0; r < s.OH; r++)
            for (long i = 0; i < s.OW; i += LANES) {
                const long to = (m * s.OH + r) * s.OW + i, n = s.OW - i;
                vi places;
                const float *first = plane + r * s.SH * row + i * s.SW;
                vf_store_part(y + to, max_of_windows(s, first, row, r, i, &places), n);
                for (int j = 0; j < LANES; j++)
                    if (j < n) at[to + j] = places[j];
            }
    }
}

/* Planes of `length` zeros, and each of `count` elements of g where its index says: added, or put
 * there. Gives how many indices are outside of their plane. */
INLINE long unpool(long m0, long m1, long count, long length, const float *g, const int64_t *at,
                   const int accumulate, float *y)
{
    long wrong = 0;
    memset(y + m0 * length, 0, (m1 - m0) * length * sizeof(float));
    for (long m = m0; m < m1; m++)
        for (long i = m * count; i < (m + 1) * count; i++) {
            if ((uint64_t)at[i] >= (uint64_t)length) wrong++;
            else if (accumulate) y[m * length + at[i]] += g[i];
            else y[m * length + at[i]] = g[i];
        }
    return wrong;
}

INLINE void sum_pool_forward(window_shape s, long m0, long m1, const float *x, float *y,
                             float *scratch)
{
    for (long m = m0; m < m1; m++) {
        long row;
        const float *plane = pool_padded(s, 0.0f, x + m * s.H * s.W, scratch, &row);
        for (long r = 0; r < s.OH; r++)
            for (long i = 0; i < s.OW; i += LANES) {
                const float *first = plane + r * s.SH * row + i * s.SW;
                vf sum = {0};
                for (long k = 0; k < s.KH; k++)
                    for (long l = 0; l < s.KW; l++)
                        sum += window_load(first + k * row + l, s.SW, s.OW - i);
                vf_store_part(y + (m * s.OH + r) * s.OW + i, sum, s.OW - i);
            }
    }
}

/* The adjoint of the sum: each g added to all elements of its window. */
INLINE void spread_windows(window_shape s, long m0, long m1, const float *g, float *x,
                           float *scratch)
{
    const int inside = windows_inside(s);
    const long row = inside ? s.W : window_columns(s);
    const long size = inside ? s.H * s.W : pool_scratch(s);
    for (long m = m0; m < m1; m++) {
        const float *of_g = g + m * s.OH * s.OW;
        float *of_x = x + m * s.H * s.W, *plane = inside ? of_x : scratch;
        memset(plane, 0, size * sizeof(float));
        for (long k = 0; k < s.KH * s.KW; k++)
            for (long r = 0; r < s.OH; r++)
                for (long i = 0; i < s.OW; i += LANES) {
                    float *to = plane + (r * s.SH + k / s.KW) * row + i * s.SW + k % s.KW;
                    const vf part = vf_load_part(of_g + r * s.OW + i, s.OW - i, 0.0f);
                    window_add(to, s.SW, s.OW - i, part);
                }
        if (!inside) window_crop(s, plane, of_x);
    }
}
#endif
