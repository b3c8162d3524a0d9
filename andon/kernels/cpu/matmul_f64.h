/* The matrix product of doubles. */
#define MATMUL_DOUBLE
#include "matmul.h"
#undef MATMUL_DOUBLE
