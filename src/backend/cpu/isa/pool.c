/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling for one instruction set. */

#include <math.h>

#include "backend/cpu/isa/lanes.h"
#include "backend/cpu/isa/parts.h"

#define WK_POOL_GROUPS 2 /* of 16 channels at a time */

/* The part of a window that lies inside x: rows top, top + down, .. before bottom, and so on. */
typedef struct window {
  int64_t top, bottom, left, right;
  int64_t down, across;
  int64_t size; /* what an average divides by */
} window;

/* The first place from `begin` on, in steps, that is not in front of x. */
static int64_t step_inside(int64_t begin, int64_t step) {
  return begin >= 0 ? begin : begin + (-begin + step - 1) / step * step;
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static window find_window(const wk_cpu_pool2d_shape *s, int64_t i, int64_t j) {
  window w = {.down = s->dilation_height ? s->dilation_height : 1,
              .across = s->dilation_width ? s->dilation_width : 1};
  const int64_t top = i * s->stride_height - s->padding_top;
  const int64_t left = j * s->stride_width - s->padding_left;
  const int64_t bottom = top + (s->kernel_height - 1) * w.down + 1;
  const int64_t right = left + (s->kernel_width - 1) * w.across + 1;
  w.top = step_inside(top, w.down), w.left = step_inside(left, w.across);
  w.bottom = smaller(bottom, s->height), w.right = smaller(right, s->width);
  if (w.bottom < w.top) w.bottom = w.top;
  if (w.right < w.left) w.right = w.left;
  const int64_t inside = (w.bottom - w.top) * (w.right - w.left);
  const int64_t rows = s->padded_height ? smaller(bottom, s->padded_height) - top : bottom - top;
  const int64_t columns = s->padded_width ? smaller(right, s->padded_width) - left : right - left;
  w.size = s->count_include_pad ? rows * columns : inside > 0 ? inside : 1;
  return w;
}

/* Where the group of 16 channels that is to begin at `c` does begin: the last one ends with the
 * pixel and overlaps, which is quicker than a part of a group. */
static int64_t group_start(int64_t channels, int64_t c) {
  return c + WK_LANES <= channels || channels < WK_LANES ? c : channels - WK_LANES;
}

#define KIND f32
#define TYPE float
#define INDEX_LANES wk_i32x16
#include "backend/cpu/isa/pool_kind.h"
#undef KIND
#undef TYPE
#undef INDEX_LANES

#ifndef WICK_ISA_F32_ONLY
#define KIND f64
#define TYPE double
#define INDEX_LANES wk_i64x16
#include "backend/cpu/isa/pool_kind.h"
#endif
