/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions over axes: shape rules, gradients and composites. */
#include "ops/reduction.h"
#include "base/error.h"
#include "ops/records.gen.h"

wk_status wk_reduced_axes(const wk_axes *axes, int rank, bool *reduced) {
  for (int i = 0; i < rank; i++) reduced[i] = axes->count == 0;
  for (int i = 0; i < axes->count; i++) {
    const int axis = wk_axis_resolve(axes->axis[i], rank);
    if (axis < 0) return wk_error_status();
    if (reduced[axis]) return wk_fail(WK_ERROR_ARGUMENT, "axis %d is given twice", axis);
    reduced[axis] = true;
  }
  return WK_OK;
}

/* Sizes after reducing; with keep_dims the reduced ones are 1, else they are left out. */
static int reduced_dims(const wk_layout *x, const bool *reduced, bool keep_dims, int64_t *dims) {
  int rank = 0;
  for (int i = 0; i < x->rank; i++) {
    if (!reduced[i])
      dims[rank++] = x->dims[i];
    else if (keep_dims)
      dims[rank++] = 1;
  }
  return rank;
}

static wk_status infer_reduction(wk_call *call, const wk_axes *axes, bool keep_dims,
                                 wk_dtype dtype) {
  const wk_layout *x = &call->inputs[0]->layout;
  bool reduced[WK_MAX_RANK];
  const wk_status status = wk_reduced_axes(axes, x->rank, reduced);
  if (status != WK_OK) return status;
  int64_t dims[WK_MAX_RANK];
  const int rank = reduced_dims(x, reduced, keep_dims, dims);
  return wk_infer_output(call, dtype, rank, dims);
}

/* Sizes of x with the reduced axes set to 1: what a gradient or a maximum must be reshaped to. */
static wk_shape kept_shape(const wk_layout *x, const wk_axes *axes) {
  bool reduced[WK_MAX_RANK];
  wk_shape shape = {.rank = x->rank};
  if (wk_reduced_axes(axes, x->rank, reduced) != WK_OK) return shape;
  for (int i = 0; i < x->rank; i++) shape.dims[i] = reduced[i] ? 1 : x->dims[i];
  return shape;
}

static wk_status check_not_empty(const wk_call *call, const wk_axes *axes) {
  const wk_layout *x = &call->inputs[0]->layout;
  bool reduced[WK_MAX_RANK];
  const wk_status status = wk_reduced_axes(axes, x->rank, reduced);
  for (int i = 0; i < x->rank && status == WK_OK; i++) {
    if (reduced[i] && x->dims[i] == 0) {
      return wk_fail(WK_ERROR_SHAPE, "dimension %d is empty, so it has no largest element", i);
    }
  }
  return status;
}

wk_status wk_infer_sum(wk_call *call) {
  const wk_sum_arguments *a = call->arguments;
  return infer_reduction(call, &a->axes, a->keep_dims, call->inputs[0]->layout.dtype);
}

wk_status wk_vjp_sum(wk_vjp *vjp) {
  const wk_sum_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *g = wk_reshape(vjp->output_gradients[0], kept_shape(x, &a->axes));
  vjp->input_gradients[0] = wk_broadcast_to(g, wk_layout_shape(x));
  return wk_error_status();
}

wk_status wk_infer_max(wk_call *call) {
  const wk_max_arguments *a = call->arguments;
  const wk_status status = check_not_empty(call, &a->axes);
  if (status != WK_OK) return status;
  return infer_reduction(call, &a->axes, a->keep_dims, call->inputs[0]->layout.dtype);
}

wk_status wk_vjp_max(wk_vjp *vjp) {
  const wk_max_arguments *a = vjp->arguments;
  wk_tensor *x = vjp->inputs[0];
  const wk_shape kept = kept_shape(&vjp->input_layouts[0], &a->axes);
  wk_tensor *largest = wk_equal(x, wk_reshape(vjp->outputs[0], kept));
  wk_tensor *share = wk_cast(largest, vjp->input_layouts[0].dtype);
  wk_tensor *count = wk_sum(share, .axes = a->axes, .keep_dims = true);
  wk_tensor *g = wk_divide(wk_reshape(vjp->output_gradients[0], kept), count);
  vjp->input_gradients[0] = wk_multiply(g, share);
  return wk_error_status();
}

wk_status wk_infer_argmax(wk_call *call) {
  const wk_argmax_arguments *a = call->arguments;
  const wk_axes axes = {1, {a->axis}};
  const wk_status status = check_not_empty(call, &axes);
  return status != WK_OK ? status : infer_reduction(call, &axes, a->keep_dims, WK_I64);
}

wk_status wk_composite_mean(wk_call *call) {
  const wk_mean_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  bool reduced[WK_MAX_RANK];
  const wk_status status = wk_reduced_axes(&a->axes, x->rank, reduced);
  if (status != WK_OK) return status;
  double count = 1;
  for (int i = 0; i < x->rank; i++) count *= reduced[i] ? (double)x->dims[i] : 1;
  wk_tensor *sum = wk_sum(call->inputs[0], .axes = a->axes, .keep_dims = a->keep_dims);
  call->outputs[0] = wk_divide(sum, wk_full(WK_SCALAR, count, .dtype = x->dtype,
                                            .device = wk_tensor_device_of(call->inputs[0])));
  return wk_error_status();
}
