/* When each call of a kernel begins and ends, in a graph that is being profiled.
 *
 * Before a segment runs, Python says where the events go: a row of a table for each part of the
 * team. What is not written there stays 0, so that nobody need count. */
#ifndef ANDON_PROFILE_H
#define ANDON_PROFILE_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct {
    int64_t call, begin, end; /* which call, and nanoseconds of the monotonic clock */
} profile_event;

static struct {
    profile_event *events;
    long rows, columns;
} profile_table;
static __thread profile_event *profile_next;

__attribute__((visibility("default"))) void profile_into(profile_event *events, long rows,
                                                         long columns);
void profile_into(profile_event *events, long rows, long columns)
{
    profile_table.events = events;
    profile_table.rows = rows;
    profile_table.columns = columns;
}

static int64_t profile_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* From now on this thread writes the row of that part. */
static void profile_part(long part)
{
    const int known = part < profile_table.rows;
    profile_next = known ? profile_table.events + part * profile_table.columns : NULL;
}

#define TIMED(number, ...)                                                                        \
    do {                                                                                          \
        const int64_t begin_ = profile_clock();                                                   \
        __VA_ARGS__                                                                               \
        if (profile_next) *profile_next++ = (profile_event){number, begin_, profile_clock()};     \
    } while (0);
#endif
