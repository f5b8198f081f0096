/* SPDX-License-Identifier: Apache-2.0 */
/* Order along an axis: sort, top_k, and what is read off sorted elements. */
#include <math.h>

#include "base/error.h"
#include "ops/build.h"

/* ---- kernels ---- */

/* Where gradients go: to where their values stood. */
static wk_status vjp_places(wk_vjp *vjp, int axis) {
  wk_tensor *g = vjp->output_gradients[0];
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *zeros =
      wk_full(wk_layout_shape(x), 0, .dtype = x->dtype, .device = wk_tensor_device_of(g));
  vjp->input_gradients[0] = wk_scatter_add(zeros, vjp->outputs[1], g, axis);
  return wk_error_status();
}

static wk_status infer_pair(wk_call *call, int rank, const int64_t *dims) {
  const wk_status status = wk_infer_output(call, call->inputs[0]->layout.dtype, rank, dims);
  return status != WK_OK ? status : wk_infer_output_at(call, 1, WK_I64, rank, dims);
}

wk_status wk_infer_sort(wk_call *call) {
  wk_sort_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  a->axis = wk_axis_resolve(a->axis, x->rank);
  return a->axis < 0 ? wk_error_status() : infer_pair(call, x->rank, x->dims);
}

wk_status wk_vjp_sort(wk_vjp *vjp) {
  return vjp_places(vjp, ((const wk_sort_arguments *)vjp->arguments)->axis);
}

wk_status wk_composite_argsort(wk_call *call) {
  const wk_argsort_arguments *a = call->arguments;
  call->outputs[0] = wk_sort(call->inputs[0], a->axis, .descending = a->descending).indices;
  return wk_error_status();
}

/* Raises WK_ERROR_ARGUMENT for more elements than the axis has. */
static wk_status check_number(int64_t k, int64_t size, int axis) {
  if (k <= size) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "k is %lld, but dimension %d has %lld elements", (long long)k,
                 axis, (long long)size);
}

wk_status wk_infer_top_k(wk_call *call) {
  wk_top_k_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  a->axis = wk_axis_resolve(a->axis, x->rank);
  if (a->axis < 0) return wk_error_status();
  const wk_status status = check_number(a->k, x->dims[a->axis], a->axis);
  if (status != WK_OK) return status;
  wk_shape shape = wk_layout_shape(x);
  shape.dims[a->axis] = a->k;
  return infer_pair(call, shape.rank, shape.dims);
}

wk_status wk_vjp_top_k(wk_vjp *vjp) {
  return vjp_places(vjp, ((const wk_top_k_arguments *)vjp->arguments)->axis);
}

/* ---- one element of each line ---- */

/* The axis of an op that takes one element of each line, which must not be empty; or -1. */
static int line_axis(const wk_call *call, int axis) {
  const wk_layout *x = &call->inputs[0]->layout;
  axis = wk_axis_resolve(axis, x->rank);
  if (axis < 0 || x->dims[axis] > 0) return axis;
  wk_fail(WK_ERROR_SHAPE, "dimension %d is empty, so it has no %s", axis, call->op->name);
  return -1;
}

/* Element number `place` (a tensor with the axis of size 1) in order, and where it stood. */
static wk_status take_in_order(wk_call *call, wk_tensor *order, wk_tensor *place, int axis,
                               bool keep_dims) {
  wk_tensor *indices = wk_gather(order, place, axis);
  wk_tensor *values = wk_gather(call->inputs[0], indices, axis);
  call->outputs[0] = keep_dims ? values : wk_drop_axis(values, axis);
  call->outputs[1] = keep_dims ? indices : wk_drop_axis(indices, axis);
  return wk_error_status();
}

wk_status wk_composite_kth_value(wk_call *call) {
  const wk_kth_value_arguments *a = call->arguments;
  const int axis = line_axis(call, a->axis);
  if (axis < 0) return wk_error_status();
  wk_tensor *x = call->inputs[0];
  const wk_status status = check_number(a->k, x->layout.dims[axis], axis);
  if (status != WK_OK) return status;
  wk_tensor *indices = wk_slice(wk_argsort(x, axis), axis, a->k - 1, a->k);
  wk_tensor *values = wk_gather(x, indices, axis);
  call->outputs[0] = a->keep_dims ? values : wk_drop_axis(values, axis);
  call->outputs[1] = a->keep_dims ? indices : wk_drop_axis(indices, axis);
  return wk_error_status();
}

/* Place (n - 1) / 2 of the n that are not NaN, of each line. NaN stand last in order. */
static wk_tensor *middle_place(wk_tensor *x, int axis) {
  wk_tensor *count = wk_sum(wk_equal(x, x), .axes = WK_AXES(axis), .keep_dims = true);
  wk_tensor *half = wk_multiply(wk_subtract(wk_cast(count, WK_F64), wk_scalar(1)), wk_scalar(0.5));
  return wk_cast(half, WK_I64);
}

wk_status wk_composite_median(wk_call *call) {
  const wk_median_arguments *a = call->arguments;
  const int axis = line_axis(call, a->axis);
  if (axis < 0) return wk_error_status();
  wk_tensor *x = call->inputs[0];
  const int64_t size = x->layout.dims[axis];
  wk_tensor *whole = wk_all(wk_equal(x, x), .axes = WK_AXES(axis), .keep_dims = true);
  wk_tensor *place = wk_where(whole, wk_scalar((size - 1) / 2), wk_scalar(size - 1));
  return take_in_order(call, wk_argsort(x, axis), wk_cast_if_other(place, WK_I64), axis,
                       a->keep_dims);
}

wk_status wk_composite_nan_median(wk_call *call) {
  const wk_nan_median_arguments *a = call->arguments;
  const int axis = line_axis(call, a->axis);
  if (axis < 0) return wk_error_status();
  wk_tensor *x = call->inputs[0];
  return take_in_order(call, wk_argsort(x, axis), middle_place(x, axis), axis, a->keep_dims);
}

/* In order, equal elements form runs. How many of its run an element has before it follows a linear
 * recurrence; the first largest such number is at the end of the longest run. */
wk_status wk_composite_mode(wk_call *call) {
  const wk_mode_arguments *a = call->arguments;
  const int axis = line_axis(call, a->axis);
  if (axis < 0) return wk_error_status();
  wk_tensor *x = call->inputs[0];
  const int64_t size = x->layout.dims[axis];
  const wk_sort_result sorted = wk_sort(x, axis);
  wk_tensor *same =
      wk_equal(wk_slice(sorted.values, axis, 1, size), wk_slice(sorted.values, axis, 0, size - 1));
  wk_shape before = {.rank = x->layout.rank}, after = {.rank = x->layout.rank};
  before.dims[axis] = 1;
  wk_tensor *goes_on = wk_pad(wk_cast(same, WK_F64), before, after);
  wk_tensor *run = wk_linear_recurrence(goes_on, goes_on, axis);
  wk_tensor *place = wk_argmax(run, axis, .keep_dims = true);
  return take_in_order(call, sorted.indices, place, axis, a->keep_dims);
}

wk_status wk_composite_in_top_k(wk_call *call) {
  const wk_in_top_k_arguments *a = call->arguments;
  wk_tensor *scores = call->inputs[0], *targets = call->inputs[1];
  if (scores->layout.rank != 2 || targets->layout.rank != 1 ||
      scores->layout.dims[0] != targets->layout.dims[0])
    return wk_fail(WK_ERROR_SHAPE, "scores must be [N, C], with one target for each row");
  wk_tensor *own = wk_gather(scores, wk_add_axis(targets, 1), 1);
  wk_tensor *above = wk_sum(wk_greater(scores, own), .axes = WK_AXES(1));
  call->outputs[0] = wk_less(above, wk_scalar(a->k));
  return wk_error_status();
}

/* ---- quantiles ---- */

/* The elements at f64 places (axis of size 1) in order, between two elements by `method`. */
static wk_tensor *read_between(wk_tensor *sorted, wk_tensor *place, int axis,
                               wk_quantile_method method) {
  wk_tensor *low = wk_cast(place, WK_I64); /* places are not negative: this rounds down */
  wk_tensor *part = wk_subtract(place, wk_cast(low, WK_F64));
  wk_tensor *high = wk_add(low, wk_cast(wk_greater(part, wk_scalar(0)), WK_I64));
  if (method == WK_QUANTILE_METHOD_LOWER) return wk_gather(sorted, low, axis);
  if (method == WK_QUANTILE_METHOD_HIGHER) return wk_gather(sorted, high, axis);
  if (method == WK_QUANTILE_METHOD_NEAREST) {
    /* Halfway, the even place. */
    wk_tensor *half = wk_multiply(wk_cast(low, WK_F64), wk_scalar(0.5));
    wk_tensor *odd = wk_not_equal(half, wk_cast(wk_cast(half, WK_I64), WK_F64));
    wk_tensor *up =
        wk_where(odd, wk_greater_equal(part, wk_scalar(0.5)), wk_greater(part, wk_scalar(0.5)));
    return wk_gather(sorted, wk_where(up, high, low), axis);
  }
  wk_tensor *below = wk_gather(sorted, low, axis), *above = wk_gather(sorted, high, axis);
  if (!below) return NULL;
  wk_tensor *weight = method == WK_QUANTILE_METHOD_MIDPOINT
                          ? wk_where(wk_greater(part, wk_scalar(0)), wk_scalar(0.5), wk_scalar(0.0))
                          : part;
  weight = wk_cast(weight, below->layout.dtype);
  return wk_add(below, wk_multiply(weight, wk_subtract(above, below)));
}

static wk_status finish_quantile(wk_call *call, wk_tensor *y, int axis, bool keep_dims) {
  call->outputs[0] = keep_dims ? y : wk_drop_axis(y, axis);
  return wk_error_status();
}

wk_status wk_composite_quantile(wk_call *call) {
  const wk_quantile_arguments *a = call->arguments;
  const int axis = line_axis(call, a->axis);
  if (axis < 0) return wk_error_status();
  wk_tensor *x = call->inputs[0];
  const int64_t size = x->layout.dims[axis];
  wk_tensor *sorted = wk_sort(x, axis).values, *last = wk_slice(sorted, axis, size - 1, size);
  if (!last) return wk_error_status();
  wk_tensor *place = wk_full(wk_tensor_shape(last), a->level * (double)(size - 1), .dtype = WK_F64,
                             .device = wk_tensor_device_of(x));
  wk_tensor *y = read_between(sorted, place, axis, a->method);
  y = wk_where(wk_not_equal(last, last), last, y); /* a NaN stands last */
  return finish_quantile(call, y, axis, a->keep_dims);
}

wk_status wk_composite_nan_quantile(wk_call *call) {
  const wk_nan_quantile_arguments *a = call->arguments;
  const int axis = line_axis(call, a->axis);
  if (axis < 0) return wk_error_status();
  wk_tensor *x = call->inputs[0];
  wk_tensor *count = wk_sum(wk_equal(x, x), .axes = WK_AXES(axis), .keep_dims = true);
  wk_tensor *last = wk_maximum(wk_subtract(count, wk_scalar(1)), wk_scalar(0));
  wk_tensor *place = wk_multiply(wk_cast(last, WK_F64), wk_scalar(a->level));
  wk_tensor *y = read_between(wk_sort(x, axis).values, place, axis, a->method);
  return finish_quantile(call, y, axis, a->keep_dims);
}
