/* SPDX-License-Identifier: Apache-2.0 */
/* Traces and triangles of matrices. */
#include "base/error.h"
#include "ops/build.h"

wk_status wk_composite_trace(wk_call *call) {
  call->outputs[0] =
      wk_sum(wk_diagonal(call->inputs[0], .axis1 = -2, .axis2 = -1), .axes = WK_AXES(-1));
  return wk_error_status();
}

/* ---- triangles ---- */

/* For each element of a matrix, how far above the main diagonal it stands: column - row. */
static wk_tensor *heights(int64_t rows, int64_t columns, wk_device *device) {
  wk_tensor *row = wk_arange(rows, .dtype = WK_I64, .device = device);
  wk_tensor *column = wk_arange(columns, .dtype = WK_I64, .device = device);
  return wk_subtract(column, wk_add_axis(row, 1));
}

static wk_tensor *heights_of(wk_tensor *x) {
  return heights(wk_tensor_dim(x, -2), wk_tensor_dim(x, -1), wk_tensor_device_of(x));
}

static wk_status check_matrix(const wk_call *call) {
  if (call->inputs[0]->layout.rank >= 2) return WK_OK;
  return wk_fail(WK_ERROR_SHAPE, "there is no matrix in %d dimensions",
                 call->inputs[0]->layout.rank);
}

/* As a tensor, not a number: beside bools a number would count as an integer. */
static wk_tensor *zero_of(wk_tensor *x) {
  return wk_full(WK_SCALAR, 0, .dtype = x->layout.dtype, .device = wk_tensor_device_of(x));
}

wk_status wk_composite_lower_triangle(wk_call *call) {
  const wk_lower_triangle_arguments *a = call->arguments;
  const wk_status status = check_matrix(call);
  if (status != WK_OK) return status;
  wk_tensor *x = call->inputs[0];
  wk_tensor *kept = wk_less_equal(heights_of(x), wk_scalar(a->offset));
  call->outputs[0] = wk_where(kept, x, zero_of(x));
  return wk_error_status();
}

wk_status wk_composite_upper_triangle(wk_call *call) {
  const wk_upper_triangle_arguments *a = call->arguments;
  const wk_status status = check_matrix(call);
  if (status != WK_OK) return status;
  wk_tensor *x = call->inputs[0];
  wk_tensor *kept = wk_greater_equal(heights_of(x), wk_scalar(a->offset));
  call->outputs[0] = wk_where(kept, x, zero_of(x));
  return wk_error_status();
}

wk_tensor *wk_identity_like(wk_tensor *x) {
  wk_tensor *one = wk_cast(wk_equal(heights_of(x), wk_scalar(0)), x->layout.dtype);
  return wk_broadcast_to(one, wk_tensor_shape(x));
}
