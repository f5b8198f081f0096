/* SPDX-License-Identifier: Apache-2.0 */
/* Composites that copy elements to several or other places: repeat, roll, rotate90. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* x's elements before, on and after an axis. */
static wk_shape three_axes(const wk_layout *x, int axis) {
  wk_shape shape = {.rank = 3, .dims = {1, x->dims[axis], 1}};
  for (int i = 0; i < axis; i++) shape.dims[0] *= x->dims[i];
  for (int i = axis + 1; i < x->rank; i++) shape.dims[2] *= x->dims[i];
  return shape;
}

/* The axis `count` times over, or each of its elements `count` times. */
static wk_tensor *repeat_axis(wk_tensor *x, int axis, int64_t count, bool each) {
  if (!x || count == 1) return x;
  const wk_shape parts = three_axes(&x->layout, axis);
  wk_shape apart = {.rank = 4, .dims = {parts.dims[0], 1, parts.dims[1], parts.dims[2]}};
  if (each) apart.dims[1] = parts.dims[1], apart.dims[2] = 1;
  wk_shape repeated = apart, result = wk_layout_shape(&x->layout);
  repeated.dims[each ? 2 : 1] = count;
  if (!wk_multiply_count(result.dims[axis], count, &result.dims[axis])) {
    wk_fail(WK_ERROR_SHAPE, "the result is too large");
    return NULL;
  }
  return wk_reshape(wk_broadcast_to(wk_reshape(x, apart), repeated), result);
}

wk_status wk_composite_repeat(wk_call *call) {
  const wk_repeat_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  const int rank = a->counts.rank > x->rank ? a->counts.rank : x->rank;
  const int new_axes = rank - x->rank, skipped = rank - a->counts.rank;
  wk_shape shape = {.rank = rank};
  for (int i = 0; i < rank; i++) shape.dims[i] = i < new_axes ? 1 : x->dims[i - new_axes];
  wk_tensor *y = wk_reshape(call->inputs[0], shape);
  for (int i = skipped; i < rank; i++) {
    const int64_t count = a->counts.dims[i - skipped];
    if (count < 0)
      return wk_fail(WK_ERROR_ARGUMENT, "count %d is negative: %lld", i - skipped,
                     (long long)count);
    y = repeat_axis(y, i, count, false);
  }
  call->outputs[0] = y;
  return wk_error_status();
}

/* ---- repeat_interleave ---- */

/* Index 0 counts[0] times, then index 1 counts[1] times, ... */
static wk_tensor *repeated_indices(wk_tensor *counts, int64_t size) {
  const int64_t given = wk_layout_count(&counts->layout);
  if (counts->layout.rank != 1 || given != size) {
    wk_fail(WK_ERROR_SHAPE, "counts must list %lld numbers, one for each element of the axis",
            (long long)size);
    return NULL;
  }
  int64_t *values = wk_allocate_zeroed((size_t)size + 1, sizeof *values), total = 0;
  if (!values) return NULL;
  wk_status status = wk_tensor_read(counts, values, (size_t)size * sizeof *values);
  for (int64_t i = 0; i < size && status == WK_OK; i++) {
    if (values[i] < 0 || __builtin_add_overflow(total, values[i], &total))
      status = wk_fail(WK_ERROR_ARGUMENT, "count %lld at [%lld] is negative or too large",
                       (long long)values[i], (long long)i);
  }
  wk_tensor *result = NULL;
  int64_t *indices =
      status == WK_OK ? wk_allocate_zeroed((size_t)total + 1, sizeof *indices) : NULL;
  if (indices) {
    int64_t at = 0;
    for (int64_t i = 0; i < size; i++)
      for (int64_t k = 0; k < values[i]; k++) indices[at++] = i;
    result = wk_tensor_from_data(WK_SHAPE(total), WK_I64, indices, wk_tensor_device_of(counts));
  }
  wk_deallocate(indices);
  wk_deallocate(values);
  return result;
}

wk_status wk_composite_repeat_interleave(wk_call *call) {
  const wk_repeat_interleave_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0], *counts = call->inputs[1];
  const int axis = wk_axis_resolve(a->axis, x->layout.rank);
  if (axis < 0) return wk_error_status();
  if (counts) {
    wk_tensor *indices = repeated_indices(counts, x->layout.dims[axis]);
    call->outputs[0] = indices ? wk_index_get(x, WK_TENSORS(indices), .axis = axis) : NULL;
  } else {
    call->outputs[0] = repeat_axis(x, axis, a->count, true);
  }
  return wk_error_status();
}

/* ---- roll, rotate90 ---- */

static wk_tensor *roll_axis(wk_tensor *x, int64_t shift, int axis) {
  if (!x) return NULL;
  const int64_t size = x->layout.dims[axis];
  if (size == 0) return x;
  const int64_t moved = (shift % size + size) % size;
  if (moved == 0) return x;
  wk_tensor *end = wk_slice(x, axis, size - moved, size);
  wk_tensor *start = wk_slice(x, axis, 0, size - moved);
  return wk_concatenate(WK_TENSORS(end, start), axis);
}

wk_status wk_composite_roll(wk_call *call) {
  const wk_roll_arguments *a = call->arguments;
  wk_tensor *y = call->inputs[0];
  const wk_shape shape = wk_layout_shape(&y->layout);
  if (a->axes.count == 0 && a->shifts.rank == 1) {
    y = roll_axis(wk_reshape(y, WK_SHAPE(-1)), a->shifts.dims[0], 0);
    call->outputs[0] = wk_reshape(y, shape);
    return wk_error_status();
  }
  if (a->axes.count != a->shifts.rank) {
    wk_fail(WK_ERROR_ARGUMENT, "%d shifts are listed for %d axes", a->shifts.rank, a->axes.count);
    wk_error_add_hint("list one shift for each axis; without axes one shift rolls all elements in "
                      "row-major order");
    return WK_ERROR_ARGUMENT;
  }
  for (int i = 0; i < a->axes.count; i++) {
    const int axis = wk_axis_resolve(a->axes.axis[i], shape.rank);
    if (axis < 0) return wk_error_status();
    y = roll_axis(y, a->shifts.dims[i], axis);
  }
  call->outputs[0] = y;
  return wk_error_status();
}

wk_status wk_composite_rotate90(wk_call *call) {
  const wk_rotate90_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const wk_axes axes = a->axes.count ? a->axes : WK_AXES(0, 1);
  if (axes.count != 2)
    return wk_fail(WK_ERROR_ARGUMENT, "a plane has two axes, but %d are listed", axes.count);
  const int first = wk_axis_resolve(axes.axis[0], x->layout.rank);
  const int second = wk_axis_resolve(axes.axis[1], x->layout.rank);
  if (first < 0 || second < 0) return wk_error_status();
  if (first == second) return wk_fail(WK_ERROR_ARGUMENT, "both axes are axis %d", first);
  switch ((a->count % 4 + 4) % 4) {
  case 1:
    x = wk_transpose(wk_flip(x, .axes = WK_AXES(second)), first, second);
    break;
  case 2:
    x = wk_flip(x, .axes = WK_AXES(first, second));
    break;
  case 3:
    x = wk_flip(wk_transpose(x, first, second), .axes = WK_AXES(second));
    break;
  default:
    x = wk_contiguous(x);
  }
  call->outputs[0] = x;
  return wk_error_status();
}
