/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling over windows of images. The maximum's gradient scatters to the maxima and that one's
 * gradient picks from them: a closed set. */
#include <string.h>

#include "base/error.h"
#include "ops/records.gen.h"
#include "ops/window.h"

#define COPY_COMMON(type)                                                                          \
  const type *a = arguments;                                                                       \
  memcpy(s.window, a->window, sizeof s.window);                                                    \
  memcpy(s.stride, a->stride, sizeof s.stride);                                                    \
  memcpy(s.padding, a->padding, sizeof s.padding);                                                 \
  s.ceil_mode = a->ceil_mode, s.same = a->same
#define COPY_MAX(type)                                                                             \
  do {                                                                                             \
    COPY_COMMON(type);                                                                             \
    memcpy(s.dilation, a->dilation, sizeof s.dilation);                                            \
  } while (0)
#define COPY_AVERAGE(type)                                                                         \
  do {                                                                                             \
    COPY_COMMON(type);                                                                             \
    s.count_padding = a->count_padding;                                                            \
  } while (0)

wk_pool2d_settings wk_pool2d_settings_of(const wk_op *op, const void *arguments) {
  wk_pool2d_settings s = {.dilation = {1, 1}};
  switch (op->id) {
  case WK_OP_MAX_POOL2D:
    COPY_MAX(wk_max_pool2d_arguments);
    break;
  case WK_OP_MAX_POOL2D_GRADIENT:
    COPY_MAX(wk_max_pool2d_gradient_arguments);
    break;
  case WK_OP_MAX_POOL2D_PICK:
    COPY_MAX(wk_max_pool2d_pick_arguments);
    break;
  case WK_OP_MAX_POOL2D_WITH_INDICES:
    COPY_MAX(wk_max_pool2d_with_indices_arguments);
    break;
  case WK_OP_AVERAGE_POOL2D:
    COPY_AVERAGE(wk_average_pool2d_arguments);
    break;
  default:
    COPY_AVERAGE(wk_average_pool2d_gradient_arguments);
  }
  return s;
}

/* ---- where the windows lie ---- */

static wk_status window_too_large(const wk_window *w, const wk_window_axis *axis, int64_t padding,
                                  const char *name) {
  const int64_t reach = axis->dilation * (axis->kernel - 1) + 1;
  wk_fail(WK_ERROR_SHAPE,
          "the window's %s (%lld) is larger than the image's with padding (%lld): the window is "
          "[%lld, %lld], the images are [%lld, %lld]",
          name, (long long)reach, (long long)(axis->size + 2 * padding),
          (long long)w->height.kernel, (long long)w->width.kernel, (long long)w->height.size,
          (long long)w->width.size);
  wk_error_add_hint("pool less, or begin with larger images");
  return WK_ERROR_SHAPE;
}

static wk_status resolve_axis(const wk_window *w, wk_window_axis *axis, int64_t padding,
                              const wk_pool2d_settings *s, const char *name) {
  if (axis->kernel > INT32_MAX || axis->stride > INT32_MAX || axis->size > INT32_MAX ||
      axis->dilation > INT32_MAX / axis->kernel) {
    return wk_fail(WK_ERROR_ARGUMENT, "the %s of the window or image is too large", name);
  }
  const int64_t reach = axis->dilation * (axis->kernel - 1) + 1;
  if (s->same) {
    axis->out = (axis->size + axis->stride - 1) / axis->stride;
    const int64_t total = (axis->out - 1) * axis->stride + reach - axis->size;
    axis->padding_before = total > 0 ? total / 2 : 0;
    axis->padded_end = axis->size + (total > 0 ? total - total / 2 : 0);
    return WK_OK;
  }
  if (padding >= axis->kernel) {
    return wk_fail(WK_ERROR_ARGUMENT, "padding (%lld) must be less than the window's %s (%lld)",
                   (long long)padding, name, (long long)axis->kernel);
  }
  axis->padding_before = padding;
  axis->padded_end = axis->size + padding;
  const int64_t room = axis->size + 2 * padding - reach + (s->ceil_mode ? axis->stride - 1 : 0);
  if (room < 0) return window_too_large(w, axis, padding, name);
  axis->out = room / axis->stride + 1;
  /* A last window must begin inside the image or in front of it. */
  if (s->ceil_mode && (axis->out - 1) * axis->stride >= axis->size + padding) axis->out--;
  return WK_OK;
}

wk_status wk_pool2d_window_of(const wk_pool2d_settings *s, const int64_t *dims, wk_window *result) {
  const int64_t down = s->stride[0] ? s->stride[0] : s->window[0];
  const int64_t across = s->stride[1] ? s->stride[1] : s->stride[0] ? s->stride[0] : s->window[1];
  *result = (wk_window){
      {.size = dims[1], .kernel = s->window[0], .stride = down, .dilation = s->dilation[0]},
      {.size = dims[2], .kernel = s->window[1], .stride = across, .dilation = s->dilation[1]}};
  const wk_status status = resolve_axis(result, &result->height, s->padding[0], s, "height");
  return status != WK_OK ? status : resolve_axis(result, &result->width, s->padding[1], s, "width");
}

/* ---- shapes ---- */

static wk_status check_images(const wk_layout *layout) {
  if (layout->rank == 4) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "images must be [N, H, W, C]; these have %d dimensions", layout->rank);
  wk_error_add_hint("wk_reshape can add a missing dimension: one image is [1, H, W, C]");
  return WK_ERROR_SHAPE;
}

/* The sizes of what pooling images `x` gives. */
static wk_status pooled_dims(const wk_call *call, const wk_layout *x, int64_t *dims) {
  const wk_pool2d_settings s = wk_pool2d_settings_of(call->op, call->arguments);
  wk_window w;
  wk_status status = check_images(x);
  if (status == WK_OK) status = wk_pool2d_window_of(&s, x->dims, &w);
  if (status != WK_OK) return status;
  const int64_t found[] = {x->dims[0], w.height.out, w.width.out, x->dims[3]};
  memcpy(dims, found, sizeof found);
  return WK_OK;
}

wk_status wk_infer_max_pool2d(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  int64_t dims[4];
  const wk_status status = pooled_dims(call, x, dims);
  return status != WK_OK ? status : wk_infer_output(call, x->dtype, 4, dims);
}

wk_status wk_infer_average_pool2d(wk_call *call) { return wk_infer_max_pool2d(call); }

wk_status wk_infer_max_pool2d_with_indices(wk_call *call) {
  const wk_status status = wk_infer_max_pool2d(call);
  return status != WK_OK ? status : wk_infer_output_at(call, 1, WK_I64, 4, call->layouts[0].dims);
}

wk_status wk_infer_max_pool2d_pick(wk_call *call) {
  if (!wk_layout_same_dims(&call->inputs[0]->layout, &call->inputs[1]->layout))
    return wk_fail(WK_ERROR_SHAPE, "values and x must have the same sizes");
  return wk_infer_max_pool2d(call);
}

static wk_status infer_pool_gradient(wk_call *call, const wk_layout *x) {
  const wk_layout *g = &call->inputs[0]->layout;
  int64_t expected[4];
  wk_status status = pooled_dims(call, x, expected);
  if (status == WK_OK) status = check_images(g);
  if (status != WK_OK) return status;
  if (memcmp(expected, g->dims, sizeof expected) != 0) {
    return wk_fail(WK_ERROR_SHAPE, "g should be [%lld, %lld, %lld, %lld]", (long long)expected[0],
                   (long long)expected[1], (long long)expected[2], (long long)expected[3]);
  }
  return wk_infer_output(call, g->dtype, 4, x->dims);
}

wk_status wk_infer_max_pool2d_gradient(wk_call *call) {
  return infer_pool_gradient(call, &call->inputs[1]->layout);
}

wk_status wk_infer_average_pool2d_gradient(wk_call *call) {
  const wk_average_pool2d_gradient_arguments *a = call->arguments;
  wk_layout images;
  if (!wk_layout_contiguous(&images, call->inputs[0]->layout.dtype, &a->shape))
    return wk_error_status();
  return infer_pool_gradient(call, &images);
}

/* ---- gradients ---- */

#define PAIR(values)                                                                               \
  { (values)[0], (values)[1] }
#define MAX_SETTINGS(s)                                                                            \
  PAIR((s).window), .stride = PAIR((s).stride), .padding = PAIR((s).padding),                      \
                    .dilation = PAIR((s).dilation), .ceil_mode = (s).ceil_mode, .same = (s).same
#define AVERAGE_SETTINGS(s)                                                                        \
  PAIR((s).window), .stride = PAIR((s).stride), .padding = PAIR((s).padding),                      \
                    .ceil_mode = (s).ceil_mode, .same = (s).same,                                  \
                    .count_padding = (s).count_padding

wk_status wk_vjp_max_pool2d(wk_vjp *vjp) {
  const wk_pool2d_settings s = wk_pool2d_settings_of(vjp->op, vjp->arguments);
  vjp->input_gradients[0] =
      wk_max_pool2d_gradient(vjp->output_gradients[0], vjp->inputs[0], MAX_SETTINGS(s));
  return wk_error_status();
}

wk_status wk_vjp_max_pool2d_with_indices(wk_vjp *vjp) {
  return vjp->output_gradients[0] ? wk_vjp_max_pool2d(vjp) : WK_OK;
}

/* The places of the maxima do not move: x gets no gradient. */
wk_status wk_vjp_max_pool2d_gradient(wk_vjp *vjp) {
  const wk_pool2d_settings s = wk_pool2d_settings_of(vjp->op, vjp->arguments);
  if (vjp->needed[0])
    vjp->input_gradients[0] =
        wk_max_pool2d_pick(vjp->output_gradients[0], vjp->inputs[1], MAX_SETTINGS(s));
  return wk_error_status();
}

wk_status wk_vjp_max_pool2d_pick(wk_vjp *vjp) {
  const wk_pool2d_settings s = wk_pool2d_settings_of(vjp->op, vjp->arguments);
  if (vjp->needed[0])
    vjp->input_gradients[0] =
        wk_max_pool2d_gradient(vjp->output_gradients[0], vjp->inputs[1], MAX_SETTINGS(s));
  return wk_error_status();
}

wk_status wk_vjp_average_pool2d(wk_vjp *vjp) {
  const wk_pool2d_settings s = wk_pool2d_settings_of(vjp->op, vjp->arguments);
  const wk_shape shape = wk_layout_shape(&vjp->input_layouts[0]);
  vjp->input_gradients[0] =
      wk_average_pool2d_gradient(vjp->output_gradients[0], shape, AVERAGE_SETTINGS(s));
  return wk_error_status();
}

wk_status wk_vjp_average_pool2d_gradient(wk_vjp *vjp) {
  const wk_pool2d_settings s = wk_pool2d_settings_of(vjp->op, vjp->arguments);
  vjp->input_gradients[0] = wk_average_pool2d(vjp->output_gradients[0], AVERAGE_SETTINGS(s));
  return wk_error_status();
}

/* ---- max_unpool2d ---- */

static wk_status check_indices(const wk_layout *x, const wk_layout *indices) {
  if (wk_layout_same_dims(x, indices)) return check_images(x);
  wk_fail(WK_ERROR_SHAPE, "indices must have the sizes of x, one place for each element");
  wk_error_add_hint("wk_max_pool2d_with_indices gives both");
  return WK_ERROR_SHAPE;
}

wk_status wk_infer_max_unpool2d(wk_call *call) {
  const wk_max_unpool2d_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  const wk_status status = check_indices(x, &call->inputs[1]->layout);
  if (status != WK_OK) return status;
  const int64_t dims[] = {x->dims[0], a->size[0], a->size[1], x->dims[3]};
  return wk_infer_output(call, x->dtype, 4, dims);
}

wk_status wk_infer_max_unpool2d_gradient(wk_call *call) {
  const wk_layout *g = &call->inputs[0]->layout, *indices = &call->inputs[1]->layout;
  wk_status status = check_images(g);
  if (status == WK_OK) status = check_images(indices);
  if (status != WK_OK) return status;
  if (g->dims[0] != indices->dims[0] || g->dims[3] != indices->dims[3])
    return wk_fail(WK_ERROR_SHAPE, "g and indices must have equal N and C");
  return wk_infer_output(call, g->dtype, 4, indices->dims);
}

wk_status wk_vjp_max_unpool2d(wk_vjp *vjp) {
  vjp->input_gradients[0] = wk_max_unpool2d_gradient(vjp->output_gradients[0], vjp->inputs[1]);
  return wk_error_status();
}

wk_status wk_vjp_max_unpool2d_gradient(wk_vjp *vjp) {
  const int64_t *dims = vjp->input_layouts[0].dims;
  vjp->input_gradients[0] =
      wk_max_unpool2d(vjp->output_gradients[0], vjp->inputs[1], {dims[1], dims[2]});
  return wk_error_status();
}
