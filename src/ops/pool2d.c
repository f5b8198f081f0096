/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling over windows of images. */
#include <string.h>

#include "base/error.h"
#include "ops/records.gen.h"
#include "ops/window.h"

static wk_status window_too_large(const wk_window *w, const wk_window_axis *axis, int64_t padding,
                                  const char *name) {
  wk_fail(WK_ERROR_SHAPE,
          "the window's %s (%lld) is larger than the image's with padding (%lld): the window is "
          "[%lld, %lld], the images are [%lld, %lld]",
          name, (long long)axis->kernel, (long long)(axis->size + 2 * padding),
          (long long)w->height.kernel, (long long)w->width.kernel, (long long)w->height.size,
          (long long)w->width.size);
  wk_error_add_hint("pool less, or begin with larger images");
  return WK_ERROR_SHAPE;
}

static wk_status resolve_axis(const wk_window *w, wk_window_axis *axis, int64_t padding,
                              const char *name) {
  axis->dilation = 1;
  axis->padding_before = padding;
  if (axis->kernel > INT32_MAX || axis->stride > INT32_MAX || axis->size > INT32_MAX) {
    return wk_fail(WK_ERROR_ARGUMENT, "the %s of the window or image is too large", name);
  }
  if (padding >= axis->kernel) {
    return wk_fail(WK_ERROR_ARGUMENT, "padding (%lld) must be less than the window's %s (%lld)",
                   (long long)padding, name, (long long)axis->kernel);
  }
  const int64_t room = axis->size + 2 * padding - axis->kernel;
  if (room < 0) return window_too_large(w, axis, padding, name);
  axis->out = room / axis->stride + 1;
  return WK_OK;
}

wk_status wk_pool2d_window_of(const int64_t *window, const int64_t *stride, const int64_t *padding,
                              const int64_t *dims, wk_window *result) {
  const int64_t down = stride[0] ? stride[0] : window[0];
  const int64_t across = stride[1] ? stride[1] : stride[0] ? stride[0] : window[1];
  *result = (wk_window){{.size = dims[1], .kernel = window[0], .stride = down},
                        {.size = dims[2], .kernel = window[1], .stride = across}};
  const wk_status status = resolve_axis(result, &result->height, padding[0], "height");
  return status != WK_OK ? status : resolve_axis(result, &result->width, padding[1], "width");
}

static wk_status check_images(const wk_layout *layout) {
  if (layout->rank == 4) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "images must be [N, H, W, C]; these have %d dimensions",
                 layout->rank);
}

static wk_status infer_pool(wk_call *call, const int64_t *window, const int64_t *stride,
                            const int64_t *padding) {
  const wk_layout *x = &call->inputs[0]->layout;
  wk_window w;
  wk_status status = check_images(x);
  if (status == WK_OK) status = wk_pool2d_window_of(window, stride, padding, x->dims, &w);
  if (status != WK_OK) return status;
  const int64_t dims[] = {x->dims[0], w.height.out, w.width.out, x->dims[3]};
  return wk_infer_output(call, x->dtype, 4, dims);
}

static wk_status infer_pool_gradient(wk_call *call, const int64_t *window, const int64_t *stride,
                                     const int64_t *padding, const wk_shape *shape) {
  const wk_layout *g = &call->inputs[0]->layout;
  if (shape->rank != 4) return wk_fail(WK_ERROR_SHAPE, "images must be [N, H, W, C]");
  wk_window w;
  wk_status status = check_images(g);
  if (status == WK_OK) status = wk_pool2d_window_of(window, stride, padding, shape->dims, &w);
  if (status != WK_OK) return status;
  const int64_t expected[] = {shape->dims[0], w.height.out, w.width.out, shape->dims[3]};
  if (memcmp(expected, g->dims, sizeof expected) != 0) {
    return wk_fail(WK_ERROR_SHAPE, "g should be [%lld, %lld, %lld, %lld]", (long long)expected[0],
                   (long long)expected[1], (long long)expected[2], (long long)expected[3]);
  }
  return wk_infer_output(call, g->dtype, 4, shape->dims);
}

wk_status wk_infer_max_pool2d(wk_call *call) {
  const wk_max_pool2d_arguments *a = call->arguments;
  return infer_pool(call, a->window, a->stride, a->padding);
}

wk_status wk_infer_average_pool2d(wk_call *call) {
  const wk_average_pool2d_arguments *a = call->arguments;
  return infer_pool(call, a->window, a->stride, a->padding);
}

wk_status wk_infer_max_pool2d_gradient(wk_call *call) {
  const wk_max_pool2d_gradient_arguments *a = call->arguments;
  const wk_shape shape = wk_layout_shape(&call->inputs[1]->layout);
  return infer_pool_gradient(call, a->window, a->stride, a->padding, &shape);
}

wk_status wk_infer_average_pool2d_gradient(wk_call *call) {
  const wk_average_pool2d_gradient_arguments *a = call->arguments;
  return infer_pool_gradient(call, a->window, a->stride, a->padding, &a->shape);
}

#define SETTINGS(a)                                                                                \
  .stride = {(a)->stride[0], (a)->stride[1]}, .padding = {(a)->padding[0], (a)->padding[1]}

wk_status wk_vjp_max_pool2d(wk_vjp *vjp) {
  const wk_max_pool2d_arguments *a = vjp->arguments;
  vjp->input_gradients[0] = wk_max_pool2d_gradient(vjp->output_gradients[0], vjp->inputs[0],
                                                   {a->window[0], a->window[1]}, SETTINGS(a));
  return wk_error_status();
}

wk_status wk_vjp_average_pool2d(wk_vjp *vjp) {
  const wk_average_pool2d_arguments *a = vjp->arguments;
  const wk_shape shape = wk_layout_shape(&vjp->input_layouts[0]);
  vjp->input_gradients[0] = wk_average_pool2d_gradient(vjp->output_gradients[0], shape,
                                                       {a->window[0], a->window[1]}, SETTINGS(a));
  return wk_error_status();
}

wk_status wk_vjp_average_pool2d_gradient(wk_vjp *vjp) {
  const wk_average_pool2d_gradient_arguments *a = vjp->arguments;
  vjp->input_gradients[0] =
      wk_average_pool2d(vjp->output_gradients[0], {a->window[0], a->window[1]}, SETTINGS(a));
  return wk_error_status();
}
