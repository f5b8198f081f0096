/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling for one instruction set. Each element is worked on by itself, so that the width of a
 * register decides nothing. */

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "backend/cpu/isa/parts.h"
#include "backend/cpu/isa/vector.h"

#define WK_POOL_REGISTERS (WK_VECTOR_BYTES > 16 ? 4 : 2) /* of channels at a time */
#define WK_POOL_AHEAD 2048 /* bytes: short rows by turns are nothing that hardware foresees */

/* The part of a window along one axis that lies inside x: first, first + step, .. before last. */
typedef struct span {
  int64_t first, last, step;
  int64_t counted; /* places an average divides by, in front of and behind x too */
} span;

static span find_span(int64_t first, int64_t kernel, int64_t dilation, int64_t size,
                      int64_t padded) {
  const int64_t step = dilation ? dilation : 1, end = first + (kernel - 1) * step + 1;
  span s = {first, end < size ? end : size, step, (padded && padded < end ? padded : end) - first};
  if (first < 0) s.first += (step - 1 - first) / step * step;
  if (s.last < s.first) s.last = s.first;
  return s;
}

static span find_rows(const wk_cpu_pool2d_shape *s, int64_t i) {
  return find_span(i * s->stride_height - s->padding_top, s->kernel_height, s->dilation_height,
                   s->height, s->padded_height);
}

static span find_columns(const wk_cpu_pool2d_shape *s, int64_t j) {
  return find_span(j * s->stride_width - s->padding_left, s->kernel_width, s->dilation_width,
                   s->width, s->padded_width);
}

/* What the average of a window divides by. */
static int64_t count_window(const wk_cpu_pool2d_shape *s, const span *down, const span *across) {
  if (s->count_include_pad) return down->counted * across->counted;
  const int64_t inside = (down->last - down->first) * (across->last - across->first);
  return inside > 0 ? inside : 1;
}

/* Whether no element is in two windows along an axis. */
static bool is_apart(int64_t kernel, int64_t stride, int64_t dilation) {
  return stride >= (kernel - 1) * (dilation ? dilation : 1) + 1;
}

/* Whether each element is in just one. */
static bool is_tiled(int64_t kernel, int64_t stride, int64_t size, int64_t out) {
  return kernel == stride && out * stride == size;
}

#define KIND f32
#define TYPE float
#define INDEX int32_t
#include "backend/cpu/isa/pool_kind.h"
#undef KIND
#undef TYPE
#undef INDEX

#ifndef WICK_ISA_F32_ONLY
#define KIND f64
#define TYPE double
#define INDEX int64_t
#include "backend/cpu/isa/pool_kind.h"
#endif
