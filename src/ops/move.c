/* SPDX-License-Identifier: Apache-2.0 */
/* Ops that copy elements about: contiguous, cast, concatenate. */
#include "base/error.h"
#include "base/memory.h"
#include "ops/records.gen.h"

wk_status wk_infer_contiguous(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  return wk_infer_output(call, x->dtype, x->rank, x->dims);
}

wk_status wk_vjp_contiguous(wk_vjp *vjp) {
  vjp->input_gradients[0] = vjp->output_gradients[0];
  return WK_OK;
}

wk_status wk_infer_cast(wk_call *call) {
  wk_cast_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  if (a->dtype == WK_DTYPE_DEFAULT) a->dtype = WK_F32;
  return wk_infer_output(call, a->dtype, x->rank, x->dims);
}

/* Between floats only: autograd asks for no gradient of integers. */
wk_status wk_vjp_cast(wk_vjp *vjp) {
  vjp->input_gradients[0] = wk_cast(vjp->output_gradients[0], vjp->input_layouts[0].dtype);
  return wk_error_status();
}

wk_status wk_infer_concatenate(wk_call *call) {
  wk_concatenate_arguments *a = call->arguments;
  if (call->input_count == 0) return wk_fail(WK_ERROR_ARGUMENT, "there are no tensors to join");
  const wk_layout *first = &call->inputs[0]->layout;
  const int axis = wk_axis_resolve(a->axis, first->rank);
  if (axis < 0) return wk_error_status();
  a->axis = axis;
  int64_t dims[WK_MAX_RANK], total = 0;
  for (int i = 0; i < call->input_count; i++) {
    const wk_layout *x = &call->inputs[i]->layout;
    if (x->rank != first->rank) {
      return wk_fail(WK_ERROR_SHAPE, "tensor %d has %d dimensions, the first one %d", i + 1,
                     x->rank, first->rank);
    }
    for (int d = 0; d < x->rank; d++) {
      dims[d] = first->dims[d];
      if (d == axis || x->dims[d] == first->dims[d]) continue;
      wk_fail(WK_ERROR_SHAPE, "tensor %d has size %lld in dimension %d, the first one %lld", i + 1,
              (long long)x->dims[d], d, (long long)first->dims[d]);
      wk_error_add_hint("they are joined along axis %d; all other sizes must be equal", axis);
      return WK_ERROR_SHAPE;
    }
    if (__builtin_add_overflow(total, x->dims[axis], &total)) {
      return wk_fail(WK_ERROR_SHAPE, "the result is too large");
    }
  }
  dims[axis] = total;
  return wk_infer_output(call, first->dtype, first->rank, dims);
}

wk_status wk_vjp_concatenate(wk_vjp *vjp) {
  const wk_concatenate_arguments *a = vjp->arguments;
  int64_t start = 0;
  for (int i = 0; i < vjp->input_count; i++) {
    const int64_t end = start + vjp->input_layouts[i].dims[a->axis];
    if (vjp->needed[i]) {
      vjp->input_gradients[i] = wk_slice(vjp->output_gradients[0], a->axis, start, end);
    }
    start = end;
  }
  return wk_error_status();
}
