/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WICK_OPS_RESAMPLE_H
#define WICK_OPS_RESAMPLE_H

/* Which old elements each new one is made of, and with what weights: worked out once for every
 * kernel. */

#include "ops/op.h"

/* The terms of new element i stand from start[i] to before start[i + 1]. */
typedef struct wk_taps {
  int64_t count;
  int64_t *start;
  int64_t *index;
  double *weight;
} wk_taps;

typedef struct wk_resample_settings {
  int axis;
  int64_t size;
  wk_interpolation mode;
  bool align_corners, antialias;
  double ratio;
  int64_t across; /* size of the axis behind it, done next; 0 lets that be */
} wk_resample_settings;

/* Out of the arguments of resample or resample_gradient. */
wk_resample_settings wk_resample_settings_of(const wk_op *op, const void *arguments);

/* The taps of `to` new elements out of `from` old ones; raises WK_ERROR_MEMORY. Free with
 * wk_taps_free, which takes what failed, too. */
wk_status wk_taps_make(const wk_resample_settings *settings, int64_t from, int64_t to,
                       wk_taps *taps);

/* The same sums seen from the other side: for each of `from` old elements, the new ones that hold
 * it, in order. */
wk_status wk_taps_transpose(const wk_taps *taps, int64_t from, wk_taps *transposed);

void wk_taps_free(wk_taps *taps);

#endif
