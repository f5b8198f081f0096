/* SPDX-License-Identifier: Apache-2.0 */

/* Pooling: threads share rows of y; for gradients, where windows may overlap, images and blocks of
 * channels. */

#include "backend/cpu/isa.h"
#include "base/parallel.h"

typedef struct work {
  const wk_isa_pool *isa;
  const wk_cpu_pool2d_shape *shape;
  const void *x, *y_gradient;
  void *result;
} work;

static void run_max(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->max(w->shape, w->x, w->result, begin, end);
}

static void run_max_gradient(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->max_gradient(w->shape, w->x, w->y_gradient, w->result, begin, end);
}

static void run_average(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->average(w->shape, w->x, w->result, begin, end);
}

static void run_average_gradient(void *context, int64_t begin, int64_t end) {
  const work *w = context;
  w->isa->average_gradient(w->shape, w->y_gradient, w->result, begin, end);
}

/* Items that are worth a thread's while: some ten thousand elements looked at. */
static int64_t block_of(int64_t elements_per_item) {
  const int64_t block = 16384 / (elements_per_item + 1);
  return block > 0 ? block : 1;
}

static void run_rows(wk_dtype dtype, work *w,
                     void (*run)(void *context, int64_t begin, int64_t end)) {
  const wk_cpu_pool2d_shape *s = w->shape;
  w->isa = wk_cpu_isa_get()->pool[wk_isa_real_of(dtype)];
  wk_parallel_for(s->batch * s->out_height,
                  block_of(s->out_width * s->channels * s->kernel_height * s->kernel_width), run,
                  w);
}

static void run_images(wk_dtype dtype, work *w,
                       void (*run)(void *context, int64_t begin, int64_t end)) {
  const wk_cpu_pool2d_shape *s = w->shape;
  w->isa = wk_cpu_isa_get()->pool[wk_isa_real_of(dtype)];
  const int64_t block = wk_pool_block(s), blocks = (s->channels + block - 1) / block;
  wk_parallel_for(s->batch * blocks,
                  block_of(s->height * s->width * (s->channels < block ? s->channels : block)), run,
                  w);
}

void wk_cpu_max_pool2d(wk_dtype dtype, const wk_cpu_pool2d_shape *shape, const void *x, void *y) {
  run_rows(dtype, &(work){.shape = shape, .x = x, .result = y}, run_max);
}

void wk_cpu_max_pool2d_gradient(wk_dtype dtype, const wk_cpu_pool2d_shape *shape, const void *x,
                                const void *y_gradient, void *x_gradient) {
  run_images(dtype, &(work){.shape = shape, .x = x, .y_gradient = y_gradient, .result = x_gradient},
             run_max_gradient);
}

void wk_cpu_average_pool2d(wk_dtype dtype, const wk_cpu_pool2d_shape *shape, const void *x,
                           void *y) {
  run_rows(dtype, &(work){.shape = shape, .x = x, .result = y}, run_average);
}

void wk_cpu_average_pool2d_gradient(wk_dtype dtype, const wk_cpu_pool2d_shape *shape,
                                    const void *y_gradient, void *x_gradient) {
  run_images(dtype, &(work){.shape = shape, .y_gradient = y_gradient, .result = x_gradient},
             run_average_gradient);
}
