/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors made from settings alone, and random ones. */
#include "base/error.h"
#include "ops/records.gen.h"

static wk_status infer_shape(wk_call *call, const wk_shape *shape, wk_dtype dtype) {
  return wk_infer_output(call, dtype ? dtype : WK_F32, shape->rank, shape->dims);
}

static wk_status infer_random(wk_call *call, const wk_shape *shape, wk_dtype dtype) {
  if (dtype && dtype != WK_F32 && dtype != WK_F64) {
    return wk_fail(WK_ERROR_DTYPE, "random numbers are f32 or f64, not %s", wk_dtype_name(dtype));
  }
  return infer_shape(call, shape, dtype);
}

wk_status wk_infer_full(wk_call *call) {
  const wk_full_arguments *a = call->arguments;
  return infer_shape(call, &a->shape, a->dtype);
}

wk_status wk_infer_arange(wk_call *call) {
  const wk_arange_arguments *a = call->arguments;
  return wk_infer_output(call, a->dtype ? a->dtype : WK_F32, 1, &a->count);
}

wk_status wk_infer_uniform(wk_call *call) {
  const wk_uniform_arguments *a = call->arguments;
  if (!(a->low <= a->high)) return wk_fail(WK_ERROR_ARGUMENT, "low is above high");
  return infer_random(call, &a->shape, a->dtype);
}

wk_status wk_infer_normal(wk_call *call) {
  const wk_normal_arguments *a = call->arguments;
  return infer_random(call, &a->shape, a->dtype);
}

wk_status wk_infer_dropout(wk_call *call) {
  const wk_layout *x = &call->inputs[0]->layout;
  return wk_infer_output(call, x->dtype, x->rank, x->dims);
}

/* The same numbers are drawn again, so no mask is kept. */
wk_status wk_vjp_dropout(wk_vjp *vjp) {
  const wk_dropout_arguments *a = vjp->arguments;
  vjp->input_gradients[0] = wk_dropout(vjp->output_gradients[0], a->rate, .keyed = true,
                                       .seed = a->seed, .offset = a->offset);
  return wk_error_status();
}
