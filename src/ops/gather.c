/* SPDX-License-Identifier: Apache-2.0 */
/* Ops whose index tensor has the sizes of what is picked or put: gather, scatter and their like. */
#include "base/error.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* ---- sizes ---- */

/* index must have x's rank and, but along the axis, no larger sizes. Returns the axis or -1. */
static int check_index(const wk_layout *x, const wk_layout *index, int axis) {
  const int resolved = wk_axis_or_zero(axis, x->rank);
  if (resolved < 0) return -1;
  if (index->rank != x->rank) {
    wk_fail(WK_ERROR_SHAPE, "index has %d dimensions, x has %d", index->rank, x->rank);
    wk_error_add_hint("there is one index for each element; wk_index_select takes whole rows");
    return -1;
  }
  for (int i = 0; i < x->rank; i++) {
    if (i == resolved || index->dims[i] <= x->dims[i]) continue;
    wk_fail(WK_ERROR_SHAPE, "index has size %lld in dimension %d, x only %lld",
            (long long)index->dims[i], i, (long long)x->dims[i]);
    wk_error_add_hint("only along axis %d may index be larger than x", resolved);
    return -1;
  }
  return resolved;
}

wk_status wk_infer_gather(wk_call *call) {
  wk_gather_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout, *index = &call->inputs[1]->layout;
  const int axis = check_index(x, index, a->axis);
  if (axis < 0) return wk_error_status();
  a->axis = axis;
  return wk_infer_output(call, x->dtype, index->rank, index->dims);
}

wk_status wk_infer_scatter_of(wk_call *call, int *axis) {
  const wk_layout *x = &call->inputs[0]->layout, *index = &call->inputs[1]->layout;
  const wk_layout *source = &call->inputs[2]->layout;
  *axis = check_index(x, index, *axis);
  if (*axis < 0) return wk_error_status();
  bool fits = source->rank == index->rank;
  for (int i = 0; fits && i < index->rank; i++) fits = index->dims[i] <= source->dims[i];
  if (!fits) {
    wk_fail(WK_ERROR_SHAPE, "source must have an element for each of index");
    wk_error_add_hint("give source the sizes of index, or larger ones");
    return WK_ERROR_SHAPE;
  }
  return wk_infer_output(call, x->dtype, x->rank, x->dims);
}

wk_status wk_infer_scatter(wk_call *call) {
  return wk_infer_scatter_of(call, &((wk_scatter_arguments *)call->arguments)->axis);
}

wk_status wk_infer_scatter_add(wk_call *call) {
  return wk_infer_scatter_of(call, &((wk_scatter_add_arguments *)call->arguments)->axis);
}

/* ---- gradients ---- */

wk_status wk_vjp_gather(wk_vjp *vjp) {
  const wk_gather_arguments *a = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0];
  wk_tensor *zeros = wk_zeros_shaped(&vjp->input_layouts[0], g);
  vjp->input_gradients[0] = wk_scatter_add(zeros, vjp->inputs[1], g, a->axis);
  return wk_error_status();
}

wk_tensor *wk_pad_behind(wk_tensor *g, const wk_layout *source) {
  if (!g || wk_layout_same_dims(&g->layout, source)) return g;
  wk_shape before = {.rank = source->rank}, after = before;
  for (int i = 0; i < source->rank; i++) after.dims[i] = source->dims[i] - g->layout.dims[i];
  return wk_pad(g, before, after);
}

static wk_tensor *gradient_of_source(const wk_vjp *vjp, wk_tensor *g, int axis) {
  return wk_pad_behind(wk_gather(g, vjp->inputs[1], axis), &vjp->input_layouts[2]);
}

/* Of elements put in the same place only the last one lasts, and only it gets a gradient. */
wk_status wk_vjp_scatter(wk_vjp *vjp) {
  const wk_scatter_arguments *a = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0], *index = vjp->inputs[1];
  const wk_layout *x = &vjp->input_layouts[0];
  if (vjp->needed[0]) {
    wk_layout like_index = index->layout;
    like_index.dtype = x->dtype;
    vjp->input_gradients[0] = wk_scatter(g, index, wk_zeros_shaped(&like_index, g), a->axis);
  }
  if (vjp->needed[2]) {
    wk_layout places = *x;
    places.dtype = WK_I64;
    wk_tensor *order = wk_reshape(wk_counting(wk_tensor_count(index), g), wk_tensor_shape(index));
    wk_tensor *last = wk_scatter(wk_zeros_shaped(&places, g), index, order, a->axis);
    wk_tensor *lasts = wk_equal(wk_gather(last, index, a->axis), order);
    wk_tensor *kept = wk_where(lasts, wk_gather(g, index, a->axis), wk_scalar(0));
    vjp->input_gradients[2] = wk_pad_behind(kept, &vjp->input_layouts[2]);
  }
  return wk_error_status();
}

wk_status wk_vjp_scatter_add(wk_vjp *vjp) {
  const wk_scatter_add_arguments *a = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0];
  vjp->input_gradients[0] = g;
  if (vjp->needed[2]) vjp->input_gradients[2] = gradient_of_source(vjp, g, a->axis);
  return wk_error_status();
}
