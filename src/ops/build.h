/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_BUILD_H
#define WICK_OPS_BUILD_H

/* Small pieces that composites and gradient rules are built of. Results belong to the scope. */

#include "base/error.h"
#include "ops/records.gen.h"

/* Where x is `from`, `to`; elsewhere x, with its gradient. */
static inline wk_tensor *wk_replace(wk_tensor *x, double from, double to) {
  return wk_where(wk_equal(x, wk_scalar(from)), wk_scalar(to), x);
}

/* The square root of what is not negative; the gradient at 0 is 0. */
static inline wk_tensor *wk_safe_sqrt(wk_tensor *x) {
  wk_tensor *is_zero = wk_equal(x, wk_scalar(0));
  return wk_where(is_zero, x, wk_sqrt(wk_where(is_zero, wk_scalar(1), x)));
}

/* Floats of 16 bits as f32, to add up in; wk_cast takes the sum back. */
static inline wk_tensor *wk_to_accumulate(wk_tensor *x) {
  const bool half = x->layout.dtype == WK_F16 || x->layout.dtype == WK_BF16;
  return half ? wk_cast(x, WK_F32) : x;
}

static inline wk_tensor *wk_cast_if_other(wk_tensor *x, wk_dtype dtype) {
  return x && x->layout.dtype != dtype ? wk_cast(x, dtype) : x;
}

/* Stops the recording of gradients until the result is handed back to wk_gradients_resume. */
static inline bool wk_gradients_pause(void) {
  const bool recorded = wk_gradients_recorded;
  wk_gradients_recorded = false;
  return recorded;
}

static inline void wk_gradients_resume(bool recorded) { wk_gradients_recorded = recorded; }

/* x without axis `axis`, of size 1; x with a new one. */
static inline wk_tensor *wk_drop_axis(wk_tensor *x, int axis) {
  if (!x) return NULL;
  wk_shape shape = {.rank = 0};
  for (int i = 0; i < x->layout.rank; i++)
    if (i != axis) shape.dims[shape.rank++] = x->layout.dims[i];
  return wk_reshape(x, shape);
}

static inline wk_tensor *wk_add_axis(wk_tensor *x, int axis) {
  if (!x) return NULL;
  if (x->layout.rank == WK_MAX_RANK) {
    wk_fail(WK_ERROR_SHAPE, "the result would have more than %d dimensions", WK_MAX_RANK);
    return NULL;
  }
  wk_shape shape = {.rank = x->layout.rank + 1};
  for (int i = 0, from = 0; i < shape.rank; i++)
    shape.dims[i] = i == axis ? 1 : x->layout.dims[from++];
  return wk_reshape(x, shape);
}

/* Identity matrices of x's sizes (diagonal.c). */
wk_tensor *wk_identity_like(wk_tensor *x);

/* The last two axes exchanged. */
static inline wk_tensor *wk_transposed(wk_tensor *x) {
  if (!x) return NULL;
  const int rank = x->layout.rank;
  wk_axes axes = {.count = rank};
  for (int i = 0; i < rank; i++) axes.axis[i] = i;
  if (rank >= 2) axes.axis[rank - 2] = rank - 1, axes.axis[rank - 1] = rank - 2;
  return wk_permute(x, axes);
}

#endif
