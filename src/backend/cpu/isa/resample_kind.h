/* SPDX-License-Identifier: Apache-2.0 */

/* Weighted sums of rows for one real type; see kinds.h. Terms are added in order. */

#include "backend/cpu/isa/kinds.h"

#define combine_row OF_KIND(combine_row)
#undef AHEAD
#undef FETCHED
#define combine OF_KIND(combine)
#define fetch OF_KIND(fetch)
#define add_block OF_KIND(add_block)
#define add OF_KIND(add)

#define FETCHED 2048 /* bytes ahead: hardware foresees no rows of two places by turns */

WK_LANES_INLINE void combine_row(int64_t terms, const int64_t *index, const double *weight,
                                 int64_t columns, const TYPE *x, TYPE *y) {
  int64_t j = 0;
  if (terms == 1 && weight[0] == 1) { /* rows are mostly short: no call for each */
    const TYPE *from = x + index[0] * columns;
    for (; j + WK_LANES <= columns; j += WK_LANES) lanes_store(y + j, lanes_load(from + j));
    memcpy(y + j, from + j, (size_t)(columns - j) * sizeof *y);
    return;
  }
  if (terms == 2) { /* mostly */
    const TYPE *a = x + index[0] * columns, *b = x + index[1] * columns;
    const lanes first = (TYPE)weight[0] + (lanes){0}, second = (TYPE)weight[1] + (lanes){0};
    for (; j + WK_LANES <= columns; j += WK_LANES) {
      lanes_store(y + j, (lanes){0} + first * lanes_load(a + j) + second * lanes_load(b + j));
    }
  }
  for (; j + WK_LANES <= columns; j += WK_LANES) {
    lanes sum = {0};
    for (int64_t k = 0; k < terms; k++) {
      const TYPE *from = x + index[k] * columns + j;
      sum += (TYPE)weight[k] * lanes_load(from);
      __builtin_prefetch((const char *)from + FETCHED);
    }
    lanes_store(y + j, sum);
  }
  for (; j < columns; j++) {
    TYPE sum = 0;
    for (int64_t k = 0; k < terms; k++) sum += (TYPE)weight[k] * x[index[k] * columns + j];
    y[j] = sum;
  }
}

static void combine(int64_t rows, const int64_t *start, const int64_t *index, const double *weight,
                    int64_t columns, const void *x, void *y) {
  for (int64_t row = 0; row < rows; row++)
    combine_row(start[row + 1] - start[row], index + start[row], weight + start[row], columns, x,
                (TYPE *)y + row * columns);
}

/* Rows of a large table lie anywhere: those that come soon are fetched. */
#define AHEAD 12

static void fetch(int64_t k, int64_t listed, const int64_t *index, int64_t columns, int64_t j,
                  int64_t width, const TYPE *x) {
  if (k + AHEAD >= listed) return;
  const char *row = (const char *)(x + index[k + AHEAD] * columns + j);
  for (size_t at = 0; at < (size_t)width * sizeof *x; at += 64) __builtin_prefetch(row + at);
}

/* Columns j .. j + width - 1, width being a constant multiple of WK_LANES. */
WK_LANES_INLINE void add_block(int64_t terms, int64_t listed, const int64_t *index,
                               const TYPE *weight, int64_t columns, const TYPE *x, TYPE divisor,
                               TYPE *y, int64_t j, const int64_t width) {
  lanes sum[4];
  for (int64_t i = 0; i < width / WK_LANES; i++) sum[i] = lanes_load(y + j + i * WK_LANES);
  for (int64_t k = 0; k < terms; k++) {
    fetch(k, listed, index, columns, j, width, x);
    const TYPE *row = x + index[k] * columns + j;
    if (weight)
      for (int64_t i = 0; i < width / WK_LANES; i++)
        sum[i] += weight[k] * lanes_load(row + i * WK_LANES);
    else
      for (int64_t i = 0; i < width / WK_LANES; i++) sum[i] += lanes_load(row + i * WK_LANES);
  }
  for (int64_t i = 0; i < width / WK_LANES; i++)
    lanes_store(y + j + i * WK_LANES, sum[i] / divisor);
}

static void add(int64_t terms, int64_t listed, const int64_t *index, const void *weight_,
                int64_t columns, const void *x_, double divisor, void *y_) {
  const TYPE *x = x_, *weight = weight_;
  TYPE *y = y_, by = (TYPE)divisor;
  int64_t j = 0;
  for (; j + 4 * WK_LANES <= columns; j += 4 * WK_LANES)
    add_block(terms, listed, index, weight, columns, x, by, y, j, 4 * WK_LANES);
  for (; j + WK_LANES <= columns; j += WK_LANES)
    add_block(terms, listed, index, weight, columns, x, by, y, j, WK_LANES);
  for (; j < columns; j++) {
    TYPE sum = y[j];
    for (int64_t k = 0; k < terms; k++) {
      const TYPE value = x[index[k] * columns + j];
      sum += weight ? weight[k] * value : value;
    }
    y[j] = sum / by;
  }
}

const wk_isa_resample WK_ISA_NAME(OF_KIND(wk_isa_resample)) = {combine, add};
