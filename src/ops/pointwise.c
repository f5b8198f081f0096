/* SPDX-License-Identifier: Apache-2.0 */
/* Ops on single elements that are written by hand: what one expression cannot say. */
#include <float.h>
#include <math.h>

#include "base/error.h"
#include "ops/build.h"

wk_status wk_composite_logit(wk_call *call) {
  const wk_logit_arguments *a = call->arguments;
  wk_tensor *x =
      a->epsilon > 0 ? wk_clamp(call->inputs[0], a->epsilon, 1 - a->epsilon) : call->inputs[0];
  call->outputs[0] = wk_log(wk_divide(x, wk_subtract(wk_scalar(1), x)));
  return wk_error_status();
}

wk_status wk_composite_float_power(wk_call *call) {
  call->outputs[0] = wk_power(wk_cast(call->inputs[0], WK_F64), wk_cast(call->inputs[1], WK_F64));
  return wk_error_status();
}

static double largest_finite(wk_dtype dtype) {
  switch (dtype) {
  case WK_F64:
    return DBL_MAX;
  case WK_F16:
    return 65504;
  case WK_BF16:
    return 0x1.fep127;
  default:
    return FLT_MAX;
  }
}

/* -0.0 is how zero is asked for where 0 means that nothing was. */
static bool is_given(double value) { return value != 0 || signbit(value); }

wk_status wk_composite_nan_to_num(wk_call *call) {
  const wk_nan_to_num_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  if (!wk_dtype_is_float(x->layout.dtype)) {
    call->outputs[0] = wk_clone(x);
    return wk_error_status();
  }
  const double most = largest_finite(x->layout.dtype);
  const double high = is_given(a->positive_infinity) ? a->positive_infinity : most;
  const double low = is_given(a->negative_infinity) ? a->negative_infinity : -most;
  wk_tensor *y = wk_where(wk_is_nan(x), wk_scalar(a->nan), x);
  y = wk_where(wk_equal(x, wk_scalar(INFINITY)), wk_scalar(high), y);
  call->outputs[0] = wk_where(wk_equal(x, wk_scalar(-INFINITY)), wk_scalar(low), y);
  return wk_error_status();
}

wk_status wk_composite_bitwise_not(wk_call *call) {
  wk_tensor *x = call->inputs[0];
  const wk_dtype dtype = x->layout.dtype;
  call->outputs[0] = dtype == WK_BOOL ? wk_logical_not(x)
                                      : wk_bitwise_xor(x, wk_scalar(dtype == WK_U8 ? 255 : -1));
  return wk_error_status();
}

wk_status wk_composite_gelu(wk_call *call) {
  const wk_gelu_arguments *a = call->arguments;
  call->outputs[0] =
      a->approximate ? wk_gelu_tanh(call->inputs[0]) : wk_gelu_exact(call->inputs[0]);
  return wk_error_status();
}

wk_status wk_composite_glu(wk_call *call) {
  const wk_glu_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  const int axis = wk_axis_resolve(a->axis, x->layout.rank);
  if (axis < 0) return wk_error_status();
  const int64_t size = x->layout.dims[axis];
  if (size % 2 != 0) {
    wk_fail(WK_ERROR_SHAPE, "x has size %lld along axis %d; it must be even", (long long)size,
            axis);
    wk_error_add_hint("one half of it decides how much of the other half passes");
    return WK_ERROR_SHAPE;
  }
  wk_tensor *kept = wk_slice(x, axis, 0, size / 2), *gate = wk_slice(x, axis, size / 2, size);
  call->outputs[0] = wk_multiply(kept, wk_sigmoid(gate));
  return wk_error_status();
}

wk_status wk_infer_bitcast(wk_call *call) {
  const wk_bitcast_arguments *a = call->arguments;
  const wk_layout *x = &call->inputs[0]->layout;
  const wk_dtype dtype = a->dtype ? a->dtype : WK_F32;
  if (wk_dtype_size(dtype) != wk_dtype_size(x->dtype) || dtype == WK_BOOL) {
    wk_fail(WK_ERROR_DTYPE, "the bits of %s cannot be taken for %s", wk_dtype_name(x->dtype),
            wk_dtype_name(dtype));
    wk_error_add_hint("both must be of one size, and not every byte is a bool; wk_cast converts");
    return WK_ERROR_DTYPE;
  }
  return wk_infer_output(call, dtype, x->rank, x->dims);
}

/* Derivatives of derivatives of log gamma. */
wk_status wk_vjp_trigamma(wk_vjp *vjp) {
  wk_tensor *g = vjp->output_gradients[0];
  vjp->input_gradients[0] = wk_multiply(g, wk_polygamma(vjp->inputs[0], 2));
  return wk_error_status();
}

wk_status wk_vjp_polygamma(wk_vjp *vjp) {
  const wk_polygamma_arguments *a = vjp->arguments;
  wk_tensor *x = vjp->inputs[0], *wide = wk_to_accumulate(x); /* f16 ends soon below a pole */
  wk_tensor *slope = wk_polygamma(wide, a->order + 1);
  wk_tensor *g = wk_cast_if_other(vjp->output_gradients[0], wide->layout.dtype);
  vjp->input_gradients[0] = wk_cast_if_other(wk_multiply(g, slope), x->layout.dtype);
  return wk_error_status();
}

wk_status wk_composite_crelu(wk_call *call) {
  const wk_crelu_arguments *a = call->arguments;
  wk_tensor *x = call->inputs[0];
  call->outputs[0] = wk_concatenate(WK_TENSORS(wk_relu(x), wk_relu(wk_negative(x))), a->axis);
  return wk_error_status();
}
