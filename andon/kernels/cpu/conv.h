/* Convolution of images (B, groups C, H, W) with weights (groups O, C, KH, KW): forward, and the
 * gradients by the input and by the weight.
 *
 * The windows under a tile of output rows become the columns of a matrix (im2col), in scratch
 * memory that stays in the cache, and products of matrices do the rest. For each group, with
 * K = C KH KW and the N positions of a tile:
 *
 *     y (O, N)       = w (O, K) . columns (K, N)
 *     gw' (K, O)    += columns (K, N) . g' (N, O)
 *     columns (K, N) = w' (K, O) . g (O, N)           then added to where windows lie (col2im)
 *
 * Where a window is one element and all follow one another, the image itself is that matrix. A
 * group of one channel in and out (depthwise) goes without it, as it would be used just once. */
#ifndef ANDON_CONV_H
#define ANDON_CONV_H

#include "matmul.h"
#include "sliding_window.h"

typedef struct {
    window_shape window;
    long C, O, groups; /* channels of a group in and out */
    long rows;         /* output rows of a tile */
} conv_shape;

INLINE long conv_depth(conv_shape s) { return s.C * s.window.KH * s.window.KW; }
INLINE long conv_tiles(conv_shape s) { return (s.window.OH + s.rows - 1) / s.rows; }
INLINE int conv_is_depthwise(conv_shape s) { return s.C == 1 && s.O == 1; }

/* Whether the planes of the image are the rows of the matrix. */
INLINE int conv_is_pointwise(conv_shape s)
{
    const window_shape w = s.window;
    return w.KH == 1 && w.KW == 1 && w.SH == 1 && w.SW == 1 && windows_inside(w) && w.H == w.OH &&
           w.W == w.OW;
}

INLINE long conv_rounded(long n) { return (n + LANES - 1) / LANES * LANES; }

/* Floats of the padded planes of a tile, or of all. */
INLINE long conv_padded_size(conv_shape s, long rows)
{
    return conv_rounded(s.C * window_rows(s.window, rows) * window_columns(s.window));
}

/* Floats of scratch memory that a call needs: padded planes, the columns, those of the product. */
INLINE long conv_scratch(conv_shape s)
{
    const long columns = conv_rounded(conv_depth(s) * s.rows * s.window.OW);
    return conv_padded_size(s, s.window.OH) + columns + MATMUL_SCRATCH_f32;
}

/* ---- im2col and its adjoint ---- */

/* Planes, padded or as they are: the element (c, h, w) is at[c plane + h row + w]. */
typedef struct {
    float *at;
    long row, plane;
} conv_planes;

/* The planes under `rows` output rows from `first` on. */
INLINE conv_planes conv_padded(conv_shape s, long first, long rows, const float *x, float *scratch)
{
    const window_shape w = s.window;
    const long height = window_rows(w, rows), plane = height * window_columns(w);
    if (windows_inside(w))
        return (conv_planes){(float *)x + first * w.SH * w.W, w.W, w.H * w.W}; /* only read */
    for (long c = 0; c < s.C; c++)
        window_pad(w, first * w.SH, height, 0.0f, x + c * w.H * w.W, scratch + c * plane);
    return (conv_planes){scratch, window_columns(w), plane};
}

/* columns (K, rows OW): each tap of each channel, at every window. */
INLINE void conv_gather(conv_shape s, long rows, conv_planes x, float *columns)
{
    const window_shape w = s.window;
    for (long c = 0; c < s.C; c++)
        for (long k = 0; k < w.KH * w.KW; k++) {
            const float *from = x.at + c * x.plane + k / w.KW * w.DH * x.row + k % w.KW * w.DW;
            for (long r = 0; r < rows; r++, from += w.SH * x.row, columns += w.OW) {
                if (w.SW == 1) memcpy(columns, from, w.OW * sizeof(float));
                else
                    for (long i = 0; i < w.OW; i++) columns[i] = from[i * w.SW];
            }
        }
}

/* The adjoint. One tap after the other, so that what was just stored is not loaded at once. */
INLINE void conv_scatter(conv_shape s, long rows, const float *columns, conv_planes x)
{
    const window_shape w = s.window;
    const long taps = w.KH * w.KW;
    for (long k = 0; k < taps; k++)
        for (long c = 0; c < s.C; c++) {
            float *to = x.at + c * x.plane + k / w.KW * w.DH * x.row + k % w.KW * w.DW;
            const float *from = columns + (c * taps + k) * rows * w.OW;
            for (long r = 0; r < rows; r++, to += w.SH * x.row, from += w.OW)
                for (long i = 0; i < w.OW; i += LANES)
                    window_add(to + i * w.SW, w.SW, w.OW - i,
                               vf_load_part(from + i, w.OW - i, 0.0f));
        }
}

/* The matrix of a tile, its rows `row` apart. */
typedef struct {
    float *at;
    long row;
} conv_columns;

INLINE conv_columns conv_columns_of(conv_shape s, long first, long rows, const float *x,
                                    float *scratch)
{
    const window_shape w = s.window;
    if (conv_is_pointwise(s)) return (conv_columns){(float *)x + first * w.OW, w.OH * w.OW};
    float *columns = scratch + conv_padded_size(s, w.OH);
    conv_gather(s, rows, conv_padded(s, first, rows, x, scratch), columns);
    return (conv_columns){columns, rows * w.OW};
}

/* What the products of a tile use for themselves. */
INLINE float *conv_product_scratch(conv_shape s, float *scratch)
{
    return scratch + conv_scratch(s) - MATMUL_SCRATCH_f32;
}

/* ---- Depthwise ---- */

/* One plane: y (OH, OW) = the sum over taps of w[k] times the windows' elements. */
INLINE void conv_depthwise(conv_shape s, const float *x, const float *weight, float bias, float *y,
                           float *scratch)
{
    const window_shape w = s.window;
    const conv_planes p = conv_padded(s, 0, w.OH, x, scratch);
    for (long r = 0; r < w.OH; r++)
        for (long i = 0; i < w.OW; i += LANES) {
            const float *from = p.at + r * w.SH * p.row + i * w.SW;
            vf sum = vf_set(bias);
            for (long k = 0; k < w.KH; k++)
                for (long l = 0; l < w.KW; l++)
                    sum += weight[k * w.KW + l] * window_load(from + k * w.DH * p.row + l * w.DW,
                                                              w.SW, w.OW - i);
            vf_store_part(y + r * w.OW + i, sum, w.OW - i);
        }
}

/* The gradient by the input: each tap's multiple of g, added to where it was read. */
INLINE void conv_depthwise_input(conv_shape s, const float *g, const float *weight, conv_planes x)
{
    const window_shape w = s.window;
    for (long k = 0; k < w.KH * w.KW; k++)
        for (long r = 0; r < w.OH; r++) {
            float *to = x.at + (r * w.SH + k / w.KW * w.DH) * x.row + k % w.KW * w.DW;
            for (long i = 0; i < w.OW; i += LANES)
                window_add(to + i * w.SW, w.SW, w.OW - i,
                           weight[k] * vf_load_part(g + r * w.OW + i, w.OW - i, 0.0f));
        }
}

/* The gradient by the weight: for each tap, the sum of g times what it read. */
INLINE void conv_depthwise_weight(conv_shape s, const float *x, const float *g, float *gw,
                                  float *scratch)
{
    const window_shape w = s.window;
    const conv_planes p = conv_padded(s, 0, w.OH, x, scratch);
    for (long k = 0; k < w.KH * w.KW; k++) {
        const float *from = p.at + k / w.KW * w.DH * p.row + k % w.KW * w.DW;
        vf sum = {0};
        for (long r = 0; r < w.OH; r++)
            for (long i = 0; i < w.OW; i += LANES)
                sum += window_load(from + r * w.SH * p.row + i * w.SW, w.SW, w.OW - i) *
                       vf_load_part(g + r * w.OW + i, w.OW - i, 0.0f);
        gw[k] += vf_sum_lanes(sum);
    }
}

/* ---- Forward ---- */

/* The context is the bias of the group. */
INLINE vf conv_add_bias(const void *context, vf x, long m, long n, long count)
{
    (void)n, (void)count;
    return x + ((const float *)context)[m];
}

INLINE void conv_forward_tile(conv_shape s, long first, long rows, const float *x,
                              const float *weight, const float *bias, float *y, float *scratch)
{
    const long N = rows * s.window.OW, K = conv_depth(s), plane = s.window.OH * s.window.OW;
    const conv_columns columns = conv_columns_of(s, first, rows, x, scratch);
    const matmul_shape product = {s.O, N, K, K, columns.row, plane, 0, 0, 0};
    const matmul_range whole = matmul_whole_f32(product);
    scratch = conv_product_scratch(s, scratch);
    y += first * s.window.OW;
    if (bias)
        matmul_f32(product, whole, weight, columns.at, y, scratch, conv_add_bias, bias);
    else matmul_f32(product, whole, weight, columns.at, y, scratch, matmul_plain_f32, NULL);
}

/* Tiles [m0, m1) of samples, groups and tiles of output rows: y = conv(x, w) + bias, which may be
 * NULL. */
INLINE void conv_forward(conv_shape s, long m0, long m1, const float *x, const float *weight,
                         const float *bias, float *y, float *scratch)
{
    const window_shape w = s.window;
    const long tiles = conv_tiles(s), rest = w.OH - (tiles - 1) * s.rows;
    for (long m = m0; m < m1; m++) {
        const long image = m / tiles, tile = m % tiles, group = image % s.groups;
        const float *of_x = x + image * s.C * w.H * w.W;
        const float *of_w = weight + group * s.O * conv_depth(s);
        const float *of_b = bias ? bias + group * s.O : NULL;
        float *of_y = y + image * s.O * w.OH * w.OW;
        if (conv_is_depthwise(s))
            conv_depthwise(s, of_x, of_w, bias ? *of_b : 0.0f, of_y, scratch);
        else if (rest == s.rows || tile < tiles - 1)
            conv_forward_tile(s, tile * s.rows, s.rows, of_x, of_w, of_b, of_y, scratch);
        else conv_forward_tile(s, tile * s.rows, rest, of_x, of_w, of_b, of_y, scratch);
    }
}

/* ---- The gradient by the input ---- */

INLINE void conv_input_tile(conv_shape s, long first, long rows, const float *g,
                            const float *weight, conv_planes x, float *scratch)
{
    const window_shape w = s.window;
    const long N = rows * w.OW, K = conv_depth(s);
    const int direct = conv_is_pointwise(s);
    const long row = direct ? w.OH * w.OW : N;
    float *columns = direct ? x.at + first * w.OW : scratch + conv_padded_size(s, w.OH);
    const matmul_shape product = {K, N, s.O, K, w.OH * w.OW, row, 1, 0, 0};
    matmul_f32(product, matmul_whole_f32(product), weight, g + first * w.OW, columns,
               conv_product_scratch(s, scratch), matmul_plain_f32, NULL);
    x.at += first * w.SH * x.row;
    if (!direct) conv_scatter(s, rows, columns, x);
}

/* All tiles of one group of one sample, added to x. */
INLINE void conv_input_image(conv_shape s, const float *g, const float *weight, conv_planes x,
                             float *scratch)
{
    const long tiles = conv_tiles(s), rest = s.window.OH - (tiles - 1) * s.rows;
    if (conv_is_depthwise(s)) {
        conv_depthwise_input(s, g, weight, x);
        return;
    }
    for (long t = 0; t < tiles - (rest != s.rows); t++)
        conv_input_tile(s, t * s.rows, s.rows, g, weight, x, scratch);
    if (rest != s.rows) conv_input_tile(s, (tiles - 1) * s.rows, rest, g, weight, x, scratch);
}

/* Groups [m0, m1) of samples and groups. */
INLINE void conv_input_grad(conv_shape s, long m0, long m1, const float *g, const float *weight,
                            float *gx, float *scratch)
{
    const window_shape w = s.window;
    const long height = window_rows(w, w.OH), width = window_columns(w), size = w.H * w.W;
    for (long m = m0; m < m1; m++) {
        const float *of_g = g + m * s.O * w.OH * w.OW;
        const float *of_w = weight + m % s.groups * s.O * conv_depth(s);
        float *of_x = gx + m * s.C * size;
        conv_planes planes = {of_x, w.W, size};
        if (!windows_inside(w)) planes = (conv_planes){scratch, width, height * width};
        if (!conv_is_pointwise(s) || conv_is_depthwise(s))
            memset(planes.at, 0, s.C * planes.plane * sizeof(float));
        conv_input_image(s, of_g, of_w, planes, scratch);
        if (windows_inside(w)) continue;
        for (long c = 0; c < s.C; c++)
            window_crop(w, scratch + c * planes.plane, of_x + c * size);
    }
}

/* ---- The gradient by the weight ---- */

INLINE void conv_weight_tile(conv_shape s, long first, long rows, const float *x, const float *g,
                             float *sums, float *scratch)
{
    const long N = rows * s.window.OW, plane = s.window.OH * s.window.OW;
    const conv_columns columns = conv_columns_of(s, first, rows, x, scratch);
    const matmul_shape product = {conv_depth(s), s.O, N, columns.row, plane, s.O, 0, 1, 1};
    matmul_f32(product, matmul_whole_f32(product), columns.at, g + first * s.window.OW, sums,
               conv_product_scratch(s, scratch), matmul_plain_f32, NULL);
}

/* What images [m0, m1) of samples and groups add to sums (groups, K, O): memory of their own for
 * each part of the samples. */
INLINE void conv_weight_grad(conv_shape s, long m0, long m1, const float *x, const float *g,
                             float *sums, float *scratch)
{
    const window_shape w = s.window;
    const long tiles = conv_tiles(s), rest = w.OH - (tiles - 1) * s.rows;
    for (long m = m0; m < m1; m++) {
        const float *of_x = x + m * s.C * w.H * w.W, *of_g = g + m * s.O * w.OH * w.OW;
        float *of_w = sums + m % s.groups * s.O * conv_depth(s);
        if (conv_is_depthwise(s)) {
            conv_depthwise_weight(s, of_x, of_g, of_w, scratch);
            continue;
        }
        for (long t = 0; t < tiles - (rest != s.rows); t++)
            conv_weight_tile(s, t * s.rows, s.rows, of_x, of_g, of_w, scratch);
        if (rest != s.rows)
            conv_weight_tile(s, (tiles - 1) * s.rows, rest, of_x, of_g, of_w, scratch);
    }
}

/* gw (groups O, K) from the sums of all parts, in their order; rows [m0, m1) of (groups, K). */
INLINE void conv_weight_total(conv_shape s, long m0, long m1, long parts, const float *sums,
                              float *gw)
{
    const long K = conv_depth(s), size = s.groups * K * s.O;
    for (long m = m0; m < m1; m++)
        for (long o = 0; o < s.O; o += LANES) {
            const long count = s.O - o;
            vf total = {0};
            for (long p = 0; p < parts; p++)
                total += vf_load_part(sums + p * size + m * s.O + o, count, 0.0f);
            float *to = gw + (m / K * s.O + o) * K + m % K;
            for (int i = 0; i < LANES; i++)
                if (i < count) to[i * K] = total[i];
        }
}
#endif
