/* The pool of threads of a process: the other side of threads.h.
 *
 * A multiplication of 64 x 64 x 64 takes 4 us, waking a parked thread 5 to 50. So a worker that has
 * run out of work looks for more for SPIN_SECONDS, the gap between two kernels of one step, before
 * it parks. Parts are claimed one by one: a worker that is late, or has lost its core to another
 * process, leaves its part to the others instead of holding them up.
 *
 * One fork runs at a time. Who comes while one runs (another thread of the program, or a task that
 * forks) does all of its parts itself, which cannot deadlock. After fork() the child has no workers
 * and starts its own. */
#ifndef ANDON_THREAD_POOL_H
#define ANDON_THREAD_POOL_H

#include "threads.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#endif

enum { MAX_THREADS = 256, MAX_PARTS = 0xffff, WORKER_STACK = 8 << 20, PROCESSOR_WORDS = 128 };
#define SPIN_SECONDS 50e-6

/* A word on which threads wait until it changes; and how many of them are parked. */
typedef struct {
    _Alignas(128) atomic_uint value; /* 128: processors fetch lines in pairs */
    atomic_uint parked;
} waiting_word;

static struct {
    /* Which fork, how many parts it has, and the next to be claimed: generation << 32 | parts << 16
     * | next. A claim makes task and context valid until its part is done. */
    _Alignas(128) _Atomic uint64_t ticket;
    pool_task *task;
    void *context;
    waiting_word forks;     /* changes with each fork: where idle workers wait */
    waiting_word unfinished; /* parts that are not done: where the caller waits for 0 */
    waiting_word barriers;  /* barriers passed: where a team waits */
    atomic_uint arrived;    /* parts at the present barrier */
    atomic_int busy;        /* a fork is running */
    atomic_int threads;     /* 0: not decided yet */
    int workers;            /* started so far */
    atomic_int callers_processor;
    unsigned long processors[PROCESSOR_WORDS]; /* a bit for each that the process may use */
} pool_state;

/* ---- Waiting ---- */

static inline void pause_processor(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static double seconds_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + 1e-9 * t.tv_nsec;
}

#ifdef __linux__
static void park(waiting_word *word, unsigned seen)
{
    syscall(SYS_futex, &word->value, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void unpark_all(waiting_word *word)
{
    syscall(SYS_futex, &word->value, FUTEX_WAKE_PRIVATE, MAX_THREADS, NULL, NULL, 0);
}
#else
static pthread_mutex_t park_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t park_signal = PTHREAD_COND_INITIALIZER;

static void park(waiting_word *word, unsigned seen)
{
    pthread_mutex_lock(&park_lock);
    while (atomic_load(&word->value) == seen) pthread_cond_wait(&park_signal, &park_lock);
    pthread_mutex_unlock(&park_lock);
}

static void unpark_all(waiting_word *word)
{
    (void)word;
    pthread_mutex_lock(&park_lock);
    pthread_cond_broadcast(&park_signal);
    pthread_mutex_unlock(&park_lock);
}
#endif

/* Returns when the word is no longer `seen`: spins, then parks. */
static void wait_for_change(waiting_word *word, unsigned seen)
{
    double start = 0;
    for (unsigned spins = 1; atomic_load(&word->value) == seen; spins++) {
        pause_processor();
        if (spins % 64 != 0) continue;
        double now = seconds_now();
        if (start == 0) start = now;
        if (now - start < SPIN_SECONDS) continue;
        /* First counted, then parked if the word is still the same; who changes it does the
         * reverse, changes and then counts. So one of the two sees the other. */
        atomic_fetch_add(&word->parked, 1);
        park(word, seen);
        atomic_fetch_sub(&word->parked, 1);
    }
}

static void wake_waiting(waiting_word *word)
{
    if (atomic_load(&word->parked) != 0) unpark_all(word);
}

/* ---- Processors ---- */

#ifdef __linux__
int sched_getcpu(void); /* <sched.h> declares it under _GNU_SOURCE only */

/* The processors that this thread may use, as a bit set, and their number. */
static int find_processors(unsigned long mask[PROCESSOR_WORDS])
{
    long bytes = syscall(SYS_sched_getaffinity, 0, PROCESSOR_WORDS * sizeof mask[0], mask);
    int count = 0;
    for (long i = 0; i < bytes / (long)sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
    return count;
}

/* A worker that was woken on the processor of its caller would take turns with it, until the kernel
 * balances the load some milliseconds later. This sends it to the other processors. */
static void leave_callers_processor(void)
{
    const int processor = atomic_load(&pool_state.callers_processor), bits = 8 * sizeof(long);
    if (sched_getcpu() != processor || processor >= PROCESSOR_WORDS * bits) return;
    unsigned long mask[PROCESSOR_WORDS], any = 0;
    for (int i = 0; i < PROCESSOR_WORDS; i++) {
        mask[i] = pool_state.processors[i];
        if (i == processor / bits) mask[i] &= ~(1ul << processor % bits);
        any |= mask[i];
    }
    if (any) syscall(SYS_sched_setaffinity, 0, sizeof mask, mask);
}

static void note_callers_processor(void)
{
    atomic_store(&pool_state.callers_processor, sched_getcpu());
}
#else
static int find_processors(unsigned long mask[PROCESSOR_WORDS])
{
    (void)mask;
    return (int)sysconf(_SC_NPROCESSORS_ONLN);
}

static void leave_callers_processor(void) {}
static void note_callers_processor(void) {}
#endif

/* ---- Workers ---- */

/* Claims parts and runs them until there are none left to claim. */
static void run_parts(void)
{
    for (;;) {
        uint64_t ticket = atomic_load(&pool_state.ticket);
        long next = ticket & MAX_PARTS, parts = ticket >> 16 & MAX_PARTS;
        if (next >= parts) return;
        if (!atomic_compare_exchange_weak(&pool_state.ticket, &ticket, ticket + 1)) continue;
        pool_state.task(pool_state.context, next, parts);
        if (atomic_fetch_sub(&pool_state.unfinished.value, 1) == 1)
            wake_waiting(&pool_state.unfinished);
    }
}

static void *work(void *number)
{
    for (;;) {
        unsigned seen = atomic_load(&pool_state.forks.value);
        if ((intptr_t)number < atomic_load(&pool_state.threads)) {
            leave_callers_processor();
            run_parts();
        }
        wait_for_change(&pool_state.forks, seen);
    }
    return NULL;
}

/* In the child of a fork(): the workers are gone, and whatever was running is not running here. */
static void forget_workers(void)
{
    waiting_word fresh = {0, 0};
    pool_state.forks = pool_state.unfinished = pool_state.barriers = fresh;
    atomic_store(&pool_state.ticket, 0);
    atomic_store(&pool_state.arrived, 0);
    atomic_store(&pool_state.busy, 0);
    pool_state.workers = 0;
}

#ifdef __GLIBC__ /* what pthread_atfork calls there, without the archive that alone holds it */
extern int __register_atfork(void (*)(void), void (*)(void), void (*)(void), void *);
static void handle_forks(void) { __register_atfork(NULL, NULL, forget_workers, NULL); }
#else
static void handle_forks(void) { pthread_atfork(NULL, NULL, forget_workers); }
#endif

/* Starts workers up to `wanted`. They take no signals: those are for the program's own threads. */
static void start_workers(int wanted)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (pool_state.workers >= wanted) return;
    if (pool_state.workers == 0) find_processors(pool_state.processors);
    pthread_once(&once, handle_forks);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, WORKER_STACK);
    for (; pool_state.workers < wanted; pool_state.workers++) {
        pthread_t thread;
        void *number = (void *)(intptr_t)(pool_state.workers + 1);
        if (pthread_create(&thread, &detached, work, number) != 0) break;
    }
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- How many ---- */

static int threads_from(const char *variable)
{
    const char *text = getenv(variable);
    return text != NULL ? atoi(text) : 0;
}

static void set_pool_threads(int threads)
{
    if (threads < 1) threads = 1;
    atomic_store(&pool_state.threads, threads < MAX_THREADS ? threads : MAX_THREADS);
}

/* As set; else ANDON_NUM_THREADS, OMP_NUM_THREADS, or one per usable processor. */
static int count_pool_threads(void)
{
    int threads = atomic_load(&pool_state.threads);
    if (threads > 0) return threads;
    threads = threads_from("ANDON_NUM_THREADS");
    if (threads <= 0) threads = threads_from("OMP_NUM_THREADS");
    unsigned long mask[PROCESSOR_WORDS];
    if (threads <= 0) threads = find_processors(mask);
    set_pool_threads(threads);
    return atomic_load(&pool_state.threads);
}

/* ---- Forks ---- */

/* Whether the caller may fork. If so it must end the fork with leave_pool. */
static int enter_pool(void) { return atomic_exchange(&pool_state.busy, 1) == 0; }
static void leave_pool(void) { atomic_store(&pool_state.busy, 0); }

static void fork_and_join(pool_task *task, void *context, long parts)
{
    note_callers_processor();
    pool_state.task = task;
    pool_state.context = context;
    atomic_store(&pool_state.unfinished.value, (unsigned)parts);
    uint64_t generation = (atomic_load(&pool_state.ticket) >> 32) + 1;
    atomic_store(&pool_state.ticket, generation << 32 | (uint64_t)parts << 16);
    atomic_fetch_add(&pool_state.forks.value, 1);
    wake_waiting(&pool_state.forks);
    run_parts();
    unsigned left;
    while ((left = atomic_load(&pool_state.unfinished.value)) != 0)
        wait_for_change(&pool_state.unfinished, left);
}

static void pool_parallel_for(pool_task *task, void *context, long parts)
{
    int threads = count_pool_threads();
    if (threads == 1 || parts <= 1 || parts > MAX_PARTS || !enter_pool()) {
        for (long part = 0; part < parts; part++) task(context, part, parts);
        return;
    }
    start_workers(threads - 1);
    fork_and_join(task, context, parts);
    leave_pool();
}

static void pool_team(pool_task *task, void *context)
{
    int threads = count_pool_threads();
    if (threads == 1 || !enter_pool()) {
        task(context, 0, 1);
        return;
    }
    start_workers(threads - 1);
    if (threads > pool_state.workers + 1) threads = pool_state.workers + 1;
    fork_and_join(task, context, threads);
    leave_pool();
}

static void pool_barrier(long parts)
{
    unsigned passed = atomic_load(&pool_state.barriers.value);
    if (atomic_fetch_add(&pool_state.arrived, 1) + 1 == (unsigned)parts) {
        atomic_store(&pool_state.arrived, 0);
        atomic_fetch_add(&pool_state.barriers.value, 1);
        wake_waiting(&pool_state.barriers);
    } else {
        wait_for_change(&pool_state.barriers, passed);
    }
}

/* What threads.h calls: the pool of this process. */
__attribute__((visibility("default"))) const thread_pool *thread_pool_of_process(void);
const thread_pool *thread_pool_of_process(void)
{
    static const thread_pool functions = {pool_parallel_for, pool_team, pool_barrier,
                                          count_pool_threads, set_pool_threads};
    return &functions;
}
#endif
