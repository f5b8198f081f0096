/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_BACKEND_REFERENCE_LINES_H
#define WICK_BACKEND_REFERENCE_LINES_H

/* The lines of a tensor along one axis: line 0 is that through element [0, ..., 0]. A single number
 * is one line of one element. */

#include "tensor/tensor.h"

static inline int64_t wk_line_length(const wk_layout *layout, int axis) {
  return layout->rank == 0 ? 1 : layout->dims[axis];
}

static inline int64_t wk_line_count(const wk_layout *layout, int axis) {
  int64_t count = 1;
  for (int i = 0; i < layout->rank; i++) count *= i == axis ? 1 : layout->dims[i];
  return count;
}

/* Where in memory, counted in elements, a line begins, and the way from one element to the next. */
static inline int64_t wk_line_start(const wk_layout *layout, int axis, int64_t line) {
  int64_t position = 0;
  for (int i = layout->rank - 1; i >= 0; i--) {
    if (i == axis) continue;
    position += line % layout->dims[i] * layout->strides[i];
    line /= layout->dims[i];
  }
  return position;
}

static inline int64_t wk_line_step(const wk_layout *layout, int axis) {
  return layout->rank == 0 ? 0 : layout->strides[axis];
}

#endif
