/* What an exported graph is besides its kernels: state in a weights file, and a call.
 *
 * The file that includes this defines `state[]`, `ARENA_BYTES`, `THREAD_BYTES`, `GIVEN` and
 * `WEIGHTS_ID` first, and `run` and `segments`. A weights file is the id, then the elements of each state in turn, each at
 * a multiple of 64 bytes. */
#ifndef ANDON_EXPORTED_MODEL_H
#define ANDON_EXPORTED_MODEL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct MODEL {
    char *arena;          /* where values live that are between the inputs and the outputs */
    long threads;         /* how many the arena has room for */
    char *weights;        /* all state, as it is in the file after its first 64 bytes */
    char *given[GIVEN];   /* inputs, outputs, constants */
};

static size_t aligned(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

static size_t weights_bytes(void)
{
    size_t total = 0;
    for (size_t i = 0; i < sizeof state / sizeof *state; i++) total += aligned(state[i].bytes);
    return total;
}

static int read_weights(struct MODEL *m, const char *path)
{
    char id[64] = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) return -1;
    const size_t bytes = weights_bytes();
    const int whole = fread(id, 1, 64, file) == 64 && strcmp(id, WEIGHTS_ID) == 0 &&
                      fread(m->weights, 1, bytes, file) == bytes && fgetc(file) == EOF;
    fclose(file);
    if (!whole) errno = EINVAL; /* a file of another model, or a damaged one */
    return whole ? 0 : -1;
}

static void free_model(struct MODEL *m)
{
    if (m != NULL) {
        free(m->arena);
        free(m->weights);
    }
    free(m);
}

/* A model with the state in `path`; NULL, and errno, if it cannot be had. */
static struct MODEL *open_model(const char *path)
{
    struct MODEL *m = calloc(1, sizeof *m);
    if (m == NULL) return NULL;
    m->threads = THREAD_BYTES ? count_pool_threads() : 1;
    m->arena = aligned_alloc(64, aligned(ARENA_BYTES + m->threads * THREAD_BYTES + 64));
    m->weights = aligned_alloc(64, weights_bytes() + 64);
    if (m->arena == NULL || m->weights == NULL || read_weights(m, path) != 0) {
        free_model(m);
        return NULL;
    }
    char *at = m->weights;
    for (size_t i = 0; i < sizeof state / sizeof *state; i++) {
        m->given[state[i].given] = at;
        at += aligned(state[i].bytes);
    }
    use_thread_pool(thread_pool_of_process());
    return m;
}

/* Write the state beside `path`, then rename it there: a file is whole, or it is the old one. */
static int save_model(const struct MODEL *m, const char *path)
{
    char beside[4096], id[64] = WEIGHTS_ID;
    if ((size_t)snprintf(beside, sizeof beside, "%s.new", path) >= sizeof beside) return -1;
    FILE *file = fopen(beside, "wb");
    if (file == NULL) return -1;
    int whole = fwrite(id, 1, 64, file) == 64;
    whole = whole && fwrite(m->weights, 1, weights_bytes(), file) == weights_bytes();
    whole = (fclose(file) == 0) && whole;
    if (!whole || rename(beside, path) != 0) {
        remove(beside);
        return -1;
    }
    return 0;
}

/* The elements of a state by its name; NULL if there is none of that name. */
static void *state_of_model(struct MODEL *m, const char *name)
{
    for (size_t i = 0; i < sizeof state / sizeof *state; i++)
        if (strcmp(state[i].name, name) == 0) return m->given[state[i].given];
    return NULL;
}

/* Copy a view of `source` to packed memory: what updates an input once all have read it. */
static inline void copy_view(char *target, const char *source, int ndim, const long *shape,
                             const long *strides, size_t width)
{
    if (ndim == 0) {
        memcpy(target, source, width);
        return;
    }
    size_t rest = width;
    for (int d = 1; d < ndim; d++) rest *= (size_t)shape[d];
    for (long i = 0; i < shape[0]; i++)
        copy_view(target + i * (long)rest, source + i * strides[0], ndim - 1, shape + 1,
                  strides + 1, width);
}
#endif
