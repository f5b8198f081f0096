/* SPDX-License-Identifier: Apache-2.0 */

/* Weighted sums of rows for one real type; see kinds.h. Terms are added in order. */

#include "backend/cpu/isa/kinds.h"

#define combine_row OF_KIND(combine_row)
#define combine OF_KIND(combine)

WK_LANES_INLINE void combine_row(int64_t terms, const int64_t *index, const double *weight,
                                 int64_t columns, const TYPE *x, TYPE *y) {
  if (terms == 1 && weight[0] == 1) {
    memcpy(y, x + index[0] * columns, (size_t)columns * sizeof *y);
    return;
  }
  int64_t j = 0;
  for (; j + WK_LANES <= columns; j += WK_LANES) {
    lanes sum = {0};
    for (int64_t k = 0; k < terms; k++)
      sum += (TYPE)weight[k] * lanes_load(x + index[k] * columns + j);
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

const wk_isa_resample WK_ISA_NAME(OF_KIND(wk_isa_resample)) = {combine};
