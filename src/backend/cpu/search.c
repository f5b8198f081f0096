/* SPDX-License-Identifier: Apache-2.0 */

/* Binary search in sorted rows, NaN as the largest. */

#include <math.h>

#include "backend/cpu/kernels.h"
#include "base/parallel.h"

typedef struct search {
  int64_t per_row, columns;
  bool shared, right;
  const char *sorted, *values;
  int64_t *places;
} search;

/* The range that may hold the place is halved without branches on its contents, in as many steps
 * for each value. In front of NaN are all up to infinity. */
#define DEFINE_SEARCH(name, TYPE, MOST)                                                            \
  static void name(void *context, int64_t begin, int64_t end) {                                    \
    const search *s = context;                                                                     \
    for (int64_t i = begin; i < end; i++) {                                                        \
      const TYPE *first = (const TYPE *)(const void *)s->sorted;                                   \
      if (!s->shared) first += i / s->per_row * s->columns;                                        \
      TYPE value = ((const TYPE *)(const void *)s->values)[i];                                     \
      const bool is_nan = value != value, equal = s->right || is_nan;                              \
      if (is_nan) value = MOST;                                                                    \
      const TYPE *low = first;                                                                     \
      for (int64_t left = s->columns, half; left > 0; left -= half) {                              \
        half = (left + 1) / 2;                                                                     \
        const bool on = equal ? low[half - 1] <= value : low[half - 1] < value;                    \
        low += half & -(int64_t)on;                                                                \
      }                                                                                            \
      s->places[i] = is_nan && s->right ? s->columns : low - first;                                \
    }                                                                                              \
  }

DEFINE_SEARCH(search_f32, float, INFINITY)
DEFINE_SEARCH(search_f64, double, INFINITY)
DEFINE_SEARCH(search_i64, int64_t, 0)
DEFINE_SEARCH(search_i32, int32_t, 0)

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
