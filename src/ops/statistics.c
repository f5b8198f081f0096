/* SPDX-License-Identifier: Apache-2.0 */
/* Composites over axes: means, variances, norms, counts, comparisons of whole tensors. */
#include <math.h>

#include "base/error.h"
#include "ops/build.h"
#include "ops/norm.h"
#include "ops/reduction.h"

/* ---- means and variances ---- */

static wk_tensor *mean_of(wk_tensor *x, const wk_axes *axes, bool keep_dims) {
  int64_t count;
  if (wk_reduced_count(&x->layout, axes, &count) != WK_OK) return NULL;
  wk_tensor *sum = wk_sum(x, .axes = *axes, .keep_dims = keep_dims);
  return wk_divide(sum, wk_full(WK_SCALAR, (double)count, .dtype = x->layout.dtype,
                                .device = wk_tensor_device_of(x)));
}

wk_status wk_composite_mean(wk_call *call) {
  const wk_mean_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  call->outputs[0] =
      wk_cast_if_other(mean_of(wk_to_accumulate(x), &a->axes, a->keep_dims), x->layout.dtype);
  return wk_error_status();
}

/* The sum of squares of x, less `mean` with the axes kept if there is one; a single op where the
 * axes are neighbours. */
static wk_tensor *square_sum(wk_tensor *x, wk_tensor *mean, const wk_axes *axes, bool keep_dims) {
  bool reduced[WK_MAX_RANK];
  if (!x) return NULL;
  const wk_layout *layout = &x->layout;
  if (wk_reduced_axes(axes, layout->rank, reduced) != WK_OK) return NULL;
  wk_shape whole = {.rank = 3, .dims = {1, 1, 1}}, result = {.rank = 0};
  int part = 0; /* of the three */
  for (int i = 0; i < layout->rank; i++) {
    if (!reduced[i] || keep_dims) result.dims[result.rank++] = reduced[i] ? 1 : layout->dims[i];
    if (layout->dims[i] == 1) continue;
    if (reduced[i] != (part == 1)) part++;
    if (part < 3) whole.dims[part] *= layout->dims[i];
  }
  if (part > 2) {
    wk_tensor *distance = mean ? wk_subtract(x, mean) : x;
    return wk_sum(wk_multiply(distance, distance), .axes = *axes, .keep_dims = keep_dims);
  }
  const wk_shape kept = WK_SHAPE(whole.dims[0], whole.dims[2]);
  wk_tensor *sums =
      wk_square_sum(wk_reshape(x, whole), .mean = mean ? wk_reshape(mean, kept) : NULL);
  return sums ? wk_reshape(sums, result) : NULL;
}

/* The mean, with the axes kept, and the variance of x; two passes, so that a large mean does no
 * harm. */
static wk_tensor *variance_of(wk_tensor *x, const wk_axes *axes, bool keep_dims, bool population,
                              wk_tensor **mean) {
  int64_t count;
  if (wk_reduced_count(&x->layout, axes, &count) != WK_OK) return NULL;
  *mean = mean_of(x, axes, true);
  if (!*mean) return NULL;
  wk_tensor *sum = square_sum(x, *mean, axes, keep_dims);
  const double divisor = population ? (double)count : count > 0 ? (double)count - 1 : 0;
  return wk_divide(sum, wk_full(WK_SCALAR, divisor, .dtype = x->layout.dtype,
                                .device = wk_tensor_device_of(x)));
}

wk_status wk_composite_variance(wk_call *call) {
  const wk_variance_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *mean;
  wk_tensor *variance =
      variance_of(wk_to_accumulate(x), &a->axes, a->keep_dims, a->population, &mean);
  call->outputs[0] = wk_cast_if_other(variance, x->layout.dtype);
  return wk_error_status();
}

wk_status wk_composite_standard_deviation(wk_call *call) {
  const wk_standard_deviation_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *mean;
  wk_tensor *variance =
      variance_of(wk_to_accumulate(x), &a->axes, a->keep_dims, a->population, &mean);
  call->outputs[0] = wk_cast_if_other(variance ? wk_safe_sqrt(variance) : NULL, x->layout.dtype);
  return wk_error_status();
}

wk_status wk_composite_moments(wk_call *call) {
  const wk_moments_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *mean = NULL;
  wk_tensor *variance =
      variance_of(wk_to_accumulate(x), &a->axes, a->keep_dims, a->population, &mean);
  if (!variance) return wk_error_status();
  if (!a->keep_dims) mean = wk_reshape(mean, wk_tensor_shape(variance));
  call->outputs[0] = wk_cast_if_other(mean, x->layout.dtype);
  call->outputs[1] = wk_cast_if_other(variance, x->layout.dtype);
  return wk_error_status();
}

static wk_tensor *without_nan(wk_tensor *x, wk_tensor *is_nan) {
  return wk_where(is_nan, wk_scalar(0), x);
}

wk_status wk_composite_nan_sum(wk_call *call) {
  const wk_nan_sum_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  call->outputs[0] =
      wk_sum(without_nan(x, wk_not_equal(x, x)), .axes = a->axes, .keep_dims = a->keep_dims);
  return wk_error_status();
}

wk_status wk_composite_nan_mean(wk_call *call) {
  const wk_nan_mean_arguments *a = call->arguments;
  wk_tensor *given = call->inputs[0], *x = wk_to_accumulate(given);
  wk_tensor *count =
      wk_sum(wk_cast(wk_equal(x, x), x->layout.dtype), .axes = a->axes, .keep_dims = a->keep_dims);
  wk_tensor *sum =
      wk_sum(without_nan(x, wk_not_equal(x, x)), .axes = a->axes, .keep_dims = a->keep_dims);
  call->outputs[0] = wk_cast_if_other(wk_divide(sum, count), given->layout.dtype);
  return wk_error_status();
}

static wk_tensor *covariance(wk_tensor *x, bool population) {
  if (x->layout.rank != 2) {
    wk_fail(WK_ERROR_SHAPE, "x must be [variables, observations]");
    return NULL;
  }
  const double count = (double)x->layout.dims[1];
  wk_tensor *distance = wk_subtract(x, mean_of(x, &WK_AXES(1), true));
  return wk_divide(wk_matmul(distance, wk_transposed(distance)),
                   wk_scalar(population ? count : count - 1));
}

wk_status wk_composite_covariance(wk_call *call) {
  const wk_covariance_arguments *a = call->arguments;
  call->outputs[0] = covariance(call->inputs[0], a->population);
  return wk_error_status();
}

wk_status wk_composite_correlation(wk_call *call) {
  wk_tensor *c = covariance(call->inputs[0], true);
  wk_tensor *size = wk_sqrt(wk_diagonal(c));
  if (!size) return wk_error_status();
  call->outputs[0] = wk_divide(wk_divide(c, size), wk_add_axis(size, 1));
  return wk_error_status();
}

/* ---- log_sum_exp, norm ---- */

wk_status wk_composite_log_sum_exp(wk_call *call) {
  const wk_log_sum_exp_arguments *a = call->arguments;
  wk_tensor *given = call->inputs[0], *x = wk_to_accumulate(given), *y;
  int64_t count;
  if (wk_reduced_count(&x->layout, &a->axes, &count) != WK_OK) return wk_error_status();
  if (count == 0) {
    y = wk_log(wk_sum(x, .axes = a->axes, .keep_dims = a->keep_dims));
  } else {
    /* The largest is only a shift: no gradient flows through it. An infinite one would make NaN. */
    const bool recorded = wk_gradients_pause();
    wk_tensor *shift = wk_max(x, .axes = a->axes, .keep_dims = true);
    shift = wk_replace(wk_replace(shift, INFINITY, 0), -INFINITY, 0);
    wk_gradients_resume(recorded);
    wk_tensor *sum =
        wk_sum(wk_exp(wk_subtract(x, shift)), .axes = a->axes, .keep_dims = a->keep_dims);
    y = wk_log(sum);
    if (y) y = wk_add(y, wk_reshape(shift, wk_tensor_shape(y)));
  }
  call->outputs[0] = wk_cast_if_other(y, given->layout.dtype);
  return wk_error_status();
}

wk_tensor *wk_norm_over(wk_tensor *x, double order, const wk_axes *axes, bool keep_dims) {
  if (order == 2) {
    wk_tensor *squares = square_sum(x, NULL, axes, keep_dims);
    return squares ? wk_safe_sqrt(squares) : NULL;
  }
  if (order == 0) {
    wk_tensor *other = wk_cast(wk_not_equal(x, wk_scalar(0)), x->layout.dtype);
    return wk_sum(other, .axes = *axes, .keep_dims = keep_dims);
  }
  wk_tensor *size = wk_abs(x);
  if (order == 1) return wk_sum(size, .axes = *axes, .keep_dims = keep_dims);
  if (order == INFINITY) return wk_max(size, .axes = *axes, .keep_dims = keep_dims);
  if (order == -INFINITY) return wk_min(size, .axes = *axes, .keep_dims = keep_dims);
  /* A power as exp(p * log); of 0 it is 0, or with a negative p infinity, and has no gradient. */
  wk_tensor *is_zero = wk_equal(size, wk_scalar(0));
  wk_tensor *power =
      wk_exp(wk_multiply(wk_log(wk_where(is_zero, wk_scalar(1), size)), wk_scalar(order)));
  power = wk_where(is_zero, wk_scalar(order > 0 ? 0.0 : INFINITY), power);
  wk_tensor *sum = wk_sum(power, .axes = *axes, .keep_dims = keep_dims);
  wk_tensor *is_empty = wk_equal(sum, wk_scalar(0));
  wk_tensor *root =
      wk_exp(wk_multiply(wk_log(wk_where(is_empty, wk_scalar(1), sum)), wk_scalar(1 / order)));
  return wk_where(is_empty, wk_scalar(order > 0 ? 0.0 : INFINITY), root);
}

wk_status wk_composite_norm(wk_call *call) {
  const wk_norm_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  if (isnan(a->order)) return wk_fail(WK_ERROR_ARGUMENT, "the order is not a number");
  if (isinf(a->order)) {
    const wk_status status = wk_reduced_not_empty(&x->layout, &a->axes, "largest element");
    if (status != WK_OK) return status;
  }
  wk_tensor *y = wk_norm_over(wk_to_accumulate(x), a->order, &a->axes, a->keep_dims);
  call->outputs[0] = wk_cast_if_other(y, x->layout.dtype);
  return wk_error_status();
}

/* ---- counts and places ---- */

wk_status wk_composite_count_nonzero(wk_call *call) {
  const wk_count_nonzero_arguments *a = call->arguments;
  call->outputs[0] = wk_sum(wk_not_equal(call->inputs[0], wk_scalar(0)), .axes = a->axes,
                            .keep_dims = a->keep_dims);
  return wk_error_status();
}

wk_status wk_composite_min_max(wk_call *call) {
  const wk_min_max_arguments *a = call->arguments;
  call->outputs[0] = wk_min(call->inputs[0], .axes = a->axes, .keep_dims = a->keep_dims);
  call->outputs[1] = wk_max(call->inputs[0], .axes = a->axes, .keep_dims = a->keep_dims);
  return wk_error_status();
}

static wk_status take_at(wk_call *call, wk_tensor *indices, int axis, bool keep_dims) {
  if (!indices) return wk_error_status();
  wk_tensor *values = wk_gather(call->inputs[0], indices, axis);
  const int dropped = wk_axis_resolve(axis, call->inputs[0]->layout.rank);
  call->outputs[0] = keep_dims ? values : wk_drop_axis(values, dropped);
  call->outputs[1] = keep_dims ? indices : wk_drop_axis(indices, dropped);
  return wk_error_status();
}

wk_status wk_composite_max_with_index(wk_call *call) {
  const wk_max_with_index_arguments *a = call->arguments;
  wk_tensor *indices = wk_argmax(call->inputs[0], a->axis, .keep_dims = true);
  return take_at(call, indices, a->axis, a->keep_dims);
}

wk_status wk_composite_min_with_index(wk_call *call) {
  const wk_min_with_index_arguments *a = call->arguments;
  wk_tensor *indices = wk_argmin(call->inputs[0], a->axis, .keep_dims = true);
  return take_at(call, indices, a->axis, a->keep_dims);
}

/* ---- comparisons of whole tensors ---- */

wk_status wk_composite_all_equal(wk_call *call) {
  wk_tensor *x = call->inputs[0], *y = call->inputs[1];
  if (wk_layout_same_dims(&x->layout, &y->layout))
    call->outputs[0] = wk_all(wk_equal(x, y));
  else
    call->outputs[0] = wk_full(WK_SCALAR, 0, .dtype = WK_BOOL, .device = wk_tensor_device_of(x));
  return wk_error_status();
}

wk_status wk_composite_all_close(wk_call *call) {
  const wk_all_close_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *y = call->inputs[1];
  wk_tensor *distance = wk_abs(wk_subtract(x, y)), *size = wk_abs(y);
  wk_tensor *allowed = wk_add(wk_multiply(size, wk_scalar(a->relative)), wk_scalar(a->absolute));
  wk_tensor *near = wk_less_equal(distance, allowed);
  near = wk_where(wk_equal(size, wk_scalar(INFINITY)), wk_equal(x, y), near);
  if (a->equal_nan) near = wk_where(wk_not_equal(x, x), wk_not_equal(y, y), near);
  call->outputs[0] = wk_all(near);
  return wk_error_status();
}
