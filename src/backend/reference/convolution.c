/* SPDX-License-Identifier: Apache-2.0 */
#include "backend/reference/element.h"
#include "backend/reference/kernels.h"
#include "ops/records.gen.h"

/* Sizes of images x [N, H, W, C], filters [O, KH, KW, C / groups] and results y [N, OH, OW, O]. */
typedef struct convolution {
  const int64_t *x, *weight, *y;
  const int64_t *stride, *dilation;
  int64_t before[2]; /* padding above and to the left */
  int64_t groups;
} convolution;

/* The settings have one type per op, with the same fields. */
#define CONVOLUTION(a, x, weight, y)                                                               \
  make_convolution(x, weight, y, (a)->stride, (a)->padding, (a)->same, (a)->dilation, (a)->groups)

static convolution make_convolution(const int64_t *x, const int64_t *weight, const int64_t *y,
                                    const int64_t *stride, const int64_t *padding, bool same,
                                    const int64_t *dilation, int64_t groups) {
  convolution c = {.x = x,
                   .weight = weight,
                   .y = y,
                   .stride = stride,
                   .dilation = dilation,
                   .before = {padding[0], padding[1]},
                   .groups = groups};
  for (int i = 0; same && i < 2; i++) {
    const int64_t reach = (y[1 + i] - 1) * stride[i] + dilation[i] * (weight[1 + i] - 1) + 1;
    c.before[i] = reach > x[1 + i] ? (reach - x[1 + i]) / 2 : 0;
  }
  return c;
}

/* A product of the sum that a convolution is: y[y] += x[x] * weight[weight], as row-major indices.
 */
typedef struct tap {
  int64_t x, weight, y;
} tap;

/* The tap of filter element `weight` at output element `y`; false if it lies in the padding. */
static bool find_tap(const convolution *c, int64_t y, int64_t weight, tap *found) {
  const int64_t out = y % c->y[3], column = y / c->y[3] % c->y[2];
  const int64_t row = y / c->y[3] / c->y[2] % c->y[1], image = y / c->y[3] / c->y[2] / c->y[1];
  const int64_t channel = weight % c->weight[3], tap_column = weight / c->weight[3] % c->weight[2];
  const int64_t tap_row = weight / c->weight[3] / c->weight[2];

  const int64_t group = out / (c->weight[0] / c->groups);
  const int64_t x_row = row * c->stride[0] - c->before[0] + tap_row * c->dilation[0];
  const int64_t x_column = column * c->stride[1] - c->before[1] + tap_column * c->dilation[1];
  if (x_row < 0 || x_row >= c->x[1] || x_column < 0 || x_column >= c->x[2]) return false;
  *found = (tap){.x = ((image * c->x[1] + x_row) * c->x[2] + x_column) * c->x[3] +
                      group * c->weight[3] + channel,
                 .weight = out * c->weight[1] * c->weight[2] * c->weight[3] + weight,
                 .y = y};
  return true;
}

/* Calls `visit` for each product, output element by output element. */
static void each_tap(const convolution *c, void (*visit)(double *const *, const tap *),
                     double *const *arrays) {
  const int64_t y_count = c->y[0] * c->y[1] * c->y[2] * c->y[3];
  const int64_t filter_count = c->weight[1] * c->weight[2] * c->weight[3];
  tap at;
  for (int64_t y = 0; y < y_count; y++)
    for (int64_t weight = 0; weight < filter_count; weight++)
      if (find_tap(c, y, weight, &at)) visit(arrays, &at);
}

/* arrays: x, weight, y, of which one is the result. */
static void add_to_y(double *const *arrays, const tap *at) {
  arrays[2][at->y] += arrays[0][at->x] * arrays[1][at->weight];
}
static void add_to_x(double *const *arrays, const tap *at) {
  arrays[0][at->x] += arrays[2][at->y] * arrays[1][at->weight];
}
static void add_to_weight(double *const *arrays, const tap *at) {
  arrays[1][at->weight] += arrays[2][at->y] * arrays[0][at->x];
}

wk_status wk_reference_run_conv2d(const wk_kernel_call *call) {
  const wk_operand *inputs = call->inputs, *y_operand = &call->outputs[0];
  const convolution c =
      CONVOLUTION((const wk_conv2d_arguments *)call->arguments, inputs[0].layout.dims,
                  inputs[1].layout.dims, y_operand->layout.dims);
  const int64_t count = wk_layout_count(&y_operand->layout);
  const bool has_bias = call->input_count > 2 && inputs[2].data;
  WK_REALS x = wk_reals_load(&inputs[0]);
  WK_REALS weight = wk_reals_load(&inputs[1]);
  WK_REALS bias = has_bias ? wk_reals_load(&inputs[2]) : wk_reals_zeroed(c.weight[0]);
  WK_REALS y = wk_reals_zeroed(count);
  if (!x || !weight || !bias || !y) return wk_error_status();
  each_tap(&c, add_to_y, (double *[]){x, weight, y});
  for (int64_t i = 0; i < count; i++) y[i] += bias[i % c.y[3]];
  wk_reals_store(y, y_operand);
  return WK_OK;
}

wk_status wk_reference_run_conv2d_data_gradient(const wk_kernel_call *call) {
  const wk_operand *inputs = call->inputs, *x_operand = &call->outputs[0];
  const convolution c =
      CONVOLUTION((const wk_conv2d_data_gradient_arguments *)call->arguments,
                  x_operand->layout.dims, inputs[1].layout.dims, inputs[0].layout.dims);
  WK_REALS y = wk_reals_load(&inputs[0]);
  WK_REALS weight = wk_reals_load(&inputs[1]);
  WK_REALS x = wk_reals_zeroed(wk_layout_count(&x_operand->layout));
  if (!x || !weight || !y) return wk_error_status();
  each_tap(&c, add_to_x, (double *[]){x, weight, y});
  wk_reals_store(x, x_operand);
  return WK_OK;
}

wk_status wk_reference_run_conv2d_weight_gradient(const wk_kernel_call *call) {
  const wk_operand *inputs = call->inputs, *weight_operand = &call->outputs[0];
  const convolution c =
      CONVOLUTION((const wk_conv2d_weight_gradient_arguments *)call->arguments,
                  inputs[1].layout.dims, weight_operand->layout.dims, inputs[0].layout.dims);
  WK_REALS y = wk_reals_load(&inputs[0]);
  WK_REALS x = wk_reals_load(&inputs[1]);
  WK_REALS weight = wk_reals_zeroed(wk_layout_count(&weight_operand->layout));
  if (!x || !weight || !y) return wk_error_status();
  each_tap(&c, add_to_weight, (double *[]){x, weight, y});
  wk_reals_store(weight, weight_operand);
  return WK_OK;
}
