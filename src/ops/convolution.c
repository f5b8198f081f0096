/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions of sequences and volumes, transposed and separable ones: in terms of conv2d and of
 * its gradient with respect to the images. */
#include "base/error.h"
#include "ops/records.gen.h"
#include "ops/window.h"

static wk_status check_rank(const wk_tensor *tensor, int rank, const char *name, const char *axes) {
  if (tensor->layout.rank == rank) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "%s has %d dimensions; it must be %s", name, tensor->layout.rank, axes);
  wk_error_add_hint("channels are the last axis of x; wk_reshape can add a dimension of size 1");
  return WK_ERROR_SHAPE;
}

wk_tensor *wk_as_row(wk_tensor *x) {
  if (!x) return NULL;
  const int64_t *dims = x->layout.dims;
  return wk_reshape(x, WK_SHAPE(dims[0], 1, dims[1], dims[2]));
}

wk_tensor *wk_from_row(wk_tensor *y) {
  if (!y) return NULL;
  const int64_t *dims = y->layout.dims;
  return wk_reshape(y, WK_SHAPE(dims[0], dims[2], dims[3]));
}

wk_status wk_composite_conv1d(wk_call *call) {
  const wk_conv1d_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *weight = call->inputs[1];
  if (check_rank(x, 3, "x", "[N, L, C]") != WK_OK ||
      check_rank(weight, 3, "weight", "[O, K, C / groups]") != WK_OK)
    return wk_error_status();
  call->outputs[0] =
      wk_from_row(wk_conv2d(wk_as_row(x), wk_as_row(weight), .bias = call->inputs[2],
                            .stride = {1, a->stride}, .padding = {0, a->padding}, .same = a->same,
                            .dilation = {1, a->dilation}, .groups = a->groups));
  return wk_error_status();
}

/* ---- volumes: a sum over the filters' slices ---- */

/* Slice `index` of filters [O, KD, KH, KW, I] as [O, KH, KW, I]. */
static wk_tensor *filter_slice(wk_tensor *weight, int64_t index) {
  const int64_t *d = weight->layout.dims;
  return wk_reshape(wk_slice(weight, 1, index, index + 1), WK_SHAPE(d[0], d[2], d[3], d[4]));
}

/* Slices start, start + step, .. of volumes, `count` of each, as images. */
static wk_tensor *volume_slices(wk_tensor *x, int64_t start, int64_t step, int64_t count) {
  const int64_t *d = x->layout.dims;
  const wk_shape images = WK_SHAPE(d[0] * count, d[2], d[3], d[4]);
  wk_tensor *part = wk_slice(x, 1, start, start + count * step);
  if (step == 1) return wk_reshape(part, images);
  part = wk_reshape(part, WK_SHAPE(d[0], count, step, d[2], d[3], d[4]));
  return wk_reshape(wk_slice(part, 2, 0, 1), images);
}

static wk_tensor *pad_depth(wk_tensor *x, int64_t before, int64_t after) {
  if (before == 0 && after == 0) return x;
  return wk_pad(x, WK_SHAPE(0, before, 0, 0, 0), WK_SHAPE(0, after, 0, 0, 0));
}

static wk_status check_volumes(const wk_call *call, const char *filters) {
  const wk_tensor *weight = call->inputs[1];
  if (check_rank(call->inputs[0], 5, "x", "[N, D, H, W, C]") != WK_OK ||
      check_rank(weight, 5, "weight", filters) != WK_OK)
    return wk_error_status();
  if (weight->layout.dims[1] > 0) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "the filters have a depth of 0");
}

/* Sizes near the edge of int64_t would overflow below. */
static wk_status check_magnitude(int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                                 int64_t dilation) {
  if (size <= INT32_MAX && stride <= INT32_MAX && padding <= INT32_MAX && dilation <= INT32_MAX &&
      kernel <= INT32_MAX)
    return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "a size, stride, padding or dilation is too large");
}

wk_status wk_composite_conv3d(wk_call *call) {
  const wk_conv3d_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *weight = call->inputs[1];
  if (check_volumes(call, "[O, KD, KH, KW, C / groups]") != WK_OK) return wk_error_status();
  const int64_t depth = x->layout.dims[1], batch = x->layout.dims[0];
  const int64_t kernel = weight->layout.dims[1];
  const int64_t stride = a->stride[0], padding = a->padding[0], dilation = a->dilation[0];
  if (check_magnitude(depth, kernel, stride, padding, dilation) != WK_OK) return wk_error_status();
  const int64_t room = depth + 2 * padding - dilation * (kernel - 1) - 1;
  if (room < 0) {
    wk_fail(WK_ERROR_SHAPE,
            "the window's depth (%lld) is larger than the volume's with padding (%lld)",
            (long long)(dilation * (kernel - 1) + 1), (long long)(depth + 2 * padding));
    wk_error_add_hint("use more padding, or a smaller window");
    return WK_ERROR_SHAPE;
  }
  const int64_t out = room / stride + 1;
  const int64_t missing = (kernel - 1) * dilation + out * stride - depth - 2 * padding;
  x = pad_depth(x, padding, padding + (missing > 0 ? missing : 0));
  wk_tensor *sum = NULL;
  for (int64_t k = 0; k < kernel && x; k++) {
    wk_tensor *y =
        wk_conv2d(volume_slices(x, k * dilation, stride, out), filter_slice(weight, k),
                  .bias = k == 0 ? call->inputs[2] : NULL, .stride = {a->stride[1], a->stride[2]},
                  .padding = {a->padding[1], a->padding[2]},
                  .dilation = {a->dilation[1], a->dilation[2]}, .groups = a->groups);
    sum = sum ? wk_add(sum, y) : y;
  }
  if (!sum) return wk_error_status();
  const int64_t *d = sum->layout.dims;
  call->outputs[0] = wk_reshape(sum, WK_SHAPE(batch, out, d[1], d[2], d[3]));
  return wk_error_status();
}

/* ---- transposed ---- */

/* The size of y along one axis, or -1 with an error. */
static int64_t transposed_size(int64_t size, int64_t kernel, int64_t stride, int64_t padding,
                               int64_t output_padding, int64_t dilation) {
  if (check_magnitude(size, kernel, stride, padding, dilation) != WK_OK) return -1;
  if (output_padding >= stride && output_padding >= dilation) {
    wk_fail(WK_ERROR_ARGUMENT,
            "output_padding (%lld) must be less than stride (%lld) or dilation (%lld)",
            (long long)output_padding, (long long)stride, (long long)dilation);
    wk_error_add_hint("it tells apart the sizes that conv2d would bring to one");
    return -1;
  }
  const int64_t out =
      (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1;
  if (size > 0 && kernel > 0 && out > 0) return out;
  wk_fail(WK_ERROR_SHAPE, "size %lld would become %lld", (long long)size, (long long)out);
  wk_error_add_hint("padding takes off each side of the result; use less");
  return -1;
}

static wk_status check_transposed(const wk_tensor *x, const wk_tensor *weight,
                                  const wk_tensor *bias, int64_t groups) {
  const wk_layout *images = &x->layout, *filters = &weight->layout;
  const int64_t channels = images->dims[images->rank - 1];
  const int64_t out = filters->dims[filters->rank - 1] * groups;
  if (filters->dims[0] != channels || channels % groups != 0) {
    wk_fail(WK_ERROR_SHAPE,
            "the images have %lld channels, but the filters are for %lld in %lld groups",
            (long long)channels, (long long)filters->dims[0], (long long)groups);
    wk_error_add_hint("filters of transposed convolutions are [I, KH, KW, O / groups]");
    return WK_ERROR_SHAPE;
  }
  if (!bias || (bias->layout.rank == 1 && bias->layout.dims[0] == out)) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "the bias must be [%lld], one for each filter", (long long)out);
}

wk_status wk_composite_conv_transpose2d(wk_call *call) {
  const wk_conv_transpose2d_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *weight = call->inputs[1], *bias = call->inputs[2];
  if (check_rank(x, 4, "x", "[N, H, W, I]") != WK_OK ||
      check_rank(weight, 4, "weight", "[I, KH, KW, O / groups]") != WK_OK ||
      check_transposed(x, weight, bias, a->groups) != WK_OK)
    return wk_error_status();
  const int64_t *dims = x->layout.dims, *filters = weight->layout.dims;
  wk_shape y = WK_SHAPE(dims[0], 0, 0, filters[3] * a->groups), more = {4, {0}};
  for (int i = 0; i < 2; i++) {
    y.dims[1 + i] = transposed_size(dims[1 + i], filters[1 + i], a->stride[i], a->padding[i],
                                    a->output_padding[i], a->dilation[i]);
    if (y.dims[1 + i] < 0) return wk_error_status();
    /* conv2d of so large an image has results of its own there: zeros of x stand for them. */
    more.dims[1 + i] = a->output_padding[i] / a->stride[i];
  }
  if (more.dims[1] || more.dims[2]) x = wk_pad(x, (wk_shape){4, {0}}, more);
  wk_tensor *images =
      wk_conv2d_data_gradient(x, weight, y, .stride = {a->stride[0], a->stride[1]},
                              .padding = {a->padding[0], a->padding[1]},
                              .dilation = {a->dilation[0], a->dilation[1]}, .groups = a->groups);
  call->outputs[0] = bias ? wk_add(images, bias) : images;
  return wk_error_status();
}

wk_status wk_composite_conv_transpose1d(wk_call *call) {
  const wk_conv_transpose1d_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *weight = call->inputs[1];
  if (check_rank(x, 3, "x", "[N, L, I]") != WK_OK ||
      check_rank(weight, 3, "weight", "[I, K, O / groups]") != WK_OK)
    return wk_error_status();
  call->outputs[0] =
      wk_from_row(wk_conv_transpose2d(wk_as_row(x), wk_as_row(weight), .bias = call->inputs[2],
                                      .stride = {1, a->stride}, .padding = {0, a->padding},
                                      .output_padding = {0, a->output_padding},
                                      .dilation = {1, a->dilation}, .groups = a->groups));
  return wk_error_status();
}

/* What one slice of the filters gives, at its place in a result of `depth` slices: slice i of y, of
 * which there are `count` for each example, goes to start + i * step. */
static wk_tensor *place_slices(wk_tensor *y, int64_t batch, int64_t count, int64_t start,
                               int64_t step, int64_t depth) {
  if (!y) return NULL;
  const int64_t *d = y->layout.dims, size = d[1] * d[2] * d[3];
  wk_tensor *spread = wk_reshape(y, WK_SHAPE(batch, count, 1, size));
  spread = wk_pad(spread, WK_SHAPE(0, 0, 0, 0), WK_SHAPE(0, 0, step - 1, 0));
  spread = wk_reshape(spread, WK_SHAPE(batch, count * step, d[1], d[2], d[3]));
  return pad_depth(spread, start, depth - start - count * step);
}

wk_status wk_composite_conv_transpose3d(wk_call *call) {
  const wk_conv_transpose3d_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *weight = call->inputs[1], *bias = call->inputs[2];
  if (check_volumes(call, "[I, KD, KH, KW, O / groups]") != WK_OK ||
      check_transposed(x, weight, bias, a->groups) != WK_OK)
    return wk_error_status();
  const int64_t *d = x->layout.dims, kernel = weight->layout.dims[1];
  const int64_t stride = a->stride[0], dilation = a->dilation[0];
  const int64_t out =
      transposed_size(d[1], kernel, stride, a->padding[0], a->output_padding[0], dilation);
  if (out < 0) return wk_error_status();
  wk_tensor *images = wk_reshape(x, WK_SHAPE(d[0] * d[1], d[2], d[3], d[4])), *sum = NULL;
  const int64_t whole = d[1] * stride + dilation * (kernel - 1) + a->output_padding[0];
  for (int64_t k = 0; k < kernel; k++) {
    wk_tensor *y =
        wk_conv_transpose2d(images, filter_slice(weight, k), .stride = {a->stride[1], a->stride[2]},
                            .padding = {a->padding[1], a->padding[2]},
                            .output_padding = {a->output_padding[1], a->output_padding[2]},
                            .dilation = {a->dilation[1], a->dilation[2]}, .groups = a->groups);
    y = place_slices(y, d[0], d[1], k * dilation, stride, whole);
    sum = sum ? wk_add(sum, y) : y;
  }
  sum = wk_slice(sum, 1, a->padding[0], a->padding[0] + out);
  call->outputs[0] = bias ? wk_add(sum, bias) : wk_contiguous(sum);
  return wk_error_status();
}

/* ---- separable ---- */

wk_status wk_composite_separable_conv2d(wk_call *call) {
  const wk_separable_conv2d_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const wk_layout *pointwise = &call->inputs[2]->layout;
  if (check_rank(x, 4, "x", "[N, H, W, C]") != WK_OK ||
      check_rank(call->inputs[2], 4, "pointwise", "[O, 1, 1, C * m]") != WK_OK)
    return wk_error_status();
  if (pointwise->dims[1] != 1 || pointwise->dims[2] != 1)
    return wk_fail(WK_ERROR_SHAPE, "pointwise must be [O, 1, 1, C * m]: filters of one pixel");
  wk_tensor *y = wk_conv2d(x, call->inputs[1], .stride = {a->stride[0], a->stride[1]},
                           .padding = {a->padding[0], a->padding[1]}, .same = a->same,
                           .dilation = {a->dilation[0], a->dilation[1]},
                           .groups = x->layout.dims[3] > 0 ? x->layout.dims[3] : 1);
  call->outputs[0] = wk_conv2d(y, call->inputs[2], .bias = call->inputs[3]);
  return wk_error_status();
}
