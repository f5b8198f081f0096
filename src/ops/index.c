/* SPDX-License-Identifier: Apache-2.0 */
/* Ops whose index tensors take the place of axes: index_get, index_put and what is made of them. */
#include "base/error.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* ---- the two primitives ---- */

static wk_status make_plan(wk_call *call, int first, int *axis, wk_index_plan *plan) {
  const wk_layout *x = &call->inputs[0]->layout, *indices[WK_MAX_INPUTS];
  const int count = call->input_count - first;
  for (int k = 0; k < count; k++) indices[k] = &call->inputs[first + k]->layout;
  *axis = wk_axis_or_zero(*axis, x->rank);
  return *axis < 0 ? wk_error_status() : wk_index_plan_make(plan, x, indices, count, *axis);
}

wk_status wk_infer_index_get(wk_call *call) {
  wk_index_plan plan;
  const wk_status status =
      make_plan(call, 1, &((wk_index_get_arguments *)call->arguments)->axis, &plan);
  if (status != WK_OK) return status;
  return wk_infer_output(call, plan.selected.dtype, plan.selected.rank, plan.selected.dims);
}

wk_status wk_infer_index_put(wk_call *call) {
  wk_index_plan plan;
  const wk_status status =
      make_plan(call, 2, &((wk_index_put_arguments *)call->arguments)->axis, &plan);
  if (status != WK_OK) return status;
  const wk_layout *x = &call->inputs[0]->layout, *source = &call->inputs[1]->layout;
  const int added = plan.selected.rank - source->rank;
  bool fits = added >= 0;
  for (int i = 0; fits && i < source->rank; i++)
    fits = source->dims[i] == 1 || source->dims[i] == plan.selected.dims[added + i];
  if (fits) return wk_infer_output(call, x->dtype, x->rank, x->dims);
  char wanted[128];
  wk_layout_describe(&plan.selected, wanted, sizeof wanted);
  wk_fail(WK_ERROR_SHAPE, "the indices select %s, to which source cannot be broadcast", wanted);
  return WK_ERROR_SHAPE;
}

/* The index tensors of a rule's inputs from `first` on. */
static wk_tensors indices_of(const wk_vjp *vjp, int first) {
  return (wk_tensors){(size_t)(vjp->input_count - first),
                      (wk_tensor **)(uintptr_t)&vjp->inputs[first]};
}

wk_status wk_vjp_index_get(wk_vjp *vjp) {
  const wk_index_get_arguments *a = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0];
  vjp->input_gradients[0] = wk_index_put(wk_zeros_shaped(&vjp->input_layouts[0], g), g,
                                         indices_of(vjp, 1), .axis = a->axis, .accumulate = true);
  return wk_error_status();
}

/* Of what is put in the same place only the last lasts, and only it gets a gradient. The engine
 * sums over axes along which source was repeated. */
static wk_tensor *gradient_of_put(const wk_vjp *vjp, wk_tensor *g, wk_tensors indices, int axis) {
  wk_tensor *taken = wk_index_get(g, indices, .axis = axis);
  if (!taken) return NULL;
  wk_layout places = vjp->input_layouts[0];
  places.dtype = WK_I64;
  wk_tensor *order = wk_reshape(wk_counting(wk_tensor_count(taken), g), wk_tensor_shape(taken));
  wk_tensor *last = wk_index_put(wk_zeros_shaped(&places, g), order, indices, .axis = axis);
  wk_tensor *lasts = wk_equal(wk_index_get(last, indices, .axis = axis), order);
  return wk_where(lasts, taken, wk_scalar(0));
}

wk_status wk_vjp_index_put(wk_vjp *vjp) {
  const wk_index_put_arguments *a = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0];
  const wk_tensors indices = indices_of(vjp, 2);
  const wk_layout zero = {.dtype = vjp->input_layouts[0].dtype, .rank = 0};
  if (vjp->needed[0])
    vjp->input_gradients[0] =
        a->accumulate ? g : wk_index_put(g, wk_zeros_shaped(&zero, g), indices, .axis = a->axis);
  if (vjp->needed[1])
    vjp->input_gradients[1] = a->accumulate ? wk_index_get(g, indices, .axis = a->axis)
                                            : gradient_of_put(vjp, g, indices, a->axis);
  return wk_error_status();
}

/* ---- one index tensor ---- */

wk_status wk_composite_index_select(wk_call *call) {
  const wk_index_select_arguments *a = call->arguments;
  call->outputs[0] = wk_index_get(call->inputs[0], WK_TENSORS(call->inputs[1]), .axis = a->axis);
  return wk_error_status();
}

wk_status wk_composite_index_add(wk_call *call) {
  const wk_index_add_arguments *a = call->arguments;
  wk_tensor *source = call->inputs[2];
  if (a->alpha != 1) source = wk_multiply(source, wk_scalar(a->alpha));
  call->outputs[0] = wk_index_put(call->inputs[0], source, WK_TENSORS(call->inputs[1]),
                                  .axis = a->axis, .accumulate = true);
  return wk_error_status();
}

wk_status wk_composite_index_copy(wk_call *call) {
  const wk_index_copy_arguments *a = call->arguments;
  call->outputs[0] =
      wk_index_put(call->inputs[0], call->inputs[2], WK_TENSORS(call->inputs[1]), .axis = a->axis);
  return wk_error_status();
}

wk_status wk_composite_index_fill(wk_call *call) {
  const wk_index_fill_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  wk_tensor *value =
      wk_full(WK_SCALAR, a->value, .dtype = x->layout.dtype, .device = wk_tensor_device_of(x));
  call->outputs[0] = wk_index_put(x, value, WK_TENSORS(call->inputs[1]), .axis = a->axis);
  return wk_error_status();
}

wk_status wk_composite_take(wk_call *call) {
  wk_tensor *flat = wk_reshape(call->inputs[0], WK_SHAPE(-1));
  call->outputs[0] = wk_index_get(flat, WK_TENSORS(call->inputs[1]));
  return wk_error_status();
}

wk_status wk_composite_put(wk_call *call) {
  const wk_put_arguments *a = call->arguments;
  const wk_shape shape = wk_layout_shape(&call->inputs[0]->layout);
  wk_tensor *flat = wk_reshape(call->inputs[0], WK_SHAPE(-1));
  flat =
      wk_index_put(flat, call->inputs[2], WK_TENSORS(call->inputs[1]), .accumulate = a->accumulate);
  call->outputs[0] = wk_reshape(flat, shape);
  return wk_error_status();
}

/* Sizes other than along the axis are broadcast. */
wk_status wk_composite_take_along_axis(wk_call *call) {
  const wk_take_along_axis_arguments *a = call->arguments;
  wk_shape x = wk_layout_shape(&call->inputs[0]->layout);
  wk_shape index = wk_layout_shape(&call->inputs[1]->layout);
  const int axis = wk_axis_resolve(a->axis, x.rank);
  if (axis < 0) return wk_error_status();
  for (int i = 0; i < x.rank && x.rank == index.rank; i++) {
    if (i == axis) continue;
    if (x.dims[i] == 1) x.dims[i] = index.dims[i];
    if (index.dims[i] == 1) index.dims[i] = x.dims[i];
  }
  call->outputs[0] =
      wk_gather(wk_broadcast_to(call->inputs[0], x), wk_broadcast_to(call->inputs[1], index), axis);
  return wk_error_status();
}

/* ---- TensorFlow's: the last axis of the indices lists coordinates ---- */

#define MOST_COORDINATES (WK_MAX_INPUTS - 2)

/* One index tensor for each coordinate. Returns how many, or -1. */
static int coordinates(wk_tensor *indices, wk_tensor **parts) {
  const int64_t count = wk_tensor_dim(indices, -1);
  if (indices->layout.rank == 0 || count < 1 || count > MOST_COORDINATES) {
    wk_fail(WK_ERROR_SHAPE, "the last axis of indices lists coordinates: 1 to %d, not %lld",
            MOST_COORDINATES, (long long)count);
    return -1;
  }
  for (int i = 0; i < count; i++) parts[i] = wk_select(indices, -1, i);
  return (int)count;
}

wk_status wk_composite_gather_nd(wk_call *call) {
  wk_tensor *parts[MOST_COORDINATES];
  const int count = coordinates(call->inputs[1], parts);
  if (count < 0) return wk_error_status();
  call->outputs[0] = wk_index_get(call->inputs[0], ((wk_tensors){(size_t)count, parts}));
  return wk_error_status();
}

static wk_tensor *put_nd(wk_tensor *x, wk_tensor *indices, wk_tensor *source, bool accumulate) {
  wk_tensor *parts[MOST_COORDINATES];
  const int count = coordinates(indices, parts);
  if (count < 0) return NULL;
  return wk_index_put(x, source, ((wk_tensors){(size_t)count, parts}), .accumulate = accumulate);
}

wk_status wk_composite_scatter_nd(wk_call *call) {
  const wk_scatter_nd_arguments *a = call->arguments;
  wk_tensor *source = call->inputs[0];
  wk_layout zeros;
  if (!wk_layout_contiguous(&zeros, source->layout.dtype, &a->shape)) return wk_error_status();
  call->outputs[0] = put_nd(wk_zeros_shaped(&zeros, source), call->inputs[1], source, true);
  return wk_error_status();
}

wk_status wk_composite_scatter_nd_update(wk_call *call) {
  const wk_scatter_nd_update_arguments *a = call->arguments;
  call->outputs[0] = put_nd(call->inputs[0], call->inputs[2], call->inputs[1], a->accumulate);
  return wk_error_status();
}
