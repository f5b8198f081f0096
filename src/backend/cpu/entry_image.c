/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of convolution and pooling. */
#include "backend/cpu/cpu.h"
#include "backend/cpu/kernels.h"
#include "ops/records.gen.h"
#include "ops/window.h"

/* ---- convolution: the same geometry for all three, from images and filters ---- */

static wk_status conv2d_shape(const wk_kernel_call *call, const int64_t *images,
                              const int64_t *filters, wk_cpu_conv2d_shape *shape) {
  const wk_conv2d_settings s = wk_conv2d_settings_of(call->op, call->arguments);
  wk_conv2d_geometry g;
  const wk_status status = wk_conv2d_geometry_of(&s, images, filters, &g);
  if (status != WK_OK) return status;
  const wk_window_axis *down = &g.window.height, *across = &g.window.width;
  *shape = (wk_cpu_conv2d_shape){.batch = g.batch,
                                 .height = down->size,
                                 .width = across->size,
                                 .channels = g.channels,
                                 .out_height = down->out,
                                 .out_width = across->out,
                                 .out_channels = g.out_channels,
                                 .kernel_height = down->kernel,
                                 .kernel_width = across->kernel,
                                 .groups = g.groups,
                                 .stride_height = down->stride,
                                 .stride_width = across->stride,
                                 .padding_top = down->padding_before,
                                 .padding_left = across->padding_before,
                                 .dilation_height = down->dilation,
                                 .dilation_width = across->dilation};
  return WK_OK;
}

wk_status wk_cpu_run_conv2d(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0], *weight = &call->inputs[1], *y = &call->outputs[0];
  wk_cpu_conv2d_shape shape;
  const wk_status status = conv2d_shape(call, x->layout.dims, weight->layout.dims, &shape);
  if (status != WK_OK) return status;
  return wk_cpu_conv2d(y->layout.dtype, &shape, x->data, weight->data, call->inputs[2].data,
                       y->data, call->after);
}

wk_status wk_cpu_run_conv2d_data_gradient(const wk_kernel_call *call) {
  const wk_operand *g = &call->inputs[0], *weight = &call->inputs[1], *x = &call->outputs[0];
  wk_cpu_conv2d_shape shape;
  const wk_status status = conv2d_shape(call, x->layout.dims, weight->layout.dims, &shape);
  if (status != WK_OK) return status;
  return wk_cpu_conv2d_data_gradient(g->layout.dtype, &shape, g->data, weight->data, x->data);
}

wk_status wk_cpu_run_conv2d_weight_gradient(const wk_kernel_call *call) {
  const wk_operand *g = &call->inputs[0], *x = &call->inputs[1], *weight = &call->outputs[0];
  wk_cpu_conv2d_shape shape;
  const wk_status status = conv2d_shape(call, x->layout.dims, weight->layout.dims, &shape);
  if (status != WK_OK) return status;
  return wk_cpu_conv2d_weight_gradient(g->layout.dtype, &shape, x->data, g->data, weight->data,
                                       call->part);
}

/* ---- pooling ---- */

static wk_status pool2d_shape(const wk_kernel_call *call, const int64_t *images,
                              wk_cpu_pool2d_shape *shape) {
  const wk_pool2d_settings s = wk_pool2d_settings_of(call->op, call->arguments);
  wk_window w;
  const wk_status status = wk_pool2d_window_of(&s, images, &w);
  if (status != WK_OK) return status;
  *shape = (wk_cpu_pool2d_shape){.batch = images[0],
                                 .height = images[1],
                                 .width = images[2],
                                 .channels = images[3],
                                 .out_height = w.height.out,
                                 .out_width = w.width.out,
                                 .kernel_height = w.height.kernel,
                                 .kernel_width = w.width.kernel,
                                 .stride_height = w.height.stride,
                                 .stride_width = w.width.stride,
                                 .padding_top = w.height.padding_before,
                                 .padding_left = w.width.padding_before,
                                 .count_include_pad = s.count_padding,
                                 .padded_height = w.height.padded_end,
                                 .padded_width = w.width.padded_end,
                                 .dilation_height = w.height.dilation,
                                 .dilation_width = w.width.dilation};
  return WK_OK;
}

wk_status wk_cpu_run_max_pool2d(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0];
  wk_cpu_pool2d_shape shape;
  const wk_status status = pool2d_shape(call, x->layout.dims, &shape);
  if (status == WK_OK) wk_cpu_max_pool2d(x->layout.dtype, &shape, x->data, call->outputs[0].data);
  return status;
}

wk_status wk_cpu_run_max_pool2d_gradient(const wk_kernel_call *call) {
  const wk_operand *g = &call->inputs[0], *x = &call->inputs[1];
  wk_cpu_pool2d_shape shape;
  const wk_status status = pool2d_shape(call, x->layout.dims, &shape);
  if (status != WK_OK) return status;
  wk_cpu_max_pool2d_gradient(x->layout.dtype, &shape, x->data, g->data, call->outputs[0].data);
  return WK_OK;
}

wk_status wk_cpu_run_average_pool2d(const wk_kernel_call *call) {
  const wk_operand *x = &call->inputs[0];
  wk_cpu_pool2d_shape shape;
  const wk_status status = pool2d_shape(call, x->layout.dims, &shape);
  if (status != WK_OK) return status;
  wk_cpu_average_pool2d(x->layout.dtype, &shape, x->data, call->outputs[0].data);
  return WK_OK;
}

wk_status wk_cpu_run_average_pool2d_gradient(const wk_kernel_call *call) {
  const wk_operand *g = &call->inputs[0], *x = &call->outputs[0];
  wk_cpu_pool2d_shape shape;
  const wk_status status = pool2d_shape(call, x->layout.dims, &shape);
  if (status != WK_OK) return status;
  wk_cpu_average_pool2d_gradient(g->layout.dtype, &shape, g->data, x->data);
  return WK_OK;
}
