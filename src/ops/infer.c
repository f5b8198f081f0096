/* SPDX-License-Identifier: Apache-2.0 */
/* Shape rules that many ops share. */
#include <string.h>

#include "base/error.h"
#include "ops/op.h"

wk_status wk_infer_output(wk_call *call, wk_dtype dtype, int rank, const int64_t *dims) {
  return wk_infer_output_at(call, 0, dtype, rank, dims);
}

wk_status wk_infer_output_at(wk_call *call, int output, wk_dtype dtype, int rank,
                             const int64_t *dims) {
  if (rank > WK_MAX_RANK) {
    return wk_fail(WK_ERROR_SHAPE, "the result would have %d dimensions; %d are possible", rank,
                   WK_MAX_RANK);
  }
  return wk_layout_make(&call->layouts[output], dtype, rank, dims) ? WK_OK : wk_error_pending;
}

/* Merges one operand's sizes into the result's, both aligned at their last axes. */
static wk_status broadcast_one(const wk_layout *layout, int input, wk_layout *result) {
  for (int i = 0; i < layout->rank; i++) {
    const int axis = layout->rank - 1 - i;
    int64_t *to = &result->dims[result->rank - 1 - i];
    const int64_t size = layout->dims[axis];
    if (*to == size || size == 1) continue;
    if (*to != 1) {
      wk_fail(WK_ERROR_SHAPE,
              "operand %d has size %lld in dimension %d, where the others have %lld; sizes must be "
              "equal or 1",
              input + 1, (long long)size, axis, (long long)*to);
      wk_error_add_hint("dimensions are matched from the last one backwards; wk_reshape can add "
                        "ones of size 1");
      return WK_ERROR_SHAPE;
    }
    *to = size;
  }
  return WK_OK;
}

wk_status wk_broadcast_layouts(wk_tensor *const *inputs, int count, wk_layout *result) {
  result->rank = 0;
  for (int i = 0; i < count; i++) {
    if (inputs[i] && inputs[i]->layout.rank > result->rank) result->rank = inputs[i]->layout.rank;
  }
  const bool first_is_whole = count > 0 && inputs[0] && inputs[0]->layout.rank == result->rank;
  for (int i = 0; i < result->rank; i++)
    result->dims[i] = first_is_whole ? inputs[0]->layout.dims[i] : 1;
  for (int i = first_is_whole; i < count; i++) {
    if (!inputs[i]) continue;
    const wk_status status = broadcast_one(&inputs[i]->layout, i, result);
    if (status != WK_OK) return status;
  }
  return WK_OK;
}

static wk_dtype shared_dtype(const wk_call *call) {
  for (int i = 0; i < call->input_count; i++) {
    if (call->op->inputs[i].same_dtype) return call->inputs[i]->layout.dtype;
  }
  return call->inputs[0]->layout.dtype;
}

/* Whether all inputs have the first one's sizes, as in most calls; then so has the result. */
static bool sizes_agree(const wk_call *call) {
  if (!call->inputs[0]) return false;
  const wk_layout *first = &call->inputs[0]->layout;
  for (int i = 1; i < call->input_count; i++) {
    if (!call->inputs[i]) return false;
    const wk_layout *other = &call->inputs[i]->layout;
    if (other->rank != first->rank) return false;
    for (int k = 0; k < first->rank; k++)
      if (other->dims[k] != first->dims[k]) return false;
  }
  return true;
}

wk_status wk_infer_pointwise(wk_call *call) {
  const wk_dtype fixed = call->op->output_dtype, dtype = fixed ? fixed : shared_dtype(call);
  wk_layout *joint = &call->layouts[0];
  if (sizes_agree(call) && !fixed) { /* of as many bytes as an input, so that they can be counted */
    const wk_layout *first = &call->inputs[0]->layout;
    joint->dtype = dtype, joint->rank = first->rank;
    for (int i = 0; i < first->rank; i++) joint->dims[i] = first->dims[i];
    wk_layout_set_strides(joint);
    return WK_OK;
  }
  const wk_status status = wk_broadcast_layouts(call->inputs, call->input_count, joint);
  return status == WK_OK ? wk_infer_output(call, dtype, joint->rank, joint->dims) : status;
}

wk_status wk_infer_update(wk_call *call) {
  for (int i = 0; i < call->input_count; i++) {
    if (!wk_layout_same_dims(&call->inputs[i]->layout, &call->inputs[0]->layout)) {
      return wk_fail(WK_ERROR_SHAPE, "%s has other sizes than %s", call->op->inputs[i].name,
                     call->op->inputs[0].name);
    }
    if (!wk_layout_is_contiguous(&call->inputs[i]->layout)) {
      return wk_fail(WK_ERROR_ARGUMENT, "%s is not contiguous", call->op->inputs[i].name);
    }
  }
  return WK_OK;
}
