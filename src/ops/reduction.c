/* SPDX-License-Identifier: Apache-2.0 */
/* Reductions over axes that are kernels: shape rules and gradients. */
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

wk_status wk_reduced_count(const wk_layout *x, const wk_axes *axes, int64_t *count) {
  bool reduced[WK_MAX_RANK];
  const wk_status status = wk_reduced_axes(axes, x->rank, reduced);
  *count = 1;
  for (int i = 0; i < x->rank && status == WK_OK; i++) *count *= reduced[i] ? x->dims[i] : 1;
  return status;
}

wk_shape wk_reduced_kept_shape(const wk_layout *x, const wk_axes *axes) {
  bool reduced[WK_MAX_RANK];
  wk_shape shape = {.rank = x->rank};
  if (wk_reduced_axes(axes, x->rank, reduced) != WK_OK) return shape;
  for (int i = 0; i < x->rank; i++) shape.dims[i] = reduced[i] ? 1 : x->dims[i];
  return shape;
}

wk_status wk_reduced_not_empty(const wk_layout *x, const wk_axes *axes, const char *what) {
  bool reduced[WK_MAX_RANK];
  const wk_status status = wk_reduced_axes(axes, x->rank, reduced);
  for (int i = 0; i < x->rank && status == WK_OK; i++) {
    if (reduced[i] && x->dims[i] == 0)
      return wk_fail(WK_ERROR_SHAPE, "dimension %d is empty, so it has no %s", i, what);
  }
  return status;
}

wk_dtype wk_sum_dtype(wk_dtype dtype) { return wk_dtype_is_float(dtype) ? dtype : WK_I64; }

/* With keep_dims the reduced sizes are 1, else they are left out. */
static wk_status infer_reduction(wk_call *call, const wk_axes *axes, bool keep_dims,
                                 wk_dtype dtype) {
  const wk_layout *x = &call->inputs[0]->layout;
  bool reduced[WK_MAX_RANK];
  const wk_status status = wk_reduced_axes(axes, x->rank, reduced);
  if (status != WK_OK) return status;
  int64_t dims[WK_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < x->rank; i++) {
    if (!reduced[i] || keep_dims) dims[rank++] = reduced[i] ? 1 : x->dims[i];
  }
  return wk_infer_output(call, dtype, rank, dims);
}

/* ---- sum, product ---- */

wk_status wk_infer_sum(wk_call *call) {
  const wk_sum_arguments *a = call->arguments;
  return infer_reduction(call, &a->axes, a->keep_dims, wk_sum_dtype(call->inputs[0]->layout.dtype));
}

wk_status wk_vjp_sum(wk_vjp *vjp) {
  const wk_sum_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *g = vjp->output_gradients[0];
  if (g && g->layout.rank != x->rank && g->layout.rank != 0)
    g = wk_reshape(g, wk_reduced_kept_shape(x, &a->axes));
  vjp->input_gradients[0] = wk_broadcast_to(g, wk_layout_shape(x));
  return wk_error_status();
}

wk_status wk_infer_product(wk_call *call) {
  const wk_product_arguments *a = call->arguments;
  return infer_reduction(call, &a->axes, a->keep_dims, wk_sum_dtype(call->inputs[0]->layout.dtype));
}

/* The product of all elements but each one, over the reduced axes joined to a last one: that of
 * those before it times that of those behind it. A division would fail where there are zeros. */
wk_status wk_vjp_product(wk_vjp *vjp) {
  const wk_product_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  bool reduced[WK_MAX_RANK];
  wk_status status = wk_reduced_axes(&a->axes, x->rank, reduced);
  if (status != WK_OK) return status;
  wk_axes to_last = {.count = x->rank}, back = {.count = x->rank};
  wk_shape moved = {.rank = x->rank}, joined = {.rank = 0};
  int place = 0;
  int64_t count = 1;
  for (int last = 0; last < 2; last++) {
    for (int i = 0; i < x->rank; i++) {
      if (reduced[i] != (last == 1)) continue;
      back.axis[i] = place, moved.dims[place] = x->dims[i], to_last.axis[place++] = i;
      if (last == 0)
        joined.dims[joined.rank++] = x->dims[i];
      else
        count *= x->dims[i];
    }
  }
  joined.dims[joined.rank++] = count;
  wk_tensor *rows = wk_reshape(wk_permute(vjp->inputs[0], to_last), joined);
  wk_tensor *before = wk_cumulative_product(rows, -1, .exclusive = true);
  wk_tensor *behind = wk_cumulative_product(rows, -1, .exclusive = true, .reverse = true);
  wk_tensor *others = wk_permute(wk_reshape(wk_multiply(before, behind), moved), back);
  wk_tensor *g = wk_reshape(vjp->output_gradients[0], wk_reduced_kept_shape(x, &a->axes));
  vjp->input_gradients[0] = wk_multiply(others, g);
  return wk_error_status();
}

/* ---- max, min ---- */

static wk_status infer_extreme(wk_call *call, const wk_axes *axes, bool keep_dims,
                               const char *what) {
  const wk_layout *x = &call->inputs[0]->layout;
  const wk_status status = wk_reduced_not_empty(x, axes, what);
  return status != WK_OK ? status : infer_reduction(call, axes, keep_dims, x->dtype);
}

static wk_status vjp_extreme(wk_vjp *vjp, const wk_axes *axes) {
  wk_tensor *x = vjp->inputs[0];
  const wk_shape kept = wk_reduced_kept_shape(&vjp->input_layouts[0], axes);
  wk_tensor *found = wk_equal(x, wk_reshape(vjp->outputs[0], kept));
  wk_tensor *share = wk_cast(found, vjp->input_layouts[0].dtype);
  wk_tensor *count = wk_sum(share, .axes = *axes, .keep_dims = true);
  wk_tensor *g = wk_divide(wk_reshape(vjp->output_gradients[0], kept), count);
  vjp->input_gradients[0] = wk_multiply(g, share);
  return wk_error_status();
}

wk_status wk_infer_max(wk_call *call) {
  const wk_max_arguments *a = call->arguments;
  return infer_extreme(call, &a->axes, a->keep_dims, "largest element");
}

wk_status wk_infer_min(wk_call *call) {
  const wk_min_arguments *a = call->arguments;
  return infer_extreme(call, &a->axes, a->keep_dims, "smallest element");
}

wk_status wk_vjp_max(wk_vjp *vjp) {
  return vjp_extreme(vjp, &((const wk_max_arguments *)vjp->arguments)->axes);
}

wk_status wk_vjp_min(wk_vjp *vjp) {
  return vjp_extreme(vjp, &((const wk_min_arguments *)vjp->arguments)->axes);
}

static wk_status infer_place(wk_call *call, int axis, bool keep_dims, const char *what) {
  const wk_axes axes = {1, {axis}};
  const wk_status status = wk_reduced_not_empty(&call->inputs[0]->layout, &axes, what);
  return status != WK_OK ? status : infer_reduction(call, &axes, keep_dims, WK_I64);
}

wk_status wk_infer_argmax(wk_call *call) {
  const wk_argmax_arguments *a = call->arguments;
  return infer_place(call, a->axis, a->keep_dims, "largest element");
}

wk_status wk_infer_argmin(wk_call *call) {
  const wk_argmin_arguments *a = call->arguments;
  return infer_place(call, a->axis, a->keep_dims, "smallest element");
}

/* ---- all, any ---- */

wk_status wk_infer_all(wk_call *call) {
  const wk_all_arguments *a = call->arguments;
  return infer_reduction(call, &a->axes, a->keep_dims, WK_BOOL);
}

wk_status wk_infer_any(wk_call *call) {
  const wk_any_arguments *a = call->arguments;
  return infer_reduction(call, &a->axes, a->keep_dims, WK_BOOL);
}
