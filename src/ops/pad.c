/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/pad.h"

#include "base/error.h"
#include "base/memory.h"
#include "ops/position.h"
#include "ops/records.gen.h"

/* Whether elements of x can stand in the padding of an axis. */
static wk_status check_mode(const wk_pad_arguments *a, const wk_layout *x, int axis) {
  const int64_t size = x->dims[axis], before = a->before.dims[axis], after = a->after.dims[axis];
  const int64_t most = before > after ? before : after;
  if (a->mode == WK_PAD_MODE_CONSTANT || most <= 0) return WK_OK;
  if (size == 0) return wk_fail(WK_ERROR_SHAPE, "axis %d has no elements to pad with", axis);
  if (a->mode != WK_PAD_MODE_REFLECT || most < size) return WK_OK;
  wk_fail(WK_ERROR_SHAPE, "axis %d of %lld elements cannot be reflected by %lld", axis,
          (long long)size, (long long)most);
  wk_error_add_hint("the first and the last element are not repeated, so at most %lld can be added",
                    (long long)size - 1);
  return WK_ERROR_SHAPE;
}

wk_status wk_infer_pad(wk_call *call) {
  const wk_pad_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  if (a->before.rank != x->rank || a->after.rank != x->rank) {
    return wk_fail(WK_ERROR_ARGUMENT, "before and after must list %d sizes, one for each dimension",
                   x->rank);
  }
  int64_t dims[WK_MAX_RANK];
  for (int i = 0; i < x->rank; i++) {
    if (__builtin_add_overflow(x->dims[i], a->before.dims[i], &dims[i]) ||
        __builtin_add_overflow(dims[i], a->after.dims[i], &dims[i])) {
      return wk_fail(WK_ERROR_SHAPE, "the result is too large");
    }
    if (dims[i] < 0) {
      return wk_fail(WK_ERROR_SHAPE,
                     "padding of %lld and %lld leaves less than nothing of axis %d, "
                     "which has %lld elements",
                     (long long)a->before.dims[i], (long long)a->after.dims[i], i,
                     (long long)x->dims[i]);
    }
    const wk_status status = check_mode(a, x, i);
    if (status != WK_OK) return status;
  }
  return wk_infer_output(call, x->dtype, x->rank, dims);
}

/* Places of x's elements along a padded axis, as an index. */
static wk_tensor *pad_places(const wk_pad_arguments *a, int axis, int64_t size,
                             const wk_tensor *beside) {
  const int64_t before = a->before.dims[axis], count = size + before + a->after.dims[axis];
  int64_t *places = wk_allocate_zeroed((size_t)count + 1, sizeof *places);
  if (!places) return NULL;
  for (int64_t i = 0; i < count; i++) places[i] = wk_pad_source(a->mode, i - before, size);
  wk_tensor *index =
      wk_tensor_from_data(WK_SHAPE(count), WK_I64, places, wk_tensor_device_of(beside));
  wk_deallocate(places);
  return index;
}

/* Constant padding is taken off again by padding with negative sizes; elsewhere, what stands in
 * several places gets the sum. */
wk_status wk_vjp_pad(wk_vjp *vjp) {
  const wk_pad_arguments *a = vjp->arguments;
  const wk_layout *x = &vjp->input_layouts[0];
  wk_tensor *g = vjp->output_gradients[0];
  if (a->mode == WK_PAD_MODE_CONSTANT) {
    wk_shape before = a->before, after = a->after;
    for (int i = 0; i < x->rank; i++) before.dims[i] *= -1, after.dims[i] *= -1;
    vjp->input_gradients[0] = wk_pad(g, before, after);
    return wk_error_status();
  }
  for (int i = 0; i < x->rank && g; i++) {
    if (a->before.dims[i] == 0 && a->after.dims[i] == 0) continue;
    wk_layout part = g->layout;
    part.dims[i] = x->dims[i];
    wk_tensor *places = pad_places(a, i, x->dims[i], g);
    g = wk_index_put(wk_zeros_shaped(&part, g), g, WK_TENSORS(places), .axis = i,
                     .accumulate = true);
  }
  vjp->input_gradients[0] = g;
  return wk_error_status();
}
