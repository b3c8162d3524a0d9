/* Trains the exported GPT on text.bin, and writes what it has learned to step.weights. */
#include <stdio.h>
#include <stdlib.h>

#include "step.h"

enum { BATCH = 8, BLOCK = 32 };

/* The bytes of a file. */
static unsigned char *read_file(const char *path, long *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size);
    if (bytes != NULL && fread(bytes, 1, *size, file) != (size_t)*size) *size = 0;
    fclose(file);
    return bytes;
}

/* One batch: blocks of the text, and the same blocks one further. */
static void draw(const unsigned char *text, long size, int64_t *x, int64_t *y)
{
    static uint64_t state = 1;
    for (int b = 0; b < BATCH; b++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const unsigned char *start = text + (state >> 33) % (uint64_t)(size - BLOCK - 1);
        for (int t = 0; t < BLOCK; t++) {
            x[b * BLOCK + t] = start[t];
            y[b * BLOCK + t] = start[t + 1];
        }
    }
}

int main(int count, char **arguments)
{
    const int steps = count > 1 ? atoi(arguments[1]) : 100;
    long size = 0;
    const unsigned char *text = read_file("text.bin", &size);
    step_model *model = step_open("step.weights");
    if (text == NULL || size <= BLOCK + 1 || model == NULL) {
        perror("text.bin or step.weights");
        return 1;
    }
    int64_t x[BATCH * BLOCK], y[BATCH * BLOCK];
    const double lr = 3e-3;
    for (int i = 0; i < steps; i++) {
        float loss;
        draw(text, size, x, y);
        if (step_run(model, x, y, &lr, &loss) != 0) return 1;
        printf("step %d: loss %.7f\n", i, loss);
    }
    const int failed = step_save(model, "step.weights");
    if (failed) perror("step.weights");
    step_close(model);
    return failed ? 1 : 0;
}
