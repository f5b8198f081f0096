/* SPDX-License-Identifier: Apache-2.0 */
/* Ops along neighbouring axes: the softmax family, and picking by label. */
#include "ops/row.h"

#include "base/error.h"
#include "ops/records.gen.h"

wk_status wk_middle_of(const wk_axes *axes, const wk_layout *layout, wk_middle *middle) {
  if (layout->rank < 1) return wk_fail(WK_ERROR_SHAPE, "there is no last axis in a single number");
  bool within[WK_MAX_RANK] = {false};
  if (axes->count == 0) within[layout->rank - 1] = true;
  for (int i = 0; i < axes->count; i++) {
    const int axis = wk_axis_resolve(axes->axis[i], layout->rank);
    if (axis < 0) return wk_error_status();
    if (within[axis]) return wk_fail(WK_ERROR_ARGUMENT, "axis %d is given twice", axis);
    within[axis] = true;
  }
  *middle = (wk_middle){1, 1, 1};
  int stage = 0; /* 0: before, 1: within, 2: behind the axes */
  for (int i = 0; i < layout->rank; i++) {
    if (within[i] != (stage == 1)) stage++;
    if (stage > 2) {
      wk_fail(WK_ERROR_ARGUMENT, "the axes are not neighbours");
      wk_error_add_hint("wk_permute brings axes together");
      return WK_ERROR_ARGUMENT;
    }
    *(stage == 0   ? &middle->outer
      : stage == 1 ? &middle->count
                   : &middle->inner) *= layout->dims[i];
  }
  return WK_OK;
}

static wk_status infer_same(wk_call *call, const wk_axes *axes) {
  const wk_layout *x = &call->inputs[0]->layout;
  wk_middle middle;
  const wk_status status = wk_middle_of(axes, x, &middle);
  if (status != WK_OK) return status;
  for (int i = 0; i < call->input_count; i++) {
    if (!wk_layout_same_dims(&call->inputs[i]->layout, x)) {
      return wk_fail(WK_ERROR_SHAPE, "g and y must have the same sizes");
    }
  }
  return wk_infer_output(call, x->dtype, x->rank, x->dims);
}

/* The axes as a reduction takes them, for which none means all. */
static wk_axes reduced_axes(const wk_call *call, const wk_axes *axes) {
  if (axes->count > 0 || call->inputs[0]->layout.rank == 0) return *axes;
  return (wk_axes){1, {-1}};
}

wk_status wk_infer_softmax(wk_call *call) {
  const wk_softmax_arguments *a = call->arguments;
  return infer_same(call, &a->axes);
}

wk_status wk_infer_log_softmax(wk_call *call) {
  const wk_log_softmax_arguments *a = call->arguments;
  return infer_same(call, &a->axes);
}

wk_status wk_infer_softmax_gradient(wk_call *call) {
  const wk_softmax_gradient_arguments *a = call->arguments;
  return infer_same(call, &a->axes);
}

wk_status wk_infer_log_softmax_gradient(wk_call *call) {
  const wk_log_softmax_gradient_arguments *a = call->arguments;
  return infer_same(call, &a->axes);
}

wk_status wk_vjp_softmax(wk_vjp *vjp) {
  const wk_softmax_arguments *a = vjp->arguments;
  vjp->input_gradients[0] =
      wk_softmax_gradient(vjp->output_gradients[0], vjp->outputs[0], .axes = a->axes);
  return wk_error_status();
}

wk_status wk_vjp_log_softmax(wk_vjp *vjp) {
  const wk_log_softmax_arguments *a = vjp->arguments;
  vjp->input_gradients[0] =
      wk_log_softmax_gradient(vjp->output_gradients[0], vjp->outputs[0], .axes = a->axes);
  return wk_error_status();
}

wk_status wk_composite_softmax_gradient(wk_call *call) {
  const wk_softmax_gradient_arguments *a = call->arguments;
  wk_tensor *g = call->inputs[0], *y = call->inputs[1];
  wk_tensor *mean =
      wk_sum(wk_multiply(g, y), .axes = reduced_axes(call, &a->axes), .keep_dims = true);
  call->outputs[0] = wk_multiply(y, wk_subtract(g, mean));
  return wk_error_status();
}

wk_status wk_composite_log_softmax_gradient(wk_call *call) {
  const wk_log_softmax_gradient_arguments *a = call->arguments;
  wk_tensor *g = call->inputs[0], *y = call->inputs[1];
  wk_tensor *total = wk_sum(g, .axes = reduced_axes(call, &a->axes), .keep_dims = true);
  call->outputs[0] = wk_subtract(g, wk_multiply(wk_exp(y), total));
  return wk_error_status();
}

/* ---- picking by label ---- */

static wk_status check_labels(const wk_layout *labels, const int64_t *dims, int rank) {
  bool same = labels->rank == rank;
  for (int i = 0; same && i < rank; i++) same = labels->dims[i] == dims[i];
  return same ? WK_OK : wk_fail(WK_ERROR_SHAPE, "there must be one label for each row");
}

wk_status wk_infer_pick_label(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  if (x->rank < 1) return wk_fail(WK_ERROR_SHAPE, "there are no classes in a single number");
  const wk_status status = check_labels(&call->inputs[1]->layout, x->dims, x->rank - 1);
  return status != WK_OK ? status : wk_infer_output(call, x->dtype, x->rank - 1, x->dims);
}

wk_status wk_infer_spread_label(wk_call *call) {
  const wk_spread_label_arguments *a = call->arguments;
  const wk_layout *g = &call->inputs[0]->layout;
  const wk_status status = check_labels(&call->inputs[1]->layout, g->dims, g->rank);
  if (status != WK_OK) return status;
  if (g->rank == WK_MAX_RANK) return wk_fail(WK_ERROR_SHAPE, "g has too many dimensions");
  wk_layout y = *g;
  y.dims[y.rank++] = a->classes;
  return wk_infer_output(call, g->dtype, y.rank, y.dims);
}

wk_status wk_vjp_pick_label(wk_vjp *vjp) {
  const wk_pick_label_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  vjp->input_gradients[0] = wk_spread_label(vjp->output_gradients[0], vjp->inputs[1],
                                            x->dims[x->rank - 1], .ignore_index = a->ignore_index);
  return wk_error_status();
}

wk_status wk_vjp_spread_label(wk_vjp *vjp) {
  const wk_spread_label_arguments *a = vjp->arguments;
  vjp->input_gradients[0] =
      wk_pick_label(vjp->output_gradients[0], vjp->inputs[1], .ignore_index = a->ignore_index);
  return wk_error_status();
}
