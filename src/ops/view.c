/* SPDX-License-Identifier: Apache-2.0 */
/* Views: other sizes, strides and offsets over the same memory. */
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* Begins a view of input 0 with its dtype and offset; the caller sets sizes and strides. */
static wk_layout *begin_view(wk_call *call, int rank) {
  const wk_tensor *x = call->inputs[0];
  call->view_offset = x->offset;
  call->layouts[0].dtype = x->layout.dtype, call->layouts[0].rank = rank;
  return &call->layouts[0];
}

/* What x was to become, for errors. */
static void describe_wanted(const wk_layout *x, const wk_shape *shape, char *buffer, size_t size) {
  wk_layout wanted = {.dtype = x->dtype, .rank = shape->rank};
  for (int i = 0; i < shape->rank; i++) wanted.dims[i] = shape->dims[i];
  wk_layout_describe(&wanted, buffer, size);
}

/* ---- reshape ---- */

/* Sets y's sizes to the wanted ones with -1 worked out; checks that they hold as many elements as
 * x. */
static wk_status resolve_shape(const wk_layout *x, const wk_shape *shape, wk_layout *y) {
  const int64_t count = wk_layout_count(x);
  int64_t known = 1;
  int unknown = -1;
  for (int i = 0; i < shape->rank; i++) {
    y->dims[i] = shape->dims[i];
    if (shape->dims[i] == -1 && unknown < 0)
      unknown = i;
    else if (shape->dims[i] < 0) {
      return wk_fail(WK_ERROR_SHAPE, "size %d is %lld; only one may be -1", i,
                     (long long)shape->dims[i]);
    } else if (!wk_multiply_count(known, shape->dims[i], &known)) {
      return wk_fail(WK_ERROR_SHAPE, "the sizes are too large");
    }
  }
  if (unknown < 0 && known == count) return WK_OK;
  if (unknown >= 0 && known > 0 && count % known == 0) {
    y->dims[unknown] = count / known;
    return WK_OK;
  }
  char wanted[128];
  describe_wanted(x, shape, wanted, sizeof wanted);
  wk_fail(WK_ERROR_SHAPE, "x has %lld elements, but %s holds %s%lld", (long long)count, wanted,
          unknown >= 0 ? "a multiple of " : "", (long long)known);
  wk_error_add_hint("one size may be -1 and is worked out from the others");
  return WK_ERROR_SHAPE;
}

/* Strides for the new sizes over x's memory, if every group of new axes covers a group of old ones
 * that lie regularly in memory. Returns false if they do not. */
static bool reshape_strides(const wk_layout *given, wk_layout *y) {
  wk_layout dense; /* axes of size 1 do not matter */
  memset(&dense, 0, sizeof dense);
  const wk_layout *const x = &dense;
  for (int i = 0; i < given->rank; i++) {
    if (given->dims[i] == 1) continue;
    dense.dims[dense.rank] = given->dims[i];
    dense.strides[dense.rank++] = given->strides[i];
  }
  int old = 0, new = 0;
  while (new < y->rank) {
    int64_t old_count = old < x->rank ? x->dims[old] : 1, new_count = y->dims[new];
    int old_end = old < x->rank ? old + 1 : old, new_end = new + 1;
    while (old_count != new_count) {
      if (new_count < old_count)
        new_count *= y->dims[new_end++];
      else
        old_count *= x->dims[old_end++];
    }
    for (int i = old; i + 1 < old_end; i++) {
      if (x->strides[i] != x->strides[i + 1] * x->dims[i + 1]) return false;
    }
    int64_t stride = old_end > old ? x->strides[old_end - 1] : 1;
    for (int i = new_end - 1; i >= new; i--) {
      y->strides[i] = stride;
      stride *= y->dims[i];
    }
    old = old_end, new = new_end;
  }
  return true;
}

wk_status wk_infer_reshape(wk_call *call) {
  const wk_reshape_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  wk_layout *y = begin_view(call, a->shape.rank);
  const wk_status status = resolve_shape(x, &a->shape, y);
  if (status != WK_OK) return status;
  wk_layout_set_strides(y);
  if (wk_layout_is_contiguous(x) || wk_layout_count(x) == 0 || reshape_strides(x, y)) return WK_OK;
  wk_layout_set_strides(y);
  call->view_offset = 0;
  call->view_of_copy = true;
  return WK_OK;
}

wk_status wk_vjp_reshape(wk_vjp *vjp) {
  const wk_shape shape = wk_layout_shape(&vjp->input_layouts[0]);
  vjp->input_gradients[0] = wk_reshape(vjp->output_gradients[0], shape);
  return wk_error_status();
}

wk_status wk_composite_flatten(wk_call *call) {
  const wk_flatten_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  const int axis = x->rank == 0 && a->axis == 0 ? 0 : wk_axis_resolve(a->axis, x->rank);
  if (axis < 0) return wk_error_status();
  wk_shape shape = {.rank = axis + 1};
  for (int i = 0; i < axis; i++) shape.dims[i] = x->dims[i];
  shape.dims[axis] = 1;
  for (int i = axis; i < x->rank; i++) shape.dims[axis] *= x->dims[i];
  call->outputs[0] = wk_reshape(call->inputs[0], shape);
  return wk_error_status();
}

/* ---- permute ---- */

static wk_status resolve_order(const wk_axes *axes, int rank, int *order) {
  if (axes->count != rank) {
    wk_fail(WK_ERROR_ARGUMENT, "%d axes are listed for %d dimensions", axes->count, rank);
    wk_error_add_hint("list every axis once: WK_AXES(1, 0) swaps the two of a matrix");
    return WK_ERROR_ARGUMENT;
  }
  unsigned seen = 0;
  for (int i = 0; i < rank; i++) {
    const int axis = wk_axis_resolve(axes->axis[i], rank);
    if (axis < 0) return wk_error_status();
    if (seen >> axis & 1) return wk_fail(WK_ERROR_ARGUMENT, "axis %d is listed twice", axis);
    seen |= 1u << axis;
    order[i] = axis;
  }
  return WK_OK;
}

wk_status wk_infer_permute(wk_call *call) {
  const wk_permute_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  int order[WK_MAX_RANK];
  const wk_status status = resolve_order(&a->axes, x->rank, order);
  if (status != WK_OK) return status;
  wk_layout *y = begin_view(call, x->rank);
  for (int i = 0; i < x->rank; i++) {
    y->dims[i] = x->dims[order[i]];
    y->strides[i] = x->strides[order[i]];
  }
  return WK_OK;
}

wk_status wk_vjp_permute(wk_vjp *vjp) {
  const wk_permute_arguments *a = vjp->arguments;
  const int rank = a->axes.count;
  wk_axes inverse = {.count = rank};
  for (int i = 0; i < rank; i++) inverse.axis[wk_axis_resolve(a->axes.axis[i], rank)] = i;
  vjp->input_gradients[0] = wk_permute(vjp->output_gradients[0], inverse);
  return wk_error_status();
}

/* ---- transpose ---- */

wk_status wk_infer_transpose(wk_call *call) {
  const wk_transpose_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  const int first = wk_axis_resolve(a->axis1, x->rank), second = wk_axis_resolve(a->axis2, x->rank);
  if (first < 0 || second < 0) return wk_error_status();
  wk_layout *y = begin_view(call, x->rank);
  wk_layout_copy(y, x);
  y->dims[first] = x->dims[second], y->strides[first] = x->strides[second];
  y->dims[second] = x->dims[first], y->strides[second] = x->strides[first];
  return WK_OK;
}

wk_status wk_vjp_transpose(wk_vjp *vjp) {
  const wk_transpose_arguments *a = vjp->arguments;
  vjp->input_gradients[0] = wk_transpose(vjp->output_gradients[0], a->axis1, a->axis2);
  return wk_error_status();
}

/* ---- broadcast_to ---- */

static wk_status cannot_repeat(const wk_layout *x, const wk_shape *shape, int axis) {
  char wanted[128];
  describe_wanted(x, shape, wanted, sizeof wanted);
  const int own = axis - (shape->rank - x->rank);
  wk_fail(WK_ERROR_SHAPE, "size %lld in dimension %d cannot become %lld of %s; only 1 repeats",
          (long long)x->dims[own], own, (long long)shape->dims[axis], wanted);
  wk_error_add_hint(
      "dimensions are matched from the last one backwards; wk_reshape can add ones of "
      "size 1");
  return WK_ERROR_SHAPE;
}

wk_status wk_infer_broadcast_to(wk_call *call) {
  const wk_broadcast_to_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  const int added = a->shape.rank - x->rank;
  if (added < 0) {
    return wk_fail(WK_ERROR_SHAPE, "%d dimensions cannot become %d", x->rank, a->shape.rank);
  }
  wk_layout checked;
  if (!wk_layout_contiguous(&checked, x->dtype, &a->shape)) return wk_error_status();
  wk_layout *y = begin_view(call, a->shape.rank);
  for (int i = 0; i < y->rank; i++) {
    const int64_t size = i < added ? 1 : x->dims[i - added];
    y->dims[i] = a->shape.dims[i];
    y->strides[i] = i < added || size == 1 ? 0 : x->strides[i - added];
    if (size != 1 && size != y->dims[i]) {
      return cannot_repeat(x, &a->shape, i);
    }
  }
  return WK_OK;
}

/* The repeated axes are summed away again. */
wk_status wk_vjp_broadcast_to(wk_vjp *vjp) {
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *g = vjp->output_gradients[0];
  const int rank = wk_tensor_rank(g), added = rank - x->rank;
  wk_axes axes = {.count = 0};
  for (int i = 0; i < rank; i++) {
    if (i < added || x->dims[i - added] == 1) axes.axis[axes.count++] = i;
  }
  if (axes.count) g = wk_sum(g, .axes = axes, .keep_dims = true);
  vjp->input_gradients[0] = wk_reshape(g, wk_layout_shape(x));
  return wk_error_status();
}

/* ---- slice ---- */

/* Python's rules: negative bounds count from the end; bounds beyond an end are that end, which for
 * steps backwards is one before the first element. */
static int64_t resolve_bound(int64_t bound, int64_t size, int64_t step) {
  const int64_t least = step < 0 ? -1 : 0, most = step < 0 ? size - 1 : size;
  if (bound < 0) bound = bound < -size ? -1 : bound + size;
  return bound < least ? least : bound > most ? most : bound;
}

/* How many elements stand from start on, before end. */
static int64_t slice_count(int64_t start, int64_t end, int64_t step) {
  if (step > 0) return end <= start ? 0 : (end - start - 1) / step + 1;
  return end >= start ? 0 : (start - end - 1) / -step + 1;
}

/* Resolves axis and bounds and makes the layout of the part; *offset is added to. What is resolved
 * stays as it is when it is resolved again: an end before the first element is WK_FIRST. */
static wk_status slice_layout(const wk_layout *x, int *axis, int64_t *start, int64_t *end,
                              int64_t step, wk_layout *y, int64_t *offset) {
  *axis = wk_axis_resolve(*axis, x->rank);
  if (*axis < 0) return wk_error_status();
  if (step == INT64_MIN) return wk_fail(WK_ERROR_ARGUMENT, "the step is too large");
  *start = resolve_bound(*start, x->dims[*axis], step);
  *end = resolve_bound(*end, x->dims[*axis], step);
  *y = *x;
  const int64_t count = y->dims[*axis] = slice_count(*start, *end, step);
  if (count == 0) *start = *end = 0;
  if (*end < 0) *end = WK_FIRST;
  if (y->dims[*axis] > 1) y->strides[*axis] *= step;
  if (wk_layout_count(y) > 0) *offset += *start * x->strides[*axis];
  return WK_OK;
}

wk_status wk_infer_slice(wk_call *call) {
  wk_slice_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  wk_layout *y = begin_view(call, x->rank);
  return slice_layout(x, &a->axis, &a->start, &a->end, a->step, y, &call->view_offset);
}

wk_status wk_vjp_slice(wk_vjp *vjp) {
  const wk_slice_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *g = vjp->output_gradients[0];
  const int64_t size = wk_tensor_dim(g, a->axis);
  if (a->step == 1) {
    wk_shape before = {.rank = x->rank}, after = {.rank = x->rank};
    before.dims[a->axis] = a->start;
    after.dims[a->axis] = x->dims[a->axis] - a->start - size;
    vjp->input_gradients[0] = wk_pad(g, before, after);
  } else {
    vjp->input_gradients[0] =
        wk_slice_update(wk_zeros_shaped(x, g), g, a->axis, a->start, a->end, .step = a->step);
  }
  return wk_error_status();
}

/* ---- slice_update ---- */

wk_status wk_infer_slice_update(wk_call *call) {
  wk_slice_update_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout, *source = &call->inputs[1]->layout;
  wk_layout part;
  int64_t offset = 0;
  const wk_status status = slice_layout(x, &a->axis, &a->start, &a->end, a->step, &part, &offset);
  if (status != WK_OK) return status;
  bool fits = source->rank <= part.rank;
  for (int i = 0; fits && i < source->rank; i++)
    fits = source->dims[i] == 1 || source->dims[i] == part.dims[part.rank - source->rank + i];
  if (fits) return wk_infer_output(call, x->dtype, x->rank, x->dims);
  char wanted[128];
  wk_layout_describe(&part, wanted, sizeof wanted);
  return wk_fail(WK_ERROR_SHAPE, "the slice is %s, to which source cannot be broadcast", wanted);
}

/* The engine sums over axes along which source was repeated. */
wk_status wk_vjp_slice_update(wk_vjp *vjp) {
  const wk_slice_update_arguments *a = vjp->arguments;
  wk_tensor *g = vjp->output_gradients[0];
  const wk_layout zero = {.dtype = vjp->input_layouts[0].dtype, .rank = 0};
  if (vjp->needed[0])
    vjp->input_gradients[0] =
        wk_slice_update(g, wk_zeros_shaped(&zero, g), a->axis, a->start, a->end, .step = a->step);
  if (vjp->needed[1])
    vjp->input_gradients[1] = wk_slice(g, a->axis, a->start, a->end, .step = a->step);
  return wk_error_status();
}
