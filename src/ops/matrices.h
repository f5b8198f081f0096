/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_MATRICES_H
#define WICK_OPS_MATRICES_H

#include "tensor/tensor.h"

/* Sizes of the matrices over the last two axes, and how many there are. */
typedef struct wk_matrices {
  int64_t count, rows, columns;
} wk_matrices;

static inline wk_matrices wk_matrices_of(const wk_layout *x) {
  wk_matrices m = {1, x->dims[x->rank - 2], x->dims[x->rank - 1]};
  for (int i = 0; i < x->rank - 2; i++) m.count *= x->dims[i];
  return m;
}

#endif
