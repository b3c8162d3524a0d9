/* Matrix product C (M, N) = A (M, K) . B (K, N), where A may be stored as (K, M) and B as (N, K).
 *
 * Every size and stride is a constant where this is called, so the compiler writes the loops for
 * that one product. From the inside out:
 *
 *   tile    `rows` x `vectors` of C stay in registers while k runs. A step loads the vectors of B,
 *           broadcasts an element of A for each row, and does rows x vectors multiply-adds.
 *   strip   a tile's rows of A, DEPTH steps of them, which stay in the L1 cache while the tiles of
 *           a block pass.
 *   block   DEPTH x width of B, which stays in the L2 cache while all strips pass.
 *
 * A is read where it lies. B is packed a block at a time, each tile's columns side by side, if
 * enough strips use it; or once for ever, as weights are (matmul_pack). What is read where it lies,
 * with steps a row apart, is prefetched: no stream that the processor would detect.
 *
 * A finished vector goes through the epilogue while it is in its register: bias, activation,
 * residual and other outputs live there.
 *
 * This file is a template, included once per element type: as it is for float, after
 * `#define MATMUL_DOUBLE` for double. Names end in _f32 and _f64. */
#include "vector.h"

#ifndef ANDON_MATMUL_SHAPE
#define ANDON_MATMUL_SHAPE

typedef struct {
    long M, N, K;
    long lda, ldb, ldc;   /* elements from one stored row to the next */
    int trans_a, trans_b; /* A is stored as (K, M); B is stored as (N, K) */
    int accumulate;       /* C += instead of C = */
} matmul_shape;

/* The part of C that a call computes: [m0, m1) x [n0, n1), from matmul_part or matmul_whole. */
typedef struct {
    long m0, m1, n0, n1;
} matmul_range;

INLINE long matmul_min(long x, long y) { return x < y ? x : y; }
INLINE long matmul_quotient(long x, long by) { return (x + by - 1) / by; } /* rounded up */
#endif

#if defined(MATMUL_DOUBLE) ? !defined(ANDON_MATMUL_F64) : !defined(ANDON_MATMUL_F32)
#ifdef MATMUL_DOUBLE
#define ANDON_MATMUL_F64
#define REAL double
#define VEC vd
#define VEC_(operation) vd_##operation
#define WIDTH VD_LANES
#define NAME(name) name##_f64
#else
#define ANDON_MATMUL_F32
#define REAL float
#define VEC vf
#define VEC_(operation) vf_##operation
#define WIDTH LANES
#define NAME(name) name##_f32
#endif

/* Applied to each finished vector: x holds C[m, n ... n + count), count = WIDTH but at the end of a
 * row. Its result is stored. It must not read C through the context: before, C may hold
 * partial sums. */
typedef VEC NAME(matmul_epilogue)(const void *context, VEC x, long m, long n, long count);

INLINE VEC NAME(matmul_plain)(const void *context, VEC x, long m, long n, long count)
{
    (void)context, (void)m, (void)n, (void)count;
    return x;
}

/* ---- Sizes ---- */

enum {
#if VECTOR_BYTES == 64 || defined(__aarch64__) /* 32 registers: 24 hold sums */
    NAME(SUMS) = 24,
    NAME(VECTORS) = 3,
#else /* 16 registers: 12 hold sums */
    NAME(SUMS) = 12,
    NAME(VECTORS) = 2,
#endif
    NAME(MOST_VECTORS) = NAME(VECTORS) + 1,
    NAME(MOST_ROWS) = 16,
    NAME(DEPTH) = 1536 / sizeof(REAL), /* 8 rows of A as deep are 12 KB of the L1 cache */
#if VECTOR_BYTES == 64
    NAME(BLOCK) = (640 << 10) / sizeof(REAL), /* elements of B in a block, of 1 MB L2 */
#else
    NAME(BLOCK) = (192 << 10) / sizeof(REAL), /* of 256 KB */
#endif
    NAME(AHEAD) = 8,           /* steps by which what lies a row apart is prefetched */
    NAME(STRIPS_TO_PACK) = 48, /* from so many strips on, packing B pays */
    /* Elements of scratch memory that a call needs for itself, aligned to 64 bytes. */
    NAME(MATMUL_SCRATCH) = NAME(BLOCK) + 2 * NAME(MOST_VECTORS) * WIDTH * NAME(DEPTH)
};

/* The columns, counted in vectors: panels of panel_vectors from 0 to full_vectors, then panels of
 * tail_vectors to the end. Only the tail has a vector that is not full of columns. */
INLINE long NAME(vectors)(long N) { return matmul_quotient(N, WIDTH); }

/* 4 rather than 3 where that leaves none over. */
INLINE int NAME(panel_vectors)(long N)
{
    long vectors = NAME(vectors)(N);
    if (vectors <= NAME(MOST_VECTORS)) return vectors > 0 ? (int)vectors : 1;
    return vectors % NAME(MOST_VECTORS) == 0 ? NAME(MOST_VECTORS) : NAME(VECTORS);
}

/* 2 + 2 at the end rather than 3 + 1, as a tile of one vector waits for its loads. */
INLINE int NAME(tail_vectors)(long N)
{
    int panel = NAME(panel_vectors)(N), rest = NAME(vectors)(N) % panel;
    if (rest == 1 && panel == 3) return 2;
    return rest == 0 && N % WIDTH != 0 ? panel : rest;
}

INLINE long NAME(full_vectors)(long N)
{
    long vectors = NAME(vectors)(N);
    int panel = NAME(panel_vectors)(N), rest = vectors % panel;
    if (rest == 1 && panel == 3) return vectors - 4;
    return rest == 0 && N % WIDTH != 0 ? vectors - panel : vectors - rest;
}

/* Rows of a tile: as many as the registers hold, then as even as M allows. */
INLINE int NAME(tile_rows)(long M, long N)
{
    long most = matmul_min(NAME(SUMS) / NAME(panel_vectors)(N), NAME(MOST_ROWS));
    return M > 0 ? (int)matmul_quotient(M, matmul_quotient(M, most)) : 1;
}

/* Steps of a block: K in equal parts of at most DEPTH, whole vectors. */
INLINE long NAME(block_depth)(long K)
{
    if (K <= 0) return 1;
    long part = matmul_quotient(K, matmul_quotient(K, NAME(DEPTH)));
    return matmul_quotient(part, WIDTH) * WIDTH;
}

/* ---- The tile ---- */

/* k steps of all of A's rows and of the columns [n0, n1) of B. */
typedef struct {
    long k, n0, n1;
    const REAL *a; /* the first of these steps of A's row `first_row` */
    long first_row;
    const REAL *b; /* B's first of these steps; if packed, the panel of column `first` */
    int packed;
    long first;
    int add, finish; /* add to what C holds; these are the last steps */
    const void *context;
} NAME(block);

/* rows x columns of C, from row m and column n, in `vectors` vectors. */
INLINE void NAME(tile)(matmul_shape s, int rows, int vectors, long columns, NAME(block) block,
                       REAL *c, NAME(matmul_epilogue) * epilogue, long m, long n)
{
    const long a_row = s.trans_a ? 1 : s.lda, a_step = s.trans_a ? s.lda : 1;
    const long b_step = block.packed ? vectors * WIDTH : s.ldb;
    const long last = columns - (vectors - 1) * WIDTH; /* columns of the last vector */
    const REAL *a = block.a + (m - block.first_row) * a_row, *b = block.b;
    b += block.packed ? (n - block.first) * block.k : n;
    VEC sums[NAME(MOST_ROWS)][NAME(MOST_VECTORS)];
    c += m * s.ldc + n;
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            sums[i][j] = (VEC){0};
            __builtin_prefetch(c + i * s.ldc + j * WIDTH, 1);
        }
    }
    _Pragma("GCC unroll 4") for (long p = 0; p < block.k; p++, a += a_step, b += b_step)
    {
        VEC row_of_b[NAME(MOST_VECTORS)];
        if (s.trans_a) __builtin_prefetch(a + NAME(AHEAD) * a_step);
        UNROLL for (int j = 0; j < vectors; j++)
        {
            long count = block.packed || j < vectors - 1 ? WIDTH : last;
            row_of_b[j] = VEC_(load_part)(b + j * WIDTH, count, 0);
            if (!block.packed) __builtin_prefetch(b + NAME(AHEAD) * b_step + j * WIDTH);
        }
        UNROLL for (int i = 0; i < rows; i++)
        {
            REAL x = a[i * a_row];
            UNROLL for (int j = 0; j < vectors; j++) sums[i][j] += x * row_of_b[j];
        }
    }
    UNROLL for (int i = 0; i < rows; i++)
    {
        UNROLL for (int j = 0; j < vectors; j++)
        {
            REAL *to = c + i * s.ldc + j * WIDTH;
            long count = j < vectors - 1 ? WIDTH : last;
            VEC x = sums[i][j];
            if (block.add) x += VEC_(load_part)(to, count, 0);
            if (block.finish) x = epilogue(block.context, x, m + i, n + j * WIDTH, count);
            VEC_(store_part)(to, x, count);
        }
    }
}

/* ---- Packing ---- */

/* One panel of a block, k x vectors x WIDTH, from `columns` columns of B that start at b; zeros
 * after the last. B stored as (N, K) is transposed a square of vectors at a time. */
INLINE void NAME(pack_panel)(matmul_shape s, int vectors, long columns, long k, const REAL *b,
                             REAL *out)
{
    const long step = vectors * WIDTH;
    if (!s.trans_b) {
        for (long p = 0; p < k; p++)
            UNROLL for (int j = 0; j < vectors; j++)
            {
                long count = j < vectors - 1 ? WIDTH : columns - (vectors - 1) * WIDTH;
                VEC x = VEC_(load_part)(b + p * s.ldb + j * WIDTH, count, 0);
                VEC_(store)(out + p * step + j * WIDTH, x);
            }
        return;
    }
    for (int j = 0; j < vectors; j++, b += WIDTH * s.ldb, out += WIDTH) {
        const long count = matmul_min(WIDTH, columns - j * WIDTH);
        for (long p = 0; p < k; p += WIDTH) {
            const long steps = matmul_min(WIDTH, k - p);
            VEC square[WIDTH];
            UNROLL for (int i = 0; i < WIDTH; i++)
                square[i] = i < count ? VEC_(load_part)(b + i * s.ldb + p, steps, 0) : (VEC){0};
            VEC_(transpose)(square);
            UNROLL for (int i = 0; i < WIDTH; i++)
                if (i < steps) VEC_(store)(out + (p + i) * step, square[i]);
        }
    }
}

/* One text for all panels of all products: it is long. */
static __attribute__((noinline, unused)) void NAME(pack_transposed_panel)(long ldb, int vectors,
                                                                          long columns, long k,
                                                                          const REAL *b, REAL *out)
{
    NAME(pack_panel)((matmul_shape){.ldb = ldb, .trans_b = 1}, vectors, columns, k, b, out);
}

/* The panels of columns [n0, n1) of k steps of B, one after the other. */
INLINE void NAME(pack_columns)(matmul_shape s, long n0, long n1, long k, const REAL *b, REAL *out)
{
    const int panel = NAME(panel_vectors)(s.N), tail = NAME(tail_vectors)(s.N);
    const long full = NAME(full_vectors)(s.N) * WIDTH, along = s.trans_b ? s.ldb : 1;
    for (long n = n0; n < n1;) {
        const int vectors = n < full ? panel : tail;
        const long columns = matmul_min(vectors * WIDTH, s.N - n);
        if (s.trans_b)
            NAME(pack_transposed_panel)(s.ldb, vectors, columns, k, b + n * along, out);
        else if (n < full) NAME(pack_panel)(s, panel, panel * WIDTH, k, b + n, out);
        else NAME(pack_panel)(s, tail, columns, k, b + n, out);
        n += vectors * WIDTH;
        out += vectors * WIDTH * k;
    }
}

/* Elements of a packed B: K rows of whole vectors. */
INLINE long NAME(matmul_packed_size)(long N, long K) { return NAME(vectors)(N) * WIDTH * K; }

/* Part of packing all of B, for matmul_packed: its panels, shared out. `packed` is aligned to 64
 * bytes. */
INLINE void NAME(matmul_pack)(matmul_shape s, const REAL *b, REAL *packed, long part, long parts)
{
    const long depth = NAME(block_depth)(s.K), step = NAME(panel_vectors)(s.N) * WIDTH;
    const long panels = NAME(full_vectors)(s.N) * WIDTH / step + 1; /* and the tail */
    const long n0 = panels * part / parts * step, end = panels * (part + 1) / parts * step;
    const long n1 = part == parts - 1 ? s.N : matmul_min(end, s.N);
    for (long p = 0; p < s.K; p += depth) {
        const long k = matmul_min(depth, s.K - p);
        REAL *block = packed + p * NAME(vectors)(s.N) * WIDTH;
        NAME(pack_columns)(s, n0, n1, k, b + (s.trans_b ? p : p * s.ldb), block + n0 * k);
    }
}

/* ---- Blocks ---- */

/* `rows` rows of C from row m, all columns of the block. */
INLINE void NAME(strip)(matmul_shape s, int rows, NAME(block) block, REAL *c,
                        NAME(matmul_epilogue) * epilogue, long m)
{
    const int full = NAME(panel_vectors)(s.N), tail = NAME(tail_vectors)(s.N);
    const long tail_start = NAME(full_vectors)(s.N) * WIDTH;
    const long last_start = (NAME(vectors)(s.N) - tail) * WIDTH; /* of two tails, or the same */
    long n = block.n0;
    for (; n < matmul_min(block.n1, tail_start); n += full * WIDTH)
        NAME(tile)(s, rows, full, full * WIDTH, block, c, epilogue, m, n);
    if (tail == 0 || n >= block.n1) return;
    if (last_start > tail_start)
        NAME(tile)(s, rows, tail, tail * WIDTH, block, c, epilogue, m, tail_start);
    NAME(tile)(s, rows, tail, s.N - last_start, block, c, epilogue, m, last_start);
}

/* The same, where a strip of a transposed A is copied first, if the block has several panels. With
 * vectors of 512 bits the prefetches of the tile do better; narrower ones take fewer cycles for a
 * step, and steps that lie in the same sets of the cache come too late. */
INLINE void NAME(copied_strip)(matmul_shape s, int rows, NAME(block) block, REAL *c,
                               NAME(matmul_epilogue) * epilogue, long m)
{
    REAL copy[NAME(MOST_ROWS) * NAME(DEPTH)];
    if (VECTOR_BYTES < 64 && s.trans_a && s.N > NAME(panel_vectors)(s.N) * WIDTH) {
        for (long p = 0; p < block.k; p++)
            memcpy(copy + p * rows, block.a + p * s.lda + m, rows * sizeof(REAL));
        block.a = copy;
        block.first_row = m;
        s.lda = rows;
    }
    NAME(strip)(s, rows, block, c, epilogue, m);
}

/* Rows [m0, m1) of C, all columns of the block. Strips are whole, but for M's last. */
INLINE void NAME(strips)(matmul_shape s, long m0, long m1, NAME(block) block, REAL *c,
                         NAME(matmul_epilogue) * epilogue)
{
    const int rows = NAME(tile_rows)(s.M, s.N), rest = s.M % rows;
    for (; m0 + rows <= m1; m0 += rows) NAME(copied_strip)(s, rows, block, c, epilogue, m0);
    if (rest > 0 && m0 < m1) NAME(copied_strip)(s, rest, block, c, epilogue, m0);
}

/* All blocks. b: B as the shape says, or, if is_packed, as matmul_pack left it. */
INLINE void NAME(blocks)(matmul_shape s, matmul_range range, const REAL *a, const REAL *b,
                         int is_packed, REAL *c, REAL *scratch,
                         NAME(matmul_epilogue) * epilogue, const void *context)
{
    const long depth = NAME(block_depth)(s.K), step = NAME(panel_vectors)(s.N) * WIDTH;
    const long tail_start = NAME(full_vectors)(s.N) * WIDTH;
    const long strips = matmul_quotient(s.M, NAME(tile_rows)(s.M, s.N));
    const int pack = s.trans_b || (strips >= NAME(STRIPS_TO_PACK) && s.N > step);
    if (range.m0 >= range.m1 || range.n0 >= range.n1) return;
    /* columns of a block: even parts of the range */
    const long most = NAME(BLOCK) / depth / step * step, N = range.n1 - range.n0;
    const long width = matmul_quotient(matmul_quotient(N, matmul_quotient(N, most)), step) * step;

    for (long p = 0; p == 0 || p < s.K; p += depth) {
        NAME(block) block = {.k = matmul_min(depth, s.K - p), .packed = is_packed || pack};
        block.a = a + (s.trans_a ? p * s.lda : p);
        block.add = s.accumulate || p > 0;
        block.finish = p + depth >= s.K;
        block.context = context;
        const REAL *b_here = b + (s.trans_b ? p : p * s.ldb);
        for (block.n0 = range.n0; block.n0 < range.n1; block.n0 = block.n1) {
            block.n1 = matmul_min(block.n0 + width, range.n1);
            if (block.n1 > tail_start) block.n1 = range.n1;
            if (is_packed) {
                block.b = b + p * NAME(vectors)(s.N) * WIDTH;
            } else if (pack) {
                NAME(pack_columns)(s, block.n0, block.n1, block.k, b_here, scratch);
                block.b = scratch;
                block.first = block.n0;
            } else {
                block.b = b_here;
            }
            NAME(strips)(s, range.m0, range.m1, block, c, epilogue);
        }
    }
}

/* ---- One row: every element of B is used once, so all that counts is to read it in order ---- */

/* c[l ... l + count) (+)= the sum over d < deep of x[d * x_step] times row d of b. */
INLINE void NAME(add_vector)(int deep, long l, long count, const REAL *x, long x_step,
                             const REAL *b, long ldb, REAL *c, int add, int finish,
                             NAME(matmul_epilogue) * epilogue, const void *context)
{
    VEC sum = add ? VEC_(load_part)(c + l, count, 0) : (VEC){0};
    UNROLL for (int d = 0; d < deep; d++)
        sum += x[d * x_step] * VEC_(load_part)(b + d * ldb + l, count, 0);
    if (finish) sum = epilogue(context, sum, 0, l, count);
    VEC_(store_part)(c + l, sum, count);
}

/* The same for c[n ... end). */
INLINE void NAME(add_rows)(int deep, long n, long end, const REAL *x, long x_step, const REAL *b,
                           long ldb, REAL *c, int add, int finish,
                           NAME(matmul_epilogue) * epilogue, const void *context)
{
    for (; n + WIDTH <= end; n += WIDTH)
        NAME(add_vector)(deep, n, WIDTH, x, x_step, b, ldb, c, add, finish, epilogue, context);
    if (n < end)
        NAME(add_vector)(deep, n, end - n, x, x_step, b, ldb, c, add, finish, epilogue, context);
}

/* B as it is: eight of its rows at a time, over a strip of c that stays in cache. */
INLINE void NAME(row_times_rows)(matmul_shape s, matmul_range range, const REAL *x, long x_step,
                                 const REAL *b, REAL *c, NAME(matmul_epilogue) * epilogue,
                                 const void *context)
{
    enum { STRIP = 65536 / sizeof(REAL), DEEP = 8 };
    const long whole = s.K / DEEP * DEEP;
    const int rest = s.K % DEEP;
    for (long n = range.n0, end; n < range.n1; n = end) {
        end = matmul_min(n + STRIP, range.n1);
        for (long p = 0; p < whole; p += DEEP)
            NAME(add_rows)(DEEP, n, end, x + p * x_step, x_step, b + p * s.ldb, s.ldb, c,
                           s.accumulate || p > 0, p + DEEP == s.K, epilogue, context);
        if (rest > 0 || s.K == 0)
            NAME(add_rows)(rest, n, end, x + whole * x_step, x_step, b + whole * s.ldb, s.ldb, c,
                           s.accumulate || whole > 0, 1, epilogue, context);
    }
}

/* B stored as (N, K): WIDTH dot products at a time, summed across by a transpose. */
INLINE void NAME(row_times_columns)(matmul_shape s, matmul_range range, const REAL *x, long x_step,
                                    const REAL *b, REAL *c, NAME(matmul_epilogue) * epilogue,
                                    const void *context)
{
    for (long n = range.n0; n < range.n1; n += WIDTH) {
        const long count = matmul_min(WIDTH, range.n1 - n);
        const REAL *rows[WIDTH];
        VEC sums[WIDTH];
        UNROLL for (int i = 0; i < WIDTH; i++)
        {
            rows[i] = b + (n + matmul_min(i, count - 1)) * s.ldb;
            sums[i] = (VEC){0};
        }
        for (long p = 0; p < s.K; p += WIDTH) {
            const long steps = matmul_min(WIDTH, s.K - p);
            VEC part = {0};
            if (x_step == 1) part = VEC_(load_part)(x + p, steps, 0);
            else
                for (long q = 0; q < steps; q++) part[q] = x[(p + q) * x_step];
            UNROLL for (int i = 0; i < WIDTH; i++)
                sums[i] += part * VEC_(load_part)(rows[i] + p, steps, 0);
        }
        VEC_(transpose)(sums);
        UNROLL for (int i = 1; i < WIDTH; i++) sums[0] += sums[i];
        if (s.accumulate) sums[0] += VEC_(load_part)(c + n, count, 0);
        VEC_(store_part)(c + n, epilogue(context, sums[0], 0, n, count), count);
    }
}

/* ---- What a graph calls ---- */

INLINE matmul_range NAME(matmul_whole)(matmul_shape s) { return (matmul_range){0, s.M, 0, s.N}; }

/* One of `parts` parts of C, by whole tiles. Splitting the columns has each part read all of A,
 * splitting the rows all of B, which may have to be packed too: so rows if there are far more of
 * them, or where that is fairer. */
INLINE matmul_range NAME(matmul_part)(matmul_shape s, long part, long parts)
{
    const long rows = NAME(tile_rows)(s.M, s.N), columns = NAME(panel_vectors)(s.N) * WIDTH;
    const long row_tiles = matmul_quotient(s.M, rows);
    const long column_tiles = matmul_quotient(s.N, columns);
    const long by_rows = matmul_quotient(row_tiles, parts) * column_tiles; /* the largest part */
    const long by_columns = matmul_quotient(column_tiles, parts) * row_tiles;
    matmul_range range = NAME(matmul_whole)(s);
    if (by_rows < by_columns || (s.M > 3 * s.N && by_rows == by_columns)) {
        range.m0 = matmul_min(row_tiles * part / parts * rows, s.M);
        range.m1 = matmul_min(row_tiles * (part + 1) / parts * rows, s.M);
        return range;
    }
    const long tail_start = NAME(full_vectors)(s.N) * WIDTH;
    range.n0 = column_tiles * part / parts * columns;
    range.n1 = column_tiles * (part + 1) / parts * columns;
    if (range.n0 > tail_start) range.n0 = s.N; /* the tail is not split */
    if (range.n1 > tail_start) range.n1 = s.N;
    return range;
}

/* The range of C = A B, with weights as B: `packed` holds what matmul_pack made of B. */
INLINE void NAME(matmul_packed)(matmul_shape s, matmul_range range, const REAL *a,
                                const REAL *packed, REAL *c, NAME(matmul_epilogue) * epilogue,
                                const void *context)
{
    NAME(blocks)(s, range, a, packed, 1, c, NULL, epilogue, context);
}

/* The range of C = A B. */
INLINE void NAME(matmul)(matmul_shape s, matmul_range range, const REAL *a, const REAL *b, REAL *c,
                         REAL *scratch, NAME(matmul_epilogue) * epilogue, const void *context)
{
    const long x_step = s.trans_a ? s.lda : 1;
    if (s.M == 1 && range.m0 < range.m1 && s.trans_b)
        NAME(row_times_columns)(s, range, a, x_step, b, c, epilogue, context);
    else if (s.M == 1 && range.m0 < range.m1)
        NAME(row_times_rows)(s, range, a, x_step, b, c, epilogue, context);
    else NAME(blocks)(s, range, a, b, 0, c, scratch, epilogue, context);
}

#undef REAL
#undef VEC
#undef VEC_
#undef WIDTH
#undef NAME
#endif
