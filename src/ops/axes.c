/* SPDX-License-Identifier: Apache-2.0 */
/* Composites that only rearrange axes: views, made of reshape, permute and slice. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"

static const wk_layout *input_layout(const wk_call *call) { return &call->inputs[0]->layout; }

/* ---- axes of size 1 ---- */

wk_status wk_composite_squeeze(wk_call *call) {
  const wk_squeeze_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  bool dropped[WK_MAX_RANK];
  for (int i = 0; i < x->rank; i++) dropped[i] = a->axes.count == 0 && x->dims[i] == 1;
  for (int i = 0; i < a->axes.count; i++) {
    const int axis = wk_axis_resolve(a->axes.axis[i], x->rank);
    if (axis < 0) return wk_error_status();
    dropped[axis] = x->dims[axis] == 1;
  }
  wk_shape shape = {.rank = 0};
  for (int i = 0; i < x->rank; i++)
    if (!dropped[i]) shape.dims[shape.rank++] = x->dims[i];
  call->outputs[0] = wk_reshape(call->inputs[0], shape);
  return wk_error_status();
}

wk_status wk_composite_unsqueeze(wk_call *call) {
  const wk_unsqueeze_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  const int axis = wk_axis_resolve(a->axis, x->rank + 1);
  if (axis < 0) return wk_error_status();
  if (x->rank == WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "x has %d dimensions already, the most there can be", x->rank);
  wk_shape shape = {.rank = x->rank + 1};
  for (int i = 0; i < shape.rank; i++)
    shape.dims[i] = i == axis ? 1 : x->dims[i < axis ? i : i - 1];
  call->outputs[0] = wk_reshape(call->inputs[0], shape);
  return wk_error_status();
}

/* ---- order of axes ---- */

wk_status wk_composite_transpose(wk_call *call) {
  const wk_transpose_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  const int first = wk_axis_resolve(a->axis1, x->rank), second = wk_axis_resolve(a->axis2, x->rank);
  if (first < 0 || second < 0) return wk_error_status();
  wk_axes axes = {.count = x->rank};
  for (int i = 0; i < x->rank; i++) axes.axis[i] = i == first ? second : i == second ? first : i;
  call->outputs[0] = wk_permute(call->inputs[0], axes);
  return wk_error_status();
}

/* ---- parts ---- */

wk_status wk_composite_select(wk_call *call) {
  const wk_select_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  const int axis = wk_axis_resolve(a->axis, x->rank);
  if (axis < 0) return wk_error_status();
  const int64_t size = x->dims[axis], index = a->index < 0 ? a->index + size : a->index;
  if (index < 0 || index >= size) {
    wk_fail(WK_ERROR_INDEX, "index %lld is not one of %lld .. %lld", (long long)a->index,
            -(long long)size, (long long)size - 1);
    wk_error_add_hint("axis %d has %lld elements; negative indices count from its end", axis,
                      (long long)size);
    return WK_ERROR_INDEX;
  }
  wk_shape shape = {.rank = x->rank - 1};
  for (int i = 0; i < shape.rank; i++) shape.dims[i] = x->dims[i < axis ? i : i + 1];
  call->outputs[0] = wk_reshape(wk_slice(call->inputs[0], axis, index, index + 1), shape);
  return wk_error_status();
}

wk_status wk_composite_flip(wk_call *call) {
  const wk_flip_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  wk_tensor *y = call->inputs[0];
  const int count = a->axes.count ? a->axes.count : x->rank;
  bool seen[WK_MAX_RANK] = {false};
  for (int i = 0; i < count; i++) {
    const int axis = a->axes.count ? wk_axis_resolve(a->axes.axis[i], x->rank) : i;
    if (axis < 0) return wk_error_status();
    if (seen[axis]) return wk_fail(WK_ERROR_ARGUMENT, "axis %d is listed twice", axis);
    seen[axis] = true;
    y = wk_slice(y, axis, WK_LAST, WK_FIRST, .step = -1);
  }
  call->outputs[0] = y;
  return wk_error_status();
}

/* ---- joining ---- */

wk_status wk_composite_stack(wk_call *call) {
  const wk_stack_arguments *a = call->arguments;
  if (call->input_count == 0) return wk_fail(WK_ERROR_ARGUMENT, "there are no tensors to stack");
  const wk_layout *first = input_layout(call);
  for (int i = 1; i < call->input_count; i++) {
    if (wk_layout_same_dims(&call->inputs[i]->layout, first)) continue;
    wk_fail(WK_ERROR_SHAPE, "tensor %d does not have the sizes of the first one", i + 1);
    wk_error_add_hint("all tensors of a stack have equal sizes; wk_concatenate joins others");
    return WK_ERROR_SHAPE;
  }
  const size_t count = (size_t)call->input_count;
  wk_tensor **rows = wk_allocate_zeroed(count, sizeof *rows);
  if (!rows) return wk_error_status();
  for (size_t i = 0; i < count; i++) rows[i] = wk_unsqueeze(call->inputs[i], a->axis);
  const int axis = a->axis < 0 ? a->axis + first->rank + 1 : a->axis;
  call->outputs[0] = wk_concatenate(((wk_tensors){count, rows}), axis);
  wk_deallocate(rows);
  return wk_error_status();
}
