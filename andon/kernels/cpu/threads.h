/* What a kernel knows of threads: fork into parts, join, and a barrier between.
 *
 * A process has one pool (thread_pool.h, a library of its own), however many graphs it has
 * compiled: each graph's library is handed the pool's functions once it is loaded. Until then, and
 * inside another fork, everything runs on the caller. */
#ifndef ANDON_THREADS_H
#define ANDON_THREADS_H

#include <stddef.h>

/* One of `parts` parts of some work; the context is what the caller of the fork gave. */
typedef void pool_task(void *context, long part, long parts);

typedef struct {
    /* Runs parts 0 .. parts-1, each once, in no order, on all threads; returns when all are done.
     * Parts are claimed, so that one that is late takes fewer. */
    void (*parallel_for)(pool_task *task, void *context, long parts);
    /* Runs the task once per thread, at the same time, so that its parts may meet at barriers. The
     * number of parts is at most that of threads, and 1 where the pool is busy. */
    void (*team)(pool_task *task, void *context);
    /* Returns when every part of the team has called it. */
    void (*barrier)(long parts);
    int (*threads)(void); /* how many take part, the caller included */
    void (*set_threads)(int threads);
} thread_pool;

static const thread_pool *pool;

__attribute__((visibility("default"))) void use_thread_pool(const thread_pool *given);
void use_thread_pool(const thread_pool *given) { pool = given; }

static inline __attribute__((unused)) void parallel_for(pool_task *task, void *context, long parts)
{
    if (pool != NULL && parts > 1) pool->parallel_for(task, context, parts);
    else
        for (long part = 0; part < parts; part++) task(context, part, parts);
}

static inline __attribute__((unused)) void parallel_team(pool_task *task, void *context)
{
    if (pool != NULL) pool->team(task, context);
    else task(context, 0, 1);
}

static inline __attribute__((unused)) void team_barrier(long parts)
{
    if (parts > 1) pool->barrier(parts);
}

static inline __attribute__((unused)) int pool_threads(void)
{
    return pool != NULL ? pool->threads() : 1;
}

/* The rows of one part: [begin, end) of `rows`, in whole steps, as even as these allow. */
typedef struct {
    long begin, end;
} row_range;

static inline __attribute__((unused)) row_range rows_of_part(long rows, long step, long part,
                                                              long parts)
{
    long steps = (rows + step - 1) / step;
    long begin = steps * part / parts * step, end = steps * (part + 1) / parts * step;
    return (row_range){begin < rows ? begin : rows, end < rows ? end : rows};
}
#endif
