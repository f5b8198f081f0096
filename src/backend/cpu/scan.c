/* SPDX-License-Identifier: Apache-2.0 */

/* Running sums, products and recurrences along the middle of [outer, count, inner]. A line is
 * worked through one element after the other; lines are independent. */

#include "backend/cpu/kernels.h"
#include "base/parallel.h"

/* Lines side by side in memory that a thread takes at a time. */
#define BLOCK_COLUMNS 512

typedef struct scan {
  int64_t count, inner, column_blocks;
  bool reverse, exclusive;
  const char *x, *factor;
  char *y;
  int64_t *places;
} scan;

/* What the functions below work on: `columns` lines from `first` on, whose elements are `step`
 * apart, in the order of the scan. */
typedef struct part {
  int64_t first, columns, step;
} part;

static part find_part(const scan *s, int64_t item) {
  const int64_t outer = item / s->column_blocks, column = item % s->column_blocks * BLOCK_COLUMNS;
  part p = {.first = outer * s->count * s->inner + column, .columns = s->inner - column};
  if (p.columns > BLOCK_COLUMNS) p.columns = BLOCK_COLUMNS;
  p.step = s->reverse ? -s->inner : s->inner;
  if (s->reverse) p.first += (s->count - 1) * s->inner;
  return p;
}

/* A column at a time where there is one, a row of columns at a time where there are several. TYPE
 * holds the elements, WORK is what to calculate in. */
#define DEFINE_CUMULATE(name, TYPE, WORK, start, operator)                                         \
  static void name(void *context, int64_t begin, int64_t end) {                                    \
    const scan *s = context;                                                                       \
    for (int64_t item = begin; item < end; item++) {                                               \
      const part p = find_part(s, item);                                                           \
      const TYPE *x = (const TYPE *)(const void *)s->x + p.first;                                  \
      TYPE *y = (TYPE *)(void *)s->y + p.first;                                                    \
      if (p.columns == 1) {                                                                        \
        WORK all = start;                                                                          \
        for (int64_t i = 0; i < s->count; i++, x += p.step, y += p.step) {                         \
          const WORK before = all;                                                                 \
          all = all operator(WORK) * x;                                                            \
          *y = (TYPE)(s->exclusive ? before : all);                                                \
        }                                                                                          \
        continue;                                                                                  \
      }                                                                                            \
      WORK all[BLOCK_COLUMNS];                                                                     \
      for (int64_t j = 0; j < p.columns; j++) all[j] = start;                                      \
      for (int64_t i = 0; i < s->count; i++, x += p.step, y += p.step) {                           \
        if (s->exclusive)                                                                          \
          for (int64_t j = 0; j < p.columns; j++) y[j] = (TYPE)all[j];                             \
        for (int64_t j = 0; j < p.columns; j++) all[j] = all[j] operator(WORK) x[j];               \
        if (!s->exclusive)                                                                         \
          for (int64_t j = 0; j < p.columns; j++) y[j] = (TYPE)all[j];                             \
      }                                                                                            \
    }                                                                                              \
  }

DEFINE_CUMULATE(sum_f32, float, float, 0, +)
DEFINE_CUMULATE(sum_f64, double, double, 0, +)
DEFINE_CUMULATE(sum_i64, int64_t, uint64_t, 0, +)
DEFINE_CUMULATE(product_f32, float, float, 1, *)
DEFINE_CUMULATE(product_f64, double, double, 1, *)
DEFINE_CUMULATE(product_i64, int64_t, uint64_t, 1, *)

#define DEFINE_RECUR(name, TYPE)                                                                   \
  static void name(void *context, int64_t begin, int64_t end) {                                    \
    const scan *s = context;                                                                       \
    for (int64_t item = begin; item < end; item++) {                                               \
      const part p = find_part(s, item);                                                           \
      const TYPE *a = (const TYPE *)(const void *)s->factor + p.first;                             \
      const TYPE *b = (const TYPE *)(const void *)s->x + p.first;                                  \
      TYPE *y = (TYPE *)(void *)s->y + p.first;                                                    \
      for (int64_t j = 0; j < p.columns && s->count > 0; j++) y[j] = b[j];                         \
      for (int64_t i = 1; i < s->count; i++) {                                                     \
        const TYPE *before = y;                                                                    \
        a += p.step, b += p.step, y += p.step;                                                     \
        for (int64_t j = 0; j < p.columns; j++) y[j] = a[j] * before[j] + b[j];                    \
      }                                                                                            \
    }                                                                                              \
  }

DEFINE_RECUR(recur_f32, float)
DEFINE_RECUR(recur_f64, double)

/* The best so far and its place, a line at a time; the last of equal ones, and a NaN for good. */
#define DEFINE_EXTREME(name, TYPE, is_better)                                                      \
  static void name(void *context, int64_t begin, int64_t end) {                                    \
    const scan *s = context;                                                                       \
    for (int64_t line = begin; line < end; line++) {                                               \
      const int64_t first = line / s->inner * s->count * s->inner + line % s->inner;               \
      const TYPE *x = (const TYPE *)(const void *)s->x + first;                                    \
      TYPE *y = (TYPE *)(void *)s->y + first, best = *x;                                           \
      int64_t *places = s->places + first, place = 0;                                              \
      for (int64_t i = 0; i < s->count; i++) {                                                     \
        const TYPE here = x[i * s->inner];                                                         \
        if (here is_better best || here != here) best = here, place = i;                           \
        y[i * s->inner] = best;                                                                    \
        places[i * s->inner] = place;                                                              \
      }                                                                                            \
    }                                                                                              \
  }

DEFINE_EXTREME(max_f32, float, >=)
DEFINE_EXTREME(max_f64, double, >=)
DEFINE_EXTREME(max_i64, int64_t, >=)
DEFINE_EXTREME(max_i32, int32_t, >=)
DEFINE_EXTREME(min_f32, float, <=)
DEFINE_EXTREME(min_f64, double, <=)
DEFINE_EXTREME(min_i64, int64_t, <=)
DEFINE_EXTREME(min_i32, int32_t, <=)

typedef void (*range_function)(void *context, int64_t begin, int64_t end);

static void run_scan(scan *s, int64_t outer, range_function run) {
  if (s->count == 0 || s->inner == 0) return;
  s->column_blocks = (s->inner + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
  const int64_t columns = s->inner < BLOCK_COLUMNS ? s->inner : BLOCK_COLUMNS;
  wk_parallel_for(outer * s->column_blocks, 16384 / (s->count * columns + 1) + 1, run, s);
}

void wk_cpu_cumulate(wk_cpu_scan kind, wk_dtype dtype, int64_t outer, int64_t count, int64_t inner,
                     bool reverse, bool exclusive, const void *x, void *y) {
  static const range_function functions[2][3] = {{sum_f32, sum_f64, sum_i64},
                                                 {product_f32, product_f64, product_i64}};
  scan s = {.count = count, .inner = inner, .reverse = reverse, .exclusive = exclusive};
  s.x = x, s.y = y;
  const int which = dtype == WK_F32 ? 0 : dtype == WK_F64 ? 1 : 2;
  run_scan(&s, outer, functions[kind][which]);
}

void wk_cpu_recur(wk_dtype dtype, int64_t outer, int64_t count, int64_t inner, bool reverse,
                  const void *a, const void *b, void *y) {
  scan s = {.count = count, .inner = inner, .reverse = reverse, .x = b, .factor = a, .y = y};
  run_scan(&s, outer, dtype == WK_F32 ? recur_f32 : recur_f64);
}

void wk_cpu_cumulate_extreme(bool largest, wk_dtype dtype, int64_t outer, int64_t count,
                             int64_t inner, const void *x, void *y, int64_t *places) {
  static const range_function functions[2][4] = {{min_f32, min_f64, min_i64, min_i32},
                                                 {max_f32, max_f64, max_i64, max_i32}};
  scan s = {.count = count, .inner = inner, .x = x, .y = y, .places = places};
  if (count == 0) return;
  const int which = dtype == WK_F32 ? 0 : dtype == WK_F64 ? 1 : dtype == WK_I64 ? 2 : 3;
  wk_parallel_for(outer * inner, 16384 / count + 1, functions[largest][which], &s);
}
