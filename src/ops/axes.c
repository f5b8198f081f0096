/* SPDX-License-Identifier: Apache-2.0 */
/* Composites that only rearrange axes: views, made of reshape, permute and slice. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"
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

/* ---- parts ---- */

wk_status wk_composite_select(wk_call *call) {
  const wk_select_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  const int axis = wk_axis_resolve(a->axis, x->rank);
  if (axis < 0) return wk_error_status();
  const int64_t index = wk_place_resolve(a->index, x->dims[axis], axis);
  if (index < 0) return wk_error_status();
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

wk_status wk_composite_narrow(wk_call *call) {
  const wk_narrow_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  const int axis = wk_axis_resolve(a->axis, x->rank);
  if (axis < 0) return wk_error_status();
  const int64_t size = x->dims[axis], start = a->start < 0 ? a->start + size : a->start;
  if (start < 0 || start > size || a->length > size - start) {
    wk_fail(WK_ERROR_INDEX, "%lld elements from %lld on are not in axis %d of %lld",
            (long long)a->length, (long long)a->start, axis, (long long)size);
    wk_error_add_hint("wk_slice takes what there is");
    return WK_ERROR_INDEX;
  }
  call->outputs[0] = wk_slice(call->inputs[0], axis, start, start + a->length);
  return wk_error_status();
}

/* ---- other sizes ---- */

wk_status wk_composite_unflatten(wk_call *call) {
  const wk_unflatten_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  const int axis = wk_axis_resolve(a->axis, x->rank), count = a->shape.rank;
  if (axis < 0) return wk_error_status();
  if (x->rank - 1 + count > WK_MAX_RANK)
    return wk_fail(WK_ERROR_SHAPE, "the result would have more than %d dimensions", WK_MAX_RANK);
  int64_t known = 1;
  int unknown = -1;
  for (int i = 0; i < count; i++) {
    const int64_t size = a->shape.dims[i];
    if (size == -1 && unknown < 0)
      unknown = i;
    else if (size < 0 || !wk_multiply_count(known, size, &known))
      return wk_fail(WK_ERROR_SHAPE, "size %d is %lld", i, (long long)size);
  }
  const int64_t size = x->dims[axis];
  const bool fits = unknown < 0 ? known == size : known > 0 && size % known == 0;
  if (count == 0 || !fits) {
    wk_fail(WK_ERROR_SHAPE, "axis %d has %lld elements, the sizes given hold %s%lld", axis,
            (long long)size, unknown >= 0 ? "a multiple of " : "", (long long)known);
    wk_error_add_hint("one size may be -1 and is worked out from the others");
    return WK_ERROR_SHAPE;
  }
  wk_shape shape = {.rank = x->rank - 1 + count};
  for (int i = 0; i < axis; i++) shape.dims[i] = x->dims[i];
  for (int i = 0; i < count; i++)
    shape.dims[axis + i] = i == unknown ? size / known : a->shape.dims[i];
  for (int i = axis + 1; i < x->rank; i++) shape.dims[i - 1 + count] = x->dims[i];
  call->outputs[0] = wk_reshape(call->inputs[0], shape);
  return wk_error_status();
}

wk_status wk_composite_expand(wk_call *call) {
  const wk_expand_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  const int added = a->shape.rank - x->rank;
  wk_shape shape = a->shape;
  for (int i = 0; i < shape.rank; i++) {
    if (shape.dims[i] != -1) continue;
    if (i < added) return wk_fail(WK_ERROR_SHAPE, "size %d is -1, but x has no such axis", i);
    if (added >= 0) shape.dims[i] = x->dims[i - added];
  }
  call->outputs[0] = wk_broadcast_to(call->inputs[0], shape);
  return wk_error_status();
}

wk_status wk_composite_move_axes(wk_call *call) {
  const wk_move_axes_arguments *a = call->arguments;
  const int rank = input_layout(call)->rank;
  if (a->source.count != a->destination.count) {
    return wk_fail(WK_ERROR_ARGUMENT, "%d axes are to go to %d places", a->source.count,
                   a->destination.count);
  }
  wk_axes order = {.count = rank};
  bool moved[WK_MAX_RANK] = {false}, taken[WK_MAX_RANK] = {false};
  for (int i = 0; i < a->source.count; i++) {
    const int from = wk_axis_resolve(a->source.axis[i], rank);
    const int to = wk_axis_resolve(a->destination.axis[i], rank);
    if (from < 0 || to < 0) return wk_error_status();
    if (moved[from] || taken[to]) return wk_fail(WK_ERROR_ARGUMENT, "an axis is listed twice");
    moved[from] = taken[to] = true;
    order.axis[to] = from;
  }
  for (int to = 0, from = 0; to < rank; to++) {
    if (taken[to]) continue;
    while (moved[from]) from++;
    order.axis[to] = from++;
  }
  call->outputs[0] = wk_permute(call->inputs[0], order);
  return wk_error_status();
}

wk_status wk_composite_select_scatter(wk_call *call) {
  const wk_select_scatter_arguments *a = call->arguments;
  const wk_layout *x = input_layout(call);
  const int axis = wk_axis_resolve(a->axis, x->rank);
  if (axis < 0) return wk_error_status();
  const int64_t index = wk_place_resolve(a->index, x->dims[axis], axis);
  if (index < 0) return wk_error_status();
  wk_tensor *source = call->inputs[1];
  if (source->layout.rank >= x->rank - 1 - axis) source = wk_unsqueeze(source, axis - x->rank);
  call->outputs[0] = wk_slice_update(call->inputs[0], source, axis, index, index + 1);
  return wk_error_status();
}

/* ---- joining after a look at the number of dimensions ---- */

/* Concatenated along an axis, each given dimensions first. */
static wk_tensor *join(const wk_call *call, wk_tensor *(*prepare)(wk_tensor *x), int axis) {
  if (call->input_count == 0) {
    wk_fail(WK_ERROR_ARGUMENT, "there are no tensors to stack");
    return NULL;
  }
  const size_t count = (size_t)call->input_count;
  wk_tensor **rows = wk_allocate_zeroed(count, sizeof *rows), *y = NULL;
  for (size_t i = 0; rows && i < count; i++) rows[i] = prepare(call->inputs[i]);
  if (!wk_failed()) y = wk_concatenate(((wk_tensors){count, rows}), axis);
  wk_deallocate(rows);
  return y;
}

static wk_tensor *at_least_one(wk_tensor *x) {
  return x->layout.rank ? x : wk_reshape(x, WK_SHAPE(1));
}

static wk_tensor *at_least_two(wk_tensor *x) {
  return x->layout.rank >= 2 ? x : wk_unsqueeze(at_least_one(x), 0);
}

static wk_tensor *at_least_three(wk_tensor *x) {
  return x->layout.rank >= 3 ? x : wk_unsqueeze(at_least_two(x), 2);
}

static wk_tensor *as_column(wk_tensor *x) {
  return x->layout.rank >= 2 ? x : wk_reshape(x, WK_SHAPE(-1, 1));
}

wk_status wk_composite_hstack(wk_call *call) {
  const bool flat = call->input_count > 0 && input_layout(call)->rank <= 1;
  call->outputs[0] = join(call, at_least_one, flat ? 0 : 1);
  return wk_error_status();
}

wk_status wk_composite_vstack(wk_call *call) {
  call->outputs[0] = join(call, at_least_two, 0);
  return wk_error_status();
}

wk_status wk_composite_dstack(wk_call *call) {
  call->outputs[0] = join(call, at_least_three, 2);
  return wk_error_status();
}

wk_status wk_composite_column_stack(wk_call *call) {
  call->outputs[0] = join(call, as_column, 1);
  return wk_error_status();
}
