/* Windows that slide over planes of H x W floats, which convolution and pooling have in common.
 *
 * Window (i, j) takes the elements (i SH + k DH - PH, j SW + l DW - PW) of a plane, for each tap
 * (k, l) of KH x KW. There are OH x OW windows. Windows over one dim have H = KH = OH = 1. */
#ifndef ANDON_SLIDING_WINDOW_H
#define ANDON_SLIDING_WINDOW_H

#include "vector.h"

typedef struct {
    long H, W, OH, OW;
    long KH, KW, SH, SW, DH, DW; /* kernel, stride, dilation */
    long PH, PW;                 /* rows and columns of padding before; if negative, left out */
} window_shape;

/* Rows that `windows` windows reach over, and the columns that all of a row do. */
INLINE long window_rows(window_shape s, long windows)
{
    return (windows - 1) * s.SH + (s.KH - 1) * s.DH + 1;
}
INLINE long window_columns(window_shape s) { return (s.OW - 1) * s.SW + (s.KW - 1) * s.DW + 1; }

/* Whether no window leaves its plane, so that planes are read where they are. */
INLINE int windows_inside(window_shape s)
{
    return s.PH == 0 && s.PW == 0 && window_rows(s, s.OH) <= s.H && window_columns(s) <= s.W;
}

/* The part of a padded row that is not padding: [begin, end), where `skip` elements of the row that
 * it shows come before. */
typedef struct {
    long begin, end, skip;
} window_span;

INLINE window_span window_inside_row(window_shape s)
{
    const long columns = window_columns(s), begin = s.PW > 0 ? s.PW : 0;
    const long end = s.W + s.PW < columns ? s.W + s.PW : columns;
    return (window_span){begin, end > begin ? end : begin, begin - s.PW};
}

/* Rows [first, first + rows) of a padded plane, of which the first is -PH: rows of window_columns
 * each, with `fill` around. */
INLINE void window_pad(window_shape s, long first, long rows, float fill, const float *x, float *y)
{
    const long columns = window_columns(s);
    const window_span span = window_inside_row(s);
    for (long r = 0; r < rows; r++, y += columns) {
        const long h = first + r - s.PH;
        const int inside = h >= 0 && h < s.H && span.begin < span.end;
        const long begin = inside ? span.begin : columns, end = inside ? span.end : columns;
        for (long i = 0; i < begin; i++) y[i] = fill;
        if (inside)
            memcpy(y + span.begin, x + h * s.W + span.skip,
                   (span.end - span.begin) * sizeof(float));
        for (long i = end; i < columns; i++) y[i] = fill;
    }
}

/* A whole plane out of its padded rows: zeros where no window reaches. */
INLINE void window_crop(window_shape s, const float *y, float *x)
{
    const long rows = window_rows(s, s.OH), columns = window_columns(s);
    const window_span span = window_inside_row(s);
    memset(x, 0, s.H * s.W * sizeof(float));
    if (span.begin == span.end) return;
    for (long h = 0; h < s.H; h++) {
        const long r = h + s.PH;
        if (r < 0 || r >= rows) continue;
        memcpy(x + h * s.W + span.skip, y + r * columns + span.begin,
               (span.end - span.begin) * sizeof(float));
    }
}

#define EVEN_LANE(i, d) (2 * (i))

/* n elements, `step` apart. */
INLINE vf window_load(const float *p, long step, long n)
{
    if (step == 1) return vf_load_part(p, n, 0.0f);
    if (step == 2) {
        const long after = 2 * n - 1 - LANES;
        vf low = vf_load_part(p, 2 * n - 1, 0.0f), high = {0};
        if (after > 0) high = vf_load_part(p + LANES, after, 0.0f);
        return SHUFFLE(low, high, EACH_VF(EVEN_LANE, 0));
    }
    vf x = {0};
    for (int i = 0; i < LANES; i++)
        if (i < n) x[i] = p[i * step];
    return x;
}

/* Adds n elements to those that lie `step` apart. */
INLINE void window_add(float *p, long step, long n, vf x)
{
    if (step == 1) {
        vf_store_part(p, vf_load_part(p, n, 0.0f) + x, n);
        return;
    }
    for (int i = 0; i < LANES; i++)
        if (i < n) p[i * step] += x[i];
}
#endif
