/* SPDX-License-Identifier: Apache-2.0 */
/* Windows of images as rows, and back: each is the other's gradient. */
#include <string.h>

#include "base/error.h"
#include "ops/records.gen.h"
#include "ops/window.h"

static wk_status resolve_axis(wk_window_axis *axis, const char *name) {
  const int64_t values[] = {axis->size, axis->kernel, axis->stride, axis->padding_before};
  for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
    if (values[i] > INT32_MAX || axis->dilation > INT32_MAX / axis->kernel)
      return wk_fail(WK_ERROR_ARGUMENT, "the %s of the window or image is too large", name);
  }
  const int64_t padded = axis->size + 2 * axis->padding_before;
  const int64_t reach = axis->dilation * (axis->kernel - 1) + 1;
  if (padded < reach) {
    return wk_fail(WK_ERROR_SHAPE,
                   "the window's %s (%lld) is larger than the image's with padding (%lld)", name,
                   (long long)reach, (long long)padded);
  }
  axis->out = (padded - reach) / axis->stride + 1;
  return WK_OK;
}

/* The two ops' arguments have the same fields. */
#define AXIS(a, i, length)                                                                         \
  {                                                                                                \
    .size = (length), .kernel = (a)->window[i], .stride = (a)->stride[i],                          \
    .dilation = (a)->dilation[i], .padding_before = (a)->padding[i]                                \
  }

wk_status wk_unfold2d_window_of(const wk_op *op, const void *arguments, const int64_t *dims,
                                wk_window *result) {
  if (op->id == WK_OP_UNFOLD2D) {
    const wk_unfold2d_arguments *a = arguments;
    *result = (wk_window){AXIS(a, 0, dims[1]), AXIS(a, 1, dims[2])};
  } else {
    const wk_fold2d_arguments *a = arguments;
    *result = (wk_window){AXIS(a, 0, dims[1]), AXIS(a, 1, dims[2])};
  }
  const wk_status status = resolve_axis(&result->height, "height");
  return status != WK_OK ? status : resolve_axis(&result->width, "width");
}

wk_status wk_infer_unfold2d(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank != 4)
    return wk_fail(WK_ERROR_SHAPE, "images must be [N, H, W, C]; these have %d dimensions",
                   x->rank);
  wk_window w;
  const wk_status status = wk_unfold2d_window_of(call->op, call->arguments, x->dims, &w);
  if (status != WK_OK) return status;
  const wk_shape grid = {2, {w.height.out, w.width.out}},
                 row = {3, {w.height.kernel, w.width.kernel, x->dims[3]}};
  wk_layout rows, columns;
  if (!wk_layout_contiguous(&rows, x->dtype, &grid) ||
      !wk_layout_contiguous(&columns, x->dtype, &row))
    return wk_error_status();
  const int64_t dims[] = {x->dims[0], wk_layout_count(&rows), wk_layout_count(&columns)};
  return wk_infer_output(call, x->dtype, 3, dims);
}

wk_status wk_infer_fold2d(wk_call *call) {
  const wk_fold2d_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank != 3) {
    wk_fail(WK_ERROR_SHAPE, "x has %d dimensions; it must be [N, OH * OW, KH * KW * C]", x->rank);
    wk_error_add_hint("wk_unfold2d makes such rows");
    return WK_ERROR_SHAPE;
  }
  const int64_t images[] = {x->dims[0], a->size[0], a->size[1], 0};
  wk_window w;
  const wk_status status = wk_unfold2d_window_of(call->op, call->arguments, images, &w);
  if (status != WK_OK) return status;
  const int64_t area = a->window[0] * a->window[1];
  if (x->dims[1] != w.height.out * w.width.out || x->dims[2] % area != 0) {
    wk_fail(
        WK_ERROR_SHAPE,
        "images of [%lld, %lld] have %lld x %lld windows of %lld pixels, but x has %lld rows of "
        "%lld",
        (long long)a->size[0], (long long)a->size[1], (long long)w.height.out,
        (long long)w.width.out, (long long)area, (long long)x->dims[1], (long long)x->dims[2]);
    wk_error_add_hint("window, stride, padding and dilation must be those of the unfold2d");
    return WK_ERROR_SHAPE;
  }
  const int64_t dims[] = {x->dims[0], a->size[0], a->size[1], x->dims[2] / area};
  return wk_infer_output(call, x->dtype, 4, dims);
}

#define SETTINGS(a)                                                                                \
  {(a)->window[0], (a)->window[1]}, .stride = {(a)->stride[0], (a)->stride[1]},                    \
                                    .padding = {(a)->padding[0], (a)->padding[1]},                 \
                                    .dilation = {(a)->dilation[0], (a)->dilation[1]}

wk_status wk_vjp_unfold2d(wk_vjp *vjp) {
  const wk_unfold2d_arguments *a = vjp->arguments;
  const int64_t *dims = vjp->input_layouts[0].dims;
  wk_tensor *g = vjp->output_gradients[0];
  vjp->input_gradients[0] = wk_fold2d(g, {dims[1], dims[2]}, SETTINGS(a));
  return wk_error_status();
}

wk_status wk_vjp_fold2d(wk_vjp *vjp) {
  const wk_fold2d_arguments *a = vjp->arguments;
  vjp->input_gradients[0] = wk_unfold2d(vjp->output_gradients[0], SETTINGS(a));
  return wk_error_status();
}
