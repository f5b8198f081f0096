/* SPDX-License-Identifier: Apache-2.0 */

/* Depthwise convolution: weights are turned to [kernel_height, kernel_width, channels] first, so
 * that neighbouring channels lie in neighbouring lanes. */

#include "backend/cpu/depthwise.h"

#include <string.h>

#include "backend/cpu/scratch.h"
#include "base/parallel.h"

/* The weight gradient is summed over blocks of this many rows of y, and then over the blocks. */
#define GRADIENT_ROWS 32
/* Elements of y that are told of together: they stay in the second cache. */
#define TOLD 16384

typedef struct work {
  const wk_isa_depthwise *isa;
  const wk_isa_product *moves;
  const wk_cpu_conv2d_shape *shape;
  const char *x, *weight, *bias, *y_gradient;
  char *result, *partials;
  const wk_after *after;
  size_t filter_bytes; /* of all filters */
} work;

static work start_work(wk_dtype dtype, const wk_cpu_conv2d_shape *s) {
  const wk_isa_real real = wk_isa_real_of(dtype);
  const size_t element = wk_isa_real_size(real);
  return (work){
      .isa = wk_cpu_isa_get()->depthwise[real],
      .moves = wk_cpu_isa_get()->product[real],
      .shape = s,
      .filter_bytes = (size_t)(s->kernel_height * s->kernel_width * s->channels) * element,
  };
}

static bool turn_weight(work *w, const void *weight) {
  const int64_t taps = w->shape->kernel_height * w->shape->kernel_width;
  char *turned = wk_cpu_scratch(w->filter_bytes);
  if (!turned) return false;
  w->moves->transpose(turned, w->shape->channels, weight, taps, w->shape->channels, taps);
  w->weight = turned;
  return true;
}

static void run_forward(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  const int64_t line = w->shape->out_width * w->shape->out_channels;
  const int64_t most = w->after && line < TOLD ? TOLD / (line + 1) + 1 : w->after ? 1 : end - begin;
  for (int64_t at = begin; at < end; at += most) {
    const int64_t last = end - at < most ? end : at + most;
    w->isa->forward(w->shape, w->x, w->weight, w->bias, w->result, at, last);
    if (w->after) w->after->run(w->after, at * w->shape->out_width, last * w->shape->out_width);
  }
}

wk_status wk_cpu_depthwise(wk_dtype dtype, const wk_cpu_conv2d_shape *s, const void *x,
                           const void *weight, const void *bias, void *y, const wk_after *after) {
  work w = start_work(dtype, s);
  w.x = x, w.bias = bias, w.result = y, w.after = after;
  if (!turn_weight(&w, weight)) return WK_ERROR_MEMORY;
  wk_parallel_for(s->batch * s->out_height, 4, run_forward, &w);
  return WK_OK;
}

static void run_data_gradient(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->data_gradient(w->shape, w->y_gradient, w->weight, w->result, begin, end);
}

wk_status wk_cpu_depthwise_data_gradient(wk_dtype dtype, const wk_cpu_conv2d_shape *s,
                                         const void *y_gradient, const void *weight,
                                         void *x_gradient) {
  work w = start_work(dtype, s);
  w.y_gradient = y_gradient, w.result = x_gradient;
  if (!turn_weight(&w, weight)) return WK_ERROR_MEMORY;
  wk_parallel_for(s->batch * s->height, 4, run_data_gradient, &w);
  return WK_OK;
}

static void run_weight_gradient(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  const int64_t rows = w->shape->batch * w->shape->out_height;
  for (int64_t i = begin; i < end; i++) {
    char *partial = w->partials + (size_t)i * w->filter_bytes;
    memset(partial, 0, w->filter_bytes);
    const int64_t first = i * GRADIENT_ROWS, last = first + GRADIENT_ROWS;
    w->isa->weight_gradient(w->shape, w->x, w->y_gradient, partial, first,
                            last < rows ? last : rows);
  }
}

wk_status wk_cpu_depthwise_weight_gradient(wk_dtype dtype, const wk_cpu_conv2d_shape *s,
                                           const void *x, const void *y_gradient,
                                           void *weight_gradient) {
  work w = start_work(dtype, s);
  w.x = x, w.y_gradient = y_gradient;
  const int64_t taps = s->kernel_height * s->kernel_width;
  const int64_t blocks = (s->batch * s->out_height + GRADIENT_ROWS - 1) / GRADIENT_ROWS;
  if (blocks == 0) {
    memset(weight_gradient, 0, w.filter_bytes);
    return WK_OK;
  }
  w.partials = wk_cpu_scratch((size_t)blocks * w.filter_bytes);
  if (!w.partials) return WK_ERROR_MEMORY;
  wk_parallel_for(blocks, 1, run_weight_gradient, &w);
  for (int64_t i = 1; i < blocks; i++)
    w.moves->add(w.partials, w.partials + (size_t)i * w.filter_bytes, taps * s->channels);
  w.moves->transpose(weight_gradient, taps, w.partials, s->channels, taps, s->channels);
  return WK_OK;
}
