/* SPDX-License-Identifier: Apache-2.0 */

/* Weighted sums of rows for one real type; see kinds.h. Terms are added in order. */

#include "backend/cpu/isa/kinds.h"

#define combine OF_KIND(combine)

static void combine(int64_t terms, const int64_t *index, const double *weight, int64_t columns,
                    const void *x_, void *y_) {
  const TYPE *x = x_;
  TYPE *y = y_;
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

const wk_isa_resample WK_ISA_NAME(OF_KIND(wk_isa_resample)) = {combine};
