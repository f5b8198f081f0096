/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/records.gen.h"

/* Pooling of images x [N, H, W, C] to y [N, OH, OW, C]. */
typedef struct pooling {
  const int64_t *x, *y;
  int64_t window[2], stride[2], padding[2];
} pooling;

/* The settings have one type per op, with the same fields. */
#define POOLING(a, x, y) make_pooling(x, y, (a)->window, (a)->stride, (a)->padding)

static pooling make_pooling(const int64_t *x, const int64_t *y, const int64_t *window,
                            const int64_t *stride, const int64_t *padding) {
  pooling p = {.x = x, .y = y};
  for (int i = 0; i < 2; i++) {
    p.window[i] = window[i];
    p.stride[i] = stride[i] ? stride[i] : window[i];
    p.padding[i] = padding[i];
  }
  return p;
}

/* The part of an output element's window that lies inside the image. */
typedef struct inside {
  int64_t image, channel;
  int64_t begin[2], end[2]; /* rows, columns */
} inside;

static inside find_window(const pooling *p, int64_t y) {
  const int64_t at[2] = {y / p->y[3] / p->y[2] % p->y[1], y / p->y[3] % p->y[2]};
  inside part = {.image = y / p->y[3] / p->y[2] / p->y[1], .channel = y % p->y[3]};
  for (int i = 0; i < 2; i++) {
    const int64_t begin = at[i] * p->stride[i] - p->padding[i], end = begin + p->window[i];
    part.begin[i] = begin < 0 ? 0 : begin;
    part.end[i] = end > p->x[1 + i] ? p->x[1 + i] : end;
  }
  return part;
}

static int64_t x_index(const pooling *p, const inside *part, int64_t row, int64_t column) {
  return ((part->image * p->x[1] + row) * p->x[2] + column) * p->x[3] + part->channel;
}

/* Index in x of the window's first NaN, else its first largest; -1 if nothing is inside. */
static int64_t find_largest(const pooling *p, const double *x, int64_t y) {
  const inside part = find_window(p, y);
  int64_t best = -1;
  for (int64_t row = part.begin[0]; row < part.end[0]; row++)
    for (int64_t column = part.begin[1]; column < part.end[1]; column++) {
      const int64_t i = x_index(p, &part, row, column);
      if (best < 0 || x[i] > x[best] || (isnan(x[i]) && !isnan(x[best]))) best = i;
    }
  return best;
}

wk_status wk_reference_run_max_pool2d(const wk_kernel_call *call) {
  const wk_operand *y = &call->outputs[0];
  const pooling p = POOLING((const wk_max_pool2d_arguments *)call->arguments,
                            call->inputs[0].layout.dims, y->layout.dims);
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  if (!x) return wk_error_status();
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t best = find_largest(&p, x, i);
    wk_element_set_real(y, i, best < 0 ? -INFINITY : x[best]);
  }
  return WK_OK;
}

wk_status wk_reference_run_max_pool2d_gradient(const wk_kernel_call *call) {
  const wk_operand *g_operand = &call->inputs[0], *x_operand = &call->inputs[1];
  const pooling p = POOLING((const wk_max_pool2d_gradient_arguments *)call->arguments,
                            x_operand->layout.dims, g_operand->layout.dims);
  WK_REALS g = wk_reals_load(g_operand);
  WK_REALS x = wk_reals_load(x_operand);
  WK_REALS x_gradient = wk_reals_zeroed(wk_layout_count(&x_operand->layout));
  if (!g || !x || !x_gradient) return wk_error_status();
  const int64_t count = wk_layout_count(&g_operand->layout);
  for (int64_t i = 0; i < count; i++) {
    const int64_t best = find_largest(&p, x, i);
    if (best >= 0) x_gradient[best] += g[i];
  }
  wk_reals_store(x_gradient, &call->outputs[0]);
  return WK_OK;
}

static int64_t inside_count(const inside *part) {
  const int64_t rows = part->end[0] - part->begin[0], columns = part->end[1] - part->begin[1];
  return rows > 0 && columns > 0 ? rows * columns : 0;
}

wk_status wk_reference_run_average_pool2d(const wk_kernel_call *call) {
  const wk_operand *y = &call->outputs[0];
  const pooling p = POOLING((const wk_average_pool2d_arguments *)call->arguments,
                            call->inputs[0].layout.dims, y->layout.dims);
  WK_REALS x = wk_reals_load(&call->inputs[0]);
  if (!x) return wk_error_status();
  const int64_t count = wk_layout_count(&y->layout);
  for (int64_t i = 0; i < count; i++) {
    const inside part = find_window(&p, i);
    const int64_t elements = inside_count(&part);
    double sum = 0;
    for (int64_t row = part.begin[0]; row < part.end[0]; row++)
      for (int64_t column = part.begin[1]; column < part.end[1]; column++)
        sum += x[x_index(&p, &part, row, column)];
    wk_element_set_real(y, i, elements ? sum / (double)elements : 0);
  }
  return WK_OK;
}

wk_status wk_reference_run_average_pool2d_gradient(const wk_kernel_call *call) {
  const wk_operand *g_operand = &call->inputs[0], *x_operand = &call->outputs[0];
  const pooling p = POOLING((const wk_average_pool2d_gradient_arguments *)call->arguments,
                            x_operand->layout.dims, g_operand->layout.dims);
  WK_REALS g = wk_reals_load(g_operand);
  WK_REALS x_gradient = wk_reals_zeroed(wk_layout_count(&x_operand->layout));
  if (!g || !x_gradient) return wk_error_status();
  const int64_t count = wk_layout_count(&g_operand->layout);
  for (int64_t i = 0; i < count; i++) {
    const inside part = find_window(&p, i);
    const int64_t elements = inside_count(&part);
    for (int64_t row = part.begin[0]; row < part.end[0]; row++)
      for (int64_t column = part.begin[1]; column < part.end[1]; column++)
        x_gradient[x_index(&p, &part, row, column)] += g[i] / (double)elements;
  }
  wk_reals_store(x_gradient, x_operand);
  return WK_OK;
}
