/* Scaled dot-product attention, forward and backward, without its matrix of scores.
 *
 *     y = softmax(scale q kT + mask) v        q (T, D), k (S, D), v (S, E), y (T, E) for each head
 *
 * Every product is a register tile whose vectors lie along queries or keys, never along D: so small
 * heads fill the registers as well as large ones, and the maxima and sums of the forward pass are
 * taken without looking across lanes. What a causal mask hides is not computed, but for the tiles
 * that the diagonal crosses. Scores are in base 2: e^(s - m) = 2^(s log2(e) - m log2(e)).
 *
 * Source: Dao et al., "FlashAttention" (2022); Milakov and Gimelshein, "Online normalizer
 * calculation for softmax" (2018). */
#ifndef ANDON_ATTENTION_H
#define ANDON_ATTENTION_H

#include "vector_math.h"

/* Distances in floats (of a mask: in elements) from one batch, head and row to the next, so that
 * q, k and v may lie side by side in one (B, T, 3 C) buffer, and y in (B, T, H, E). */
typedef struct {
    long batch, head, row;
} attention_strides;

enum attention_mask { NO_MASK, BOOLEAN_MASK, ADDITIVE_MASK }; /* bytes, true: seen; or floats */

/* What is known when the kernel is compiled. The log-sum-exp of the rows lies as (B, H, T). */
typedef struct {
    long H, T, S, D, E;
    float scale;
    int causal; /* query i sees keys 0 .. i only */
    attention_strides q, k, v, y;
    attention_strides g, dq, dk, dv; /* backward */
    enum attention_mask mask_kind;
    attention_strides mask;
    long mask_key; /* from one key to the next */
} attention;

enum {
    WIDE = 2 * LANES,     /* queries (forward) or keys (backward) of a tile */
    FORWARD_KEYS = 128,   /* keys of a block: its scores, (128, WIDE), stay in the L1 cache */
    BACKWARD_QUERIES = 64 /* queries of a block: two such matrices do */
};
#if defined(__AVX512F__) || defined(__aarch64__)
enum { TILE = 8 }; /* rows of a register tile: 16 of 32 registers hold its sums */
#else
enum { TILE = 4 }; /* 8 of 16 */
#endif

/* In place of -inf, so that differences are numbers: a score that is hidden, and the lowest that is
 * not. The score of a key that no finite mask hides is far above both. */
#define HIDDEN -2e30f
#define LOWEST -1e30f

/* 2^x for x below 1, to 3e-7; 0 below -126. */
INLINE vf exp2_of_score(vf x)
{
    vf shifted = x + ROUNDING_SHIFT, r = x - (shifted - ROUNDING_SHIFT);
    vf p = 0.0013276401f * r + 0.00967552379f;
    p = p * r + 0.0555071332f;
    p = p * r + 0.240221201f;
    p = p * r + 0.693146967f;
    p = p * r + 1.0f;
    vf y = (vf)((vi)p + ((vi)shifted << 23)); /* the whole part goes into the exponent */
    return (vf)((vi)y & ~(x < -126.0f)); /* NaN stays NaN */
}

/* sums[i][j] += the sum over k < K of a[i, k] b[k, j]: the register tile under all products here.
 * a[i, k] is at a[i a_row + k a_step]; b has K rows of NV vectors, b_row floats apart. */
INLINE void add_products(vf *sums, const int ROWS, const int NV, long K, const float *a, long a_row,
                         long a_step, const float *b, long b_row)
{
    for (long k = 0; k < K; k++) {
        vf row[4];
        UNROLL for (int j = 0; j < NV; j++) row[j] = vf_load(b + k * b_row + j * LANES);
        UNROLL for (int i = 0; i < ROWS; i++)
        {
            float x = a[i * a_row + k * a_step];
            UNROLL for (int j = 0; j < NV; j++) sums[i * NV + j] += x * row[j];
        }
    }
}

/* to[c][r] = factor from[r][c], where `to` has rows of WIDE floats: r >= rows are 0. */
INLINE void transpose_in(float *to, const float *from, long stride, long rows, long columns,
                         float factor)
{
    for (long r = 0; r < WIDE; r += LANES)
        for (long c = 0; c < columns; c += LANES) {
            vf block[LANES];
            UNROLL for (int i = 0; i < LANES; i++) block[i] = vf_set(0.0f);
            for (int i = 0; i < LANES && r + i < rows; i++)
                block[i] = factor * vf_load_part(from + (r + i) * stride + c, columns - c, 0.0f);
            vf_transpose(block);
            for (int i = 0; i < LANES && c + i < columns; i++)
                vf_store(to + (c + i) * WIDE + r, block[i]);
        }
}

/* to[r][c] = from[c][r] for r < rows, where `from` has rows of WIDE floats. */
INLINE void transpose_out(float *to, const float *from, long stride, long rows, long columns)
{
    for (long r = 0; r < rows; r += LANES)
        for (long c = 0; c < columns; c += LANES) {
            vf block[LANES];
            UNROLL for (int i = 0; i < LANES; i++) block[i] = vf_set(0.0f);
            for (int i = 0; i < LANES && c + i < columns; i++)
                block[i] = vf_load(from + (c + i) * WIDE + r);
            vf_transpose(block);
            for (int i = 0; i < LANES && r + i < rows; i++)
                vf_store_part(to + (r + i) * stride + c, block[i], columns - c);
        }
}

/* What the mask adds to the score of key j for query i, in base 2; HIDDEN where it hides it. */
INLINE float mask_value(const attention a, const void *mask, long i, long j)
{
    long at = i * a.mask.row + j * a.mask_key;
    if (a.mask_kind == BOOLEAN_MASK) return ((const uint8_t *)mask)[at] ? 0.0f : HIDDEN;
    float value = ((const float *)mask)[at];
    return value == -INFINITY ? HIDDEN : fmaxf(value * LOG2_E, LOWEST);
}

/* ---- Forward ---- */

/* Floats of scratch that one thread needs for the forward pass. */
INLINE long attention_forward_scratch(const attention a)
{
    return (a.D + a.E + 2 * FORWARD_KEYS) * WIDE;
}

/* scores[j][i] of ROWS keys from j on, for WIDE queries from `query` on; raises `largest` to them. */
INLINE void score_keys(const attention a, const int ROWS, const float *q, const float *k, long query,
                       long key, const float *bias, float *scores, vf largest[2])
{
    vf sums[TILE * 2];
    UNROLL for (int i = 0; i < ROWS * 2; i++) sums[i] = vf_set(0.0f);
    add_products(sums, ROWS, 2, a.D, k + key * a.k.row, a.k.row, 1, q, WIDE);
    UNROLL for (int i = 0; i < ROWS; i++) UNROLL for (int j = 0; j < 2; j++)
    {
        vf s = sums[i * 2 + j];
        if (a.mask_kind) s += vf_load(bias + i * WIDE + j * LANES);
        if (a.causal && key + ROWS > query) {
            vi hidden = vi_lanes() + (int)(query + j * LANES) < (int)(key + i);
            s = vf_where(hidden, vf_set(HIDDEN), s);
        }
        largest[j] = vf_max(largest[j], s);
        vf_store(scores + i * WIDE + j * LANES, s);
    }
}

/* sums[d][i] = factor[i] sums[d][i] + the sum over keys of v[j, d] p[j][i], for ROWS values of d. */
INLINE void add_values(const attention a, const int ROWS, const float *v, long keys, const float *p,
                       const vf factor[2], int first, float *y)
{
    vf sums[TILE * 2];
    UNROLL for (int i = 0; i < ROWS * 2; i++)
    {
        sums[i] = vf_set(0.0f);
        if (!first) sums[i] = factor[i % 2] * vf_load(y + i * LANES);
    }
    add_products(sums, ROWS, 2, keys, v, 1, a.v.row, p, WIDE);
    UNROLL for (int i = 0; i < ROWS * 2; i++) vf_store(y + i * LANES, sums[i]);
}

/* One block of keys for WIDE queries: their scores, and what they add to the sums so far. */
INLINE void attend_block(const attention a, const float *q, const float *k, const float *v,
                         const void *mask, long query, long queries, long key, long keys,
                         float *scores, float *bias, float *y, vf largest[2], vf total[2])
{
    if (a.mask_kind)
        for (long j = 0; j < keys; j++)
            for (long i = 0; i < WIDE; i++)
                bias[j * WIDE + i] =
                    i < queries ? mask_value(a, mask, query + i, key + j) : 0.0f;
    vf before[2] = {largest[0], largest[1]};
    long j = 0;
    for (; j + TILE <= keys; j += TILE)
        score_keys(a, TILE, q, k, query, key + j, bias + j * WIDE, scores + j * WIDE, largest);
    for (; j < keys; j++)
        score_keys(a, 1, q, k, query, key + j, bias + j * WIDE, scores + j * WIDE, largest);

    vf factor[2];
    UNROLL for (int e = 0; e < 2; e++)
    {
        factor[e] = exp2_of_score(before[e] - largest[e]);
        total[e] *= factor[e];
    }
    for (j = 0; j < keys; j++) UNROLL for (int e = 0; e < 2; e++)
    {
        vf p = exp2_of_score(vf_load(scores + j * WIDE + e * LANES) - largest[e]);
        vf_store(scores + j * WIDE + e * LANES, p);
        total[e] += p;
    }

    int first = key == 0;
    long d = 0;
    v += key * a.v.row;
    for (; d + TILE <= a.E; d += TILE)
        add_values(a, TILE, v + d, keys, scores, factor, first, y + d * WIDE);
    for (; d < a.E; d++) add_values(a, 1, v + d, keys, scores, factor, first, y + d * WIDE);
}

/* One head's queries from t0 to t1: y and the log-sum-exp of each row of scores. A row that sees
 * no key gives 0, and its log-sum-exp is 0. */
INLINE void attention_forward_head(const attention a, long t0, long t1, const float *q,
                                   const float *k, const float *v, const void *mask, float *y,
                                   float *lse, float *scratch)
{
    float *qT = scratch, *yT = qT + a.D * WIDE;
    float *scores = yT + a.E * WIDE, *bias = scores + FORWARD_KEYS * WIDE;
    for (long query = t0; query < t1; query += WIDE) {
        long queries = t1 - query < WIDE ? t1 - query : WIDE;
        long seen = a.causal && query + queries < a.S ? query + queries : a.S;
        vf largest[2] = {vf_set(HIDDEN), vf_set(HIDDEN)}, total[2] = {vf_set(0.0f), vf_set(0.0f)};
        transpose_in(qT, q + query * a.q.row, a.q.row, queries, a.D, a.scale * LOG2_E);
        for (long key = 0; key < seen; key += FORWARD_KEYS)
            attend_block(a, qT, k, v, mask, query, queries, key,
                         seen - key < FORWARD_KEYS ? seen - key : FORWARD_KEYS, scores, bias, yT,
                         largest, total);
        UNROLL for (int e = 0; e < 2; e++)
        {
            vi nothing = (largest[e] < 1.5f * LOWEST) & (total[e] == total[e]);
            vf share = vf_where(nothing, vf_set(0.0f), 1.0f / total[e]);
            for (long d = 0; d < a.E; d++) {
                float *at = yT + d * WIDE + e * LANES;
                vf_store(at, vf_where(nothing, vf_set(0.0f), share * vf_load(at)));
            }
            vf log_sum = largest[e] * (1.0f / LOG2_E) + vf_log(total[e]);
            log_sum = vf_where(nothing, vf_set(0.0f), log_sum);
            if (queries > e * LANES)
                vf_store_part(lse + query + e * LANES, log_sum, queries - e * LANES);
        }
        transpose_out(y + query * a.y.row, yT, a.y.row, queries, a.E);
    }
}

/* Heads `first` to `last` of the B H there are. */
INLINE void attention_forward(const attention a, long first, long last, const float *q,
                              const float *k, const float *v, const void *mask, float *y,
                              float *lse, float *scratch)
{
    long unit = a.mask_kind == ADDITIVE_MASK ? sizeof(float) : 1;
    for (long i = first; i < last; i++) {
        long b = i / a.H, h = i % a.H;
        attention_forward_head(
            a, 0, a.T, q + b * a.q.batch + h * a.q.head, k + b * a.k.batch + h * a.k.head,
            v + b * a.v.batch + h * a.v.head,
            (const char *)mask + unit * (b * a.mask.batch + h * a.mask.head),
            y + b * a.y.batch + h * a.y.head, lse + i * a.T, scratch);
    }
}

/* ---- Backward ----
 *
 * With P = exp(scores - lse) and dS = P (g vT - delta), delta = the sum of g y along each row:
 *
 *     dv = PT g      dk = scale dST q      dq = scale dS k
 *
 * A tile is some queries against WIDE keys. Keys are outermost, so that their gradients stay in
 * cache, while the queries stream past. */

INLINE long round_up_to(long n, long unit) { return (n + unit - 1) / unit * unit; }

/* Floats of scratch that one thread needs for the backward pass. */
INLINE long attention_backward_scratch(const attention a)
{
    long T = round_up_to(a.T, TILE), D = round_up_to(a.D, LANES);
    return T * (a.D + a.E + D + 2) + LANES + WIDE * (2 * a.D + 2 * a.E + D) +
           2 * BACKWARD_QUERIES * WIDE;
}

/* One head's operands in scratch: contiguous, padded with zeros, scaled. */
typedef struct {
    float *q, *g, *dq;        /* (T, D) in base 2, (T, E), (T, D rounded up): T rounded up to TILE */
    float *lse, *delta;       /* (T), in base 2; negative */
    float *kT, *vT;           /* (D, WIDE), (E, WIDE): this block of keys */
    float *k;                 /* (WIDE, D rounded up) */
    float *dkT, *dvT;         /* (D, WIDE), (E, WIDE) */
    float *p, *ds;            /* (BACKWARD_QUERIES, WIDE) */
} attention_rows;

/* Copies `columns` floats of a row times `factor`; the next ones up to `padded` become 0. */
INLINE void copy_row(float *to, const float *from, float factor, long columns, long padded)
{
    for (long c = 0; c < padded; c += LANES) {
        vf x = vf_set(0.0f);
        if (c < columns) x = vf_load_part(from + c, columns - c, 0.0f);
        vf_store_part(to + c, factor * x, padded - c);
    }
}

/* The sum of g y along a row. */
INLINE float dot(const float *x, const float *y, long n)
{
    vf sum = vf_set(0.0f);
    for (long i = 0; i < n; i += LANES)
        sum += vf_load_part(x + i, n - i, 0.0f) * vf_load_part(y + i, n - i, 0.0f);
    return vf_sum_lanes(sum);
}

/* Lays out the scratch, and copies into it what the queries hold. */
INLINE attention_rows gather_rows(const attention a, const float *q, const float *y,
                                  const float *lse, const float *g, float *scratch)
{
    long T = round_up_to(a.T, TILE), D = round_up_to(a.D, LANES);
    attention_rows r;
    r.dq = scratch, r.k = r.dq + T * D, r.kT = r.k + WIDE * D, r.vT = r.kT + a.D * WIDE;
    r.dkT = r.vT + a.E * WIDE, r.dvT = r.dkT + a.D * WIDE, r.p = r.dvT + a.E * WIDE;
    r.ds = r.p + BACKWARD_QUERIES * WIDE, r.q = r.ds + BACKWARD_QUERIES * WIDE;
    r.g = r.q + T * a.D, r.lse = r.g + T * a.E, r.delta = r.lse + T;
    for (long i = 0; i < a.T; i++) {
        copy_row(r.q + i * a.D, q + i * a.q.row, a.scale * LOG2_E, a.D, a.D);
        copy_row(r.g + i * a.E, g + i * a.g.row, 1.0f, a.E, a.E);
        r.lse[i] = lse[i] * -LOG2_E;
        r.delta[i] = -dot(g + i * a.g.row, y + i * a.y.row, a.E);
    }
    memset(r.q + a.T * a.D, 0, (T - a.T) * a.D * sizeof(float));
    memset(r.g + a.T * a.E, 0, (T - a.T) * a.E * sizeof(float));
    for (long i = a.T; i < T; i++) r.lse[i] = r.delta[i] = 0.0f;
    memset(r.dq, 0, T * D * sizeof(float));
    return r;
}

/* TILE queries against a block of keys: rows of p and ds, and what they add to dq. */
INLINE void backward_tile(const attention a, const attention_rows r, const void *mask, long query,
                          long key, long keys, float *p, float *ds)
{
    const long D = round_up_to(a.D, LANES);
    const int diagonal = a.causal && query < key + WIDE;
    vf sums[TILE * 2];
    UNROLL for (int i = 0; i < TILE * 2; i++) sums[i] = vf_set(r.lse[query + i / 2]);
    add_products(sums, TILE, 2, a.D, r.q + query * a.D, a.D, 1, r.kT, WIDE);
    UNROLL for (int i = 0; i < TILE; i++) UNROLL for (int e = 0; e < 2; e++)
    {
        vf s = sums[i * 2 + e];
        if (a.mask_kind) {
            float bias[LANES];
            for (long j = 0; j < LANES; j++)
                bias[j] = query + i < a.T && e * LANES + j < keys
                              ? mask_value(a, mask, query + i, key + e * LANES + j)
                              : 0.0f;
            s = vf_min(s + vf_load(bias), vf_set(0.0f));
        }
        vf x = exp2_of_score(s);
        vi lane = vi_lanes() + (int)(e * LANES);
        if (diagonal) x = (vf)((vi)x & (lane + (int)key <= (int)(query + i)));
        if (keys < WIDE) x = (vf)((vi)x & (lane < (int)keys));
        vf_store(p + i * WIDE + e * LANES, x);
    }
    UNROLL for (int i = 0; i < TILE * 2; i++) sums[i] = vf_set(r.delta[query + i / 2]);
    add_products(sums, TILE, 2, a.E, r.g + query * a.E, a.E, 1, r.vT, WIDE);
    UNROLL for (int i = 0; i < TILE * 2; i++)
        vf_store(ds + i * LANES, sums[i] * vf_load(p + i * LANES));
    for (long d = 0; d < D; d += 2 * LANES) {
        float *dq = r.dq + query * D + d;
        if (D - d >= 2 * LANES) {
            UNROLL for (int i = 0; i < TILE * 2; i++)
                sums[i] = vf_load(dq + i / 2 * D + i % 2 * LANES);
            add_products(sums, TILE, 2, WIDE, ds, WIDE, 1, r.k + d, D);
            UNROLL for (int i = 0; i < TILE * 2; i++)
                vf_store(dq + i / 2 * D + i % 2 * LANES, sums[i]);
        } else {
            UNROLL for (int i = 0; i < TILE; i++) sums[i] = vf_load(dq + i * D);
            add_products(sums, TILE, 1, WIDE, ds, WIDE, 1, r.k + d, D);
            UNROLL for (int i = 0; i < TILE; i++) vf_store(dq + i * D, sums[i]);
        }
    }
}

/* to[d][j] += the sum over queries i of x[i, d] weights[i][j], for ROWS values of d. */
INLINE void add_weighted(const int ROWS, float *to, const float *x, long width,
                         const float *weights, long queries)
{
    vf sums[TILE * 2];
    UNROLL for (int i = 0; i < ROWS * 2; i++) sums[i] = vf_load(to + i * LANES);
    add_products(sums, ROWS, 2, queries, x, 1, width, weights, WIDE);
    UNROLL for (int i = 0; i < ROWS * 2; i++) vf_store(to + i * LANES, sums[i]);
}

INLINE void add_weighted_rows(float *to, const float *x, long width, const float *weights,
                              long queries)
{
    long d = 0;
    for (; d + TILE <= width; d += TILE)
        add_weighted(TILE, to + d * WIDE, x + d, width, weights, queries);
    for (; d < width; d++) add_weighted(1, to + d * WIDE, x + d, width, weights, queries);
}

/* dk and dv of WIDE keys, and what these keys add to dq. */
INLINE void backward_keys(const attention a, const attention_rows r, const float *k, const float *v,
                          const void *mask, long key, float *dk, float *dv)
{
    const long D = round_up_to(a.D, LANES), T = round_up_to(a.T, TILE);
    long keys = a.S - key < WIDE ? a.S - key : WIDE;
    transpose_in(r.kT, k + key * a.k.row, a.k.row, keys, a.D, 1.0f);
    transpose_in(r.vT, v + key * a.v.row, a.v.row, keys, a.E, 1.0f);
    for (long j = 0; j < WIDE; j++)
        copy_row(r.k + j * D, k + (key + j) * a.k.row, 1.0f, j < keys ? a.D : 0, D);
    memset(r.dkT, 0, a.D * WIDE * sizeof(float));
    memset(r.dvT, 0, a.E * WIDE * sizeof(float));
    for (long query = a.causal ? key : 0; query < T; query += BACKWARD_QUERIES) {
        long queries = T - query < BACKWARD_QUERIES ? T - query : BACKWARD_QUERIES;
        for (long i = 0; i < queries; i += TILE)
            backward_tile(a, r, mask, query + i, key, keys, r.p + i * WIDE, r.ds + i * WIDE);
        add_weighted_rows(r.dkT, r.q + query * a.D, a.D, r.ds, queries);
        add_weighted_rows(r.dvT, r.g + query * a.E, a.E, r.p, queries);
    }
    for (long i = 0; i < a.D * WIDE; i += LANES) /* q was in base 2 */
        vf_store(r.dkT + i, vf_load(r.dkT + i) * (1.0f / LOG2_E));
    transpose_out(dk + key * a.dk.row, r.dkT, a.dk.row, keys, a.D);
    transpose_out(dv + key * a.dv.row, r.dvT, a.dv.row, keys, a.E);
}

/* One head's dq, dk and dv, from y, its log-sum-exp and the incoming gradient g. */
INLINE void attention_backward_head(const attention a, const float *q, const float *k,
                                    const float *v, const void *mask, const float *y,
                                    const float *lse, const float *g, float *dq, float *dk,
                                    float *dv, float *scratch)
{
    const long D = round_up_to(a.D, LANES);
    attention_rows r = gather_rows(a, q, y, lse, g, scratch);
    for (long key = 0; key < a.S; key += WIDE) backward_keys(a, r, k, v, mask, key, dk, dv);
    for (long i = 0; i < a.T; i++) copy_row(dq + i * a.dq.row, r.dq + i * D, a.scale, a.D, a.D);
}

/* Heads `first` to `last` of the B H there are. */
INLINE void attention_backward(const attention a, long first, long last, const float *q,
                               const float *k, const float *v, const void *mask, const float *y,
                               const float *lse, const float *g, float *dq, float *dk, float *dv,
                               float *scratch)
{
    long unit = a.mask_kind == ADDITIVE_MASK ? sizeof(float) : 1;
    for (long i = first; i < last; i++) {
        long b = i / a.H, h = i % a.H;
        attention_backward_head(
            a, q + b * a.q.batch + h * a.q.head, k + b * a.k.batch + h * a.k.head,
            v + b * a.v.batch + h * a.v.head,
            (const char *)mask + unit * (b * a.mask.batch + h * a.mask.head),
            y + b * a.y.batch + h * a.y.head, lse + i * a.T, g + b * a.g.batch + h * a.g.head,
            dq + b * a.dq.batch + h * a.dq.head, dk + b * a.dk.batch + h * a.dk.head,
            dv + b * a.dv.batch + h * a.dv.head, scratch);
    }
}
#endif
