/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_TESTS_SUPPORT_KERNELS_H
#define WICK_TESTS_SUPPORT_KERNELS_H

/* What the tests of raw kernels share: real arrays of either type with guards around them, and runs
 * with every instruction set that this processor has. */

#include <stdbool.h>
#include <stdint.h>

#include "backend/cpu/isa.h"

/* `count` elements of WK_F32 or WK_F64, aligned to their size only, between guard bytes. */
typedef struct real_array {
  wk_dtype dtype;
  int64_t count;
  char *data;
  char *memory;
} real_array;

real_array real_array_create(wk_dtype dtype, int64_t count); /* random values from -1 to 1 */
void real_array_free(real_array *array);                     /* and checks the guards */
double real_get(const real_array *array, int64_t i);
void real_set(real_array *array, int64_t i, double value);
void real_fill(real_array *array, double value);
bool real_equal_bits(const real_array *a, const real_array *b);

/* Fails the test unless |got - want| <= ulps * (the type's epsilon) * scale, or both are NaN. */
void assert_close(const real_array *got, int64_t i, double want, double ulps, double scale);

/* Calls `run` with each instruction set and both types, and says which on failure. */
void with_all_kernels(void (*run)(wk_dtype dtype));

/* The instruction sets there may be; wk_cpu_isa_select says whether this processor has one. */
int64_t isa_count(void);
const char *isa_name(int64_t i);

#endif
