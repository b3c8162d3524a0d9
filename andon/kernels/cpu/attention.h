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

#include "random.h"
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
    int drop;
    uint16_t least_kept;
    float kept_scale; /* 1 / (1 - p) */
} attention_shape;

enum {
    ATTENTION_WIDTH = 2 * LANES, /* queries (forward) or keys (backward) of a tile */
    FORWARD_KEYS = 128,          /* keys of a block, whose scores stay in the L1 cache */
    BACKWARD_QUERIES = 64,       /* queries of a block: p and ds do */
    FEW_QUERIES = 4              /* up to which each is done alone: there are no lanes to fill */
};
#if defined(__AVX512F__) || defined(__aarch64__)
enum { ATTENTION_ROWS = 8 }; /* rows of a register tile: 16 of 32 registers hold its sums */
#else
enum { ATTENTION_ROWS = 4 }; /* 8 of 16 */
#endif

/* In place of -inf, so that differences are numbers: a score that is hidden, and the lowest that is
 * not. The score of a key that no finite mask hides is far above both. */
#define HIDDEN_SCORE -2e30f
#define LOWEST_SCORE -1e30f

/* 2^x for x below 1, to 3e-7; 0 below -126. */
INLINE vf exp2_of_score(vf x)
{
    vf shifted = x + ROUNDING_SHIFT, r = x - (shifted - ROUNDING_SHIFT);
    vf p = 0.0013276401f * r + 0.00967552379f;
    p = p * r + 0.0555071332f;
    p = p * r + 0.240221201f;
    p = p * r + 0.693146967f;
    p = p * r + 1.0f;
    vf y = (vf)((vu)p + ((vu)shifted << 23)); /* the whole part goes into the exponent */
    return (vf)((vi)y & ~(x < -126.0f));      /* NaN stays NaN */
}

/* sums[i][j] += the sum over k < K of a[i, k] b[k, j]: the register tile under all products here,
 * ROWS times VECTORS of the two in a row of `sums`. a[i, k] is at a[i a_row + k a_step]; rows of b
 * are b_row floats apart. */
INLINE void add_attention_products(vf *sums, const int ROWS, const int VECTORS, long K,
                                   const float *a, long a_row, long a_step, const float *b,
                                   long b_row)
{
    for (long k = 0; k < K; k++) {
        vf row[2];
        UNROLL for (int j = 0; j < VECTORS; j++)
            row[j] = vf_load(b + k * b_row + j * LANES);
        UNROLL for (int i = 0; i < ROWS; i++) {
            float x = a[i * a_row + k * a_step];
            UNROLL for (int j = 0; j < VECTORS; j++)
                sums[i * 2 + j] += x * row[j];
        }
    }
}

/* to[c][r] = factor from[r][c], where `to` has rows of ATTENTION_WIDTH floats: r >= rows are 0. */
INLINE void transpose_into_columns(float *to, const float *from, long stride, long rows,
                                   long columns, float factor)
{
    for (long r = 0; r < ATTENTION_WIDTH; r += LANES)
        for (long c = 0; c < columns; c += LANES) {
            vf block[LANES];
            UNROLL for (int i = 0; i < LANES; i++)
                block[i] = vf_set(0.0f);
            for (int i = 0; i < LANES && r + i < rows; i++)
                block[i] = factor * vf_load_part(from + (r + i) * stride + c, columns - c, 0.0f);
            vf_transpose(block);
            for (int i = 0; i < LANES && c + i < columns; i++)
                vf_store(to + (c + i) * ATTENTION_WIDTH + r, block[i]);
        }
}

/* to[r][c] = from[c][r] for r < rows, where `from` has rows of ATTENTION_WIDTH floats. */
INLINE void transpose_into_rows(float *to, const float *from, long stride, long rows, long columns)
{
    for (long r = 0; r < rows; r += LANES)
        for (long c = 0; c < columns; c += LANES) {
            vf block[LANES];
            UNROLL for (int i = 0; i < LANES; i++)
                block[i] = vf_set(0.0f);
            for (int i = 0; i < LANES && c + i < columns; i++)
                block[i] = vf_load(from + (c + i) * ATTENTION_WIDTH + r);
            vf_transpose(block);
            for (int i = 0; i < LANES && r + i < rows; i++)
                vf_store_part(to + (r + i) * stride + c, block[i], columns - c);
        }
}

/* The sum of x y along a row. */
INLINE float dot_product(const float *x, const float *y, long n)
{
    vf sum = vf_set(0.0f);
    for (long i = 0; i < n; i += LANES)
        sum += vf_load_part(x + i, n - i, 0.0f) * vf_load_part(y + i, n - i, 0.0f);
    return vf_sum_lanes(sum);
}

/* Bytes of an element of the mask. */
INLINE long mask_unit(const attention_shape a)
{
    return a.mask_kind == ADDITIVE_MASK ? sizeof(float) : 1;
}

/* LANES bytes of a boolean mask. */
typedef uint8_t attention_bytes __attribute__((vector_size(LANES)));

/* What the mask adds to the scores of n <= LANES keys from j on for query i, in base 2. */
INLINE vf mask_values(const attention_shape a, const void *mask, long i, long j, long n)
{
    const char *at = (const char *)mask + (i * a.mask.row + j * a.mask_key) * mask_unit(a);
    if (n > LANES) n = LANES;
    if (a.mask_kind == BOOLEAN_MASK) {
        attention_bytes seen = {0};
        if (a.mask_key == 1 && n == LANES) memcpy(&seen, at, LANES);
        else
            for (long l = 0; l < n; l++) seen[l] = at[l * a.mask_key];
        return vf_where(__builtin_convertvector(seen, vi) != 0, vf_set(0.0f), vf_set(HIDDEN_SCORE));
    }
    const float *value = (const float *)at;
    vf bias = vf_set(0.0f);
    if (a.mask_key == 1) bias = vf_load_part(value, n, 0.0f);
    else
        for (long l = 0; l < n; l++) bias[l] = value[l * a.mask_key];
    return vf_where(bias == -INFINITY, vf_set(HIDDEN_SCORE),
                    vf_max(bias * LOG2_E, vf_set(LOWEST_SCORE)));
}

/* bias[j][i]: what the mask adds to the scores of `keys` keys for a block of queries. */
INLINE void load_bias(const attention_shape a, const void *mask, long query, long queries, long key,
                      long keys, float *bias)
{
    for (long i = 0; i < ATTENTION_WIDTH; i += LANES)
        for (long j = 0; j < keys; j += LANES) {
            vf block[LANES];
            for (long l = 0; l < LANES; l++) {
                block[l] = vf_set(0.0f);
                if (i + l < queries)
                    block[l] = mask_values(a, mask, query + i + l, key + j, keys - j);
            }
            vf_transpose(block);
            for (long l = 0; l < LANES && j + l < keys; l++)
                vf_store(bias + (j + l) * ATTENTION_WIDTH + i, block[l]);
        }
}

/* ---- Dropout ---- */

enum { DRAWN_BLOCKS = FORWARD_KEYS / QUARTERS + 1 }; /* for the keys of a tile, wherever it is */

/* How many keys from `key` on query i sees, `keys` being there. */
INLINE long keys_seen(const attention_shape a, long i, long key, long keys)
{
    if (!a.causal || i + 1 - key >= keys) return keys;
    return i + 1 > key ? i + 1 - key : 0;
}

/* What is drawn for the weights of head i. */
INLINE random_stream of_head(const attention_shape a, random_stream drawn, long i)
{
    drawn.first += (uint64_t)(i * a.T * a.S);
    return drawn;
}

/* Bit j of kept[c stride + i]: whether query `query` + i keeps the weight of key `key` + 16 c + j,
 * as far as it sees it. `head` is the stream of this head's weights, (T, S). Queries lie in lanes;
 * where rows do not begin with a block, they are shifted afterwards. */
INLINE void draw_kept(const attention_shape a, random_stream head, long query, long queries,
                      long key, long keys, uint16_t *kept, long stride)
{
    const uint64_t first = head.first + (uint64_t)(query * a.S + key);
    const int shifted = first % QUARTERS || a.S % QUARTERS;
    for (long i = 0; i < queries; i += VD_LANES) {
        const vw blocks = (first + (uint64_t)a.S * (vw)(vl_lanes() + i)) / QUARTERS;
        const long seen = keys_seen(a, query + i + VD_LANES - 1, key, keys);
        const long end = seen && shifted ? seen + QUARTERS - 1 : seen;
        for (long b = 0; b * QUARTERS < end; b++)
            kept_of_lanes(head.key, blocks + (uint64_t)b, a.least_kept, kept + b * stride + i);
    }
    for (long i = 0; shifted && i < queries; i += LANES) {
        const vi rows = vi_lanes() + (int)i;
        const vu skipped = (vu)((int)(first % QUARTERS) + (int)(a.S % QUARTERS) * rows) % QUARTERS;
        for (long c = 0; c * QUARTERS < keys; c++) {
            uint16_t *at = kept + c * stride + i;
            const vu low = __builtin_convertvector(vh_load_part(at, LANES), vu);
            const vu high = __builtin_convertvector(vh_load_part(at + stride, LANES), vu);
            const vu bits = (low | high << 16) >> skipped;
            vh_store_part(at, __builtin_convertvector(bits, vh), LANES);
        }
    }
}

/* ---- Forward ---- */

/* Floats of scratch that one thread needs for the forward pass. */
INLINE long attention_forward_scratch(const attention_shape a)
{
    long blocks = (a.D + a.E + 2 * FORWARD_KEYS) * ATTENTION_WIDTH;
    return a.T > FEW_QUERIES || a.S < blocks ? blocks : a.S;
}

/* The block of queries that the forward pass is at, and what it has of them so far. */
typedef struct {
    long first, count;    /* queries */
    const float *qT;      /* (D, ATTENTION_WIDTH), scaled */
    float *yT;            /* (E, ATTENTION_WIDTH) */
    float *scores, *bias; /* (FORWARD_KEYS, ATTENTION_WIDTH) */
    uint16_t *kept;       /* (DRAWN_BLOCKS, ATTENTION_WIDTH) */
    vf largest[2], total[2];
} attention_queries;

/* The scores of ROWS keys from j on; raises `largest` to them. With one vector, these are keys that
 * the first half of the queries does not see. */
INLINE void score_keys(const attention_shape a, const int ROWS, const int VECTORS,
                       attention_queries *b, const float *k, long key, long j)
{
    const int e0 = 2 - VECTORS;
    vf sums[ATTENTION_ROWS * 2];
    UNROLL for (int i = 0; i < ROWS * 2; i++)
        sums[i] = vf_set(0.0f);
    add_attention_products(sums, ROWS, VECTORS, a.D, k + (key + j) * a.k.row, a.k.row, 1,
                           b->qT + e0 * LANES, ATTENTION_WIDTH);
    UNROLL for (int i = 0; i < ROWS; i++) {
        UNROLL for (int e = e0; e < 2; e++) {
            long at = (j + i) * ATTENTION_WIDTH + e * LANES;
            vf s = sums[i * 2 + e - e0];
            if (a.mask_kind) s += vf_load(b->bias + at);
            if (a.causal && key + j + ROWS > b->first) {
                vi hidden = vi_lanes() + (int)(b->first + e * LANES) < (int)(key + j + i);
                s = vf_where(hidden, vf_set(HIDDEN_SCORE), s);
            }
            b->largest[e] = vf_max(b->largest[e], s);
            vf_store(b->scores + at, s);
        }
    }
}

/* Scores become their exponentials, of the keys from j0 to j1, 0 where they are dropped. */
INLINE void exponentiate_scores(const attention_shape a, const int VECTORS, attention_queries *b,
                                long j0, long j1)
{
    for (long j = j0; j < j1; j++) {
        UNROLL for (int e = 2 - VECTORS; e < 2; e++) {
            float *at = b->scores + j * ATTENTION_WIDTH + e * LANES;
            vf p = exp2_of_score(vf_load(at) - b->largest[e]);
            b->total[e] += p;
            if (a.drop) {
                const uint16_t *bits = b->kept + j / QUARTERS * ATTENTION_WIDTH + e * LANES;
                const uint16_t bit = (uint16_t)(1u << j % QUARTERS);
                const vh_mask set = (vh_load_part(bits, LANES) & bit) != 0;
                p = (vf)((vi)p & __builtin_convertvector(set, vi));
            }
            vf_store(at, p);
        }
    }
}

/* ROWS rows of yT from d on: factor yT + the sum over keys of v[j, d] p[j]. */
INLINE void add_values(const attention_shape a, const int ROWS, attention_queries *b,
                       const float *v, long both, long keys, const vf factor[2], int start, long d)
{
    float *y = b->yT + d * ATTENTION_WIDTH;
    vf sums[ATTENTION_ROWS * 2];
    UNROLL for (int i = 0; i < ROWS * 2; i++) {
        sums[i] = vf_set(0.0f);
        if (!start) sums[i] = factor[i % 2] * vf_load(y + i * LANES);
    }
    add_attention_products(sums, ROWS, 2, both, v + d, 1, a.v.row, b->scores, ATTENTION_WIDTH);
    add_attention_products(sums + 1, ROWS, 1, keys - both, v + both * a.v.row + d, 1, a.v.row,
                           b->scores + both * ATTENTION_WIDTH + LANES, ATTENTION_WIDTH);
    UNROLL for (int i = 0; i < ROWS * 2; i++)
        vf_store(y + i * LANES, sums[i]);
}

/* What a block of keys adds to the sums of a block of queries. */
INLINE void attend_block(const attention_shape a, attention_queries *b, const float *k,
                         const float *v, const void *mask, random_stream head, long key, long keys)
{
    long both = keys; /* keys that both halves of the queries may see */
    if (a.causal && key + keys > b->first + LANES)
        both = b->first + LANES > key ? b->first + LANES - key : 0;
    if (a.mask_kind) load_bias(a, mask, b->first, b->count, key, keys, b->bias);
    vf before[2] = {b->largest[0], b->largest[1]}, factor[2];
    long j = 0;
    for (; j + ATTENTION_ROWS <= both; j += ATTENTION_ROWS)
        score_keys(a, ATTENTION_ROWS, 2, b, k, key, j);
    for (; j < both; j++) score_keys(a, 1, 2, b, k, key, j);
    for (; j + ATTENTION_ROWS <= keys; j += ATTENTION_ROWS)
        score_keys(a, ATTENTION_ROWS, 1, b, k, key, j);
    for (; j < keys; j++) score_keys(a, 1, 1, b, k, key, j);

    UNROLL for (int e = 0; e < 2; e++) {
        factor[e] = exp2_of_score(before[e] - b->largest[e]);
        b->total[e] *= factor[e];
    }
    if (a.drop)
        draw_kept(a, head, b->first, b->count, key, keys, b->kept, ATTENTION_WIDTH);
    exponentiate_scores(a, 2, b, 0, both);
    exponentiate_scores(a, 1, b, both, keys);

    long d = 0;
    v += key * a.v.row;
    for (; d + ATTENTION_ROWS <= a.E; d += ATTENTION_ROWS)
        add_values(a, ATTENTION_ROWS, b, v, both, keys, factor, key == 0, d);
    for (; d + 4 <= a.E; d += 4) add_values(a, 4, b, v, both, keys, factor, key == 0, d);
    for (; d < a.E; d++) add_values(a, 1, b, v, both, keys, factor, key == 0, d);
}

/* Divides by the sums, and writes y and the log-sum-exp of a block of queries. */
INLINE void finish_queries(const attention_shape a, const attention_queries *b, float *y,
                           float *lse)
{
    UNROLL for (int e = 0; e < 2; e++) {
        vf total = b->total[e];
        vi nothing = (b->largest[e] < 1.5f * LOWEST_SCORE) & (total == total);
        vf share = (a.drop ? a.kept_scale : 1.0f) / total;
        vf log_sum = b->largest[e] * (1.0f / LOG2_E) + vf_log(total);
        for (long d = 0; d < a.E; d++) {
            float *at = b->yT + d * ATTENTION_WIDTH + e * LANES;
            vf_store(at, vf_where(nothing, vf_set(0.0f), share * vf_load(at)));
        }
        log_sum = vf_where(nothing, vf_set(0.0f), log_sum);
        if (b->count > e * LANES)
            vf_store_part(lse + b->first + e * LANES, log_sum, b->count - e * LANES);
    }
    transpose_into_rows(y + b->first * a.y.row, b->yT, a.y.row, b->count, a.E);
}

/* y[d] of four vectors, n elements: the sum over keys of share p[j] v[j, d]. */
INLINE void sum_values(const attention_shape a, const float *v, const float *p, long keys,
                       float share, long n, float *y)
{
    vf sums[4];
    UNROLL for (int e = 0; e < 4; e++)
        sums[e] = vf_set(0.0f);
    for (long j = 0; j < keys; j++) {
        UNROLL for (int e = 0; e < 4; e++)
            sums[e] += p[j] * vf_load_part(v + j * a.v.row + e * LANES, n - e * LANES, 0.0f);
    }
    UNROLL for (int e = 0; e < 4; e++)
        vf_store_part(y + e * LANES, share * sums[e], n - e * LANES);
}

/* The weights of query t alone that are dropped become 0, the others are scaled. */
INLINE void drop_weights(const attention_shape a, random_stream head, long t, long seen, float *p)
{
    for (long j = 0; j < seen; j += FORWARD_KEYS) {
        uint16_t kept[DRAWN_BLOCKS * LANES];
        const long n = seen - j < FORWARD_KEYS ? seen - j : FORWARD_KEYS;
        draw_kept(a, head, t, 1, j, n, kept, LANES);
        for (long i = 0; i < n; i++)
            p[j + i] *= kept[i / QUARTERS * LANES] >> i % QUARTERS & 1 ? a.kept_scale : 0.0f;
    }
}

/* One query alone, as while a text is generated: its scores, (S), are in scratch. */
INLINE void attend_alone(const attention_shape a, long t, const float *q, const float *k,
                         const float *v, const void *mask, random_stream head, float *y, float *lse,
                         float *scores)
{
    long seen = a.causal && t + 1 < a.S ? t + 1 : a.S;
    vf largest = vf_set(HIDDEN_SCORE), total = vf_set(0.0f);
    for (long j = 0; j < seen; j++)
        scores[j] = dot_product(q + t * a.q.row, k + j * a.k.row, a.D) * (a.scale * LOG2_E);
    for (long j = 0; j < seen; j += LANES) {
        vf s = vf_load_part(scores + j, seen - j, HIDDEN_SCORE);
        if (a.mask_kind) s += mask_values(a, mask, t, j, seen - j);
        largest = vf_max(largest, s);
        vf_store_part(scores + j, s, seen - j);
    }
    float shift = vf_max_lanes(largest);
    for (long j = 0; j < seen; j += LANES) {
        vf p = exp2_of_score(vf_load_part(scores + j, seen - j, HIDDEN_SCORE) - shift);
        vf_store_part(scores + j, p, seen - j);
        total += vf_where(vi_lanes() < (int)(seen - j), p, vf_set(0.0f));
    }
    if (a.drop) drop_weights(a, head, t, seen, scores);
    float sum = vf_sum_lanes(total);
    int nothing = shift < 1.5f * LOWEST_SCORE && sum == sum;
    lse[t] = nothing ? 0.0f : shift * (1.0f / LOG2_E) + logf(sum);
    for (long d = 0; d < a.E; d += 4 * LANES) {
        float *at = y + t * a.y.row + d;
        sum_values(a, v + d, scores, seen, nothing ? 0.0f : 1.0f / sum, a.E - d, at);
    }
}

/* One head's queries from t0 to t1: y and the log-sum-exp of each row of scores. A row that sees
 * no key gives 0, and its log-sum-exp is 0. */
INLINE void attention_forward_head(const attention_shape a, long t0, long t1, const float *q,
                                   const float *k, const float *v, const void *mask,
                                   random_stream head, float *y, float *lse, float *scratch)
{
    float *qT = scratch, *yT = qT + a.D * ATTENTION_WIDTH, *scores = yT + a.E * ATTENTION_WIDTH;
    uint16_t kept[DRAWN_BLOCKS * ATTENTION_WIDTH];
    if (a.T <= FEW_QUERIES) {
        for (long t = t0; t < t1; t++) attend_alone(a, t, q, k, v, mask, head, y, lse, scratch);
        return;
    }
    for (long query = t0; query < t1; query += ATTENTION_WIDTH) {
        long queries = t1 - query < ATTENTION_WIDTH ? t1 - query : ATTENTION_WIDTH;
        long seen = a.causal && query + queries < a.S ? query + queries : a.S;
        attention_queries b = {.first = query, .count = queries, .qT = qT, .yT = yT};
        b.scores = scores, b.bias = scores + FORWARD_KEYS * ATTENTION_WIDTH, b.kept = kept;
        UNROLL for (int e = 0; e < 2; e++) {
            b.largest[e] = vf_set(HIDDEN_SCORE);
            b.total[e] = vf_set(0.0f);
        }
        transpose_into_columns(qT, q + query * a.q.row, a.q.row, queries, a.D, a.scale * LOG2_E);
        for (long key = 0; key < seen; key += FORWARD_KEYS)
            attend_block(a, &b, k, v, mask, head, key,
                         seen - key < FORWARD_KEYS ? seen - key : FORWARD_KEYS);
        finish_queries(a, &b, y, lse);
    }
}

/* Heads `first` to `last` of the B H there are. */
INLINE void attention_forward(const attention_shape a, long first, long last, const float *q,
                              const float *k, const float *v, const void *mask,
                              random_stream drawn, float *y, float *lse, float *scratch)
{
    for (long i = first; i < last; i++) {
        long b = i / a.H, h = i % a.H;
        attention_forward_head(a, 0, a.T, q + b * a.q.batch + h * a.q.head,
                               k + b * a.k.batch + h * a.k.head, v + b * a.v.batch + h * a.v.head,
                               (const char *)mask +
                                   mask_unit(a) * (b * a.mask.batch + h * a.mask.head),
                               of_head(a, drawn, i), y + b * a.y.batch + h * a.y.head,
                               lse + i * a.T, scratch);
    }
}

/* ---- Backward ----
 *
 * With P = exp(scores - lse) and dS = P (g vT - delta), delta = the sum of g y along each row:
 * (with dropout, P in dv and g vT are what is kept of them, scaled: so g is scaled beforehand)
 *
 *     dv = PT g      dk = scale dST q      dq = scale dS k
 *
 * A tile is some queries against a block of keys. Blocks of keys are outermost, so that their
 * gradients stay in cache, while the queries stream past. */

INLINE long attention_rounded(long n, long unit) { return (n + unit - 1) / unit * unit; }

/* Floats of scratch that one thread needs for the backward pass. */
INLINE long attention_backward_scratch(const attention_shape a)
{
    long T = attention_rounded(a.T, ATTENTION_ROWS), D = attention_rounded(a.D, LANES);
    return T * (a.D + a.E + D + 2) +
           ATTENTION_WIDTH * (2 * a.D + 2 * a.E + D + 2 * BACKWARD_QUERIES);
}

/* One head's operands in scratch, scaled, T rounded up to ATTENTION_ROWS by rows of zeros. */
typedef struct {
    float *q, *g, *dq;  /* (T, D) in base 2; (T, E); (T, D rounded up) */
    float *lse, *delta; /* (T), negative; lse in base 2 */
    float *kT, *vT;     /* (D, ATTENTION_WIDTH), (E, ATTENTION_WIDTH): this block of keys */
    float *k;           /* (ATTENTION_WIDTH, D rounded up) */
    float *dkT, *dvT;   /* as kT, vT */
    float *p, *ds;      /* (BACKWARD_QUERIES, ATTENTION_WIDTH) */
    uint16_t *kept;     /* (blocks of 16 of these keys, and one more, BACKWARD_QUERIES) */
} attention_rows;

/* Copies `columns` floats of a row times `factor`; the next ones up to `padded` become 0. */
INLINE void copy_padded_row(float *to, const float *from, float factor, long columns, long padded)
{
    for (long c = 0; c < padded; c += LANES) {
        vf x = vf_set(0.0f);
        if (c < columns) x = vf_load_part(from + c, columns - c, 0.0f);
        vf_store_part(to + c, factor * x, padded - c);
    }
}

/* Lays out the scratch, and copies into it what the queries hold. */
INLINE attention_rows gather_rows(const attention_shape a, const float *q, const float *y,
                                  const float *lse, const float *g, float *scratch)
{
    long T = attention_rounded(a.T, ATTENTION_ROWS), D = attention_rounded(a.D, LANES);
    attention_rows r;
    r.dq = scratch;
    r.k = r.dq + T * D;
    r.kT = r.k + ATTENTION_WIDTH * D;
    r.vT = r.kT + ATTENTION_WIDTH * a.D;
    r.dkT = r.vT + ATTENTION_WIDTH * a.E;
    r.dvT = r.dkT + ATTENTION_WIDTH * a.D;
    r.p = r.dvT + ATTENTION_WIDTH * a.E;
    r.ds = r.p + ATTENTION_WIDTH * BACKWARD_QUERIES;
    r.q = r.ds + ATTENTION_WIDTH * BACKWARD_QUERIES;
    r.g = r.q + T * a.D;
    r.lse = r.g + T * a.E;
    r.delta = r.lse + T;
    for (long i = 0; i < a.T; i++) {
        copy_padded_row(r.q + i * a.D, q + i * a.q.row, a.scale * LOG2_E, a.D, a.D);
        copy_padded_row(r.g + i * a.E, g + i * a.g.row, a.drop ? a.kept_scale : 1.0f, a.E, a.E);
        r.lse[i] = lse[i] * -LOG2_E;
        r.delta[i] = -dot_product(g + i * a.g.row, y + i * a.y.row, a.E);
    }
    memset(r.q + a.T * a.D, 0, (T - a.T) * a.D * sizeof(float));
    memset(r.g + a.T * a.E, 0, (T - a.T) * a.E * sizeof(float));
    for (long i = a.T; i < T; i++) r.lse[i] = r.delta[i] = 0.0f;
    memset(r.dq, 0, T * D * sizeof(float));
    return r;
}

/* The scores of LANES keys from `key` on, `keys` of which exist, with what the mask adds; not above
 * the log-sum-exp, which rounding of a large mask could bring about. */
INLINE vf masked_scores(const attention_shape a, const void *mask, vf scores, long query, long key,
                        long keys)
{
    if (query >= a.T || keys <= 0) return scores;
    return vf_min(scores + mask_values(a, mask, query, key, keys), vf_set(0.0f));
}

/* VECTORS columns of ATTENTION_ROWS rows of dq += ds k, over `keys` keys. */
INLINE void add_to_dq(const int VECTORS, float *dq, long D, const float *ds, long keys,
                      const float *k)
{
    vf sums[ATTENTION_ROWS * 2];
    UNROLL for (int i = 0; i < ATTENTION_ROWS; i++) {
        UNROLL for (int j = 0; j < VECTORS; j++)
            sums[i * 2 + j] = vf_load(dq + i * D + j * LANES);
    }
    add_attention_products(sums, ATTENTION_ROWS, VECTORS, keys, ds, ATTENTION_WIDTH, 1, k, D);
    UNROLL for (int i = 0; i < ATTENTION_ROWS; i++) {
        UNROLL for (int j = 0; j < VECTORS; j++)
            vf_store(dq + i * D + j * LANES, sums[i * 2 + j]);
    }
}

/* ATTENTION_ROWS queries against a block of keys: rows of p and ds, and what they add to dq. With
 * one vector, the second half of the keys comes after these queries. */
INLINE void backward_tile(const attention_shape a, const int VECTORS, const attention_rows r,
                          const void *mask, long query, long key, long keys,
                          const uint16_t *kept, float *p, float *ds)
{
    const long D = attention_rounded(a.D, LANES), N = ATTENTION_ROWS * 2;
    const int diagonal = a.causal && query < key + ATTENTION_WIDTH;
    vf sums[ATTENTION_ROWS * 2];
    UNROLL for (int i = 0; i < N; i++)
        sums[i] = vf_set(r.lse[query + i / 2]);
    add_attention_products(sums, ATTENTION_ROWS, VECTORS, a.D, r.q + query * a.D, a.D, 1, r.kT,
                           ATTENTION_WIDTH);
    UNROLL for (int i = 0; i < N; i++) {
        const int e = i % 2 * LANES;
        vf x = vf_set(0.0f);
        vi lane = vi_lanes() + e;
        if (i % 2 < VECTORS) {
            if (a.mask_kind)
                sums[i] = masked_scores(a, mask, sums[i], query + i / 2, key + e, keys - e);
            x = exp2_of_score(sums[i]);
        }
        if (diagonal) x = (vf)((vi)x & (lane + (int)key <= (int)(query + i / 2)));
        if (keys < ATTENTION_WIDTH) x = (vf)((vi)x & (lane < (int)keys));
        vf_store(p + i * LANES, x);
    }
    UNROLL for (int i = 0; i < N; i++)
        sums[i] = vf_set(a.drop ? 0.0f : r.delta[query + i / 2]);
    add_attention_products(sums, ATTENTION_ROWS, VECTORS, a.E, r.g + query * a.E, a.E, 1, r.vT,
                           ATTENTION_WIDTH);
    UNROLL for (int i = 0; i < N; i++) {
        const vf x = vf_load(p + i * LANES);
        if (a.drop) {
            const int e = i % 2 * LANES;
            const uint16_t bits = kept[e / QUARTERS * BACKWARD_QUERIES + i / 2];
            const vi is_kept = lanes_of_bits(bits >> e % QUARTERS);
            sums[i] = (vf)((vi)sums[i] & is_kept) + r.delta[query + i / 2];
            vf_store(p + i * LANES, (vf)((vi)x & is_kept));
        }
        vf_store(ds + i * LANES, sums[i] * x);
    }
    long d = 0;
    for (; d + 2 * LANES <= D; d += 2 * LANES)
        add_to_dq(2, r.dq + query * D + d, D, ds, VECTORS * LANES, r.k + d);
    if (d < D) add_to_dq(1, r.dq + query * D + d, D, ds, VECTORS * LANES, r.k + d);
}

/* to[d][j] += the sum over queries i of x[i, d] weights[i][j], for ROWS values of d. The first
 * `half` queries do not see the second half of the keys. */
INLINE void add_weighted(const int ROWS, float *to, const float *x, long width,
                         const float *weights, long half, long queries)
{
    vf sums[ATTENTION_ROWS * 2];
    UNROLL for (int i = 0; i < ROWS * 2; i++)
        sums[i] = vf_load(to + i * LANES);
    add_attention_products(sums, ROWS, 1, half, x, 1, width, weights, ATTENTION_WIDTH);
    add_attention_products(sums, ROWS, 2, queries - half, x + half * width, 1, width,
                           weights + half * ATTENTION_WIDTH, ATTENTION_WIDTH);
    UNROLL for (int i = 0; i < ROWS * 2; i++)
        vf_store(to + i * LANES, sums[i]);
}

INLINE void add_weighted_rows(float *to, const float *x, long width, const float *weights,
                              long half, long queries)
{
    long d = 0;
    for (; d + ATTENTION_ROWS <= width; d += ATTENTION_ROWS)
        add_weighted(ATTENTION_ROWS, to + d * ATTENTION_WIDTH, x + d, width, weights, half,
                     queries);
    for (; d + 4 <= width; d += 4)
        add_weighted(4, to + d * ATTENTION_WIDTH, x + d, width, weights, half, queries);
    for (; d < width; d++)
        add_weighted(1, to + d * ATTENTION_WIDTH, x + d, width, weights, half, queries);
}

/* dk and dv of ATTENTION_WIDTH keys, and what these keys add to dq. */
INLINE void backward_keys(const attention_shape a, const attention_rows r, const float *k,
                          const float *v, const void *mask, random_stream head, long key,
                          float *dk, float *dv)
{
    const long D = attention_rounded(a.D, LANES), T = attention_rounded(a.T, ATTENTION_ROWS);
    long keys = a.S - key < ATTENTION_WIDTH ? a.S - key : ATTENTION_WIDTH;
    transpose_into_columns(r.kT, k + key * a.k.row, a.k.row, keys, a.D, 1.0f);
    transpose_into_columns(r.vT, v + key * a.v.row, a.v.row, keys, a.E, 1.0f);
    for (long j = 0; j < ATTENTION_WIDTH; j++)
        copy_padded_row(r.k + j * D, k + (key + j) * a.k.row, 1.0f, j < keys ? a.D : 0, D);
    memset(r.dkT, 0, a.D * ATTENTION_WIDTH * sizeof(float));
    memset(r.dvT, 0, a.E * ATTENTION_WIDTH * sizeof(float));
    for (long query = a.causal ? key : 0; query < T; query += BACKWARD_QUERIES) {
        long queries = T - query < BACKWARD_QUERIES ? T - query : BACKWARD_QUERIES;
        long half = a.causal && query < key + LANES ? key + LANES - query : 0;
        if (half > queries) half = queries;
        if (a.drop) draw_kept(a, head, query, queries, key, keys, r.kept, BACKWARD_QUERIES);
        long i = 0;
        for (; i < half; i += ATTENTION_ROWS)
            backward_tile(a, 1, r, mask, query + i, key, keys, r.kept + i,
                          r.p + i * ATTENTION_WIDTH, r.ds + i * ATTENTION_WIDTH);
        for (; i < queries; i += ATTENTION_ROWS)
            backward_tile(a, 2, r, mask, query + i, key, keys, r.kept + i,
                          r.p + i * ATTENTION_WIDTH, r.ds + i * ATTENTION_WIDTH);
        add_weighted_rows(r.dkT, r.q + query * a.D, a.D, r.ds, half, queries);
        add_weighted_rows(r.dvT, r.g + query * a.E, a.E, r.p, half, queries);
    }
    for (long i = 0; i < a.D * ATTENTION_WIDTH; i += LANES) /* q was in base 2 */
        vf_store(r.dkT + i, vf_load(r.dkT + i) * (1.0f / LOG2_E));
    transpose_into_rows(dk + key * a.dk.row, r.dkT, a.dk.row, keys, a.D);
    transpose_into_rows(dv + key * a.dv.row, r.dvT, a.dv.row, keys, a.E);
}

/* One head's dq, dk and dv, from y, its log-sum-exp and the incoming gradient g. */
INLINE void attention_backward_head(const attention_shape a, const float *q, const float *k,
                                    const float *v, const void *mask, random_stream head,
                                    const float *y, const float *lse, const float *g, float *dq,
                                    float *dk, float *dv, float *scratch)
{
    const long D = attention_rounded(a.D, LANES);
    uint16_t kept[(ATTENTION_WIDTH / QUARTERS + 2) * BACKWARD_QUERIES];
    attention_rows r = gather_rows(a, q, y, lse, g, scratch);
    r.kept = kept;
    for (long key = 0; key < a.S; key += ATTENTION_WIDTH)
        backward_keys(a, r, k, v, mask, head, key, dk, dv);
    for (long i = 0; i < a.T; i++)
        copy_padded_row(dq + i * a.dq.row, r.dq + i * D, a.scale, a.D, a.D);
}

/* Heads `first` to `last` of the B H there are. */
INLINE void attention_backward(const attention_shape a, long first, long last, const float *q,
                               const float *k, const float *v, const void *mask,
                               random_stream drawn, const float *y, const float *lse,
                               const float *g, float *dq, float *dk, float *dv, float *scratch)
{
    for (long i = first; i < last; i++) {
        long b = i / a.H, h = i % a.H;
        attention_backward_head(
            a, q + b * a.q.batch + h * a.q.head, k + b * a.k.batch + h * a.k.head,
            v + b * a.v.batch + h * a.v.head,
            (const char *)mask + mask_unit(a) * (b * a.mask.batch + h * a.mask.head),
            of_head(a, drawn, i), y + b * a.y.batch + h * a.y.head, lse + i * a.T,
            g + b * a.g.batch + h * a.g.head, dq + b * a.dq.batch + h * a.dq.head,
            dk + b * a.dk.batch + h * a.dk.head,
            dv + b * a.dv.batch + h * a.dv.head, scratch);
    }
}
#endif
