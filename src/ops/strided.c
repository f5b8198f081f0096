/* SPDX-License-Identifier: Apache-2.0 */
/* Views that need strides of their own: diagonals, windows, and strides given by the caller. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* A view of input 0 that begins at its first element; the caller sets sizes and strides. */
static wk_layout *begin_view(wk_call *call, int rank) {
  const wk_tensor *x = call->inputs[0];
  call->view_offset = x->offset;
  call->layouts[0].dtype = x->layout.dtype, call->layouts[0].rank = rank;
  return &call->layouts[0];
}

/* ---- as_strided ---- */

/* Strides and offset count the elements of x in row-major order. */
static wk_status check_reach(const wk_as_strided_arguments *a, int64_t count) {
  int64_t first = a->offset, last = a->offset;
  for (int i = 0; i < a->shape.rank; i++) {
    int64_t reach;
    if (a->shape.dims[i] < 0) return wk_fail(WK_ERROR_SHAPE, "size %d is negative", i);
    if (a->shape.dims[i] == 0) return WK_OK;
    if (!wk_multiply_count(a->shape.dims[i] - 1, a->strides.dims[i], &reach) ||
        __builtin_add_overflow(reach < 0 ? first : last, reach, reach < 0 ? &first : &last))
      return wk_fail(WK_ERROR_SHAPE, "the strides are too large");
  }
  if (first >= 0 && last < count) return WK_OK;
  wk_fail(WK_ERROR_INDEX, "the view would reach from element %lld to %lld of x's %lld",
          (long long)first, (long long)last, (long long)count);
  wk_error_add_hint("elements are counted from 0 in row-major order; the last one is offset plus "
                    "(size - 1) * stride of every axis");
  return WK_ERROR_INDEX;
}

wk_status wk_infer_as_strided(wk_call *call) {
  const wk_as_strided_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  if (a->strides.rank != a->shape.rank) {
    return wk_fail(WK_ERROR_ARGUMENT, "%d strides are listed for %d sizes", a->strides.rank,
                   a->shape.rank);
  }
  const wk_status status = check_reach(a, wk_layout_count(x));
  if (status != WK_OK) return status;
  wk_layout checked;
  if (!wk_layout_contiguous(&checked, x->dtype, &a->shape)) return wk_error_status();
  wk_layout *y = begin_view(call, a->shape.rank);
  for (int i = 0; i < y->rank; i++) {
    y->dims[i] = a->shape.dims[i];
    y->strides[i] = a->strides.dims[i];
  }
  if (!wk_layout_is_contiguous(x)) call->view_of_copy = true, call->view_offset = 0;
  if (wk_layout_count(y) > 0) call->view_offset += a->offset;
  return WK_OK;
}

/* What the view shows several times is summed. */
wk_status wk_vjp_as_strided(wk_vjp *vjp) {
  const wk_as_strided_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *g = vjp->output_gradients[0];
  const wk_layout flat = {.dtype = x->dtype, .rank = 1, .dims = {wk_layout_count(x)}};
  wk_tensor *places =
      wk_as_strided(wk_counting(flat.dims[0], g), a->shape, a->strides, .offset = a->offset);
  wk_tensor *sum =
      wk_index_put(wk_zeros_shaped(&flat, g), g, WK_TENSORS(places), .accumulate = true);
  vjp->input_gradients[0] = wk_reshape(sum, wk_layout_shape(x));
  return wk_error_status();
}

/* ---- diagonal ---- */

static wk_status resolve_two(const wk_layout *x, int *axis1, int *axis2) {
  *axis1 = wk_axis_resolve(*axis1, x->rank);
  *axis2 = wk_axis_resolve(*axis2, x->rank);
  if (*axis1 < 0 || *axis2 < 0) return wk_error_status();
  if (*axis1 != *axis2) return WK_OK;
  return wk_fail(WK_ERROR_ARGUMENT, "both axes are axis %d", *axis1);
}

/* axis1 = axis2 = 0 is what is left out: the first two. */
static void default_axes(int *axis1, int *axis2) {
  if (*axis1 == 0 && *axis2 == 0) *axis2 = 1;
}

wk_status wk_infer_diagonal(wk_call *call) {
  wk_diagonal_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  default_axes(&a->axis1, &a->axis2);
  const wk_status status = resolve_two(x, &a->axis1, &a->axis2);
  if (status != WK_OK) return status;
  const int64_t down = a->offset < 0 ? -a->offset : 0, right = a->offset > 0 ? a->offset : 0;
  const int64_t rows = x->dims[a->axis1] - down, columns = x->dims[a->axis2] - right;
  const int64_t length = rows < columns ? rows : columns;
  wk_layout *y = begin_view(call, 0);
  for (int i = 0; i < x->rank; i++) {
    if (i == a->axis1 || i == a->axis2) continue;
    y->dims[y->rank] = x->dims[i];
    y->strides[y->rank++] = x->strides[i];
  }
  y->dims[y->rank] = length > 0 ? length : 0;
  y->strides[y->rank++] = x->strides[a->axis1] + x->strides[a->axis2];
  if (wk_layout_count(y) > 0)
    call->view_offset += down * x->strides[a->axis1] + right * x->strides[a->axis2];
  return WK_OK;
}

/* x, whose two axes are given, with source on the diagonal. */
static wk_tensor *put_diagonal(wk_tensor *x, wk_tensor *source, int64_t offset, int axis1,
                               int axis2, int64_t length) {
  if (!x || !source) return NULL;
  const wk_axes axes = {2, {axis1, axis2}};
  const int64_t down = offset < 0 ? -offset : 0, right = offset > 0 ? offset : 0;
  wk_device *device = wk_tensor_device_of(source);
  wk_tensor *i = wk_arange(length, .start = (double)down, .dtype = WK_I64, .device = device);
  wk_tensor *j = wk_arange(length, .start = (double)right, .dtype = WK_I64, .device = device);
  wk_tensor *moved = wk_move_axes(x, axes, WK_AXES(-2, -1));
  wk_tensor *full = wk_index_put(moved, source, WK_TENSORS(i, j), .axis = x->layout.rank - 2);
  return wk_move_axes(full, WK_AXES(-2, -1), axes);
}

wk_status wk_vjp_diagonal(wk_vjp *vjp) {
  const wk_diagonal_arguments *a = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0];
  vjp->input_gradients[0] = put_diagonal(wk_zeros_shaped(&vjp->input_layouts[0], g), g, a->offset,
                                         a->axis1, a->axis2, wk_tensor_dim(g, -1));
  return wk_error_status();
}

wk_status wk_composite_diagonal_scatter(wk_call *call) {
  const wk_diagonal_scatter_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  int axis1 = a->axis1, axis2 = a->axis2;
  default_axes(&axis1, &axis2);
  const wk_status status = resolve_two(&x->layout, &axis1, &axis2);
  if (status != WK_OK) return status;
  wk_tensor *part = wk_diagonal(x, .offset = a->offset, .axis1 = axis1, .axis2 = axis2);
  call->outputs[0] =
      put_diagonal(x, call->inputs[1], a->offset, axis1, axis2, wk_tensor_dim(part, -1));
  return wk_error_status();
}

/* ---- sliding_windows ---- */

wk_status wk_infer_sliding_windows(wk_call *call) {
  wk_sliding_windows_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  const int axis = wk_axis_resolve(a->axis, x->rank);
  if (axis < 0) return wk_error_status();
  if (x->rank == WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "x has %d dimensions already, the most there can be", x->rank);
  if (a->size > x->dims[axis]) {
    return wk_fail(WK_ERROR_SHAPE, "a window of %lld does not fit into axis %d of %lld",
                   (long long)a->size, axis, (long long)x->dims[axis]);
  }
  a->axis = axis;
  wk_layout *y = begin_view(call, x->rank + 1);
  for (int i = 0; i < x->rank; i++) y->dims[i] = x->dims[i], y->strides[i] = x->strides[i];
  y->dims[axis] = (x->dims[axis] - a->size) / a->step + 1;
  if (y->dims[axis] > 1) y->strides[axis] *= a->step;
  y->dims[x->rank] = a->size, y->strides[x->rank] = x->strides[axis];
  return WK_OK;
}

/* Elements in several windows get the sum of their gradients. */
wk_status wk_vjp_sliding_windows(wk_vjp *vjp) {
  const wk_sliding_windows_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *g = wk_move_axes(vjp->output_gradients[0], WK_AXES(-1), WK_AXES(a->axis + 1));
  if (!g) return wk_error_status();
  wk_tensor *places =
      wk_sliding_windows(wk_counting(x->dims[a->axis], g), 0, a->size, .step = a->step);
  vjp->input_gradients[0] = wk_index_put(wk_zeros_shaped(x, g), g, WK_TENSORS(places),
                                         .axis = a->axis, .accumulate = true);
  return wk_error_status();
}
