/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling of sequences and volumes, in adaptive bins and over whole images: all in terms of
 * pooling images. A window's largest element and mean can be found one axis after the other. */
#include <float.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"
#include "ops/window.h"

static wk_status check_rank(const wk_call *call, int rank, const char *axes) {
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank == rank) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "x has %d dimensions; it must be %s", x->rank, axes);
  wk_error_add_hint("channels are the last axis; wk_reshape can add a missing one of size 1");
  return WK_ERROR_SHAPE;
}

/* ---- sequences [N, L, C], as images of one row ---- */

wk_status wk_composite_max_pool1d(wk_call *call) {
  const wk_max_pool1d_arguments *a = call->arguments;
  if (check_rank(call, 3, "[N, L, C]") != WK_OK) return wk_error_status();
  wk_tensor *y =
      wk_max_pool2d(wk_as_row(call->inputs[0]), {1, a->window},
                    .stride = {1, a->stride ? a->stride : a->window}, .padding = {0, a->padding},
                    .dilation = {1, a->dilation}, .ceil_mode = a->ceil_mode);
  call->outputs[0] = wk_from_row(y);
  return wk_error_status();
}

wk_status wk_composite_average_pool1d(wk_call *call) {
  const wk_average_pool1d_arguments *a = call->arguments;
  if (check_rank(call, 3, "[N, L, C]") != WK_OK) return wk_error_status();
  wk_tensor *y = wk_average_pool2d(wk_as_row(call->inputs[0]), {1, a->window},
                                   .stride = {1, a->stride ? a->stride : a->window},
                                   .padding = {0, a->padding}, .ceil_mode = a->ceil_mode,
                                   .count_padding = a->count_padding);
  call->outputs[0] = wk_from_row(y);
  return wk_error_status();
}

/* ---- volumes [N, D, H, W, C], their slices first, then along the depth ---- */

static wk_tensor *as_slices(wk_tensor *x) {
  const int64_t *dims = x->layout.dims;
  return wk_reshape(x, WK_SHAPE(dims[0] * dims[1], dims[2], dims[3], dims[4]));
}

/* y [N * D, OH, OW, C] as images [N, D, OH * OW, C] of columns. */
static wk_tensor *as_columns(wk_tensor *y, const int64_t *volumes) {
  if (!y) return NULL;
  const int64_t *dims = y->layout.dims;
  return wk_reshape(y, WK_SHAPE(volumes[0], volumes[1], dims[1] * dims[2], dims[3]));
}

/* z [N, OD, OH * OW, C] with the sizes of a slice y. */
static wk_tensor *as_volumes(wk_tensor *z, wk_tensor *y) {
  if (!z) return NULL;
  const int64_t *dims = z->layout.dims, *slice = y->layout.dims;
  return wk_reshape(z, WK_SHAPE(dims[0], dims[1], slice[1], slice[2], dims[3]));
}

/* The steps along axis i: those given, else the window's size. */
#define STEP(a, i)                                                                                 \
  ((a)->stride[i] ? (a)->stride[i] : (a)->stride[0] ? (a)->stride[0] : (a)->window[i])

wk_status wk_composite_max_pool3d(wk_call *call) {
  const wk_max_pool3d_arguments *a = call->arguments;
  if (check_rank(call, 5, "[N, D, H, W, C]") != WK_OK) return wk_error_status();
  wk_tensor *x = call->inputs[0];
  wk_tensor *y =
      wk_max_pool2d(as_slices(x), {a->window[1], a->window[2]}, .stride = {STEP(a, 1), STEP(a, 2)},
                    .padding = {a->padding[1], a->padding[2]},
                    .dilation = {a->dilation[1], a->dilation[2]}, .ceil_mode = a->ceil_mode);
  wk_tensor *z = wk_max_pool2d(as_columns(y, x->layout.dims), {a->window[0], 1},
                               .stride = {STEP(a, 0), 1}, .padding = {a->padding[0], 0},
                               .dilation = {a->dilation[0], 1}, .ceil_mode = a->ceil_mode);
  call->outputs[0] = as_volumes(z, y);
  return wk_error_status();
}

wk_status wk_composite_average_pool3d(wk_call *call) {
  const wk_average_pool3d_arguments *a = call->arguments;
  if (check_rank(call, 5, "[N, D, H, W, C]") != WK_OK) return wk_error_status();
  wk_tensor *x = call->inputs[0];
  wk_tensor *y = wk_average_pool2d(as_slices(x), {a->window[1], a->window[2]},
                                   .stride = {STEP(a, 1), STEP(a, 2)},
                                   .padding = {a->padding[1], a->padding[2]},
                                   .ceil_mode = a->ceil_mode, .count_padding = a->count_padding);
  wk_tensor *z = wk_average_pool2d(as_columns(y, x->layout.dims), {a->window[0], 1},
                                   .stride = {STEP(a, 0), 1}, .padding = {a->padding[0], 0},
                                   .ceil_mode = a->ceil_mode, .count_padding = a->count_padding);
  call->outputs[0] = as_volumes(z, y);
  return wk_error_status();
}

/* ---- adaptive bins ---- */

/* Whether bins of `count` axes from axis 1 on are windows of one size without overlap. */
static wk_status check_bins(const wk_layout *x, const int64_t *sizes, int count, bool *regular) {
  *regular = true;
  for (int i = 0; i < count; i++) {
    const int64_t size = x->dims[1 + i];
    if (size < 1 || size > INT32_MAX || sizes[i] > INT32_MAX)
      return wk_fail(WK_ERROR_SHAPE, "dimension %d of size %lld cannot be divided into %lld bins",
                     1 + i, (long long)size, (long long)sizes[i]);
    *regular = *regular && size % sizes[i] == 0;
  }
  return WK_OK;
}

/* Means over bins of `count` axes from axis 1 on, the one that shrinks most first. */
static wk_status average_bins(wk_call *call, const int64_t *sizes, int count) {
  wk_tensor *x = call->inputs[0];
  bool regular, done[3] = {false};
  if (check_bins(&x->layout, sizes, count, &regular) != WK_OK) return wk_error_status();
  for (int turn = 0; turn < count; turn++) {
    int best = -1;
    double least = 0;
    for (int i = 0; i < count; i++) {
      const double factor = (double)sizes[i] / (double)call->inputs[0]->layout.dims[1 + i];
      if (done[i] || (best >= 0 && factor >= least)) continue;
      best = i, least = factor;
    }
    done[best] = true;
    x = wk_resample(x, 1 + best, sizes[best], .mode = WK_INTERPOLATION_AREA);
  }
  call->outputs[0] = x;
  return wk_error_status();
}

wk_status wk_composite_adaptive_average_pool1d(wk_call *call) {
  const wk_adaptive_average_pool1d_arguments *a = call->arguments;
  const wk_status status = check_rank(call, 3, "[N, L, C]");
  return status != WK_OK ? status : average_bins(call, &a->size, 1);
}

wk_status wk_composite_adaptive_average_pool3d(wk_call *call) {
  const wk_adaptive_average_pool3d_arguments *a = call->arguments;
  const wk_status status = check_rank(call, 5, "[N, D, H, W, C]");
  return status != WK_OK ? status : average_bins(call, a->size, 3);
}

wk_status wk_composite_adaptive_average_pool2d(wk_call *call) {
  const wk_adaptive_average_pool2d_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  bool regular;
  wk_status status = check_rank(call, 4, "[N, H, W, C]");
  if (status == WK_OK) status = check_bins(x, a->size, 2, &regular);
  if (status != WK_OK) return status;
  if (!regular) return average_bins(call, a->size, 2);
  call->outputs[0] =
      wk_average_pool2d(call->inputs[0], {x->dims[1] / a->size[0], x->dims[2] / a->size[1]});
  return wk_error_status();
}

/* The largest of each of `count` bins along an axis. */
static wk_tensor *max_bins(wk_tensor *x, int axis, int64_t count) {
  wk_tensor **bins = wk_allocate_zeroed((size_t)count, sizeof *bins);
  if (!bins || !x) return wk_deallocate(bins), NULL;
  for (int64_t i = 0; i < count; i++) {
    int64_t begin, end;
    wk_adaptive_bin(x->layout.dims[axis], count, i, &begin, &end);
    bins[i] = wk_max(wk_slice(x, axis, begin, end), .axes = WK_AXES(axis), .keep_dims = true);
  }
  wk_tensor *y = wk_concatenate((wk_tensors){(size_t)count, bins}, axis);
  wk_deallocate(bins);
  return y;
}

wk_status wk_composite_adaptive_max_pool2d(wk_call *call) {
  const wk_adaptive_max_pool2d_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  bool regular;
  wk_status status = check_rank(call, 4, "[N, H, W, C]");
  if (status == WK_OK) status = check_bins(&x->layout, a->size, 2, &regular);
  if (status != WK_OK) return status;
  const int64_t *dims = x->layout.dims;
  call->outputs[0] = regular ? wk_max_pool2d(x, {dims[1] / a->size[0], dims[2] / a->size[1]})
                             : max_bins(max_bins(x, 1, a->size[0]), 2, a->size[1]);
  return wk_error_status();
}

wk_status wk_composite_adaptive_max_pool1d(wk_call *call) {
  const wk_adaptive_max_pool1d_arguments *a = call->arguments;
  if (check_rank(call, 3, "[N, L, C]") != WK_OK) return wk_error_status();
  call->outputs[0] = wk_from_row(wk_adaptive_max_pool2d(wk_as_row(call->inputs[0]), {1, a->size}));
  return wk_error_status();
}

/* ---- whole images ---- */

wk_status wk_composite_global_average_pool2d(wk_call *call) {
  if (check_rank(call, 4, "[N, H, W, C]") != WK_OK) return wk_error_status();
  call->outputs[0] = wk_mean(call->inputs[0], .axes = WK_AXES(1, 2));
  return wk_error_status();
}

wk_status wk_composite_global_max_pool2d(wk_call *call) {
  if (check_rank(call, 4, "[N, H, W, C]") != WK_OK) return wk_error_status();
  call->outputs[0] = wk_max(call->inputs[0], .axes = WK_AXES(1, 2));
  return wk_error_status();
}

/* ---- norms ---- */

/* x >= 0 to a power. At 0 the slope is taken to be 0, too: where x is less than any normal number a
 * constant stands for it. */
static wk_tensor *power(wk_tensor *x, double exponent) {
  if (!x || exponent == 1) return x;
  const wk_dtype dtype = x->layout.dtype;
  const double tiny = dtype == WK_F64 ? DBL_MIN : dtype == WK_F16 ? 0x1p-14 : FLT_MIN;
  wk_tensor *normal = wk_maximum(x, wk_scalar(tiny));
  wk_tensor *y =
      exponent == 0.5 ? wk_sqrt(normal) : wk_exp(wk_multiply(wk_log(normal), wk_scalar(exponent)));
  return wk_where(wk_greater(x, wk_scalar(0)), y, wk_scalar(0));
}

wk_status wk_composite_lp_pool2d(wk_call *call) {
  const wk_lp_pool2d_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  if (check_rank(call, 4, "[N, H, W, C]") != WK_OK) return wk_error_status();
  wk_tensor *powers = a->p == 2 ? wk_multiply(x, x) : power(wk_maximum(x, wk_negative(x)), a->p);
  wk_tensor *mean = wk_average_pool2d(powers, {a->window[0], a->window[1]},
                                      .stride = {a->stride[0], a->stride[1]});
  const double count = (double)a->window[0] * (double)a->window[1];
  call->outputs[0] = power(wk_multiply(mean, wk_scalar(count)), 1 / a->p);
  return wk_error_status();
}

/* ---- local response normalisation: a mean over neighbouring channels ---- */

wk_status wk_composite_local_response_norm(wk_call *call) {
  const wk_local_response_norm_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const wk_layout *layout = &x->layout;
  if (layout->rank < 1 || layout->dims[layout->rank - 1] < 1)
    return wk_fail(WK_ERROR_SHAPE, "x has no channels; they are its last axis");
  if (a->size > INT32_MAX) return wk_fail(WK_ERROR_ARGUMENT, "size is too large");
  const int64_t channels = layout->dims[layout->rank - 1];
  const wk_shape before = {4, {0, 0, a->size / 2, 0}}, after = {4, {0, 0, (a->size - 1) / 2, 0}};
  wk_tensor *squares =
      wk_reshape(wk_multiply(x, x), WK_SHAPE(1, wk_layout_count(layout) / channels, channels, 1));
  wk_tensor *mean =
      wk_average_pool2d(wk_pad(squares, before, after), {1, a->size}, .stride = {1, 1});
  wk_tensor *base = wk_add(wk_multiply(mean, wk_scalar(a->alpha)), wk_scalar(a->k));
  wk_tensor *factor = wk_exp(wk_multiply(wk_log(base), wk_scalar(-a->beta)));
  call->outputs[0] = wk_multiply(x, wk_reshape(factor, wk_layout_shape(layout)));
  return wk_error_status();
}
