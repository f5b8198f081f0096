/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling for one instruction set. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"

/* The part of a window that lies inside x. */
typedef struct window {
  int64_t top, bottom, left, right; /* [top, bottom) x [left, right) */
} window;

static window find_window(const wk_cpu_pool2d_shape *s, int64_t i, int64_t j) {
  window w = {i * s->stride_height - s->padding_top, 0, j * s->stride_width - s->padding_left, 0};
  w.bottom = w.top + s->kernel_height, w.right = w.left + s->kernel_width;
  if (w.top < 0) w.top = 0;
  if (w.left < 0) w.left = 0;
  if (w.bottom > s->height) w.bottom = s->height;
  if (w.right > s->width) w.right = s->width;
  if (w.bottom < w.top) w.bottom = w.top;
  if (w.right < w.left) w.right = w.left;
  return w;
}

/* What an average divides by. */
static int64_t window_size(const wk_cpu_pool2d_shape *s, const window *w) {
  if (s->count_include_pad) return s->kernel_height * s->kernel_width;
  const int64_t inside = (w->bottom - w->top) * (w->right - w->left);
  return inside > 0 ? inside : 1;
}

#define KIND f32
#define TYPE float
#define INDEX_LANES wk_i32x16
#include "backend/cpu/isa/pool_kind.h"
#undef KIND
#undef TYPE
#undef INDEX_LANES

#define KIND f64
#define TYPE double
#define INDEX_LANES wk_i64x16
#include "backend/cpu/isa/pool_kind.h"
