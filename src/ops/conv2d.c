/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution and its two gradients: a closed set, since each one's gradients are the other two. */
#include <string.h>

#include "base/error.h"
#include "ops/records.gen.h"
#include "ops/window.h"

wk_conv2d_settings wk_conv2d_settings_of(const wk_op *op, const void *arguments) {
  wk_conv2d_settings s;
#define COPY(type)                                                                                 \
  do {                                                                                             \
    const type *a = arguments;                                                                     \
    memcpy(s.stride, a->stride, sizeof s.stride);                                                  \
    memcpy(s.padding, a->padding, sizeof s.padding);                                               \
    memcpy(s.dilation, a->dilation, sizeof s.dilation);                                            \
    s.groups = a->groups, s.same = a->same;                                                        \
  } while (0)
  if (op->id == WK_OP_CONV2D)
    COPY(wk_conv2d_arguments);
  else if (op->id == WK_OP_CONV2D_DATA_GRADIENT)
    COPY(wk_conv2d_data_gradient_arguments);
  else
    COPY(wk_conv2d_weight_gradient_arguments);
#undef COPY
  return s;
}

static wk_status resolve_axis(wk_window_axis *axis, int64_t padding, bool same, const char *name) {
  const int64_t reach = axis->dilation * (axis->kernel - 1) + 1;
  if (same) {
    axis->out = (axis->size + axis->stride - 1) / axis->stride;
    const int64_t total = (axis->out - 1) * axis->stride + reach - axis->size;
    axis->padding_before = total > 0 ? total / 2 : 0;
    return WK_OK;
  }
  axis->padding_before = padding;
  const int64_t room = axis->size + 2 * padding - reach;
  if (room < 0) {
    wk_fail(WK_ERROR_SHAPE, "the window's %s (%lld) is larger than the image's with padding (%lld)",
            name, (long long)reach, (long long)(axis->size + 2 * padding));
    wk_error_add_hint("use .same = true, more padding, or a smaller window");
    return WK_ERROR_SHAPE;
  }
  axis->out = room / axis->stride + 1;
  return WK_OK;
}

/* Sizes near the edge of int64_t would overflow in the arithmetic above. */
static wk_status check_magnitude(const int64_t *values, int count) {
  for (int i = 0; i < count; i++) {
    if (values[i] > INT32_MAX) {
      return wk_fail(WK_ERROR_ARGUMENT, "%lld is too large a size", (long long)values[i]);
    }
  }
  return WK_OK;
}

wk_status wk_conv2d_geometry_of(const wk_conv2d_settings *s, const int64_t *dims,
                                const int64_t *filter, wk_conv2d_geometry *g) {
  wk_window_axis axes[2] = {0};
  for (int i = 0; i < 2; i++) {
    axes[i] = (wk_window_axis){.size = dims[1 + i],
                               .kernel = filter[1 + i],
                               .stride = s->stride[i],
                               .dilation = s->dilation[i]};
  }
  *g = (wk_conv2d_geometry){.window = {axes[0], axes[1]},
                            .batch = dims[0],
                            .channels = dims[3],
                            .out_channels = filter[0],
                            .groups = s->groups};
  const int64_t sizes[] = {dims[1],       dims[2],      filter[1],      filter[2],
                           s->stride[0],  s->stride[1], s->dilation[0], s->dilation[1],
                           s->padding[0], s->padding[1]};
  wk_status status = check_magnitude(sizes, sizeof sizes / sizeof *sizes);
  if (status != WK_OK) return status;
  if (filter[0] % s->groups != 0 || filter[1] < 1 || filter[2] < 1) {
    return wk_fail(WK_ERROR_SHAPE, "%lld filters of %lldx%lld do not divide into %lld groups",
                   (long long)filter[0], (long long)filter[1], (long long)filter[2],
                   (long long)s->groups);
  }
  if (filter[3] * s->groups != dims[3]) {
    wk_fail(WK_ERROR_SHAPE, "the images have %lld channels, but the filters are for %lld",
            (long long)dims[3], (long long)(filter[3] * s->groups));
    wk_error_add_hint("images are [N, H, W, C], channels last; wk_permute(x, WK_AXES(0, 2, 3, 1)) "
                      "turns [N, C, H, W] into that");
    return WK_ERROR_SHAPE;
  }
  status = resolve_axis(&g->window.height, s->padding[0], s->same, "height");
  return status != WK_OK ? status : resolve_axis(&g->window.width, s->padding[1], s->same, "width");
}

static wk_status check_images(const char *name, const wk_layout *layout, const char *axes) {
  if (layout->rank == 4) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "%s has %d dimensions; it must be %s", name, layout->rank, axes);
  wk_error_add_hint(layout->rank == 3 ? "wk_reshape can add the missing dimension: one channel is "
                                        "[N, H, W, 1], one image [1, H, W, C]"
                                      : "wk_reshape and wk_permute bring tensors into that form");
  return WK_ERROR_SHAPE;
}

static wk_status check_bias(const wk_tensor *bias, int64_t out_channels) {
  if (!bias || (bias->layout.rank == 1 && bias->layout.dims[0] == out_channels)) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "the bias must be [%lld], one for each filter",
                 (long long)out_channels);
}

wk_status wk_infer_conv2d(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout, *w = &call->inputs[1]->layout;
  wk_status status = check_images("x", x, "[N, H, W, C]");
  if (status == WK_OK) status = check_images("weight", w, "[O, KH, KW, C / groups]");
  const wk_conv2d_settings settings = wk_conv2d_settings_of(call->op, call->arguments);
  wk_conv2d_geometry g;
  if (status == WK_OK) status = wk_conv2d_geometry_of(&settings, x->dims, w->dims, &g);
  if (status == WK_OK) status = check_bias(call->inputs[2], g.out_channels);
  if (status != WK_OK) return status;
  return wk_infer_output(call, x->dtype, 4,
                         (int64_t[]){g.batch, g.window.height.out, g.window.width.out,
                                     g.out_channels});
}

/* Checks that g is what conv2d of these sizes gives; both gradients end so. */
static wk_status infer_gradient(wk_call *call, const wk_shape *result, const int64_t *dims,
                                const int64_t *filter) {
  const wk_layout *given = &call->inputs[0]->layout;
  wk_status status = check_images("g", given, "[N, OH, OW, O]");
  const wk_conv2d_settings settings = wk_conv2d_settings_of(call->op, call->arguments);
  wk_conv2d_geometry g;
  if (status == WK_OK) status = wk_conv2d_geometry_of(&settings, dims, filter, &g);
  if (status != WK_OK) return status;
  const int64_t expected[] = {g.batch, g.window.height.out, g.window.width.out, g.out_channels};
  if (memcmp(expected, given->dims, sizeof expected) != 0) {
    return wk_fail(WK_ERROR_SHAPE, "g should be [%lld, %lld, %lld, %lld]", (long long)expected[0],
                   (long long)expected[1], (long long)expected[2], (long long)expected[3]);
  }
  return wk_infer_output(call, given->dtype, result->rank, result->dims);
}

wk_status wk_infer_conv2d_data_gradient(wk_call *call) {
  const wk_conv2d_data_gradient_arguments *a = call->arguments;
  const wk_layout *weight = &call->inputs[1]->layout;
  if (a->shape.rank != 4) return wk_fail(WK_ERROR_SHAPE, "shape must be [N, H, W, C]");
  const wk_status status = check_images("weight", weight, "[O, KH, KW, C / groups]");
  return status != WK_OK ? status : infer_gradient(call, &a->shape, a->shape.dims, weight->dims);
}

wk_status wk_infer_conv2d_weight_gradient(wk_call *call) {
  const wk_conv2d_weight_gradient_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[1]->layout;
  if (a->shape.rank != 4) return wk_fail(WK_ERROR_SHAPE, "shape must be [O, KH, KW, C / groups]");
  const wk_status status = check_images("x", x, "[N, H, W, C]");
  return status != WK_OK ? status : infer_gradient(call, &a->shape, x->dims, a->shape.dims);
}

/* ---- gradients ---- */

#define SETTINGS(s)                                                                                \
  .stride = {(s).stride[0], (s).stride[1]}, .padding = {(s).padding[0], (s).padding[1]},           \
  .same = (s).same, .dilation = {(s).dilation[0], (s).dilation[1]}, .groups = (s).groups

wk_status wk_vjp_conv2d(wk_vjp *vjp) {
  const wk_conv2d_settings s = wk_conv2d_settings_of(vjp->op, vjp->arguments);
  wk_tensor *g = vjp->output_gradients[0];
  if (vjp->needed[0]) {
    const wk_shape shape = wk_layout_shape(&vjp->input_layouts[0]);
    vjp->input_gradients[0] = wk_conv2d_data_gradient(g, vjp->inputs[1], shape, SETTINGS(s));
  }
  if (vjp->needed[1]) {
    const wk_shape shape = wk_layout_shape(&vjp->input_layouts[1]);
    vjp->input_gradients[1] = wk_conv2d_weight_gradient(g, vjp->inputs[0], shape, SETTINGS(s));
  }
  if (vjp->needed[2]) vjp->input_gradients[2] = wk_sum(g, .axes = WK_AXES(0, 1, 2));
  return wk_error_status();
}

wk_status wk_vjp_conv2d_data_gradient(wk_vjp *vjp) {
  const wk_conv2d_settings s = wk_conv2d_settings_of(vjp->op, vjp->arguments);
  wk_tensor *x = vjp->output_gradients[0];
  if (vjp->needed[0]) vjp->input_gradients[0] = wk_conv2d(x, vjp->inputs[1], SETTINGS(s));
  if (vjp->needed[1]) {
    const wk_shape shape = wk_layout_shape(&vjp->input_layouts[1]);
    vjp->input_gradients[1] = wk_conv2d_weight_gradient(vjp->inputs[0], x, shape, SETTINGS(s));
  }
  return wk_error_status();
}

wk_status wk_vjp_conv2d_weight_gradient(wk_vjp *vjp) {
  const wk_conv2d_settings s = wk_conv2d_settings_of(vjp->op, vjp->arguments);
  wk_tensor *weight = vjp->output_gradients[0];
  if (vjp->needed[0]) vjp->input_gradients[0] = wk_conv2d(vjp->inputs[1], weight, SETTINGS(s));
  if (vjp->needed[1]) {
    const wk_shape shape = wk_layout_shape(&vjp->input_layouts[1]);
    vjp->input_gradients[1] = wk_conv2d_data_gradient(vjp->inputs[0], weight, shape, SETTINGS(s));
  }
  return wk_error_status();
}
