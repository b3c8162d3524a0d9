/* Memory that a thread's kernels use while they run, kept from one to the next. */
#ifndef ANDON_SCRATCH_H
#define ANDON_SCRATCH_H

#include <stdlib.h>

/* At least `bytes` bytes, aligned to a cache line; what they hold is lost with the next call. */
static __attribute__((noinline, unused)) void *thread_scratch(size_t bytes)
{
    static _Thread_local void *memory;
    static _Thread_local size_t size;
    if (bytes > size) {
        free(memory);
        size = (bytes + 63) / 64 * 64;
        memory = aligned_alloc(64, size);
    }
    return memory;
}
#endif
