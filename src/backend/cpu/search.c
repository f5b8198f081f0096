/* SPDX-License-Identifier: Apache-2.0 */

/* Binary search in sorted rows, NaN as the largest. */

#include "backend/cpu/kernels.h"
#include "base/parallel.h"

typedef struct search {
  int64_t per_row, columns;
  bool shared, right;
  const char *sorted, *values;
  int64_t *places;
} search;

/* Whether a comes before b; what is not equal to itself is a NaN. */
#define BEFORE(a, b) ((a) < (b) || ((b) != (b) && (a) == (a)))

/* The range that may hold the place is halved without branches on its contents. */
#define DEFINE_SEARCH(name, TYPE)                                                                  \
  static void name(void *context, int64_t begin, int64_t end) {                                    \
    const search *s = context;                                                                     \
    for (int64_t i = begin; i < end; i++) {                                                        \
      const TYPE *first = (const TYPE *)(const void *)s->sorted;                                   \
      if (!s->shared) first += i / s->per_row * s->columns;                                        \
      const TYPE *low = first, value = ((const TYPE *)(const void *)s->values)[i];                 \
      for (int64_t left = s->columns; left > 0;) {                                                 \
        const int64_t half = left / 2;                                                             \
        const TYPE here = low[half];                                                               \
        const bool on = s->right ? !BEFORE(value, here) : BEFORE(here, value);                     \
        low = on ? low + half + 1 : low;                                                           \
        left = on ? left - half - 1 : half;                                                        \
      }                                                                                            \
      s->places[i] = low - first;                                                                  \
    }                                                                                              \
  }

DEFINE_SEARCH(search_f32, float)
DEFINE_SEARCH(search_f64, double)
DEFINE_SEARCH(search_i64, int64_t)
DEFINE_SEARCH(search_i32, int32_t)

void wk_cpu_search(wk_dtype dtype, int64_t rows, int64_t per_row, int64_t columns, bool shared,
                   bool right, const void *sorted, const void *values, int64_t *places) {
  search s = {per_row, columns, shared, right, sorted, values, places};
  wk_parallel_for(rows * per_row, 2048,
                  dtype == WK_F32   ? search_f32
                  : dtype == WK_F64 ? search_f64
                  : dtype == WK_I64 ? search_i64
                                    : search_i32,
                  &s);
}
